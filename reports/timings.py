"""Latency and throughput as rows of a table, units spelt out.

Figures come from the outcomes of the measuring stages alone; a percentile the samples cannot carry
is never filled in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from probes.outcome import Distribution, LatencyFacts, Outcome, ThroughputFacts
from reports import words
from reports.document import ClientResult
from reports.grid import natural, subject_of

PRODUCE_ACK: Final = "produce ack"
END_TO_END: Final = "end to end"


class LatencyRow(msgspec.Struct, frozen=True, kw_only=True):
    """One distribution: what was timed, against which subject."""

    client: str
    subject: str
    what: str
    record_bytes: int
    lost: int
    distribution: Distribution

    @property
    def p50(self) -> str:
        """Median, or that the samples are too few to say it."""
        return words.percentile(self.distribution.p50_ns, self.distribution.samples)

    @property
    def p95(self) -> str:
        """95th percentile, likewise."""
        return words.percentile(self.distribution.p95_ns, self.distribution.samples)

    @property
    def p99(self) -> str:
        """99th percentile, likewise."""
        return words.percentile(self.distribution.p99_ns, self.distribution.samples)

    @property
    def max(self) -> str:
        """The slowest sample; there is one as soon as there is any."""
        samples = self.distribution.samples
        return words.percentile(self.distribution.max_ns if samples else None, samples)


class ThroughputRow(msgspec.Struct, frozen=True, kw_only=True):
    """One direction of one bounded run. MB/s are decimal."""

    client: str
    subject: str
    direction: str
    bytes_per_s: float
    rate: str
    records_per_s: str
    records: int
    record_bytes: int
    took: str
    took_ns: int
    trouble: str
    """Lost and duplicated records, empty for none."""


def latency_rows(result: ClientResult) -> tuple[LatencyRow, ...]:
    """Every latency distribution of one client: what was timed, then by subject, so brokers compare."""
    rows = [row for outcome in result.outcomes for row in _latency(result, outcome)]
    return tuple(sorted(rows, key=lambda row: (row.what != PRODUCE_ACK, natural(row.subject))))


def throughput_rows(result: ClientResult) -> tuple[ThroughputRow, ...]:
    """Every throughput figure of one client, by subject, produce before consume."""
    rows = [row for outcome in result.outcomes for row in _throughput(result, outcome)]
    return tuple(sorted(rows, key=lambda row: natural(row.subject)))


def slowest(rows: Iterable[LatencyRow], what: str) -> LatencyRow | None:
    """The row with the highest p99, or the highest maximum where no p99 can be said; None of none."""
    return max(
        (row for row in rows if row.what == what),
        key=lambda row: (row.distribution.p99_ns or 0, row.distribution.max_ns),
        default=None,
    )


def _latency(result: ClientResult, outcome: Outcome) -> Iterator[LatencyRow]:
    facts = outcome.facts
    if not isinstance(facts, LatencyFacts):
        return
    measured: tuple[tuple[str, Distribution], ...] = (
        (PRODUCE_ACK, facts.produce_ack),
        (END_TO_END, facts.end_to_end),
    )
    for what, distribution in measured:
        yield LatencyRow(
            client=result.name,
            subject=subject_of(outcome.target),
            what=what,
            record_bytes=facts.record_bytes,
            lost=facts.lost,
            distribution=distribution,
        )


def _throughput(result: ClientResult, outcome: Outcome) -> Iterator[ThroughputRow]:
    facts = outcome.facts
    if not isinstance(facts, ThroughputFacts):
        return
    trouble = ", ".join(
        f"{number:,} {what}" for number, what in ((facts.lost, "lost"), (facts.duplicated, "duplicated")) if number
    )
    measured = (
        ("produce", facts.produce_bytes_per_s, facts.records_produced, facts.produce_duration_ns, ""),
        ("consume", facts.consume_bytes_per_s, facts.records_consumed, facts.consume_duration_ns, trouble),
    )
    for direction, bytes_per_s, records, took_ns, seen in measured:
        yield ThroughputRow(
            client=result.name,
            subject=subject_of(outcome.target),
            direction=direction,
            bytes_per_s=bytes_per_s,
            rate=words.byte_rate(bytes_per_s),
            records_per_s=words.record_rate(records, took_ns),
            records=records,
            record_bytes=facts.record_bytes,
            took=words.duration(took_ns),
            took_ns=took_ns,
            trouble=seen,
        )
