"""Stage ``path_size``: requests that fill packets of known sizes, and where they stop."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest
from kio.schema.describe_configs.v1 import DescribeConfigsRequest
from kio.schema.errors import ErrorCode
from kio.serial import entity_reader

from brokerproof.probes.observation import Observation
from brokerproof.probes.outcome import IdentityFacts, PathSizeFacts, Reason, Stage, Status, TcpInfo
from brokerproof.probes.plan import Tls
from brokerproof.probes.stages.handshake import handshake, trust
from brokerproof.probes.stages.path_size import PATIENCE, measure_path_size, vanished
from brokerproof.probes.wire.kafka_connection import KafkaConnection
from brokerproof.probes.wire.stream import Stream
from brokerproof.probes.wire.tcp_info import read_tcp_info
from tests.probes.authority import Authority
from tests.probes.fake_kafka import alone, broker, described, encode, frame, identify
from tests.probes.peers import LOOPBACK, Behaviour, closing, peer, resetting, run, silent
from tests.probes.running import TO_IDENTITY, plan, probe

MSS_BYTES = 1460
LIMIT_MS = 250
LARGE_BYTES = 12_000
HEADERS_BYTES = 52
"""IPv4, TCP, timestamps."""


class Narrow:
    """A broker beyond a path that takes packets up to a size; it notes what it was asked in."""

    def __init__(self, *, to_broker: int = 1 << 20, to_client: int = 1 << 20) -> None:
        self.to_broker = to_broker
        self.to_client = to_client
        self.frames: list[int] = []
        self.segments: int | None = 0
        """With data, that came so far."""

    async def behaviour(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            (length,) = struct.unpack(">i", await reader.readexactly(4))
            payload = await reader.readexactly(length)
            self.frames.append(4 + length)
            info = read_tcp_info(writer.get_extra_info("socket"))
            self.segments = None if info is None else info.data_segments_in
            if 4 + length > self.to_broker:
                return await silent(reader, writer)
            _, _, correlation_id, client = struct.unpack(">hhih", payload[:10])
            request: Any = entity_reader(DescribeConfigsRequest)(payload, 10 + client)[0]
            everything = request.resources[0].configuration_keys is None
            listeners = "x" * LARGE_BYTES if everything else "CLIENT_SECURE://b-1:9094"
            answer = frame(struct.pack(">i", correlation_id) + encode(described(ErrorCode.none, "", listeners)))
            if len(answer) > self.to_client:
                return await silent(reader, writer)
            writer.write(answer)


async def ladder_over(sock: socket.socket) -> Observation:
    connection = KafkaConnection(Stream(sock))
    seen = await measure_path_size(connection, 1, limit_ms=LIMIT_MS)
    connection.close()
    return seen


def climbed(behaviour: Behaviour, mss_bytes: int = MSS_BYTES) -> tuple[Observation, PathSizeFacts]:
    async def work() -> Observation:
        async with peer(behaviour) as port:
            sock = socket.socket()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, mss_bytes)
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, (LOOPBACK, port))
            return await ladder_over(sock)

    seen = run(work())
    assert isinstance(seen.facts, PathSizeFacts)
    return seen, seen.facts


def test_all_sizes_up_to_the_largest_segment_pass() -> None:
    path = Narrow()
    seen, facts = climbed(path.behaviour)
    assert seen.status is Status.OK
    # Of 1,460 bytes the timestamps of each segment take twelve.
    assert facts.tcp is not None
    assert facts.tcp.snd_mss_bytes == MSS_BYTES - 12
    assert path.frames[1:-2] == [packet - HEADERS_BYTES for packet in (1280, 1400, 1500)]
    assert (facts.to_broker_passed_bytes, facts.to_broker_stopped_bytes) == (1500, None)
    assert facts.to_client_stopped_bytes is None
    assert facts.answer_bytes is not None
    assert facts.answer_bytes > LARGE_BYTES


def test_each_request_is_one_segment_of_its_size() -> None:
    """Else a packet would be of another size than the outcome says."""
    path = Narrow()
    climbed(path.behaviour)
    assert len(path.frames) == 6
    assert path.segments == len(path.frames)


def test_a_host_with_large_packets_tries_those_of_a_vpc() -> None:
    path = Narrow()
    _, facts = climbed(path.behaviour, mss_bytes=8961)
    assert path.frames[1:-2] == [packet - HEADERS_BYTES for packet in (1280, 1400, 1500, 8500, 9001)]
    assert facts.to_broker_passed_bytes == 9001


def test_a_host_that_was_told_to_send_less_does() -> None:
    path = Narrow()
    _, facts = climbed(path.behaviour, mss_bytes=1200)
    assert path.frames[1:-2] == [1200 - 12]
    assert facts.to_broker_passed_bytes == 1240


@pytest.mark.parametrize(
    ("largest", "passed", "stopped"),
    [(1300 - HEADERS_BYTES, 1280, 1400), (1450 - HEADERS_BYTES, 1400, 1500), (1000, 0, 1280)],
)
def test_a_path_that_is_narrow_to_the_broker(largest: int, passed: int, stopped: int) -> None:
    seen, facts = climbed(Narrow(to_broker=largest).behaviour)
    assert (seen.status, seen.reason) == (Status.FAILED, Reason.TIMED_OUT)
    assert seen.detail == f"no answer to a packet of {stopped:,} bytes within {PATIENCE * LIMIT_MS} ms"
    assert (facts.to_broker_passed_bytes, facts.to_broker_stopped_bytes) == (passed, stopped)
    assert (facts.to_client_stopped_bytes, facts.answer_bytes) == (None, None)


def test_a_path_that_is_narrow_to_the_client() -> None:
    seen, facts = climbed(Narrow(to_client=1300).behaviour)
    assert (seen.status, seen.reason) == (Status.FAILED, Reason.TIMED_OUT)
    assert facts.to_broker_stopped_bytes is None
    assert facts.to_client_stopped_bytes is not None
    assert facts.to_client_stopped_bytes > facts.to_client_passed_bytes > 0
    assert facts.answer_bytes is None


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [(silent, Reason.TIMED_OUT), (closing, Reason.CLOSED), (resetting, Reason.RESET)],
)
def test_a_connection_that_carries_nothing_says_nothing_of_sizes(behaviour: Behaviour, reason: Reason) -> None:
    seen, facts = climbed(behaviour)
    assert seen.reason is reason
    assert seen.detail.startswith("no answer on a connection of its own")
    assert (facts.to_broker_stopped_bytes, facts.to_client_stopped_bytes) == (None, None)


class Late(Narrow):
    """A broker that takes everything at once and answers when its host lets it."""

    def __init__(self, late_s: float) -> None:
        super().__init__()
        self._late_s = late_s

    async def behaviour(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held = asyncio.StreamReader()
        answering = asyncio.ensure_future(super().behaviour(held, writer))
        while data := await reader.read(65536):
            await asyncio.sleep(self._late_s if len(data) > 1000 else 0)
            held.feed_data(data)
        answering.cancel()


def test_an_answer_that_is_late_is_waited_for() -> None:
    """A busy host: the segments are acknowledged, so nothing vanished."""
    seen, facts = climbed(Late(2.5 * LIMIT_MS / 1000).behaviour)
    assert seen.status is Status.OK
    assert facts.to_broker_passed_bytes == 1500
    assert facts.sent_again_segments == 0


BEFORE = TcpInfo(retransmitted_segments=1, data_segments_in=4, bytes_in_order=400)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (TcpInfo(retransmitted_segments=4, data_segments_in=4, bytes_in_order=400), (3, 0)),
        (TcpInfo(retransmitted_segments=1, data_segments_in=6, bytes_in_order=400), (0, 2)),
        (TcpInfo(retransmitted_segments=1, data_segments_in=6, bytes_in_order=1848), (0, 0)),
        (TcpInfo(retransmitted_segments=2), (1, 0)),
        (None, (0, 0)),
    ],
    ids=["requests", "an answer without its beginning", "an answer that comes", "an older kernel", "another system"],
)
def test_what_vanished_shows_in_tcp(now: TcpInfo | None, expected: tuple[int, int]) -> None:
    assert vanished(BEFORE, now) == expected


def test_what_tls_adds_is_part_of_the_packet(authority: Authority) -> None:
    name = "b-1.example"
    path = Narrow()

    async def work() -> PathSizeFacts:
        async with peer(path.behaviour, context=authority.server(name)) as port:
            sock = socket.socket()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, MSS_BYTES)
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, (LOOPBACK, port))
            _, stream = await handshake(sock, name, trust(str(authority.ca_file)), limit_ms=5000)
            assert stream is not None
            connection = KafkaConnection(stream)
            seen = await measure_path_size(connection, 1, limit_ms=5000)
            connection.close()
        assert isinstance(seen.facts, PathSizeFacts)
        return seen.facts

    assert run(work()).to_broker_passed_bytes == 1500
    record_bytes = 5 + 1 + 16  # RFC 8446, 5.2: header, content type, tag
    assert path.frames[1:-2] == [packet - HEADERS_BYTES - record_bytes for packet in (1280, 1400, 1500)]


# In a run


STAGES = (*TO_IDENTITY, Stage.PATH_SIZE)


def _own_port() -> tuple[list[int], Callable[[], int]]:
    ports: list[int] = []
    return ports, lambda: ports[0]


def test_a_run_measures_it_on_a_connection_of_its_own() -> None:
    ports, port = _own_port()
    connections = 0
    answer = broker(alone(1, port))

    async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await answer(reader, writer)

    async def work() -> None:
        async with peer(counted) as number:
            ports.append(number)
            result = await probe(plan(number, stages=STAGES))
        assert result.all_ok(), result.verdicts()
        assert isinstance(result.one(Stage.PATH_SIZE).facts, PathSizeFacts)
        assert result.one(Stage.PATH_SIZE).target == result.one(Stage.IDENTITY).target
        assert connections == 2

    run(work())


def test_a_second_connection_that_is_refused_is_the_outcome() -> None:
    ports, port = _own_port()
    first = True
    answer = broker(alone(1, port))

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal first
        if first:
            first = False
            await answer(reader, writer)
        else:
            await resetting(reader, writer)

    async def work() -> None:
        async with peer(once) as number:
            ports.append(number)
            result = await probe(plan(number, stages=STAGES))
        assert result.one(Stage.IDENTITY).status is Status.OK
        assert result.one(Stage.PATH_SIZE).reason is Reason.RESET

    run(work())


def test_it_waits_for_identity() -> None:
    ports, port = _own_port()
    handlers = alone(1, port) | {DescribeConfigsRequest: identify(7)}

    async def work() -> None:
        async with peer(broker(handlers)) as number:
            ports.append(number)
            result = await probe(plan(number, stages=STAGES))
        skipped = result.one(Stage.PATH_SIZE)
        assert skipped.reason is Reason.WAITS_FOR
        assert skipped.waited_for is not None
        assert skipped.waited_for.stage is Stage.IDENTITY
        assert isinstance(result.one(Stage.IDENTITY).facts, IdentityFacts)

    run(work())


def test_a_second_connection_is_judged_like_the_first(authority: Authority) -> None:
    ports, port = _own_port()

    async def work() -> None:
        handlers = alone(1, port)
        async with peer(broker(handlers), context=authority.server("127.0.0.1")) as number:
            ports.append(number)
            stages = (*STAGES, Stage.HANDSHAKE)
            tls = Tls(ca_file=str(authority.ca_file))
            result = await probe(plan(number, stages=stages, tls=tls))
        assert result.all_ok(), result.verdicts()

    run(work())
