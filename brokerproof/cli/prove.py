"""``brokerproof lab prove``: inject faults into the lab, diagnose them, and count how often that was right."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from brokerproof.accuracy import rules, stored_evidence
from brokerproof.accuracy.account_witness import AccountWitness
from brokerproof.accuracy.busy import LOOPS, busy_machine
from brokerproof.accuracy.campaign import Carrier, CarrierError, Progress, run
from brokerproof.accuracy.cases import Case, case_of, cases_of, digest, expected
from brokerproof.accuracy.matrix import Matrix, MatrixError, decode_matrices, encode_matrix, matrix_of
from brokerproof.accuracy.matrix_text import summary, verdict
from brokerproof.accuracy.prover import Prover
from brokerproof.accuracy.render import JSON, markdown, render, why
from brokerproof.accuracy.score import score
from brokerproof.accuracy.trial import Header, Selection, Trial, TrialKind, Which
from brokerproof.accuracy.trial_journal import NAME, TrialJournal, latest, read
from brokerproof.aws.audit.values import Audit
from brokerproof.cli.endings import COULD_NOT, INTERRUPTED, NOT_RIGHT, WRONG_USE, Said, as_sentences
from brokerproof.extras import Extra, require
from brokerproof.lab.daemons import kafka_dist
from brokerproof.lab.faults import FAULTS
from brokerproof.lab.faults.fault import FaultLayer
from brokerproof.lab.life import preflight
from brokerproof.reports.environment import describe_host, describe_tool
from brokerproof.reports.files import write_atomically
from brokerproof.reports.words import duration, figure
from brokerproof.running.planning import LEAST_VERDICT_MS, VERDICT_MS, limits_within
from brokerproof.topology.patterns import PATTERNS
from brokerproof.wording import one_line, printable

DRAWS: Final = 100
_SELECTING: Final = (
    "pattern",
    "layer",
    "fault",
    "singles",
    "clean",
    "busy",
    "together",
    "draws",
    "seed",
    "clients",
    "verdict_within",
)


@click.command("prove")
@click.option(
    "--pattern", multiple=True, type=click.Choice(sorted(PATTERNS)), help="Only this pattern; may be given again."
)
@click.option(
    "--layer", multiple=True, type=click.Choice([e.value for e in FaultLayer]), help="Only faults of this layer."
)
@click.option("--fault", multiple=True, type=click.Choice(sorted(FAULTS)), metavar="FAULT", help="Only this fault.")
@click.option("--singles/--no-singles", default=True, show_default=True, help="Inject each fault alone.")
@click.option("--clean", type=click.IntRange(min=0), default=0, help="Run N trials without a fault, over all patterns.")
@click.option(
    "--busy",
    type=click.IntRange(min=0),
    default=0,
    help=f"The same N times with {LOOPS} busy loops and a disk at work, which are started and ended here.",
)
@click.option("--together", type=click.IntRange(min=2, max=8), default=None, help="Draw combinations of 2 to N faults.")
@click.option(
    "--draws", type=click.IntRange(min=1), default=None, help=f"How many combinations to draw [default: {DRAWS}]."
)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed draws the same faults.")
@click.option(
    "--clients",
    type=click.Choice([e.value for e in Which]),
    default=Which.ALL.value,
    show_default=True,
    help="Which clients' evidence is diagnosed.",
)
@click.option(
    "--verdict-within",
    type=click.FloatRange(min=LEAST_VERDICT_MS / 1000, max=60),
    default=VERDICT_MS / 1000,
    show_default=True,
    help="Seconds from the first packet until silence must have become a verdict.",
)
@click.option(
    "--workers", type=click.IntRange(1, 16), default=1, show_default=True, help="How many labs run at the same time."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="Where matrix.json, .md, .html and the journal go [default: results/proof-TIME].",
)
@click.option("--resume", is_flag=True, help="Continue the proof in the folder of -o, with the selection stored there.")
@click.option(
    "--render",
    "rendered",
    type=click.Path(path_type=Path),
    metavar="DIRECTORY|FILE",
    multiple=True,
    help="Run nothing: write the Markdown and HTML of this folder's matrix.json again; with a file only --page. May be "
    "given again: --page then has all of them.",
)
@click.option("--keep", is_flag=True, help="Keep what every client observed in each trial, for --rediagnose.")
@click.option(
    "--rediagnose",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="Run nothing: diagnose the evidence kept in this folder again, and write its matrix anew.",
)
@click.option(
    "--aws",
    is_flag=True,
    help="Let the account be a second witness: what the faulty configuration proves, read by the AWS API. With "
    "--rediagnose the matrix goes into the folder aws beside the evidence.",
)
@click.option(
    "--page",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Write the Markdown to this file too, and the matrix beside it.",
)
@click.pass_context
@as_sentences
def lab_prove(
    context: click.Context,
    /,
    *,
    output: Path | None,
    resume: bool,
    rendered: tuple[Path, ...],
    rediagnose: Path | None,
    keep: bool,
    aws: bool,
    page: Path | None,
    workers: int,
    **chosen: Any,
) -> None:
    """Put every fault into the lab, diagnose it, and count how often the diagnosis is right.

    Exit codes: 0 everything is right; 1 something was missed, wrong, not undone or beyond its deadline; 2 wrong use;
    3 some trials could not be carried out, and the others are right.
    """
    given = [
        name for name in _SELECTING if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    ]
    idle = [*given, *(["output"] if output else []), *(["resume"] if resume else []), *(["keep"] if keep else [])]
    if rendered:
        _refuse([*idle, *(["aws"] if aws else []), *(["rediagnose"] if rediagnose else [])], "--render runs nothing")
        proofs = tuple(matrix for what in rendered for matrix in _again(what, page))
    elif rediagnose is not None:
        _refuse(idle, "--rediagnose runs nothing")
        proofs = (_diagnosed_again(rediagnose, aws=aws),)
    else:
        if resume:
            _refuse([*given, *(["aws"] if aws else [])], "--resume continues what was chosen")
            if output is None:
                raise Said("--resume needs -o DIR: the folder of the proof to continue", WRONG_USE)
        proofs = (_prove(output, resume=resume, selection=_selection(aws=aws, **chosen), workers=workers, keep=keep),)
    if page is not None:
        _write(partial(write_atomically, page, markdown(*proofs).encode()))
        _write(partial(write_atomically, page.with_suffix(".json"), b"".join(map(encode_matrix, proofs))))
    sys.exit(0 if rendered else _code(proofs[0]))


def _refuse(given: list[str], because: str) -> None:
    if given:
        raise Said(f"{because}: leave out {', '.join('--' + name.replace('_', '-') for name in given)}", WRONG_USE)


def _selection(
    *,
    aws: bool,
    pattern: tuple[str, ...],
    layer: tuple[str, ...],
    fault: tuple[str, ...],
    singles: bool,
    clean: int,
    busy: int,
    together: int | None,
    draws: int | None,
    seed: int,
    clients: str,
    verdict_within: float,
) -> Selection:
    if draws is not None and together is None:
        raise Said("--draws needs --together, which sets how many faults are injected at once: give both", WRONG_USE)
    return Selection(
        patterns=tuple(dict.fromkeys(pattern)),
        layers=tuple(dict.fromkeys(layer)),
        faults=tuple(dict.fromkeys(fault)),
        singles=singles,
        clean=clean,
        busy=busy,
        together=together or 0,
        draws=(draws or DRAWS) if together else 0,
        seed=seed,
        clients=Which(clients),
        verdict_ms=round(verdict_within * 1000),
        aws=aws,
    )


def _again(what: Path, page: Path | None) -> tuple[Matrix, ...]:
    path = what / JSON if what.is_dir() or not what.suffix else what
    if path == what and page is None:
        raise Said(f"{what} is a file: give --page, where its Markdown goes", WRONG_USE)
    try:
        proofs = decode_matrices(path.read_bytes())
    except OSError as error:
        raise Said(f"{path}: cannot be read: {error.strerror or error}", WRONG_USE) from None
    except MatrixError as error:
        raise Said(f"{path}: {error}", WRONG_USE) from None
    if path != what:
        for matrix in proofs:
            _write(partial(render, matrix, what))
    return proofs


def _prove(output: Path | None, *, resume: bool, selection: Selection, workers: int, keep: bool) -> Matrix:
    folder = output or Path("results") / f"proof-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    journal = TrialJournal.resume(folder) if resume else None
    cases = cases_of(selection if journal is None else journal.header.selection)
    if journal is not None and (journal.header.digest, journal.header.rules) != (digest(cases), rules.digest()):
        journal.close()
        raise Said(
            f"{journal.path}: faults, patterns or rules have changed since; begin anew in another folder", WRONG_USE
        )
    _require_lab(cases, workers)
    if (selection if journal is None else journal.header.selection).aws:
        require(Extra.AWS, "the account as a witness")
    if journal is None:
        journal = TrialJournal.begin(folder, _header(selection, cases))
    with journal:
        carry_out = partial(
            run,
            workers=workers,
            carrier=partial(
                _prover, journal.header.selection, folder if keep or stored_evidence.is_in(folder) else None
            ),
            on_trial=partial(_note, journal),
        )
        known = {trial.case_id for trial in journal.done}
        busy = [case for case in cases if case.kind is TrialKind.BUSY]
        try:
            carry_out([case for case in cases if case.kind is not TrialKind.BUSY], done=journal.done)
            if any(case.case_id not in known for case in busy):
                with busy_machine():
                    carry_out(busy, done=journal.done)
        except KeyboardInterrupt:
            _finish(journal, folder)
            raise Said(f"interrupted; continue with: brokerproof lab prove -o {folder} --resume", INTERRUPTED) from None
        except CarrierError as error:
            _finish(journal, folder)
            raise Said(f"{error}; what was measured is in {folder}", COULD_NOT) from error
        return _finish(journal, folder)


def _diagnosed_again(folder: Path, *, aws: bool) -> Matrix:
    """Expectations are today's too, where the fault is still there."""
    header, trials = read(folder / NAME)
    try:
        if aws:
            require(Extra.AWS, "the account as a witness")
        audited = _audited() if aws else _by_packets_alone
        again = stored_evidence.diagnosed_again(folder, map(_expected_today, trials), audited)
    except stored_evidence.StoredEvidenceError as error:
        raise Said(str(error), WRONG_USE) from None
    today = rules.digest()
    younger = header.rules != today or [t.injected for t in again] != [t.injected for t in trials]
    selection = msgspec.structs.replace(header.selection, aws=aws)
    header = msgspec.structs.replace(
        header, selection=selection, rules=today, diagnosed_again=header.diagnosed_again or younger
    )
    return _shown(matrix_of(header, again), folder / "aws" if aws else folder)


def _by_packets_alone(_trial: Trial) -> Audit | None:
    return None


def _audited() -> Callable[[Trial], Audit | None]:
    """What the account shows in each trial; None where one of its faults is no longer there."""
    witness = AccountWitness()

    def audited(trial: Trial) -> Audit | None:
        case = case_of(trial)
        return None if case is None else witness.of(case)

    return audited


def _expected_today(trial: Trial) -> Trial:
    injected = tuple(
        expected(FAULTS[cause.fault], trial.pattern) if cause.fault in FAULTS else cause for cause in trial.injected
    )
    return msgspec.structs.replace(trial, injected=injected)


def _require_lab(cases: tuple[Case, ...], workers: int) -> None:
    """Refuse before the journal is begun where no lab can run at all."""
    cluster = cases[0].intended.clusters[0]
    kafka_dist.locate(cluster.kafka_version, environ=os.environ)
    found = preflight.check(os.environ, brokers=workers * len(cluster.brokers))
    if found:
        raise Said("this machine cannot run the lab yet:\n" + "\n".join(f"- {p}" for p in found), COULD_NOT)


def _header(selection: Selection, cases: tuple[Case, ...]) -> Header:
    return Header(
        started=datetime.now(UTC),
        version=describe_tool().version,
        host=describe_host(),
        selection=selection,
        cases=len(cases),
        digest=digest(cases),
        rules=rules.digest(),
    )


def _prover(selection: Selection, keep_in: Path | None) -> Carrier:
    return Prover(
        which=selection.clients,
        limits=limits_within(selection.verdict_ms),
        progress=lambda text: click.echo(printable(f"  {text}"), err=True),
        keep=None if keep_in is None else partial(stored_evidence.keep, keep_in),
        witness=AccountWitness() if selection.aws else None,
    )


def _note(journal: TrialJournal, progress: Progress) -> None:
    """Write a trial down, and print its score."""
    trial = progress.trial
    journal.add(trial)
    worth = score(trial)
    said = "as it must be" if worth.good and not trial.not_undone else why(trial)
    took = "" if trial.verdict_ms is None else f", {figure(trial.verdict_ms / 1000)} s"
    left = duration(int(progress.left_s * 1e9)) if progress.left_s else "nothing"
    line = f"[{progress.done}/{progress.cases}, {left} left] {trial.case_id}: {said}{took}"
    click.echo(one_line(line), err=True)


def _finish(journal: TrialJournal, folder: Path) -> Matrix:
    return _shown(matrix_of(journal.header, latest(journal.trials)), folder)


def _shown(matrix: Matrix, folder: Path) -> Matrix:
    """Write all renderings, and print the sum."""
    _write(partial(folder.mkdir, parents=True, exist_ok=True))
    made = _write(partial(render, matrix, folder))
    for part in matrix.parts:
        if part.trials:
            click.echo(f"{part.kind.value}: {summary(part)}")
    click.echo(f"{verdict(matrix)}\n  {', '.join(map(str, made))}")
    return matrix


def _write(writing: Callable[[], Any]) -> Any:
    try:
        return writing()
    except OSError as error:
        raise Said(
            f"{error.filename or 'the folder'}: cannot be written: {error.strerror or error}", COULD_NOT
        ) from None


def _code(matrix: Matrix) -> int:
    if not matrix.good:
        return NOT_RIGHT
    return COULD_NOT if matrix.not_carried_out or not matrix.complete else 0
