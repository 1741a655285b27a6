"""One fault of each kind: red at its own stage, for its own reason, and nowhere else.

Faults of one kind share layer, stage and reasons. The patterns take turns, so that each of them has
its share; every fault in every pattern is what ``make accuracy`` is for. The intended topology gives
the view; the lab is given the broken one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from brokerproof.aws.audit.audit import audit
from brokerproof.aws.facts import facts_of
from brokerproof.diagnosis.between_clients import compared
from brokerproof.diagnosis.check import Verdict
from brokerproof.diagnosis.diagnose import diagnose
from brokerproof.diagnosis.finding import ClientEvidence
from brokerproof.lab.daemons.kafka_config import data_dir
from brokerproof.lab.faults import FAULTS, Fault
from brokerproof.lab.faults.fault import afflicted
from brokerproof.lab.life.handle import Lab
from brokerproof.lab.network.blueprint import compile_topology
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.probes.plan import Limits
from brokerproof.running.lab_pool import LabPool, brokers_of
from brokerproof.running.planning import ClientRun, conclude, make_plan
from brokerproof.running.site import lab_vantage
from brokerproof.topology.edit import with_lab
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.models import FrozenBroker, Topology
from brokerproof.topology.patterns import PATTERNS, client_names

pytestmark = pytest.mark.lab

INTENDED = {pattern: spec.build() for pattern, spec in PATTERNS.items()}


def shared_out() -> dict[str, list[Fault]]:
    """The faults of each pattern: each goes to that one of its patterns that has the fewest so far.

    A fault of IPv6 alone is in no topology as it is built here; test_dual_stack.py has those.
    """
    shares: dict[str, list[Fault]] = {pattern: [] for pattern in PATTERNS}
    for fault in FAULTS.values():
        homes = [pattern for pattern in PATTERNS if not fault.why_not(INTENDED[pattern])]
        if homes:
            shares[min(homes, key=lambda pattern: len(shares[pattern]))].append(fault)
    return shares


def restarts_brokers(pattern: str, fault: Fault) -> bool:
    """Whether brokers may be other processes with it: by what it edits, since compiling each takes seconds."""
    intended = INTENDED[pattern]
    return fault.edit(intended).clusters != intended.clusters


LIMITS = Limits(connect_ms=600, plan_ms=20_000)


def run(lab: Lab, client: str, *, isolation: bool = False) -> ClientRun:
    """The client's run, judged by what was intended; what must not connect is asked where that is the matter."""
    view = expect(lab.intended, client)
    if not isolation:
        view = msgspec.structs.replace(view, forbidden=())
    plan = make_plan(view, lab.intended.client(client), measure=False, limits=LIMITS)
    plan = msgspec.structs.replace(plan, look_again=False)
    with lab_vantage(lab, client) as vantage:
        return conclude(view, plan, vantage.run(plan))


def by_brokers(pattern: str) -> str:
    """Sorts patterns with the same brokers together."""
    return str(brokers_of(INTENDED[pattern]))


ADVISED = [
    pytest.param(fault.patterns[0], fault, id=f"{fault.patterns[0]}-{fault.name}")
    for fault in FAULTS.values()
    if fault.advice
]
ONE_LAB_AFTER_ANOTHER: list[str] = sorted(PATTERNS, key=by_brokers)
SHARES = shared_out()
LAST: str = ONE_LAB_AFTER_ANOTHER[-1]
"""Where faults are tried that restart every broker, if it can have them: one after another, without undoing each."""


def tried() -> list[tuple[str, Fault]]:
    """One fault for each layer, stage and set of reasons; one that restarts no broker, where there is one."""
    shared = [
        (pattern, fault, restarts_brokers(pattern, fault))
        for pattern in ONE_LAB_AFTER_ANOTHER
        for fault in SHARES[pattern]
        if not fault.advice
    ]
    kinds: dict[tuple[object, ...], tuple[str, Fault]] = {}
    for pattern, fault, _ in sorted(shared, key=lambda one: one[2]):
        kinds.setdefault((fault.layer, fault.stage, frozenset(fault.reasons)), (pattern, fault))
    # In the order of the patterns, so that a lab is changed from one to the next as seldom as can be.
    chosen = list(kinds.values())
    return [(pattern, fault) for pattern, fault, _ in shared if (pattern, fault) in chosen]


def started_with(topology: Topology) -> str:
    """What brokers are started with, certificates and ACLs apart; where some do not run, as if nothing were wrong."""
    brokers = compile_topology(topology).brokers
    return str(brokers) if all(broker.running for broker in brokers) else WHOLE


WHOLE = str(compile_topology(INTENDED[LAST]).brokers)
TRIED = tried()
BROKERS_WITH = {
    fault.name: started_with(fault.edit(INTENDED[LAST]))
    for _, fault in TRIED
    if not fault.why_not(INTENDED[LAST]) and restarts_brokers(LAST, fault)
}


def together(fault: Fault) -> bool:
    """Whether it is tried in the last lab, whose brokers it restarts."""
    return BROKERS_WITH.get(fault.name, WHOLE) != WHOLE


TRIALS = [pytest.param(pattern, fault, id=f"{pattern}-{fault.name}") for pattern, fault in TRIED if not together(fault)]
TOGETHER = sorted((fault for _, fault in TRIED if together(fault)), key=lambda fault: BROKERS_WITH[fault.name])


def lab_of(pattern: str, labs: LabPool) -> Lab:
    return labs.lab(PATTERNS[pattern].build())


def clients_of(lab: Lab) -> list[str]:
    return [c.name for c in lab.intended.clients if c.pattern is not None]


def assert_green(lab: Lab) -> None:
    for client in clients_of(lab):
        result = run(lab, client)
        assert {c.verdict for c in result.checks} == {Verdict.PASSED}, [
            c for c in result.checks if c.verdict is not Verdict.PASSED
        ]
        assert result.run.closing is not None
        assert result.run.closing.left_behind == ()


@pytest.mark.parametrize(("pattern", "fault"), TRIALS)
def test_fault_is_red_where_it_is_and_nowhere_else(pattern: str, fault: Fault, labs: LabPool) -> None:
    lab = lab_of(pattern, labs)
    lab.apply(fault.edit(lab.intended))
    try:
        result = run(lab, afflicted(lab.intended, fault).name, isolation=fault.isolation)
    finally:
        lab.apply(lab.intended)
    assert_red(result, fault)


@pytest.fixture(scope="class")
def last(labs: LabPool) -> Iterator[Lab]:
    """The last pattern's lab; what is wrong with it is undone once, after a class of faults."""
    lab = lab_of(LAST, labs)
    yield lab
    lab.apply(lab.intended)


class TestBrokersRestarted:
    """Faults that restart every broker, one after another in one lab."""

    @pytest.mark.parametrize("fault", TOGETHER, ids=lambda fault: fault.name)
    def test_fault_is_red_where_it_is_and_nowhere_else(self, last: Lab, fault: Fault) -> None:
        last.apply(fault.edit(last.intended))
        assert_red(run(last, afflicted(last.intended, fault).name, isolation=fault.isolation), fault)


def assert_red(result: ClientRun, fault: Fault) -> None:
    """As the fault states, and as nothing else."""
    assert not result.run.error, result.run.said
    [laid_together] = compared([result.seen])
    red = [c for c in laid_together.checks if c.verdict is Verdict.FAILED]
    assert red, [(c.check_id, c.verdict, c.observed) for c in result.checks]
    here = [c for c in red if c.stage is fault.stage] if fault.spreads else red
    assert {c.stage for c in here} == {fault.stage}, [(c.check_id, c.observed) for c in red]
    assert {c.reason for c in here} <= set(fault.reasons), [(c.check_id, c.observed) for c in red]
    assert {c.isolation for c in here} == {fault.isolation}
    subjects = {c.label for c in here} - {"bootstrap", "cluster"}
    allowed = {f"broker-{i}" for i in fault.brokers}
    assert subjects <= allowed if fault.by_chance else subjects == allowed
    assert not [c for c in result.checks if c.verdict in {Verdict.ERROR, Verdict.NOT_SEEN}]
    assert all(c.observed and c.expected for c in red)


@pytest.mark.parametrize(("pattern", "fault"), ADVISED)
def test_what_is_advised_is_not_red(pattern: str, fault: Fault, labs: LabPool) -> None:
    lab = lab_of(pattern, labs)
    lab.apply(fault.edit(lab.intended))
    try:
        result = run(lab, afflicted(lab.intended, fault).name)
    finally:
        lab.apply(lab.intended)
    assert [(c.check_id, c.observed) for c in result.checks if c.verdict is not Verdict.PASSED] == []
    seen = ClientEvidence(view=result.view, checks=result.checks, outcomes=result.run.outcomes)
    assert fault.advice in {advice.code.value for advice in diagnose([seen]).advices}


@pytest.mark.parametrize("name", ["gateway-zone-missing", "gateway-client-zone-missing"])
def test_a_zone_that_a_gateway_does_not_serve_is_named_by_both_witnesses(name: str, labs: LabPool) -> None:
    fault = FAULTS[name]
    lab = lab_of("transit_gateway", labs)
    broken = fault.edit(lab.intended)
    lab.apply(broken)
    try:
        result = run(lab, client_names.BY_GATEWAY)
    finally:
        lab.apply(lab.intended)
    red = {(c.stage, c.label, c.reason) for c in result.checks if c.verdict is Verdict.FAILED}
    assert red - {(fault.stage, "bootstrap", Reason.TIMED_OUT)} == {
        (fault.stage, f"broker-{broker}", Reason.TIMED_OUT) for broker in fault.brokers
    }
    evidence = [ClientEvidence(view=result.view, checks=result.checks, outcomes=result.run.outcomes)]
    [alone] = diagnose(evidence).findings
    assert fault.cause in alone.codes
    [settled] = diagnose(evidence, audit(facts_of(broken), lab.intended)).findings
    assert settled.codes == (fault.cause,)


def active_controller(lab: Lab) -> int:
    """The broker that is the cluster's active controller, by what the first one keeps on its disk."""
    kept = Path(f"/proc/{lab.pid}/root{data_dir('demo', 1)}/__cluster_metadata-0/quorum-state")
    return int(json.loads(kept.read_text("utf-8"))["leaderId"])


def test_topics_are_made_also_where_the_active_controller_stands_still(labs: LabPool) -> None:
    lab = lab_of(LAST, labs)
    active = active_controller(lab)
    frozen = FrozenBroker(cluster_name="demo", broker_id=active)
    lab.apply(with_lab(lab.intended, disturbances=(frozen,)))
    try:
        result = run(lab, clients_of(lab)[0])
    finally:
        lab.apply(lab.intended)
    red = [(c.stage, c.label, c.observed) for c in result.checks if c.verdict is Verdict.FAILED]
    assert {stage for stage, _, _ in red} == {Stage.HANDSHAKE}, red
    assert {subject for _, subject, _ in red} - {"bootstrap"} == {f"broker-{active}"}, red
    assert active_controller(lab) != active


@pytest.mark.parametrize("pattern", ONE_LAB_AFTER_ANOTHER[::-1])
def test_undone_is_green_again(pattern: str, labs: LabPool) -> None:
    assert_green(lab_of(pattern, labs))


def test_every_fault_is_tried_somewhere() -> None:
    shared = {fault.name for faults in SHARES.values() for fault in faults}
    assert set(FAULTS) - shared == {fault.name for fault in FAULTS.values() if fault.needs}
    assert all(SHARES.values())
