"""Answers that come late: what is slow is told from what is silent, and from loss."""

from __future__ import annotations

import msgspec
import pytest

from brokerproof.causes.codes import Code
from brokerproof.diagnosis.diagnose import diagnose
from brokerproof.diagnosis.finding import Diagnosis
from brokerproof.probes.outcome import Outcome, Reason, Stage, Status
from brokerproof.topology.expectation.view import ClientView
from tests.diagnosis.bends import SINGLE, in_zone, named, one
from tests.diagnosis.bent import Bend, at, seen, views_of

MS = 1_000_000
WAITED_MS = 3500
ZONE = "use1-az1"


def took(outcome: Outcome, duration_ms: int, reason: Reason | None = None) -> Outcome:
    status = Status.OK if reason is None else Status.FAILED
    return msgspec.structs.replace(outcome, duration_ns=duration_ms * MS, status=status, reason=reason)


def diagnosed(stage: Stage, others_ms: int, *, first_too: bool = False) -> Diagnosis:
    """Broker 2 does not answer in time at one address, and at its others after so long, or nowhere in time."""

    def elsewhere(view: ClientView, outcome: Outcome) -> bool:
        return not in_zone(ZONE)(view, outcome)

    def too_late(outcome: Outcome) -> Outcome:
        return took(outcome, WAITED_MS, Reason.TIMED_OUT)

    def late(outcome: Outcome) -> Outcome:
        return too_late(outcome) if first_too else took(outcome, others_ms)

    bends = (
        Bend(at(stage, brokers=[2], where=in_zone(ZONE)), too_late),
        Bend(at(stage, brokers=[2], where=elsewhere), late),
    )
    return diagnose([seen(view, *bends) for view in views_of(SINGLE) if view.client == "account_b"])


@pytest.mark.parametrize("stage", [Stage.HANDSHAKE, Stage.API, Stage.IDENTITY])
def test_where_the_others_take_half_as_long_what_is_missing_is_late(stage: Stage) -> None:
    assert named(diagnosed(stage, WAITED_MS // 2)) == [(one(Code.PERFORMANCE_SLOW_ANSWERS), {"account_b"}, {2})]


def test_where_the_others_come_at_once_it_is_not() -> None:
    found = {code for f in diagnosed(Stage.HANDSHAKE, WAITED_MS // 2 - 1).findings for code in f.codes}
    assert found
    assert Code.PERFORMANCE_SLOW_ANSWERS not in found


def test_a_broker_that_answers_nowhere_is_not_late() -> None:
    found = {code for f in diagnosed(Stage.HANDSHAKE, 0, first_too=True).findings for code in f.codes}
    assert Code.CLUSTER_BROKER_UNRESPONSIVE in found
    assert Code.PERFORMANCE_SLOW_ANSWERS not in found
