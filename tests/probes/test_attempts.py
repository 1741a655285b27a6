"""Several connections to one address: each is an outcome, and the first alone is used."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from brokerproof.probes.observation import Observation, failed
from brokerproof.probes.outcome import Reason, Stage, Status
from brokerproof.probes.plan import MAX_CONNECT_ATTEMPTS
from brokerproof.probes.stages.connect import connect
from tests.probes.fake_kafka import alone, broker
from tests.probes.peers import closed_port, peer, run
from tests.probes.running import Result, plan, probe, waiting

ATTEMPTS = 4


@asynccontextmanager
async def counted() -> AsyncIterator[tuple[int, list[int]]]:
    """A broker of its own cluster, and how many connections it ever had."""
    ports: list[int] = []
    connections = [0]
    answer = broker(alone(1, lambda: ports[0]))

    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections[0] += 1
        await answer(reader, writer)

    async with peer(behaviour) as port:
        ports.append(port)
        yield port, connections


def test_each_attempt_is_an_outcome_and_nothing_follows_but_from_the_first() -> None:
    async def work() -> tuple[Result, int]:
        async with counted() as (port, connections):
            result = await probe(plan(port, connect_attempts=ATTEMPTS))
            return result, connections[0]

    result, connections = run(work())
    assert result.all_ok(), result.verdicts()
    assert sorted(each.attempt for each in result.of(Stage.CONNECT)) == [1, 2, 3, 4]
    assert len(result.of(Stage.API)) == 1
    assert connections == ATTEMPTS


def test_attempts_that_fail_now_and_then_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """As behind a listener of two targets, one of which is dead."""
    calls = 0

    async def every_other(address: str, port: int, *, limit_ms: int) -> tuple[Observation, socket.socket | None]:
        nonlocal calls
        calls += 1
        if calls % 2 == 0:
            return failed(Reason.REFUSED, "as the dead target does"), None
        return await connect(address, port, limit_ms=limit_ms)

    async def work() -> Result:
        async with counted() as (port, _):
            monkeypatch.setattr("brokerproof.probes.path_stages.connect", every_other)
            return await probe(plan(port, connect_attempts=ATTEMPTS))

    result = run(work())
    statuses = [each.status for each in result.of(Stage.CONNECT)]
    assert sorted(statuses) == [Status.FAILED, Status.FAILED, Status.OK, Status.OK]


def test_a_closed_port_is_closed_each_time() -> None:
    result = run(probe(plan(closed_port(), connect_attempts=ATTEMPTS)))
    assert [each.reason for each in result.of(Stage.CONNECT)] == [Reason.REFUSED] * ATTEMPTS
    assert result.one(Stage.API).reason is Reason.WAITS_FOR


def test_silence_takes_no_longer_than_of_one_attempt() -> None:
    connect_ms = 500
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        queued = [socket.socket() for _ in range(4)]
        for sock in queued:
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        limits = waiting(connect_ms=connect_ms)
        result = run(probe(plan(listener.getsockname()[1], connect_attempts=ATTEMPTS, limits=limits)))
        for sock in queued:
            sock.close()
    assert [each.reason for each in result.of(Stage.CONNECT)] == [Reason.TIMED_OUT] * ATTEMPTS
    ends = [each.started_ns + each.duration_ns for each in result.of(Stage.CONNECT)]
    # One after another, they would take this long at least.
    assert max(ends) < ATTEMPTS * connect_ms * 1_000_000


@pytest.mark.parametrize("attempts", [0, -1, MAX_CONNECT_ATTEMPTS + 1])
def test_a_number_of_attempts_that_makes_no_sense_is_refused(attempts: int) -> None:
    with pytest.raises(ValueError, match="connect_attempts"):
        plan(1, connect_attempts=attempts)


def test_without_connect_nothing_is_tried_again() -> None:
    result = run(probe(plan(1, stages=(Stage.RESOLVE,), connect_attempts=ATTEMPTS)))
    assert result.of(Stage.CONNECT) == []
