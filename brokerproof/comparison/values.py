"""A comparison as values: what reports show and documents hold. No arithmetic, and nothing slow to import."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Final

from brokerproof.probes.outcome import Measured
from brokerproof.probes.outcome.base import Value

COMPARISON_VERSION: Final = 1
CONFIDENCE: Final = 0.95
"""Of all intervals of one comparison together."""
FALSE_CLAIMS: Final = 0.02
"""In how many comparisons of equal paths anything at all may be claimed of them: so few that of a hundred such
comparisons five or fewer do in 98 of 100 cases, which at 0.05 would be so in 62."""
LEAST_ROUNDS: Final = 10
"""Fewer rounds carry no interval."""
BEYOND: Final = 10
"""The samples that must lie beyond a quantile for it to be given."""


class Claim(StrEnum):
    """What may be claimed of two groups."""

    MORE = "more"
    """The first takes longer."""
    LESS = "less"
    """The first takes less."""
    NOT_TOLD_APART = "not_told_apart"
    """Whatever the difference is, these samples do not show it."""
    TOO_FEW = "too_few"
    """Too few rounds or samples for any conclusion."""


class Whose(Value, frozen=True, kw_only=True):
    """Which run of which client samples are of. ``round`` counts from 1 in a comparison, and is 0 elsewhere."""

    run_id: str
    client: str
    pattern: str
    label: str = ""
    round: int = 0


class Estimate(Value, frozen=True, kw_only=True):
    """A figure of the samples, and the interval that what it stands for lies in."""

    value: float
    low: float
    high: float


class Contrast(Value, frozen=True, kw_only=True):
    """One quantile of two groups, in nanoseconds; ``difference`` is first less second, ``ratio`` first by second.

    ``level`` is the level of each interval by itself, so much higher than :data:`CONFIDENCE` that all intervals of
    the comparison hold together. ``p_value`` is of the test in which rounds change sides; None where it was not made.
    """

    quantile: float
    verdict: Claim
    rounds: tuple[int, int]
    samples: tuple[int, int]
    paired: bool
    """The rounds of both were interleaved, so that what changed meanwhile met both."""
    level: float
    first_ns: Estimate | None = None
    second_ns: Estimate | None = None
    difference_ns: Estimate | None = None
    ratio: Estimate | None = None
    p_value: float | None = None


class Party(Value, frozen=True, kw_only=True, order=True):
    """A client through a pattern, in one run."""

    run_id: str
    client: str
    pattern: str
    label: str = ""

    @property
    def name(self) -> str:
        """As people call it: ``g (transit_gateway)``."""
        words = " ".join(part for part in (self.pattern, self.label) if part)
        return f"{self.client} ({words})" if words else self.client


class Compared(Value, frozen=True, kw_only=True):
    """One kind of time, one quantile, two parties."""

    first: Party
    second: Party
    what: Measured
    contrast: Contrast


class Spread(Value, frozen=True, kw_only=True):
    """One party's times of one kind, in nanoseconds; a quantile is None where the samples do not support it."""

    party: Party
    what: Measured
    rounds: int
    samples: int
    p50_ns: int | None
    p99_ns: int | None
    p99_scheduled_ns: int | None
    """From when each sample was due: what a stall held up is counted in full."""
    max_ns: int


class Comparison(Value, frozen=True, kw_only=True):
    """All that is compared together; its intervals hold together, and its claims are false together seldom.

    ``interleaved``: rounds of all parties took turns. Otherwise what changed between the runs is in the
    differences, and no interval knows of it.
    """

    comparison_version: int = COMPARISON_VERSION
    interleaved: bool
    seed: int
    parties: tuple[Party, ...]
    spreads: tuple[Spread, ...]
    compared: tuple[Compared, ...]


def least_rounds(claims: int) -> int:
    """How many rounds it takes to claim anything, where so much is claimed at once.

    Of ``n`` rounds that change sides at random, two choices of 2^n put all of one path on one side.
    """
    return max(LEAST_ROUNDS, math.ceil(math.log2(2 * claims / FALSE_CLAIMS)))
