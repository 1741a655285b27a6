"""Rules of what brokers say once they are reached: identity, metadata, records, groups. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from brokerproof.causes import sets
from brokerproof.causes.codes import Code
from brokerproof.diagnosis.check import Assertion, Verdict
from brokerproof.diagnosis.clusters import answers_elsewhere
from brokerproof.diagnosis.membership import cut_off, disputed, told_by
from brokerproof.diagnosis.rules import authorization, host
from brokerproof.diagnosis.rules.case import TWICE, Access, Case, Draft, Named, Red, Said, broker_of, grouped, kind
from brokerproof.probes.outcome import (
    AdvertisedBroker,
    ConsumeFacts,
    GroupFacts,
    IdentityFacts,
    MetadataFacts,
    OffsetsPartition,
    ProduceFacts,
    Reason,
    Role,
    Stage,
    TopicFacts,
)
from brokerproof.probes.outcome.names import canonical
from brokerproof.probes.outcome.registry import SPECS
from brokerproof.topology.expectation.view import BrokerView, ClientView
from brokerproof.wording import listed

_UNKNOWN_TOPIC = frozenset({3, 17})
"""UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC_EXCEPTION (Kafka protocol guide, error codes)."""
_REQUEST_TIMED_OUT = 7
"""REQUEST_TIMED_OUT: the broker that was asked waited in vain, for the controller or for replicas."""
_OTHER_CONTROLLER = 41
"""NOT_CONTROLLER."""
_TOO_FEW_REPLICAS = frozenset({9, 19, 20})
"""REPLICA_NOT_AVAILABLE, NOT_ENOUGH_REPLICAS, NOT_ENOUGH_REPLICAS_AFTER_APPEND."""
_NO_SUCH_REPLICAS = frozenset({38, 39})
"""INVALID_REPLICATION_FACTOR, INVALID_REPLICA_ASSIGNMENT."""
_DENIED = frozenset({"GROUP_AUTHORIZATION_FAILED", "TOPIC_AUTHORIZATION_FAILED", "CLUSTER_AUTHORIZATION_FAILED"})
_NO_COORDINATOR = frozenset({"COORDINATOR_NOT_AVAILABLE", "COORDINATOR_LOAD_IN_PROGRESS", "NOT_COORDINATOR"})
"""What a broker says itself; everything else that keeps a group from its coordinator is what a client concludes."""
_NOBODY_ANSWERS = frozenset({Reason.NOT_ASSIGNED, Reason.COORDINATOR_UNAVAILABLE, Reason.TIMED_OUT, Reason.TRANSPORT})
_TIMEOUTS = frozenset({"_TIMED_OUT", "_TIMED_OUT_QUEUE", "REQUEST_TIMED_OUT", "_TRANSPORT", "_WAIT_COORD"})
_BEFORE_JOINING = frozenset({"PreparingRebalance", "CompletingRebalance"})
"""States of a group that has a member (GroupState in Apache Kafka)."""


def brokers(case: Case, reds: Sequence[Red]) -> Iterable[Draft]:
    """Red checks of identity and metadata, each by what the broker said."""
    said = [(red, _of_broker(case, red)) for red in reds]
    return grouped((*found, red) for red, found in said if found is not None)


def _of_broker(case: Case, red: Red) -> Said | None:
    match red.check.stage:
        case Stage.IDENTITY:
            return _identity(case, red)
        case Stage.METADATA if red.check.asserts is not Assertion.STAGE_PASSES:
            return _metadata(case, red)
        case _:
            return None


def records(case: Case, reds: Sequence[Red]) -> Iterable[Draft]:
    """Red checks of records and groups, each by what the cluster or the client library said."""
    said = [(red, _records(case, red)) for red in reds if SPECS[red.check.stage].moves_records]
    return grouped((*found, red) for red, found in said if found is not None)


def _identity(case: Case, red: Red) -> Said | None:
    facts = [o.facts for o in case.outcomes(red) if isinstance(o.facts, IdentityFacts)]
    if red.check.reason is Reason.NOT_AUTHORIZED:
        return frozenset({Code.AUTH_SETTINGS_DENIED}), ""
    if red.check.reason is Reason.UNSUPPORTED_VERSION or any(each.unsupported for each in facts):
        return frozenset({Code.CLUSTER_NO_IDENTITY}), ""
    if red.check.reason is Reason.OTHER_BROKER and kind(red.view) is not Access.DIRECT:
        codes = frozenset({Code.NLB_WRONG_TARGET}) | host.unless_shared(case, red)
        return codes, "another broker answers than the one that is meant{behind}" if len(codes) > 1 else ""
    return None


# Metadata


def _answers(case: Case, view: ClientView) -> list[MetadataFacts]:
    return [o.facts for o in case.all_outcomes(view) if isinstance(o.facts, MetadataFacts)]


def _of_another_cluster(case: Case, view: ClientView) -> str:
    """Where another cluster answers than at the brokers' own names, in words; empty where nowhere."""
    found = answers_elsewhere(case.all_outcomes(view))
    if not found:
        return ""
    ids = listed(sorted({facts.cluster_id for facts in found.values()}))
    if all(target.role is Role.BOOTSTRAP for target in found):
        return Named(f"another cluster, {ids}, answers some connections to the bootstrap name")
    return Named(f"another cluster, {ids}, answers in the place of brokers")


def _metadata(case: Case, red: Red) -> Said | None:
    if not _answers(case, red.view):
        return _told_elsewhere(case, red)
    match red.check.asserts:
        case Assertion.ONE_CLUSTER:
            return _one_cluster(case, red)
        case Assertion.SAME_BROKERS:
            return _left_out(case, red)
        case _:
            return _of_one_broker(case, red)


def _one_cluster(case: Case, red: Red) -> Said:
    answers = _answers(case, red.view)
    if len({facts.cluster_id for facts in answers}) > 1 or _elsewhere(case, red.view, answers[0].cluster_id):
        return frozenset({Code.TLS_OTHER_CLUSTER}), _of_another_cluster(case, red.view)
    known = {broker.broker_id for broker in red.view.brokers}
    listing = {broker_id for broker_id, told in case.lists(red.view).items() if told - known}
    if listing and listing <= cut_off(case.lists(red.view)):
        # What is cut off lists the brokers that there once were.
        return _left_out(case, red)
    return frozenset({Code.METADATA_NEW_BROKER}), ""


def _left_out(case: Case, red: Red) -> Said:
    """Brokers that answer for themselves, and that others leave out."""
    lists = case.lists(red.view)
    found = cut_off(lists)
    seen_by = [view for view in case.views if found and found <= cut_off(case.lists(view))]
    if len(seen_by) >= TWICE:
        return frozenset({Code.CLUSTER_BROKER_CUT_OFF}), ""
    return sets.LEFT_OUT, "brokers do not agree about which brokers are in the cluster"


def _of_one_broker(case: Case, red: Red) -> Said | None:  # noqa: PLR0911 - one line a witness
    broker = broker_of(red)
    if broker is None:
        return None
    own, others = _own_and_others(red.view, _answers(case, red.view))
    entries = [b for facts in own for b in facts.brokers if b.broker_id == broker.broker_id]
    wrong = [entry for entry in entries if not _is_right(entry, broker)]
    if wrong and _is_of_the_past(case, red, broker):
        return _left_out(case, red)
    if wrong:
        return frozenset({_advertised(red.view, red, wrong[0])}), ""
    if any(b.broker_id == broker.broker_id and not _is_right(b, broker) for facts in others for b in facts.brokers):
        return frozenset({Code.TLS_OTHER_CLUSTER}), ""
    lists = case.lists(red.view)
    if broker.broker_id in disputed(lists):
        return _left_out(case, red)
    if not entries and broker.broker_id in lists:
        return _not_listed(case, red)
    return None


def _is_of_the_past(case: Case, red: Red, broker: BrokerView) -> bool:
    """Whether only brokers that are cut off advertise it elsewhere: they know what there was before."""
    outcomes = case.all_outcomes(red.view)
    by = {
        answered_by
        for answered_by, facts in told_by(outcomes)
        for entry in facts.brokers
        if entry.broker_id == broker.broker_id and not _is_right(entry, broker)
    }
    return bool(by) and by <= cut_off(case.lists(red.view))


def _own_and_others(
    view: ClientView, answers: Sequence[MetadataFacts]
) -> tuple[list[MetadataFacts], list[MetadataFacts]]:
    """The answers of the cluster that is most like the view, and those of any other that answered as well."""

    def likeness(cluster_id: str) -> tuple[int, int, str]:
        of_it = [facts for facts in answers if facts.cluster_id == cluster_id]
        right = sum(_is_right(b, known) for f in of_it for b in f.brokers for known in view.brokers)
        return right, len(of_it), cluster_id

    own = max({facts.cluster_id for facts in answers}, key=likeness)
    return [f for f in answers if f.cluster_id == own], [f for f in answers if f.cluster_id != own]


def _is_right(entry: AdvertisedBroker, broker: BrokerView) -> bool:
    where = (broker.broker_id, canonical(broker.name), broker.port)
    return (entry.broker_id, canonical(entry.name), entry.port) == where


def _not_listed(case: Case, red: Red) -> Said:
    """A broker that nobody lists and that answers: its own settings tell whether it has the listener."""
    told = [
        o.facts.advertised_listeners
        for o in case.all_outcomes(red.view)
        if isinstance(o.facts, IdentityFacts) and o.facts.answered_by == red.check.broker_id
    ]
    if any(listeners and f"{red.view.listener}://" not in listeners for listeners in told):
        return frozenset({Code.METADATA_LISTENER_DROPPED}), ""
    return sets.NOT_LISTED, "a broker answers for itself, and no broker lists it"


def _told_elsewhere(case: Case, red: Red) -> Said | None:
    """Of a client that read no metadata: what the broker told another."""
    view, broker = red.view, broker_of(red)
    told = None if broker is None else case.told.get((view.cluster_name, view.listener, broker.broker_id))
    return None if told is None else (frozenset({_advertised(red.view, red, told)}), "")


def _elsewhere(case: Case, view: ClientView, cluster_id: str) -> bool:
    """Whether other clients reach another cluster."""
    return any(
        facts.cluster_id != cluster_id for other in case.views if other is not view for facts in _answers(case, other)
    )


def _advertised(view: ClientView, red: Red, entry: AdvertisedBroker) -> Code:
    broker = broker_of(red)
    own = "" if broker is None else canonical(broker.name)
    others = {(canonical(b.name), b.port) for b in view.brokers if b.broker_id != red.check.broker_id}
    others_ports = {b.port for b in view.brokers if b.broker_id != red.check.broker_id}
    if (canonical(entry.name), entry.port) in others:
        return Code.METADATA_ADVERTISED_SWAPPED
    if canonical(entry.name) != own:
        names = {name for name, _ in others}
        return Code.METADATA_ADVERTISED_SWAPPED if canonical(entry.name) in names else Code.METADATA_ADVERTISED_NAME
    shared_port = broker is not None and broker.port in others_ports
    if entry.port in others_ports and not shared_port:
        return Code.METADATA_ADVERTISED_SWAPPED
    return Code.METADATA_ADVERTISED_UNCHANGED if entry.port == view.bind_port else Code.METADATA_ADVERTISED_PORT


# Records and groups


def _records(case: Case, red: Red) -> Said | None:
    match red.check.reason:
        case Reason.NOT_AUTHORIZED:
            return authorization.denied(case, red)
        case Reason.NOT_ENOUGH_REPLICAS:
            return frozenset({Code.PRODUCE_MIN_ISR}), ""
        case Reason.TOPIC_NOT_CREATED | Reason.TOPIC_NOT_FOUND:
            return _no_topic(case, red)
        case _ if red.check.stage is Stage.GROUP:
            return _group(case, red)
        case Reason.TIMED_OUT | Reason.TRANSPORT:
            return _no_answer(case, red)
        case _:
            return None


def _no_answer(case: Case, red: Red) -> Said | None:
    """Of records that were sent or read, and of the topic's own requests before; of a measurement nothing is known."""
    moved = {type(o.facts) for o in case.outcomes(red)}
    if ConsumeFacts in moved:
        return sets.NOT_ACKNOWLEDGED, "a leader takes records, and does not give them back in time"
    if ProduceFacts in moved:
        others = "other leaders take theirs" if _others_work(case, red) else "no other leader takes any"
        return sets.NOT_ACKNOWLEDGED, f"a leader's records get no answer, and {others}"
    if red.check.stage is Stage.PRODUCE and red.check.reason is Reason.TRANSPORT:
        return sets.ENDED_AFTER_HANDSHAKE, "requests are answered, and one about the topic is ended without an answer"
    return None


def _no_topic(case: Case, red: Red) -> Said | None:  # noqa: PLR0911 - one line an answer
    """By the error code of the broker that was asked; without one, nobody has refused anything."""
    facts = [o.facts for o in case.outcomes(red) if isinstance(o.facts, TopicFacts)]
    codes = {each.error_code for each in facts} - {0}
    if red.check.reason is Reason.TOPIC_NOT_FOUND:
        return (frozenset({Code.PRODUCE_TOPIC_MISSING}), "") if codes & _UNKNOWN_TOPIC else None
    if codes & _TOO_FEW_REPLICAS:
        return frozenset({Code.PRODUCE_MIN_ISR}), ""
    if codes & _NO_SUCH_REPLICAS:
        return sets.REPLICAS_REFUSED, "the cluster does not make a topic with these replicas"
    if codes - {_REQUEST_TIMED_OUT, _OTHER_CONTROLLER}:
        return frozenset({Code.PRODUCE_TOPIC_REFUSED}), ""
    if len(_asked_in_vain(case)) >= TWICE:
        return frozenset({Code.CLUSTER_CONTROLLER_UNAVAILABLE}), ""
    if codes:
        return sets.NO_CONTROLLER, "the broker that was asked to make the topic gets no answer from the controller"
    return sets.NO_TOPIC_ANSWER, "nobody answers whether the probe's topic is made"


def _asked_in_vain(case: Case) -> set[int]:
    """Brokers that gave some client no topic because of the controller, or no answer about it."""
    return {
        o.facts.asked_broker_id
        for view in case.views
        for o in case.of_stage(view, Stage.PRODUCE)
        if isinstance(o.facts, TopicFacts)
        and o.facts.asked_broker_id is not None
        and o.facts.error_code in {0, _REQUEST_TIMED_OUT}
    }


def _group(case: Case, red: Red) -> Said | None:  # noqa: PLR0911 - one line an answer
    facts = case.facts(red, GroupFacts)
    if facts is None:
        silent = red.check.reason in _NOBODY_ANSWERS
        return (sets.COORDINATOR_SILENT, "the group's coordinator answers nothing") if silent else None
    if facts.denied is not None or facts.error_name in _DENIED:
        return authorization.denied(case, red)
    if facts.offsets is not None and facts.offsets.is_below_minimum:
        return frozenset({Code.PRODUCE_MIN_ISR}), _too_few(facts.offsets)
    if facts.error_name in _NO_COORDINATOR:
        return frozenset({Code.CONSUME_COORDINATOR_UNREACHABLE}), ""
    if red.check.reason is Reason.COMMIT_FAILED:
        silent = facts.error_name in _TIMEOUTS
        return (sets.COORDINATOR_SILENT, "the group's coordinator does not answer a commit") if silent else None
    if facts.assigned_partitions or red.check.reason not in _NOBODY_ANSWERS:
        return None
    return _not_joined(facts)


def _too_few(offsets: OffsetsPartition) -> str:
    return Named(
        f"partition {offsets.partition} of __consumer_offsets, which keeps the group, has {offsets.in_sync} in-sync "
        f"replicas, fewer than its min.insync.replicas of {offsets.min_in_sync}"
    )


def _not_joined(facts: GroupFacts) -> Said:
    """A coordinator is known, and no assignment came: by what it says of the group to another connection."""
    if facts.group_state in _BEFORE_JOINING:
        return frozenset({Code.CONSUME_JOIN_DELAYED}), ""
    whose = "" if facts.coordinator_id is None else f" broker {facts.coordinator_id},"
    if facts.group_state:
        words = f"the group's coordinator,{whose} answers other questions, and nothing from JoinGroup on"
        return frozenset({Code.CONSUME_COORDINATOR_UNREACHABLE}), Named(words)
    return sets.COORDINATOR_SILENT, f"the group's coordinator,{whose} answers nothing from JoinGroup on"


def _others_work(case: Case, red: Red) -> bool:
    """Whether other leaders take this client's records."""
    return any(
        c.stage is Stage.PRODUCE and c.broker_id != red.check.broker_id and c.verdict is Verdict.PASSED
        for c in case.checks(red.view)
    )
