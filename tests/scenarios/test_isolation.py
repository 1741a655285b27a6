"""What must not work is proved where a selected test asks for it, and nothing is said of it elsewhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from brokerproof.diagnosis.basis import RunOutcomes
from brokerproof.diagnosis.check import Assertion
from brokerproof.diagnosis.judge import judge
from brokerproof.probes.outcome import Reason, Role
from brokerproof.reports.document import decode_document
from brokerproof.running.planning import make_plan, without_isolation
from brokerproof.scenarios.contract import has_what_must_not_work
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.expectation.view import NotJudged
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from tests.diagnosis.perfect import perfect
from tests.installed.stand_in import write_target

TOPOLOGY = PATTERNS["privatelink_multi_nlb"].build(PatternOptions(cross_zone=False))
VIEW = expect(TOPOLOGY, "account_b")


def test_without_it_nothing_of_it_is_planned_or_judged() -> None:
    apart = without_isolation(VIEW)
    plan = make_plan(apart, TOPOLOGY.client("account_b"), measure=False)
    assert (plan.forbidden, plan.other_names) == ((), ())
    checks = judge(apart, RunOutcomes(perfect(VIEW)))
    assert not [check for check in checks if check.isolation]
    assert {check.asserts for check in checks}.isdisjoint(
        {Assertion.FORBIDDEN, Assertion.DEAD_ADDRESS, Assertion.NAME_NOT_HIDDEN}
    )
    whole = judge(VIEW, RunOutcomes(perfect(VIEW)))
    assert [check for check in whole if not check.isolation] == list(checks)


def test_what_is_left_out_is_counted() -> None:
    assert len(VIEW.forbidden) == 51
    assert len(VIEW.other_names) == 1
    assert without_isolation(VIEW).not_judged == (NotJudged("what must not work", "no selected test asks for it", 52),)


def test_where_nothing_is_known_of_it_no_test_is_owed() -> None:
    """A client of a file states no security group, and every rule may be about it."""
    left_out = (NotJudged("ports 22 and 2181 of broker 1", "the topology states none", 2),)
    unknown = msgspec.structs.replace(VIEW, forbidden=(), not_judged=left_out)
    assert [has_what_must_not_work(view, "") for view in (VIEW, unknown)] == [True, False]
    assert has_what_must_not_work(msgspec.structs.replace(VIEW, forbidden=(), not_judged=()), "")


def test_with_it_all_of_it_is_planned() -> None:
    plan = make_plan(VIEW, TOPOLOGY.client("account_b"), measure=False)
    assert (len(plan.forbidden), len(plan.other_names)) == (51, 1)


def test_a_refusal_is_told_as_one() -> None:
    refused = tuple(
        msgspec.structs.replace(one, reason=Reason.REFUSED) if one.target.role is Role.FORBIDDEN else one
        for one in perfect(expect(PATTERNS["in_vpc"].build(), "cluster_vpc"))
    )
    red = [
        one for one in judge(expect(PATTERNS["in_vpc"].build(), "cluster_vpc"), RunOutcomes(refused)) if one.isolation
    ]
    assert "10.0.0.10:22 refused: the packet reached a host there, and nothing listens" in {one.observed for one in red}
    assert not [one for one in red if "answers" in one.observed]


@pytest.mark.installed
def test_a_canary_ends_by_its_own_checks(tmp_path: Path) -> None:
    """Ports that must be closed refuse: red where a test asks, and no part of a canary."""
    write_target(tmp_path / "mine.yaml", "privatelink_multi_nlb", opened=True)
    ended = {}
    for marker in ("canary", "isolation"):
        command = [sys.executable, "-m", "brokerproof", "verify", "mine.yaml", "-k", "account_b", "--run-dir", marker]
        done = subprocess.run(
            [*command, "-m", marker], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
        )
        ended[marker] = done.returncode
        document = decode_document((tmp_path / marker / "result.json").read_bytes())
        told = [client.view.not_judged for client in document.clients]
        assert [bool(one) for one in told] == [marker == "canary"], done.stdout + done.stderr
    assert ended == {"canary": 0, "isolation": 1}
