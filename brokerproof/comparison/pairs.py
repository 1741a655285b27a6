"""Every client against every other, kind by kind: from series of samples to a comparison as one value.

This module decides what is compared with what, and what counts as a round; the arithmetic is in
:mod:`brokerproof.comparison.contrast`, the words in :mod:`brokerproof.comparison.statements`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Final

import numpy as np

from brokerproof.comparison.contrast import Values, contrast
from brokerproof.comparison.errors import NothingToCompareError
from brokerproof.comparison.series import Series
from brokerproof.comparison.values import Compared, Comparison, Party, Spread
from brokerproof.probes.outcome import Measured

QUANTILES: Final = (0.5, 0.99)
BLOCKS: Final = 20
"""The number of stretches of time into which a run without rounds is cut; they stand for rounds."""


Rounds = dict[int, Values]
Gathered = dict[Party, dict[Measured, Rounds]]


def party_of(series: Series) -> Party:
    """Whose samples these are."""
    whose = series.whose
    return Party(run_id=whose.run_id, client=whose.client, pattern=whose.pattern, label=whose.label)


def gathered(every: Iterable[Series], *, scheduled: bool = False) -> Gathered:
    """Samples by party, kind and round, the warm-up left out; all addresses of a party together.

    A party without rounds is cut into :data:`BLOCKS` stretches, each of samples that began one after another.
    """
    parts: dict[Party, dict[Measured, dict[int, list[tuple[Values, Values]]]]] = {}
    for one in every:
        if not one.warm_up and len(one):
            times = one.since_scheduled_ns if scheduled else one.duration_ns
            kinds = parts.setdefault(party_of(one), {})
            kinds.setdefault(one.what, {}).setdefault(one.whose.round, []).append((one.started_ns, times))
    return {
        party: {what: _rounds(by_round) for what, by_round in sorted(kinds.items(), key=lambda kind: _order(kind[0]))}
        for party, kinds in sorted(parts.items())
    }


def _order(what: Measured) -> int:
    return list(Measured).index(what)


def _rounds(parts: dict[int, list[tuple[Values, Values]]]) -> Rounds:
    joined = {
        number: (np.concatenate([began for began, _ in each]), np.concatenate([times for _, times in each]))
        for number, each in parts.items()
    }
    if set(joined) != {0}:
        return {number: times for number, (_, times) in sorted(joined.items())}
    began, times = joined[0]
    in_order = times[np.argsort(began, kind="stable")]
    stretches = np.array_split(in_order, min(BLOCKS, len(in_order)))
    return dict(enumerate(stretches, start=1))


def compare_together(every: Sequence[Series], *, seed: int, whats: Sequence[Measured] = ()) -> Comparison:
    """All parties of one interleaved run, each against each.

    Args:
        every: The samples.
        seed: Draws the same intervals again.
        whats: Only these kinds; empty for all that two parties have.

    Raises:
        NothingToCompareError: fewer than two parties have samples of the same kind.
    """
    found = gathered(every)
    return _compared(every, list(combinations(found, 2)), found, seed=seed, whats=whats, interleaved=True)


def compare_runs(
    first: Sequence[Series], second: Sequence[Series], *, seed: int, whats: Sequence[Measured] = ()
) -> Comparison:
    """Two runs of other times: each party of the first against the one of the same name in the second.

    Raises:
        NothingToCompareError: no party is in both.
    """
    found = gathered([*first, *second])
    of_first = {_same(party_of(one)): party_of(one) for one in first}
    of_second = {_same(party_of(one)): party_of(one) for one in second}
    pairs = [
        (of_first[key], of_second[key])
        for key in of_first
        if key in of_second and {of_first[key], of_second[key]} <= set(found)
    ]
    if not pairs:
        have = [", ".join(sorted(party.name for party in each.values())) or "nobody" for each in (of_first, of_second)]
        raise NothingToCompareError(f"no client is timed in both runs: the first has {have[0]}, the second {have[1]}")
    return _compared([*first, *second], pairs, found, seed=seed, whats=whats, interleaved=False)


def _same(party: Party) -> tuple[str, str, str]:
    return party.client, party.pattern, party.label


def _compared(
    every: Sequence[Series],
    pairs: Sequence[tuple[Party, Party]],
    found: Gathered,
    *,
    seed: int,
    whats: Sequence[Measured],
    interleaved: bool,
) -> Comparison:
    wanted = [
        (first, second, what, quantile)
        for first, second in pairs
        for what in Measured
        if what in found[first] and what in found[second] and (not whats or what in whats)
        for quantile in QUANTILES
    ]
    if not wanted:
        have = "; ".join(f"{party.name}: {', '.join(kinds)}" for party, kinds in found.items()) or "nothing"
        raise NothingToCompareError(f"no two clients have samples of the same kind; there are {have}")
    compared = []
    for first, second, what, quantile in wanted:
        one, other = found[first][what], found[second][what]
        if interleaved:
            both = sorted(one.keys() & other.keys())
            one, other = ({number: each[number] for number in both} for each in (one, other))
        made = contrast(
            list(one.values()),
            list(other.values()),
            quantile=quantile,
            paired=interleaved,
            claims=len(wanted),
            seed=seed,
        )
        compared.append(Compared(first=first, second=second, what=what, contrast=made))
    parties = tuple(dict.fromkeys(party for pair in pairs for party in pair))
    return Comparison(
        interleaved=interleaved,
        seed=seed,
        parties=parties,
        spreads=tuple(_spreads(every, parties, found, whats)),
        compared=tuple(compared),
    )


def _spreads(
    every: Sequence[Series], parties: Sequence[Party], found: Gathered, whats: Sequence[Measured]
) -> Iterable[Spread]:
    scheduled = gathered(every, scheduled=True)
    for party in parties:
        for what, rounds in found[party].items():
            if whats and what not in whats:
                continue
            times = np.concatenate(list(rounds.values()))
            yield Spread(
                party=party,
                what=what,
                rounds=len(rounds),
                samples=len(times),
                p50_ns=_quantile(times, 0.5),
                p99_ns=_quantile(times, 0.99),
                p99_scheduled_ns=_quantile(np.concatenate(list(scheduled[party][what].values())), 0.99),
                max_ns=int(times.max()),
            )


def _quantile(times: Values, quantile: float) -> int | None:
    if len(times) * min(quantile, 1 - quantile) < 10 - 1e-9:
        return None
    return int(np.quantile(times, quantile, method="inverted_cdf"))
