"""Rules of what brokers say once they are reached: identity, metadata, records, groups. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from brokerproof.causes import sets
from brokerproof.causes.codes import Code
from brokerproof.diagnosis.check import Assertion, Verdict
from brokerproof.diagnosis.rules.case import Access, Case, Draft, Red, broker_of, grouped, kind
from brokerproof.probes.outcome import AdvertisedBroker, MetadataFacts, Reason, Stage, TopicFacts
from brokerproof.probes.outcome.registry import SPECS
from brokerproof.topology.expectation.view import ClientView

_Said = tuple[frozenset[Code], str]
_REQUEST_TIMED_OUT = 7
"""REQUEST_TIMED_OUT (Kafka protocol guide, error codes)."""
_TOO_FEW_REPLICAS = frozenset({9, 19, 20, 38, 39})
"""REPLICA_NOT_AVAILABLE, NOT_ENOUGH_REPLICAS, NOT_ENOUGH_REPLICAS_AFTER_APPEND, INVALID_REPLICATION_FACTOR,
INVALID_REPLICA_ASSIGNMENT."""


def brokers(case: Case, reds: Sequence[Red]) -> Iterable[Draft]:
    """Red checks of identity and metadata, each by what the broker said."""
    said = [(red, _of_broker(case, red)) for red in reds]
    return grouped((*found, red) for red, found in said if found is not None)


def _of_broker(case: Case, red: Red) -> _Said | None:
    match red.check.stage:
        case Stage.IDENTITY:
            return _identity(red)
        case Stage.METADATA:
            return _metadata(case, red)
        case _:
            return None


def records(case: Case, reds: Sequence[Red]) -> Iterable[Draft]:
    """Red checks of records and groups, each by what the cluster or the client library said."""
    said = [(red, _records(case, red)) for red in reds if SPECS[red.check.stage].moves_records]
    return grouped((*found, red) for red, found in said if found is not None)


def _identity(red: Red) -> _Said | None:
    if red.check.reason is Reason.OTHER_BROKER and kind(red.view) is not Access.DIRECT:
        return frozenset({Code.NLB_WRONG_TARGET}), ""
    return None


# Metadata


def _answers(case: Case, view: ClientView) -> list[MetadataFacts]:
    return [o.facts for o in case.all_outcomes(view) if isinstance(o.facts, MetadataFacts)]


def _metadata(case: Case, red: Red) -> _Said | None:  # noqa: PLR0911 - one line an answer
    answers = _answers(case, red.view)
    if not answers:
        return _told_elsewhere(case, red)
    if red.check.asserts is Assertion.ONE_CLUSTER:
        if len({facts.cluster_id for facts in answers}) > 1 or _elsewhere(case, red.view, answers[0].cluster_id):
            return frozenset({Code.TLS_OTHER_CLUSTER}), ""
        return frozenset({Code.METADATA_NEW_BROKER}), ""
    broker = broker_of(red)
    if broker is None:
        return None
    entries = [b for facts in answers for b in facts.brokers if b.broker_id == broker.broker_id]
    wrong = [entry for entry in entries if (_host(entry.name), entry.port) != (_host(broker.name), broker.port)]
    if wrong:
        return frozenset({_advertised(red.view, red, wrong[0])}), ""
    if not entries and _answered_for_itself(case, red):
        return frozenset({Code.METADATA_LISTENER_DROPPED}), ""
    return None


def _told_elsewhere(case: Case, red: Red) -> _Said | None:
    """Of a client that read no metadata: what the broker told another."""
    view, broker = red.view, broker_of(red)
    told = None if broker is None else case.told.get((view.cluster_name, view.listener, broker.broker_id))
    return None if told is None else (frozenset({_advertised(red.view, red, told)}), "")


def _elsewhere(case: Case, view: ClientView, cluster_id: str) -> bool:
    """Whether other clients reach another cluster."""
    return any(
        facts.cluster_id != cluster_id for other in case.views if other is not view for facts in _answers(case, other)
    )


def _host(name: str) -> str:
    return name.rstrip(".").lower()


def _advertised(view: ClientView, red: Red, entry: AdvertisedBroker) -> Code:
    broker = broker_of(red)
    own = "" if broker is None else _host(broker.name)
    others = {(_host(b.name), b.port) for b in view.brokers if b.broker_id != red.check.broker_id}
    others_ports = {b.port for b in view.brokers if b.broker_id != red.check.broker_id}
    if (_host(entry.name), entry.port) in others:
        return Code.METADATA_ADVERTISED_SWAPPED
    if _host(entry.name) != own:
        names = {name for name, _ in others}
        return Code.METADATA_ADVERTISED_SWAPPED if _host(entry.name) in names else Code.METADATA_ADVERTISED_NAME
    shared_port = broker is not None and broker.port in others_ports
    if entry.port in others_ports and not shared_port:
        return Code.METADATA_ADVERTISED_SWAPPED
    return Code.METADATA_ADVERTISED_UNCHANGED if entry.port == view.bind_port else Code.METADATA_ADVERTISED_PORT


def _answered_for_itself(case: Case, red: Red) -> bool:
    """Whether the broker that metadata leaves out proved its identity to this client."""
    return any(
        c.stage is Stage.IDENTITY and c.broker_id == red.check.broker_id and c.verdict is Verdict.PASSED
        for c in case.checks(red.view)
    )


# Records and groups


def _records(case: Case, red: Red) -> _Said | None:
    match red.check.reason:
        case Reason.NOT_AUTHORIZED:
            return frozenset({Code.AUTH_TOPIC_DENIED}), ""
        case Reason.NOT_ENOUGH_REPLICAS:
            return frozenset({Code.PRODUCE_MIN_ISR}), ""
        case Reason.TOPIC_NOT_CREATED:
            return _no_topic(case, red)
        case Reason.COORDINATOR_UNAVAILABLE:
            return frozenset({Code.CONSUME_COORDINATOR_UNREACHABLE}), ""
        case Reason.TIMED_OUT | Reason.TRANSPORT if red.check.stage is Stage.PRODUCE and _others_work(case, red):
            return frozenset({Code.PRODUCE_LEADER_UNREACHABLE}), ""
        case _:
            return None


def _no_topic(case: Case, red: Red) -> _Said:
    answers = {o.facts.error_code for o in case.outcomes(red) if isinstance(o.facts, TopicFacts)}
    if answers & _TOO_FEW_REPLICAS:
        return frozenset({Code.PRODUCE_MIN_ISR}), ""
    if _REQUEST_TIMED_OUT in answers:
        return frozenset({Code.CLUSTER_CONTROLLER_UNAVAILABLE}), ""
    return sets.NO_TOPIC, "the probe's topic cannot be created"


def _others_work(case: Case, red: Red) -> bool:
    """Whether other leaders take this client's records."""
    return any(
        c.stage is Stage.PRODUCE and c.broker_id != red.check.broker_id and c.verdict is Verdict.PASSED
        for c in case.checks(red.view)
    )
