"""A dual-stack lab: a fault of the IPv6 side is red for the client of IPv6, and IPv4 beside it stays green."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from brokerproof.diagnosis.check import Assertion, Verdict
from brokerproof.lab.faults import FAULTS, Fault
from brokerproof.lab.faults.fault import afflicted
from brokerproof.lab.life.handle import Lab
from brokerproof.probes.outcome import ResolveFacts, Role, Stage
from brokerproof.probes.plan import Limits
from brokerproof.running.planning import ClientRun, conclude, make_plan
from brokerproof.running.site import lab_vantage
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.patterns import PATTERNS, PatternOptions, client_names
from brokerproof.topology.patterns.options import Overlap

pytestmark = pytest.mark.lab

# The first 18 handshakes of a fresh lab, at once, on a busy machine: 2.6 s were seen, of the usual 3.
LIMITS = Limits(connect_ms=600, handshake_ms=10_000, plan_ms=40_000)
DIRECT, BY_ENDPOINT = "transit_gateway", "privatelink_single_nlb"
"""One pattern of each way; the scenarios verify dual stack in peering and privatelink_multi_nlb."""


@pytest.fixture(scope="module", params=[DIRECT, BY_ENDPOINT])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    options = PatternOptions(dual_stack=True, overlap=Overlap.OFF)
    with Lab.start(PATTERNS[request.param].build(options)) as built:
        yield built


def run(lab: Lab, client: str, *, sources: tuple[str, ...] = ()) -> ClientRun:
    """The client's run; ``sources`` are expected instead of what follows from the topology."""
    view = msgspec.structs.replace(expect(lab.intended, client), forbidden=())
    if sources:
        brokers = tuple(msgspec.structs.replace(broker, sources=sources) for broker in view.brokers)
        view = msgspec.structs.replace(view, brokers=brokers)
    plan = make_plan(view, lab.intended.client(client), measure=False, limits=LIMITS)
    plan = msgspec.structs.replace(plan, look_again=False)
    with lab_vantage(lab, client) as vantage:
        return conclude(view, plan, vantage.run(plan))


def near(lab: Lab) -> str:
    """The first client outside the cluster VPC."""
    return afflicted(lab.intended).name


def near_ipv6(lab: Lab) -> str:
    """The same host's client of the IPv6 listener."""
    return client_names.of_ipv6(near(lab))


def red(result: ClientRun) -> list[tuple[str, str]]:
    return [(c.check_id, c.observed) for c in result.checks if c.verdict is not Verdict.PASSED]


@pytest.mark.parametrize("client", ["near", "near_ipv6", "far_ipv6"])
def test_both_families_are_green(lab: Lab, client: str) -> None:
    """The last is in another Region; behind PrivateLink it uses the endpoints of the near one's VPC."""
    by_gateway = lab.intended.name == "transit_gateway"
    far = client_names.REMOTE_BY_GATEWAY if by_gateway else client_names.REMOTE_BY_PEERING
    name = {"near": near(lab), "near_ipv6": near_ipv6(lab), "far_ipv6": client_names.of_ipv6(far)}[client]
    assert red(run(lab, name)) == []


def test_the_names_of_ipv6_answer_with_aaaa_alone(lab: Lab) -> None:
    resolved = run(lab, near_ipv6(lab)).outcomes(Stage.RESOLVE)
    of_the_cluster = [o for o in resolved if o.target.role not in {Role.OTHER, Role.CONTROL}]
    assert of_the_cluster
    for outcome in of_the_cluster:
        assert isinstance(outcome.facts, ResolveFacts)
        assert outcome.facts.a == ()
        assert len(outcome.facts.aaaa) == (3 if lab.intended.name == BY_ENDPOINT else 1)


def test_a_client_behind_an_endpoint_comes_from_the_ipv6_addresses_of_the_nodes(lab: Lab) -> None:
    """And the check can fail: at any other IPv6 address it is red."""
    if lab.intended.name != BY_ENDPOINT:
        pytest.skip("no load balancer on this way")
    seen, elsewhere = run(lab, near_ipv6(lab)), run(lab, near_ipv6(lab), sources=("fd00:10:0:100::c9",))
    [source] = [c for c in seen.checks if c.asserts is Assertion.SOURCE]
    assert source.verdict is Verdict.PASSED
    [(check_id, observed)] = red(elsewhere)
    assert check_id == "cluster/source"
    assert observed.rsplit(" ", 1)[1] in {node for broker in seen.view.brokers for node in broker.sources}


def test_every_fault_of_ipv6_is_tried_here() -> None:
    assert all({DIRECT, BY_ENDPOINT} & set(fault.patterns) for fault in FAULTS.values() if fault.dual_stack)


@pytest.mark.parametrize("fault", [f for f in FAULTS.values() if f.dual_stack], ids=lambda f: f.name)
def test_a_fault_of_ipv6_leaves_ipv4_alone(lab: Lab, fault: Fault) -> None:
    if lab.intended.name not in fault.patterns:
        pytest.skip(fault.why_not(lab.intended))
    lab.apply(fault.edit(lab.intended))
    try:
        by_ipv6, by_ipv4 = run(lab, near_ipv6(lab)), run(lab, near(lab))
    finally:
        lab.apply(lab.intended)
    failed = [c for c in by_ipv6.checks if c.verdict is Verdict.FAILED]
    assert {(c.stage, c.reason) for c in failed} == {(fault.stage, reason) for reason in fault.reasons}
    assert {c.label for c in failed} - {"bootstrap"} == {f"broker-{n}" for n in fault.brokers}
    assert red(by_ipv4) == []
