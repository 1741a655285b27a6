"""Latency and throughput as rows of a table, units spelt out.

Figures come from the outcomes of the measuring stages alone. A percentile that the samples do not
support is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from brokerproof.probes.outcome import (
    Compression,
    Distribution,
    HostLoad,
    LatencyFacts,
    Outcome,
    PathLatencyFacts,
    ThroughputFacts,
)
from brokerproof.reports import words
from brokerproof.reports.document import ClientResult
from brokerproof.reports.grid import natural, subject_of
from brokerproof.reports.knee import StepRow, knee_in_words, step_rows
from brokerproof.reports.limits import Limit, limited_by

PRODUCE_ACK: Final = "produce ack"
END_TO_END: Final = "end to end"
CONNECT: Final = "connect"
HANDSHAKE: Final = "TLS handshake"
RESOLVE: Final = "resolve"
ORDER: Final = (PRODUCE_ACK, END_TO_END, CONNECT, HANDSHAKE, RESOLVE)
"""What is timed, in the order of tables."""
MOST_STEAL: Final = 0.02
MOST_LATE_NS: Final = 1_000_000
"""Beyond these a measurement is called disturbed: the share of processor time taken from the host by its
hypervisor, and by how much samples began after they were due, on average."""


class LatencyRow(msgspec.Struct, frozen=True, kw_only=True):
    """One distribution: what was timed, against which subject."""

    client: str
    subject: str
    what: str
    record_bytes: int
    lost: int
    distribution: Distribution
    """From the actual begin of each sample."""
    scheduled: Distribution | None = None
    """From when each had to begin: what a stall held up is counted in full. None in older documents."""
    address: str = ""
    """Of a connection; empty for records and names."""

    @property
    def p50(self) -> str:
        """The median, or that the samples are too few for one."""
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
    limited: str = ""
    """Of producing: what limited it, with the evidence; empty where that is unknown."""
    setting: str = ""
    """How it was measured."""
    knee: str = ""
    """Of producing: what its ramp found; empty without one."""
    steps: tuple[StepRow, ...] = ()
    """Of that ramp."""


def latency_rows(result: ClientResult) -> tuple[LatencyRow, ...]:
    """Every latency distribution of one client: what was timed, then by subject, so brokers compare."""
    rows = [row for outcome in result.outcomes for row in _latency(result, outcome)]
    # A name is asked for once for all of its addresses.
    single = {(row.subject, row.what, row.address): row for row in rows}
    return tuple(sorted(single.values(), key=lambda row: (ORDER.index(row.what), natural(row.subject), row.address)))


def disturbances(result: ClientResult) -> tuple[str, ...]:
    """What disturbed the host while latency was measured, beyond the stated bounds; empty for nothing."""
    loads = [each.facts.host for each in result.outcomes if isinstance(each.facts, LatencyFacts | PathLatencyFacts)]
    known: list[HostLoad] = [load for load in loads if load is not None]
    steal = max((load.steal_share for load in known), default=0)
    late_ns = max((load.late_mean_ns for load in known), default=0)
    found = []
    if steal > MOST_STEAL:
        found.append(
            f"disturbed: the host's hypervisor took {steal:.0%} of its processor time ({MOST_STEAL:.0%} allowed)"
        )
    if late_ns > MOST_LATE_NS:
        bound = words.duration(MOST_LATE_NS)
        found.append(f"disturbed: samples began {words.duration(late_ns)} late on average ({bound} allowed)")
    return tuple(found)


def throughput_rows(result: ClientResult) -> tuple[ThroughputRow, ...]:
    """Every throughput figure of one client, by subject, produce before consume."""
    rows = [row for outcome in result.outcomes for row in _throughput(result, outcome)]
    return tuple(sorted(rows, key=lambda row: natural(row.subject)))


def slowest(rows: Iterable[LatencyRow], what: str) -> LatencyRow | None:
    """The row with the highest p99, or with the highest maximum where none has a p99; None without rows."""
    return max(
        (row for row in rows if row.what == what),
        key=lambda row: (row.distribution.p99_ns or 0, row.distribution.max_ns),
        default=None,
    )


def _latency(result: ClientResult, outcome: Outcome) -> Iterator[LatencyRow]:
    facts = outcome.facts
    measured: tuple[tuple[str, Distribution | None, Distribution | None], ...]
    match facts:
        case LatencyFacts():
            record_bytes, lost, address = facts.record_bytes, facts.lost, ""
            measured = (
                (PRODUCE_ACK, facts.produce_ack, facts.produce_ack_scheduled),
                (END_TO_END, facts.end_to_end, facts.end_to_end_scheduled),
            )
        case PathLatencyFacts():
            record_bytes, lost, address = 0, facts.failed, outcome.target.address
            measured = (
                (CONNECT, facts.connect, facts.connect_scheduled),
                (HANDSHAKE, facts.handshake, facts.handshake_scheduled),
                (RESOLVE, facts.resolve, facts.resolve_scheduled),
            )
        case _:
            return
    for what, distribution, scheduled in measured:
        if distribution is not None:
            yield LatencyRow(
                client=result.name,
                subject=subject_of(outcome.target),
                what=what,
                record_bytes=record_bytes,
                lost=lost,
                distribution=distribution,
                scheduled=scheduled,
                address="" if what == RESOLVE else address,
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
    found = limited_by(facts.limits)
    limited = "" if found.limit is Limit.NOT_TOLD else f"{found.limit.value.replace('_', ' ')}: {found.because}"
    for direction, bytes_per_s, records, took_ns, seen in measured:
        produces = direction == "produce"
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
            limited=limited if produces else "",
            setting=_setting(facts, produces=produces),
            knee=knee_in_words(facts.ramp) if produces else "",
            steps=step_rows(facts.ramp) if produces else (),
        )


def _setting(facts: ThroughputFacts, *, produces: bool) -> str:
    """How it was measured; empty in documents without it."""
    if not facts.partitions:
        return ""
    connections = facts.producers if produces else facts.consumers
    parts = (
        f"acks={facts.acks}" if produces else "",
        "no compression" if facts.compression is Compression.NONE else facts.compression.value,
        words.count(facts.partitions, "partition"),
        f"{words.count(connections, 'connection')} a broker",
    )
    return ", ".join(filter(None, parts))
