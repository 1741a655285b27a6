"""What stands against what, what counts as a round, and what is said of it."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from brokerproof.comparison.errors import NothingToCompareError
from brokerproof.comparison.pairs import BLOCKS, compare_runs, compare_together, gathered
from brokerproof.comparison.series import Series
from brokerproof.comparison.statements import basis, in_ms, sentence, statements
from brokerproof.comparison.values import Claim, Compared, Comparison, Contrast, Estimate, Party, Whose
from brokerproof.probes.outcome import Measured
from tests.comparison.synthetic import MS, interleaved

PEERING = Party(run_id="r", client="b", pattern="peering")
GATEWAY = Party(run_id="r", client="g", pattern="transit_gateway")


def series(
    party: Party,
    times: object,
    *,
    number: int = 0,
    what: Measured = Measured.CONNECT,
    warm_up: bool = False,
    at: int = 0,
) -> Series:
    took = np.array(times, dtype=np.int64)
    began = at + np.arange(len(took), dtype=np.int64)
    return Series(
        whose=Whose(run_id=party.run_id, client=party.client, pattern=party.pattern, label=party.label, round=number),
        broker_id=1,
        name="b-1",
        address="10.0.0.1",
        what=what,
        warm_up=warm_up,
        scheduled_ns=began - 5,
        started_ns=began,
        duration_ns=took,
    )


def run_of(*parties: Party, apart_ms: float, rounds: int = 14, seed: int = 5) -> list[Series]:
    made = interleaved(np.random.default_rng(seed), rounds=rounds, each=20, apart_ms=apart_ms, paths=len(parties))
    return [
        series(party, block, number=number)
        for party, blocks in zip(parties, made, strict=True)
        for number, block in enumerate(blocks, start=1)
    ]


def test_an_extra_hop_is_claimed_with_its_interval() -> None:
    comparison = compare_together(run_of(PEERING, GATEWAY, apart_ms=3), seed=1)
    assert (comparison.parties, comparison.interleaved) == ((PEERING, GATEWAY), True)
    median, p99 = comparison.compared
    assert (median.contrast.verdict, p99.contrast.verdict) == (Claim.LESS, Claim.TOO_FEW)
    said = sentence(median, 2)
    assert said.startswith("connect, median: g (transit_gateway) adds ")
    assert " to b (peering); n=280 in 14 rounds" in said
    assert "95% interval" in said
    assert median.contrast.difference_ns is not None
    assert -5 * MS < median.contrast.difference_ns.value < -1 * MS
    assert sentence(p99, 2) == (
        "connect, p99: nothing can be said of b (peering) and g (transit_gateway): n=280 in 14 rounds, and it takes "
        "1,000 each"
    )
    assert msgspec.json.decode(msgspec.json.encode(comparison), type=Comparison) == comparison
    assert statements(comparison)[-1] == basis(comparison)
    spreads = {spread.party: spread for spread in comparison.spreads}
    assert (spreads[PEERING].samples, spreads[PEERING].rounds, spreads[PEERING].p99_ns) == (280, 14, None)


def test_what_is_the_same_is_not_told_apart() -> None:
    comparison = compare_together(run_of(PEERING, GATEWAY, apart_ms=0), seed=1)
    said = sentence(comparison.compared[0], 2)
    assert said.startswith(
        "connect, median: b (peering) and g (transit_gateway) cannot be told apart at n=280 in 14 rounds; "
        "the difference lies between -"
    )
    assert said.endswith("(95% interval, b (peering) less g (transit_gateway))")


def made(verdict: Claim, low: float, high: float) -> Compared:
    estimate = Estimate(value=(low + high) / 2 * MS, low=low * MS, high=high * MS)
    one = Estimate(value=1.0 * MS, low=0.9 * MS, high=1.1 * MS)
    ratio = Estimate(value=2, low=1.5, high=4)
    contrast = Contrast(
        quantile=0.5, verdict=verdict, rounds=(20, 20), samples=(200, 300), paired=True, level=0.95,
        first_ns=one, second_ns=one, difference_ns=estimate, ratio=ratio, p_value=0.5,
    )  # fmt: skip
    return Compared(first=PEERING, second=GATEWAY, what=Measured.PRODUCE_ACK, contrast=contrast)


SAYS_MORE = (
    "b (peering) adds 0.215 ms (95% interval 0.170 to 0.260; 2 times as long, 1.5 to 4) to g (transit_gateway); "
    "n=200 and 300 in 20 rounds"
)
SAYS_LESS = (
    "g (transit_gateway) adds 21.5 ms (95% interval 17.0 to 26.0; 0.5 times as long, 0.25 to 0.667) to b (peering); "
    "n=200 and 300 in 20 rounds"
)
SAYS_NOTHING = (
    "b (peering) and g (transit_gateway) cannot be told apart at n=200 and 300 in 20 rounds; the difference lies "
    "between 0 and 12 ms (95% interval, b (peering) less g (transit_gateway)), but rounds of one and the same path "
    "would differ as much too often to claim it"
)


@pytest.mark.parametrize(
    ("verdict", "low", "high", "says"),
    [
        (Claim.MORE, 0.17, 0.26, SAYS_MORE),
        (Claim.LESS, -26, -17, SAYS_LESS),
        (Claim.NOT_TOLD_APART, 0.1, 12, SAYS_NOTHING),
    ],
)
def test_a_sentence_claims_what_is_shown(verdict: Claim, low: float, high: float, says: str) -> None:
    assert sentence(made(verdict, low, high), 1) == f"produce ack, median: {says}"


def test_figures_have_as_many_digits_as_the_interval_makes_meaningful() -> None:
    assert in_ms(Estimate(value=1_234_567.0, low=1_200_000.0, high=1_300_000.0)) == ("1.23", "1.20", "1.30")
    assert in_ms(Estimate(value=5e6, low=5e6, high=5e6)) == ("5.00", "5.00", "5.00")
    assert in_ms(Estimate(value=-1.0, low=-1e8, high=1e8)) == ("0", "-100", "100")


def test_rounds_only_one_of_them_has_do_not_count() -> None:
    whole = run_of(PEERING, GATEWAY, apart_ms=3)
    cut = [one for one in whole if one.whose != Whose(run_id="r", client="g", pattern="transit_gateway", round=14)]
    assert compare_together(cut, seed=1).compared[0].contrast.rounds == (13, 13)


def test_the_warm_up_does_not_count_and_addresses_count_together() -> None:
    found = gathered(
        [
            series(PEERING, [1, 2], number=1),
            series(PEERING, [3], number=1),
            series(PEERING, [9], number=1, warm_up=True),
        ]
    )
    assert sorted(found[PEERING][Measured.CONNECT][1]) == [1, 2, 3]
    assert list(gathered([series(PEERING, [1], number=1)], scheduled=True)[PEERING][Measured.CONNECT][1]) == [6]


def test_a_run_without_rounds_is_cut_into_stretches_of_time() -> None:
    late, early = series(PEERING, [7] * 30, at=1000), series(PEERING, [5] * 30)
    stretches = gathered([late, early])[PEERING][Measured.CONNECT]
    assert len(stretches) == BLOCKS
    assert [int(each[0]) for each in stretches.values()] == [5] * 10 + [7] * 10


def test_two_runs_are_compared_party_by_party_and_their_times_are_a_caveat() -> None:
    later = msgspec.structs.replace(PEERING, run_id="later")
    one = [series(PEERING, np.arange(400) + 2 * MS)]
    other = [series(later, np.arange(400) + 1 * MS), series(GATEWAY, [1] * 50)]
    comparison = compare_runs(one, other, seed=3)
    assert comparison.parties == (PEERING, later)
    (median, _) = comparison.compared
    assert (median.contrast.verdict, median.contrast.paired) == (Claim.MORE, False)
    said = sentence(median, 2)
    assert "b (peering) in r adds 1.0000 ms" in said
    assert " to b (peering) in later; n=400 in 20 stretches" in said
    assert "different times" in statements(comparison)[-1]


def test_nothing_to_compare_names_what_there_is() -> None:
    with pytest.raises(NothingToCompareError, match="the first has b \\(peering\\), the second g"):
        compare_runs([series(PEERING, [1])], [series(GATEWAY, [1])], seed=1)
    with pytest.raises(
        NothingToCompareError, match="there are b \\(peering\\): connect; g \\(transit_gateway\\): resolve"
    ):
        compare_together([series(PEERING, [1]), series(GATEWAY, [1], what=Measured.RESOLVE)], seed=1)


def test_only_what_is_asked_for_is_compared() -> None:
    both = [
        *run_of(PEERING, GATEWAY, apart_ms=1),
        *(series(party, [1, 2], number=1, what=Measured.RESOLVE) for party in (PEERING, GATEWAY)),
    ]
    assert {one.what for one in compare_together(both, seed=1).compared} == {Measured.CONNECT, Measured.RESOLVE}
    only = compare_together(both, seed=1, whats=(Measured.RESOLVE,))
    assert {one.what for one in only.compared} == {spread.what for spread in only.spreads} == {Measured.RESOLVE}
