"""What may be claimed of two paths: seldom what is not so, nearly always what is, and nothing without the samples."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokerproof.comparison.contrast import Values, contrast
from brokerproof.comparison.values import LEAST_ROUNDS, Claim, Contrast, least_rounds
from tests.comparison.synthetic import MS, interleaved
from tests.examples import examples

ROUNDS, EACH = 24, 12
TRIES = examples(160)
QUANTILES = (0.5, 0.9)
RESAMPLES = 999


def compared(seed: int, apart_ms: float) -> Iterator[Contrast]:
    """One comparison as a person would make it: two quantiles, the chance of a false claim shared."""
    second, first = interleaved(np.random.default_rng(seed), rounds=ROUNDS, each=EACH, apart_ms=apart_ms)
    for q in QUANTILES:
        yield contrast(first, second, quantile=q, paired=True, claims=len(QUANTILES), seed=seed, resamples=RESAMPLES)


@pytest.mark.slow
def test_two_paths_that_are_the_same_are_seldom_called_different() -> None:
    different = sum(any(one.verdict is not Claim.NOT_TOLD_APART for one in compared(seed, 0)) for seed in range(TRIES))
    assert different <= 0.05 * TRIES, different


def test_two_paths_a_millisecond_apart_are_nearly_always_told_apart() -> None:
    told = sum(next(compared(seed, 1)).verdict is Claim.MORE for seed in range(1000, 1000 + TRIES // 2))
    assert told >= 0.95 * (TRIES // 2), told


def test_samples_drawn_one_by_one_would_claim_too_much() -> None:
    """Why rounds: the same data, every sample a round of its own, is called different far too often."""
    different, tries = 0, 12
    for seed in range(tries):
        second, first = interleaved(np.random.default_rng(seed), rounds=ROUNDS, each=EACH, apart_ms=0)
        alone = [[np.array([each]) for block in group for each in block] for group in (first, second)]
        different += (
            contrast(*alone, quantile=0.5, paired=False, seed=seed, resamples=199).verdict is not Claim.NOT_TOLD_APART
        )
    assert different > 0.2 * tries, different


def blocks(rounds: int, each: int, ms: float) -> list[Values]:
    draw = np.random.default_rng(7)
    return [(MS * (ms + draw.random(each))).astype(np.int64) for _ in range(rounds)]


@pytest.mark.parametrize(
    ("rounds", "each", "quantile", "enough"),
    [
        (LEAST_ROUNDS, 2, 0.5, True),
        (LEAST_ROUNDS - 1, 50, 0.5, False),
        (19, 1, 0.5, False),
        (20, 49, 0.99, False),
        (20, 50, 0.99, True),
        (20, 0, 0.5, False),
    ],
    ids=["as few as it takes", "too few rounds", "too few samples", "p99 of 980", "p99 of 1,000", "empty rounds"],
)
def test_nothing_is_said_of_too_few(rounds: int, each: int, quantile: float, enough: bool) -> None:
    said = contrast(
        blocks(rounds, each, 5), blocks(rounds, each, 2), quantile=quantile, paired=True, resamples=RESAMPLES
    )
    assert (said.verdict is Claim.MORE) == enough
    assert (said.verdict is Claim.TOO_FEW) == (said.difference_ns is None) == (not enough)


def test_figures_are_those_of_the_samples() -> None:
    first, second = blocks(12, 10, 5), blocks(15, 7, 2)
    said = contrast(first, second, quantile=0.5, paired=False, claims=5, resamples=RESAMPLES)
    assert (said.rounds, said.samples) == ((12, 15), (120, 105))
    assert said.level == pytest.approx(0.99)
    assert said.first_ns is not None
    assert said.second_ns is not None
    assert said.difference_ns is not None
    assert said.ratio is not None
    expected = [float(np.quantile(np.concatenate(each), 0.5, method="inverted_cdf")) for each in (first, second)]
    assert [said.first_ns.value, said.second_ns.value] == expected
    assert said.difference_ns.value == expected[0] - expected[1]
    assert said.ratio.value == pytest.approx(expected[0] / expected[1])
    for estimate in (said.first_ns, said.second_ns, said.difference_ns, said.ratio):
        assert estimate.low <= estimate.value <= estimate.high


def test_many_samples_are_ranked_as_finely_as_a_quantile_needs() -> None:
    draw = np.random.default_rng(1)
    many = [draw.lognormal(15, 1, 2000).astype(np.int64) for _ in range(12)]
    said = contrast(many, blocks(12, 100, 2), quantile=0.99, paired=True, resamples=99)
    exact = float(np.quantile(np.concatenate(many), 0.99))
    assert said.first_ns is not None
    assert said.first_ns.value == pytest.approx(exact, rel=0.03)


@pytest.mark.parametrize(("claims", "rounds"), [(1, 10), (10, 10), (60, 13)])
def test_more_claims_at_once_take_more_rounds(claims: int, rounds: int) -> None:
    assert least_rounds(claims) == rounds
    one, other = blocks(rounds, 5, 5), blocks(rounds, 5, 2)
    assert contrast(one, other, quantile=0.5, paired=True, claims=claims).verdict is Claim.MORE
    assert contrast(one[1:], other[1:], quantile=0.5, paired=True, claims=claims).verdict is Claim.TOO_FEW


@settings(max_examples=examples(15), deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 2))
def test_the_other_way_round_is_the_opposite(seed: int, apart_ms: float) -> None:
    first, second = interleaved(np.random.default_rng(seed), rounds=12, each=4, apart_ms=apart_ms)
    one, other = (
        contrast(*pair, quantile=0.5, paired=True, seed=seed, resamples=199)
        for pair in ((first, second), (second, first))
    )
    assert one.difference_ns is not None
    assert other.difference_ns is not None
    assert one.difference_ns.value == -other.difference_ns.value
    assert one == contrast(first, second, quantile=0.5, paired=True, seed=seed, resamples=199)


def test_what_does_not_pair_is_refused() -> None:
    with pytest.raises(ValueError, match="12 and 13 rounds cannot be paired"):
        contrast(blocks(12, 2, 1), blocks(13, 2, 1), quantile=0.5, paired=True)
    with pytest.raises(ValueError, match=r"quantile 1\.0"):
        contrast([], [], quantile=1.0, paired=False)
