"""``TCP_INFO``: what the kernel says of a connection, read at the right offsets, and where it says nothing."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from brokerproof.probes.outcome import ApiFacts, HandshakeFacts, Reason, TcpInfo
from brokerproof.probes.stages.api import ask_versions
from brokerproof.probes.stages.connect import connect
from brokerproof.probes.stages.handshake import handshake, trust
from brokerproof.probes.wire import tcp_info
from brokerproof.probes.wire.kafka_connection import KafkaConnection
from brokerproof.probes.wire.stream import Stream
from brokerproof.probes.wire.tcp_info import read_tcp_info
from tests.probes.peers import LOOPBACK, PATIENT_MS, SILENCE_MS, peer, run, saying, silent

MSS_BYTES = 1200
ROUNDS = 3


def test_the_offsets_are_the_kernels() -> None:
    """Each figure is one that this test causes, so that a wrong offset cannot show the same."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        near = socket.socket()
        near.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, MSS_BYTES)
        near.connect(listener.getsockname())
        far, _ = listener.accept()
        with near, far:
            for _ in range(ROUNDS):
                near.sendall(b"ping")
                assert far.recv(4) == b"ping"
                far.sendall(b"pong")
                assert near.recv(4) == b"pong"
            info = read_tcp_info(near)
    assert info is not None
    assert 0 < info.rtt_us < 100_000
    assert 0 < info.rtt_variation_us < 100_000
    assert info.retransmitted_segments == 0
    assert info.unacknowledged_segments == 0
    assert info.selectively_acknowledged_segments == 0
    assert info.data_segments_in == ROUNDS
    assert info.bytes_in_order == 4 * ROUNDS
    assert info.out_of_order_segments == 0
    assert MSS_BYTES - 40 < info.snd_mss_bytes <= MSS_BYTES
    assert MSS_BYTES - 40 < info.advertised_mss_bytes <= MSS_BYTES
    assert 0 < info.rcv_mss_bytes <= MSS_BYTES
    assert info.pmtu_bytes >= MSS_BYTES


def test_a_kernel_that_says_too_little_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp_info, "_MOST_BYTES", 103)
    with socket.socket() as sock:
        assert read_tcp_info(sock) is None


def test_an_older_kernel_does_not_count_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.socket.getsockopt

    class Old(socket.socket):
        def getsockopt(self, level: int, option: int, _size: int = 0) -> bytes:  # type: ignore[override]
            return real(self, level, option, 104)

    with Old() as sock:
        info = read_tcp_info(sock)
    assert info is not None
    assert info.data_segments_in is None


def test_a_kernel_without_busy_times_has_no_flows_to_tell_of(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((LOOPBACK, 0)) as listener, socket.create_connection(listener.getsockname()):
        ports = frozenset({listener.getsockname()[1]})
        assert len(tcp_info.flows(ports)) == 1
        monkeypatch.setattr(tcp_info, "_MOST_BYTES", 191)
        assert tcp_info.flows(ports) == ()


def test_other_systems_and_other_sockets_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        assert read_tcp_info(sock) is None
    monkeypatch.delattr(socket, "TCP_INFO")
    with socket.socket() as sock:
        assert read_tcp_info(sock) is None


def _handshake_with_silence(ca_file: Path) -> TcpInfo:
    async def work() -> HandshakeFacts:
        async with peer(silent) as port:
            _, sock = await connect(LOOPBACK, port, limit_ms=PATIENT_MS)
            assert sock is not None
            with sock:
                seen, _ = await handshake(sock, "b-1.example", trust(str(ca_file)), limit_ms=SILENCE_MS)
        assert seen.reason is Reason.TIMED_OUT
        assert isinstance(seen.facts, HandshakeFacts)
        return seen.facts

    info = run(work()).tcp
    assert info is not None
    return info


def test_a_silent_peer_took_the_client_hello(ca_file: Path) -> None:
    info = _handshake_with_silence(ca_file)
    assert (info.unacknowledged_segments, info.data_segments_in) == (0, 0)


def test_a_request_without_an_answer_still_tells_of_its_connection() -> None:
    async def work() -> None:
        async with peer(saying(b"\x00\x00")) as port:
            _, sock = await connect(LOOPBACK, port, limit_ms=PATIENT_MS)
            assert sock is not None
            connection = KafkaConnection(Stream(sock))
            seen = await ask_versions(connection, limit_ms=SILENCE_MS)
            connection.close()
        assert seen.reason is Reason.TIMED_OUT
        assert isinstance(seen.facts, ApiFacts)
        assert seen.facts.tcp is not None
        assert seen.facts.tcp.data_segments_in == 1

    run(work())
