"""What the plots show, as values: percentile curves from whole histograms, spans and rates of clients.

The ``points`` of a curve are the percentiles that its samples support (ten samples beyond each); its ``tail`` goes on
to the slowest sample. Nothing here draws.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from hdrh.histogram import HdrHistogram

from brokerproof.probes.outcome import Distribution
from brokerproof.reports import words
from brokerproof.reports.timings import LatencyRow, ThroughputRow

POINTS_A_DECADE: Final = 16
"""Of 1 / (1 - quantile): enough that a step of the curve is a step of the histogram."""
BEYOND: Final = 10
"""Samples that must lie beyond a percentile for it to be given, as in :class:`~.outcome.Distribution`."""
NAMED_CURVES: Final = 6
"""The most curves of a plot that have a look of their own, the slowest first."""
_US_PER_MS: Final = 1_000


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """Latency over quantile: pairs of quantile (0 to below 1) and ms, both rising."""

    label: str
    points: tuple[tuple[float, float], ...]
    tail: tuple[tuple[float, float], ...] = ()
    """From the last of ``points`` on: what fewer than ten samples lie beyond, to the slowest sample."""


class CurvePlot(msgspec.Struct, frozen=True, kw_only=True):
    """Curves of one thing that was timed, by subject. ``others`` share one look."""

    what: str
    curves: tuple[Curve, ...]
    others: tuple[Curve, ...]


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Of one client: the median and a high percentile, in ms, with the latter's name."""

    label: str
    median_ms: float
    high_ms: float
    high: str


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """Of one client: what it got through in each direction that was measured, in MB/s, decimal."""

    label: str
    mb_per_s: tuple[tuple[str, float], ...]


@functools.lru_cache(maxsize=4096)
def _quantiles(samples: int) -> tuple[float, ...]:
    """From 0 to the last but one sample, evenly on the scale of 1 / (1 - quantile)."""
    found, step = [], 0
    while (left := 10 ** (-step / POINTS_A_DECADE)) * samples >= 1:
        found.append(1 - left)
        step += 1
    return tuple(found)


def curve(label: str, distribution: Distribution) -> Curve | None:
    """The curve of a histogram; None where none was recorded, or of too few samples for a median."""
    samples = distribution.samples
    if not distribution.hdr or samples < 2 * BEYOND:
        return None
    quantiles = _quantiles(samples)
    # One pass over the histogram for all of them: it has tens of thousands of places.
    values = HdrHistogram.decode(distribution.hdr).get_percentile_to_value_dict([100 * one for one in quantiles])
    pairs = [(one, float(values[100 * one]) / _US_PER_MS) for one in quantiles]
    said = [pair for pair in pairs if (1 - pair[0]) * samples >= BEYOND]
    slowest = (1 - 1 / samples, distribution.max_ns / words.NS_PER_MS)
    tail = [said[-1], *(pair for pair in pairs[len(said) :] if pair[0] < slowest[0]), slowest]
    return Curve(label=label, points=tuple(said), tail=tuple(tail))


def curve_plots(rows: Iterable[LatencyRow]) -> tuple[CurvePlot, ...]:
    """One plot a thing that was timed, in the order of the rows."""
    by_what: dict[str, list[LatencyRow]] = {}
    for row in rows:
        by_what.setdefault(row.what, []).append(row)
    plots = []
    for what, found in by_what.items():
        slowest = sorted(found, key=lambda row: _weight(row.distribution), reverse=True)[:NAMED_CURVES]
        drawn = [(row, one) for row in found if (one := curve(row.subject, row.distribution)) is not None]
        if drawn:
            plots.append(
                CurvePlot(
                    what=what,
                    curves=tuple(one for row, one in drawn if row in slowest),
                    others=tuple(one for row, one in drawn if row not in slowest),
                )
            )
    return tuple(plots)


def _weight(distribution: Distribution) -> tuple[int, int]:
    return distribution.p99_ns or 0, distribution.max_ns


def spans(rows: Iterable[LatencyRow]) -> tuple[Span, ...]:
    """One span a row whose samples can carry a median, the highest first."""
    found = [span for row in rows if (span := _span(row)) is not None]
    return tuple(sorted(found, key=lambda span: span.high_ms, reverse=True))


def _span(row: LatencyRow) -> Span | None:
    said = row.distribution
    highs = (("p99", said.p99_ns), ("p95", said.p95_ns), ("p50", said.p50_ns))
    high = next(((name, ns) for name, ns in highs if ns is not None), None)
    if high is None or said.p50_ns is None:
        return None
    name, ns = high
    return Span(
        label=row.client, median_ms=said.p50_ns / words.NS_PER_MS, high_ms=(ns or 0) / words.NS_PER_MS, high=name
    )


def rates(rows: Sequence[ThroughputRow]) -> tuple[Rate, ...]:
    """One a client that was measured, in the order given."""
    by_client: dict[str, list[tuple[str, float]]] = {}
    for row in rows:
        by_client.setdefault(row.client, []).append((row.direction, row.bytes_per_s / 1e6))
    return tuple(Rate(label=client, mb_per_s=tuple(found)) for client, found in by_client.items())
