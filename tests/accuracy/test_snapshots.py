"""What tells two states of a lab apart, whatever changes by itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerproof.accuracy.snapshots import Place, Snapshot, seen_only_in, told_apart

PLACES: list[Place] = [("a", "connect"), ("a", "handshake"), ("b", "connect")]
LOOKS = st.dictionaries(
    st.sampled_from(PLACES), st.frozensets(st.sampled_from([("ok",), ("failed",)]), min_size=1), max_size=3
)
SOME = st.lists(LOOKS, min_size=1, max_size=3)
A, B, C = (dict[Place, frozenset[tuple[str, ...]]]({PLACES[0]: frozenset({(word,)})}) for word in "abc")
NOTHING: Snapshot = {}


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ([A], [A], False),
        ([A], [B], True),
        ([A], [NOTHING], True),  # what was not seen at all is a difference
        ([NOTHING], [NOTHING], False),
        ([A, B], [C], False),  # not even with the fault is it twice the same
        ([A], [B, C], False),
        ([A, A], [B, B], True),
        ([A, A], [A, B], False),
    ],
)
def test_only_what_is_steady_tells(one: list[Snapshot], other: list[Snapshot], apart: bool) -> None:
    assert told_apart(one, other) == ({PLACES[0]} if apart else set())


def test_one_steady_place_is_enough() -> None:
    seen = {PLACES[1]: frozenset({("other",)})}
    assert told_apart([A | seen, B | seen], [A, B]) == {PLACES[1]}


@given(SOME, SOME, LOOKS)
def test_another_look_never_adds_a_difference_and_the_sides_do_not_matter(
    one: list[Snapshot], other: list[Snapshot], more: Snapshot
) -> None:
    apart = told_apart(one, other)
    assert told_apart(other, one) == apart
    assert told_apart([*one, more], other) <= apart
    assert not told_apart(one, one)


def test_a_state_that_nobody_looked_at_is_not_told_from_another() -> None:
    with pytest.raises(ValueError, match="snapshots at both"):
        told_apart([A], [])


@pytest.mark.parametrize(
    ("one", "other", "shown"),
    [
        ([A], [B], True),
        ([A, B], [A], True),  # it showed once, and that is enough
        ([A, B], [B, A], False),
        ([A], [A, B], False),  # what is seen without it is no sign of it
        ([NOTHING], [A], False),
        ([A], [NOTHING], True),
    ],
)
def test_what_shows_by_chance_shows_what_is_never_seen_without_it(
    one: list[Snapshot], other: list[Snapshot], shown: bool
) -> None:
    assert seen_only_in(one, other) == ({PLACES[0]} if shown else set())
