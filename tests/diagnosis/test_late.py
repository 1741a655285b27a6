"""Answers that come late: what is slow is told from what is silent, and from loss."""

from __future__ import annotations

import pytest

from brokerproof.causes.codes import Code
from brokerproof.diagnosis.diagnose import diagnose
from brokerproof.diagnosis.finding import Diagnosis
from brokerproof.probes.outcome import Stage
from tests.diagnosis.bends import SINGLE, WAITED_MS, late, named, one
from tests.diagnosis.bent import seen, views_of


def diagnosed(stage: Stage, elsewhere_ms: int | None) -> Diagnosis:
    return diagnose([seen(view, *late(stage, elsewhere_ms)) for view in views_of(SINGLE) if view.client == "account_b"])


@pytest.mark.parametrize("stage", [Stage.HANDSHAKE, Stage.API, Stage.IDENTITY])
def test_where_the_others_take_half_as_long_what_is_missing_is_late(stage: Stage) -> None:
    assert named(diagnosed(stage, WAITED_MS // 2)) == [(one(Code.PERFORMANCE_SLOW_ANSWERS), {"account_b"}, {2})]


def test_where_the_others_come_at_once_it_is_not() -> None:
    found = {code for f in diagnosed(Stage.HANDSHAKE, WAITED_MS // 2 - 1).findings for code in f.codes}
    assert found
    assert Code.PERFORMANCE_SLOW_ANSWERS not in found


def test_a_broker_that_answers_nowhere_is_not_late() -> None:
    found = {code for f in diagnosed(Stage.HANDSHAKE, None).findings for code in f.codes}
    assert Code.CLUSTER_BROKER_UNRESPONSIVE in found
    assert Code.PERFORMANCE_SLOW_ANSWERS not in found
