"""The counts are those of the trials, whatever the trials are."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given, settings

from brokerproof.accuracy.matrix import (
    NOTHING,
    SCHEMA_FILE,
    MatrixError,
    decode_matrix,
    encode_matrix,
    layer_of,
    matrix_of,
    schema_text,
)
from brokerproof.accuracy.matrix_text import figures
from brokerproof.accuracy.score import Attribution, score
from brokerproof.accuracy.trial import ClientTime, Trial, TrialKind
from tests.accuracy.made import HEADER, fault, named, trial, trials

DNS = fault("dns.record_missing")
ROUTE = fault("route.missing_client", "route.missing_return")


@settings(deadline=None)  # a busy machine is no shortfall
@given(trials())
def test_the_counts_add_up_to_the_trials(every: tuple[Trial, ...]) -> None:
    matrix = matrix_of(HEADER, every)
    measured = [one for one in every if not one.problem]
    assert sum(part.trials for part in matrix.parts) == len(every)
    assert matrix.not_carried_out == len(every) - len(measured)
    for part in matrix.parts:
        of_kind = [one for one in measured if one.kind is part.kind]
        assert part.trials == len(of_kind) + part.not_carried_out
        assert part.causes == sum(len(one.injected) for one in of_kind) == sum(part.attributions.values())
        assert part.causes == sum(row.trials for row in matrix.rows if row.kind is part.kind)
        assert part.good == sum(score(one).good for one in of_kind)
        assert part.times.trials == len(of_kind)
        of_part = [score(one) for one in of_kind]
        assert part.alarmed == sum(bool(one.beyond) for one in of_part) <= part.false_alarms
        unknown = sum(f.codes == ("unknown.at_stage",) for one in of_part for f in one.stray)
        strays = 0 if part.kind.is_clean else sum(len(one.stray) for one in of_part) - unknown
        assert part.wrong_alone + part.wrong_sets == strays
        for attribution in Attribution:
            of_rows = sum(row.attributions[attribution] for row in matrix.rows if row.kind is part.kind)
            assert part.attributions[attribution] == of_rows
    for row in matrix.rows:
        # An answer at least for every trial, more where several findings answer one cause.
        assert sum(one.times for one in row.diagnosed) >= row.trials
        assert row.times.trials == row.trials
    seen = [one for one in measured if one.kind is not TrialKind.TOGETHER]
    for injected in {one.injected for one in matrix.cells}:
        of_layer = [one for one in seen if (layer_of(one.injected[0].cause) if one.injected else NOTHING) == injected]
        answers = [max(1, len({c.partition(".")[0] for f in one.named for c in f.codes})) for one in of_layer]
        assert sum(cell.times for cell in matrix.cells if cell.injected == injected) == sum(answers)
    assert matrix.deadlines.verifications == len(measured)
    as_they_must_be = all(score(one).good and one.clients[0].took_ms <= 10_500 for one in measured)
    assert matrix.good == (as_they_must_be and not any(one.not_undone for one in every))


@settings(deadline=None)  # a busy machine is no shortfall
@given(trials())
def test_neither_the_order_of_trials_nor_the_way_to_disk_matters(every: tuple[Trial, ...]) -> None:
    matrix = matrix_of(HEADER, every)
    assert matrix_of(HEADER, reversed(every)) == matrix
    assert decode_matrix(encode_matrix(matrix)) == matrix


def test_a_matrix_that_is_all_right() -> None:
    matrix = matrix_of(
        HEADER,
        [
            trial(DNS, found=(named("dns.record_missing"),), took_ms=2000),
            trial(ROUTE, found=(named("route.missing_client", "route.missing_return"),), took_ms=3000),
            trial(),
        ],
    )
    assert matrix.good
    assert matrix.complete
    single = matrix.parts[0]
    assert (single.kind, single.trials, single.good, single.causes) == (TrialKind.SINGLE, 2, 2, 2)
    assert single.attributions[Attribution.SHARP] == single.attributions[Attribution.RIGHT_SET] == 1
    assert (single.times.median_ms, single.times.worst_ms) == (2005, 3005)
    assert (single.times.whole_median_ms, single.times.whole_worst_ms) == (2000, 3000)
    assert single.times.worst_case == "single/peering/route-missing_client"
    assert {(c.injected, c.diagnosed, c.times, c.short) for c in matrix.cells} == {
        ("dns", "dns", 1, 0),
        ("route", "route", 1, 0),
        (NOTHING, NOTHING, 1, 0),
    }


def test_what_a_page_leads_with() -> None:
    part = matrix_of(
        HEADER,
        [
            trial(DNS, found=(named("dns.record_missing"),)),
            trial(ROUTE, found=(named("route.missing_client", "route.missing_return"),), case_id="single/2"),
            trial(ROUTE, found=(named("route.missing_client", "a", "b", "c"),), case_id="single/3"),
            trial(ROUTE, found=(named("tls.clock_wrong"),), case_id="single/4"),
            trial(ROUTE, found=(named("tls.clock_wrong", "tls.certificate_dates"),), case_id="single/5"),
            trial(DNS, found=(named("dns.record_missing"), named("tls.clock_wrong")), case_id="single/6"),
            trial(DNS, found=(named("unknown.at_stage"),), case_id="single/7"),
            trial(DNS, case_id="single/8"),
        ],
    ).parts[0]
    assert {found.value: times for found, times in part.attributions.items() if times} == {
        "sharp": 2,
        "right_set": 1,
        "wider": 1,
        "wrong": 2,
        "unknown": 1,
        "missed": 1,
    }
    assert part.mean_set_size == 2.0  # 1, 2, 4 and 1
    assert (part.wrong_alone, part.wrong_sets) == (2, 1)
    assert (part.false_alarms, part.alarmed) == (1, 1)


def test_idle_and_busy_machines_are_told_apart() -> None:
    quiet, busy = trial(), msgspec.structs.replace(trial(found=(named("tcp.path_mtu"),)), kind=TrialKind.BUSY)
    parts = {part.kind: part for part in matrix_of(HEADER, [quiet, busy]).parts}
    assert (parts[TrialKind.CLEAN].false_alarms, parts[TrialKind.BUSY].false_alarms) == (0, 1)
    over = msgspec.structs.replace(trial(found=(named("transient.over"),), case_id="busy/2"), kind=TrialKind.BUSY)
    part = matrix_of(HEADER, [over]).parts[-1]
    assert (part.kind, part.disturbed, part.false_alarms) == (TrialKind.BUSY, 1, 0)
    assert "1 trial disturbed: over by the next look, or late" in figures(part)[-1]
    assert parts[TrialKind.BUSY].wrong_alone == 0  # nothing is there for which it could be mistaken


def test_a_client_that_verifies_on_has_no_part_in_the_time_to_verdict() -> None:
    seen = trial(DNS, found=(named("dns.record_missing"),), took_ms=2000)
    slow = ClientTime(client="cluster_vpc", took_ms=9000, deadline_ms=10_000)
    times = matrix_of(HEADER, [msgspec.structs.replace(seen, clients=(*seen.clients, slow))]).parts[0].times
    assert (times.worst_ms, times.whole_worst_ms) == (2005, 9000)


@pytest.mark.parametrize(
    "short",
    [
        trial(DNS),
        trial(DNS, found=(named("dns.stale_record"),)),
        trial(DNS, found=(named("dns.record_missing"), named("tls.clock_wrong"))),
        trial(DNS, found=(named("dns.record_missing"),), not_undone="still red"),
        trial(DNS, found=(named("dns.record_missing"),), took_ms=10_501),
        trial(found=(named("dns.record_missing"),)),
        trial(answer="not_enough_seen"),
    ],
)
def test_one_shortfall_is_seen_in_the_whole(short: Trial) -> None:
    assert not matrix_of(HEADER, [short, trial(ROUTE, found=(named("route.missing_client"),))]).good


def test_a_deadline_may_be_exceeded_by_five_percent() -> None:
    assert ClientTime(client="peered", took_ms=10_500, deadline_ms=10_000).overrun == pytest.approx(0.05)
    assert matrix_of(HEADER, [trial(took_ms=10_400)]).good
    assert matrix_of(HEADER, [trial(took_ms=9_000)]).deadlines.worst_overrun == 0
    over = matrix_of(HEADER, [trial(took_ms=11_000)]).deadlines
    assert over.over == 1
    assert over.worst_overrun == pytest.approx(0.1)


def test_what_was_not_carried_out_is_not_wrong_but_counted() -> None:
    matrix = matrix_of(HEADER, [trial(DNS, problem="the lab ended")])
    assert matrix.good
    assert (matrix.not_carried_out, matrix.complete, matrix.rows) == (1, False, ())


def test_other_counts_than_those_of_the_trials_are_refused() -> None:
    matrix = matrix_of(HEADER, [trial(DNS)])
    better = msgspec.structs.replace(matrix, parts=matrix_of(HEADER, []).parts)
    with pytest.raises(MatrixError, match="counts are not those"):
        decode_matrix(encode_matrix(better))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not a confusion matrix"),
        ("{}", "matrix_version"),
        ('{"matrix_version": 1}', "version 1; this brokerproof reads version 2"),
        ('{"matrix_version": 2}', "header"),
    ],
)
def test_what_is_no_matrix_is_said_so(text: str, words: str) -> None:
    with pytest.raises(MatrixError, match=words):
        decode_matrix(text)


def test_the_committed_schema_is_current() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text()
    assert json.loads(schema_text())["$id"] == "urn:brokerproof:confusion-matrix:2"
