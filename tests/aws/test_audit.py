"""The audit: clean topologies have no finding, and each fault that the account shows is named without a packet."""

from __future__ import annotations

import pytest

from brokerproof.accuracy.cases import cases_of
from brokerproof.accuracy.trial import Selection
from brokerproof.aws.answers.seen import as_seen
from brokerproof.aws.audit.audit import audit
from brokerproof.aws.audit.values import State
from brokerproof.aws.facts import facts_of
from brokerproof.causes.codes import Code
from brokerproof.lab.faults import FAULTS
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from tests.aws.accounts import discovered
from tests.examples import ALL

NOT_IN_THE_ACCOUNT = {
    # Hosts ask a nameserver of their own, and what that does is not in the account: the audit says so, as a doubt.
    "answers-cut-short",
    "private-answers-filtered",
}
SHOWN_AS_ANOTHER = {
    # What listens at the port is not in the account; that the target's port is not the listener's, is.
    "target-web-server": Code.NLB_WRONG_TARGET_PORT,
    "target-inspects-tls": Code.NLB_WRONG_TARGET_PORT,
}


@pytest.mark.slow
@pytest.mark.parametrize("dual_stack", [False, True])
@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_a_clean_topology_has_no_finding(pattern: str, dual_stack: bool) -> None:
    topology = PATTERNS[pattern].build(PatternOptions(dual_stack=dual_stack))
    found = audit(discovered(topology), topology)
    assert found.findings == ()
    assert found.gaps == ()
    assert {trace.state for trace in found.traces} == {State.OPEN}
    clients = [c for c in topology.clients if c.pattern is not None]
    assert {(t.client, t.broker_id) for t in found.traces if t.broker_id} == {
        (c.name, b.broker_id) for c in clients for b in topology.clusters[0].brokers
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(FAULTS))
def test_each_fault_that_the_account_shows_is_named(name: str) -> None:
    fault = FAULTS[name]
    tried = 0
    cases = cases_of(Selection(faults=(name,)))
    for case in cases if ALL else cases[-1:]:
        topology, broken = case.intended, case.broken
        if as_seen(topology) == as_seen(broken) or fault.cause in {None, Code.UNKNOWN}:
            continue
        tried += 1
        found = audit(discovered(broken, intended=topology), topology)
        sure = {finding.code for finding in found.findings if finding.sure}
        named = {finding.code for finding in found.findings}
        if name in NOT_IN_THE_ACCOUNT:
            assert sure == set()
            assert named == {Code.DNS_RESOLVER_BYPASSED}
        else:
            assert named == {SHOWN_AS_ANOTHER.get(name, fault.cause)}
    if not tried:
        pytest.skip("the account does not show it, or the catalogue has no word for it")


def test_a_broker_that_no_name_leads_to_does_not_say_that_a_group_lets_its_port_in() -> None:
    topology = PATTERNS["privatelink_cross_region"].build()
    broken = FAULTS["endpoint-security-group-closed"].edit(FAULTS["record-stale"].edit(topology))
    found = {finding.code for finding in audit(discovered(broken, intended=topology), topology).findings}
    assert found == {Code.DNS_STALE_RECORD, Code.SECURITY_ENDPOINT_GROUP}


def test_each_hop_of_a_trace_says_what_it_rests_on() -> None:
    found = audit(discovered(PATTERNS["privatelink_multi_nlb"].build()))
    [trace] = [t for t in found.traces if (t.client, t.broker_id) == ("remote_by_gateway", 2)]
    told = "\n".join(f"{hop.what} {hop.says} [{hop.source}]" for hop in trace.hops)
    for piece in (
        "as an alias of vpce-b-b2",
        "route table rtb-t sends 10.1.0.0/16 to tgw-west",
        "gateway route table tgw-rtb-west sends 10.1.0.0/16 to tgw-attach-peer-west",
        "endpoint vpce-b-b2 is available [ec2:DescribeVpcEndpoints vpce-b-b2]",
        "listener 9094 of nlb-b2 forwards to tg-b2-b2 [elasticloadbalancing:DescribeLoadBalancers nlb-b2]",
        "has broker 2 for a target",
        "is healthy [elasticloadbalancing:DescribeTargetHealth]",
    ):
        assert piece in told


def test_which_zones_an_attachment_serves_is_unknown_where_a_file_does_not_tell() -> None:
    topology = PATTERNS["transit_gateway"].build()
    untold = tuple(a.model_copy(update={"subnet_ids": None}) for a in topology.transit_gateway_attachments)
    found = audit(facts_of(topology.model_copy(update={"transit_gateway_attachments": untold})))
    assert found.findings == ()
    states = {trace.client: trace.state for trace in found.traces}
    assert states.pop("cluster_vpc") is State.OPEN
    assert set(states.values()) == {State.UNKNOWN}
    says = {hop.says for trace in found.traces for hop in trace.hops if hop.state is State.UNKNOWN}
    assert says == {"has subnets in zones that are not known"}


def test_the_zone_of_an_attachment_rests_on_the_call_that_tells_it() -> None:
    broken = FAULTS["gateway-zone-missing"].edit(PATTERNS["transit_gateway"].build())
    [finding] = audit(discovered(broken)).findings
    [says] = finding.says
    assert "tgw-attach-cluster has no subnet in use1-az2, the zone of subnet-cluster-2, but in use1-az1" in says
    assert "ec2:DescribeTransitGatewayVpcAttachments tgw-attach-cluster" in finding.sources
    assert set(finding.broker_ids) == {2}
