"""What the kernel says of this process's own connections: whose sender was held up, and by what."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from brokerproof.probes.wire import tcp_info
from brokerproof.probes.wire.tcp_info import flows

MIB = 1 << 20


@contextmanager
def connected(*, reads: bool) -> Iterator[tuple[socket.socket, int]]:
    """A connection to a peer that reads all, or nothing into a small window."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        if not reads:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as here:
            there, _ = listener.accept()
            with there:
                reading = threading.Thread(target=_read, args=(there,), daemon=True)
                if reads:
                    reading.start()
                yield here, port
                here.shutdown(socket.SHUT_WR)
                if reads:
                    reading.join(5)


def _read(there: socket.socket) -> None:
    while there.recv(MIB):
        pass


def test_what_was_sent_was_acknowledged() -> None:
    with connected(reads=True) as (here, port):
        here.sendall(b"x" * MIB)
        for _ in range(500):
            (flow,) = flows(frozenset({port}))
            if flow.bytes_acked >= MIB:
                break
            threading.Event().wait(0.01)
        assert flow.bytes_acked >= MIB
        assert flow.min_rtt_ns > 0
        assert flow.rtt_ns > 0
        assert flows(frozenset()) == ()
        # Looking at a socket leaves it as it is.
        here.sendall(b"y")


def test_a_reader_that_does_not_read_is_a_full_window() -> None:
    with connected(reads=False) as (here, port):
        here.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                here.send(b"x" * MIB)
        threading.Event().wait(0.5)
        (flow,) = flows(frozenset({port}))
        assert flow.rwnd_limited_ns + flow.sndbuf_limited_ns > 0.5 * flow.busy_ns > 0


def test_without_a_list_of_descriptors_there_is_nothing_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp_info, "_LISTED", "/nowhere")
    assert flows(frozenset({1})) == ()
