"""``throughput``: bounded produce and consume over all leaders, then where asked for a ramp of rates."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from brokerproof.probes.outcome.base import Value
from brokerproof.probes.outcome.measured import HostLoad
from brokerproof.probes.outcome.spec import Per, StageFacts, StageSpec
from brokerproof.probes.outcome.stages import CLIENT, Reason, Stage


class ProduceLimits(Value, frozen=True):
    """What was seen of the client, its host and its connections while it produced as fast as it could.

    Shares of connections are of the time in which they had data under way, weighted by it; see TCP_INFO.
    """

    sender_cpu_share: float
    """Of one core: the thread that hands records to the client."""
    process_cpu_share: float
    """Of one core: all threads of the probe, so it may be above 1."""
    handing_over_share: float = 1.0
    """Of the time it took: there were records left to hand over. A thread that was through early limited nothing."""
    throttled_ms: int = 0
    """The longest that a broker asked the client to wait for a quota."""
    connections: int = 0
    """Those that carried the records; 0 where the kernel does not say, and then what follows is 0 too."""
    busy_share: float = 0.0
    """Of the time it took: the busiest connection had data under way."""
    rwnd_limited_share: float = 0.0
    sndbuf_limited_share: float = 0.0
    retransmitted: int = 0
    rtt_ns: int = 0
    """Smoothed, of the connection where it was longest, at the end."""
    min_rtt_ns: int = 0
    host: HostLoad | None = None


class Acks(StrEnum):
    """Who must have a record before it is acknowledged.

    Nobody (``0``) is no choice: what is not acknowledged has neither a rate nor a loss that could be told.
    """

    ALL = "all"
    LEADER = "1"


class Compression(StrEnum):
    """``compression.type`` of the producer."""

    NONE = "none"
    GZIP = "gzip"
    SNAPPY = "snappy"
    LZ4 = "lz4"
    ZSTD = "zstd"


class Followed(StrEnum):
    """Whether acknowledgements followed a rate that was offered."""

    YES = "yes"
    RATE = "rate"
    """Acknowledgements came at less than 95 % of what was handed over."""
    LATENCY = "latency"
    """They came at that rate, but the p99 rose beyond what a path with room to spare shows."""
    CLIENT = "client"
    """Nobody knows: the client itself handed over less than 80 %."""


class RampEnd(StrEnum):
    """Why a ramp went no further. Only ``rate`` and ``latency`` are a knee."""

    RATE = "rate"
    LATENCY = "latency"
    FIRST_RATE = "first_rate"
    """Already the first rate was more than the path takes."""
    UNSTEADY = "unsteady"
    """A rate was more than the path takes that is well below what it took before."""
    CLIENT = "client"
    BYTES = "bytes"
    TIME = "time"
    STOPPED = "stopped"
    """The run ended, or records failed."""


class RampStep(Value, frozen=True):
    """One rate that was offered for a while; times are from when each record was handed to the client."""

    offered_bytes_per_s: float
    acknowledged_bytes_per_s: float
    records: int
    """That were acknowledged."""
    p50_ns: int | None
    p99_ns: int | None
    """None where too few were timed to say it."""
    followed: Followed


class RampFacts(Value, frozen=True):
    """Rates offered in turn: those that rose until the path no longer followed, then those between.

    The knee is the highest rate that was followed, below one that was not; None where ``ended`` says that no
    such rate was found.
    """

    steps: tuple[RampStep, ...]
    ended: RampEnd
    knee_bytes_per_s: float | None = None
    knee_records_per_s: float | None = None
    records_sent: int = 0
    not_acknowledged: int = 0
    missing: int = 0
    """By how much less than what was acknowledged the logs grew."""
    surplus: int = 0
    """By how much more; in a topic that is not the probe's own, what others wrote is in it."""


class ThroughputFacts(StageFacts, frozen=True, tag="throughput"):
    """Bounded produce, then consume of the same records, over all leaders. Rates are of records before compression."""

    record_bytes: int
    records_produced: int
    produce_bytes_per_s: float
    produce_duration_ns: int
    records_consumed: int
    consume_bytes_per_s: float
    consume_duration_ns: int
    lost: int = 0
    duplicated: int = 0
    limits: ProduceLimits | None = None
    acks: Acks = Acks.ALL
    compression: Compression = Compression.NONE
    partitions: int = 0
    producers: int = 0
    """Each with a connection of its own to every broker."""
    consumers: int = 0
    ramp: RampFacts | None = None


SPEC: Final = StageSpec(
    stage=Stage.THROUGHPUT,
    after=(Stage.LATENCY,),
    needs=(Stage.CONSUME,),
    may_follow=frozenset({Stage.PATH_SIZE}),
    per=Per.CLUSTER,
    measurement=True,
    title="throughput is measured, no record is lost or duplicated",
    reasons=CLIENT | {Reason.RECORDS_LOST, Reason.RECORDS_DUPLICATED},
    facts=(ThroughputFacts,),
)
