"""A comparison in plain sentences that claim what the intervals and the test show, and nothing else."""

from __future__ import annotations

import math
from typing import Final

from brokerproof.comparison.values import (
    BEYOND,
    CONFIDENCE,
    Claim,
    Compared,
    Comparison,
    Contrast,
    Estimate,
    least_rounds,
)
from brokerproof.probes.outcome import Measured

KINDS: Final = {
    Measured.RESOLVE: "resolve",
    Measured.CONNECT: "connect",
    Measured.HANDSHAKE: "TLS handshake",
    Measured.PRODUCE_ACK: "produce ack",
    Measured.END_TO_END: "end to end",
}
_NS_PER_MS: Final = 1e6
_MOST_DECIMALS: Final = 4


def sentence(one: Compared, claims: int) -> str:
    """The sentence about one kind and quantile of two parties; ``claims`` are all of its comparison."""
    said = one.contrast
    what = f"{KINDS[one.what]}, {quantile_name(said.quantile)}"
    first, second = one.first.name, one.second.name
    if first == second:
        first, second = f"{first} in {one.first.run_id}", f"{second} in {one.second.run_id}"
    if said.difference_ns is None or said.first_ns is None or said.second_ns is None or said.ratio is None:
        return f"{what}: nothing can be said of {first} and {second}: {_too_few(said, claims)}"
    match said.verdict:
        case Claim.MORE:
            claim = f"{first} adds {_adds(said.difference_ns, said.ratio)} to {second}"
        case Claim.LESS:
            claim = f"{second} adds {_adds(_negated(said.difference_ns), _inverted(said.ratio))} to {first}"
        case Claim.NOT_TOLD_APART | Claim.TOO_FEW:
            claim = f"{first} and {second} cannot be told apart at {_numbers(said)}; {_excluded(said, first, second)}"
            return f"{what}: {claim}"
    return f"{what}: {claim}; {_numbers(said)}"


def statements(comparison: Comparison) -> tuple[str, ...]:
    """Every sentence of a comparison, and at last what all of them rest on."""
    told = [sentence(one, len(comparison.compared)) for one in comparison.compared]
    return (*told, basis(comparison))


def basis(comparison: Comparison) -> str:
    """What the sentences rest on."""
    together = f"The intervals are so wide that all {len(comparison.compared)} hold together at {CONFIDENCE:.0%}"
    if comparison.interleaved:
        return (
            f"{together}; rounds took turns in random order and are drawn again as wholes (seed {comparison.seed}), "
            "so that samples of one round count as alike."
        )
    return (
        f"{together}. The runs are of different times: what else changed between them is in the differences, and no "
        "interval knows of it."
    )


def quantile_name(quantile: float) -> str:
    """``median`` or ``p99``."""
    return "median" if quantile == 0.5 else f"p{quantile * 100:g}"  # noqa: PLR2004


def in_ms(estimate: Estimate) -> tuple[str, str, str]:
    """Value, lower and upper end in milliseconds, in as many digits as the interval makes meaningful."""
    width_ms = (estimate.high - estimate.low) / _NS_PER_MS
    decimals = 2 if width_ms <= 0 else min(_MOST_DECIMALS, max(0, 1 - math.floor(math.log10(width_ms))))
    rounded = [round(each / _NS_PER_MS, decimals) + 0.0 for each in (estimate.value, estimate.low, estimate.high)]
    value, low, high = (f"{each:.{decimals}f}" for each in rounded)
    return value, low, high


def _adds(difference: Estimate, ratio: Estimate) -> str:
    value, low, high = in_ms(difference)
    times = f"{ratio.value:.3g} times as long, {ratio.low:.3g} to {ratio.high:.3g}"
    return f"{value} ms ({CONFIDENCE:.0%} interval {low} to {high}; {times})"


def _excluded(said: Contrast, first: str, second: str) -> str:
    """What the interval excludes where nothing is claimed."""
    difference = said.difference_ns
    if difference is None:
        return "no interval"
    _, low, high = in_ms(difference)
    between = f"the difference lies between {low} and {high} ms ({CONFIDENCE:.0%} interval, {first} less {second})"
    if difference.low <= 0 <= difference.high:
        return between
    return f"{between}, but rounds of one and the same path would differ as much too often to claim it"


def _numbers(said: Contrast) -> str:
    rounds, samples = said.rounds, said.samples
    in_rounds = f"{rounds[0]:,}" if rounds[0] == rounds[1] else f"{rounds[0]:,} and {rounds[1]:,}"
    of = f"n={samples[0]:,}" if samples[0] == samples[1] else f"n={samples[0]:,} and {samples[1]:,}"
    return f"{of} in {in_rounds} {'rounds' if said.paired else 'stretches'}"


def _too_few(said: Contrast, claims: int) -> str:
    least = least_rounds(claims)
    if min(said.rounds) < least:
        rounds = f"{min(said.rounds)} {'rounds' if said.paired else 'stretches of time'}"
        return f"{rounds}, and with {claims} comparisons at once it takes {least}"
    needed = round(BEYOND / min(said.quantile, 1 - said.quantile))
    return f"{_numbers(said)}, and it takes {needed:,} each"


def _negated(estimate: Estimate) -> Estimate:
    return Estimate(value=-estimate.value, low=-estimate.high, high=-estimate.low)


def _inverted(estimate: Estimate) -> Estimate:
    value, low, high = (1 / max(each, 1e-9) for each in (estimate.value, estimate.high, estimate.low))
    return Estimate(value=value, low=low, high=high)
