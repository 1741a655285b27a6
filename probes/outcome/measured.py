"""What several measuring stages observe: distributions, and how busy the host was meanwhile. Values only."""

from __future__ import annotations

from brokerproof.probes.outcome.base import Value


class Distribution(Value, frozen=True):
    """A latency distribution in nanoseconds. A percentile is None where ``samples`` cannot say it.

    A percentile q is said only with at least ten samples beyond it: 20 for p50, 200 for p95,
    1,000 for p99.
    """

    samples: int
    min_ns: int
    max_ns: int
    mean_ns: int
    p50_ns: int | None = None
    p95_ns: int | None = None
    p99_ns: int | None = None
    hdr: str = ""
    """The whole histogram, HdrHistogram V2 compressed, base64; values are nanoseconds / 1000."""


class HostLoad(Value, frozen=True):
    """How busy the probe's host was meanwhile, all cores together, and how late its samples began."""

    busy_share: float
    """0 to 1; the probe's own work is in it."""
    steal_share: float
    """0 to 1: time the host wanted to run and its hypervisor gave to others."""
    late_mean_ns: int
    late_max_ns: int
