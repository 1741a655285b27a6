"""From samples to a :class:`~brokerproof.probes.outcome.Distribution`: no percentile that the samples cannot say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from brokerproof.probes.outcome import Distribution

LOWEST_US: Final = 1
HIGHEST_US: Final = 600_000_000
SIGNIFICANT_FIGURES: Final = 3
ENOUGH: Final = {50: 20, 95: 200, 99: 1000}
"""Samples needed for a percentile: ten beyond it."""


def distribution(samples_ns: Sequence[int]) -> Distribution:
    """Summarise latencies in nanoseconds. Without samples everything is 0."""
    if not samples_ns:
        return Distribution(samples=0, min_ns=0, max_ns=0, mean_ns=0)
    from hdrh.histogram import HdrHistogram  # noqa: PLC0415  only measurements need it, and not every machine has it

    histogram = HdrHistogram(LOWEST_US, HIGHEST_US, SIGNIFICANT_FIGURES)
    for sample in samples_ns:
        histogram.record_value(min(max(sample // 1000, LOWEST_US), HIGHEST_US))

    def percentile(q: int) -> int | None:
        if len(samples_ns) < ENOUGH[q]:
            return None
        return int(histogram.get_value_at_percentile(q)) * 1000

    return Distribution(
        samples=len(samples_ns),
        min_ns=min(samples_ns),
        max_ns=max(samples_ns),
        mean_ns=sum(samples_ns) // len(samples_ns),
        p50_ns=percentile(50),
        p95_ns=percentile(95),
        p99_ns=percentile(99),
        hdr=histogram.encode().decode("ascii"),
    )
