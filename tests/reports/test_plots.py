"""Plots: what they show is what was measured, and what they are made of is safe on the page."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokerproof.probes.outcome.distribution import ENOUGH, distribution
from brokerproof.reports import page as page_module
from brokerproof.reports.curves import NAMED_CURVES, Curve, CurvePlot, Rate, Span, curve, curve_plots, rates, spans
from brokerproof.reports.document import ResultDocument
from brokerproof.reports.page import page
from brokerproof.reports.plots import curves_svg, rates_svg, spans_svg
from brokerproof.reports.timings import PRODUCE_ACK, latency_rows, throughput_rows
from tests.examples import examples
from tests.reports.builder import client_result, document
from tests.reports.measured import measured
from tests.reports.path import view
from tests.reports.test_html import HOSTILE, html, read

MS = 1_000_000
latencies = st.lists(st.integers(1_000, 2_000 * MS), min_size=20, max_size=400)


@settings(max_examples=examples(40), deadline=None)
@given(latencies)
def test_a_curve_rises_ends_at_the_slowest_sample_and_has_ten_beyond_its_points(samples_ns: list[int]) -> None:
    made = curve("broker-1", distribution(samples_ns))
    assert made is not None
    every = (*made.points, *made.tail)
    assert all(before <= after for before, after in itertools.pairwise(every))
    assert made.tail[-1] == (1 - 1 / len(samples_ns), max(samples_ns) / MS)
    assert all((1 - quantile) * len(samples_ns) >= 10 for quantile, _ in made.points)
    assert made.points[-1] == made.tail[0]


@settings(max_examples=examples(40), deadline=None)
@given(latencies)
def test_a_curve_is_what_the_samples_say(samples_ns: list[int]) -> None:
    made = curve("broker-1", distribution(samples_ns))
    assert made is not None
    ordered = sorted(samples_ns)
    for quantile, ms in made.points:
        # HdrHistogram keeps three figures, and counts whole samples up to the quantile.
        near = [ordered[min(len(ordered) - 1, max(0, int(quantile * len(ordered)) + step))] / MS for step in (-1, 0, 1)]
        assert min(near) * 0.998 - 0.002 <= ms <= max(near) * 1.002 + 0.002


def test_no_curve_without_a_histogram_or_with_too_few_samples() -> None:
    assert curve("broker-1", msgspec.structs.replace(distribution([MS] * 50), hdr="")) is None
    assert curve("broker-1", distribution([MS] * (ENOUGH[50] - 1))) is None


def test_of_many_brokers_the_slowest_are_told_apart() -> None:
    [ack, end] = curve_plots(latency_rows(measured(view(brokers=9))))
    assert (ack.what, end.what) == ("produce ack", "end to end")
    assert [one.label for one in ack.curves] == [f"broker-{number}" for number in range(4, 10)]
    assert [one.label for one in ack.others] == ["broker-1", "broker-2", "broker-3"]
    assert "3 others" in curves_svg(ack, client="b")
    assert len(ack.curves) == NAMED_CURVES


def test_a_span_ends_at_the_highest_percentile_that_can_be_said() -> None:
    def of(samples: int) -> tuple[Span, ...]:
        return spans(
            row for row in latency_rows(client_result(view(brokers=1), samples=samples)) if row.what == PRODUCE_ACK
        )

    assert of(10) == ()
    assert [(span.high, round(span.high_ms, 2)) for span in (*of(20), *of(200), *of(1_000))] == [
        ("p50", 2.02), ("p95", 5.11), ("p99", 12.22),
    ]  # fmt: skip


def test_rates_are_those_of_the_rows() -> None:
    rows = throughput_rows(client_result(view(), samples=20))
    assert rates(rows) == (
        Rate(label="privatelink_multi_nlb.billing", mb_per_s=(("produce", 118.4), ("consume", 241.9))),
    )


DRAWN = {
    "curves": lambda label: curves_svg(
        CurvePlot(
            what=label,
            curves=(Curve(label=label, points=((0.0, 1.0), (0.5, 2.0)), tail=((0.5, 2.0), (0.9, 99.0))),) * 2,
            others=(),
        ),
        client=label,
    ),
    "spans": lambda label: spans_svg([Span(label=label, median_ms=1.0, high_ms=40.0, high="p99")], what=label),
    "rates": lambda label: rates_svg([Rate(label=label, mb_per_s=(("produce", 0.0), ("consume", 12.5)))]),
}


@pytest.mark.parametrize("kind", DRAWN)
def test_a_plot_has_only_drawing_and_the_pages_own_colours(kind: str) -> None:
    made = DRAWN[kind]("plain")
    root = ET.fromstring(made)
    assert {one.tag for one in root.iter()} <= {"svg", "title", "desc", "g", "path", "text"}
    attributes = {name for one in root.iter() for name in one.attrib}
    assert attributes <= {"class", "role", "viewBox", "d", "transform", "style", "x", "y", "font-size", "text-anchor"}
    colours = set(re.findall(r"(?:fill|stroke):([^;\"]+)", made))
    assert colours <= {"none", "var(--ink)", "var(--quiet)", "var(--line)", "var(--plot-1)", "var(--plot-2)"}
    assert "var(--plot-1)" in colours
    assert root.find("title") is not None
    assert "plain" in (root.findtext("desc") or "")


@pytest.mark.parametrize("kind", DRAWN)
def test_hostile_labels_stay_text(kind: str) -> None:
    for label in (HOSTILE, "$x^2$", "_hidden", "", "\u202e", "a" * 300):
        made = DRAWN[kind](label)
        assert {one.tag for one in ET.fromstring(made).iter()} <= {
            "svg", "title", "desc", "g", "path", "text",
        }  # fmt: skip
        assert "\u202e" not in made
        assert "\x1b" not in made
    assert "$x^2$" in DRAWN[kind]("$x^2$")


def test_the_same_figures_make_the_same_plot() -> None:
    assert DRAWN["curves"]("broker-1") == DRAWN["curves"]("broker-1")


def compared(number: int) -> ResultDocument:
    return document(*(measured(view(f"client-{one:02}"), slower=1 + one) for one in range(number)))


def test_measured_clients_stand_side_by_side_the_slowest_first() -> None:
    run = compared(3)
    made = page(run).measured
    assert made is not None
    [(_, acks), (_, ends)] = made.latency
    names = [f"privatelink_multi_nlb.client-0{number}" for number in (2, 1, 0)]
    assert [span.label for span in acks] == [span.label for span in ends] == names
    reader = read(run)
    assert reader.tags["svg"] == 3 + 2 * 3
    assert reader.said().index("Clients") < reader.said().index("Measurements, client by client")


def test_one_measured_client_is_compared_with_nobody() -> None:
    assert page(compared(1)).measured is None
    assert page(document(client_result(view("a")), client_result(view("b")))).measured is None


def test_plots_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_module, "PLOTTED_CLIENTS", 2)
    monkeypatch.setattr(page_module, "CURVED_CLIENTS", 1)
    run = compared(3)
    assert read(run).tags["svg"] == 3 + 2
    assert "1 more client measured, all in the table above" in html(run)
