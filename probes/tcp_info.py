"""What the kernel knows about one TCP connection (``getsockopt(TCP_INFO)``, Linux).

It tells what no application byte does: how far the peer is, how often segments were sent again, and
whether the peer's TCP took them. Nothing here sends anything; elsewhere than on Linux there is no answer.
"""

from __future__ import annotations

import socket
import struct
from typing import Final

from probes.outcome import TcpInfo

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
_DATA_SEGS_IN: Final = 152
"""Since Linux 4.6."""
_MOST_BYTES: Final = _DATA_SEGS_IN + 4


def read_tcp_info(sock: socket.socket) -> TcpInfo | None:
    """The connection as the kernel sees it now; None where it does not say."""
    option = getattr(socket, "TCP_INFO", None)
    if option is None:
        return None
    try:
        raw = sock.getsockopt(socket.IPPROTO_TCP, option, _MOST_BYTES)
    except OSError:
        return None
    if len(raw) < _LEAST_BYTES:
        return None
    return TcpInfo(
        rtt_us=_u32(raw, _RTT),
        rtt_variation_us=_u32(raw, _RTTVAR),
        retransmitted_segments=_u32(raw, _TOTAL_RETRANS),
        unacknowledged_segments=_u32(raw, _UNACKED),
        selectively_acknowledged_segments=_u32(raw, _SACKED),
        data_segments_in=_u32(raw, _DATA_SEGS_IN) if len(raw) >= _MOST_BYTES else None,
        snd_mss_bytes=_u32(raw, _SND_MSS),
        rcv_mss_bytes=_u32(raw, _RCV_MSS),
        advertised_mss_bytes=_u32(raw, _ADVMSS),
        pmtu_bytes=_u32(raw, _PMTU),
    )


def _u32(raw: bytes, offset: int) -> int:
    (value,) = struct.unpack_from("=I", raw, offset)
    return int(value)
