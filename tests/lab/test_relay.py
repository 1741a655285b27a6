"""The relay's laws, with a clock that is told: order, delay, rate, loss, a bounded queue."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerproof.lab.network import relay
from brokerproof.lab.network.relay import HEADER_BYTES, MOST_LATE_NS, Direction, Shape, Waking

MS = 1_000_000
NEVER = 1 << 62


def frame(number: int, size: int = 100) -> bytes:
    """A frame whose packet has this many bytes and says its number."""
    return bytes(HEADER_BYTES) + number.to_bytes(4, "big").ljust(size, b"\0")


def numbers(frames: list[bytes]) -> list[int]:
    return [int.from_bytes(f[HEADER_BYTES : HEADER_BYTES + 4], "big") for f in frames]


def delivered(direction: Direction, now_ns: int = NEVER) -> list[int]:
    return numbers(list(direction.release(now_ns)))


shapes = st.builds(
    Shape,
    delay_ns=st.integers(0, 100 * MS),
    rate_bits_per_s=st.one_of(st.none(), st.integers(10_000, 10**10)),
    loss=st.sampled_from((0.0, 0.1, 0.9)),
)
Step = tuple[int, int | Shape, bool]
"""(ns later, a packet of so many bytes or another shape, whether what is due is released)."""
steps: st.SearchStrategy[list[Step]] = st.lists(
    st.tuples(st.integers(0, 5 * MS), st.one_of(st.integers(1, 1500), shapes), st.booleans()), min_size=1, max_size=80
)


@given(first=shapes, steps=steps)
def test_first_in_is_first_out_and_never_early_also_while_the_shape_changes(first: Shape, steps: list[Step]) -> None:
    direction = Direction(first, "seed")
    now = 0
    taken: dict[int, int] = {}
    out: list[int] = []
    for number, (later, what, look) in enumerate(steps):
        now += later
        if isinstance(what, Shape):
            direction.reshape(what)
        else:
            direction.take(now, frame(number, max(what, 4)))
            taken[number] = now + direction.shape.delay_ns
        if look:
            got = delivered(direction, now)
            assert all(taken[n] <= now for n in got)
            out += got
    out += delivered(direction)
    assert out == sorted(out)
    assert len(out) + direction.lost + direction.dropped == len(taken)
    assert direction.passed == len(out)


def test_a_packet_is_kept_for_the_delay_to_the_nanosecond() -> None:
    direction = Direction(Shape(30 * MS), "seed")
    direction.take(5, frame(1))
    direction.take(6, frame(2))
    assert delivered(direction, 30 * MS + 4) == []
    assert delivered(direction, 30 * MS + 5) == [1]
    assert delivered(direction, 30 * MS + 6) == [2]


def test_rate_is_the_time_a_packet_takes_on_the_wire_after_the_one_before() -> None:
    direction = Direction(Shape(10 * MS, rate_bits_per_s=8_000_000), "seed")  # 1000 bytes a ms
    for number in range(3):
        direction.take(0, frame(number, 1000))
    direction.take(100 * MS, frame(3, 500))
    assert [due for due, _ in direction.queue] == [11 * MS, 12 * MS, 13 * MS, 110 * MS + MS // 2]


def test_loss_is_as_often_as_asked_and_the_same_in_every_run() -> None:
    def survivors(seed: str) -> list[int]:
        direction = Direction(Shape(0, loss=0.1), seed)
        for number in range(10_000):
            direction.take(number, frame(number))
        assert direction.lost + len(direction.queue) == 10_000
        return delivered(direction)

    assert 8_900 < len(survivors("a")) < 9_100
    assert survivors("a") == survivors("a")
    assert survivors("a") != survivors("b")


@pytest.mark.parametrize(
    ("shape", "holds"),
    [
        (Shape(30 * MS), relay.HELD_BYTES),
        (Shape(0, rate_bits_per_s=8_000), 64 << 10),
        (Shape(50 * MS, rate_bits_per_s=80_000_000), 1_500_000),  # 100 ms that wait, 50 ms under way
    ],
)
def test_what_is_held_is_bounded_and_what_is_dropped_counted(shape: Shape, holds: int) -> None:
    assert shape.held_bytes == holds
    direction = Direction(shape, "seed")
    fits = holds // 50_000
    for number in range(fits + 7):
        direction.take(0, frame(number, 50_000))
    assert direction.dropped == 7
    assert delivered(direction) == list(range(fits))
    direction.take(NEVER, frame(9999, 50_000))
    assert direction.dropped == 7, "there is room again"


def test_only_a_link_without_rate_and_loss_passes_packets_of_64_kib() -> None:
    assert Shape(30 * MS).whole
    assert not Shape(0, rate_bits_per_s=1).whole
    assert not Shape(0, loss=0.1).whole


@given(st.integers(0, 10**12), st.lists(st.integers(0, 10**7), min_size=1, max_size=50))
def test_how_late_it_wakes_stays_within_its_bounds(slept_ns: int, late: list[int]) -> None:
    waking = Waking()
    for each in late:
        waking.woke(slept_ns, each)
        assert 0 <= waking.usual_ns(slept_ns) <= MOST_LATE_NS


def test_how_late_it_wakes_is_learnt_by_how_long_it_slept() -> None:
    waking = Waking()
    for number in range(1000):
        waking.woke(50 * MS, 90_000 + number % 3 * 10_000)
        waking.woke(MS // 5, 10_000)
    assert waking.usual_ns(60 * MS) == pytest.approx(100_000, abs=15_000)
    assert waking.usual_ns(MS // 5) == pytest.approx(10_000, abs=2_000)
