"""Rules of what a connection that works carries: packets of which size, and after which silence. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from brokerproof.causes import sets
from brokerproof.causes.codes import Code
from brokerproof.diagnosis.rules.case import Access, Case, Draft, Red, grouped, kind
from brokerproof.probes.outcome import PathSizeFacts, Reason, Stage

_FORGOTTEN = frozenset({Reason.RESET, Reason.TIMED_OUT})


def path_sizes(case: Case, reds: Sequence[Red]) -> Iterable[Draft]:
    """Every red check of the sizes of packets."""
    return grouped(_said(case, [red for red in reds if red.check.stage is Stage.PATH_SIZE]))


def idle_connections(_case: Case, reds: Sequence[Red]) -> Iterable[Draft]:
    """Connections behind a load balancer that did not outlive a silence; brokers end theirs in order, and later.

    Without a load balancer nothing of the catalogue does that.
    """
    found = tuple(r for r in reds if r.check.stage is Stage.IDLE and kind(r.view) is not Access.DIRECT)
    forgotten = tuple(red for red in found if red.check.reason in _FORGOTTEN)
    return [Draft(frozenset({Code.NLB_IDLE_TIMEOUT}), "", forgotten)] if forgotten else []


def _said(case: Case, reds: Sequence[Red]) -> Iterator[tuple[frozenset[Code], str, Red]]:
    for red in reds:
        facts = next((o.facts for o in case.outcomes(red) if isinstance(o.facts, PathSizeFacts)), None)
        if facts is None or red.check.reason is not Reason.TIMED_OUT:
            continue
        if facts.to_broker_stopped_bytes is None and facts.to_client_stopped_bytes is None:
            continue
        if _taken(facts):
            yield sets.STOPS_ANSWERING, "the broker's host takes large requests, and they are not answered", red
        else:
            yield frozenset({Code.TCP_PATH_MTU}), "", red


def _taken(facts: PathSizeFacts) -> bool:
    """Whether the peer's TCP acknowledged the request that was not answered; what vanishes is not acknowledged."""
    stopped = facts.to_broker_stopped_bytes is not None
    return stopped and facts.tcp is not None and facts.tcp.unacknowledged_segments == 0
