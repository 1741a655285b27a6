"""Advice of the handshake: what this probe sends and is served for, and others do not send. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from brokerproof.diagnosis.advice.advice import AdviceCode
from brokerproof.diagnosis.advice.spec import AdviceSpec, Sighting
from brokerproof.diagnosis.rules.case import Case
from brokerproof.probes.outcome import HandshakeFacts, Reason, Stage, Status

_MERELY_SLOW: Final = frozenset({Reason.TIMED_OUT})
"""A handshake that does not end in its time may be late, with a server name or without."""


def _needs_sni(case: Case) -> Iterator[Sighting]:
    """A handshake that was good with the server name, and is not without it."""
    for view in case.views:
        for outcome in case.of_stage(view, Stage.HANDSHAKE):
            facts = outcome.facts
            if outcome.status is not Status.OK or not isinstance(facts, HandshakeFacts) or facts.without_sni is None:
                continue
            without = facts.without_sni
            place = outcome.target.place
            check = next((c for c in case.checks(view) if c.stage is Stage.HANDSHAKE and c.place == place), None)
            if without.reason is not None and without.reason not in _MERELY_SLOW and check is not None:
                where = f"{outcome.target.address}:{outcome.target.port}"
                reason = without.reason.value.replace("_", " ")
                yield Sighting(view, check.check_id, f"{where} without a server name: {reason}: {without.detail}")


SPECS: Final = (
    AdviceSpec(
        code=AdviceCode.TLS_SNI_NEEDED,
        title="what answers there, or something on the way, needs the server name (SNI)",
        affected=(
            "clients that are given an address instead of a name",
            "programs that send a server name only when told to (Python's ssl, openssl s_client before 1.1.1)",
        ),
        because="they send no server name, and the handshake is refused or another certificate is presented then; "
        "Java, librdkafka and this probe send it",
        change="have those clients send the broker's name as the server name; where a proxy or a load balancer routes "
        "by it, give it a default for connections without one",
        sources=("RFC 6066, section 3", "openssl-s_client(1)", "Python documentation, ssl.SSLContext.wrap_socket"),
        look=_needs_sni,
    ),
)
