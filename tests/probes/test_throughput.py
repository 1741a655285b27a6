"""Stage ``throughput``: its settings reach the brokers, its bounds hold, and its ramp finds what a path takes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from confluent_kafka import KafkaException

from brokerproof.probes.librdkafka import ClientLog, Settings
from brokerproof.probes.load.producers import Load
from brokerproof.probes.outcome import (
    Acks,
    Compression,
    Followed,
    RampEnd,
    RampStep,
    Reason,
    Role,
    Stage,
    Status,
    ThroughputFacts,
)
from brokerproof.probes.plan import Limits, RampPlan, ThroughputPlan
from brokerproof.probes.stages.throughput import Throughput
from brokerproof.probes.threads import in_thread
from tests.probes.fake_cluster import METADATA, FakeCluster, fake_cluster
from tests.probes.peers import LOOPBACK, run
from tests.probes.running import TO_IDENTITY, Result, plan, probe

MB = 1_000_000
STAGES = (*TO_IDENTITY, Stage.PRODUCE, Stage.CONSUME)


def measured(bytes_per_s: float = 0, **settings: Any) -> tuple[Result, ThroughputFacts, FakeCluster]:
    async def work() -> tuple[Result, FakeCluster]:
        async with fake_cluster(1) as cluster:
            cluster.bytes_per_s = bytes_per_s
            wanted = ThroughputPlan(**{"record_bytes": 1000} | settings)
            return await probe(plan(cluster.ports[1], stages=STAGES, throughput=wanted)), cluster

    result, cluster = run(work())
    facts = result.one(Stage.THROUGHPUT, role=Role.CLUSTER).facts
    assert isinstance(facts, ThroughputFacts), result.verdicts()
    return result, facts, cluster


@pytest.mark.parametrize(("acks", "on_the_wire"), [(Acks.ALL, -1), (Acks.LEADER, 1)])
def test_the_settings_reach_the_broker(acks: Acks, on_the_wire: int) -> None:
    result, facts, cluster = measured(
        total_bytes=MB,
        acks=acks,
        compression=Compression.GZIP,
        partitions_per_broker=2,
        connections_per_broker=3,
    )
    assert result.all_ok(), result.verdicts()
    assert (facts.records_produced, facts.records_consumed, facts.lost, facts.duplicated) == (1000, 1000, 0, 0)
    assert (facts.partitions, facts.producers, facts.consumers) == (2, 3, 2)
    assert (facts.acks, facts.compression, facts.ramp) == (acks, Compression.GZIP, None)
    assert facts.limits is not None
    assert facts.limits.connections == 3
    assert cluster.partitions == 2
    assert cluster.produced[-1][0] == on_the_wire
    # 26 letters are 4.7 of 8 bits.
    assert 0.5 * MB < sum(size for _, size in cluster.produced) < 0.75 * MB


def test_as_much_is_sent_as_the_time_allows_and_the_rest_is_taken_back() -> None:
    async def work() -> tuple[Load, int, bool]:
        async with fake_cluster(1) as cluster:
            cluster.leaders("slow")
            cluster.bytes_per_s = 10 * MB
            settings = Settings(bootstrap=f"{LOOPBACK}:{cluster.ports[1]}", tls=None, limits=Limits())
            wanted = ThroughputPlan(record_bytes=10_000)
            load = Load(settings, "slow", wanted, [0], threading.Event(), ClientLog())

            def produce() -> tuple[Load, int, bool]:
                load.open()
                offered = 0
                while load.offer(offered):
                    offered += 1
                load.take_back()
                load.wait()
                left = bool(load.outstanding)
                load.close()
                return load, offered, left

            return await in_thread(produce, "throughput")

    load, offered, left = run(work())
    assert not left
    assert load.failure is None
    assert load.not_sent > offered / 2
    assert load.acknowledged + load.not_sent == offered
    assert load.acknowledged > 0


def test_what_the_client_says_is_no_record_without_an_answer() -> None:
    async def work() -> tuple[int, int, int]:
        async with fake_cluster(1) as cluster:
            cluster.leaders("quiet")
            settings = Settings(bootstrap=f"{LOOPBACK}:{cluster.ports[1]}", tls=None, limits=Limits())
            load = Load(settings, "quiet", ThroughputPlan(), [0], threading.Event(), ClientLog())

            def produce() -> tuple[int, int, int]:
                load.open()
                assert load.offer(0)
                load.wait()
                # Log lines and errors wait in the producer's queue until somebody takes them.
                [producer] = load._producers
                cluster.closing_on.add(METADATA)
                with suppress(KafkaException):
                    producer.list_topics(timeout=5)
                counted = load.acknowledged, load.outstanding, len(producer)
                load.close()
                return counted

            return await in_thread(produce, "throughput")

    acknowledged, outstanding, in_queue = run(work())
    assert (acknowledged, outstanding) == (1, 0)
    assert in_queue > 0


@pytest.mark.usefixtures("client_in_this_process")
def test_a_ramp_finds_what_the_path_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records are really sent; how fast they are acknowledged is made up, since this machine has its own mind."""
    really = Load.step
    offered: list[float] = []

    def known(self: Load, rate: float, duration_ms: int, before: Sequence[RampStep]) -> tuple[RampStep, int]:
        offered.append(rate)
        seen, sent = really(self, 500_000, 100, before)
        capacity = 4 * offered[0]
        followed = Followed.YES if rate <= capacity else Followed.RATE
        figures = {"offered_bytes_per_s": rate, "acknowledged_bytes_per_s": min(rate, capacity), "followed": followed}
        return msgspec.structs.replace(seen, **figures), sent

    monkeypatch.setattr(Load, "step", known)
    result, facts, _ = measured(total_bytes=MB, ramp=RampPlan(total_bytes=1 << 40))
    assert result.all_ok(), result.verdicts()
    ramp = facts.ramp
    assert ramp is not None
    assert offered[0] == facts.produce_bytes_per_s / 4
    assert ramp.ended is RampEnd.RATE
    assert ramp.knee_bytes_per_s is not None
    assert 3.5 * offered[0] < ramp.knee_bytes_per_s <= 4 * offered[0]
    assert ramp.knee_records_per_s == ramp.knee_bytes_per_s / 1000
    assert ramp.records_sent == sum(step.records for step in ramp.steps) > 0
    assert (ramp.not_acknowledged, ramp.missing, ramp.surplus) == (0, 0, 0)


def test_a_ramp_claims_no_more_than_the_path_takes() -> None:
    result, facts, _ = measured(bytes_per_s=5 * MB, total_bytes=2 * MB, ramp=RampPlan(step_ms=300))
    assert result.all_ok(), result.verdicts()
    assert facts.ramp is not None
    assert facts.ramp.steps
    assert (facts.ramp.knee_bytes_per_s or 0) < 7 * MB, facts.ramp
    assert all(step.acknowledged_bytes_per_s < 9 * MB for step in facts.ramp.steps), facts.ramp


def test_a_ramp_that_may_send_little_says_so() -> None:
    result, facts, _ = measured(bytes_per_s=5 * MB, total_bytes=MB, ramp=RampPlan(step_ms=100, total_bytes=120_000))
    assert result.all_ok(), result.verdicts()
    assert facts.ramp is not None
    assert (facts.ramp.ended, facts.ramp.knee_bytes_per_s) == (RampEnd.BYTES, None)
    assert facts.ramp.records_sent * 1000 <= 120_000


@pytest.mark.usefixtures("client_in_this_process")
def test_a_host_that_hands_over_nothing_has_measured_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread did not get the processor before the time was up: that says nothing of the path, and is no success."""
    monkeypatch.setattr(Load, "offer_some", lambda _self, _first, _total: 0)
    result, facts, _ = measured(total_bytes=MB, max_ms=100)
    outcome = result.one(Stage.THROUGHPUT, role=Role.CLUSTER)
    assert (outcome.status, outcome.reason) == (Status.ERROR, Reason.DEADLINE_OF_PLAN)
    assert "handed over no record" in outcome.detail
    assert (facts.records_produced, facts.produce_bytes_per_s) == (0, 0.0)


def test_records_that_no_connection_takes_are_no_success() -> None:
    settings = Settings(bootstrap="b:1", tls=None, limits=Limits())
    wanted = ThroughputPlan(max_ms=1000)
    load = Load(settings, "t", wanted, [0], threading.Event(), ClientLog(), not_sent=50, _handed_over=50)
    facts = ThroughputFacts(
        record_bytes=1024,
        records_produced=0,
        produce_bytes_per_s=0.0,
        produce_duration_ns=0,
        records_consumed=0,
        consume_bytes_per_s=0.0,
        consume_duration_ns=0,
    )
    judged = Throughput(settings, "t", "g", wanted, [], threading.Event())._judge(load, facts, 50, reached_end=True)
    assert (judged.status, judged.reason) == (Status.FAILED, Reason.TIMED_OUT)
    assert judged.detail == "no connection took any of 50 records within 1000 ms"
