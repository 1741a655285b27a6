"""A dual-stack lab: a fault of the IPv6 side is red for the client of IPv6, and IPv4 beside it stays green."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from diagnosis.check import Verdict
from lab.faults import FAULTS, Fault
from lab.handle import Lab
from probes.outcome import ResolveFacts, Stage
from probes.plan import Limits
from scenarios.planning import ClientRun, conclude, make_plan, outcomes_of
from scenarios.world import lab_vantage
from topology.expectation import expect
from topology.patterns import PATTERNS, PatternOptions

pytestmark = pytest.mark.lab

LIMITS = Limits(connect_ms=600, plan_ms=20_000)


@pytest.fixture(scope="module", params=["peering", "transit_gateway"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with Lab.start(PATTERNS[request.param](PatternOptions(dual_stack=True))) as built:
        yield built


def run(lab: Lab, client: str) -> ClientRun:
    view = msgspec.structs.replace(expect(lab.intended, client), forbidden=())
    plan = make_plan(view, lab.intended.client(client), measure=False, limits=LIMITS)
    with lab_vantage(lab, client) as vantage:
        return conclude(view, plan, vantage.run(plan))


def red(result: ClientRun) -> list[tuple[str, str]]:
    return [(c.check_id, c.observed) for c in result.checks if c.verdict is not Verdict.PASSED]


@pytest.mark.parametrize("client", ["b", "b6", "c6"])
def test_both_families_are_green(lab: Lab, client: str) -> None:
    assert red(run(lab, client)) == []


def test_the_names_of_ipv6_answer_with_aaaa_alone(lab: Lab) -> None:
    for outcome in outcomes_of(run(lab, "b6"), Stage.RESOLVE):
        assert isinstance(outcome.facts, ResolveFacts)
        assert outcome.facts.a == ()
        assert len(outcome.facts.aaaa) == 1


@pytest.mark.parametrize("fault", [f for f in FAULTS.values() if f.dual_stack], ids=lambda f: f.name)
def test_a_fault_of_ipv6_leaves_ipv4_alone(lab: Lab, fault: Fault) -> None:
    lab.apply(fault.edit(lab.intended))
    try:
        by_ipv6, by_ipv4 = run(lab, "b6"), run(lab, "b")
    finally:
        lab.apply(lab.intended)
    failed = [c for c in by_ipv6.checks if c.verdict is Verdict.FAILED]
    assert {(c.stage, c.reason) for c in failed} == {(fault.stage, reason) for reason in fault.reasons}
    assert {c.subject for c in failed} - {"bootstrap"} == {f"broker-{n}" for n in fault.brokers}
    assert red(by_ipv4) == []
