"""A comparison for people: tables and sentences, in the terminal and as Markdown. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from brokerproof.comparison.statements import KINDS, basis, in_ms, quantile_name, sentence
from brokerproof.comparison.values import Claim, Comparison, Contrast, Spread
from brokerproof.reports import words
from brokerproof.reports.document import ResultDocument

_SPREAD_HEAD: Final = ("client", "what", "median", "p99", "p99 since due", "max", "samples", "rounds")
_PAIR_HEAD: Final = ("first", "second", "what", "quantile", "difference ms", "interval ms", "ratio", "told apart")
_VERDICTS: Final = {
    Claim.MORE: "first slower",
    Claim.LESS: "second slower",
    Claim.NOT_TOLD_APART: "no",
    Claim.TOO_FEW: "too few",
}


def claims(comparison: Comparison) -> int:
    """How many differences are claimed."""
    told = {Claim.MORE, Claim.LESS}
    return sum(one.contrast.verdict in told for one in comparison.compared)


def print_comparison(comparison: Comparison, console: Console, *, reports: Iterable[tuple[str, str]] = ()) -> None:
    """Spread, differences and sentences; ``reports`` names files and what each is."""
    parts: list[RenderableType] = [
        _table(_SPREAD_HEAD, map(_spread_row, comparison.spreads), left=2),
        Text(""),
        *(Text(told) for told in told_claims(comparison)),
        Text(""),
        Text(basis(comparison), style="dim"),
        *(Text(f"{what}: {where}") for what, where in reports),
    ]
    console.print(Group(*parts), highlight=False, markup=False)


def told_claims(comparison: Comparison) -> tuple[str, ...]:
    """A sentence a pair, kind and quantile."""
    return tuple(sentence(one, len(comparison.compared)) for one in comparison.compared)


def markdown(comparison: Comparison, *, title: str = "Comparison") -> str:
    """The same as Markdown, with every figure."""
    return "\n".join(
        (
            f"# {title}",
            "",
            *(f"- {words.printable(told)}" for told in told_claims(comparison)),
            "",
            basis(comparison),
            "",
            *_markdown_table(_PAIR_HEAD, _pair_rows(comparison), left=4),
            "",
            *_markdown_table(_SPREAD_HEAD, map(_spread_row, comparison.spreads), left=2),
            "",
        )
    )


def markdown_of(document: ResultDocument) -> str:
    """The comparisons of a run, and what a reader must know of it."""
    run = document.run
    about = (
        f"Run {run.run_id}, target {run.target}, brokerproof {run.tool.version}, "
        f"{words.count(run.host.cores, 'core')}, kernel {run.host.kernel}."
    )
    partial = [f"This run is partial: {why}" for why in document.incomplete_because[:10]]
    compared = [markdown(one, title="Clients compared") for one in document.comparisons]
    return "\n".join((*compared, *(f"{line}\n" for line in (about, *partial))))


def _spread_row(spread: Spread) -> tuple[str, ...]:
    return (
        words.printable(spread.party.name),
        KINDS[spread.what],
        words.percentile(spread.p50_ns, spread.samples),
        words.percentile(spread.p99_ns, spread.samples),
        words.percentile(spread.p99_scheduled_ns, spread.samples),
        words.duration(spread.max_ns),
        f"{spread.samples:,}",
        f"{spread.rounds:,}",
    )


def _pair_rows(comparison: Comparison) -> Iterable[tuple[str, ...]]:
    for one in comparison.compared:
        said = one.contrast
        yield (
            words.printable(one.first.name),
            words.printable(one.second.name),
            KINDS[one.what],
            quantile_name(said.quantile),
            *_figures(said),
            _VERDICTS[said.verdict],
        )


def _figures(said: Contrast) -> tuple[str, str, str]:
    if said.difference_ns is None or said.ratio is None:
        return "-", "-", "-"
    value, low, high = in_ms(said.difference_ns)
    return value, f"{low} to {high}", f"{said.ratio.value:.3g} ({said.ratio.low:.3g} to {said.ratio.high:.3g})"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], *, left: int) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    for index, name in enumerate(head):
        table.add_column(name, justify="left" if index < left else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]], *, left: int) -> Iterable[str]:
    yield _markdown_row(head)
    yield _markdown_row(["---" if index < left else "---:" for index in range(len(head))])
    for row in rows:
        yield _markdown_row(row)


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"
