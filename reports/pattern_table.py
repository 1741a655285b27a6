"""The comparison of patterns as Markdown, each statement with its source; and the statements that a run adds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from brokerproof.comparison.statements import KINDS
from brokerproof.reports import words
from brokerproof.reports.document import ResultDocument
from brokerproof.reports.timings import ORDER, latency_rows, slowest, throughput_rows
from brokerproof.topology.comparison.facts import Basis, Statement
from brokerproof.topology.comparison.table import Column, PatternTable
from brokerproof.topology.patterns.facts import Row

_MARKS: Final = {Basis.MEASURED: "m", Basis.DERIVED: "t", Basis.DOCUMENTED: "d"}
_LEGEND: Final = "m: measured in a run; t: counted in the topology; d: documented. The number is the source's."


def measured_of(document: ResultDocument) -> dict[tuple[str, Row], tuple[Statement, ...]]:
    """What a run measured, by client: throughput as bandwidth, and latency of its slowest brokers."""
    found: dict[tuple[str, Row], list[Statement]] = {}

    def say(client: str, row: Row, text: str) -> None:
        statement = Statement(text=text, basis=Basis.MEASURED, source=f"run {document.run.run_id}")
        found.setdefault((client, row), []).append(statement)

    for result in document.clients:
        client = result.view.client
        for rate in throughput_rows(result):
            say(client, Row.BANDWIDTH, f"{rate.direction} {rate.rate}, records of {rate.record_bytes:,} B")
        timed = latency_rows(result)
        for what in ORDER:
            row = slowest(timed, what)
            if row is not None:
                say(client, Row.LATENCY, f"{what}: median {row.p50}, p99 {row.p99}, slowest broker")
    for comparison in document.comparisons:
        for spread in comparison.spreads:
            median = words.percentile(spread.p50_ns, spread.samples)
            text = f"{KINDS[spread.what]}: median {median}, p99 {words.percentile(spread.p99_ns, spread.samples)}"
            say(spread.party.client, Row.LATENCY, f"{text}, in turns")
    return {key: tuple(statements) for key, statements in found.items()}


def pattern_markdown(table: PatternTable) -> str:
    """A table of rows and clients, the sources numbered below it."""
    sources = list(
        dict.fromkeys(
            statement.source for row in Row for column in table.columns for statement in column.rows.get(row, ())
        )
    )
    head = ["", *(words.printable(f"{column.client}: {column.pattern}") for column in table.columns)]
    lines = [f"# Patterns of {words.printable(table.topology)}, compared", "", _row(head), _row(["---"] * len(head))]
    lines += [_row([row.value, *(_cell(column, row, sources) for column in table.columns)]) for row in Row]
    lines += ["", _LEGEND, ""]
    lines += [f"{number}. {words.printable(source)}" for number, source in enumerate(sources, start=1)]
    return "\n".join((*lines, ""))


def _cell(column: Column, row: Row, sources: Sequence[str]) -> str:
    statements = column.rows.get(row, ())
    told = [
        f"{words.printable(one.text)} <sup>{_MARKS[one.basis]}{sources.index(one.source) + 1}</sup>"
        for one in statements
    ]
    return "<br>".join(told) or "nothing is known"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"
