"""What stands on the HTML page and in which order: failures first, then client by client.

A large run is folded here: rows that passed give way to a count, and the page says so. No markup.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from brokerproof.diagnosis.check import Check, Verdict
from brokerproof.reports import words
from brokerproof.reports.client_host import client_host
from brokerproof.reports.curves import CurvePlot, Rate, Span, curve_plots, rates, spans
from brokerproof.reports.detail import Detail, Names, detail
from brokerproof.reports.document import ClientResult, Drawing, ResultDocument, TestOutcome, TestResult
from brokerproof.reports.evidence import CertificateRow, DnsRow, certificates, dns_answers
from brokerproof.reports.findings import Advised, Told, advices, explained, findings
from brokerproof.reports.grid import Failure, Grid, Row, by_subject, failures, grid
from brokerproof.reports.marks import Marks, marks_of
from brokerproof.reports.timings import (
    END_TO_END,
    PRODUCE_ACK,
    LatencyRow,
    ThroughputRow,
    latency_rows,
    slowest,
    throughput_rows,
)
from brokerproof.reports.verdict import Judgement, Overall, judge_client, judge_from

FOLD_ABOVE_OUTCOMES: Final = 4_000
"""A run with more outcomes than this is folded; below, everything is on the page."""
FOLDED_SECTIONS: Final = 100
"""Clients with a section of their own on a folded page, worst first; all have a line in the table."""
FOLDED_DETAIL_ROWS: Final = 4_000
"""Outcome rows on a folded page, spent on subjects that did not pass."""
LISTED_FAILURES: Final = 200
"""Failures spelt out one by one; the rest are counted by what they have in common."""
LISTED_TESTS: Final = 200
LISTED_PICTURES: Final = 24
PLOTTED_CLIENTS: Final = 20
"""Clients in a plot that compares them, the slowest; all are in the table of clients."""
CURVED_CLIENTS: Final = 24
"""Clients whose section has percentile curves, worst first: each takes a tenth of a second to draw."""
LISTED_CLIENTS: Final = 8
"""Clients named at a picture."""
LISTED_REASONS: Final = 20
"""Reasons why a document is partial; one crash can cut many clients short."""

GRAVITY: Final = (
    Overall.FAILED,
    Overall.ERROR,
    Overall.INCOMPLETE,
    Overall.NOTHING_PROBED,
    Overall.PASSED,
)
"""Verdicts, the worst first."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One client in the table of clients. ``anchor`` is empty where it has no section."""

    result: ClientResult
    judgement: Judgement
    anchor: str
    produce_ack: LatencyRow | None
    end_to_end: LatencyRow | None
    throughput: tuple[ThroughputRow, ...]


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one client."""

    anchor: str
    result: ClientResult
    judgement: Judgement
    grid: Grid
    folded_rows: tuple[Row, ...]
    """Rows that passed and are left out of the grid, because the page is folded."""
    suffix: str
    """What all broker names end in; it stands once on the page instead of in every row."""
    latency: tuple[LatencyRow, ...]
    curves: tuple[CurvePlot, ...]
    throughput: tuple[ThroughputRow, ...]
    must_not: tuple[Check, ...]
    details: tuple[Detail, ...]
    details_left_out: int
    places: dict[str, int]
    """Which of ``details`` a subject's is, from 1: rows of the grid lead there."""
    dns: tuple[DnsRow, ...]
    certificates: tuple[CertificateRow, ...]
    host: tuple[tuple[str, str], ...]
    """What the client's host is set to; empty where the probe did not say."""


class Alike(msgspec.Struct, frozen=True, kw_only=True):
    """Failures that were not spelt out, counted by pattern, stage and reason."""

    pattern: str
    stage: str
    reason: str
    number: int


class Tests(msgspec.Struct, frozen=True, kw_only=True):
    """pytest's side of the run."""

    listed: tuple[TestResult, ...]
    """Tests that failed or ended in an error."""
    left_out: int
    explained: bool
    """They failed over checks that are not green, so the checks are the news."""
    counts: tuple[tuple[str, int], ...]


class PictureOf(msgspec.Struct, frozen=True, kw_only=True):
    """A topology's picture, and the clients whose topology it is. Topologies that look alike share one."""

    anchor: str
    drawing: Drawing
    clients: tuple[str, ...]
    clients_left_out: int
    marks: Marks
    """What findings name in it."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """The clients that were measured, side by side; a place for what compares them. Empty for fewer than two."""

    latency: tuple[tuple[str, tuple[Span, ...]], ...]
    """By what was timed: each client's slowest broker."""
    throughput: tuple[Rate, ...]
    left_out: int
    """Clients beyond those plotted."""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """The page from top to bottom. ``sections`` is made as it is read, and can be read once."""

    document: ResultDocument
    judgement: Judgement
    took: str
    folded: bool
    because: tuple[str, ...]
    because_left_out: int
    unreached: tuple[Line, ...]
    """Clients whose probe did not run to its end, where no failure in the list states it already."""
    findings: tuple[Told, ...]
    findings_left_out: int
    failures: tuple[Failure, ...]
    """Red checks that no finding explains: in a document with diagnoses, those of probes that failed."""
    more_failures: tuple[Alike, ...]
    advices: tuple[Advised, ...]
    """The path is right there, and some clients fail on it."""
    advices_left_out: int
    troubled: tuple[Line, ...]
    passed: tuple[Line, ...]
    tests: Tests
    timed: bool
    """Whether there are timings, which plots are made of."""
    measured: Measured | None
    pictures: tuple[PictureOf, ...]
    picture_of: dict[str, str]
    """The anchor of a topology's picture, by the topology's digest."""
    pictures_left_out: int
    sections: Iterator[Section]


def page(document: ResultDocument) -> Page:
    """Arrange a document for the page."""
    judgements = tuple(judge_client(result) for result in document.clients)
    folded = sum(len(result.outcomes) for result in document.clients) > FOLD_ABOVE_OUTCOMES
    pairs = sorted(
        zip(document.clients, judgements, strict=True),
        key=lambda pair: (GRAVITY.index(pair[1].overall), pair[0].name),
    )
    shown = [pair for pair in pairs if not folded or pair[1].overall is not Overall.PASSED]
    shown = shown[:FOLDED_SECTIONS] if folded else shown
    anchors = {result.name: f"client-{number}" for number, (result, _) in enumerate(shown, start=1)}
    lines = tuple(_line(result, judgement, anchors.get(result.name, "")) for result, judgement in pairs)
    known = explained(document)
    found = findings(document)
    advised = advices(document)
    all_failures = [
        failure
        for result, _ in pairs
        for failure in failures(result)
        if (failure.client, failure.check.check_id) not in known
    ]
    # A probe's error is about the probe: it stands behind every failure of the path.
    all_failures.sort(key=lambda failure: failure.check.verdict is not Verdict.FAILED)
    judgement = judge_from(document, judgements)
    pictures, picture_of = _pictures(document, found[:LISTED_FAILURES])
    return Page(
        document=document,
        judgement=judgement,
        took=words.duration(_wall_ns(document)),
        folded=folded,
        because=document.incomplete_because[:LISTED_REASONS],
        because_left_out=max(0, len(document.incomplete_because) - LISTED_REASONS),
        unreached=_unreached(lines, all_failures)[:LISTED_FAILURES],
        findings=found[:LISTED_FAILURES],
        findings_left_out=max(0, len(found) - LISTED_FAILURES),
        failures=tuple(all_failures[:LISTED_FAILURES]),
        more_failures=_alike(document, all_failures[LISTED_FAILURES:]),
        advices=advised[:LISTED_FAILURES],
        advices_left_out=max(0, len(advised) - LISTED_FAILURES),
        troubled=tuple(line for line in lines if line.judgement.overall is not Overall.PASSED),
        passed=tuple(line for line in lines if line.judgement.overall is Overall.PASSED),
        tests=_tests(document, judgement),
        timed=any(latency_rows(result) for result in document.clients) or any(line.throughput for line in lines),
        measured=_measured(lines),
        pictures=pictures[:LISTED_PICTURES],
        picture_of=picture_of,
        pictures_left_out=max(0, len(pictures) - LISTED_PICTURES),
        sections=_sections(document, shown, anchors, folded=folded),
    )


def _tests(document: ResultDocument, judgement: Judgement) -> Tests:
    counts = Counter(test.outcome for test in document.tests)
    red = tuple(test for test in document.tests if test.outcome in {TestOutcome.FAILED, TestOutcome.ERROR})
    return Tests(
        listed=red[:LISTED_TESTS],
        left_out=max(0, len(red) - LISTED_TESTS),
        explained=judgement.tally.passed < judgement.tally.total and not counts[TestOutcome.ERROR],
        counts=tuple((outcome.value, counts[outcome]) for outcome in TestOutcome if counts[outcome]),
    )


def _pictures(document: ResultDocument, found: Sequence[Told]) -> tuple[tuple[PictureOf, ...], dict[str, str]]:
    digest_of = {client.name: client.topology_digest for client in document.clients}
    alike: dict[str, list[Drawing]] = {}
    for drawing in document.drawings:
        alike.setdefault(drawing.dot, []).append(drawing)
    pictures = []
    picture_of: dict[str, str] = {}
    for number, drawings in enumerate(alike.values(), start=1):
        digests = {drawing.topology_digest for drawing in drawings}
        names = [client.name for client in document.clients if client.topology_digest in digests]
        anchor = f"topology-{number}"
        if number <= LISTED_PICTURES:
            picture_of.update(dict.fromkeys(digests, anchor))
        pictures.append(
            PictureOf(
                anchor=anchor,
                drawing=drawings[0],
                clients=tuple(names[:LISTED_CLIENTS]),
                clients_left_out=max(0, len(names) - LISTED_CLIENTS),
                marks=marks_of(
                    drawings[0].ways,
                    [
                        (place, one.finding)
                        for place, one in enumerate(found, start=1)
                        if any(digest_of.get(name) in digests for name in one.clients)
                    ],
                ),
            )
        )
    return tuple(pictures), picture_of


def _measured(lines: tuple[Line, ...]) -> Measured | None:
    found = [line for line in lines if line.produce_ack is not None or line.throughput]
    if len(found) < 2:  # noqa: PLR2004  one client has nothing to be set beside; its own section says all
        return None
    timed = (
        (PRODUCE_ACK, spans(line.produce_ack for line in found if line.produce_ack is not None)),
        (END_TO_END, spans(line.end_to_end for line in found if line.end_to_end is not None)),
    )
    through = rates([row for line in found for row in line.throughput])
    slowest_first = tuple(sorted(through, key=lambda rate: min(figure for _, figure in rate.mb_per_s)))
    return Measured(
        latency=tuple((what, listed[:PLOTTED_CLIENTS]) for what, listed in timed if listed),
        throughput=slowest_first[:PLOTTED_CLIENTS],
        left_out=max(0, len(found) - PLOTTED_CLIENTS),
    )


def _wall_ns(document: ResultDocument) -> int:
    if document.finished is None:
        return 0
    return int((document.finished - document.started).total_seconds() * words.NS_PER_S)


def _line(result: ClientResult, judgement: Judgement, anchor: str) -> Line:
    latency = latency_rows(result)
    return Line(
        result=result,
        judgement=judgement,
        anchor=anchor,
        produce_ack=slowest(latency, PRODUCE_ACK),
        end_to_end=slowest(latency, END_TO_END),
        throughput=throughput_rows(result),
    )


def _unreached(lines: tuple[Line, ...], found: list[Failure]) -> tuple[Line, ...]:
    told = {(failure.client, failure.check.observed) for failure in found}
    return tuple(
        line
        for line in lines
        if line.judgement.because and not told & {(line.result.name, why) for why in line.judgement.because}
    )


def _alike(document: ResultDocument, failures: list[Failure]) -> tuple[Alike, ...]:
    patterns = {result.name: result.pattern for result in document.clients}
    counts: Counter[tuple[str, str, str]] = Counter()
    for failure in failures:
        why = words.reason(failure.check.reason) or words.verdict_word(failure.check.verdict)
        counts[patterns[failure.client], failure.check.stage.value, why] += 1 + failure.alike
    return tuple(
        Alike(pattern=pattern, stage=stage, reason=reason, number=number)
        for (pattern, stage, reason), number in counts.most_common()
    )


def _sections(
    document: ResultDocument,
    shown: list[tuple[ClientResult, Judgement]],
    anchors: dict[str, str],
    *,
    folded: bool,
) -> Iterator[Section]:
    left = FOLDED_DETAIL_ROWS if folded else None
    curved = 0
    for result, judgement in shown:
        section = _section(document, result, judgement, anchors[result.name], left)
        if curved < CURVED_CLIENTS:
            section = msgspec.structs.replace(section, curves=curve_plots(section.latency))
            curved += bool(section.curves)
        if left is not None:
            left -= sum(len(detail.rows) for detail in section.details)
        yield section


def _section(
    document: ResultDocument,
    result: ClientResult,
    judgement: Judgement,
    anchor: str,
    rows_left: int | None,
) -> Section:
    """One client's section. ``rows_left`` is None where nothing is folded."""
    whole = grid(result)
    rows = tuple(row for row in whole.rows if rows_left is None or row.verdict is not Verdict.PASSED)
    wanted = {row.subject for row in rows}
    details: list[Detail] = []
    names = Names(result.view)
    groups = by_subject(result.outcomes)
    verdicts = {row.subject: row.verdict for row in whole.rows}
    for subject, outcomes in groups.items():
        if rows_left is not None:
            if subject not in wanted or len(outcomes) > rows_left:
                continue
            rows_left -= len(outcomes)
        details.append(detail(subject, outcomes, verdicts.get(subject), names))
    return Section(
        anchor=anchor,
        result=result,
        judgement=judgement,
        grid=msgspec.structs.replace(whole, rows=rows),
        folded_rows=tuple(row for row in whole.rows if row.subject not in wanted),
        suffix=names.suffix,
        latency=latency_rows(result),
        curves=(),
        throughput=throughput_rows(result),
        must_not=tuple(check for check in result.checks if check.isolation),
        details=tuple(details),
        details_left_out=len(groups) - len(details),
        places={one.subject: number for number, one in enumerate(details, start=1)},
        dns=dns_answers(result),
        certificates=certificates(result, document.started),
        host=(
            *((("Ran as", result.ran_as),) if result.ran_as else ()),
            *client_host(None if result.started is None else result.started.host_facts),
        ),
    )
