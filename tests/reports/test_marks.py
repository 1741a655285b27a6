"""Which boxes of a topology's picture a finding marks, and where a client's way ends in it."""

from __future__ import annotations

import re

import msgspec
import pytest

from brokerproof.causes.catalogue import CATALOGUE
from brokerproof.causes.codes import Code
from brokerproof.causes.pieces import Piece
from brokerproof.diagnosis.finding import Finding
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.reports.drawing import inline_svg
from brokerproof.reports.marks import Marks, marks_of
from brokerproof.reports.page import page
from brokerproof.topology.patterns import PATTERNS
from brokerproof.topology.picture import picture
from tests.browser.documents import drawn, marked
from tests.diagnosis.bends import NO_NAME, REFUSED, SILENT, unlisted
from tests.diagnosis.bent import Bend, at, diagnosis_of, failed, views_of


def found(pattern: str, *bends: Bend) -> tuple[Finding, Marks]:
    [finding] = diagnosis_of(views_of(pattern), *bends).findings
    return finding, marks_of(picture(PATTERNS[pattern].build()).drawn, [(1, finding)])


def boxes(marks: Marks) -> dict[str, bool]:
    return {mark.box: mark.sure for mark in marks.boxes}


def beyond(marks: Marks, client_ink: str) -> set[tuple[str, str]]:
    return {(one.line.tail, one.line.head) for one in marks.beyond if one.ink == client_ink}


BLUE, ORANGE = "#0a58ca", "#b35900"
"""The lines of the first and the second client of a file."""


def test_a_broker_that_does_not_run_is_marked_and_the_way_ends_at_it() -> None:
    finding, marks = found("peering", Bend(at(Stage.CONNECT, brokers=[2]), REFUSED), unlisted(2))
    assert finding.codes == (Code.CLUSTER_BROKER_DOWN,)
    assert boxes(marks) == {"broker/demo%2F2": True}
    assert marks.beyond == ()


def test_a_record_that_is_missing_is_marked_at_the_zone_and_the_way_ends_before_its_first_line() -> None:
    _, marks = found("privatelink_multi_nlb", Bend(at(Stage.RESOLVE, clients=["account_b"], brokers=[2]), NO_NAME))
    assert boxes(marks) == {"zone/ZB": True}
    assert beyond(marks, ORANGE) == {
        ("client/account_b", "endpoint/vpce-b-b2"),
        ("endpoint/vpce-b-b2", "service/com.amazonaws.vpce.us-east-1.vpce-svc-b2"),
        ("service/com.amazonaws.vpce.us-east-1.vpce-svc-b2", "balancer/nlb-b2"),
        ("balancer/nlb-b2", "broker/demo%2F2"),
    }
    assert {one.sure for one in marks.beyond} == {True}


def test_a_set_marks_all_its_pieces_and_none_of_them_as_sure() -> None:
    finding, marks = found("peering", Bend(at(Stage.CONNECT, clients=["peered"]), SILENT))
    assert Code.ROUTE_PEERING_NOT_ACTIVE in finding.codes
    assert boxes(marks) == {
        "client/peered": False,
        "routes/vpc-b": False,
        "peering/pcx-cluster-b": False,
        "routes/vpc-cluster": False,
        "broker/demo%2F1": False,
        "broker/demo%2F2": False,
        "broker/demo%2F3": False,
    }
    [words] = marks.words
    assert words == (
        "Finding 1 is marked at broker 1, broker 2, broker 3, host peered, pcx-cluster-b, the route tables of vpc-b "
        "and the route tables of vpc-cluster"
    )
    assert marks.beyond
    assert {one.sure for one in marks.beyond} == {False}


def test_a_line_that_another_broker_still_uses_stays_as_it_is() -> None:
    _, marks = found(
        "privatelink_single_nlb",
        Bend(at(Stage.IDENTITY, clients=["account_b", "overlapping"], brokers=[2]), failed(Reason.OTHER_BROKER)),
    )
    assert boxes(marks) == {"balancer/nlb-all": True}
    assert beyond(marks, ORANGE) == {("balancer/nlb-all", "broker/demo%2F2")}


def changed(**changes: object) -> Finding:
    """A finding of all of a pattern's clients, of other causes."""
    finding, _ = found("peering", Bend(at(Stage.CONNECT, brokers=[2]), REFUSED), unlisted(2))
    return msgspec.structs.replace(finding, **changes)


def test_what_must_not_work_and_does_ends_no_way() -> None:
    opened = changed(codes=(Code.ISOLATION_PORTS_OPEN,))
    marks = marks_of(picture(PATTERNS["peering"].build()).drawn, [(4, opened)])
    assert [(mark.box, mark.numbers) for mark in marks.boxes] == [("broker/demo%2F2", (4,))]
    assert marks.beyond == ()


def test_an_unknown_cause_marks_nothing() -> None:
    finding, marks = found("in_vpc", Bend(at(Stage.API, brokers=[3]), failed(Reason.UNSUPPORTED_VERSION)))
    assert finding.unknown
    assert not marks


def test_losses_are_anywhere_along_the_way() -> None:
    lost = changed(codes=(Code.TCP_PACKET_LOSS,), clients=("peered",), broker_ids=())
    marks = marks_of(picture(PATTERNS["peering"].build()).drawn, [(1, lost)])
    assert (marks.boxes, marks.beyond) == ((), ())
    assert ("client/peered", "routes/vpc-b") in {(one.line.tail, one.line.head) for one in marks.along}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_box_that_may_be_marked_is_in_the_picture(pattern: str) -> None:
    made = picture(PATTERNS[pattern].build())
    everywhere = changed(
        codes=tuple(code for code in Code if CATALOGUE[code].layer not in {"isolation", "performance"}),
        clients=tuple(way.client for way in made.drawn),
        broker_ids=(),
    )
    marks = marks_of(made.drawn, [(1, everywhere)])
    named = set(re.findall(r"subgraph \"?([^\" {]+)\"? \{", made.dot)) | set(
        re.findall(r"^\s*\"?([^\"\s\[]+)\"? \[label=<", made.dot, re.MULTILINE)
    )
    assert {mark.box for mark in marks.boxes} <= named
    lines = set(re.findall(r"^\s*\"?([^\":\s]+)\"?(?::\S+)? -> \"?([^\"\s]+)\"?", made.dot, re.MULTILINE))
    assert {(one.line.tail, one.line.head) for one in (*marks.beyond, *marks.along)} <= lines
    assert marks.beyond
    kinds = {CATALOGUE[code].sits for code in everywhere.codes}
    assert kinds == set(Piece)


def test_the_page_marks_each_finding_by_its_number() -> None:
    arranged = page(marked())
    [shown] = arranged.pictures
    numbers = {number: one.finding.codes for number, one in enumerate(arranged.findings, start=1)}
    zone = next(number for number, codes in numbers.items() if codes == (Code.DNS_RECORD_MISSING,))
    assert {mark.box: mark.numbers for mark in shown.marks.boxes if mark.sure and zone in mark.numbers} == {
        "zone/ZO": (zone,)
    }


def test_the_drawing_has_a_frame_and_a_number_a_mark_and_pale_lines() -> None:
    drawing = drawn("privatelink_single_nlb")
    [shown] = page(marked()).pictures
    plain = inline_svg(drawing.dot, title="t", description="d")
    told = inline_svg(drawing.dot, title="t", description="d", marks=shown.marks)
    assert told.count("<path") - plain.count("<path") == 2 * len(shown.marks.boxes)
    assert told.count("<text") - plain.count("<text") == len(shown.marks.boxes)
    assert 'stroke-opacity="0.4"' not in plain
    assert 'stroke-opacity="0.4"' in told
    assert 'stroke-opacity="0.15"' in told
