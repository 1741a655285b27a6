"""Which failed records and groups only follow from what the rules have already said. Pure.

Nothing else follows: a check that was made and failed at an earlier stage has a reason of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from brokerproof.causes.codes import Code
from brokerproof.causes.sets import AT_THE_BROKERS
from brokerproof.diagnosis.rules.case import Access, Case, Draft, Red, kind, local
from brokerproof.probes.outcome import GroupFacts, Reason, Stage, TopicFacts
from brokerproof.probes.outcome.registry import SPECS, precedes
from brokerproof.topology.expectation.view import ClientView

_OF_AN_UNREACHED_BROKER: Final = frozenset(
    {
        Reason.TIMED_OUT,
        Reason.TRANSPORT,
        Reason.KAFKA_ERROR,
        Reason.NOT_LEADER,
        Reason.COORDINATOR_UNAVAILABLE,
        Reason.NOT_ASSIGNED,
        Reason.COMMIT_FAILED,
        Reason.RECORDS_LOST,
        Reason.INTERMITTENT,
    }
)
"""What records and groups fail with because this client does not reach a broker, or not well."""
_OF_A_CLUSTER_WITHOUT_IT: Final = _OF_AN_UNREACHED_BROKER | {
    Reason.TOPIC_NOT_CREATED,
    Reason.TOPIC_NOT_FOUND,
    Reason.NO_LEADER,
    Reason.NOT_ENOUGH_REPLICAS,
}
"""What they fail with because the cluster itself lacks a broker, which may be its controller."""
_OF_A_BROKER: Final = frozenset(
    {Code.CLUSTER_BROKER_DOWN, Code.CLUSTER_BROKER_UNRESPONSIVE, Code.CLUSTER_BROKER_CUT_OFF}
)
"""Causes that are a broker's own, whoever saw them."""
_OF_THE_CLUSTER: Final = _OF_A_BROKER | AT_THE_BROKERS
"""Causes that may part a broker from the other brokers as well."""
_OF_A_TOPIC_WITHOUT_IT: Final = frozenset({0, 3, 5, 7, 9, 13, 19, 20, 38, 39, 41, 56})
"""Error codes of requests about the topic that a cluster answers because it lacks a broker, or its controller; 0 is no
answer (Kafka protocol guide, error codes). By any other a broker refuses."""
_PASSING: Final = frozenset(
    {
        "CORRUPT_MESSAGE",
        "FENCED_LEADER_EPOCH",
        "KAFKA_STORAGE_ERROR",
        "NETWORK_EXCEPTION",
        "NOT_CONTROLLER",
        "OFFSET_NOT_AVAILABLE",
        "PREFERRED_LEADER_NOT_AVAILABLE",
        "REPLICA_NOT_AVAILABLE",
        "UNKNOWN_LEADER_EPOCH",
        "UNSTABLE_OFFSET_COMMIT",
    }
)
"""Errors of brokers that Kafka's protocol guide marks as retriable, beside those that have a reason of their own."""
_OF_LOOKUPS: Final = frozenset(
    {
        Code.DNS_QUERIES_THROTTLED,
        Code.HOST_HOSTS_ENTRY,
        Code.HOST_SEARCH_LIST,
        Code.HOST_NAME_SERVICE,
        Code.HOST_INTERCEPTED,
    }
)
"""What leads a client's library astray, whichever broker it means: it looks names up by itself, and again for each."""
_OF_A_TARGET: Final = frozenset({Code.NLB_WRONG_TARGET})
"""What several targets share may have shown itself to one client alone, and to another only in its records."""


def following(case: Case, left: Iterable[Red], drafts: Sequence[Draft]) -> dict[str, str]:
    """The keys of those reds, each with the key of a red of what it follows from."""
    found: dict[str, str] = {}
    for red in left:
        if SPECS[red.check.stage].moves_records:
            cause = next((draft for draft in drafts if _bears(case, draft, red)), None)
            if cause is not None:
                found[red.key] = cause.reds[0].key
    return found


def _bears(case: Case, draft: Draft, red: Red) -> bool:
    """Whether what the draft says makes this fail: at the same broker, or anywhere where the cluster lacks one."""
    if _refused(case, red):
        return False
    if red.check.reason in _OF_A_CLUSTER_WITHOUT_IT and _parts_brokers(draft, red):
        return True
    if red.check.reason not in _OF_AN_UNREACHED_BROKER:
        return False
    if draft.codes & _OF_LOOKUPS and any(r.client == red.client for r in draft.reds):
        return True
    at_broker = [r for r in draft.reds if r.check.broker_id is not None and _is_at(case, r.check.broker_id, red)]
    if draft.codes & _OF_A_TARGET and at_broker:
        return True
    return any(r.client == red.client and _may_fail(r.check.stage, red.check.stage) for r in at_broker)


def _parts_brokers(draft: Draft, red: Red) -> bool:
    """Whether the cluster may lack a broker because of it.

    What may as well be on a client's way says that to this client, or where a client inside the cluster's VPC met it.
    """
    if draft.codes <= _OF_A_BROKER:
        return True
    met = any(each.client == red.client or _inside(each.view) for each in draft.reds)
    return met and bool(draft.codes & _OF_THE_CLUSTER)


def _inside(view: ClientView) -> bool:
    return local(view) and kind(view) is not Access.ENDPOINT


def _refused(case: Case, red: Red) -> bool:
    """Whether a broker answered that it will not: whoever is not reached does not say so.

    librdkafka's names of its own errors begin with an underscore.
    """
    facts = [outcome.facts for outcome in case.outcomes(red)]
    if any(isinstance(each, TopicFacts) and each.error_code not in _OF_A_TOPIC_WITHOUT_IT for each in facts):
        return True
    names = {getattr(each, "error_name", "") for each in facts}
    return red.check.reason is Reason.KAFKA_ERROR and any(
        name and not name.startswith("_") and name not in _PASSING for name in names
    )


def _may_fail(earlier: Stage, later: Stage) -> bool:
    return precedes(earlier, later) or earlier in SPECS[later].may_follow


def _is_at(case: Case, broker_id: int, red: Red) -> bool:
    """Whether this broker has a part in what failed: it leads, coordinates, or anybody may be meant."""
    if red.check.reason is Reason.RECORDS_LOST and red.check.stage is Stage.GROUP:
        return True  # a group reads from every leader, whoever coordinates it
    if red.check.broker_id is not None:
        return red.check.broker_id == broker_id
    coordinators = {
        outcome.facts.coordinator_id
        for outcome in case.outcomes(red)
        if isinstance(outcome.facts, GroupFacts) and outcome.facts.coordinator_id is not None
    }
    return not coordinators or broker_id in coordinators
