"""What the kernel knows about one TCP connection (``getsockopt(TCP_INFO)``, Linux).

It tells what no application byte does: how far the peer is, how often segments were sent again, and
whether the peer's TCP took them. Nothing here sends anything; elsewhere than on Linux there is no answer.
"""

from __future__ import annotations

import socket
import struct
from typing import Final

from probes.outcome import TcpInfo

_SEEN: Final = struct.Struct("=16x 4I 28x I 4x 2I 8x I 12x I")
"""Of ``struct tcp_info`` (linux/tcp.h): snd_mss, rcv_mss, unacked, sacked, pmtu, rtt, rttvar, advmss, total_retrans.

The kernel only ever adds to its end, and hands out as much as it has.
"""
_DATA_SEGS_IN: Final = struct.Struct("=152x I")
"""Since Linux 4.6."""
_MOST_BYTES: Final = _DATA_SEGS_IN.size


def read_tcp_info(sock: socket.socket) -> TcpInfo | None:
    """The connection as the kernel sees it now; None where it does not say."""
    option = getattr(socket, "TCP_INFO", None)
    if option is None:
        return None
    try:
        raw = sock.getsockopt(socket.IPPROTO_TCP, option, _MOST_BYTES)
    except OSError:
        return None
    if len(raw) < _SEEN.size:
        return None
    snd_mss, rcv_mss, unacked, sacked, pmtu, rtt, rttvar, advmss, total_retrans = _SEEN.unpack_from(raw)
    return TcpInfo(
        rtt_us=rtt,
        rtt_variation_us=rttvar,
        retransmitted_segments=total_retrans,
        unacknowledged_segments=unacked,
        selectively_acknowledged_segments=sacked,
        data_segments_in=_DATA_SEGS_IN.unpack_from(raw)[0] if len(raw) >= _DATA_SEGS_IN.size else None,
        snd_mss_bytes=snd_mss,
        rcv_mss_bytes=rcv_mss,
        advertised_mss_bytes=advmss,
        pmtu_bytes=pmtu,
    )
