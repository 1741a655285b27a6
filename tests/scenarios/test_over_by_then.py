"""What is over before a run ends is told as over: a fault of the lab is undone between the two looks."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from brokerproof.causes.codes import Code
from brokerproof.diagnosis.check import Verdict
from brokerproof.diagnosis.diagnose import diagnose
from brokerproof.lab.faults import FAULTS
from brokerproof.probes.outcome import Outcome, Role, Status
from brokerproof.probes.plan import Limits
from brokerproof.running.lab_pool import LabPool
from brokerproof.running.planning import conclude, make_plan
from brokerproof.running.site import lab_vantage
from brokerproof.topology.edit import with_lab
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.models import FrozenBroker, Topology
from brokerproof.topology.patterns import PATTERNS

pytestmark = pytest.mark.lab

INTENDED = PATTERNS["in_vpc"].build()
CLIENT = INTENDED.clients[0].name


def frozen(topology: Topology) -> Topology:
    return with_lab(topology, disturbances=(FrozenBroker(cluster_name="demo", broker_id=2),))


@pytest.mark.parametrize(
    ("edit", "codes"),
    [
        (frozen, {Code.TRANSIENT_OVER, Code.TCP_PACKET_LOSS}),
        (
            FAULTS["security-group-of-one-broker"].edit,
            {Code.TRANSIENT_OVER, Code.TCP_PACKET_LOSS, Code.TCP_CONNECTIONS_EXHAUSTED},
        ),
    ],
    ids=["broker stands still", "packets are dropped"],
)
def test_a_fault_that_is_over_by_the_second_look_may_have_been_transient(
    edit: Callable[[Topology], Topology], codes: set[Code], labs: LabPool
) -> None:
    lab = labs.lab(INTENDED)
    view = expect(INTENDED, CLIENT)
    plan = make_plan(view, INTENDED.client(CLIENT), measure=False, limits=Limits())
    broken = threading.Lock()

    def undo(outcome: Outcome) -> None:
        """At the first failure at a broker; the rest of the first look goes on meanwhile."""
        if outcome.target.role is Role.BROKER and outcome.status is Status.FAILED and broken.acquire(blocking=False):
            lab.apply(INTENDED)

    lab.apply(edit(INTENDED))
    try:
        with lab_vantage(lab, CLIENT) as vantage:
            result = conclude(view, plan, vantage.run(plan, undo))
    finally:
        lab.apply(INTENDED)
    assert [c.check_id for c in result.checks if c.verdict is Verdict.FAILED]
    found = diagnose([result.seen]).findings
    assert [set(finding.codes) for finding in found] == [codes], [finding.wrong for finding in found]
