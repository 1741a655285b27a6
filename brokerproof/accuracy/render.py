"""A confusion matrix on disk: JSON, Markdown and one self-contained HTML file.

Everything shown comes from the matrix. The text is in :mod:`brokerproof.accuracy.matrix_text`, how the page looks
in ``templates/`` and in the style sheet of the reports.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from datetime import UTC
from pathlib import Path
from typing import Final

import jinja2

from brokerproof.accuracy import matrix_text
from brokerproof.accuracy.matrix import NOTHING, Cell, Matrix, Row, encode_matrix
from brokerproof.accuracy.score import Attribution, score
from brokerproof.accuracy.staying_sets import sets_that_stay
from brokerproof.accuracy.trial import Trial
from brokerproof.reports.files import write_atomically
from brokerproof.reports.templating import TEMPLATES as REPORT_TEMPLATES
from brokerproof.reports.templating import engine, finalized
from brokerproof.reports.words import printable

TEMPLATES: Final = Path(__file__).parent / "templates"
JSON, MARKDOWN, HTML = "matrix.json", "matrix.md", "matrix.html"


def render(matrix: Matrix, folder: Path) -> tuple[Path, ...]:
    """Write all three, each whole or not at all.

    Raises:
        OSError: the folder cannot be written.
    """
    made = {JSON: encode_matrix(matrix), MARKDOWN: markdown(matrix).encode(), HTML: html(matrix).encode()}
    for name, content in made.items():
        write_atomically(folder / name, content)
    return tuple(folder / name for name in made)


# Markdown


def markdown(*proofs: Matrix) -> str:
    """One proof or several as a page of documentation."""
    return "\n".join(line for part in _sections(proofs) for line in (*part, "")).rstrip("\n") + "\n"


def _sections(proofs: Sequence[Matrix]) -> Iterable[Sequence[str]]:
    younger = f", {matrix_text.YOUNGER}" if any(matrix.header.diagnosed_again for matrix in proofs) else ""
    yield (f"# How right the diagnosis is{younger}",)
    yield (
        "Real faults were put into the lab, the clients of each pattern verified their path, and what the diagnosis",
        "made of their evidence was compared with what had been done. What each fault may be taken for is written down",
        "with the fault, apart from the rules. This page is written by `brokerproof lab prove` from its measurements;",
        "nothing in it is typed.",
    )
    parts = [(matrix, part) for matrix in proofs for part in matrix.parts if part.trials]
    yield (
        _table(
            ("", *matrix_text.FIGURES),
            [(matrix_text.heading(matrix, part.kind), *matrix_text.figures(part)) for matrix, part in parts],
        ),
    )
    yield (
        f"Shares are of the causes that could be seen, with the {matrix_text.CONFIDENCE:.0%} interval (Wilson) that so",
        "many cases leave. A finding that names no injected cause is wrong: said alone, or as a set; where every cause",
        "is named already, it is a false alarm too.",
    )
    yield (
        _table(
            ("trials", "what became of them", "time to verdict"),
            [
                (matrix_text.heading(matrix, part.kind), matrix_text.summary(part), matrix_text.times(part.times))
                for matrix, part in parts
            ],
        ),
    )
    yield (
        "Time to verdict is from a client's first packet until the last check that a finding rests on had failed. The",
        "whole verification goes on: what lies behind the fault, and what is well, is verified to its end.",
    )
    for matrix in proofs:
        yield from _made_by(matrix)
    yield (
        _table(
            ("word", "meaning"),
            [(matrix_text.HEADS[attribution], matrix_text.MEANS[attribution]) for attribution in Attribution],
        ),
    )
    for matrix in proofs:
        yield from _details(matrix)


def _made_by(matrix: Matrix) -> Iterable[Sequence[str]]:
    header, host = matrix.header, matrix.header.host
    yield (f"**{matrix_text.verdict(matrix)[:1].upper()}{matrix_text.verdict(matrix)[1:]}.**",)
    yield (
        f"Deadlines: {matrix_text.deadlines(matrix)}.",
        f"Faults taken out again: {_undone(matrix)}.",
        f"The machine: {matrix_text.load(matrix)}.",
    )
    yield ("Made by",)
    yield (
        "```",
        matrix_text.chosen(header.selection),
        "```",
    )
    yield (
        f"with brokerproof {header.version} ({matrix_text.rules(matrix)}), begun",
        f"{header.started.astimezone(UTC):%Y-%m-%d %H:%M} UTC, on Linux {host.kernel}, {host.machine},",
        f"{host.cores} cores, Python {host.python}.",
    )
    if header.diagnosed_again:
        yield (f"{matrix_text.AGAIN}.",)


def _details(matrix: Matrix) -> Iterable[Sequence[str]]:
    if matrix.cells:
        yield (
            "## Layer by layer",
            "",
            "The cause's layer from top to bottom, what it was diagnosed as from left to right; a set with causes of",
            "several layers counts in each. In brackets: of trials that are not as they must be.",
        )
        yield (_by_layer(matrix),)
    for kind in matrix_text.FAULTY:
        if matrix_text.layers_of(matrix, kind):
            heading = matrix_text.heading(matrix, kind)
            yield (f"## {heading[:1].upper()}{heading[1:]}",)
        for layer in matrix_text.layers_of(matrix, kind):
            yield (f"### {matrix_text.layer(layer)}",)
            yield (_faults(matrix_text.rows_of(matrix, kind, layer)),)
    staying = sets_that_stay(matrix)
    if staying:
        yield ("## What stays a set, and why",)
        yield (matrix_text.STAYING,)
        yield (
            _table(
                ("set", "trials", "what clients observe alike", "what tells the causes apart"),
                [
                    (_codes(one.codes), f"{one.trials:,}", "; ".join(one.observed), "; ".join(one.told_apart_by))
                    for one in staying
                ],
            ),
        )
    wrong = _short(matrix)
    if wrong:
        yield ("## What fell short",)
        yield (_table(("trial", "injected", "diagnosed", "why it counts"), [_short_row(trial) for trial in wrong]),)


def _by_layer(matrix: Matrix) -> str:
    columns = diagnosed_layers(matrix)
    return _table(
        ("injected", *map(_layer, columns)),
        [
            (_layer(row), *(_in_brackets(cell(matrix, row, column)) for column in columns))
            for row in injected_layers(matrix)
        ],
    )


def _in_brackets(one: Cell | None) -> str:
    if one is None:
        return ""
    return f"{one.times:,} ({one.short:,})" if one.short else f"{one.times:,}"


def _layer(name: str) -> str:
    return "nothing" if name == NOTHING else matrix_text.layer(name)


def _number(value: int) -> str:
    return f"{value:,}" if value else ""


def _faults(rows: Sequence[Row]) -> str:
    return _table(
        (
            "fault",
            "patterns",
            "trials",
            *(matrix_text.HEADS[one] for one in Attribution),
            "diagnosed as",
            "verdict, worst",
        ),
        [
            (
                f"`{row.fault}`",
                str(len(row.patterns)),
                f"{row.trials:,}",
                *(_number(row.attributions[one]) for one in Attribution),
                "; ".join(f"{_codes(one.codes)} ({one.times})" for one in row.diagnosed),
                matrix_text.seconds(row.times.worst_ms),
            )
            for row in rows
        ],
    )


def _codes(codes: Sequence[str]) -> str:
    return " or ".join(f"`{code}`" for code in codes) if codes else "nothing"


def _short_row(trial: Trial) -> tuple[str, str, str, str]:
    return (
        f"`{trial.case_id}`",
        ", ".join(f"`{cause.cause}`" for cause in trial.injected) or "nothing",
        "; ".join(_codes(finding.codes) for finding in trial.named) or "nothing",
        why(trial),
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(printable(text).split()).replace("|", "\\|")


# What both renderings show


def injected_layers(matrix: Matrix) -> tuple[str, ...]:
    """Rows of the table of layers; what was injected nothing into comes last."""
    return tuple(sorted({one.injected for one in matrix.cells}, key=lambda name: (name == NOTHING, name)))


def diagnosed_layers(matrix: Matrix) -> tuple[str, ...]:
    """Columns of the table of layers; no finding comes last."""
    return tuple(sorted({one.diagnosed for one in matrix.cells}, key=lambda name: (name == NOTHING, name)))


def cell(matrix: Matrix, injected: str, diagnosed: str) -> Cell | None:
    """How often a cause of one layer was diagnosed as of another; None is never."""
    return next((one for one in matrix.cells if (one.injected, one.diagnosed) == (injected, diagnosed)), None)


def why(trial: Trial) -> str:
    """Why a trial is not as it must be."""
    worth = score(trial)
    said = [f"not carried out: {trial.problem}"] if trial.problem else []
    said += [f"{cause.fault}: {matrix_text.HEADS[found]}" for cause, found in worth.causes if not found.good]
    if worth.beyond:
        said.append("false alarm: " + "; ".join(matrix_text.codes(finding.codes) for finding in worth.beyond))
    if worth.measured and not worth.answered:
        said.append("not enough seen")
    if trial.not_undone:
        said.append(f"not undone: {trial.not_undone}")
    return "; ".join(said)


def _short(matrix: Matrix) -> tuple[Trial, ...]:
    return tuple(trial for trial in matrix.trials if not score(trial).good or trial.not_undone)


def _undone(matrix: Matrix) -> str:
    tried = sum(1 for trial in matrix.trials if trial.injected and not trial.problem)
    return f"{tried - len(matrix.not_undone):,} of {tried:,}, confirmed by the clients that had observed them"


# HTML


@functools.cache
def _environment() -> jinja2.Environment:
    environment = engine(finalized, TEMPLATES, REPORT_TEMPLATES)
    environment.filters.update(
        layer=_layer, seconds=matrix_text.seconds, summary=matrix_text.summary, times=matrix_text.times, why=why
    )
    environment.globals.update(
        attributions=tuple(Attribution),
        heads=matrix_text.HEADS,
        means=matrix_text.MEANS,
        kinds=matrix_text.KINDS,
        faulty=matrix_text.FAULTY,
        figures=matrix_text.figures,
        heads_of_figures=matrix_text.FIGURES,
        layers_of=matrix_text.layers_of,
        rows_of=matrix_text.rows_of,
        is_good=matrix_text.is_good,
    )
    return environment


def html(matrix: Matrix) -> str:
    """The matrix as one page that loads nothing and runs nothing."""
    template = _environment().get_template("matrix.html.j2")
    return template.render(
        matrix=matrix,
        sentence=matrix_text.verdict(matrix),
        command=matrix_text.chosen(matrix.header.selection),
        deadlines=matrix_text.deadlines(matrix),
        load=matrix_text.load(matrix),
        again=matrix_text.AGAIN,
        younger=matrix_text.YOUNGER,
        rules=matrix_text.rules(matrix),
        staying=sets_that_stay(matrix),
        why_staying=matrix_text.STAYING,
        heading=functools.partial(matrix_text.heading, matrix),
        undone=_undone(matrix),
        started=f"{matrix.header.started.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        short=_short(matrix),
        rows=injected_layers(matrix),
        columns=diagnosed_layers(matrix),
        cell=functools.partial(cell, matrix),
    )
