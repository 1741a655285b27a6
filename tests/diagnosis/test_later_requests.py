"""Findings of requests after the first, on a connection that spoke Kafka: silence, an end, and what comes late."""

from __future__ import annotations

import msgspec
import pytest

from brokerproof.causes.codes import Code
from brokerproof.diagnosis.check import Verdict
from brokerproof.diagnosis.diagnose import diagnose
from brokerproof.probes.outcome import (
    AuthorizeFacts,
    ConsumeFacts,
    Outcome,
    PathSizeFacts,
    ProduceFacts,
    Reason,
    Stage,
    Status,
)
from brokerproof.probes.outcome.permissions import Permission
from tests.diagnosis.bends import IN_VPC, PEERING, SINGLE, named, one
from tests.diagnosis.bent import Bend, at, diagnosis_of, failed, judged, seen, views_of

SILENT = one(Code.CLUSTER_BROKER_UNRESPONSIVE, Code.TCP_PACKET_LOSS)
MOVED = {
    Stage.PRODUCE: ProduceFacts(topic="t", partition=0, leader_id=1, records=5),
    Stage.CONSUME: ConsumeFacts(topic="t", partition=0, leader_id=1, expected=5),
}
ENDED = one(Code.CLUSTER_BROKER_UNRESPONSIVE, Code.TCP_CUT_ON_THE_WAY)


@pytest.mark.parametrize("pattern", [PEERING, SINGLE])
@pytest.mark.parametrize(
    ("stage", "reason", "codes"),
    [
        (Stage.METADATA, Reason.TIMED_OUT, SILENT),
        (Stage.METADATA, Reason.CLOSED, ENDED),
        (Stage.METADATA, Reason.RESET, ENDED),
        (Stage.IDENTITY, Reason.TIMED_OUT, SILENT),
        (Stage.IDENTITY, Reason.RESET, ENDED | {Code.CLUSTER_NO_IDENTITY}),
    ],
)
def test_a_request_that_gets_no_answer_after_one_that_got_it_is_named_at_its_broker(
    pattern: str, stage: Stage, reason: Reason, codes: frozenset[Code]
) -> None:
    found = diagnosis_of(views_of(pattern), Bend(at(stage, brokers=[2]), failed(reason)))
    assert {(each, frozenset(brokers)) for each, _, brokers in named(found)} == {(codes, frozenset({2}))}


def test_a_large_request_that_ends_the_connection_was_cut_on_the_way_or_by_the_broker() -> None:
    facts = PathSizeFacts(to_broker_stopped_bytes=4096)
    bend = Bend(at(Stage.PATH_SIZE, brokers=[2]), failed(Reason.RESET, facts))
    assert {codes for codes, _, _ in named(diagnosis_of(views_of(PEERING), bend))} == {ENDED}


def test_no_metadata_from_one_address_is_a_check_of_that_address_and_what_follows_waits_for_it() -> None:
    [view] = [each for each in views_of(PEERING) if each.client == "peered"]
    checks = {c.check_id: c for c in seen(view, Bend(at(Stage.METADATA, brokers=[2]), failed(Reason.CLOSED))).checks}
    assert checks["broker-2/metadata/broker-eni"].verdict is Verdict.FAILED
    assert checks["broker-2/metadata/broker-eni"].change == ""
    assert checks["broker-2/identity/broker-eni"].blocked_by == "broker-2/metadata/broker-eni"
    assert not any("metadata/broker-eni" in check_id for check_id in (c.check_id for c in seen(view).checks))


@pytest.mark.parametrize("reason", [Reason.TIMED_OUT, Reason.TRANSPORT])
@pytest.mark.parametrize("brokers", [None, [2]], ids=["all", "one"])
@pytest.mark.parametrize("stage", [Stage.PRODUCE, Stage.CONSUME])
def test_records_without_an_answer_leave_the_same_causes_at_one_leader_and_at_all(
    stage: Stage, brokers: list[int] | None, reason: Reason
) -> None:
    facts = MOVED[stage]
    found = diagnosis_of(views_of(PEERING), Bend(at(stage, brokers=brokers), failed(reason, facts)))
    codes = one(Code.PRODUCE_LEADER_UNREACHABLE, Code.CLUSTER_BROKER_UNRESPONSIVE, Code.TCP_PACKET_LOSS)
    assert {each for each, _, _ in named(found)} == {codes}


def test_a_request_about_the_topic_that_is_cut_is_not_told_as_records_without_an_answer() -> None:
    found = diagnosis_of(views_of(PEERING), Bend(at(Stage.PRODUCE), failed(Reason.TRANSPORT)))
    assert {codes for codes, _, _ in named(found)} == {ENDED}


def test_where_nobody_answers_metadata_what_is_advertised_is_not_judged() -> None:
    views = views_of(PEERING)
    found = diagnosis_of(views, Bend(at(Stage.METADATA), failed(Reason.TIMED_OUT)))
    assert {codes for codes, _, _ in named(found)} == {SILENT}
    [view] = [each for each in views if each.client == "peered"]
    checks = {c.check_id: c for c in seen(view, Bend(at(Stage.METADATA), failed(Reason.TIMED_OUT))).checks}
    assert (checks["broker-2/metadata"].verdict, checks["broker-2/metadata"].observed) == (
        Verdict.BLOCKED,
        "no metadata was read",
    )


DENIED = AuthorizeFacts(denied=(Permission.WRITE_IDEMPOTENTLY,))


@pytest.mark.parametrize(
    ("next_look", "codes"),
    [
        (None, SILENT | {Code.PERFORMANCE_SLOW_ANSWERS}),
        ((Status.FAILED, Reason.TIMED_OUT, AuthorizeFacts()), SILENT | {Code.PERFORMANCE_SLOW_ANSWERS}),
        ((Status.OK, None, AuthorizeFacts()), SILENT | {Code.PERFORMANCE_SLOW_ANSWERS, Code.TRANSIENT_OVER}),
        ((Status.FAILED, Reason.NOT_AUTHORIZED, DENIED), one(Code.AUTH_IDEMPOTENT_DENIED)),
    ],
    ids=["not asked again", "silent again", "answered", "refused"],
)
def test_a_permission_that_is_not_answered_for_in_time_is_told_by_the_next_look(
    next_look: tuple[Status, Reason | None, AuthorizeFacts] | None, codes: frozenset[Code]
) -> None:
    [view] = views_of(IN_VPC, authentication="iam")
    first = seen(view, Bend(at(Stage.AUTHORIZE), failed(Reason.TIMED_OUT, AuthorizeFacts())))
    again: list[Outcome] = []
    if next_look is not None:
        status, reason, facts = next_look
        [asked] = [o for o in first.outcomes if o.stage is Stage.AUTHORIZE]
        again = [msgspec.structs.replace(asked, look=2, status=status, reason=reason, facts=facts)]
    [found] = diagnose([judged(view, (*first.outcomes, *again))]).findings
    assert frozenset(found.codes) == codes
