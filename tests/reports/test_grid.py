"""Checks arranged: the worst of a cell shows, rows are in order, causes carry their consequences."""

from __future__ import annotations

import msgspec
import pytest

from brokerproof.diagnosis.check import Check, Subject, Verdict
from brokerproof.probes.outcome import Outcome, Reason, Role, Stage, Status, Target
from brokerproof.reports.grid import by_subject, cell, failures, grid, isolation_cell, subject_of
from tests.reports.builder import BROKEN, MS, client_result
from tests.reports.path import view


def check(
    verdict: Verdict,
    *,
    check_id: str = "c",
    subject: Subject = Subject.BROKER,
    broker_id: int | None = 1,
    stage: Stage = Stage.CONNECT,
    reason: Reason | None = None,
    duration_ns: int = 0,
    blocked_by: str = "",
    isolation: bool = False,
) -> Check:
    return Check(
        check_id=check_id,
        client="billing",
        stage=stage,
        subject=subject,
        broker_id=broker_id,
        verdict=verdict,
        title="must hold",
        reason=reason,
        duration_ns=duration_ns,
        blocked_by=blocked_by,
        isolation=isolation,
    )


PASSED = check(Verdict.PASSED, duration_ns=2 * MS)
SLOWER = check(Verdict.PASSED, duration_ns=3 * MS)
TIMED_OUT = check(Verdict.FAILED, reason=Reason.TIMED_OUT)
REFUSED = check(Verdict.FAILED, reason=Reason.REFUSED)


@pytest.mark.parametrize(
    ("checks", "verdict", "words"),
    [
        ([], None, ""),
        ([PASSED, SLOWER], Verdict.PASSED, "3.00 ms"),
        ([check(Verdict.PASSED)], Verdict.PASSED, "ok"),
        ([TIMED_OUT], Verdict.FAILED, "timed out"),
        ([PASSED, TIMED_OUT], Verdict.FAILED, "timed out (1 of 2)"),
        ([REFUSED, TIMED_OUT], Verdict.FAILED, "refused, timed out"),
        ([check(Verdict.FAILED)], Verdict.FAILED, "failed"),
        ([check(Verdict.BLOCKED), TIMED_OUT], Verdict.FAILED, "timed out (1 of 2)"),
        ([check(Verdict.ERROR, reason=Reason.PROBE_CRASHED), PASSED], Verdict.ERROR, "probe crashed (1 of 2)"),
        ([check(Verdict.NOT_SEEN), check(Verdict.BLOCKED)], Verdict.NOT_SEEN, "not seen (1 of 2)"),
        ([check(Verdict.NOT_SEEN), TIMED_OUT], Verdict.FAILED, "timed out (1 of 2)"),
        ([check(Verdict.NOT_SEEN), check(Verdict.ERROR)], Verdict.ERROR, "error (1 of 2)"),
        ([check(Verdict.ERROR), TIMED_OUT], Verdict.FAILED, "timed out (1 of 2)"),
        ([check(Verdict.BLOCKED, reason=Reason.WAITS_FOR)], Verdict.BLOCKED, "blocked"),
    ],
)
def test_a_cell_says_its_worst(checks: list[Check], verdict: Verdict | None, words: str) -> None:
    said = cell(checks)
    assert (said.verdict, said.words, said.checks) == (verdict, words, len(checks))


@pytest.mark.parametrize(
    ("verdicts", "words"),
    [
        ([Verdict.PASSED], "holds"),
        ([Verdict.PASSED, Verdict.FAILED], "open (1 of 2)"),
        ([Verdict.NOT_SEEN], "not seen"),
        ([], ""),
    ],
)
def test_a_cell_of_what_must_not_work(verdicts: list[Verdict], words: str) -> None:
    assert isolation_cell([check(verdict, isolation=True) for verdict in verdicts]).words == words


def test_rows_are_bootstrap_then_brokers_by_number_then_the_cluster() -> None:
    many = view(brokers=11)
    checks = tuple(
        check(Verdict.PASSED, check_id=f"{subject}/{broker_id}", subject=subject, broker_id=broker_id)
        for subject, broker_id in (
            (Subject.CLUSTER, None),
            (Subject.BROKER, 10),
            (Subject.BROKER, 2),
            (Subject.BOOTSTRAP, None),
        )
    )
    result = msgspec.structs.replace(client_result(many), checks=checks)
    subjects = [row.subject for row in grid(result).rows]
    assert subjects == ["bootstrap", *(f"broker-{number}" for number in range(1, 12)), "cluster"]


def test_outcomes_of_brokers_nobody_planned_stand_between_the_brokers_and_the_cluster() -> None:
    targets = (
        Target(role=Role.CLUSTER),
        Target(role=Role.ADVERTISED, name="b-9.x", broker_id=9),
        Target(role=Role.BROKER, name="b-2.x", broker_id=2),
        Target(role=Role.BOOTSTRAP, name="b-1.x"),
    )
    outcomes = [
        Outcome(stage=Stage.PRODUCE, target=target, status=Status.OK, started_ns=0, duration_ns=1) for target in targets
    ]
    assert list(by_subject(outcomes)) == ["bootstrap", "broker-2", "advertised", "cluster"]


def test_a_broker_nobody_checked_has_a_row_that_is_not_green() -> None:
    result = msgspec.structs.replace(client_result(view()), checks=())
    assert [row.verdict for row in grid(result).rows] == [Verdict.NOT_SEEN] * 3


def test_stages_are_in_their_own_order_and_only_those_checked() -> None:
    result = msgspec.structs.replace(
        client_result(view()),
        checks=(
            check(Verdict.PASSED, check_id="late", stage=Stage.CONSUME),
            check(Verdict.PASSED, check_id="early", stage=Stage.RESOLVE),
        ),
    )
    assert grid(result).stages == (Stage.RESOLVE, Stage.CONSUME)


def test_failures_come_before_errors_and_know_what_waits_for_them() -> None:
    found = failures(client_result(view("fulfilment", "privatelink_single_nlb"), BROKEN))
    assert [(one.check.check_id, one.blocks) for one in found] == [
        ("broker-2/connect/use1-az1", 16),
        ("broker-3/identity/use1-az1", 4),
        ("cluster/group", 0),
    ]


def test_blockers_are_followed_to_the_first_cause_and_circles_end() -> None:
    chain = (
        check(Verdict.FAILED, check_id="cause"),
        check(Verdict.BLOCKED, check_id="next", blocked_by="cause"),
        check(Verdict.BLOCKED, check_id="last", blocked_by="next"),
        check(Verdict.BLOCKED, check_id="ring-a", blocked_by="ring-b"),
        check(Verdict.BLOCKED, check_id="ring-b", blocked_by="ring-a"),
    )
    (found,) = failures(msgspec.structs.replace(client_result(view()), checks=chain))
    assert found.blocks == 2


@pytest.mark.parametrize(
    ("target", "subject"),
    [
        (Target(role=Role.BROKER, name="b-2.x", broker_id=2), "broker-2"),
        (Target(role=Role.BROKER, name="b-2.x"), "b-2.x"),
        (Target(role=Role.BOOTSTRAP, name="b-1.x"), "bootstrap"),
        (Target(role=Role.ADVERTISED, name="b-9.x"), "advertised"),
        (Target(role=Role.FORBIDDEN, address="10.0.0.1", port=22), "isolation"),
        (Target(role=Role.CLUSTER), "cluster"),
    ],
)
def test_the_subject_of_an_outcome(target: Target, subject: str) -> None:
    assert subject_of(target) == subject


def test_what_the_probe_could_not_do_for_one_reason_is_told_once() -> None:
    gone = [
        msgspec.structs.replace(check(Verdict.ERROR, check_id=f"e-{number}"), observed="ssh: gone")
        for number in range(5)
    ]
    other = msgspec.structs.replace(check(Verdict.ERROR, check_id="other"), observed="no resolver")
    result = msgspec.structs.replace(client_result(view()), checks=(*gone, other, TIMED_OUT))
    found = [(one.check.verdict, one.check.observed, one.alike) for one in failures(result)]
    assert found == [
        (Verdict.FAILED, "", 0),
        (Verdict.ERROR, "ssh: gone", 4),
        (Verdict.ERROR, "no resolver", 0),
    ]


def test_failures_of_the_path_are_never_lumped_together() -> None:
    alike = [msgspec.structs.replace(TIMED_OUT, check_id=f"f-{number}") for number in range(3)]
    assert len(failures(msgspec.structs.replace(client_result(view()), checks=tuple(alike)))) == 3
