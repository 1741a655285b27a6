"""What the kernel knows about TCP connections (``getsockopt(TCP_INFO)``, Linux); the one place that knows the offsets.

It shows what no application byte does: how far the peer is, how often segments were sent again, whether the
peer's TCP took them, and what held the sender up. Nothing here sends anything; elsewhere than on Linux there is no
answer. The Kafka client does not hand out its sockets, but they are this process's: they are found by their
descriptors, looked at, and left alone.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, NamedTuple

import msgspec

from brokerproof.probes.outcome import TcpInfo

_U32: Final = struct.Struct("=I")
_U64: Final = struct.Struct("=Q")
# Offsets in ``struct tcp_info`` (linux/tcp.h). The kernel only ever adds to its end, and hands out as much as it has.
_SND_MSS: Final = 16
_RCV_MSS: Final = 20
_UNACKED: Final = 24
_SACKED: Final = 28
_PMTU: Final = 60
_RTT: Final = 68
_RTTVAR: Final = 72
_ADVMSS: Final = 84
_TOTAL_RETRANS: Final = 100
_LEAST_BYTES: Final = _TOTAL_RETRANS + 4
_BYTES_ACKED: Final = 120
_BYTES_RECEIVED: Final = 128
"""Since Linux 4.1."""
_MIN_RTT: Final = 148
_DATA_SEGS_IN: Final = 152
"""Since Linux 4.6."""
_BUSY_TIME: Final = 168
_RWND_LIMITED: Final = 176
_SNDBUF_LIMITED: Final = 184
"""These three since Linux 4.10, in us."""
_FLOW_BYTES: Final = _SNDBUF_LIMITED + 8
_DSACK_DUPS: Final = 216
"""Since Linux 4.18."""
_RCV_OOOPACK: Final = 224
"""Since Linux 5.5."""
_MOST_BYTES: Final = _RCV_OOOPACK + 4
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


def read_rtt_us(sock: socket.socket) -> int | None:
    """Its smoothed round trip, by the kernel's clock; None where it does not say."""
    raw = _raw(sock)
    return _u32(raw, _RTT) if len(raw) >= _LEAST_BYTES else None


def read_tcp_info(sock: socket.socket) -> TcpInfo | None:
    """The connection as the kernel sees it now; None where it does not say."""
    raw = _raw(sock)
    if len(raw) < _LEAST_BYTES:
        return None
    return TcpInfo(
        rtt_us=_u32(raw, _RTT),
        rtt_variation_us=_u32(raw, _RTTVAR),
        retransmitted_segments=_u32(raw, _TOTAL_RETRANS),
        unacknowledged_segments=_u32(raw, _UNACKED),
        selectively_acknowledged_segments=_u32(raw, _SACKED),
        data_segments_in=_u32(raw, _DATA_SEGS_IN) if len(raw) >= _DATA_SEGS_IN + 4 else None,
        bytes_in_order=_u64(raw, _BYTES_RECEIVED) if len(raw) >= _BYTES_RECEIVED + 8 else None,
        out_of_order_segments=_u32(raw, _RCV_OOOPACK) if len(raw) >= _RCV_OOOPACK + 4 else None,
        snd_mss_bytes=_u32(raw, _SND_MSS),
        rcv_mss_bytes=_u32(raw, _RCV_MSS),
        advertised_mss_bytes=_u32(raw, _ADVMSS),
        pmtu_bytes=_u32(raw, _PMTU),
    )


def flows(ports: frozenset[int]) -> tuple[Flow, ...]:
    """The connections of this process to these ports of peers; empty where the system does not say."""
    return tuple(_flows(ports))


def _flows(ports: frozenset[int]) -> Iterator[Flow]:
    for looked_at in _sockets():
        flow = _flow(looked_at, ports)
        if flow is not None:
            yield flow


def _sockets() -> Iterator[socket.socket]:
    """This process's sockets, each as long as it is looked at."""
    try:
        listed = [int(name) for name in os.listdir(_LISTED)]  # noqa: PTH208  numbers, not paths
    except OSError:
        return
    for descriptor in listed:
        with suppress(OSError, ValueError):
            if not os.readlink(f"{_LISTED}/{descriptor}").startswith("socket:"):  # noqa: PTH115  a kernel's name
                continue
            with socket.socket(fileno=os.dup(descriptor)) as looked_at:
                yield looked_at


def _flow(looked_at: socket.socket, ports: frozenset[int]) -> Flow | None:
    if looked_at.family not in {socket.AF_INET, socket.AF_INET6} or looked_at.type != socket.SOCK_STREAM:
        return None
    try:
        port = looked_at.getpeername()[1]
    except OSError:
        return None  # it listens, or was never connected, or is no longer
    if port not in ports:
        return None
    raw = _raw(looked_at)
    if len(raw) < _FLOW_BYTES:
        return None
    return Flow(
        bytes_acked=_u64(raw, _BYTES_ACKED),
        rtt_ns=_u32(raw, _RTT) * 1000,
        min_rtt_ns=_u32(raw, _MIN_RTT) * 1000,
        retransmitted=_u32(raw, _TOTAL_RETRANS),
        busy_ns=_u64(raw, _BUSY_TIME) * 1000,
        rwnd_limited_ns=_u64(raw, _RWND_LIMITED) * 1000,
        sndbuf_limited_ns=_u64(raw, _SNDBUF_LIMITED) * 1000,
    )


def _raw(sock: socket.socket) -> bytes:
    """As much as this kernel has; empty where it does not say."""
    option = getattr(socket, "TCP_INFO", None)
    if option is None:
        return b""
    try:
        return sock.getsockopt(socket.IPPROTO_TCP, option, _MOST_BYTES)
    except OSError:
        return b""


def _u32(raw: bytes, offset: int) -> int:
    (value,) = _U32.unpack_from(raw, offset)
    return int(value)


def _u64(raw: bytes, offset: int) -> int:
    (value,) = _U64.unpack_from(raw, offset)
    return int(value)


class SentAgain(NamedTuple):
    """Segments of one connection that were sent again since it was made."""

    segments: int
    unneeded: int
    """Of these, those that the peer said it had already (DSACK, RFC 2883): the path had carried them."""


def resent_by_peer() -> Iterator[tuple[int, tuple[str, int], SentAgain]]:
    """Of each TCP connection of this process: its local port, its peer, and what it sent again so far."""
    for looked_at in _sockets():
        if looked_at.family not in {socket.AF_INET, socket.AF_INET6} or looked_at.type != socket.SOCK_STREAM:
            continue
        with suppress(OSError):
            raw, peer = _raw(looked_at), looked_at.getpeername()
            if len(raw) >= _LEAST_BYTES:
                unneeded = _u32(raw, _DSACK_DUPS) if len(raw) >= _DSACK_DUPS + 4 else 0
                again = SentAgain(_u32(raw, _TOTAL_RETRANS), unneeded)
                yield int(looked_at.getsockname()[1]), (str(peer[0]), int(peer[1])), again
