"""A run as points of a history, and a history as a table with a small curve. The figures are those of the document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

from hdrh.histogram import HdrHistogram
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from brokerproof.comparison.history import Point, Trend
from brokerproof.probes.outcome import Distribution, LatencyFacts, PathLatencyFacts, Role, Stage, ThroughputFacts
from brokerproof.probes.outcome.distribution import ENOUGH, HIGHEST_US, LOWEST_US, SIGNIFICANT_FIGURES
from brokerproof.reports import words
from brokerproof.reports.document import ClientResult, ResultDocument
from brokerproof.reports.verdict import judge_client

BARS: Final = "▁▂▃▄▅▆▇█"
_KINDS: Final = {
    Trend.RESOLVE: ("resolve", "resolve_scheduled"),
    Trend.CONNECT: ("connect", "connect_scheduled"),
    Trend.HANDSHAKE: ("handshake", "handshake_scheduled"),
    Trend.PRODUCE_ACK: ("produce_ack", "produce_ack_scheduled"),
    Trend.END_TO_END: ("end_to_end", "end_to_end_scheduled"),
}


def points_of(document: ResultDocument) -> tuple[Point, ...]:
    """Every client of a run, with what was measured of it; of a comparison, with the figures of all its turns."""
    return tuple(point for result in document.clients for point in _points(document, result))


def _points(document: ResultDocument, result: ClientResult) -> Iterator[Point]:
    def point(what: Trend, **figures: object) -> Point:
        return Point(
            run_id=document.run.run_id,
            began=document.started,
            target=document.run.target,
            version=document.run.tool.version,
            client=result.view.client,
            pattern=result.view.pattern,
            label=result.label,
            verdict=judge_client(result).overall.value,
            what=what,
            **figures,  # type: ignore[arg-type]
        )

    yield point(Trend.VERDICT)
    for what, (sent, scheduled) in _KINDS.items():
        one = _together(_distributions(result, sent))
        if one is not None:
            due = _together(_distributions(result, scheduled))
            yield point(
                what,
                samples=one.samples,
                p50_ns=one.p50_ns,
                p99_ns=one.p99_ns,
                p99_scheduled_ns=None if due is None else due.p99_ns,
                max_ns=one.max_ns,
            )
    for facts in (each.facts for each in result.outcomes if each.stage is Stage.THROUGHPUT):
        if isinstance(facts, ThroughputFacts):
            yield point(Trend.PRODUCE, samples=facts.records_produced, bytes_per_s=facts.produce_bytes_per_s)
            yield point(Trend.CONSUME, samples=facts.records_consumed, bytes_per_s=facts.consume_bytes_per_s)
    for comparison in document.comparisons:
        for spread in comparison.spreads:
            if (spread.party.client, spread.party.pattern) == (result.view.client, result.view.pattern):
                yield point(
                    Trend(spread.what.value),
                    samples=spread.samples,
                    p50_ns=spread.p50_ns,
                    p99_ns=spread.p99_ns,
                    p99_scheduled_ns=spread.p99_scheduled_ns,
                    max_ns=spread.max_ns,
                )


def _distributions(result: ClientResult, field: str) -> Iterator[Distribution]:
    """Of records those of the whole cluster; of the path every address, a name once."""
    names = set()
    for outcome in result.outcomes:
        facts, target = outcome.facts, outcome.target
        whole = isinstance(facts, LatencyFacts) and target.role is Role.CLUSTER
        if not whole and not isinstance(facts, PathLatencyFacts):
            continue
        found = getattr(facts, field, None)
        if field.startswith("resolve"):
            if target.name in names:
                continue
            names.add(target.name)
        if isinstance(found, Distribution) and found.samples:
            yield found


def _together(parts: Iterable[Distribution]) -> Distribution | None:
    """Several distributions as one, by their histograms; None of none."""
    parts = list(parts)
    if not parts:
        return None
    whole = HdrHistogram(LOWEST_US, HIGHEST_US, SIGNIFICANT_FIGURES)
    for part in parts:
        if part.hdr:
            whole.add(HdrHistogram.decode(part.hdr))
    samples = sum(part.samples for part in parts)
    complete = int(whole.get_total_count()) == samples

    def percentile(q: int) -> int | None:
        known = complete and samples >= ENOUGH[q]
        return int(whole.get_value_at_percentile(q)) * 1000 if known else None

    return Distribution(
        samples=samples,
        min_ns=min(part.min_ns for part in parts),
        max_ns=max(part.max_ns for part in parts),
        mean_ns=sum(part.mean_ns * part.samples for part in parts) // samples,
        p50_ns=percentile(50),
        p95_ns=percentile(95),
        p99_ns=percentile(99),
    )


def line(values: Iterable[float | None]) -> str:
    """Values as bars from zero to the highest; a blank where there is none, so that gaps show."""
    values = list(values)
    highest = max((value for value in values if value is not None), default=0)

    def bar(value: float | None) -> str:
        if value is None:
            return " "
        return BARS[min(len(BARS) - 1, int(value / highest * len(BARS)))] if highest > 0 else BARS[0]

    return "".join(map(bar, values))


def print_history(points: Iterable[Point], console: Console) -> None:
    """A table a path and kind, the newest run last; nothing is claimed of a change, only shown."""
    parts: list[RenderableType] = []
    for (path, target, what), group in groupby(points, key=lambda each: (each.path, each.target, each.what)):
        found = list(group)
        figures = [point.bytes_per_s if point.bytes_per_s is not None else point.p50_ns for point in found]
        drawn = "" if console.options.ascii_only or what is Trend.VERDICT else f"  {line(figures)}"
        parts.append(Text(words.printable(f"{path}, {what}, target {target}{drawn}"), style="bold"))
        parts += [_table(found), Text("")]
    console.print(Group(*parts), highlight=False, markup=False)


def _table(points: list[Point]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    throughput = any(point.bytes_per_s is not None for point in points)
    timed = any(point.samples for point in points) and not throughput
    table.add_column("  run")
    table.add_column("began, UTC")
    table.add_column("verdict")
    for name in ("median", "p99", "max", "samples") if timed else ("rate",) if throughput else ():
        table.add_column(name, justify="right")
    for point in points:
        figures: tuple[str, ...] = ()
        if throughput:
            figures = (words.byte_rate(point.bytes_per_s or 0),)
        elif timed:
            figures = (
                words.percentile(point.p50_ns, point.samples),
                words.percentile(point.p99_ns, point.samples),
                words.percentile(point.max_ns, point.samples),
                f"{point.samples:,}",
            )
        table.add_row(
            *map(
                Text,
                (f"  {words.printable(point.run_id)}", f"{point.began:%Y-%m-%d %H:%M:%S}", point.verdict, *figures),
            )
        )
    return table
