"""What only follows: from what brokers advertise, from a leader that is not reached, from a resolver that drops."""

from __future__ import annotations

import msgspec
import pytest

from brokerproof.aws.audit.audit import audit
from brokerproof.aws.facts import facts_of
from brokerproof.causes.codes import Code
from brokerproof.diagnosis.diagnose import diagnose
from brokerproof.diagnosis.finding import ClientEvidence
from brokerproof.lab.faults import FAULTS
from brokerproof.probes.outcome import (
    AdvertisedBroker,
    GroupFacts,
    IdentityFacts,
    MetadataFacts,
    Outcome,
    ProduceFacts,
    Reason,
    Role,
    Stage,
    Status,
    TopicFacts,
)
from brokerproof.topology.expectation.view import ClientView
from brokerproof.topology.patterns import PATTERNS
from tests.diagnosis.bends import EVERYONE, GATEWAY, IN_VPC, PEERING, SINGLE, named, one, resolver
from tests.diagnosis.bent import Bend, at, diagnosis_of, failed, judged, seen, views_of

OTHER = {1: 1, 2: 3, 3: 2}


def swapped(o: Outcome) -> Outcome:
    """Brokers 2 and 3 advertise each other's name and port."""
    assert isinstance(o.facts, MetadataFacts)
    places = {b.broker_id: (b.name, b.port) for b in o.facts.brokers}
    told = tuple(
        AdvertisedBroker(broker_id=broker_id, name=places[OTHER[broker_id]][0], port=places[OTHER[broker_id]][1])
        for broker_id in places
    )
    return msgspec.structs.replace(o, facts=msgspec.structs.replace(o.facts, brokers=told))


def followed(view: ClientView) -> ClientEvidence:
    """A client that goes where metadata leads it, and asks whether it is there whom metadata names."""
    run = seen(view, Bend(at(Stage.METADATA), swapped))
    further = tuple(
        msgspec.structs.replace(
            o,
            target=msgspec.structs.replace(o.target, role=Role.ADVERTISED, broker_id=OTHER[o.target.broker_id or 1]),
            status=Status.FAILED,
            reason=Reason.OTHER_BROKER,
            facts=IdentityFacts(answered_by=o.target.broker_id),
        )
        for o in run.outcomes
        if o.stage is Stage.IDENTITY and o.target.role is Role.BROKER and o.target.broker_id in {2, 3}
    )
    return judged(view, (*run.outcomes, *further))


def test_a_target_is_right_that_only_metadata_takes_for_another() -> None:
    found = diagnose([followed(view) for view in views_of(SINGLE)]).findings
    assert [(f.codes, set(f.broker_ids)) for f in found] == [((Code.METADATA_ADVERTISED_SWAPPED,), {2, 3})]


def test_a_group_lacks_the_records_of_a_leader_that_is_not_reached_whoever_coordinates_it() -> None:
    lost = failed(Reason.RECORDS_LOST, GroupFacts(group="g", coordinator_id=3))
    bends = [
        Bend(at(Stage.IDENTITY, brokers=[2]), failed(Reason.OTHER_BROKER, IdentityFacts(answered_by=1))),
        Bend(at(Stage.GROUP, clients=["account_b"]), lost),
    ]
    assert named(diagnosis_of(views_of(SINGLE), *bends)) == [(one(Code.NLB_WRONG_TARGET), EVERYONE, {2})]


def test_questions_that_are_dropped_now_and_then_may_keep_records_from_any_broker() -> None:
    """The client library asks for every broker's name itself, and again."""
    bends = [
        Bend(at(Stage.RESOLVE, clients=["peered"], brokers=[2, 3]), resolver(Reason.TIMED_OUT, rcode="")),
        Bend(at(Stage.PRODUCE, clients=["peered"], brokers=[1]), failed(Reason.TIMED_OUT)),
    ]
    [found] = diagnosis_of(views_of(PEERING), *bends).findings
    assert Code.DNS_QUERIES_THROTTLED in found.codes
    assert "peered/broker-1/produce" in found.consequences


@pytest.mark.parametrize(
    ("error_name", "follows"),
    [("MSG_SIZE_TOO_LARGE", False), ("KAFKA_STORAGE_ERROR", True), ("_STATE", True), ("", True)],
)
def test_what_a_broker_refuses_does_not_follow_from_another_that_is_silent(error_name: str, follows: bool) -> None:
    """A broker that answers has its own reason; what passes by itself, and the client's own errors, may follow."""
    facts = ProduceFacts(topic="t", partition=0, leader_id=1, records=5, acknowledged=0, error_name=error_name)
    found = diagnosis_of(
        views_of(IN_VPC),
        Bend(at(Stage.CONNECT, brokers=[2]), failed(Reason.TIMED_OUT)),
        Bend(at(Stage.PRODUCE, brokers=[1, 3]), failed(Reason.KAFKA_ERROR, facts)),
    ).findings
    unknown = [finding for finding in found if finding.codes == (Code.UNKNOWN,)]
    assert [set(finding.broker_ids) for finding in unknown] == ([] if follows else [{1, 3}])


TOO_FEW = failed(Reason.NOT_ENOUGH_REPLICAS)
OF_THE_WAY = {Code.SECURITY_BROKER_GROUP, Code.SECURITY_NETWORK_ACL}


def refused_topic(error_code: int) -> Bend:
    facts = TopicFacts(topic="t", error_code=error_code, asked_broker_id=1)
    return Bend(at(Stage.PRODUCE, clients=["cluster_vpc"]), failed(Reason.TOPIC_NOT_CREATED, facts))


@pytest.mark.parametrize(
    ("bend", "code"),
    [
        (Bend(at(Stage.PRODUCE, clients=["cluster_vpc"]), TOO_FEW), Code.PRODUCE_MIN_ISR),
        (refused_topic(44), Code.PRODUCE_TOPIC_REFUSED),
    ],
)
def test_what_a_client_meets_that_reaches_every_broker_is_no_consequence_of_anothers_silence(
    bend: Bend, code: Code
) -> None:
    silent = Bend(at(Stage.CONNECT, clients=["by_gateway"]), failed(Reason.TIMED_OUT))
    found = named(diagnosis_of(views_of(GATEWAY), silent, bend))
    assert any(codes >= OF_THE_WAY and clients == {"by_gateway"} for codes, clients, _ in found)
    assert (one(code), {"cluster_vpc"}) in [(codes, clients) for codes, clients, _ in found]


@pytest.mark.parametrize(("error_code", "follows"), [(0, True), (7, True), (38, True), (41, True), (44, False)])
def test_a_topic_that_is_refused_by_a_rule_does_not_follow_from_a_broker_that_is_down(
    error_code: int, follows: bool
) -> None:
    down = Bend(at(Stage.CONNECT, brokers=[2]), failed(Reason.REFUSED))
    found = named(diagnosis_of(views_of(GATEWAY), down, refused_topic(error_code)))
    refused = [codes for codes, _, _ in found if codes == one(Code.PRODUCE_TOPIC_REFUSED)]
    assert (refused == []) is follows
    assert len(found) == (1 if follows else 2)


def test_records_follow_from_brokers_that_are_parted_also_for_clients_inside_the_vpc() -> None:
    silent = Bend(at(Stage.CONNECT, brokers=[2]), failed(Reason.TIMED_OUT))
    few = Bend(at(Stage.PRODUCE, brokers=[1, 3]), TOO_FEW)
    [found] = diagnosis_of(views_of(GATEWAY), silent, few).findings
    assert found.broker_ids == (2,)
    assert any(key.endswith("broker-1/produce") for key in found.consequences)


def test_nothing_follows_from_a_cause_that_the_account_excludes() -> None:
    """A client that reaches no broker of one zone, for want of a route, meets too few replicas at another's."""
    bends = [
        Bend(at(Stage.CONNECT, clients=["peered"], brokers=[2]), failed(Reason.TIMED_OUT)),
        Bend(at(Stage.PRODUCE, clients=["peered"], brokers=[1]), TOO_FEW),
    ]
    clients = [seen(view, *bends) for view in views_of(PEERING)]
    intended = PATTERNS[PEERING].build()
    changed = FAULTS["route-missing-one-subnet"].edit(intended)
    alone = diagnose(clients).findings
    with_account = diagnose(clients, audit(facts_of(changed), intended)).findings
    assert [Code.PRODUCE_MIN_ISR in found.codes for found in alone] == [False]
    assert [found.codes for found in with_account] == [(Code.ROUTE_MISSING_SUBNET,), (Code.PRODUCE_MIN_ISR,)]
