"""The confusion matrix: what was injected against what was diagnosed, counted from the trials. Pure.

Only :func:`matrix_of` makes one, so the counts are always those of its trials.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean, median_low
from typing import Annotated, Any, Final

import msgspec

from brokerproof.accuracy.score import NAMED, OVERRUN_ALLOWED, Attribution, is_alone, score, set_size
from brokerproof.accuracy.trial import Count, Header, Injected, Trial, TrialKind
from brokerproof.probes.outcome.base import Value
from brokerproof.probes.outcome.foreign_text import encode_json

MATRIX_VERSION: Final = 2
"""Raised with every change of shape: counts are made anew from the trials, so an older document has other ones."""
NOTHING: Final = "(nothing)"
"""What stands for no finding among the diagnosed codes, and for no fault among the injected ones."""
SCHEMA_FILE: Final = Path(__file__).parent / "schema" / "matrix.schema.json"


class MatrixError(ValueError):
    """The text is not a confusion matrix this version understands."""


class Times(Value, frozen=True, kw_only=True):
    """Time to verdict: from the first packet until everything the findings rest on had been observed.

    ``whole`` is until the slowest client had verified everything, what lies behind a fault included.
    """

    trials: Count = 0
    median_ms: Count | None = None
    """The lower of the middle two where their number is even."""
    worst_ms: Count | None = None
    worst_case: str = ""
    whole_median_ms: Count | None = None
    whole_worst_ms: Count | None = None


class Diagnosed(Value, frozen=True, kw_only=True):
    """How often a set of codes was the answer; no codes stand for no finding at all."""

    codes: tuple[str, ...]
    times: Count


class Row(Value, frozen=True, kw_only=True):
    """One fault over all trials of a kind: what it must be diagnosed as, and what became of it.

    ``single`` and ``together`` are rows of their own: among several faults the findings are those
    of the whole trial, of which each fault is given the ones that name it, else the stray ones.
    """

    fault: str
    layer: str
    kind: TrialKind
    cause: str
    codes: tuple[str, ...]
    """What it may be diagnosed as in one of its patterns or another."""
    patterns: tuple[str, ...]
    attributions: dict[Attribution, Count]
    diagnosed: tuple[Diagnosed, ...]
    times: Times

    @property
    def trials(self) -> int:
        """How often the fault was injected and measured."""
        return sum(self.attributions.values())


class Part(Value, frozen=True, kw_only=True):
    """All trials of one kind, counted."""

    kind: TrialKind
    trials: Count
    not_carried_out: Count
    good: Count
    """Trials with every cause attributed as well as can be, and no false alarm."""
    causes: Count
    attributions: dict[Attribution, Count]
    mean_set_size: Annotated[float, msgspec.Meta(ge=1)] | None
    """How many causes a finding leaves in the mean, of the findings that name an injected one."""
    wrong_alone: Count
    """Findings of one cause that is not there, said alone; of trials with a fault."""
    wrong_sets: Count
    """Findings of several causes none of which is there; of trials with a fault."""
    false_alarms: Count
    """Findings beyond the injected causes: each cause is named, and something else is as well."""
    alarmed: Count
    """Trials that have one."""
    disturbed: Count
    """Trials on a busy machine in which something failed at first, and was found well at the next look."""
    unanswered: Count
    """Trials in which the diagnosis answered that not enough was seen."""
    times: Times


class Cell(Value, frozen=True, kw_only=True):
    """How often a cause of a layer, alone in the lab, was diagnosed as of a layer; :data:`NOTHING` stands for none.

    A finding whose set has causes of several layers counts once for each.
    """

    injected: str
    diagnosed: str
    times: Count
    short: Count
    """Those of trials that are not as they must be."""


class Deadlines(Value, frozen=True, kw_only=True):
    """Verifications against their deadlines."""

    verifications: Count
    over: Count
    """Those that exceeded theirs by more than five percent."""
    worst_overrun: float
    """As a share of the deadline; 0 where every deadline was kept."""


class Matrix(Value, frozen=True, kw_only=True):
    """A proof, counted, with the trials it was counted from."""

    matrix_version: int
    header: Header
    parts: tuple[Part, ...]
    rows: tuple[Row, ...]
    cells: tuple[Cell, ...]
    deadlines: Deadlines
    not_undone: tuple[str, ...]
    """Cases whose fault could not be taken out again."""
    load: float
    """The machine's load average during the trials, the lower median; times are to be read with it."""
    trials: tuple[Trial, ...]

    @property
    def complete(self) -> bool:
        """Whether every case of the selection has its trial."""
        return len(self.trials) == self.header.cases

    @property
    def good(self) -> bool:
        """Everything that was measured was as it must be."""
        carried_out = all(part.trials - part.not_carried_out == part.good for part in self.parts)
        return carried_out and not self.not_undone and not self.deadlines.over

    @property
    def not_carried_out(self) -> int:
        """Trials without evidence."""
        return sum(part.not_carried_out for part in self.parts)


def matrix_of(header: Header, trials: Iterable[Trial]) -> Matrix:
    """Count the trials."""
    ordered = tuple(sorted(trials, key=lambda trial: trial.case_id))
    clients = [client for trial in ordered for client in trial.clients]
    return Matrix(
        matrix_version=MATRIX_VERSION,
        header=header,
        parts=tuple(_part(kind, [t for t in ordered if t.kind is kind]) for kind in TrialKind),
        rows=tuple(_rows(ordered)),
        cells=tuple(_cells(ordered)),
        deadlines=Deadlines(
            verifications=len(clients),
            over=sum(client.overrun > OVERRUN_ALLOWED for client in clients),
            worst_overrun=max((client.overrun for client in clients), default=0.0),
        ),
        not_undone=tuple(trial.case_id for trial in ordered if trial.not_undone),
        load=median_low(one.load for one in ordered) if ordered else 0.0,
        trials=ordered,
    )


def _part(kind: TrialKind, trials: Sequence[Trial]) -> Part:
    scores = [score(trial) for trial in trials]
    attributions = Counter(attribution for one in scores for _, attribution in one.causes)
    stray = [] if kind.is_clean else [finding for one in scores for finding in one.stray]
    sizes = [
        size
        for one, trial in zip(scores, trials, strict=True)
        for cause, attribution in one.causes
        if attribution in NAMED and (size := set_size(cause, trial)) is not None
    ]
    return Part(
        kind=kind,
        trials=len(trials),
        not_carried_out=sum(not one.measured for one in scores),
        good=sum(one.good for one in scores),
        causes=sum(len(one.causes) for one in scores),
        attributions=_counted(attributions),
        mean_set_size=round(fmean(sizes), 2) if sizes else None,
        wrong_alone=sum(is_alone(finding) for finding in stray),
        wrong_sets=sum(len(finding.codes) > 1 for finding in stray),
        false_alarms=sum(len(one.beyond) for one in scores),
        alarmed=sum(bool(one.beyond) for one in scores),
        disturbed=sum(one.disturbed for one in scores),
        unanswered=sum(one.measured and not one.answered for one in scores),
        times=_times(trials),
    )


def _counted(attributions: Counter[Attribution]) -> dict[Attribution, int]:
    """In the order of the enum, every member, so that a column is never missing."""
    return {attribution: attributions[attribution] for attribution in Attribution}


def _times(trials: Sequence[Trial]) -> Times:
    timed = [(trial.verdict_ms, trial.case_id) for trial in trials if trial.verdict_ms is not None]
    if not timed:
        return Times()
    worst_ms, worst_case = max(timed)
    whole = [max(client.took_ms for client in trial.clients) for trial in trials if trial.clients]
    return Times(
        trials=len(timed),
        median_ms=median_low(ms for ms, _ in timed),
        worst_ms=worst_ms,
        worst_case=worst_case,
        whole_median_ms=median_low(whole) if whole else None,
        whole_worst_ms=max(whole, default=None),
    )


def _rows(trials: Sequence[Trial]) -> Iterable[Row]:
    found: dict[tuple[TrialKind, str, str, str], list[tuple[Trial, Injected, Attribution]]] = {}
    for trial in trials:
        for cause, attribution in score(trial).causes:
            found.setdefault((trial.kind, cause.layer, cause.fault, cause.cause), []).append(
                (trial, cause, attribution)
            )
    for (kind, layer, fault, cause_code), entries in sorted(found.items()):
        yield Row(
            fault=fault,
            layer=layer,
            kind=kind,
            cause=cause_code,
            codes=tuple(sorted({code for _, cause, _ in entries for code in cause.codes})),
            patterns=tuple(sorted({trial.pattern for trial, _, _ in entries})),
            attributions=_counted(Counter(attribution for _, _, attribution in entries)),
            diagnosed=_diagnosed(entries),
            times=_times([trial for trial, _, _ in entries]),
        )


def _diagnosed(entries: Sequence[tuple[Trial, Injected, Attribution]]) -> tuple[Diagnosed, ...]:
    counted: Counter[tuple[str, ...]] = Counter()
    for trial, cause, _ in entries:
        counted.update(answers_for(trial, cause))
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Diagnosed(codes=codes, times=times) for codes, times in ordered)


def answers_for(trial: Trial, cause: Injected) -> tuple[tuple[str, ...], ...]:
    """The sets of codes that answer one cause: those that have it, else those that have none; or one empty set.

    Two findings of the same set are one answer.
    """
    if cause.advice and cause.cause in trial.advised:
        return ((cause.cause,),)
    holding = [f.codes for f in trial.named if cause.cause in f.codes]
    stray = [f.codes for f in trial.named if not any(one.cause in f.codes for one in trial.injected)]
    return tuple(dict.fromkeys(holding or stray or [()]))


def _cells(trials: Sequence[Trial]) -> Iterable[Cell]:
    counted: Counter[tuple[str, str]] = Counter()
    short: Counter[tuple[str, str]] = Counter()
    for trial in trials:
        if trial.problem or trial.kind is TrialKind.TOGETHER:
            continue
        injected = layer_of(trial.injected[0].cause) if trial.injected else NOTHING
        given = {cause.cause for cause in trial.injected if cause.advice} & set(trial.advised)
        layers = {layer_of(code) for codes in (given, *(f.codes for f in trial.named)) for code in codes} or {NOTHING}
        where = [(injected, diagnosed) for diagnosed in layers]
        counted.update(where)
        short.update(where if not score(trial).good else ())
    for (injected, diagnosed), times in sorted(counted.items()):
        yield Cell(injected=injected, diagnosed=diagnosed, times=times, short=short[injected, diagnosed])


def layer_of(code: str) -> str:
    """The layer a code begins with: ``dns`` of ``dns.record_missing``."""
    return code.partition(".")[0]


class _Versioned(msgspec.Struct, frozen=True):
    matrix_version: int


_decoder: Final = msgspec.json.Decoder(Matrix)
_version_decoder: Final = msgspec.json.Decoder(_Versioned)


def encode_matrix(matrix: Matrix) -> bytes:
    """The matrix as JSON, one line."""
    return encode_json(matrix) + b"\n"


def decode_matrix(text: bytes | str) -> Matrix:
    """Read a matrix of this version.

    Raises:
        MatrixError: not JSON, a later version, a field that is missing, unknown or wrong, or counts that
            are not those of the trials.
    """
    try:
        version = _version_decoder.decode(text).matrix_version
        if version != MATRIX_VERSION:
            raise MatrixError(f"confusion matrix version {version}; this brokerproof reads version {MATRIX_VERSION}")
        matrix = _decoder.decode(text)
    except msgspec.DecodeError as error:
        raise MatrixError(f"not a confusion matrix: {error}") from error
    if matrix != matrix_of(matrix.header, matrix.trials):
        raise MatrixError("the counts are not those of the trials beside them")
    return matrix


def decode_matrices(text: bytes) -> tuple[Matrix, ...]:
    """Read what a page of several proofs has beside it: one matrix a line.

    Raises:
        MatrixError: as of :func:`decode_matrix`.
    """
    return tuple(map(decode_matrix, text.splitlines() or [b""]))


def schema_text() -> str:
    """The JSON Schema (draft 2020-12) of the matrix, as it is committed."""
    generated: dict[str, Any] = msgspec.json.schema(Matrix)
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:brokerproof:confusion-matrix:{MATRIX_VERSION}",
        "title": f"brokerproof confusion matrix, version {MATRIX_VERSION}",
        **generated,
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
