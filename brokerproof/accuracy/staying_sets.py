"""Which sets a diagnosis left as sets, and why: what clients observe alike, and what tells the causes apart. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from brokerproof.accuracy.matrix import Matrix
from brokerproof.accuracy.score import Attribution, score
from brokerproof.accuracy.trial import TrialKind
from brokerproof.causes.catalogue import CATALOGUE
from brokerproof.causes.catalogue.entry import Entry
from brokerproof.causes.codes import Code


class StayingSet(msgspec.Struct, frozen=True, kw_only=True):
    """A set that was right, and no narrower, in trials of one fault."""

    codes: tuple[str, ...]
    trials: int
    observed: tuple[str, ...]
    """What a client observes of the causes that were injected: the others of the set look the same to it."""
    told_apart_by: tuple[str, ...]
    """Calls and commands that show which of the causes it is; none where the catalogue knows none."""


def sets_that_stay(matrix: Matrix) -> tuple[StayingSet, ...]:
    """Every right set of the trials of one fault, the most frequent first."""
    injected: dict[tuple[str, ...], Counter[str]] = {}
    for trial in matrix.trials:
        if trial.kind is not TrialKind.SINGLE:
            continue
        for cause, attribution in score(trial).causes:
            if attribution is Attribution.RIGHT_SET:
                sets = [finding.codes for finding in trial.named if cause.cause in finding.codes]
                narrowest = min((tuple(sorted(codes)) for codes in sets), key=lambda codes: (len(codes), codes))
                injected.setdefault(narrowest, Counter())[cause.cause] += 1
    ordered = sorted(injected.items(), key=lambda one: (-one[1].total(), one[0]))
    return tuple(_set(codes, causes) for codes, causes in ordered)


def _set(codes: tuple[str, ...], causes: Counter[str]) -> StayingSet:
    return StayingSet(
        codes=codes,
        trials=causes.total(),
        observed=_distinct([entry.evidence for code, _ in causes.most_common() for entry in _entry(code)]),
        told_apart_by=_distinct([entry.call for code in codes for entry in _entry(code)]),
    )


def _entry(code: str) -> tuple[Entry, ...]:
    """The catalogue's entry; none for a code of an older proof that is no longer there."""
    return (CATALOGUE[Code(code)],) if code in set(Code) else ()


def _distinct(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in texts if text))
