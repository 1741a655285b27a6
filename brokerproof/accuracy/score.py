"""The score of a trial's answer: each injected cause is attributed, each further finding is counted. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from brokerproof.accuracy.trial import Injected, Named, Trial, TrialKind
from brokerproof.causes.codes import Code
from brokerproof.diagnosis.finding import Answer

UNKNOWN: Final = Code.UNKNOWN.value
"""The code of a finding that names no cause."""
DISTURBED: Final = frozenset({Code.TRANSIENT_OVER.value, Code.PERFORMANCE_SLOW_ANSWERS.value})
"""Codes of findings, or among their sets, that state that it was over by the next look, or late and not wrong."""
NOTHING_WRONG: Final = Answer.NOTHING_WRONG.value
OVERRUN_ALLOWED: Final = 0.05
"""The share by which a verification may exceed its deadline."""


class Attribution(StrEnum):
    """What became of one injected cause."""

    SHARP = "sharp"
    """A finding names it, alone; or it is an advice, and is given."""
    RIGHT_SET = "right_set"
    """A finding names it within a set that clients cannot tell apart, and which is stated for the fault."""
    WIDER = "wider"
    """A finding names it beside causes that are not stated for the fault."""
    HIDDEN = "hidden"
    """Without it no client saw anything else that lasts: another fault of the trial hides it."""
    UNKNOWN = "unknown"
    """Something was found, and reported as of unknown cause."""
    RIGHTLY_UNKNOWN = "rightly_unknown"
    """The catalogue has no word for it, and none is named."""
    WRONG = "wrong"
    """Other causes were named."""
    MISSED = "missed"
    """Nothing was named that another injected cause does not explain."""

    @property
    def good(self) -> bool:
        """Whether the diagnosis did all it could."""
        return self in _GOOD


_GOOD: Final = frozenset({Attribution.SHARP, Attribution.RIGHT_SET, Attribution.HIDDEN, Attribution.RIGHTLY_UNKNOWN})
NAMED: Final = frozenset({Attribution.SHARP, Attribution.RIGHT_SET, Attribution.WIDER})
"""The cause is in what a finding says."""


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """One trial's attributions in the order of its faults, and its findings that name none of them.

    ``beyond`` are false alarms: of a clean trial all findings, of another those that are there
    though every cause is named already. Only on a machine that is kept busy it is none that something was over.
    """

    causes: tuple[tuple[Injected, Attribution], ...] = ()
    stray: tuple[Named, ...] = ()
    """Every finding that names no injected cause, whether another one does or not."""
    beyond: tuple[Named, ...] = ()
    disturbed: bool = False
    """On a busy machine: something failed at first, and the finding states that it was over, or late and not wrong."""
    measured: bool = True
    answered: bool = True
    """False: the diagnosis had neither a finding nor the answer that nothing is wrong."""

    @property
    def good(self) -> bool:
        """Measured, every cause attributed as well as can be, and nothing beyond."""
        return (
            self.measured
            and self.answered
            and not self.beyond
            and all(attribution.good for _, attribution in self.causes)
        )


def score(trial: Trial) -> Score:
    """What the trial's answer is worth."""
    if trial.problem:
        return Score(measured=False, answered=False)
    # What names no injected cause is the wrong name of one that is not named, or an alarm of its own.
    stray = tuple(finding for finding in trial.named if not any(_holds(finding, cause) for cause in trial.injected))
    causes = tuple(
        (cause, _advised(cause, trial) if cause.advice else _attribute(cause, trial, stray)) for cause in trial.injected
    )
    over = tuple(finding for finding in stray if trial.kind is TrialKind.BUSY and DISTURBED & set(finding.codes))
    named_wrongly = any(attribution in {Attribution.WRONG, Attribution.UNKNOWN} for _, attribution in causes)
    return Score(
        causes=causes,
        stray=stray,
        beyond=() if named_wrongly else tuple(finding for finding in stray if finding not in over),
        disturbed=bool(over),
        answered=bool(trial.named) or trial.answer == NOTHING_WRONG,
    )


def _holds(finding: Named, cause: Injected) -> bool:
    return cause.cause in finding.codes


def _advised(cause: Injected, trial: Trial) -> Attribution:
    if cause.cause in trial.advised:
        return Attribution.SHARP
    return Attribution.HIDDEN if cause.fault in trial.hidden else Attribution.MISSED


def _attribute(cause: Injected, trial: Trial, stray: tuple[Named, ...]) -> Attribution:
    holding = [finding for finding in trial.named if _holds(finding, cause)]
    if any(set(finding.codes) == {cause.cause} for finding in holding):
        return Attribution.RIGHTLY_UNKNOWN if cause.cause == UNKNOWN else Attribution.SHARP
    if any(set(finding.codes) <= set(cause.codes) for finding in holding):
        return Attribution.RIGHT_SET
    if cause.fault in trial.hidden:
        return Attribution.HIDDEN
    if holding:
        return Attribution.WIDER
    if any(set(finding.codes) != {UNKNOWN} for finding in stray):
        return Attribution.WRONG
    return Attribution.UNKNOWN if stray else Attribution.MISSED


def set_size(cause: Injected, trial: Trial) -> int | None:
    """How many causes the narrowest finding that names this one leaves; None where none names it."""
    if cause.advice:
        return 1 if cause.cause in trial.advised else None
    return min((len(finding.codes) for finding in trial.named if _holds(finding, cause)), default=None)


def is_alone(finding: Named) -> bool:
    """Whether it names one cause, and is sure of it."""
    return len(finding.codes) == 1 and finding.codes != (UNKNOWN,)
