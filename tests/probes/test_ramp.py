"""The knee: found where there is one, within what half as much again and two halvings allow, and else not claimed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerproof.probes.load.ramp import KEPT_UP, LEAST_RECORDS, has_followed, knee, next_rate, step_ms
from brokerproof.probes.outcome import Followed, RampEnd, RampStep
from brokerproof.probes.plan import RampPlan

MB = 1e6
MS = 1_000_000
WIDE = RampPlan(total_bytes=1 << 40, max_ms=600_000)
Path = Callable[[float, list[RampStep]], RampStep]


def step(offered: float, followed: Followed, *, acknowledged: float | None = None, p99_ns: int | None = MS) -> RampStep:
    return RampStep(
        offered_bytes_per_s=offered,
        acknowledged_bytes_per_s=offered if acknowledged is None else acknowledged,
        records=1000,
        p50_ns=None,
        p99_ns=p99_ns,
        followed=followed,
    )


def path(capacity: float, *, queues_from: float = 1.0, client: float = 1e12) -> Path:
    """A path that takes so much, whose p99 rises beyond a share of that, and a client that offers no more than so."""

    def offered(rate: float, before: list[RampStep]) -> RampStep:
        handed_over = min(rate, client)
        acknowledged = min(handed_over, capacity)
        p99_ns = MS if rate <= queues_from * capacity else 100 * MS
        followed = has_followed(
            offered=rate,
            handed_over=handed_over,
            acknowledged=acknowledged,
            p99_ns=p99_ns,
            steps=before,
            was_full=False,
        )
        return step(rate, followed, acknowledged=acknowledged, p99_ns=p99_ns)

    return offered


def climbed(on: Path, fastest: float, plan: RampPlan = WIDE) -> tuple[RampEnd, list[RampStep], int]:
    steps: list[RampStep] = []
    sent = 0
    while True:
        spent_ns = len(steps) * plan.step_ms * MS
        said = next_rate(plan, fastest, steps, lasts_ms=plan.step_ms, sent_bytes=sent, spent_ns=spent_ns)
        if isinstance(said, RampEnd):
            return said, steps, sent
        steps.append(on(said, steps))
        sent += int(said * plan.step_ms / 1000)
        assert len(steps) < 40


@given(st.floats(0.01, 1000), st.floats(0.3, 1.4))
def test_the_knee_is_where_the_path_has_it(capacity_mb: float, seen: float) -> None:
    """Also where the fastest that was seen before was far from what the path takes."""
    capacity = capacity_mb * MB
    ended, steps, _ = climbed(path(capacity), capacity * seen)
    found = knee(steps, ended)
    assert ended is RampEnd.RATE
    assert found is not None
    # What is followed at 95 % may be as much above; two halvings of half as much again leave a tenth below.
    assert capacity / 1.5**0.26 <= found <= capacity / KEPT_UP


@given(st.floats(0.4, 0.9))
def test_a_p99_that_rises_is_a_knee_too(queues_from: float) -> None:
    ended, steps, _ = climbed(path(50 * MB, queues_from=queues_from), 40 * MB)
    found = knee(steps, ended)
    assert ended in {RampEnd.LATENCY, RampEnd.RATE}
    assert found is not None
    assert found <= queues_from * 50 * MB <= found * 1.5**0.26


@given(st.integers(1, 10**9), st.integers(100, 20_000), st.floats(0.01, 1000))
def test_neither_bound_is_broken(total_bytes: int, max_ms: int, capacity_mb: float) -> None:
    plan = RampPlan(total_bytes=total_bytes, max_ms=max_ms, step_ms=100)
    ended, steps, sent = climbed(path(capacity_mb * MB), capacity_mb * MB, plan)
    assert sent <= total_bytes
    assert len(steps) * plan.step_ms <= max_ms
    assert (knee(steps, ended) is None) is (ended in {RampEnd.BYTES, RampEnd.TIME})


def test_one_disturbed_step_is_no_knee() -> None:
    disturbed = path(50 * MB)

    def on(rate: float, before: list[RampStep]) -> RampStep:
        return step(rate, Followed.RATE) if len(before) == 1 else disturbed(rate, before)

    ended, steps, _ = climbed(on, 50 * MB)
    found = knee(steps, ended)
    assert found is not None
    assert found > 40 * MB


def test_a_client_that_can_offer_no_more_finds_no_knee() -> None:
    ended, steps, _ = climbed(path(500 * MB, client=60 * MB), 50 * MB)
    assert (ended, knee(steps, ended)) == (RampEnd.CLIENT, None)


@pytest.mark.parametrize("kinds", [(Followed.CLIENT, Followed.RATE), (Followed.LATENCY, Followed.CLIENT)])
def test_a_client_that_held_back_at_one_of_two_rates_proves_nothing(kinds: tuple[Followed, Followed]) -> None:
    followed = (Followed.YES, Followed.YES, *kinds)
    ended, steps, _ = climbed(lambda rate, before: step(rate, followed[len(before)]), 50 * MB)
    assert (ended, knee(steps, ended), len(steps)) == (RampEnd.CLIENT, None, 4)


def test_a_path_that_took_much_more_before_is_unsteady() -> None:
    ended, steps, _ = climbed(path(20 * MB), 50 * MB)
    assert (ended, knee(steps, ended)) == (RampEnd.UNSTEADY, None)
    ended, steps, _ = climbed(path(50 * MB, queues_from=0.4), 50 * MB)
    assert ended is RampEnd.LATENCY, "below what it takes, a p99 that rises is no contradiction"


def test_a_first_rate_that_is_too_much_is_no_knee() -> None:
    ended, steps, _ = climbed(path(1 * MB), 50 * MB)
    assert (ended, knee(steps, ended), len(steps)) == (RampEnd.FIRST_RATE, None, 2)


@pytest.mark.parametrize(
    ("fields", "followed"),
    [
        ({}, Followed.YES),
        ({"acknowledged": 94}, Followed.RATE),
        ({"acknowledged": 94, "handed_over": 94}, Followed.YES),
        ({"acknowledged": 79, "handed_over": 85}, Followed.RATE),
        ({"acknowledged": 79, "handed_over": 79}, Followed.CLIENT),
        ({"acknowledged": 94, "handed_over": 94, "was_full": True}, Followed.RATE),
        ({"p99_ns": 30 * MS}, Followed.LATENCY),
        ({"p99_ns": 25 * MS}, Followed.YES),
        ({"p99_ns": 30 * MS, "steps": ()}, Followed.YES),
        ({"p99_ns": 59 * MS, "steps": (step(1, Followed.YES, p99_ns=20 * MS),)}, Followed.YES),
        ({"p99_ns": 61 * MS, "steps": (step(1, Followed.YES, p99_ns=20 * MS),)}, Followed.LATENCY),
        ({"p99_ns": None}, Followed.YES),
    ],
)
def test_what_it_means_to_follow(fields: dict[str, object], followed: Followed) -> None:
    usual: dict[str, object] = {
        "offered": 100,
        "handed_over": 100,
        "acknowledged": 100,
        "p99_ns": MS,
        "steps": (step(1, Followed.YES, p99_ns=MS), step(1, Followed.RATE, p99_ns=1)),
        "was_full": False,
    }
    assert has_followed(**usual | fields) is followed  # type: ignore[arg-type]


def test_a_step_lasts_long_enough_for_a_rate() -> None:
    assert step_ms(RampPlan(step_ms=400), 40 * MB, 1000) == 400
    lasts_ms = step_ms(RampPlan(step_ms=400), 40 * MB, 1_000_000)
    assert lasts_ms * 0.25 * 40 * MB / 1000 >= LEAST_RECORDS * 1_000_000
    assert lasts_ms == 2000
