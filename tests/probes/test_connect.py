"""Stage ``connect``: the errno decides the reason, and a full host is not a broken path."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from brokerproof.probes.outcome import ConnectFacts, Reason, Status
from brokerproof.probes.stages.connect import connect, round_trip_ns
from tests.probes.peers import LOOPBACK, PATIENT_MS, SILENCE_MS, closed_port, peer, run, silent


def test_an_open_port_is_ok_with_both_socket_addresses() -> None:
    async def work() -> None:
        async with peer(silent) as port:
            seen, sock = await connect(LOOPBACK, port, limit_ms=PATIENT_MS)
            assert sock is not None
            assert seen.status is Status.OK
            local = sock.getsockname()
            assert isinstance(seen.facts, ConnectFacts)
            assert msgspec.structs.replace(seen.facts, tcp=None) == ConnectFacts(
                local_address=LOOPBACK, local_port=local[1], remote_address=LOOPBACK, remote_port=port
            )
            sock.close()

    run(work())


def test_the_kernel_says_how_far_it_was() -> None:
    async def work() -> int:
        async with peer(silent) as port:
            _, sock = await connect(LOOPBACK, port, limit_ms=PATIENT_MS)
            assert sock is not None
            with sock:
                return round_trip_ns(sock)

    # Of several, since a machine may stand still for one.
    assert 0 < min(run(work()) for _ in range(20)) < 10_000_000


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM], ids=["not connected", "not TCP"])
def test_without_a_connection_nothing_is_said_of_its_length(kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as sock:
        assert round_trip_ns(sock) == 0


def test_a_closed_port_is_refused() -> None:
    seen, sock = run(connect(LOOPBACK, closed_port(), limit_ms=PATIENT_MS))
    assert (seen.status, seen.reason, sock) == (Status.FAILED, Reason.REFUSED, None)
    assert seen.detail == "ECONNREFUSED: Connection refused"
    assert isinstance(seen.facts, ConnectFacts)
    assert seen.facts.errno == "ECONNREFUSED"


def test_a_dropped_syn_times_out() -> None:
    """A listener whose backlog is full drops the SYN, as a security group does."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex((LOOPBACK, port))
        seen, _ = run(connect(LOOPBACK, port, limit_ms=SILENCE_MS))
        for sock in waiting:
            sock.close()
    assert (seen.status, seen.reason) == (Status.FAILED, Reason.TIMED_OUT)
    assert isinstance(seen.facts, ConnectFacts)
    assert seen.facts.tcp is not None
    assert seen.facts.tcp.unacknowledged_segments == 1, "the SYN"


@pytest.mark.parametrize(
    ("code", "address", "status", "reason"),
    [
        (errno.EHOSTUNREACH, "192.0.2.1", Status.FAILED, Reason.HOST_UNREACHABLE),
        (errno.ENETUNREACH, "192.0.2.1", Status.FAILED, Reason.NETWORK_UNREACHABLE),
        (errno.ECONNRESET, "192.0.2.1", Status.FAILED, Reason.RESET),
        (errno.ETIMEDOUT, "192.0.2.1", Status.FAILED, Reason.TIMED_OUT),
        (errno.EACCES, "192.0.2.1", Status.FAILED, Reason.SOCKET_ERROR),
        (errno.EADDRNOTAVAIL, "192.0.2.1", Status.ERROR, Reason.OUT_OF_SOCKETS),
        (errno.EADDRNOTAVAIL, "2001:db8::1", Status.FAILED, Reason.NETWORK_UNREACHABLE),
    ],
)
def test_each_errno_has_its_reason(
    monkeypatch: pytest.MonkeyPatch, code: int, address: str, status: Status, reason: Reason
) -> None:
    monkeypatch.setattr("asyncio.selector_events.BaseSelectorEventLoop.sock_connect", _raising(code))
    seen, sock = run(connect(address, 9094, limit_ms=PATIENT_MS))
    assert (seen.status, seen.reason, sock) == (status, reason, None)


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        (errno.EMFILE, Status.ERROR, Reason.OUT_OF_SOCKETS),
        (errno.ENFILE, Status.ERROR, Reason.OUT_OF_SOCKETS),
        (errno.EAFNOSUPPORT, Status.FAILED, Reason.NETWORK_UNREACHABLE),
    ],
)
def test_a_socket_that_cannot_be_made(
    monkeypatch: pytest.MonkeyPatch, code: int, status: Status, reason: Reason
) -> None:
    real = socket.socket

    def refuse(family: int = -1, *args: Any, **kwargs: Any) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(code, "no socket")
        return real(family, *args, **kwargs)

    monkeypatch.setattr("brokerproof.probes.stages.connect.socket.socket", refuse)
    seen, _ = run(connect("2001:db8::1", 9094, limit_ms=PATIENT_MS))
    assert (seen.status, seen.reason) == (status, reason)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_that_is_none_is_a_fault_of_who_advertised_it(port: int) -> None:
    seen, _ = run(connect(LOOPBACK, port, limit_ms=PATIENT_MS))
    assert (seen.status, seen.reason) == (Status.FAILED, Reason.SOCKET_ERROR)


def _raising(code: int) -> Callable[..., Any]:
    async def sock_connect(*_: object) -> None:
        raise OSError(code, "as the kernel says")

    return sock_connect
