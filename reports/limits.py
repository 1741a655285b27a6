"""What limited a throughput, from what was observed while producing; or that nothing observed explains it.

The most certain limit comes first: a broker that reports a throttle, a thread without time left, a host without time
left, a kernel that reports whose buffer was full. What only resembles a full path comes last.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

import msgspec

from brokerproof.probes.outcome import ProduceLimits
from brokerproof.reports import words

MOST_CPU: Final = 0.85
MOST_HELD_UP: Final = 0.3
MOST_BUSY: Final = 0.8
MOST_HOST: Final = 0.95
FAR_NS: Final = 10_000_000
"""A shorter round trip holds nobody up for long."""
QUEUED: Final = 2.0
"""A round trip this many times the shortest means that packets wait on the way."""


class Limit(StrEnum):
    """What a producer ran into."""

    THROTTLE = "throttle"
    CLIENT_CPU = "client_cpu"
    RECEIVE_WINDOW = "receive_window"
    SEND_BUFFER = "send_buffer"
    PATH = "path"
    ROUND_TRIP = "round_trip"
    HOST_CPU = "host_cpu"
    NOT_TOLD = "not_told"


class Limited(msgspec.Struct, frozen=True, kw_only=True):
    """The limit and the evidence for it, in words."""

    limit: Limit
    because: str


def limited_by(seen: ProduceLimits | None) -> Limited:
    """What limited the producing."""
    if seen is None:
        return Limited(limit=Limit.NOT_TOLD, because="nothing was recorded of the client and its connections")
    of_client, of_path = next(_of_client(seen), None), next(_of_path(seen), None)
    if of_client is not None:
        return of_client
    busy_share = 0.0 if seen.host is None else seen.host.busy_share
    if busy_share >= MOST_HOST:
        # Acknowledgements that a host has no time for look like a full window, a full buffer and a queue.
        undecided = "" if of_path is None else f"; it may be the host's own doing that {of_path.because}"
        because = f"the client's host was busy {busy_share:.0%} of the time, with whatever else runs there too"
        return Limited(limit=Limit.HOST_CPU, because=because + undecided)
    because = "neither a quota, the client's processor, a window nor a full path: perhaps the brokers"
    return of_path or Limited(limit=Limit.NOT_TOLD, because=because)


def _of_client(seen: ProduceLimits) -> Iterator[Limited]:
    """What a broker said of a quota, or the client's own thread of its time: whatever else the host does."""
    if seen.throttled_ms > 0:
        because = f"a broker asked the client to wait {seen.throttled_ms} ms for a quota"
        yield Limited(limit=Limit.THROTTLE, because=because)
    if seen.sender_cpu_share >= MOST_CPU and seen.handing_over_share >= MOST_BUSY:
        because = f"the thread that hands records over used {seen.sender_cpu_share:.0%} of its core"
        yield Limited(limit=Limit.CLIENT_CPU, because=because)


def _of_path(seen: ProduceLimits) -> Iterator[Limited]:
    """Everything the connections show, the surest first; on a host that has no time left, it may owe to that."""
    round_trip = words.duration(seen.rtt_ns)
    if seen.rwnd_limited_share >= MOST_HELD_UP:
        because = f"the brokers' receive window was full {seen.rwnd_limited_share:.0%} of the time, at {round_trip} RTT"
        yield Limited(limit=Limit.RECEIVE_WINDOW, because=because)
    if seen.sndbuf_limited_share >= MOST_HELD_UP:
        because = f"the send buffer was full {seen.sndbuf_limited_share:.0%} of the time, at {round_trip} RTT"
        yield Limited(limit=Limit.SEND_BUFFER, because=because)
    busy = seen.connections and seen.busy_share >= MOST_BUSY
    queued = seen.min_rtt_ns > 0 and seen.rtt_ns >= QUEUED * seen.min_rtt_ns
    if busy and (seen.retransmitted or queued):
        because = (
            f"connections had data under way {seen.busy_share:.0%} of the time, {seen.retransmitted:,} segments were "
            f"sent again, and a round trip took {round_trip} in place of {words.duration(seen.min_rtt_ns)}"
        )
        yield Limited(limit=Limit.PATH, because=because)
    elif busy and seen.rtt_ns >= FAR_NS:
        because = (
            f"connections had data under way {seen.busy_share:.0%} of the time, nothing was lost and no queue grew: "
            f"what may be under way at once, in each round trip of {round_trip}"
        )
        yield Limited(limit=Limit.ROUND_TRIP, because=because)
