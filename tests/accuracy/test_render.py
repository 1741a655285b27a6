"""The matrix as Markdown and HTML: what is said, and that hostile words stay words."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings

from brokerproof.accuracy.matrix import Matrix, decode_matrices, decode_matrix, encode_matrix, matrix_of
from brokerproof.accuracy.matrix_text import HEADS, MEANS, chosen, interval, share
from brokerproof.accuracy.render import HTML, JSON, MARKDOWN, html, markdown, render
from brokerproof.accuracy.score import Attribution
from brokerproof.accuracy.trial import Trial
from tests.accuracy.made import HEADER, fault, named, trial, trials

DNS = fault("dns.record_missing")
ROUTE = fault("route.missing_client", "route.missing_return")


@pytest.fixture
def matrix() -> Matrix:
    return matrix_of(
        HEADER,
        [
            trial(DNS, found=(named("dns.record_missing"),)),
            trial(DNS, found=(named("dns.stale_record"),), pattern="in_vpc", took_ms=4000),
            trial(ROUTE, found=(named("route.missing_client", "route.missing_return"),)),
            trial(DNS, ROUTE, found=(named("dns.record_missing"),), hidden=(ROUTE.fault,)),
            trial(ROUTE, pattern="in_vpc", problem="the lab ended"),
            trial(),
        ],
    )


def test_the_markdown(matrix: Matrix) -> None:
    text = markdown(matrix)
    assert "One fault at a time: 2 of 4 trials as they must be; several faults at once: 1 of 1" in text
    assert "3 causes injected in 3 trials, 3 detected (100 %), 1 named alone (33.3 %), 1 in a right set" in text
    assert "(33.3 %), 1 wrong cause said alone, 0 false alarms" in text
    assert "1 hidden by another, not counted in the shares" in text
    assert "median 1.00 s, worst 4.00 s; whole verification 1.00 s, worst 4.00 s" in text
    assert "brokerproof lab prove --clean 2 --together 3 --draws 4 --seed 7 --clients afflicted\n" in text
    row = (
        "| `dns-record_missing` | 2 | 2 | 1 |  |  |  |  |  | 1 |  | `dns.record_missing` (1); `dns.stale_record` (1) |"
    )
    assert row in text
    short = (
        "| `single/in_vpc/dns-record_missing` | `dns.record_missing` | `dns.stale_record` | dns-record_missing: wrong |"
    )
    assert short in text
    assert "not carried out: the lab ended" in text
    assert "| one fault at a time, 2 faults | 3 | 3 | 33.3 % (6.1 to 79.2) | 33.3 % (6.1 to 79.2) | 1.50 |" in text
    assert "| 1.50 | 0 % (0.0 to 56.1) | 1 | 0 | 0 % (0.0 to 56.1) |" in text
    assert "| several faults at once, drawn with seed 7 | 1 | 2, 1 of them hidden | 100 % (20.7 to 100.0) |" in text
    assert (
        "| nothing wrong, idle machine | 1 |  |  |  |  |  |  |  |  |  |  | 0, in 0 % (0.0 to 79.3) of trials |" in text
    )
    assert "5 of 5" not in text  # five have faults, one was not carried out
    assert "Faults taken out again: 4 of 4" in text


def test_a_set_that_stays_has_what_is_observed_alike_and_what_tells_its_causes_apart(matrix: Matrix) -> None:
    line = (
        "| `route.missing_client` or `route.missing_return` | 1 | every connection from the client VPC times out, and "
        "other VPCs reach the same brokers | ec2 DescribeRouteTables |"
    )
    assert line in markdown(matrix)
    text = " ".join(page_of(matrix).text.split())
    assert "other VPCs reach the same brokers ec2 DescribeRouteTables 1" in text


def test_without_such_a_set_there_is_no_table_of_them() -> None:
    sharp = matrix_of(HEADER, [trial(DNS, found=(named("dns.record_missing"),))])
    assert "stays a set" not in markdown(sharp)
    assert "stays a set" not in page_of(sharp).text


def test_tables_have_as_many_cells_as_heads(matrix: Matrix) -> None:
    wide = None
    for line in markdown(matrix).splitlines():
        if not line.startswith("|"):
            wide = None
            continue
        cells = len(re.findall(r"(?<!\\)\|", line))
        assert wide in {None, cells}, line
        wide = cells


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.loads: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"meta", "br"}:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in {"src", "href"} or name.startswith("on"):
                self.loads.append(f"{tag} {name}={value}")
        if tag in {"script", "link", "img", "iframe"}:
            self.loads.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def page_of(matrix: Matrix) -> Page:
    page = Page()
    page.feed(html(matrix))
    page.close()
    assert page.open == []
    return page


@settings(deadline=None)  # a busy machine is no shortfall
@given(trials())
def test_the_page_is_whole_and_loads_nothing(every: tuple[Trial, ...]) -> None:
    page = page_of(matrix_of(HEADER, every))
    assert page.loads == []
    assert len(set(page.ids)) == len(page.ids)
    for one in every:
        assert all(cause.fault in page.text for cause in one.injected) or one.problem


def test_the_page_says_what_the_markdown_says(matrix: Matrix) -> None:
    text = " ".join(page_of(matrix).text.split())
    assert "One fault at a time: 2 of 4 trials as they must be" in text
    told = ("dns.stale_record", "right set 1", "hidden 1", "not carried out: the lab ended", "33.3 % (6.1 to 79.2)")
    for words in told:
        assert words in text


def test_hostile_words_stay_words(matrix: Matrix) -> None:
    worse = [
        msgspec.structs.replace(one, problem='<script>alert("|")</script>\x1b[31m\n| x |') if one.problem else one
        for one in matrix.trials
    ]
    made = matrix_of(HEADER, worse)
    assert page_of(made).loads == []
    assert "\x1b" not in markdown(made) + html(made)
    assert '<script>alert("\\|")</script>' in markdown(made)


def test_all_three_are_written(matrix: Matrix, tmp_path: Path) -> None:
    made = render(matrix, tmp_path)
    assert [path.name for path in made] == [JSON, MARKDOWN, HTML]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([JSON, MARKDOWN, HTML])
    assert decode_matrix((tmp_path / JSON).read_bytes()) == matrix
    assert (tmp_path / MARKDOWN).read_text(encoding="utf-8") == markdown(matrix)


@pytest.mark.parametrize(("average", "busy"), [(3.9, False), (4.1, True)])
def test_a_machine_that_was_too_busy_is_said(matrix: Matrix, average: float, busy: bool) -> None:
    trials = [msgspec.structs.replace(one, load=average) for one in matrix.trials]
    text = markdown(matrix_of(HEADER, trials))
    assert f"load average {average:g} on 2 cores" in text
    assert ("too busy" in text) == busy


@pytest.mark.parametrize("again", [False, True])
def test_a_matrix_that_later_rules_made_says_so(matrix: Matrix, again: bool) -> None:
    header = msgspec.structs.replace(HEADER, diagnosed_again=again)
    made = matrix_of(header, matrix.trials)
    assert markdown(made).splitlines()[0].endswith("younger than the trials") == again
    assert ("mended since" in markdown(made)) == again
    assert ("mended since" in page_of(made).text) == again


def test_nothing_at_all_can_be_shown() -> None:
    empty = matrix_of(HEADER, [])
    assert "3 trials not made" in markdown(empty)
    assert "3 trials not made" in page_of(empty).text


def test_every_attribution_has_its_words() -> None:
    assert set(HEADS) == set(MEANS) == set(Attribution)


@pytest.mark.parametrize(
    ("some", "every", "said"), [(0, 0, "-"), (0, 3, "0 %"), (2, 3, "66.7 %"), (3, 3, "100 %"), (9999, 10000, "99.9 %")]
)
def test_a_hundred_percent_is_all_of_them(some: int, every: int, said: str) -> None:
    assert share(some, every) == said


@pytest.mark.parametrize(("some", "every"), [(0, 200), (1, 3), (195, 432), (99, 100), (100, 100)])
def test_the_interval_is_wilsons(some: int, every: int) -> None:
    scipy = pytest.importorskip("scipy.stats").binomtest(some, every).proportion_ci(0.95, method="wilson")
    assert interval(some, every) == pytest.approx((scipy.low, scipy.high))


def test_several_proofs_are_one_page(matrix: Matrix) -> None:
    drawn = matrix_of(
        msgspec.structs.replace(HEADER, selection=msgspec.structs.replace(HEADER.selection, seed=8), rules="ab" * 32),
        [trial(DNS, ROUTE, found=(named("dns.record_missing"),))],
    )
    text = markdown(matrix, drawn)
    assert "| several faults at once, drawn with seed 7 | 1 |" in text
    assert "| several faults at once, drawn with seed 8 | 1 |" in text
    assert "rules abababababab, as before the first trial" in text
    assert "rules that were not written down" in text
    assert len([line for line in text.splitlines() if line.startswith("# ")]) == 1
    assert decode_matrices(encode_matrix(matrix) + encode_matrix(drawn)) == (matrix, drawn)


def test_the_command_is_said_as_it_is_typed() -> None:
    narrowed = msgspec.structs.replace(
        HEADER.selection, patterns=("peering", "in_vpc"), layers=("dns",), faults=("x",), singles=False, clean=0
    )
    assert chosen(narrowed) == (
        "brokerproof lab prove --pattern peering --pattern in_vpc --layer dns --fault x --no-singles "
        "--together 3 --draws 4 --seed 7 --clients afflicted"
    )
