"""The journals of a run, read back into one result document.

Whatever can be read is kept, and whatever is missing is stated. A document made here is complete
only if every process, every client and the run itself were written to their end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from brokerproof.comparison.values import Comparison, Whose
from brokerproof.diagnosis.check import Check
from brokerproof.diagnosis.found_addresses import with_found_addresses
from brokerproof.probes.outcome import Closing, Line, Outcome, Refused, SampleBlock, Started
from brokerproof.probes.outcome.samples import UnreadableSamplesError, unpack
from brokerproof.reports.document import (
    DOCUMENT_VERSION,
    ClientResult,
    Drawing,
    ResultDocument,
    TestOutcome,
    TestResult,
    TopologyAudit,
)
from brokerproof.reports.findings import diagnosed, side_by_side
from brokerproof.reports.journal import (
    JOURNAL_FOLDER,
    OWNER,
    SUFFIX,
    Audited,
    ClientSeen,
    Closed,
    ComparedPairs,
    Drawn,
    Event,
    JournalError,
    Judged,
    Opened,
    ProbeLine,
    RunFinished,
    Sampled,
    Tested,
    VantageFailed,
)
from brokerproof.reports.words import count

_decoder: Final[msgspec.json.Decoder[Event]] = msgspec.json.Decoder(Event)

_WORST_FIRST: Final = (TestOutcome.FAILED, TestOutcome.ERROR, TestOutcome.SKIPPED, TestOutcome.PASSED)


@dataclass(frozen=True, slots=True)
class Block:
    """Samples as a probe sent them, and whose they are."""

    whose: Whose
    started: Started | None
    block: SampleBlock


class _Section:
    """One client while its lines are being gathered."""

    def __init__(self, seen: ClientSeen) -> None:
        self.seen = seen
        self.started: Started | None = None
        self.outcomes: list[Outcome] = []
        self.samples: list[SampleBlock] = []
        self.sampled: list[Sampled] = []
        self.closing: Closing | None = None
        self.vantage_errors: list[str] = []
        self.checks: list[Check] = []
        self.judged = False
        self.unreadable: list[str] = []

    def probe_line(self, line: Line) -> None:
        match line:
            case Started():
                self.started = line
            case Outcome():
                self.outcomes.append(line)
            case SampleBlock():
                self.samples.append(line)
            case Closing():
                self.closing = line
            case Refused(why=why):
                self.vantage_errors.append(f"the probe refused the plan: {why}")

    def missing(self) -> Iterator[str]:
        if self.closing is None and not self.vantage_errors:
            yield "the probe's closing line is missing, so its run was cut short"
        if self.closing is not None and self.closing.outcomes != len(self.outcomes):
            yield (f"the probe made {count(self.closing.outcomes, 'outcome')}, {len(self.outcomes):,} are recorded")
        if self.closing is not None and self.closing.sample_blocks != len(self.samples):
            made = count(self.closing.sample_blocks, "block")
            yield f"the probe sent {made} of samples, {len(self.samples):,} are recorded"
        if not self.judged:
            yield "its outcomes were not judged"

    def blocks(self, run_id: str, label: str) -> Iterator[Block]:
        """The samples that can be read; the others are reported by :attr:`unreadable`."""
        blocks = [(0, self.started, block) for block in self.samples]
        blocks += [(one.round, one.started, block) for one in self.sampled for block in one.blocks]
        view = self.seen.view
        for number, started, block in blocks:
            whose = Whose(run_id=run_id, client=view.client, pattern=view.pattern, label=label, round=number)
            try:
                unpack(block)
            except UnreadableSamplesError as damage:
                self.unreadable.append(str(damage))
            else:
                yield Block(whose, started, block)

    def result(self, label: str) -> ClientResult:
        return ClientResult(
            view=with_found_addresses(self.seen.view, self.outcomes),
            label=label,
            topology_digest=self.seen.topology_digest,
            ran_as=self.seen.ran_as,
            started=self.started,
            outcomes=tuple(self.outcomes),
            closing=self.closing,
            vantage_error="; ".join(self.vantage_errors),
            checks=tuple(self.checks),
        )


class _Reading:
    """One journal while it is being read."""

    def __init__(self, path: Path) -> None:
        self.writer = path.name.removesuffix(SUFFIX)
        self.opened: Opened | None = None
        self.sections: dict[int, _Section] = {}
        self.tests: list[TestResult] = []
        self.drawings: list[Drawing] = []
        self.comparisons: list[Comparison] = []
        self.audits: list[TopologyAudit] = []
        self.finished: RunFinished | None = None
        self.closed: Closed | None = None
        self.trouble: list[str] = []
        self._homeless = 0
        self._read(path)

    def _read(self, path: Path) -> None:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                self._read_line(number, line)
        if self._homeless:
            self.trouble.append(f"{count(self._homeless, 'line')} about a client it does not name")
        if self.closed is None:
            self.trouble.append("it has no end line: its process was killed or is still running")

    def _read_line(self, number: int, line: bytes) -> None:
        try:
            event = _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            # A kill can only tear the last line, which then has no end; any other was damaged on disk.
            whole = line.endswith(b"\n")
            self.trouble.append(f"line {number} is unreadable" if whole else "its last line is torn")
            return
        self._take(event)

    def _take(self, event: Event) -> None:
        match event:
            case Opened():
                self.opened = event
            case ClientSeen():
                self.sections[event.section] = _Section(event)
            case ProbeLine() | Sampled() | VantageFailed() | Judged():
                self._take_for_client(event)
            case Drawn(drawing=drawing):
                self.drawings.append(drawing)
            case Audited(audit=audit):
                self.audits.append(audit)
            case ComparedPairs(comparison=comparison):
                self.comparisons.append(comparison)
            case Tested(result=result):
                self.tests.append(result)
            case RunFinished():
                self.finished = event
            case Closed():
                self.closed = event

    def _take_for_client(self, event: ProbeLine | Sampled | VantageFailed | Judged) -> None:
        section = self.sections.get(event.section)
        if section is None:
            self._homeless += 1
            return
        match event:
            case ProbeLine(line=line):
                section.probe_line(line)
            case Sampled():
                section.sampled.append(event)
            case VantageFailed(why=why):
                section.vantage_errors.append(why)
            case Judged(checks=checks):
                section.checks.extend(checks)
                section.judged = True


def _clients(readings: list[_Reading], run_id: str) -> tuple[list[ClientResult], list[Block], list[str]]:
    """Every client, by name; two processes that ran the same one are told apart by their names."""
    results: dict[str, ClientResult] = {}
    blocks: list[Block] = []
    missing: list[str] = []
    for reading in readings:
        for section in reading.sections.values():
            result = section.result(section.seen.label)
            while result.name in results:
                result = section.result(f"{result.label} {reading.writer}".strip())
            results[result.name] = result
            blocks.extend(section.blocks(run_id, result.label))
            missing.extend(f"client {result.name}: {what}" for what in (*section.missing(), *section.unreadable))
    return [results[name] for name in sorted(results)], blocks, missing


def _tests(readings: list[_Reading]) -> tuple[TestResult, ...]:
    """One result a test: the worst of its phases, with the time of all of them."""
    worst: dict[str, TestResult] = {}
    for reading in readings:
        for result in reading.tests:
            known = worst.get(result.node_id)
            if known is None:
                worst[result.node_id] = result
                continue
            keep = min(known, result, key=lambda one: _WORST_FIRST.index(one.outcome))
            total = known.duration_ns + result.duration_ns
            worst[result.node_id] = msgspec.structs.replace(keep, duration_ns=total)
    return tuple(worst[node_id] for node_id in sorted(worst))


def _missing_of_run(readings: list[_Reading]) -> Iterator[str]:
    for reading in readings:
        yield from (f"journal {reading.writer}: {what}" for what in reading.trouble)
    finished = [reading.finished for reading in readings if reading.finished is not None]
    if not finished:
        yield "the run never reported its end"
    known = {reading.writer for reading in readings}
    for end in finished:
        if end.cut_short:
            yield f"the run ended early: {end.cut_short}"
        yield from (f"journal {writer} is missing" for writer in end.writers if writer not in known)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the journals of a run hold."""

    document: ResultDocument
    samples: tuple[Block, ...]
    """Raw latency samples; too many for a document."""


def merge(run_dir: Path) -> ResultDocument:
    """The document of the run recorded in ``run_dir``, as :func:`recorded` reads it."""
    return recorded(run_dir).document


def recorded(run_dir: Path) -> Recorded:
    """The run recorded in ``run_dir``, as far as it got.

    Raises:
        JournalError: no journal is there, or the journals belong to different runs.
        OSError: a journal cannot be read.
    """
    paths = sorted((run_dir / JOURNAL_FOLDER).glob(f"[!.]*{SUFFIX}"))
    readings = [_Reading(path) for path in paths]
    begun = [(reading.opened, reading.writer) for reading in readings if reading.opened is not None]
    if not begun:
        raise JournalError(f"{run_dir} holds no journal of a run: no process of it began to write")
    if len({opened.run.run_id for opened, _ in begun}) > 1:
        raise JournalError(f"{run_dir} holds journals of different runs: give each run its own directory")
    # The owner's facts describe the run; any worker's do when the owner's journal is lost.
    run = min(begun, key=lambda pair: pair[1] != OWNER)[0].run
    read, blocks, missing_of_clients = _clients(readings, run.run_id)
    clients = side_by_side(read)
    because = (*_missing_of_run(readings), *missing_of_clients)
    audits = tuple({one.topology_digest: one for reading in readings for one in reading.audits}.values())
    ends: list[datetime] = [reading.finished.at for reading in readings if reading.finished is not None]
    document = ResultDocument(
        document_version=DOCUMENT_VERSION,
        run=run,
        started=min(opened.at for opened, _ in begun),
        finished=max(ends, default=None),
        complete=not because,
        incomplete_because=because,
        clients=clients,
        tests=_tests(readings),
        diagnoses=diagnosed(clients, {one.topology_digest: one.audit for one in audits}),
        audits=audits,
        comparisons=tuple(one for reading in readings for one in reading.comparisons),
        drawings=tuple({one.topology_digest: one for reading in readings for one in reading.drawings}.values()),
    )
    return Recorded(document, tuple(blocks))
