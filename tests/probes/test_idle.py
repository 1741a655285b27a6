"""Stage ``idle``: a silence, then one request; and every way in which a connection does not outlive it."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable

import pytest

from brokerproof.probes.observation import Observation
from brokerproof.probes.outcome import IdleFacts, Reason, Stage, Status
from brokerproof.probes.plan import Limits
from brokerproof.probes.stages.connect import connect
from brokerproof.probes.stages.idle import hold_idle
from brokerproof.probes.wire.kafka_connection import KafkaConnection
from brokerproof.probes.wire.stream import Stream
from tests.probes.fake_kafka import alone, broker
from tests.probes.peers import (
    LOOPBACK,
    PATIENT_MS,
    Behaviour,
    closing,
    greeting,
    limit_ms,
    peer,
    resetting,
    run,
    silent,
)
from tests.probes.running import TO_IDENTITY, plan, probe, waiting

HOLD_MS = 150


def ending_after(seconds: float, *, reset: bool = False) -> Behaviour:
    """Ends the connection in the middle of the silence."""

    async def behaviour(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(seconds)
        if reset:
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return behaviour


def held(
    behaviour: Behaviour, *, hold_ms: int = HOLD_MS, expected: Reason | None = None
) -> tuple[Observation, IdleFacts]:
    async def work() -> Observation:
        async with peer(behaviour) as port:
            _, sock = await connect(LOOPBACK, port, limit_ms=PATIENT_MS)
            assert sock is not None
            connection = KafkaConnection(Stream(sock))
            seen = await hold_idle(connection, 1, hold_ms=hold_ms, limit_ms=limit_ms(expected))
            connection.close()
            return seen

    seen = run(work())
    assert isinstance(seen.facts, IdleFacts)
    return seen, seen.facts


def test_a_connection_that_outlives_the_silence_is_ok() -> None:
    asked: list[float] = []
    ports: list[int] = []

    async def noted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begin = asyncio.get_running_loop().time()
        first = await reader.readexactly(4)
        asked.append(asyncio.get_running_loop().time() - begin)
        reader._buffer[:0] = first  # type: ignore[attr-defined]  # put back what was looked at
        await broker(alone(1, lambda: ports[0]))(reader, writer)

    seen, facts = held(noted)
    assert seen.status is Status.OK, seen
    assert (facts.silent_ms, facts.asked) == (HOLD_MS, True)
    assert asked[0] >= HOLD_MS / 1000 - 0.02, "nothing is sent before"


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [(closing, Reason.CLOSED), (resetting, Reason.RESET), (silent, Reason.TIMED_OUT)],
    ids=["closed", "reset", "no answer"],
)
def test_what_ends_with_the_first_request_after_the_silence(behaviour: Behaviour, reason: Reason) -> None:
    seen, facts = held(behaviour, expected=reason)
    assert (seen.status, seen.reason) == (Status.FAILED, reason)
    assert seen.detail.startswith("after 0.15 s of silence")
    assert (facts.silent_ms, facts.asked) == (HOLD_MS, True)


@pytest.mark.parametrize(("reset", "reason"), [(False, Reason.CLOSED), (True, Reason.RESET)])
def test_what_ends_in_the_middle_of_the_silence(reset: bool, reason: Reason) -> None:
    seen, facts = held(ending_after(0.05, reset=reset), hold_ms=PATIENT_MS)
    assert (seen.status, seen.reason) == (Status.FAILED, reason)
    assert 50 <= facts.silent_ms < PATIENT_MS
    assert not facts.asked


def test_a_peer_that_speaks_unasked_is_no_broker() -> None:
    seen, facts = held(greeting(b"hello"))
    assert seen.reason is Reason.NOT_KAFKA
    assert not facts.asked


# In a run


def test_a_run_holds_a_connection_of_its_own() -> None:
    ports: list[int] = []
    stages = (*TO_IDENTITY, Stage.IDLE)

    async def work() -> None:
        async with peer(broker(alone(1, lambda: ports[0]))) as port:
            ports.append(port)
            result = await probe(plan(port, stages=stages, idle_hold_ms=HOLD_MS))
        assert result.all_ok(), result.verdicts()
        idle = result.one(Stage.IDLE)
        assert idle.target == result.one(Stage.IDENTITY).target
        assert idle.duration_ns >= HOLD_MS * 1_000_000

    run(work())


def test_a_silence_that_the_plan_ends_is_not_the_paths_fault() -> None:
    ports: list[int] = []
    connections: list[int] = []
    abort = asyncio.Event()

    async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(len(connections))
        if len(connections) == 2:  # that of the silence, which begins now
            asyncio.get_running_loop().call_later(0.1, abort.set)
        await broker(alone(1, lambda: ports[0]))(reader, writer)

    async def work() -> None:
        async with peer(counted) as port:
            ports.append(port)
            planned = plan(port, stages=(*TO_IDENTITY, Stage.IDLE), idle_hold_ms=50_000)
            result = await probe(planned, abort)
        assert (result.one(Stage.IDLE).status, result.one(Stage.IDLE).reason) == (
            Status.ERROR,
            Reason.DEADLINE_OF_PLAN,
        )

    run(work())


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: plan(1, idle_hold_ms=10),
        lambda: plan(1, stages=(*TO_IDENTITY, Stage.IDLE)),
        lambda: plan(1, stages=(*TO_IDENTITY, Stage.IDLE), idle_hold_ms=-1),
        lambda: plan(1, stages=(*TO_IDENTITY, Stage.IDLE), idle_hold_ms=5000, limits=Limits(plan_ms=5000)),
    ],
)
def test_a_silence_that_makes_no_sense_is_refused(wrong: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="idle_hold_ms"):
        wrong()


def forgetting(port: Callable[[], int], after_s: float, *, all_of_it: bool) -> Behaviour:
    """A broker behind something that forgets: what comes after so long a silence is never answered.

    ``all_of_it``: nor is anything on a new connection from then on, as of a broker that stands still.
    """
    forgotten: list[bool] = []

    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passed = asyncio.StreamReader()
        answering = asyncio.ensure_future(broker(alone(1, port))(passed, writer))
        is_forgotten = False
        try:
            while True:
                begin = asyncio.get_running_loop().time()
                data = await reader.read(65536)
                is_forgotten |= asyncio.get_running_loop().time() - begin > after_s
                forgotten.extend([True] if is_forgotten else [])
                if not data:
                    return
                if not is_forgotten and not (all_of_it and forgotten):
                    passed.feed_data(data)
        finally:
            answering.cancel()

    return behaviour


@pytest.mark.parametrize("all_of_it", [False, True])
def test_whether_a_new_connection_works_tells_a_forgotten_one_from_a_broker_that_is_gone(*, all_of_it: bool) -> None:
    limits = waiting(request_ms=1000)

    async def work() -> IdleFacts:
        ports: list[int] = []
        async with peer(forgetting(lambda: ports[0], 0.8, all_of_it=all_of_it)) as port:
            ports.append(port)
            result = await probe(plan(port, stages=(*TO_IDENTITY, Stage.IDLE), idle_hold_ms=1000, limits=limits))
            idle = result.one(Stage.IDLE)
            assert (idle.status, idle.reason) == (Status.FAILED, Reason.TIMED_OUT)
            assert isinstance(idle.facts, IdleFacts)
            return idle.facts

    facts = run(work())
    assert (facts.asked, facts.works_anew) == (True, not all_of_it)
