"""Which private hosted zone says that there is no such name. Pure."""

from __future__ import annotations

from typing import Final

from brokerproof.probes.outcome import Outcome, Reason, ResolveFacts
from brokerproof.probes.outcome.names import canonical
from brokerproof.topology.expectation.view import ClientView

NO_SUCH_NAME: Final = frozenset({Reason.NXDOMAIN, Reason.NO_DATA})
_PUBLIC_LABELS: Final = 2
"""``amazonaws.com`` and what is above it are public."""


def hiding_zone(view: ClientView, outcome: Outcome) -> str:
    """The private zone that says there is no such name, where it is one that also covers the cluster's own.

    A negative answer names its zone by the owner of the SOA (RFC 2308).
    """
    facts = outcome.facts
    if outcome.reason not in NO_SUCH_NAME or not isinstance(facts, ResolveFacts):
        return ""
    owner = canonical(facts.soa)
    both = [f".{outcome.target.name.lower()}", *(f".{broker.name.lower()}" for broker in view.brokers)]
    covers = owner.count(".") >= _PUBLIC_LABELS and all(name.endswith(f".{owner}") for name in both)
    return owner if covers else ""
