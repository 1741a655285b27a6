"""What holds of every diagnosis, whatever was seen."""

from __future__ import annotations

import random
from typing import Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokerproof.causes.codes import Code
from brokerproof.diagnosis.basis import RunOutcomes
from brokerproof.diagnosis.check import Assertion, Check, Verdict
from brokerproof.diagnosis.diagnose import diagnose
from brokerproof.diagnosis.finding import Answer, ClientEvidence, Diagnosis
from brokerproof.diagnosis.judge import judge
from brokerproof.probes.outcome import (
    HandshakeFacts,
    Outcome,
    PathSizeFacts,
    Reason,
    ResolveFacts,
    Role,
    Stage,
    Status,
    Target,
    TcpInfo,
)
from brokerproof.probes.outcome.registry import SPECS, STAGE_REASONS, STAGES
from brokerproof.probes.plan import VERIFY_STAGES
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from tests.diagnosis.bends import AT_ENDPOINT_B, NEAR
from tests.diagnosis.bent import Bend, answers, at, diagnosis_of, failed, judged, seen, views_of
from tests.examples import examples
from tests.topology.strategies import options, patterns

SILENT: Final = failed(Reason.TIMED_OUT)
NO_NAME: Final = failed(
    Reason.NXDOMAIN,
    ResolveFacts(resolver="10.1.0.2", rcode="NXDOMAIN", soa="demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com."),
)
NARROW: Final = PathSizeFacts(
    to_broker_passed_bytes=1400,
    to_broker_stopped_bytes=1500,
    sent_again_segments=2,
    tcp=TcpInfo(unacknowledged_segments=1, selectively_acknowledged_segments=1),
)
EXPIRED: Final = HandshakeFacts(sni="b", problems=(Reason.CERTIFICATE_EXPIRED,))

# Faults that do not hide one another: each bend, the clients and brokers it is about, and a cause that must be named.
TOGETHER: Final[dict[str, tuple[Bend, Code]]] = {
    "record of broker 1": (
        Bend(at(Stage.RESOLVE, clients=AT_ENDPOINT_B, brokers=[1]), NO_NAME),
        Code.DNS_RECORD_MISSING,
    ),
    "listener of broker 2": (Bend(at(Stage.CONNECT, brokers=[2]), SILENT), Code.NLB_LISTENER_MISSING),
    "target of broker 3": (Bend(at(Stage.IDENTITY, brokers=[3]), failed(Reason.OTHER_BROKER)), Code.NLB_WRONG_TARGET),
    "endpoints of the VPC that overlaps": (
        Bend(at(Stage.CONNECT, clients=["overlapping"]), SILENT),
        Code.ENDPOINT_NOT_AVAILABLE,
    ),
}


def reds(clients: list[ClientEvidence]) -> set[str]:
    return {f"{s.view.client}/{c.check_id}" for s in clients for c in s.checks if c.verdict is Verdict.FAILED}


def evidence(diagnosis: Diagnosis) -> list[str]:
    return [key for f in diagnosis.findings for key in f.evidence]


class Runs(list[ClientEvidence]):
    def __repr__(self) -> str:
        return f"{[s.view.pattern for s in self][:1]} with {sorted(reds(self))[:5]}"


@st.composite
def runs(draw: st.DrawFn) -> Runs:
    """All clients of a pattern, with some outcomes of any stage broken for any of its reasons."""
    pattern = draw(st.sampled_from(sorted(PATTERNS)))
    stages = draw(st.lists(st.sampled_from(VERIFY_STAGES), min_size=1, max_size=3))
    reasons = {
        Stage.RESOLVE: (Reason.NXDOMAIN, Reason.TIMED_OUT, Reason.SERVFAIL),
        Stage.CONNECT: (Reason.TIMED_OUT, Reason.REFUSED, Reason.RESET, Reason.HOST_UNREACHABLE),
        Stage.HANDSHAKE: (Reason.TIMED_OUT, Reason.CLOSED, Reason.NAME_MISMATCH, Reason.ALERT),
        Stage.IDENTITY: (Reason.OTHER_BROKER, Reason.TIMED_OUT),
        Stage.PRODUCE: (Reason.TOPIC_NOT_CREATED, Reason.KAFKA_ERROR, Reason.TIMED_OUT),
    }
    bends = []
    for stage in stages:
        reason = draw(st.sampled_from(reasons.get(stage, (Reason.TIMED_OUT,))))
        brokers = draw(st.none() | st.sets(st.integers(1, 3), min_size=1))
        clients = draw(st.none() | st.sets(st.sampled_from("abcdort"), min_size=1))
        bends.append(Bend(at(stage, clients=clients, brokers=brokers), failed(reason)))
    return Runs(seen(view, *bends) for view in views_of(pattern))


@settings(max_examples=examples(60), deadline=None)
@given(clients=runs(), seed=st.integers())
def test_neither_the_order_of_outcomes_nor_of_clients_matters(clients: Runs, seed: int) -> None:
    shuffled = []
    for one in clients:
        outcomes, checks = list(one.outcomes), list(one.checks)
        random.Random(seed).shuffle(outcomes)
        random.Random(seed).shuffle(checks)
        shuffled.append(msgspec.structs.replace(one, outcomes=tuple(outcomes), checks=tuple(checks)))
    random.Random(seed).shuffle(shuffled)
    assert diagnose(shuffled) == diagnose(clients)


@settings(max_examples=examples(60), deadline=None)
@given(clients=runs())
def test_every_red_is_in_one_finding_or_follows_from_one(clients: Runs) -> None:
    diagnosis = diagnose(clients)
    told = evidence(diagnosis)
    assert len(told) == len(set(told))
    following = {key for f in diagnosis.findings for key in f.consequences}
    assert set(told) | following >= reds(clients)
    assert not set(told) & following
    assert set(told) <= reds(clients)


ANY_REASON: Final = st.sampled_from(sorted(Stage)).flatmap(
    lambda stage: st.tuples(st.just(stage), st.sampled_from(sorted(STAGE_REASONS[stage])))
)


@settings(max_examples=examples(80), deadline=None)
@given(
    pattern=patterns,
    first=st.tuples(ANY_REASON, st.integers(1, 3)),
    second=st.tuples(ANY_REASON, st.integers(1, 3)),
    client=st.integers(0, 6),
)
def test_what_was_observed_and_failed_is_told_whatever_else_fails(
    pattern: str, first: tuple[tuple[Stage, Reason], int], second: tuple[tuple[Stage, Reason], int], client: int
) -> None:
    """Only records may follow from another failure without a finding of their own; nothing else that ran may."""
    views = views_of(pattern)
    view = views[client % len(views)]
    outcomes = seen(view).outcomes
    for (stage, reason), broker_id in (first, second):
        match = at(stage, brokers=[broker_id])
        outcomes = tuple(
            msgspec.structs.replace(o, status=Status.FAILED, reason=reason, facts=None) if match(view, o) else o
            for o in outcomes
        )
    checks = judge(view, RunOutcomes(outcomes), STAGES)
    diagnosis = diagnose([ClientEvidence(view=view, checks=checks, outcomes=outcomes)])
    told = {key for f in diagnosis.findings for key in f.evidence}
    following = {key for f in diagnosis.findings for key in f.consequences}
    for check in checks:
        ran = [o for o in outcomes if is_what(check, o)]
        if any(o.status is Status.FAILED for o in ran) and not check.isolation and check.asserts in OBSERVED:
            key = f"{view.client}/{check.check_id}"
            assert check.verdict is Verdict.FAILED, check
            assert key in told or (SPECS[check.stage].moves_records and key in following), check


OBSERVED: Final = frozenset({Assertion.STAGE_PASSES})


def is_what(check: Check, o: Outcome) -> bool:
    """Whether the outcome is what the check was judged from."""
    if o.stage is not check.stage or o.target.role in {Role.FORBIDDEN, Role.OTHER}:
        return False
    if SPECS[check.stage].moves_records:
        return check.broker_id == o.target.broker_id
    same_place = (o.target.name, o.target.address) == (check.name, check.address)
    return same_place and o.target.port in {0, check.port}


@pytest.mark.parametrize(
    ("pattern", "bends", "codes"),
    [
        (
            "peering",
            [
                Bend(at(Stage.PATH_SIZE, brokers=[2]), failed(Reason.TIMED_OUT, NARROW)),
                Bend(at(Stage.PRODUCE, brokers=[2]), failed(Reason.NOT_ENOUGH_REPLICAS)),
            ],
            {Code.TCP_PATH_MTU, Code.PRODUCE_MIN_ISR},
        ),
        (
            "privatelink_single_nlb",
            [
                Bend(at(Stage.IDLE, brokers=[2]), failed(Reason.RESET)),
                Bend(at(Stage.PRODUCE, brokers=[2]), failed(Reason.NOT_AUTHORIZED)),
            ],
            {Code.NLB_IDLE_TIMEOUT, Code.AUTH_TOPIC_DENIED},
        ),
    ],
)
def test_two_faults_at_one_broker_are_both_named(pattern: str, bends: list[Bend], codes: set[Code]) -> None:
    found = diagnosis_of(views_of(pattern), *bends)
    assert codes <= {code for f in found.findings for code in f.codes}


def test_a_lost_attempt_does_not_hide_an_expired_certificate() -> None:
    lossy = [at(Stage.CONNECT, brokers=[1])]
    runs = []
    for view in views_of("privatelink_single_nlb"):
        expired = seen(view, Bend(at(Stage.HANDSHAKE, brokers=[1]), failed(Reason.CERTIFICATE_EXPIRED, EXPIRED)))
        more = [
            msgspec.structs.replace(o, attempt=2, status=Status.FAILED, reason=Reason.TIMED_OUT)
            for o in expired.outcomes
            if any(match(view, o) for match in lossy) and o.target.role is Role.BROKER and o.status is Status.OK
        ]
        runs.append(judged(view, (*expired.outcomes, *more)))
    codes = {code for f in diagnose(runs).findings for code in f.codes}
    assert codes >= {Code.TLS_CERTIFICATE_DATES, Code.TCP_PACKET_LOSS}


@settings(max_examples=examples(60), deadline=None)
@given(clients=runs())
def test_what_is_unrelated_and_passes_changes_no_finding(clients: Runs) -> None:
    stranger = Outcome(
        stage=Stage.CONNECT,
        target=Target(role=Role.ADVERTISED, name="elsewhere.example.com", address="192.0.2.9", port=443),
        status=Status.OK,
        started_ns=0,
        duration_ns=1,
    )
    more = [msgspec.structs.replace(one, outcomes=(*one.outcomes, stranger)) for one in clients]
    assert diagnose(more).findings == diagnose(clients).findings
    elsewhere = seen(msgspec.structs.replace(views_of("in_vpc")[0], client="z", cluster_name="another"))
    assert diagnose([*more, elsewhere]).findings == diagnose(clients).findings


@settings(max_examples=examples(40), deadline=None)
@given(pattern=patterns, chosen=options)
def test_a_perfect_run_has_nothing_wrong(pattern: str, chosen: PatternOptions) -> None:
    topology = PATTERNS[pattern].build(chosen)
    views = [expect(topology, client.name) for client in topology.clients]
    assert diagnose([seen(view) for view in views]) == Diagnosis(answer=Answer.NOTHING_WRONG)


@settings(max_examples=examples(40), deadline=None)
@given(keep=st.integers(0, 60), client=st.integers(0, 4))
def test_a_run_that_was_cut_short_is_never_nothing_wrong(keep: int, client: int) -> None:
    views = views_of("privatelink_single_nlb")
    runs = [seen(v, complete=i != client, keep=keep if i == client else None) for i, v in enumerate(views)]
    diagnosis = diagnose(runs)
    assert diagnosis.answer is Answer.NOT_ENOUGH_SEEN
    assert diagnosis.findings == ()


def test_nothing_seen_and_nobody_asked_are_not_enough() -> None:
    assert diagnose([]).answer is Answer.NOT_ENOUGH_SEEN
    view = views_of("peering")[1]
    for error in ("", "ssh: refused"):
        checks = judge(view, RunOutcomes((), complete=False, error=error), VERIFY_STAGES)
        found = diagnose([ClientEvidence(view=view, checks=checks, outcomes=(), complete=False)])
        assert found.answer is Answer.NOT_ENOUGH_SEEN
        assert found.unexplained


def test_what_was_seen_before_the_end_is_still_named() -> None:
    views = views_of("peering")
    found = diagnose([seen(v, Bend(at(Stage.CONNECT, brokers=[1]), SILENT), complete=False, keep=12) for v in views])
    assert found.answer is Answer.FINDINGS
    assert Code.SECURITY_BROKER_GROUP in found.findings[0].codes
    assert found.unexplained


@pytest.mark.parametrize("number", [2, 3])
def test_several_faults_at_once_are_all_named(number: int) -> None:
    names = sorted(TOGETHER)
    draws = random.Random(number)
    for _ in range(12):
        chosen = draws.sample(names, number)
        found = diagnosis_of(views_of("privatelink_single_nlb"), *(TOGETHER[name][0] for name in chosen))
        named = {code for f in found.findings for code in f.codes}
        assert {TOGETHER[name][1] for name in chosen} <= named, chosen
        assert len(found.findings) == number, (chosen, [f.codes for f in found.findings])
        assert not any(f.unknown for f in found.findings)


@pytest.mark.parametrize(
    ("bend", "stage"),
    [
        (Bend(at(Stage.CONNECT, clients=NEAR.values()), failed(Reason.HOST_UNREACHABLE)), Stage.CONNECT),
        (Bend(at(Stage.API, brokers=[2]), failed(Reason.UNSUPPORTED_VERSION)), Stage.API),
        (Bend(at(Stage.CONSUME, brokers=[3]), failed(Reason.RECORDS_ALTERED)), Stage.CONSUME),
        (Bend(at(Stage.RESOLVE, clients=NEAR.values(), brokers=[1]), failed(Reason.MALFORMED_ANSWER)), Stage.RESOLVE),
    ],
)
def test_what_the_catalogue_does_not_know_is_unknown_at_its_stage(bend: Bend, stage: Stage) -> None:
    for pattern in ("peering", "privatelink_multi_nlb"):
        diagnosis = diagnosis_of(views_of(pattern), bend)
        assert [f.codes for f in diagnosis.findings] == [(Code.UNKNOWN,)]
        [found] = diagnosis.findings
        assert found.stage is stage
        assert not found.sure
        assert found.evidence
        assert f"stage {stage}" in found.wrong
        assert found.next_step


def test_a_frozen_controller_is_the_cause_and_no_topic_a_consequence() -> None:
    frozen = Bend(at(Stage.HANDSHAKE, brokers=[1]), failed(Reason.TIMED_OUT))
    no_topic = Bend(at(Stage.PRODUCE, brokers=[2, 3]), failed(Reason.TOPIC_NOT_CREATED))
    [found] = diagnosis_of(views_of("peering"), frozen, no_topic).findings
    assert found.codes == (Code.CLUSTER_BROKER_UNRESPONSIVE,)
    assert found.broker_ids == (1,)
    assert "cluster_vpc/broker-2/produce" in found.consequences


def test_an_address_that_is_another_familys_is_told_as_such() -> None:
    bend = Bend(at(Stage.RESOLVE, clients=["peered"], brokers=[1]), answers("10.0.0.10", "fd00::1"))
    [found] = diagnosis_of(views_of("peering"), bend).findings
    assert found.codes == (Code.DNS_IPV6_ANSWER_UNUSABLE,)
