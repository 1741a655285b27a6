"""A connection as the kernel saw it: part of several stages' facts. Values only."""

from __future__ import annotations

from brokerproof.probes.outcome.base import Value


class TcpInfo(Value, frozen=True):
    """One connection as the probe's kernel saw it at the end of a stage (``struct tcp_info``, linux/tcp.h).

    A request whose large segment vanished is seen here: it stays unacknowledged and is sent again,
    while smaller ones behind it are acknowledged selectively. So is an answer of which only the small
    last segment came: ``data_segments_in`` counts it although no byte can be read yet.
    """

    rtt_us: int = 0
    """Smoothed, with its mean deviation (RFC 6298); 0 before the first sample."""
    rtt_variation_us: int = 0
    retransmitted_segments: int = 0
    """Of the connection so far, its SYN included."""
    unacknowledged_segments: int = 0
    """Sent and not acknowledged yet."""
    selectively_acknowledged_segments: int = 0
    """Of those, how many the peer has behind a gap (RFC 2018)."""
    data_segments_in: int | None = None
    """Segments with data that arrived, in order or not; None where the kernel is older than Linux 4.6."""
    bytes_in_order: int | None = None
    """Of data that arrived and can be read, or was; None where the kernel is older than Linux 4.1."""
    out_of_order_segments: int | None = None
    """Segments with data that arrived before one that they follow; None where the kernel is older than Linux 5.5."""
    snd_mss_bytes: int = 0
    rcv_mss_bytes: int = 0
    """As estimated from what arrived."""
    advertised_mss_bytes: int = 0
    """What this host told the peer."""
    pmtu_bytes: int = 0
    """What this host believes the path takes."""
