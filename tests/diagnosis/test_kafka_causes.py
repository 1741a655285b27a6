"""What brokers say or leave unsaid once they are reached: each cause by its witness, a set without it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
import pytest

from brokerproof.causes.codes import Code
from brokerproof.diagnosis.basis import RunOutcomes
from brokerproof.diagnosis.check import Assertion, Check, Verdict
from brokerproof.diagnosis.diagnose import diagnose
from brokerproof.diagnosis.finding import Answer, ClientEvidence
from brokerproof.diagnosis.judge import judge
from brokerproof.probes.outcome import (
    AdvertisedBroker,
    AuthorizeFacts,
    GroupFacts,
    IdentityFacts,
    IdleFacts,
    MetadataFacts,
    OffsetsPartition,
    Outcome,
    PathLatencyFacts,
    ProduceFacts,
    Reason,
    Role,
    Stage,
    Status,
    Target,
    TopicFacts,
)
from brokerproof.probes.outcome.measured import Distribution
from brokerproof.probes.outcome.permissions import Permission
from brokerproof.probes.plan import VERIFY_STAGES
from brokerproof.topology.expectation.view import ClientView
from tests.diagnosis.bends import EVERYONE, IN_VPC, PEERING, SINGLE, Named, named, one
from tests.diagnosis.bent import Bend, Change, at, diagnosis_of, failed, seen, views_of
from tests.diagnosis.perfect import outcome, perfect

LOST: Final = failed(Reason.TIMED_OUT, IdleFacts(silent_ms=360_000, asked=True, works_anew=True))
RESET: Final = failed(Reason.RESET, IdleFacts(silent_ms=360_000, asked=True, works_anew=True))
TRACKED: Final = one(Code.TCP_TRACKING_TIMEOUT, Code.TCP_DEVICE_TIMEOUT)


def topic(reason: Reason, code: int, asked: int | None = 1) -> Change:
    return failed(reason, TopicFacts(topic="t", error_code=code, asked_broker_id=asked))


def group(reason: Reason, **facts: object) -> Bend:
    told = GroupFacts(**{"group": "g", "coordinator_id": 2, **facts})  # type: ignore[arg-type]
    return Bend(at(Stage.GROUP), failed(reason, told))


def listing(*broker_ids: int) -> Change:
    """A metadata answer with these brokers alone."""

    def change(o: Outcome) -> Outcome:
        assert isinstance(o.facts, MetadataFacts)
        kept = tuple(b for b in o.facts.brokers if b.broker_id in broker_ids)
        return outcome(o.stage, o.target, facts=msgspec.structs.replace(o.facts, brokers=kept))

    return change


def remembering(o: Outcome) -> Outcome:
    """An answer of before broker 4 was taken away, and broker 3 was given another port."""
    assert isinstance(o.facts, MetadataFacts)
    first, second, third = o.facts.brokers
    moved = msgspec.structs.replace(third, port=9194)
    gone = AdvertisedBroker(broker_id=4, name="b-4.demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com", port=9094)
    facts = msgspec.structs.replace(o.facts, brokers=(first, second, moved, gone))
    return outcome(o.stage, o.target, facts=facts)


def told(advertised_listeners: str) -> Change:
    return lambda o: outcome(
        o.stage,
        o.target,
        facts=IdentityFacts(answered_by=o.target.broker_id, advertised_listeners=advertised_listeners),
    )


def limited(connections_max_idle_ms: int) -> Bend:
    def change(o: Outcome) -> Outcome:
        facts = IdentityFacts(answered_by=o.target.broker_id, connections_max_idle_ms=connections_max_idle_ms)
        return outcome(o.stage, o.target, facts=facts)

    return Bend(at(Stage.IDENTITY), change)


def ended_after(silent_ms: int) -> Bend:
    return Bend(at(Stage.IDLE, brokers=[2]), failed(Reason.CLOSED, IdleFacts(silent_ms=silent_ms)))


KEEPS: Final = OffsetsPartition(partition=2, leader_id=2, replicas=3, in_sync=3, min_in_sync=2)
ONE: Final = {"cluster_vpc"}

CASES: Final[list[tuple[str, str, list[Bend], Named]]] = [
    # The topic
    (
        "an existing topic that is not there",
        IN_VPC,
        [Bend(at(Stage.PRODUCE), topic(Reason.TOPIC_NOT_FOUND, 3))],
        [(one(Code.PRODUCE_TOPIC_MISSING), ONE, {1, 2, 3})],
    ),
    (
        "a name that no topic can have",
        IN_VPC,
        [Bend(at(Stage.PRODUCE), topic(Reason.TOPIC_NOT_FOUND, 17))],
        [(one(Code.PRODUCE_TOPIC_MISSING), ONE, {1, 2, 3})],
    ),
    (
        "no answer whether the topic is made is no refusal",
        IN_VPC,
        [Bend(at(Stage.PRODUCE), topic(Reason.TOPIC_NOT_CREATED, 0))],
        [
            (
                one(
                    Code.CLUSTER_CONTROLLER_UNAVAILABLE,
                    Code.CLUSTER_BROKER_CUT_OFF,
                    Code.CLUSTER_BROKER_UNRESPONSIVE,
                ),
                ONE,
                {1, 2, 3},
            )
        ],
    ),
    (
        "two brokers wait in vain for the controller",
        PEERING,
        [
            Bend(at(Stage.PRODUCE, clients=["cluster_vpc"]), topic(Reason.TOPIC_NOT_CREATED, 7, asked=1)),
            Bend(at(Stage.PRODUCE, clients=["peered"]), topic(Reason.TOPIC_NOT_CREATED, 0, asked=2)),
        ],
        [(one(Code.CLUSTER_CONTROLLER_UNAVAILABLE), {"cluster_vpc", "peered"}, {1, 2, 3})],
    ),
    (
        "replicas that the cluster does not have",
        IN_VPC,
        [Bend(at(Stage.PRODUCE), topic(Reason.TOPIC_NOT_CREATED, 39))],
        [(one(Code.PRODUCE_TOPIC_REFUSED, Code.CLUSTER_BROKER_DOWN), ONE, {1, 2, 3})],
    ),
    (
        "a setting that the cluster refuses",
        IN_VPC,
        [Bend(at(Stage.PRODUCE), topic(Reason.TOPIC_NOT_CREATED, 40))],
        [(one(Code.PRODUCE_TOPIC_REFUSED), ONE, {1, 2, 3})],
    ),
    (
        "a topic that may not be made",
        IN_VPC,
        [Bend(at(Stage.PRODUCE), topic(Reason.NOT_AUTHORIZED, 29))],
        [(one(Code.AUTH_TOPIC_DENIED), ONE, {1, 2, 3})],
    ),
    # Records
    *(
        (
            f"one leader's records get no answer: {reason}",
            IN_VPC,
            [
                Bend(
                    at(Stage.PRODUCE, brokers=[2]),
                    failed(reason, ProduceFacts(topic="t", partition=1, leader_id=2, records=5)),
                )
            ],
            [
                (
                    one(
                        Code.PRODUCE_LEADER_UNREACHABLE,
                        Code.CLUSTER_BROKER_UNRESPONSIVE,
                        Code.TCP_PACKET_LOSS,
                    ),
                    ONE,
                    {2},
                )
            ],
        )
        for reason in (Reason.TIMED_OUT, Reason.TRANSPORT)
    ),
    # The group
    (
        "a coordinator that is silent from JoinGroup on",
        IN_VPC,
        [group(Reason.NOT_ASSIGNED, client_host_unknown="no DescribeGroups response within 2700 ms")],
        [(one(Code.CONSUME_COORDINATOR_UNREACHABLE, Code.CLUSTER_BROKER_UNRESPONSIVE), ONE, {2})],
    ),
    (
        "a coordinator that answers all but JoinGroup",
        IN_VPC,
        [group(Reason.NOT_ASSIGNED, group_state="Dead", offsets=KEEPS)],
        [(one(Code.CONSUME_COORDINATOR_UNREACHABLE), ONE, {2})],
    ),
    (
        "a coordinator that lets its groups begin late",
        IN_VPC,
        [group(Reason.NOT_ASSIGNED, group_state="PreparingRebalance", offsets=KEEPS)],
        [(one(Code.CONSUME_JOIN_DELAYED), ONE, {2})],
    ),
    (
        "a broker says that there is no coordinator",
        IN_VPC,
        [group(Reason.COORDINATOR_UNAVAILABLE, coordinator_id=None, error_name="COORDINATOR_NOT_AVAILABLE")],
        [(one(Code.CONSUME_COORDINATOR_UNREACHABLE), ONE, set())],
    ),
    *(
        (
            f"the offsets topic has too few replicas in sync: {reason}",
            IN_VPC,
            [
                group(
                    reason,
                    error_name=error_name,
                    offsets=OffsetsPartition(partition=2, leader_id=2, replicas=3, in_sync=1, min_in_sync=2),
                )
            ],
            [(one(Code.PRODUCE_MIN_ISR), ONE, {2})],
        )
        for reason, error_name in (
            (Reason.NOT_ASSIGNED, ""),
            (Reason.COMMIT_FAILED, "COORDINATOR_NOT_AVAILABLE"),
            (Reason.COORDINATOR_UNAVAILABLE, "COORDINATOR_NOT_AVAILABLE"),
        )
    ),
    (
        "the offsets topic has fewer replicas than its minimum, which is then as many as it has",
        IN_VPC,
        [
            group(
                Reason.NOT_ASSIGNED,
                group_state="Dead",
                offsets=OffsetsPartition(partition=2, leader_id=2, replicas=1, in_sync=1, min_in_sync=2),
            )
        ],
        [(one(Code.CONSUME_COORDINATOR_UNREACHABLE), ONE, {2})],
    ),
    (
        "a commit that is not allowed",
        IN_VPC,
        [group(Reason.COMMIT_FAILED, assigned_partitions=3, error_name="GROUP_AUTHORIZATION_FAILED")],
        [(one(Code.AUTH_GROUP_DENIED), ONE, {2})],
    ),
    (
        "a commit of a topic that may not be read",
        IN_VPC,
        [group(Reason.COMMIT_FAILED, assigned_partitions=3, error_name="TOPIC_AUTHORIZATION_FAILED")],
        [(one(Code.AUTH_TOPIC_DENIED), ONE, {2})],
    ),
    *(
        (
            f"a group that lacks {permission}",
            IN_VPC,
            [group(Reason.NOT_AUTHORIZED, denied=permission)],
            [(one(code), ONE, {2})],
        )
        for permission, code in (
            (Permission.DESCRIBE_GROUP, Code.AUTH_GROUP_DENIED),
            (Permission.READ_TOPIC, Code.AUTH_TOPIC_DENIED),
        )
    ),
    *(
        (
            f"a client that lacks {permission}",
            IN_VPC,
            [Bend(at(Stage.AUTHORIZE), failed(Reason.NOT_AUTHORIZED, AuthorizeFacts(denied=(permission,))))],
            [(one(code), ONE, set[int]())],
        )
        for permission, code in (
            (Permission.DESCRIBE_CLUSTER, Code.AUTH_CLUSTER_DENIED),
            (Permission.WRITE_IDEMPOTENTLY, Code.AUTH_IDEMPOTENT_DENIED),
            (Permission.DESCRIBE_TRANSACTIONAL_ID, Code.AUTH_TRANSACTION_DENIED),
            (Permission.WRITE_TRANSACTIONAL_ID, Code.AUTH_TRANSACTION_DENIED),
        )
    ),
    (
        "a commit that nobody answers",
        IN_VPC,
        [group(Reason.COMMIT_FAILED, assigned_partitions=3, error_name="_TIMED_OUT")],
        [(one(Code.CONSUME_COORDINATOR_UNREACHABLE, Code.CLUSTER_BROKER_UNRESPONSIVE), ONE, {2})],
    ),
    # Identity
    *(
        (
            f"a Kafka that does not say who it is: {reason}",
            IN_VPC,
            [Bend(at(Stage.IDENTITY), failed(reason, facts))],
            [(one(Code.CLUSTER_NO_IDENTITY), ONE, {1, 2, 3})],
        )
        for reason, facts in (
            (Reason.CLOSED, IdentityFacts(without_keys=True, unsupported=True)),
            (Reason.KAFKA_ERROR, IdentityFacts(unsupported=True)),
            (Reason.UNSUPPORTED_VERSION, None),
        )
    ),
    (
        "a connection that ends on identity, and no second one",
        IN_VPC,
        [Bend(at(Stage.IDENTITY, brokers=[1]), failed(Reason.CLOSED))],
        [(one(Code.CLUSTER_NO_IDENTITY, Code.CLUSTER_BROKER_UNRESPONSIVE, Code.TCP_CUT_ON_THE_WAY), ONE, {1})],
    ),
    (
        "settings that may not be read",
        IN_VPC,
        [Bend(at(Stage.IDENTITY), failed(Reason.NOT_AUTHORIZED, IdentityFacts(error_code=31)))],
        [(one(Code.AUTH_SETTINGS_DENIED), ONE, {1, 2, 3})],
    ),
    # Who lists whom
    (
        "a broker that is cut off and answers, as one client sees it",
        IN_VPC,
        [Bend(at(Stage.METADATA, brokers=[1, 3]), listing(1, 3))],
        [(one(Code.CLUSTER_BROKER_CUT_OFF, Code.CLUSTER_BROKER_DOWN), ONE, {2})],
    ),
    (
        "a broker that is cut off and answers, as all clients see it",
        PEERING,
        [Bend(at(Stage.METADATA, brokers=[1, 3]), listing(1, 3))],
        [(one(Code.CLUSTER_BROKER_CUT_OFF), {"cluster_vpc", "peered", "remote_by_peering"}, {2})],
    ),
    (
        "a broker that is cut off cannot make the topic, and that follows",
        IN_VPC,
        [
            Bend(at(Stage.METADATA, brokers=[1, 3]), listing(1, 3)),
            Bend(at(Stage.PRODUCE), topic(Reason.TOPIC_NOT_CREATED, 0, asked=2)),
        ],
        [(one(Code.CLUSTER_BROKER_CUT_OFF, Code.CLUSTER_BROKER_DOWN), ONE, {2})],
    ),
    (
        "a broker that is cut off, and still lists one that there once was, and another where it once was",
        IN_VPC,
        [
            Bend(at(Stage.METADATA, brokers=[1, 3]), listing(1, 3)),
            Bend(at(Stage.METADATA, brokers=[2]), remembering),
        ],
        [(one(Code.CLUSTER_BROKER_CUT_OFF, Code.CLUSTER_BROKER_DOWN), ONE, {2, 3})],
    ),
    (
        "a broker that nobody lists, itself neither, and that says nothing of its listeners",
        IN_VPC,
        [Bend(at(Stage.METADATA), listing(1, 3))],
        [
            (
                one(
                    Code.METADATA_LISTENER_DROPPED,
                    Code.CLUSTER_BROKER_CUT_OFF,
                    Code.CLUSTER_BROKER_DOWN,
                ),
                ONE,
                {2},
            )
        ],
    ),
    (
        "a broker that nobody lists, and whose settings lack the listener",
        IN_VPC,
        [
            Bend(at(Stage.METADATA), listing(1, 3)),
            Bend(at(Stage.IDENTITY, brokers=[2]), told("REPLICATION_SECURE://b-2:9095")),
        ],
        [(one(Code.METADATA_LISTENER_DROPPED), ONE, {2})],
    ),
    # Silences
    (
        "silence after idling at one client, while another keeps its connections over the same load balancer",
        SINGLE,
        [Bend(at(Stage.IDLE, clients=["account_b"]), LOST)],
        [(TRACKED, {"account_b"}, {1, 2, 3})],
    ),
    (
        "silence after idling at every client behind a load balancer",
        SINGLE,
        [Bend(at(Stage.IDLE), LOST)],
        [(TRACKED | {Code.NLB_IDLE_TIMEOUT}, EVERYONE, {1, 2, 3})],
    ),
    (
        "a reset after idling at every client behind a load balancer",
        SINGLE,
        [Bend(at(Stage.IDLE), RESET)],
        [(one(Code.NLB_IDLE_TIMEOUT), EVERYONE, {1, 2, 3})],
    ),
    (
        "silence after idling without a load balancer",
        IN_VPC,
        [Bend(at(Stage.IDLE), LOST)],
        [(TRACKED, ONE, {1, 2, 3})],
    ),
    (
        "a broker that ends what is idle for longer than its own limit",
        IN_VPC,
        [limited(600_000), ended_after(601_000)],
        [(one(Code.CLUSTER_IDLE_LIMIT), ONE, {2})],
    ),
    (
        "an orderly end before the broker's own limit",
        IN_VPC,
        [limited(600_000), ended_after(350_000)],
        [(one(Code.UNKNOWN), ONE, {2})],
    ),
    (
        "an orderly end, and no limit is known",
        IN_VPC,
        [ended_after(601_000)],
        [(one(Code.UNKNOWN), ONE, {2})],
    ),
    (
        "after idling, a new connection is not answered either",
        IN_VPC,
        [
            Bend(
                at(Stage.IDLE, brokers=[2]),
                failed(Reason.TIMED_OUT, IdleFacts(silent_ms=360_000, asked=True, works_anew=False)),
            )
        ],
        [(one(Code.CLUSTER_BROKER_DOWN, Code.CLUSTER_BROKER_UNRESPONSIVE), ONE, {2})],
    ),
]


@pytest.mark.parametrize(("pattern", "bends", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_each_cause_by_its_witness(pattern: str, bends: list[Bend], expected: Named) -> None:
    diagnosis = diagnosis_of(views_of(pattern), *bends)
    assert named(diagnosis) == expected
    [found] = diagnosis.findings
    assert "{" not in found.change


def test_a_neighbour_in_the_same_subnet_leaves_the_clients_own_tracking() -> None:
    [view] = views_of(IN_VPC)
    neighbour = msgspec.structs.replace(view, client="neighbour")
    lost = seen(view, Bend(at(Stage.IDLE), LOST))
    [found] = diagnose([lost, seen(neighbour)]).findings
    assert (found.codes, found.clients) == ((Code.TCP_TRACKING_TIMEOUT,), ("cluster_vpc",))
    elsewhere = msgspec.structs.replace(neighbour, subnet_id="subnet-elsewhere")
    [found] = diagnose([lost, seen(elsewhere)]).findings
    assert frozenset(found.codes) == TRACKED


def test_a_neighbour_that_was_silent_for_less_is_no_witness() -> None:
    view, other, *_ = (v for v in views_of(SINGLE) if v.client in {"account_b", "overlapping"})
    short = Bend(at(Stage.IDLE), lambda o: outcome(o.stage, o.target, facts=IdleFacts(silent_ms=60_000, asked=True)))
    [found] = diagnose([seen(view, Bend(at(Stage.IDLE), LOST)), seen(other, short)]).findings
    assert frozenset(found.codes) == TRACKED | {Code.NLB_IDLE_TIMEOUT}


def test_the_words_name_the_coordinator() -> None:
    [found] = diagnosis_of(views_of(IN_VPC), group(Reason.NOT_ASSIGNED, group_state="Dead")).findings
    assert found.wrong == (
        "The group's coordinator, broker 2, answers other questions, and nothing from JoinGroup on "
        "(broker 2, seen from client cluster_vpc)."
    )


def test_the_words_name_the_partition_that_cannot_be_written() -> None:
    offsets = OffsetsPartition(partition=2, leader_id=2, replicas=3, in_sync=1, min_in_sync=2)
    [found] = diagnosis_of(views_of(IN_VPC), group(Reason.NOT_ASSIGNED, offsets=offsets)).findings
    assert found.wrong == (
        "Partition 2 of __consumer_offsets, which keeps the group, has 1 in-sync replicas, fewer than its "
        "min.insync.replicas of 2 (broker 2, seen from client cluster_vpc)."
    )


def check_of(checks: tuple[Check, ...], asserts: Assertion, broker_id: int | None = None) -> Check:
    return next(c for c in checks if c.asserts is asserts and c.broker_id == broker_id)


def test_the_check_says_who_leaves_whom_out() -> None:
    checks = seen(views_of(IN_VPC)[0], Bend(at(Stage.METADATA, brokers=[1, 3]), listing(1, 3))).checks
    same = check_of(checks, Assertion.SAME_BROKERS)
    assert same.verdict is Verdict.FAILED
    assert same.observed == "brokers 1 and 3 do not list broker 2, which answers, and lists itself"
    assert check_of(checks, Assertion.ADVERTISED, 2).verdict is Verdict.FAILED
    assert check_of(seen(views_of(IN_VPC)[0]).checks, Assertion.SAME_BROKERS).verdict is Verdict.PASSED


def test_a_broker_of_another_cluster_disputes_nothing() -> None:
    """It answers at the bootstrap name, as broker 4 of its own cluster."""

    def another(o: Outcome) -> Outcome:
        entries = tuple(AdvertisedBroker(broker_id=i, name=f"b-{i}.other.example.com", port=9094) for i in (4, 5))
        return outcome(o.stage, o.target, facts=MetadataFacts(cluster_id="d", controller_id=4, brokers=entries))

    def fourth(o: Outcome) -> Outcome:
        return outcome(o.stage, o.target, facts=IdentityFacts(answered_by=4))

    bootstrap = [
        Bend(at(stage, where=lambda _v, o: o.target.role is Role.BOOTSTRAP), change)
        for stage, change in ((Stage.METADATA, another), (Stage.IDENTITY, fourth))
    ]
    checks = seen(views_of(SINGLE)[0], *bootstrap).checks
    assert check_of(checks, Assertion.SAME_BROKERS).verdict is Verdict.PASSED


def test_a_broker_that_does_not_answer_is_no_matter_of_dispute() -> None:
    """While a broker goes down, one broker may leave it out a moment before another does."""
    bends = [
        Bend(at(Stage.CONNECT, brokers=[2]), failed(Reason.REFUSED)),
        Bend(at(Stage.METADATA, brokers=[1]), listing(1, 3)),
    ]
    checks = seen(views_of(IN_VPC)[0], *bends).checks
    assert check_of(checks, Assertion.SAME_BROKERS).verdict is Verdict.PASSED


def test_with_kraft_controllers_differ_and_nothing_is_wrong() -> None:
    def another(o: Outcome) -> Outcome:
        assert isinstance(o.facts, MetadataFacts)
        return outcome(o.stage, o.target, facts=msgspec.structs.replace(o.facts, controller_id=3))

    diagnosis = diagnosis_of(views_of(IN_VPC), Bend(at(Stage.METADATA, brokers=[2]), another))
    assert diagnosis.answer is Answer.NOTHING_WRONG


def test_what_another_cluster_advertises_is_not_this_clusters_fault() -> None:
    """A broker of another cluster, with a certificate that is right here too, is in the group of the bootstrap port."""

    def another(o: Outcome) -> Outcome:
        entries = tuple(AdvertisedBroker(broker_id=i, name=f"b-{i}.other.example.com", port=9094) for i in (1, 2, 3))
        return outcome(o.stage, o.target, facts=MetadataFacts(cluster_id="d", controller_id=1, brokers=entries))

    at_bootstrap = at(Stage.METADATA, where=lambda _v, o: o.target.role is Role.BOOTSTRAP)
    [found] = diagnosis_of(views_of(SINGLE), Bend(at_bootstrap, another)).findings
    assert found.codes == (Code.TLS_OTHER_CLUSTER,)


# Latency, and what is not covered


def measured_at(view: ClientView, bad: Callable[[Target], bool]) -> ClientEvidence:
    nothing = Distribution(hdr="", samples=0, min_ns=0, max_ns=0, mean_ns=0, p50_ns=None, p95_ns=None, p99_ns=None)
    facts = PathLatencyFacts(warm_up_samples=0, connect=nothing, connect_scheduled=nothing, failed=1)
    more = []
    for broker in view.brokers:
        leader = Target(role=Role.BROKER, name=broker.name, port=broker.port, broker_id=broker.broker_id)
        places = [msgspec.structs.replace(leader, address=a.address) for a in broker.addresses if a.must_connect]
        more += [
            outcome(
                Stage.LATENCY,
                target,
                Status.FAILED if bad(target) else Status.OK,
                Reason.TRANSPORT if bad(target) else None,
                facts,
            )
            for target in (leader, *places)
        ]
    outcomes = (*perfect(view), *more)
    checks = judge(view, RunOutcomes(outcomes), (*VERIFY_STAGES, Stage.LATENCY))
    return ClientEvidence(view=view, checks=checks, outcomes=outcomes, complete=True)


def test_a_latency_that_fails_keeps_its_broker_and_its_address() -> None:
    [view] = views_of(IN_VPC)
    address = view.brokers[1].addresses[0].address
    evidence = measured_at(view, lambda target: target.address == address)
    red = [c for c in evidence.checks if c.verdict is Verdict.FAILED]
    assert [(c.check_id, c.broker_id, c.address) for c in red] == [("broker-2/latency", 2, address)]
    [found] = diagnose([evidence]).findings
    assert (found.broker_ids, found.addresses) == ((2,), (address,))
    assert found.codes == (Code.UNKNOWN,), "a sample that failed says nothing of records"


def test_latencies_that_are_measured_are_green() -> None:
    [view] = views_of(IN_VPC)
    evidence = measured_at(view, lambda _target: False)
    checks = [c for c in evidence.checks if c.stage is Stage.LATENCY]
    assert [(c.broker_id, c.verdict) for c in checks] == [(1, Verdict.PASSED), (2, Verdict.PASSED), (3, Verdict.PASSED)]


def test_a_broker_that_the_topic_does_not_cover_is_neither_red_nor_green() -> None:
    words = "broker 2 leads no partition of orders"

    def uncovered(o: Outcome) -> Outcome:
        return msgspec.structs.replace(o, status=Status.SKIPPED, reason=Reason.NOT_COVERED, facts=None, detail=words)

    bends = [Bend(at(stage, brokers=[2]), uncovered) for stage in (Stage.PRODUCE, Stage.CONSUME)]
    evidence = seen(views_of(IN_VPC)[0], *bends)
    uncovered_checks = [c for c in evidence.checks if c.verdict is Verdict.NOT_COVERED]
    assert [c.check_id for c in uncovered_checks] == ["broker-2/produce", "broker-2/consume"]
    assert {c.observed for c in uncovered_checks} == {f"not covered: {words}"}
    assert not any(c.verdict is Verdict.FAILED for c in evidence.checks)
    diagnosis = diagnose([evidence])
    assert (diagnosis.answer, diagnosis.findings) == (Answer.NOT_ENOUGH_SEEN, ())
    assert diagnosis.unexplained == ("cluster_vpc/broker-2/consume", "cluster_vpc/broker-2/produce")
