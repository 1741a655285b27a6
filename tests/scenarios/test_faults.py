"""Each fault, in each pattern it applies to: red at its own stage, for its own reason, and nowhere else.

The intended topology gives the view; the lab is given the broken one. A brokers' restart is the
only slow part, so faults that need none come first.
"""

from __future__ import annotations

import msgspec
import pytest

from diagnosis.check import Verdict
from lab.faults import FAULTS, Fault
from lab.faults.fault import afflicted
from lab.handle import Lab
from probes.plan import Limits
from scenarios.planning import ClientRun, conclude, make_plan
from scenarios.pool import LabPool, brokers_of
from scenarios.world import lab_vantage
from topology.expectation import expect
from topology.patterns import PATTERNS, PatternOptions

pytestmark = pytest.mark.lab


def restarts_brokers(fault: Fault) -> bool:
    """Whether brokers are other processes with it, in the first pattern that it is of."""
    intended = PATTERNS[fault.patterns[0]](PatternOptions(dual_stack=fault.dual_stack))
    return brokers_of(fault.edit(intended)) != brokers_of(intended)


ORDERED: list[Fault] = sorted(FAULTS.values(), key=restarts_brokers)

LIMITS = Limits(connect_ms=600, plan_ms=20_000)


def run(lab: Lab, client: str, *, isolation: bool = False) -> ClientRun:
    """The client's run, judged by what was intended; what must not connect is asked where that is the matter."""
    view = expect(lab.intended, client)
    if not isolation:
        view = msgspec.structs.replace(view, forbidden=())
    plan = make_plan(view, lab.intended.client(client), measure=False, limits=LIMITS)
    with lab_vantage(lab, client) as vantage:
        return conclude(view, plan, vantage.run(plan))


def by_brokers(pattern: str) -> str:
    """Sorts patterns with the same brokers together."""
    return str(brokers_of(PATTERNS[pattern](None)))


ONE_LAB_AFTER_ANOTHER: list[str] = sorted(PATTERNS, key=by_brokers)


@pytest.fixture(scope="module", params=ONE_LAB_AFTER_ANOTHER)
def pattern(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def lab(pattern: str, labs: LabPool) -> Lab:
    return labs.lab(PATTERNS[pattern](None))


def clients_of(lab: Lab) -> list[str]:
    return [c.name for c in lab.intended.clients if c.pattern is not None]


def test_healthy_is_green(lab: Lab) -> None:
    for client in clients_of(lab):
        result = run(lab, client)
        assert {c.verdict for c in result.checks} == {Verdict.PASSED}, [
            c for c in result.checks if c.verdict is not Verdict.PASSED
        ]
        assert result.run.closing is not None
        assert result.run.closing.left_behind == ()


@pytest.mark.parametrize("fault", ORDERED, ids=lambda f: f.name)
def test_fault_is_red_where_it_is_and_nowhere_else(lab: Lab, fault: Fault) -> None:
    if fault.why_not(lab.intended):
        pytest.skip(fault.why_not(lab.intended))
    lab.apply(fault.edit(lab.intended))
    try:
        result = run(lab, afflicted(lab.intended, fault).name, isolation=fault.isolation)
    finally:
        lab.apply(lab.intended)
    assert not result.run.error, result.run.said
    red = [c for c in result.checks if c.verdict is Verdict.FAILED]
    assert red, [(c.check_id, c.verdict, c.observed) for c in result.checks]
    here = [c for c in red if c.stage is fault.stage] if fault.spreads else red
    assert {c.stage for c in here} == {fault.stage}, [(c.check_id, c.observed) for c in red]
    assert {c.reason for c in here} <= set(fault.reasons), [(c.check_id, c.observed) for c in red]
    assert {c.isolation for c in here} == {fault.isolation}
    subjects = {c.subject for c in here} - {"bootstrap", "cluster"}
    allowed = {f"broker-{i}" for i in fault.brokers}
    assert subjects <= allowed if fault.by_chance else subjects == allowed
    assert not [c for c in result.checks if c.verdict in {Verdict.ERROR, Verdict.NOT_SEEN}]
    assert all(c.observed and c.expected for c in red)


def test_undone_is_green_again(lab: Lab) -> None:
    test_healthy_is_green(lab)
