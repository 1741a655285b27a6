"""Rules of what a connection that works carries: packets of which size, and after which silence. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from brokerproof.causes import sets
from brokerproof.causes.codes import Code
from brokerproof.diagnosis.rules.case import TWICE, Access, Case, Draft, Red, Said, grouped, kind
from brokerproof.diagnosis.rules.connect import loses
from brokerproof.probes.outcome import IdentityFacts, IdleFacts, PathSizeFacts, Reason, Stage, Status
from brokerproof.topology.expectation.view import ClientView

_FORGOTTEN = frozenset({Reason.RESET, Reason.TIMED_OUT})
_AT_LEAST = 0.95
"""Of a broker's limit: what it counts began a little earlier than what is counted here."""


def path_sizes(case: Case, reds: Sequence[Red]) -> Iterable[Draft]:
    """Every red check of the sizes of packets."""
    return grouped(_said(case, [red for red in reds if red.check.stage is Stage.PATH_SIZE]))


def idle_connections(case: Case, reds: Sequence[Red]) -> Iterable[Draft]:
    """Connections that did not outlive a silence: forgotten on the way, by reset or by silence.

    Brokers end theirs in order, and later. What forgets is a load balancer's listener (it resets: NLB guide, connection
    idle timeout), what tracks the connections of an ENI or a host (EC2 guide, security group connection tracking), or
    a device between. Other clients are the witnesses: what keeps theirs is not what forgets.
    """
    idle = [red for red in reds if red.check.stage is Stage.IDLE]
    forgotten = ((*_forgotten_by(case, red), red) for red in idle if red.check.reason in _FORGOTTEN)
    ended = ((frozenset({Code.CLUSTER_IDLE_LIMIT}), "", red) for red in idle if _ended_by_the_broker(case, red))
    return grouped((*forgotten, *ended))


def _ended_by_the_broker(case: Case, red: Red) -> bool:
    """Whether the connection ended in order, after as long as the broker's own setting says."""
    facts = case.facts(red, IdleFacts)
    if red.check.reason is not Reason.CLOSED or facts is None or facts.asked:
        return False
    limits_ms = [
        outcome.facts.connections_max_idle_ms
        for outcome in case.earlier(red, Stage.IDENTITY)
        if isinstance(outcome.facts, IdentityFacts) and outcome.facts.connections_max_idle_ms
    ]
    return any(facts.silent_ms >= _AT_LEAST * limit_ms for limit_ms in limits_ms)


def _forgotten_by(case: Case, red: Red) -> tuple[frozenset[Code], str]:
    facts = case.facts(red, IdleFacts)
    if facts is not None and facts.works_anew is False:
        return sets.GONE_MEANWHILE, "after a silence the broker answers neither on the old connection nor on a new one"
    codes = sets.FORGOTTEN if kind(red.view) is Access.DIRECT else sets.FORGOTTEN_BEHIND
    keeping = [view for view in case.views if _keeps(case, view, red)]
    if any(kind(view) is not Access.DIRECT for view in keeping):
        codes -= {Code.NLB_IDLE_TIMEOUT}
    if any(view.subnet_id and view.subnet_id == red.view.subnet_id for view in keeping):
        codes -= {Code.TCP_DEVICE_TIMEOUT}
    if red.check.reason is Reason.RESET and Code.NLB_IDLE_TIMEOUT in codes and _resets(case, red) >= TWICE:
        return frozenset({Code.NLB_IDLE_TIMEOUT}), ""
    return codes, "" if len(codes) == 1 else "connections do not outlive a silence"


def _keeps(case: Case, view: ClientView, red: Red) -> bool:
    """Whether another client kept a connection to the same broker for as long, through the same pattern's pieces."""
    of_red = case.facts(red, IdleFacts)
    return (
        view.client != red.client
        and view.cluster_name == red.view.cluster_name
        and (kind(view) is Access.DIRECT) is (kind(red.view) is Access.DIRECT)
        and any(
            outcome.status is Status.OK
            and outcome.target.broker_id == red.check.broker_id
            and isinstance(outcome.facts, IdleFacts)
            and of_red is not None
            and outcome.facts.silent_ms >= of_red.silent_ms
            for outcome in case.of_stage(view, Stage.IDLE)
        )
    )


def _resets(case: Case, red: Red) -> int:
    """Clients whose connection to the same broker was reset behind the load balancer."""
    return len(
        {
            other.client
            for other in case.reds
            if other.check.stage is Stage.IDLE
            and other.check.reason is Reason.RESET
            and other.check.broker_id == red.check.broker_id
            and other.view.cluster_name == red.view.cluster_name
            and kind(other.view) is not Access.DIRECT
        }
    )


def _said(case: Case, reds: Sequence[Red]) -> Iterator[tuple[frozenset[Code], str, Red]]:
    for red in reds:
        facts = case.facts(red, PathSizeFacts)
        if facts is None or red.check.reason is not Reason.TIMED_OUT:
            continue
        if facts.to_broker_stopped_bytes is not None:
            yield *_requests(case, red, facts), red
        elif facts.to_client_stopped_bytes is not None:
            yield *_answers(case, red, facts), red


def _requests(case: Case, red: Red, facts: PathSizeFacts) -> Said:
    """Large requests that are not answered: by what the peer's TCP acknowledged of them.

    What vanishes for its size is sent again and not acknowledged, while the small request behind it is (RFC 2018).
    """
    tcp = facts.tcp
    if tcp is not None and tcp.unacknowledged_segments == 0:
        return sets.STOPS_ANSWERING, "the broker's host takes large requests, and they are not answered"
    small_passed = tcp is not None and tcp.selectively_acknowledged_segments > 0
    if small_passed and facts.sent_again_segments >= TWICE and not loses(case, red.view):
        return frozenset({Code.TCP_PATH_MTU}), ""
    return sets.LARGE_NOT_TAKEN, "small requests are answered, and large ones are never acknowledged"


def _answers(case: Case, red: Red, facts: PathSizeFacts) -> Said:
    """A large answer that does not come: whether a part of it did that cannot be read without what is before it."""
    if facts.unreadable_segments and not loses(case, red.view):
        return frozenset({Code.TCP_PATH_MTU}), ""
    return sets.STOPS_ANSWERING | {Code.TCP_PATH_MTU}, "small requests are answered, and a large answer does not come"
