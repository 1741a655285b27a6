"""Two groups of samples against each other: quantiles, difference and ratio with intervals, and what may be claimed.

Samples of one connection after another are not independent, so what is resampled is a whole round, never a
sample. Pure: arrays in, values out; the drawing has a seed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from brokerproof.comparison.values import BEYOND, CONFIDENCE, FALSE_CLAIMS, Claim, Contrast, Estimate, least_rounds

Values = NDArray[np.int64]
Ids = NDArray[np.int64]

RESAMPLES: Final = 2999
"""How often rounds are drawn again, or more where many claims are made at once."""
FINEST: Final = 4096
"""The number of ranks among which quantiles are found where there are more samples."""
_BATCH: Final = 250


def contrast(
    first: Sequence[Values],
    second: Sequence[Values],
    *,
    quantile: float,
    paired: bool,
    claims: int = 1,
    seed: int = 1,
    resamples: int = RESAMPLES,
) -> Contrast:
    """Compare one quantile of two groups.

    Two things must agree before a difference is claimed: the bootstrap interval of the difference leaves out zero,
    and rounds that change sides at random (which would change nothing, were both the same) reach such a difference
    too seldom. The second keeps the rate of false claims also where rounds are few, drift, or have long tails.

    Args:
        first: Samples by round, in nanoseconds.
        second: Likewise; with ``paired`` round by round beside the first.
        quantile: 0.5 is the median.
        paired: Whether the rounds of both were interleaved.
        claims: How many such contrasts are made in one comparison; the chance of a false one is shared among them.
        seed: The same seed draws the same.
        resamples: How often rounds are drawn again.

    Raises:
        ValueError: paired rounds that do not pair, or a quantile that is none.
    """
    if not 0 < quantile < 1:
        raise ValueError(f"quantile {quantile} is not between 0 and 1")
    if paired and len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} rounds cannot be paired")
    level = 1 - (1 - CONFIDENCE) / claims
    resamples = max(resamples, math.ceil(4 * claims / FALSE_CLAIMS))
    rounds = len(first), len(second)
    samples = sum(map(len, first)), sum(map(len, second))
    # In whole samples: 10 / (1 - 0.99) is a little more than 1,000.
    enough = round(BEYOND / min(quantile, 1 - quantile))
    blank = Contrast(
        quantile=quantile,
        verdict=Claim.TOO_FEW,
        rounds=rounds,
        samples=samples,
        paired=paired,
        level=level,
    )
    if (
        min(rounds) < least_rounds(claims)
        or round(min(samples), 6) < round(enough, 6)
        or not all(map(len, (*first, *second)))
    ):
        return blank
    units = _Units((*first, *second), quantile)
    draw = np.random.default_rng(seed)
    drawn = _Drawing(units, rounds, paired=paired, level=level, resamples=resamples, draw=draw)
    # These products are small: threads for them cost ten times what they save where cores are busy.
    with threadpool_limits(limits=1):
        difference, p_value = drawn.difference(), drawn.p_value()
        verdict = Claim.NOT_TOLD_APART
        if p_value <= FALSE_CLAIMS / claims and not difference.low <= 0 <= difference.high:
            verdict = Claim.MORE if difference.value > 0 else Claim.LESS
        return msgspec.structs.replace(
            blank,
            verdict=verdict,
            first_ns=drawn.one(0),
            second_ns=drawn.one(1),
            difference_ns=difference,
            ratio=drawn.ratio(),
            p_value=p_value,
        )


class _Units:
    """Rounds of both groups, numbered through: a quantile of any choice of them is one product of matrices."""

    def __init__(self, rounds: Sequence[Values], quantile: float) -> None:
        self._quantile = quantile
        pooled = np.sort(np.concatenate(rounds))
        # Each distinct value, or the highest of each rank where there are too many.
        self._values = np.unique(pooled if len(pooled) <= FINEST else pooled[_ranks(len(pooled))])
        counts = [np.searchsorted(np.sort(each), self._values, side="right") for each in rounds]
        self._below = np.array(counts, dtype=np.float32)
        """How many samples of each round are no greater than each value."""

    def quantile(self, ids: Ids) -> NDArray[np.float64]:
        """The quantile of the rounds named along the last axis, some of them perhaps several times."""
        number = len(self._below)
        flat = ids.reshape(-1, ids.shape[-1])
        rows = np.arange(len(flat))[:, None] * number
        times = np.bincount((flat + rows).ravel(), minlength=len(flat) * number).astype(np.float32)
        below = times.reshape(*ids.shape[:-1], number) @ self._below
        reached = below >= self._quantile * below[..., -1:]
        found: NDArray[np.float64] = self._values[np.argmax(reached, axis=-1)].astype(np.float64)
        return found


def _ranks(number: int) -> Ids:
    return np.linspace(0, number - 1, FINEST).round().astype(np.int64)


class _Drawing:
    """Rounds drawn again, by scipy; what is drawn are their numbers."""

    def __init__(
        self,
        units: _Units,
        rounds: tuple[int, int],
        *,
        paired: bool,
        level: float,
        resamples: int,
        draw: np.random.Generator,
    ) -> None:
        self._units = units
        self._first = np.arange(rounds[0])
        self._second = np.arange(rounds[0], sum(rounds))
        self._paired = paired
        self._level = level
        self._resamples = resamples
        self._draw = draw

    def one(self, which: int) -> Estimate:
        """One group's quantile."""
        return self._interval(((self._first, self._second)[which],), self._units.quantile)

    def difference(self) -> Estimate:
        """First less second."""
        return self._interval((self._first, self._second), self._less)

    def ratio(self) -> Estimate:
        """First by second; times of zero do not occur, and count as the least there is."""
        quantile = self._units.quantile
        return self._interval(
            (self._first, self._second), lambda first, second: quantile(first) / np.maximum(quantile(second), 1)
        )

    def p_value(self) -> float:
        """How often rounds that change sides at random differ as much, either way."""
        from scipy import stats  # noqa: PLC0415 - a second to import, and most who import this module draw nothing

        found = stats.permutation_test(
            (self._first, self._second),
            lambda first, second, axis: self._less(_last(first, axis), _last(second, axis)),
            permutation_type="samples" if self._paired else "independent",
            vectorized=True,
            n_resamples=self._resamples,
            batch=_BATCH,
            rng=self._draw,
        )
        return float(found.pvalue)

    def _less(self, first: Ids, second: Ids) -> NDArray[np.float64]:
        return self._units.quantile(first) - self._units.quantile(second)

    def _interval(self, data: tuple[Ids, ...], statistic: Any) -> Estimate:
        from scipy import stats  # noqa: PLC0415 - likewise

        found = stats.bootstrap(
            data,
            lambda *ids, axis: statistic(*(_last(each, axis) for each in ids)),
            paired=self._paired and len(data) > 1,
            vectorized=True,
            confidence_level=self._level,
            n_resamples=self._resamples,
            batch=_BATCH,
            method="percentile",
            rng=self._draw,
        ).confidence_interval
        return Estimate(value=float(statistic(*data)), low=float(found.low), high=float(found.high))


def _last(ids: Ids, axis: int) -> Ids:
    return np.moveaxis(ids, axis, -1)
