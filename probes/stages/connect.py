"""Stage ``connect``: one TCP connect to one address, judged by its errno.

One attempt, one outcome: nothing here retries, and nothing is sent.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from contextlib import suppress
from typing import Final

from brokerproof.probes.observation import Observation, error, failed, ok
from brokerproof.probes.outcome import ConnectFacts, Reason
from brokerproof.probes.plan import MAX_PORT
from brokerproof.probes.spending import current
from brokerproof.probes.wire.stream import reason_of, words_of
from brokerproof.probes.wire.tcp_info import read_rtt_us, read_tcp_info

FAR_NS: Final = 10_000_000
"""A round trip. From here on the stages of a path mostly wait, and work done beside them is not in their times. No
two zones of a Region are as far from each other; most Regions are further."""
_HOST_IS_FULL: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
_NO_IPV6: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


async def connect(address: str, port: int, *, limit_ms: int) -> tuple[Observation, socket.socket | None]:
    """Connect to ``address``, an IPv4 or IPv6 literal.

    Returns:
        What was seen, and the connected non-blocking socket where it is ok.
    """
    if not 1 <= port <= MAX_PORT:
        # Advertised by a broker, or by something that only looks like one.
        return failed(Reason.SOCKET_ERROR, f"{port} is not a port", ConnectFacts(remote_address=address)), None
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    except OSError as failure:
        return _judge(failure, family, ConnectFacts(remote_address=address, remote_port=port)), None
    current().note_connection()
    try:
        async with asyncio.timeout(limit_ms / 1000):
            await asyncio.get_running_loop().sock_connect(sock, (address, port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return ok(_facts(sock, address, port)), sock
    except TimeoutError:
        facts = _facts(sock, address, port)
        sock.close()
        return failed(Reason.TIMED_OUT, f"no answer to the SYN within {limit_ms} ms", facts), None
    except OSError as failure:
        facts = _facts(sock, address, port, failure)
        sock.close()
        return _judge(failure, family, facts), None
    except BaseException:
        sock.close()
        raise


def round_trip_ns(sock: socket.socket) -> int:
    """How long the SYN's answer took by the kernel's own clock, which does not count when this process woke.

    0 where the kernel does not say.
    """
    return (read_rtt_us(sock) or 0) * 1000


def _facts(sock: socket.socket, address: str, port: int, failure: OSError | None = None) -> ConnectFacts:
    try:
        local = sock.getsockname()
    except OSError:
        local = ("", 0)
    if failure is None:
        # Not connected: then what was asked for is all there is to say.
        with suppress(OSError):
            address, port = sock.getpeername()[:2]
    return ConnectFacts(
        local_address=local[0] if local[1] else "",
        local_port=local[1],
        remote_address=address,
        remote_port=port,
        errno=errno.errorcode.get(failure.errno or 0, "") if failure else "",
        tcp=read_tcp_info(sock),
    )


def _judge(failure: OSError, family: socket.AddressFamily, facts: ConnectFacts) -> Observation:
    code = failure.errno or 0
    words = words_of(failure)
    if family is socket.AF_INET6 and code in _NO_IPV6:
        # A host without IPv6 says EADDRNOTAVAIL, which for IPv4 means that its ports ran out.
        return failed(Reason.NETWORK_UNREACHABLE, f"{words} (this host has no IPv6)", facts)
    if code in _HOST_IS_FULL:
        return error(Reason.OUT_OF_SOCKETS, words, facts)
    return failed(reason_of(failure), words, facts)
