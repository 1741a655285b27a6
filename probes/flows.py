"""What the kernel says of this process's own TCP connections: what held their senders up (TCP_INFO, linux/tcp.h).

The Kafka client does not hand out its sockets, but they are this process's: they are found by their descriptors,
looked at, and left alone.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import msgspec

_TCP_INFO_BYTES: Final = 192
_RTT: Final = 68
_TOTAL_RETRANS: Final = 100
_BYTES_ACKED: Final = 120
_MIN_RTT: Final = 148
_BUSY_TIME: Final = 168
"""Offsets in ``struct tcp_info`` since Linux 4.10; behind the last stand rwnd_limited and sndbuf_limited. In us."""
_LISTED: Final = "/proc/self/fd"


class Flow(msgspec.Struct, frozen=True):
    """One connection since it was made; times in nanoseconds."""

    bytes_acked: int
    rtt_ns: int
    min_rtt_ns: int
    retransmitted: int
    busy_ns: int
    """There were data to send or to be acknowledged."""
    rwnd_limited_ns: int
    """Of that: the receiver's window was full."""
    sndbuf_limited_ns: int
    """Of that: the send buffer was full."""


def flows(ports: frozenset[int]) -> tuple[Flow, ...]:
    """The connections of this process to these ports of peers; empty where the system does not say."""
    return tuple(_flows(ports))


def _flows(ports: frozenset[int]) -> Iterator[Flow]:
    try:
        listed = [int(name) for name in os.listdir(_LISTED)]  # noqa: PTH208  numbers, not paths
    except OSError:
        return
    for descriptor in listed:
        with suppress(OSError, ValueError):
            if not os.readlink(f"{_LISTED}/{descriptor}").startswith("socket:"):  # noqa: PTH115  a kernel's name
                continue
            with socket.socket(fileno=os.dup(descriptor)) as looked_at:
                flow = _flow(looked_at, ports)
            if flow is not None:
                yield flow


def _flow(looked_at: socket.socket, ports: frozenset[int]) -> Flow | None:
    if looked_at.family not in {socket.AF_INET, socket.AF_INET6} or looked_at.type != socket.SOCK_STREAM:
        return None
    if looked_at.getpeername()[1] not in ports:
        return None
    info = looked_at.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    if len(info) < _TCP_INFO_BYTES:
        return None
    busy_us, rwnd_us, sndbuf_us = struct.unpack_from("=QQQ", info, _BUSY_TIME)
    return Flow(
        bytes_acked=struct.unpack_from("=Q", info, _BYTES_ACKED)[0],
        rtt_ns=struct.unpack_from("=I", info, _RTT)[0] * 1000,
        min_rtt_ns=struct.unpack_from("=I", info, _MIN_RTT)[0] * 1000,
        retransmitted=struct.unpack_from("=I", info, _TOTAL_RETRANS)[0],
        busy_ns=busy_us * 1000,
        rwnd_limited_ns=rwnd_us * 1000,
        sndbuf_limited_ns=sndbuf_us * 1000,
    )
