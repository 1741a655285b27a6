"""Stages ``produce``, ``consume`` and ``group``, the measurements, and what is left behind: nothing."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from brokerproof.probes.outcome import (
    AuthorizeFacts,
    ConsumeFacts,
    GroupFacts,
    LatencyFacts,
    Measured,
    ProduceFacts,
    Reason,
    Role,
    Stage,
    Status,
    ThroughputFacts,
    TopicFacts,
    WaitedFor,
)
from brokerproof.probes.outcome.samples import unpack
from brokerproof.probes.plan import LatencyPlan, Limits, Plan, ThroughputPlan, TopicMode, TopicPlan
from brokerproof.probes.topic import Partitions
from tests.probes.fake_cluster import (
    CREATE_TOPICS,
    DELETE_TOPICS,
    FETCH,
    FIND_COORDINATOR,
    JOIN_GROUP,
    PRODUCE,
    FakeCluster,
    fake_cluster,
)
from tests.probes.peers import run
from tests.probes.running import PATIENT, TO_IDENTITY, Result, plan, probe, waiting

TO_CONSUME = (*TO_IDENTITY, Stage.PRODUCE, Stage.CONSUME)
TO_GROUP = (*TO_CONSUME, Stage.GROUP)
HELD_UP_S = 2.0
"""Longer than a busy machine holds up a request."""
EXISTING = TopicPlan(mode=TopicMode.EXISTING, name="existing")


def probed(brokers: int, prepare: Any = None, **fields: Any) -> tuple[Result, FakeCluster]:
    async def work() -> tuple[Result, FakeCluster]:
        async with fake_cluster(brokers) as cluster:
            if prepare is not None:
                prepare(cluster)
            return await probe(planned(cluster, **fields)), cluster

    return run(work())


def planned(cluster: FakeCluster, **fields: Any) -> Plan:
    ports = [cluster.ports[broker_id] for broker_id in sorted(cluster.ports)]
    defaults: dict[str, Any] = {"stages": TO_CONSUME, "look_again": False}
    return plan(*ports, **defaults | fields)


def test_from_a_name_to_a_group_and_nothing_left_behind() -> None:
    result, cluster = probed(1, stages=TO_GROUP)
    assert result.all_ok(), result.verdicts()
    produce = result.one(Stage.PRODUCE).facts
    consume = result.one(Stage.CONSUME).facts
    group = result.one(Stage.GROUP, role=Role.CLUSTER).facts
    assert isinstance(produce, ProduceFacts)
    assert isinstance(consume, ConsumeFacts)
    assert isinstance(group, GroupFacts)
    assert (produce.records, produce.acknowledged, produce.leader_id) == (5, 5, 1)
    assert produce.first_ack_ns > 0
    assert (consume.expected, consume.received, consume.lost, consume.duplicated) == (5, 5, 0, 0)
    assert (group.assigned_partitions, group.received, group.committed, group.coordinator_id) == (1, 5, 1, 1)
    assert group.join_ns > 0
    assert group.client_host == "10.0.0.100"
    assert produce.topic.startswith("brokerproof-")
    assert cluster.created == cluster.deleted == [produce.topic]
    assert cluster.deleted_groups == [group.group]
    assert result.closing.left_behind == ()


@pytest.mark.parametrize("code", [ErrorCode.invalid_session_timeout, ErrorCode.group_max_size_reached])
def test_a_coordinator_that_takes_no_such_member_is_not_asked_until_the_limit(code: ErrorCode) -> None:
    def prepare(cluster: FakeCluster) -> None:
        cluster.join_code = code

    result, _ = probed(1, prepare, stages=TO_GROUP)
    group = result.one(Stage.GROUP, role=Role.CLUSTER)
    assert group.reason is Reason.KAFKA_ERROR, group
    assert isinstance(group.facts, GroupFacts)
    assert group.facts.error_name == code.name.upper()
    assert group.duration_ns < Limits().group_ms * 1_000_000 / 2


def test_a_group_that_has_gone_to_another_coordinator_is_asked_for_there() -> None:
    def prepare(cluster: FakeCluster) -> None:
        cluster.describe_codes = [ErrorCode.not_coordinator]

    result, cluster = probed(1, prepare, stages=TO_GROUP)
    assert result.all_ok(), result.verdicts()
    facts = result.one(Stage.GROUP, role=Role.CLUSTER).facts
    assert isinstance(facts, GroupFacts)
    assert (facts.client_host, facts.client_host_unknown) == ("10.0.0.100", "")
    assert facts.coordinator_id == 1
    assert cluster.deleted_groups == [facts.group]


def test_where_the_coordinator_does_not_say_where_it_sees_the_member_the_reason_is_kept() -> None:
    def prepare(cluster: FakeCluster) -> None:
        cluster.describe_codes = [ErrorCode.group_authorization_failed]

    result, _ = probed(1, prepare, stages=TO_GROUP)
    assert result.all_ok(), result.verdicts()
    facts = result.one(Stage.GROUP, role=Role.CLUSTER).facts
    assert isinstance(facts, GroupFacts)
    assert (facts.client_host, facts.client_host_unknown) == ("", "DescribeGroups: group_authorization_failed")


def test_an_existing_topic_is_used_and_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    leaders: dict[int, int] = {}

    def prepare(cluster: FakeCluster) -> None:
        leaders.update(cluster.leaders("existing"))
        for partition in range(3):
            cluster.put("existing", partition, b"somebody else's")

    result, cluster = probed(3, prepare, topic=EXISTING)
    leading = {leaders[partition] for partition in range(3)}
    for broker_id in (1, 2, 3):
        produce = result.one(Stage.PRODUCE, broker_id=broker_id)
        consume = result.one(Stage.CONSUME, broker_id=broker_id)
        if broker_id in leading:
            assert isinstance(produce.facts, ProduceFacts)
            assert leaders[produce.facts.partition] == broker_id
            assert (produce.status, consume.status) == (Status.OK, Status.OK)
        else:
            assert (produce.status, produce.reason) == (Status.SKIPPED, Reason.NOT_COVERED)
            assert (consume.status, consume.reason) == (Status.SKIPPED, Reason.NOT_COVERED)
    assert cluster.created == cluster.deleted == []
    assert result.closing.left_behind == ()


def test_a_topic_that_does_not_exist() -> None:
    result, cluster = probed(1, topic=TopicPlan(mode=TopicMode.EXISTING, name="no/such/topic"))
    produce = result.one(Stage.PRODUCE)
    assert (produce.status, produce.reason) == (Status.FAILED, Reason.TOPIC_NOT_FOUND)
    assert isinstance(produce.facts, TopicFacts)
    assert result.one(Stage.CONSUME).reason is Reason.WAITS_FOR
    assert cluster.deleted == []


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (ErrorCode.topic_authorization_failed, Reason.NOT_AUTHORIZED),
        (ErrorCode.cluster_authorization_failed, Reason.NOT_AUTHORIZED),
        (ErrorCode.policy_violation, Reason.TOPIC_NOT_CREATED),
        (ErrorCode.not_controller, Reason.TOPIC_NOT_CREATED),
    ],
)
def test_a_topic_that_may_not_be_created(code: ErrorCode, reason: Reason) -> None:
    def prepare(cluster: FakeCluster) -> None:
        cluster.create_code = code

    result, _ = probed(1, prepare, stages=TO_GROUP)
    produce = result.one(Stage.PRODUCE)
    assert (produce.status, produce.reason) == (Status.FAILED, reason)
    assert isinstance(produce.facts, TopicFacts)
    answered = produce.facts.error_code
    # Where another broker is said to be the controller, and that is not reached, no refusal of its own came.
    assert answered == (0 if code is ErrorCode.not_controller else code.value)
    for stage in (Stage.CONSUME, Stage.GROUP):
        waits = result.one(stage).waited_for
        assert waits is not None
        assert waits.stage is Stage.PRODUCE
    assert result.closing.left_behind == ()


@pytest.mark.parametrize("controller_id", [1, 2])
def test_without_kraft_the_controller_creates_and_deletes(controller_id: int) -> None:
    """Whichever broker is verified first, one of the two runs meets a broker that is not the controller."""

    def prepare(cluster: FakeCluster) -> None:
        cluster.controller_id = controller_id

    stages = (*TO_IDENTITY, Stage.PRODUCE)
    result, cluster = probed(2, prepare, stages=stages, limits=waiting(produce_ms=1500))
    assert len(cluster.created) == 1
    assert cluster.deleted == cluster.created
    assert result.closing.left_behind == ()
    assert Reason.TOPIC_NOT_CREATED not in {each.reason for each in result.of(Stage.PRODUCE)}


def test_records_that_failed_go_once_more_through_a_topic_of_their_own_which_is_removed_too() -> None:
    def prepare(cluster: FakeCluster) -> None:
        cluster.silent_on.add(CREATE_TOPICS)

    result, cluster = probed(1, prepare, look_again=True, limits=waiting(produce_ms=1000))
    reasons = [
        (each.look, each.reason) for each in (*result.of(Stage.PRODUCE), *result.again) if each.stage is Stage.PRODUCE
    ]
    assert reasons == [(1, Reason.TOPIC_NOT_CREATED), (2, Reason.TOPIC_NOT_CREATED)]
    assert len(set(cluster.deleted)) == 2
    assert result.closing.left_behind == ()


def test_a_topic_that_nobody_answers_for_is_removed_all_the_same() -> None:
    def prepare(cluster: FakeCluster) -> None:
        cluster.silent_on.add(CREATE_TOPICS)

    result, cluster = probed(1, prepare, limits=waiting(produce_ms=1000))
    produce = result.one(Stage.PRODUCE)
    assert (produce.status, produce.reason) == (Status.FAILED, Reason.TOPIC_NOT_CREATED)
    # It may have come into being: over a fresh connection, the late answer would confuse the old one.
    assert len(cluster.deleted) == 1
    assert result.closing.left_behind == ()


@pytest.mark.parametrize("brokers", [1, 2])
def test_permissions_are_not_asked_of_a_broker_that_owes_an_answer_about_the_topic(brokers: int) -> None:
    """It answers the requests of a connection one after another: their silence would be of the same cause."""
    stages = (*TO_CONSUME, Stage.AUTHORIZE)
    limits = waiting(produce_ms=1000, request_ms=3000)
    result, _ = probed(brokers, lambda cluster: cluster.deaf_on.add(CREATE_TOPICS), stages=stages, limits=limits)
    produced = result.one(Stage.PRODUCE, broker_id=1)
    assert produced.reason is Reason.TOPIC_NOT_CREATED
    assert isinstance(produced.facts, TopicFacts)
    asked = result.one(Stage.AUTHORIZE, role=Role.CLUSTER)
    if brokers == 1:
        assert asked.waited_for == WaitedFor(stage=Stage.PRODUCE, target=produced.target)
    else:
        assert isinstance(asked.facts, AuthorizeFacts)
        assert asked.reason is not Reason.TIMED_OUT
        assert asked.facts.answered_by != produced.facts.asked_broker_id


def test_a_produce_nobody_acknowledges() -> None:
    def prepare(cluster: FakeCluster) -> None:
        cluster.silent_on.add(PRODUCE)

    limits = waiting(produce_ms=1500)
    result, cluster = probed(1, prepare, stages=TO_GROUP, limits=limits)
    produce = result.one(Stage.PRODUCE)
    assert (produce.status, produce.reason) == (Status.FAILED, Reason.TIMED_OUT)
    assert produce.duration_ns < 2 * limits.produce_ms * 1e6
    for stage in (Stage.CONSUME, Stage.GROUP):
        waits = result.one(stage).waited_for
        assert waits is not None
        assert (waits.stage, waits.target) == (Stage.PRODUCE, produce.target)
    assert cluster.deleted == cluster.created
    assert cluster.deleted_groups == []


def test_records_that_do_not_come_back() -> None:
    def prepare(cluster: FakeCluster) -> None:
        cluster.silent_on.add(FETCH)

    result, _ = probed(1, prepare, limits=waiting(consume_ms=1000))
    assert result.one(Stage.PRODUCE).status is Status.OK
    consume = result.one(Stage.CONSUME)
    assert (consume.status, consume.reason) == (Status.FAILED, Reason.TIMED_OUT)
    assert isinstance(consume.facts, ConsumeFacts)
    assert (consume.facts.expected, consume.facts.lost) == (5, 5)


def test_a_group_without_a_coordinator() -> None:
    def prepare(cluster: FakeCluster) -> None:
        cluster.silent_on.add(FIND_COORDINATOR)

    result, cluster = probed(1, prepare, stages=TO_GROUP, limits=waiting(group_ms=500))
    group = result.one(Stage.GROUP)
    assert (group.status, group.reason) == (Status.FAILED, Reason.COORDINATOR_UNAVAILABLE)
    assert result.one(Stage.CONSUME).status is Status.OK
    assert cluster.deleted_groups == []


def test_a_connection_that_died_while_idle_does_not_leave_the_topic_behind() -> None:
    def prepare(cluster: FakeCluster) -> None:
        cluster.closing_on.add(DELETE_TOPICS)

    result, cluster = probed(1, prepare)
    assert result.all_ok()
    assert cluster.deleted == cluster.created
    assert result.closing.left_behind == ()


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (
            lambda cluster: setattr(cluster, "delete_code", ErrorCode.topic_authorization_failed),
            "DeleteTopics: topic_authorization_failed",
        ),
        (lambda cluster: cluster.silent_on.add(DELETE_TOPICS), "no answer within"),
    ],
    ids=["refused", "silent"],
)
def test_what_cannot_be_removed_is_named(prepare: Any, words: str) -> None:
    result, cluster = probed(1, prepare, limits=waiting(plan_ms=5000))
    (left,) = result.closing.left_behind
    assert left.startswith(f"topic {cluster.created[0]}: ")
    assert words in left


def test_the_plans_deadline_in_the_middle_of_a_group_removes_both() -> None:
    result, cluster = probed(
        1, lambda cluster: cluster.silent_on.add(JOIN_GROUP), stages=TO_GROUP, limits=waiting(plan_ms=5000)
    )
    assert not result.closing.complete
    group = result.one(Stage.GROUP)
    assert (group.status, group.reason) == (Status.ERROR, Reason.DEADLINE_OF_PLAN)
    assert cluster.deleted == cluster.created
    assert len(cluster.created) == 1
    assert len(cluster.deleted_groups) == 1
    assert result.closing.left_behind == ()


def test_an_abort_while_producing_removes_the_topic() -> None:
    async def work() -> tuple[Result, FakeCluster, float]:
        async with fake_cluster(1) as cluster:
            cluster.silent_on.add(PRODUCE)
            abort = asyncio.Event()

            async def once_created() -> None:
                await cluster.was_created.wait()
                await asyncio.sleep(0.1)
                abort.set()

            watching = asyncio.ensure_future(once_created())
            begin = time.monotonic()
            result = await probe(planned(cluster), abort)
            await watching
            return result, cluster, time.monotonic() - begin

    result, cluster, wall_s = run(work())
    assert wall_s < PATIENT.produce_ms / 1000
    assert result.one(Stage.PRODUCE).reason is Reason.DEADLINE_OF_PLAN
    assert cluster.deleted == cluster.created


def test_a_leader_that_cannot_be_reached_is_not_produced_to() -> None:
    """The other leader is; the unreachable one names its own root."""
    leaders: dict[int, int] = {}

    async def work() -> Result:
        async with fake_cluster(2) as cluster:
            leaders.update(cluster.leaders("existing"))
            wrong = planned(cluster, topic=EXISTING)
            first, second = wrong.brokers
            # The plan expects broker 3 where broker 2 answers.
            brokers = (first, type(second)(name=second.name, port=second.port, broker_id=3))
            return await probe(planned(cluster, topic=EXISTING, brokers=brokers))

    result = run(work())
    identity = result.one(Stage.IDENTITY, broker_id=3)
    assert identity.reason is Reason.OTHER_BROKER
    for stage in (Stage.PRODUCE, Stage.CONSUME):
        for broker_id in (2, 3):
            waits = result.one(stage, broker_id=broker_id).waited_for
            assert waits is not None
            assert (waits.stage, waits.target) == (Stage.IDENTITY, identity.target)


def test_latency_and_throughput_are_measured() -> None:
    latency = LatencyPlan(samples=60, warm_up=6, rate_per_s=300)
    throughput = ThroughputPlan(total_bytes=200_000, max_ms=1000, record_bytes=500)
    result, cluster = probed(1, latency=latency, throughput=throughput)
    assert result.all_ok(), result.verdicts()
    every = result.one(Stage.LATENCY, role=Role.CLUSTER).facts
    one = result.one(Stage.LATENCY, role=Role.BROKER).facts
    assert isinstance(every, LatencyFacts)
    assert isinstance(one, LatencyFacts)
    assert every == one
    for distribution in (every.produce_ack, every.end_to_end):
        assert distribution.samples == 60
        assert 0 < distribution.min_ns <= (distribution.p50_ns or 0) <= distribution.max_ns * 1.001
        # 60 samples say a median, and nothing beyond it.
        assert (distribution.p95_ns, distribution.p99_ns) == (None, None)
        assert distribution.hdr
    assert (every.lost, every.warm_up_samples, every.record_bytes) == (0, 6, 100)
    for scheduled, sent in (
        (every.produce_ack_scheduled, every.produce_ack),
        (every.end_to_end_scheduled, every.end_to_end),
    ):
        assert scheduled is not None
        assert scheduled.samples == 60
        assert scheduled.max_ns >= sent.max_ns
    assert every.warm_up is not None
    assert every.warm_up.samples == 6
    assert every.host is not None
    assert result.samples == []
    measured = result.one(Stage.THROUGHPUT, role=Role.CLUSTER).facts
    assert isinstance(measured, ThroughputFacts)
    assert (measured.records_produced, measured.records_consumed) == (400, 400)
    assert (measured.lost, measured.duplicated) == (0, 0)
    assert measured.produce_bytes_per_s > 0
    assert measured.limits is not None
    assert measured.limits.connections == 1
    assert measured.limits.process_cpu_share > 0
    assert 0 < measured.limits.sender_cpu_share <= 1.1
    assert 0 < measured.limits.handing_over_share <= 1
    assert measured.limits.throttled_ms == 0
    assert measured.consume_bytes_per_s > 0
    assert cluster.deleted == cluster.created


def test_what_holds_up_the_warm_up_is_not_measured_after_it() -> None:
    """The stage ``produce`` sent the first request; the second is the warm-up's."""
    latency = LatencyPlan(samples=60, warm_up=6, rate_per_s=300)
    result, _ = probed(1, lambda cluster: cluster.held_up_s.update({1: HELD_UP_S}), latency=latency)
    facts = result.one(Stage.LATENCY, role=Role.CLUSTER).facts
    assert isinstance(facts, LatencyFacts)
    assert facts.warm_up is not None
    assert facts.warm_up.max_ns > 0.9e9 * HELD_UP_S
    for distribution in (facts.produce_ack_scheduled, facts.end_to_end_scheduled):
        assert distribution is not None
        assert distribution.max_ns < 0.5e9 * HELD_UP_S


def test_raw_samples_are_handed_over_where_the_plan_asks_for_them() -> None:
    result, _ = probed(1, latency=LatencyPlan(samples=20, warm_up=4, rate_per_s=300), raw_samples=True)
    facts = result.one(Stage.LATENCY, role=Role.CLUSTER).facts
    assert isinstance(facts, LatencyFacts)
    for what, distribution in ((Measured.PRODUCE_ACK, facts.produce_ack), (Measured.END_TO_END, facts.end_to_end)):
        counted = [block for block in result.samples if block.what is what and not block.warm_up]
        warm_up = [block for block in result.samples if block.what is what and block.warm_up]
        assert {block.target.broker_id for block in counted} == {1}
        assert (sum(each.samples for each in counted), sum(each.samples for each in warm_up)) == (20, 4)
        times = [ns for block in counted for ns in unpack(block).duration_ns]
        assert (min(times), max(times)) == (distribution.min_ns, distribution.max_ns)
    for block in result.samples:
        samples = unpack(block)
        assert all(0 <= due <= began for due, began in zip(samples.scheduled_ns, samples.started_ns, strict=True))


def test_what_an_existing_topic_does_not_cover_is_not_measured_and_the_rest_is() -> None:
    leaders: dict[int, int] = {}

    def prepare(cluster: FakeCluster) -> None:
        cluster.partitions = 1
        leaders.update(cluster.leaders("existing"))

    latency = LatencyPlan(samples=20, warm_up=4, rate_per_s=300)
    throughput = ThroughputPlan(total_bytes=50_000, max_ms=1000, record_bytes=500)
    result, _ = probed(2, prepare, topic=EXISTING, stages=TO_GROUP, latency=latency, throughput=throughput)
    leading = leaders[0]
    for broker_id in (1, 2):
        each = result.one(Stage.LATENCY, role=Role.BROKER, broker_id=broker_id)
        covered = (Status.OK, None) if broker_id == leading else (Status.SKIPPED, Reason.NOT_COVERED)
        assert (each.status, each.reason) == covered
    for stage in (Stage.GROUP, Stage.LATENCY, Stage.THROUGHPUT):
        assert result.one(stage, role=Role.CLUSTER).status is Status.OK, result.verdicts()


def test_a_partition_that_nobody_leads_is_a_fault_of_its_replicas() -> None:
    partitions = Partitions(count=2, led_by={1: (0,)}, leaderless={1: (2, 3)})
    assert [partitions.missing_at(broker_id) for broker_id in (1, 2, 3, 4)] == [None, 1, 1, None]
