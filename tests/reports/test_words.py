"""Figures and hostile text in words."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerproof.reports import words


@pytest.mark.parametrize(
    ("ns", "expected"),
    [
        (0, "0.000 ms"),
        (1, "<0.001 ms"),
        (1_000, "0.001 ms"),
        (412_300, "0.412 ms"),
        (999_400, "0.999 ms"),
        (999_600, "1.00 ms"),
        (1_234_000, "1.23 ms"),
        (9_996_000, "10.0 ms"),
        (12_340_000, "12.3 ms"),
        (99_960_000, "100 ms"),
        (412_000_000, "412 ms"),
        (2_000_000_000, "2,000 ms"),
        (14_237_000_000, "14.2 s"),
        (119_400_000_000, "119 s"),
        (187_000_000_000, "3 min 7 s"),
        (7_260_000_000_000, "121 min 0 s"),
    ],
)
def test_durations(ns: int, expected: str) -> None:
    assert words.duration(ns) == expected


@given(st.integers(min_value=1_000, max_value=119_000_000_000))
def test_a_duration_read_back_is_within_half_a_unit_of_its_last_digit(ns: int) -> None:
    number, unit = words.duration(ns).split(" ")
    whole, _, decimals = number.replace(",", "").partition(".")
    scale = {"ms": 1e6, "s": 1e9}[unit]
    read_back = float(f"{whole}.{decimals or 0}") * scale
    assert abs(read_back - ns) <= scale * 10 ** -len(decimals) * 0.5001


@given(st.integers(min_value=0, max_value=10**13), st.integers(min_value=0, max_value=10**13))
def test_every_duration_names_its_unit(one: int, other: int) -> None:
    for ns in (one, other):
        assert re.fullmatch(r"<?[\d,.]+ (ms|s)|[\d,]+ min \d+ s", words.duration(ns))


@pytest.mark.parametrize(
    ("bytes_per_s", "expected"), [(118.4e6, "118 MB/s"), (1e6, "1.00 MB/s"), (5_120, "0.005 MB/s")]
)
def test_byte_rates_are_decimal(bytes_per_s: float, expected: str) -> None:
    assert words.byte_rate(bytes_per_s) == expected


def test_a_rate_over_no_time_is_not_said() -> None:
    assert words.record_rate(10, 0) == "-"


def test_a_percentile_the_samples_cannot_say() -> None:
    assert words.percentile(None, 120) == "n=120 is too few"
    assert words.percentile(1_920_000, 1_000) == "1.92 ms"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("bell\x07", r"bell\x07"),
        ("null\x00", r"null\x00"),
        ("right\u202eleft", "right\\u202eleft"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("lone\ud800", "lone\\ud800"),
        ("vertical\x0btab", r"vertical\x0btab"),
        ("carriage\rreturn", r"carriage\rreturn"),
        ("no\u00a0break", "no\u00a0break"),
        ("Zürich ✓", "Zürich ✓"),
    ],
)
def test_hostile_characters_are_spelt_out(text: str, expected: str) -> None:
    assert words.printable(text) == expected


@given(st.text(alphabet=st.characters()))
def test_printable_text_can_be_written_anywhere(text: str) -> None:
    shown = words.printable(text)
    shown.encode()
    assert words.printable(shown) == shown
    assert not set(shown) & {chr(code) for code in (*range(9), *range(11, 32), 127, *range(128, 160))}


@pytest.mark.parametrize(
    ("number", "expected"), [(0, "0 checks"), (1, "1 check"), (2, "2 checks"), (1_200, "1,200 checks")]
)
def test_counts(number: int, expected: str) -> None:
    assert words.count(number, "check") == expected


def test_of_many_names_the_first_are_said_and_the_rest_counted() -> None:
    assert words.listed(["a", "b"]) == "a, b"
    assert words.listed([str(number) for number in range(1_008)], most=2) == "0, 1 and 1,006 more"
