"""What a throughput ran into, said alike in every report: how it was measured, what limited it, and its knee."""

from __future__ import annotations

import io
from collections.abc import Callable

import msgspec
import pytest
from rich.console import Console

from brokerproof.probes.outcome import Followed, ProduceLimits, RampEnd, RampFacts, RampStep, ThroughputFacts
from brokerproof.reports.document import ResultDocument
from brokerproof.reports.html import render_html
from brokerproof.reports.knee import knee_in_words, step_rows
from brokerproof.reports.markdown import render_markdown
from brokerproof.reports.terminal import print_summary
from brokerproof.reports.timings import throughput_rows
from tests.reports.builder import client_result, document
from tests.reports.path import view
from tests.reports.test_html import Reader

Rendering = Callable[[ResultDocument], str]
MB = 1e6
MS = 1_000_000


def step(offered_mb: float, followed: Followed, acknowledged_mb: float | None = None, p99_ms: int = 9) -> RampStep:
    return RampStep(
        offered_bytes_per_s=offered_mb * MB,
        acknowledged_bytes_per_s=(offered_mb if acknowledged_mb is None else acknowledged_mb) * MB,
        records=2000,
        p50_ns=2 * MS,
        p99_ns=p99_ms * MS,
        followed=followed,
    )


def ramp(ended: RampEnd, *steps: RampStep, knee_mb: float | None = None) -> RampFacts:
    knee = None if knee_mb is None else knee_mb * MB
    return RampFacts(
        steps=steps,
        ended=ended,
        knee_bytes_per_s=knee,
        knee_records_per_s=None if knee is None else knee / 1000,
        records_sent=8000,
    )


CLIMBED = (
    step(20, Followed.YES),
    step(30, Followed.RATE, 21),
    step(45, Followed.RATE, 22),
    step(24.5, Followed.YES),
    step(27.1, Followed.RATE, 22.5),
)
FOUND = ramp(RampEnd.RATE, *CLIMBED, knee_mb=24.4)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (None, ""),
        (FOUND, "knee at 24.4 MB/s, 24,400 records/s; offered 27.1 MB/s, 22.5 MB/s were acknowledged"),
        (
            ramp(
                RampEnd.LATENCY,
                step(20, Followed.YES),
                *(step(mb, Followed.LATENCY, p99_ms=80) for mb in (30, 45)),
                knee_mb=20,
            ),
            "knee at 20.0 MB/s, 20,000 records/s; offered 30.0 MB/s, the p99 was 80.0 ms",
        ),
        (
            ramp(RampEnd.BYTES, *CLIMBED[:2]),
            "no knee reached: 20.0 MB/s was followed, and the ramp may send no more bytes (ramp_total_bytes)",
        ),
        (ramp(RampEnd.TIME), "no knee reached: the ramp may last no longer (ramp_max_ms)"),
        (
            ramp(RampEnd.CLIENT, CLIMBED[0]),
            "no knee reached: 20.0 MB/s was followed, and the client itself sends no more",
        ),
        (
            ramp(RampEnd.FIRST_RATE, *CLIMBED[1:3]),
            "no knee reached: already 30.0 MB/s, the first rate, was more than the path takes",
        ),
        (
            ramp(RampEnd.UNSTEADY, *CLIMBED[:3]),
            (
                "no knee reached: 20.0 MB/s was followed, and it fell behind far below what was acknowledged before: "
                "others took their share, or the path takes more for a moment than for long"
            ),
        ),
        (ramp(RampEnd.STOPPED), "no knee reached: then the ramp was cut short"),
    ],
)
def test_a_knee_in_words_or_why_there_is_none(said: RampFacts | None, words: str) -> None:
    assert knee_in_words(said) == words


def test_a_row_a_step() -> None:
    assert [row.followed for row in step_rows(FOUND)] == [
        "followed",
        "fell behind",
        "fell behind",
        "followed",
        "fell behind",
    ]
    assert step_rows(None) == ()


def loaded() -> ResultDocument:
    limits = ProduceLimits(sender_cpu_share=0.9, process_cpu_share=1.2)
    result = client_result(view(), samples=20)
    outcomes = tuple(
        msgspec.structs.replace(
            outcome,
            facts=msgspec.structs.replace(
                outcome.facts, limits=limits, ramp=FOUND, partitions=6, producers=2, consumers=1
            ),
        )
        if isinstance(outcome.facts, ThroughputFacts)
        else outcome
        for outcome in result.outcomes
    )
    return document(msgspec.structs.replace(result, outcomes=outcomes))


def as_terminal(run: ResultDocument) -> str:
    console = Console(file=io.StringIO(), width=200, highlight=False)
    print_summary(run, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def as_markdown(run: ResultDocument) -> str:
    return render_markdown(run).decode()


def as_html(run: ResultDocument) -> str:
    reader = Reader()
    reader.feed(b"".join(render_html(run)).decode())
    return reader.said()


@pytest.mark.parametrize("said_by", [as_terminal, as_html, as_markdown])
def test_every_report_says_what_limited_it_and_where_its_knee_is(said_by: Rendering) -> None:
    said = said_by(loaded())
    assert "imited by client cpu: the thread that hands records over used 90% of its core" in said
    assert "nee at 24.4 MB/s, 24,400 records/s; offered 27.1 MB/s, 22.5 MB/s were acknowledged" in said
    assert said.count("24,400 records/s") == 1


@pytest.mark.parametrize("said_by", [as_html, as_markdown])
def test_the_reports_with_room_say_how_it_was_measured_and_each_step(said_by: Rendering) -> None:
    said = said_by(loaded())
    assert "Produce: acks=all, no compression, 6 partitions, 2 connections a broker" in said
    assert "Consume: no compression, 6 partitions, 1 connection a broker" in said
    assert said.count("fell behind") == 3


def test_documents_that_do_not_say_how_say_nothing() -> None:
    assert [(row.setting, row.knee) for row in throughput_rows(client_result(view(), samples=20))] == [("", "")] * 2
