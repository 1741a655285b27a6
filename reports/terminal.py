"""The terminal summary: verdict, what failed, a grid a client, timings, where the report is.

Plain words in every cell, so that it reads the same without colour. Text from outside is never
parsed as markup and never reaches the terminal as control characters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from brokerproof.diagnosis import finding_text
from brokerproof.diagnosis.advice.text import told as told_advice
from brokerproof.diagnosis.check import Verdict
from brokerproof.reports import words
from brokerproof.reports.document import ClientResult, ResultDocument, TestOutcome
from brokerproof.reports.findings import Advised, Told, advices, explained, findings
from brokerproof.reports.grid import Cell, Failure, Grid, failures, grid
from brokerproof.reports.timings import ORDER, disturbances, latency_rows, slowest, throughput_rows
from brokerproof.reports.verdict import Judgement, Overall, Tally, judge_client, judge_from, symbol, title

LISTED_FINDINGS: Final = 10
LISTED_ADVICES: Final = 10
LISTED_FAILURES: Final = 20
LISTED_GRIDS: Final = 6
DRAWN_WHEN_GREEN: Final = 2
"""A run of so few clients is drawn also where it passed; of more, what passed is a line each."""
LISTED_ROWS: Final = 16
"""Rows of one grid; beyond, those that passed give way."""
LISTED_CLIENTS: Final = 20
LISTED_REASONS: Final = 5
LISTED_TESTS: Final = 10
USUAL_WIDTH: Final = 80
"""From here on the timings of all clients stand in the same columns."""

_GAP: Final = Text("")
_STYLES: Final = {
    Verdict.PASSED: "green",
    Verdict.FAILED: "bold red",
    Verdict.BLOCKED: "dim",
    Verdict.ERROR: "yellow",
    Verdict.NOT_SEEN: "yellow",
    Verdict.NOT_COVERED: "dim",
}
_OVERALL_STYLES: Final = {
    Overall.PASSED: "bold green",
    Overall.FAILED: "bold red",
    Overall.ERROR: "bold yellow",
    Overall.INCOMPLETE: "bold yellow",
    Overall.NOTHING_PROBED: "bold red",
}


def print_summary(
    document: ResultDocument, console: Console, *, reports: Iterable[tuple[str, str]] = (), notes: Iterable[str] = ()
) -> None:
    """Print the summary. ``reports`` are what was written, as (what it is, where); ``notes`` say what was not."""
    judgements = tuple(judge_client(result) for result in document.clients)
    overall = judge_from(document, judgements)
    pairs = list(zip(document.clients, judgements, strict=True))
    # Grids are for what is not green, and for a run small enough to be looked at whole.
    small = len(pairs) <= DRAWN_WHEN_GREEN
    drawn = [pair for pair in pairs if small or pair[1].overall is not Overall.PASSED]
    undrawn = [pair for pair in pairs if not small and pair[1].overall is Overall.PASSED]
    parts: list[RenderableType] = [*_headline(document, overall, console), *_partial(overall)]
    parts += _findings(findings(document))
    known = explained(document)
    parts += _failures(
        [f for result, _ in pairs for f in failures(result) if (f.client, f.check.check_id) not in known]
    )
    parts += _advices(advices(document))
    parts += _tests(document, overall)
    for result, judgement in drawn[:LISTED_GRIDS]:
        parts += _client(result, judgement, console.width)
    if len(drawn) > LISTED_GRIDS:
        parts.append(_text(f"and {words.count(len(drawn) - LISTED_GRIDS, 'more client')}", "dim"))
    parts += _passed(undrawn)
    parts += _timings([result for result, _ in pairs], roomy=console.width >= USUAL_WIDTH)
    parts += [_text(f"{what}: {where}") for what, where in reports]
    parts += [_text(note, "dim") for note in notes]
    with console.capture() as captured:
        console.print(Group(*parts), highlight=False, markup=False)
    # A terminal that cannot show a letter gets it spelt out rather than an exception.
    text = "\n".join(line.rstrip() for line in captured.get().splitlines())
    console.file.write(text.encode(console.encoding, "backslashreplace").decode(console.encoding) + "\n")
    console.file.flush()


def _text(content: str, style: str = "") -> Text:
    return Text(words.printable(content), style=style)


def _headline(document: ResultDocument, judgement: Judgement, console: Console) -> list[RenderableType]:
    mark = "" if console.options.ascii_only else f"{symbol(judgement.overall)} "
    head = _text(f"{mark}{title(judgement.overall).upper()}", _OVERALL_STYLES[judgement.overall])
    head.append(words.printable(f"  {judgement.sentence}"), style="default")
    run = _text(f"target {document.run.target}, run {document.run.run_id}, {_tally(judgement.tally)}", "dim")
    return [_GAP, head, run, _GAP]


def _tally(tally: Tally) -> str:
    named = (
        (tally.passed, "passed"),
        (tally.failed, "failed"),
        (tally.error, "error"),
        (tally.blocked, "blocked"),
        (tally.not_seen, "not seen"),
        (tally.not_covered, "not covered"),
    )
    return ", ".join(f"{number:,} {name}" for number, name in named if number) or "no check"


def _partial(judgement: Judgement) -> list[RenderableType]:
    if not judgement.because:
        return []
    lines = [_text("This record is partial:", "bold yellow")]
    lines += [_text(f"  {why}") for why in judgement.because[:LISTED_REASONS]]
    left = len(judgement.because) - LISTED_REASONS
    if left > 0:
        lines.append(_text(f"  and {words.count(left, 'more reason')}"))
    return [*lines, _GAP]


def _findings(found: tuple[Told, ...]) -> list[RenderableType]:
    parts = [part for one in found[:LISTED_FINDINGS] for part in _finding(one)]
    if len(found) > LISTED_FINDINGS:
        more = words.count(len(found) - LISTED_FINDINGS, "more finding")
        parts += [_text(f"and {more}, all in the report", "dim"), _GAP]
    return parts


def _finding(one: Told) -> list[RenderableType]:
    table = _told(finding_text.told(one.finding))
    table.add_row(_text("  clients", "dim"), _text(words.listed(one.clients)))
    return [_text(f"WRONG  {one.finding.wrong}", _STYLES[Verdict.FAILED]), table, _GAP]


def _advices(found: tuple[Advised, ...]) -> list[RenderableType]:
    parts = [part for one in found[:LISTED_ADVICES] for part in _advice(one)]
    if len(found) > LISTED_ADVICES:
        more = words.count(len(found) - LISTED_ADVICES, "more advice", "more advices")
        parts += [_text(f"and {more}, all in the report", "dim"), _GAP]
    return parts


def _advice(one: Advised) -> list[RenderableType]:
    table = _told(told_advice(one.advice))
    table.add_row(_text("  clients", "dim"), _text(words.listed(one.clients)))
    return [_text(f"ADVICE  {one.advice.title}", "bold cyan"), table, _GAP]


def _told(told: Iterable[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(width=11)
    table.add_column(overflow="fold")
    for what, text in told:
        table.add_row(_text(f"  {what}", "dim"), _text(text, "bold" if what == "change" else ""))
    return table


def _failures(found: list[Failure]) -> list[RenderableType]:
    # A probe's error is about the probe: it stands behind every failure of the path.
    found = sorted(found, key=lambda failure: failure.check.verdict is not Verdict.FAILED)
    parts = [part for failure in found[:LISTED_FAILURES] for part in _failure(failure)]
    if len(found) > LISTED_FAILURES:
        more = words.count(len(found) - LISTED_FAILURES, "more failure")
        parts += [_text(f"and {more}, all in the report", "dim"), _GAP]
    return parts


def _failure(failure: Failure) -> list[RenderableType]:
    check = failure.check
    many = f"{words.count(failure.alike + 1, 'check')} could not be made, from {check.check_id} on"
    head = f"{words.verdict_word(check.verdict).upper()}  {failure.client}  {many if failure.alike else check.check_id}"
    later = f"{words.count(failure.blocks, 'later check waits', 'later checks wait')} for this one"
    told = (
        ("observed", check.observed or words.reason(check.reason), ""),
        ("expected", "" if failure.alike else check.expected or check.title, ""),
        ("change", check.change, "bold"),
        ("blocks", later if failure.blocks else "", ""),
    )
    table = Table.grid(padding=(0, 1))
    table.add_column(width=10)
    table.add_column(overflow="fold")
    for what, text, style in told:
        if text:
            table.add_row(_text(f"  {what}", "dim"), _text(text, style))
    return [_text(head, _STYLES[check.verdict]), table, _GAP]


def _tests(document: ResultDocument, judgement: Judgement) -> list[RenderableType]:
    """Tests in trouble that no check explains; pytest itself has reported the others."""
    explained = {TestOutcome.FAILED} if judgement.tally.passed < judgement.tally.total else set()
    wanted = {TestOutcome.ERROR, TestOutcome.FAILED} - explained
    found = [test for test in document.tests if test.outcome in wanted]
    lines = [
        _text(f"{test.outcome.value.upper()}  {test.node_id} in {test.phase.value}: {test.message}")
        for test in found[:LISTED_TESTS]
    ]
    if len(found) > LISTED_TESTS:
        lines.append(_text(f"and {words.count(len(found) - LISTED_TESTS, 'more test')}", "dim"))
    return [*lines, _GAP] if lines else []


def _client(result: ClientResult, judgement: Judgement, width: int) -> list[RenderableType]:
    head = _text(f"{result.name}: {judgement.sentence}", _OVERALL_STYLES[judgement.overall])
    parts: list[RenderableType] = [head, *(_text(f"  {why}", "yellow") for why in judgement.because)]
    parts += [_text(f"  {one}", "dim") for one in (*words.observed(result.view), *words.not_judged(result.view))]
    if result.closing is not None and result.closing.left_behind:
        parts.append(_text(f"  left behind on the cluster: {'; '.join(result.closing.left_behind)}", "yellow"))
    if not result.checks:
        return [*parts, _GAP]
    return [*parts, *_tables(grid(result), width), _GAP]


def _passed(pairs: list[tuple[ClientResult, Judgement]]) -> list[RenderableType]:
    lines = [
        _text(f"{result.name}: {judgement.sentence}{_left_out(result)}") for result, judgement in pairs[:LISTED_CLIENTS]
    ]
    if len(pairs) > LISTED_CLIENTS:
        lines.append(_text(f"and {words.count(len(pairs) - LISTED_CLIENTS, 'more client')} passed", "dim"))
    return [*lines, _GAP] if lines else []


def _left_out(result: ClientResult) -> str:
    number = sum(one.statements for one in result.view.not_judged)
    return f"; {number:,} not judged" if number else ""


def _tables(arranged: Grid, width: int) -> Iterator[RenderableType]:
    """The grid, cut into as many tables as the width asks for; no cell is ever shortened."""
    rows = arranged.rows
    if len(rows) > LISTED_ROWS:
        rows = tuple(row for row in rows if row.verdict is not Verdict.PASSED)[:LISTED_ROWS]
    subjects = [f"  {words.printable(row.subject)}" for row in rows]
    columns = [(stage.value, [_cell(row.cells[index]) for row in rows]) for index, stage in enumerate(arranged.stages)]
    if arranged.has_isolation:
        columns.append(("must not", [_cell(row.isolation) for row in rows]))
    first = max(map(len, subjects), default=0) + 1
    used, group = first, list[tuple[str, list[Text]]]()
    for header, cells in columns:
        needs = max(len(header), *map(len, cells)) + 1
        if group and used + needs > width:
            yield _table(subjects, group)
            used, group = first, []
        used += needs
        group.append((header, cells))
    if group:
        yield _table(subjects, group)
    if len(rows) < len(arranged.rows):
        yield _text(f"  and {words.count(len(arranged.rows) - len(rows), 'more row')} in the report", "dim")


def _table(subjects: list[str], columns: list[tuple[str, list[Text]]]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("", no_wrap=True)
    for header, _ in columns:
        table.add_column(header, no_wrap=True)
    for index, subject in enumerate(subjects):
        row = [cells[index] for _, cells in columns]
        if any(row):
            table.add_row(Text(subject), *row)
    return table


def _cell(cell: Cell) -> Text:
    """A word: times and reasons would not fit eighty columns, and stand elsewhere."""
    if cell.verdict is None:
        return Text("")
    word = words.verdict_word(cell.verdict)
    return Text(word.upper() if cell.verdict is Verdict.FAILED else word, style=_STYLES[cell.verdict])


def _timings(results: list[ClientResult], *, roomy: bool) -> list[RenderableType]:
    measured = [(result, rows) for result in results if (rows := latency_rows(result))]
    parts: list[RenderableType] = []
    for result, rows in measured[:LISTED_CLIENTS]:
        table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
        table.add_column("  slowest broker", overflow="fold")
        for column, width in (("p50", 16), ("p95", 16), ("p99", 16), ("max", 10)):
            table.add_column(column, justify="right", overflow="fold", min_width=width if roomy else None)
        for what in ORDER:
            row = slowest(rows, what)
            if row is not None:
                table.add_row(f"  {what}", row.p50, row.p95, row.p99, row.max)
        rates = ", ".join(f"{rate.direction} {rate.rate}" for rate in throughput_rows(result))
        parts += [_text(f"{result.name}: {rates or 'throughput not measured'}"), table]
        parts += [_text(f"  limited by {rate.limited}", "dim") for rate in throughput_rows(result) if rate.limited]
        parts += [_text(f"  {rate.knee}", "dim") for rate in throughput_rows(result) if rate.knee]
        parts += [_text(f"  {disturbed}", "yellow") for disturbed in disturbances(result)]
    if len(measured) > LISTED_CLIENTS:
        parts.append(_text(f"and {words.count(len(measured) - LISTED_CLIENTS, 'more client')}", "dim"))
    return [*parts, _GAP] if parts else []
