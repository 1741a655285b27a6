"""Runs as a history: what is kept of one, how a store is asked, and what is shown."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from rich.console import Console

from brokerproof.cli.main import main
from brokerproof.comparison.errors import SamplesError
from brokerproof.comparison.history import Point, Trend, append, trend
from brokerproof.comparison.values import Comparison, Party, Spread
from brokerproof.probes.outcome import LatencyFacts, Measured, Outcome, PathLatencyFacts, Role, Stage, Status, Target
from brokerproof.probes.outcome.distribution import distribution
from brokerproof.reports.document import ResultDocument, encode_document
from brokerproof.reports.history import line, points_of, print_history
from tests.reports.builder import BROKEN, client_result, mixed
from tests.reports.path import view

BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
MS = 1_000_000


def point(number: int, *, what: Trend = Trend.CONNECT, p50_ms: int | None = 5, client: str = "b") -> Point:
    return Point(
        run_id=f"run-{number:02}",
        began=BEGAN + timedelta(hours=number),
        target="lab",
        version="0.1.0",
        client=client,
        pattern="peering",
        verdict="passed",
        what=what,
        samples=100,
        p50_ns=None if p50_ms is None else p50_ms * MS,
    )


def timed(address: str, ms: int, samples: int = 600) -> Outcome:
    times = distribution([ms * MS] * samples)
    return Outcome(
        stage=Stage.LATENCY,
        target=Target(role=Role.BROKER, name="b-1", address=address, port=9094, broker_id=1),
        status=Status.OK,
        started_ns=0,
        duration_ns=1,
        facts=PathLatencyFacts(warm_up_samples=0, connect=times, connect_scheduled=times, resolve=times),
    )


def document(*outcomes: Outcome, faults: object = None, comparisons: tuple[Comparison, ...] = ()) -> ResultDocument:
    client = client_result(view(), faults or {}, samples=1000)  # type: ignore[arg-type]
    clients = (msgspec.structs.replace(client, outcomes=(*client.outcomes, *outcomes)),)
    return msgspec.structs.replace(mixed(), clients=clients, comparisons=comparisons)


def test_of_a_run_each_path_is_kept_with_what_was_measured() -> None:
    whole = distribution([7 * MS] * 1000)
    records = Outcome(
        stage=Stage.LATENCY,
        target=Target(role=Role.CLUSTER),
        status=Status.OK,
        started_ns=0,
        duration_ns=1,
        facts=LatencyFacts(record_bytes=100, warm_up_samples=0, produce_ack=whole, end_to_end=whole),
    )
    kept = {each.what: each for each in points_of(document(timed("10.0.0.1", 2), timed("10.0.0.2", 4), records))}
    assert set(kept) == set(Trend) - {Trend.HANDSHAKE}
    # Two addresses together, one of them twice as far: by their histograms, not by an average of percentiles.
    connect = kept[Trend.CONNECT]
    assert (connect.samples, connect.max_ns) == (1200, 4 * MS)
    assert connect.p50_ns == pytest.approx(2 * MS, rel=0.01)
    assert connect.p99_ns == pytest.approx(4 * MS, rel=0.01)
    assert connect.p99_scheduled_ns == connect.p99_ns
    assert kept[Trend.RESOLVE].samples == 600
    assert kept[Trend.PRODUCE_ACK].p99_ns == pytest.approx(7 * MS, rel=0.01)
    assert kept[Trend.PRODUCE].bytes_per_s == 118.4e6
    assert {each.verdict for each in kept.values()} == {"passed"}
    assert {each.verdict for each in points_of(document(faults=BROKEN))} == {"failed"}


def test_of_a_comparison_the_figures_of_all_turns_are_kept() -> None:
    seen = view()
    party = Party(run_id="r", client=seen.client, pattern=seen.pattern)
    spread = Spread(
        party=party, what=Measured.HANDSHAKE, rounds=20, samples=400,
        p50_ns=9, p99_ns=None, p99_scheduled_ns=None, max_ns=11,
    )  # fmt: skip
    other = msgspec.structs.replace(spread, party=msgspec.structs.replace(party, client="another"))
    made = Comparison(interleaved=True, seed=1, parties=(party,), spreads=(spread, other), compared=())
    (kept,) = [each for each in points_of(document(comparisons=(made,))) if each.what is Trend.HANDSHAKE]
    assert (kept.client, kept.samples, kept.p50_ns, kept.max_ns) == (seen.client, 400, 9, 11)


def test_a_store_is_asked_by_path_and_kind_oldest_first(tmp_path: Path) -> None:
    store = tmp_path / "it's a store"
    assert trend(store) == ()
    for number in (3, 1, 2):
        points = [
            point(number, p50_ms=number),
            point(number, what=Trend.VERDICT, p50_ms=None),
            point(number, client="g"),
        ]
        assert append(store, points) == store / f"run-{number:02}.parquet"
    assert append(store, [point(2, p50_ms=20), point(2, client="g")]) is not None
    assert append(store, []) is None
    assert [each.p50_ns for each in trend(store, client="b", what=(Trend.CONNECT,))] == [1 * MS, 20 * MS, 3 * MS]
    assert [each.run_id for each in trend(store, client="b", what=(Trend.VERDICT,))] == ["run-01", "run-03"]
    assert [each.run_id for each in trend(store, client="g", last=2)] == ["run-02", "run-03"]
    assert trend(store, client="b", last=1, what=(Trend.CONNECT,)) == (point(3, p50_ms=3),)
    assert trend(store, pattern="transit_gateway") == trend(store, target="mine.yaml") == ()
    assert len(list(store.iterdir())) == 3


def test_what_is_no_history_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_text("nothing")
    with pytest.raises(SamplesError, match="not a history"):
        trend(tmp_path)
    with pytest.raises(SamplesError, match="cannot be written"):
        append(tmp_path / "x.parquet", [point(1)])
    with pytest.raises(ValueError, match="points of one run"):
        append(tmp_path, [point(1), point(2)])
    with pytest.raises(ValueError, match="points of one run"):
        append(tmp_path, [msgspec.structs.replace(point(1), run_id="../elsewhere")])


def test_a_line_has_a_bar_a_run_and_a_gap_for_none() -> None:
    assert line([0, 4, None, 8, 6.5]) == "▁▅ █▇"
    assert line([]) == ""
    assert line([0, 0]) == "▁▁"


def test_each_path_and_kind_has_a_table() -> None:
    out = io.StringIO()
    rate = msgspec.structs.replace(point(2, what=Trend.PRODUCE, p50_ms=None), bytes_per_s=5e6)
    print_history([point(1), point(2, p50_ms=10), rate], Console(file=out, width=120))
    said = out.getvalue()
    assert "b (peering), connect, target lab" in said
    assert "5.00 ms" in said
    assert "10.0 ms" in said
    assert "5.00 MB/s" in said
    assert "n=100 is too few" in said


def test_the_command_appends_and_shows(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "result.json").write_bytes(encode_document(document()))
    store = tmp_path / "store"

    def command(*arguments: str | Path) -> tuple[int, str, str]:
        done = CliRunner().invoke(main, ["history", "--store", str(store), *map(str, arguments)])
        return done.exit_code, done.stdout, done.stderr

    code, _, why = command()
    assert (code, "no run with that" in why) == (2, True)
    code, said, _ = command("--add", run, "--what", "produce")
    assert (code, "118 MB/s" in said) == (0, True)
    code, said, _ = command("--json", "--what", "consume")
    assert msgspec.json.decode(said, type=list[Point])[0].bytes_per_s == 241.9e6
    (run / "result.json").write_text("{}")
    code, _, why = command("--add", run)
    assert (code, "not a result document" in why) == (2, True)
    assert command("--add", store)[0] == 2
