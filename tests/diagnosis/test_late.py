"""Answers that come late: what is slow is told from what is silent, and from loss."""

from __future__ import annotations

import msgspec
import pytest

from brokerproof.causes.codes import Code
from brokerproof.diagnosis.diagnose import diagnose
from brokerproof.diagnosis.finding import Diagnosis
from brokerproof.probes.outcome import HandshakeFacts, Outcome, Reason, Role, Stage, Status
from brokerproof.topology.expectation.view import ClientView
from tests.diagnosis.bends import SINGLE, WAITED_MS, late, named, one
from tests.diagnosis.bent import Bend, at, failed, seen, views_of


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


# Beside a broker that is late, what is silent elsewhere may be late as well.


def silent_once(stage: Stage, **facts: object) -> Bend:
    """One bootstrap connection of the client that is not answered in time."""
    told = HandshakeFacts(sni="b", **facts) if stage is Stage.HANDSHAKE else None  # type: ignore[arg-type]

    def too_late(o: Outcome) -> Outcome:
        lasted = WAITED_MS * 1_000_000
        return msgspec.structs.replace(
            o, status=Status.FAILED, reason=Reason.TIMED_OUT, facts=told, detail="", duration_ns=lasted
        )

    return Bend(at(stage, where=lambda view, o: in_zone_of_bootstrap(view, o) == "use1-az1"), too_late)


def in_zone_of_bootstrap(view: ClientView, o: Outcome) -> str:
    if o.target.role is not Role.BOOTSTRAP:
        return ""
    return {a.address: a.zone_id for b in view.bootstrap for a in b.addresses}[o.target.address]


def beside(*bends: Bend) -> list[frozenset[Code]]:
    views = [view for view in views_of(SINGLE) if view.client == "account_b"]
    return [frozenset(f.codes) for f in diagnose([seen(view, *bends) for view in views]).findings]


@pytest.mark.parametrize("stage", [Stage.HANDSHAKE, Stage.API])
def test_a_bootstrap_target_is_not_dead_alone_while_a_broker_is_late(stage: Stage) -> None:
    without = beside(silent_once(stage))
    assert without
    assert all(Code.PERFORMANCE_SLOW_ANSWERS not in codes for codes in without)
    found = beside(silent_once(stage), *late(Stage.IDENTITY, WAITED_MS // 2))
    assert len(found) > 1
    assert all(Code.PERFORMANCE_SLOW_ANSWERS in codes for codes in found)


def test_a_target_that_began_to_answer_is_not_one_that_says_nothing() -> None:
    silent, began = beside(silent_once(Stage.HANDSHAKE)), beside(silent_once(Stage.HANDSHAKE, bytes_received=127))
    assert any(Code.NLB_BOOTSTRAP_TARGET_DEAD in codes for codes in silent)
    assert all(Code.NLB_BOOTSTRAP_TARGET_DEAD not in codes for codes in began)
    assert any(Code.CLUSTER_BROKER_UNRESPONSIVE in codes for codes in began)


def test_what_is_refused_is_not_late() -> None:
    refused = Bend(at(Stage.CONNECT, brokers=[3]), failed(Reason.REFUSED))
    found = beside(refused, *late(Stage.IDENTITY, WAITED_MS // 2))
    assert sum(Code.PERFORMANCE_SLOW_ANSWERS in codes for codes in found) == 1
