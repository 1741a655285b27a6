"""States: each is its own, M of N also with successes between, and no alert without a reason."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerproof.canary.state import KEPT, Reading, Rules, Standing, State, begun, is_overdue, missed, shown, step

RULES = Rules()
LETTERS = {"o": Reading.OK, "F": Reading.FAILED, "n": Reading.NOT_SEEN, "d": Reading.DID_NOT_RUN, "b": Reading.BROKEN}
HISTORIES = st.lists(st.sampled_from(list(Reading)), max_size=80)


def after(history: str | Sequence[Reading], rules: Rules = RULES) -> Standing:
    readings = [LETTERS[letter] for letter in history] if isinstance(history, str) else history
    standing = begun(0)
    for number, reading in enumerate(readings, 1):
        standing = step(standing, reading, 60.0 * number, rules)
    return standing


@pytest.mark.parametrize(
    ("history", "state"),
    [
        ("", State.NOT_YET),
        ("o", State.OK),
        ("F", State.NOT_YET),  # nothing is well because it failed once
        ("oddF", State.NOT_YET),
        ("oooF", State.OK),
        ("oooFF", State.FAILED),
        ("oFoF", State.FAILED),  # with a success between
        ("oFoooF", State.FAILED),  # two of five
        ("oFooooF", State.OK),
        ("FooF", State.FAILED),  # one round in three: one of three targets
        ("FooFooFoo", State.FLAPPING),  # and when that goes on
        ("ooFFo", State.FAILED),
        ("ooFFoo", State.FAILED),
        ("ooFFooo", State.OK),
        ("oFoFo", State.FLAPPING),
        ("oFFooFFoo", State.FLAPPING),
        ("oFoFooooooooo", State.OK),
        ("ood", State.OK),
        ("oodd", State.DID_NOT_RUN),
        ("ooddo", State.OK),
        ("FFdd", State.DID_NOT_RUN),
        ("FFddo", State.FAILED),  # what was wrong before nobody looked has to clear all the same
        ("ooFdF", State.FAILED),  # a round that did not take place is not a success between
        ("oobb", State.PROBER_BROKEN),
        ("oonn", State.NOT_SEEN),
        ("oonb", State.PROBER_BROKEN),
        ("n", State.NOT_YET),
    ],
)
def test_a_history_has_one_state(history: str, state: State) -> None:
    assert after(history).state is state


@pytest.mark.parametrize(
    ("kind", "history", "rounds"),
    [
        ("hard fault", "ooooF" + "F" * 9, 2),
        ("one address of three, met in each round", "ooooF" + "F" * 9, 2),
        ("one target of two behind a listener, met in every other round", "ooooFoFoFo", 3),
        ("rounds that do not take place", "ooood" + "d" * 9, 2),
        ("a prober that crashes", "oooob" + "b" * 9, 2),
        ("a stage that is never reached", "oooon" + "n" * 9, 2),
    ],
)
def test_how_many_rounds_until_an_alert(kind: str, history: str, rounds: int) -> None:
    assert [after(history[: 4 + number]).state.alerts for number in range(rounds + 1)] == [False] * rounds + [True], (
        kind
    )


@given(history=HISTORIES)
def test_what_alerts_was_read(history: list[Reading]) -> None:
    state = after(history).state
    witness = {
        State.FAILED: Reading.FAILED,
        State.FLAPPING: Reading.FAILED,
        State.DID_NOT_RUN: Reading.DID_NOT_RUN,
        State.NOT_SEEN: Reading.NOT_SEEN,
        State.PROBER_BROKEN: Reading.BROKEN,
        State.OK: Reading.OK,
    }
    assert state in {State.NOT_YET, *witness}
    if state is not State.NOT_YET:
        assert witness[state] in history[-KEPT:] or len(history) > KEPT


@given(history=HISTORIES)
def test_without_a_failure_nothing_has_failed(history: list[Reading]) -> None:
    said = [reading for reading in history if reading is not Reading.FAILED]
    assert after(said).state not in {State.FAILED, State.FLAPPING}


@given(history=HISTORIES)
def test_successes_clear_everything(history: list[Reading]) -> None:
    assert after([*history, *[Reading.OK] * RULES.among]).state is State.OK


@given(history=HISTORIES, kind=st.sampled_from([Reading.NOT_SEEN, Reading.DID_NOT_RUN, Reading.BROKEN]))
def test_one_round_without_a_word_changes_nothing(history: list[Reading], kind: Reading) -> None:
    ended = after(history)
    if not history or history[-1].is_of_the_path:
        assert step(ended, kind, 1e6, RULES).state is ended.state


@given(history=HISTORIES)
def test_a_standing_is_bounded_and_dated(history: list[Reading]) -> None:
    standing = after(history)
    assert len(standing.recent) <= KEPT
    assert standing.since <= 60.0 * len(history)
    assert standing.last_ok <= standing.last_run


def test_rules_that_could_never_be_reached_are_refused() -> None:
    for wrong in ({"failures": 6}, {"changes": 10}, {"of": 0}, {"among": 99}):
        with pytest.raises(ValueError, match=r"is not in|never be reached"):
            Rules(**wrong)


@pytest.mark.parametrize(
    ("gap_s", "rounds"), [(0, 0), (48, 0), (60, 0), (72, 0), (89, 0), (120, 1), (133, 1), (180, 2), (3600, 59)]
)
def test_rounds_that_were_due_and_did_not_begin(gap_s: float, rounds: int) -> None:
    assert missed(1000, 1000 + gap_s, 60) == rounds


def test_silence_is_told_after_two_intervals_whoever_is_silent() -> None:
    standing = after("oooo")
    last = 240.0
    assert [is_overdue(standing, last + gap_s, 60) for gap_s in (60, 119, 121)] == [False, False, True]
    assert shown(standing, last + 121, every_s=60, held=False) is State.DID_NOT_RUN
    assert shown(standing, last + 121, every_s=60, held=True) is State.HELD
    assert shown(begun(last), last + 119, every_s=60, held=False) is State.NOT_YET
    assert shown(begun(last), last + 121, every_s=60, held=False) is State.DID_NOT_RUN
