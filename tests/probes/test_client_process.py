"""The Kafka client in its process: what is said where that dies, and that nothing of it outlives the probe."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from brokerproof.probes import engine
from brokerproof.probes.kafka_client.client_process import ClientProcess
from brokerproof.probes.kafka_client.fork_server import start_beside
from brokerproof.probes.outcome import Closing, Outcome, Reason, Stage, Status
from brokerproof.probes.plan import LatencyPlan, ThroughputPlan, encode_plan
from tests.probes.fake_cluster import JOIN_GROUP, PRODUCE, FakeCluster, fake_cluster
from tests.probes.peers import run
from tests.probes.running import TO_IDENTITY, Result, client_processes, plan, probe
from tests.probes.test_entry import LONG, is_closing, probes, read_until

TO_GROUP = (*TO_IDENTITY, Stage.PRODUCE, Stage.CONSUME, Stage.GROUP)
SOON_S = 60.0


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON_S):
        while not holds():  # noqa: ASYNC110  another process has no Event
            await asyncio.sleep(0.005)


def killed(
    number: int, when: Callable[[FakeCluster], Callable[[], bool]], prepare: Any = None, **fields: Any
) -> tuple[Result, FakeCluster]:
    """A run whose client gets a signal as soon as something holds."""

    async def work() -> tuple[Result, FakeCluster]:
        async with fake_cluster(1) as cluster:
            if prepare is not None:
                prepare(cluster)

            async def kill() -> None:
                await until(lambda: when(cluster)() and bool(client_processes()))
                for pid in client_processes():
                    os.kill(pid, number)

            killing = asyncio.ensure_future(kill())
            settings: dict[str, Any] = {"stages": TO_GROUP, "look_again": False}
            result = await probe(plan(cluster.ports[1], **settings | fields))
            await killing
            return result, cluster

    return run(work())


@pytest.mark.parametrize(
    ("number", "status", "words"),
    [
        (signal.SIGSEGV, Status.FAILED, "the Kafka client died: signal 11 (SIGSEGV), at stage produce"),
        (signal.SIGABRT, Status.FAILED, "the Kafka client died: signal 6 (SIGABRT), at stage produce"),
        (signal.SIGKILL, Status.ERROR, "the Kafka client died: signal 9 (SIGKILL), at stage produce"),
    ],
)
def test_a_client_that_dies_while_producing_is_an_outcome_and_the_topic_is_removed(
    number: int, status: Status, words: str
) -> None:
    result, cluster = killed(
        number, lambda cluster: lambda: PRODUCE in cluster.ignored, lambda cluster: cluster.silent_on.add(PRODUCE)
    )
    produce = result.one(Stage.PRODUCE)
    assert (produce.status, produce.reason, produce.detail) == (status, Reason.CLIENT_DIED, words)
    for stage in (Stage.CONSUME, Stage.GROUP):
        waits = result.one(stage).waited_for
        assert waits is not None
        assert waits.stage is Stage.PRODUCE
    assert result.closing.complete
    assert len(cluster.created) == 1
    assert cluster.deleted == cluster.created
    assert result.closing.left_behind == ()


def test_a_client_that_dies_in_its_group_leaves_neither_topic_nor_group() -> None:
    """The mock waits three seconds for more members before it lets the first in."""
    result, cluster = killed(signal.SIGSEGV, lambda cluster: lambda: JOIN_GROUP in cluster.asked)
    assert result.one(Stage.CONSUME).status is Status.OK
    group = result.one(Stage.GROUP)
    assert (group.status, group.reason) == (Status.FAILED, Reason.CLIENT_DIED)
    assert group.detail.endswith("at stage group")
    assert cluster.deleted == cluster.created
    assert len(cluster.deleted_groups) == 1
    # The member that died can not leave by itself, and a group with members is not deleted.
    assert cluster.left == ["m"]
    assert result.closing.left_behind == ()


def test_a_client_that_dies_while_measuring_does_not_keep_the_next_measurement_from_its_own() -> None:
    latency = LatencyPlan(samples=100_000, rate_per_s=100)
    result, cluster = killed(
        signal.SIGSEGV,
        lambda cluster: lambda: len(cluster.produced) > 20,
        stages=(*TO_IDENTITY, Stage.PRODUCE, Stage.CONSUME),
        latency=latency,
        throughput=ThroughputPlan(total_bytes=100_000),
    )
    assert {(each.status, each.reason) for each in result.of(Stage.LATENCY)} == {(Status.FAILED, Reason.CLIENT_DIED)}
    assert len(result.of(Stage.LATENCY)) == 2
    assert result.one(Stage.THROUGHPUT).status is Status.OK
    assert cluster.deleted == cluster.created


def test_a_fork_server_that_somebody_ended_has_a_successor() -> None:
    async def work() -> bool:
        server = start_beside()
        os.kill(server.pid, signal.SIGKILL)
        first = await ClientProcess.start(server)
        second = first if first.alive else await ClientProcess.start(server)
        await asyncio.sleep(0)
        alive = second.alive
        for each in (first, second):
            each.close()
        await asyncio.sleep(0)
        server.close()
        return alive

    assert run(work())


def test_where_no_process_can_be_made_there_is_an_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_server: Any) -> Any:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("brokerproof.probes.kafka_client.fork_server.ForkServer.fork", refuse)

    async def work() -> tuple[Result, FakeCluster]:
        async with fake_cluster(1) as cluster:
            return await probe(plan(cluster.ports[1], stages=TO_GROUP)), cluster

    result, cluster = run(work())
    produce = result.one(Stage.PRODUCE)
    assert (produce.status, produce.reason) == (Status.ERROR, Reason.CLIENT_DIED)
    assert "could not be started: EAGAIN" in produce.detail
    assert cluster.deleted == cluster.created


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_the_probe(number: int) -> None:
    async def work() -> list[int]:
        async with fake_cluster(1) as cluster, probes() as process:
            cluster.silent_on.add(PRODUCE)
            assert process.stdin is not None
            process.stdin.write(encode_plan(plan(cluster.ports[1], limits=LONG, stages=TO_GROUP)))
            await cluster.was_created.wait()
            (server,) = children(process.pid)
            (client,) = children(server)
            process.send_signal(number)
            await asyncio.wait_for(process.wait(), SOON_S)
            await until(lambda: not any(map(is_there, (server, client))))
            return [pid for pid in (server, client) if is_there(pid)]

    assert run(work()) == []


def test_a_served_plan_has_a_client_of_its_own_which_ends_with_it() -> None:
    async def work() -> list[int]:
        async with fake_cluster(1) as cluster, probes("--serve") as process:
            assert process.stdin is not None
            for _ in range(3):
                process.stdin.write(encode_plan(plan(cluster.ports[1], stages=TO_GROUP[:-1], limits=LONG)))
                lines = await read_until(process, is_closing)
                assert isinstance(lines[-1], Closing)
                assert all(each.status is Status.OK for each in lines if isinstance(each, Outcome)), lines
            (server,) = children(process.pid)
            await until(lambda: not children(server))
            process.stdin.close()
            return [await process.wait()]

    assert run(work()) == [0]


def test_the_server_of_a_program_with_threads_is_there_once() -> None:
    assert engine.server_beside() is engine.server_beside()
