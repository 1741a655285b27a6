"""The second witness: what moto was told by API calls is what discovery reads, and what the audit judges by."""

from __future__ import annotations

import pytest

from brokerproof.aws.answers.seen import as_seen
from brokerproof.aws.audit.audit import audit
from brokerproof.aws.facts import facts_of
from brokerproof.causes.codes import Code
from brokerproof.lab.faults import FAULTS
from brokerproof.topology.models import Topology
from brokerproof.topology.patterns import PATTERNS
from tests.aws.moto_account import Made, as_moto_holds, in_one_account, moto
from tests.aws.moto_sample import BROKERS, Sample
from tests.aws.test_law import differences

pytestmark = pytest.mark.slow


IN_ACCOUNTS_OF_THEIR_OWN = {"in_vpc", "peering", "privatelink_cross_region"}
NOT_IN_MOTO = {"multi_vpc"}
"""MSK makes its endpoints, and moto has nothing of that."""


def built(pattern: str) -> Topology:
    topology = PATTERNS[pattern].build()
    return as_moto_holds(topology if pattern in IN_ACCOUNTS_OF_THEIR_OWN else in_one_account(topology))


@pytest.mark.parametrize("pattern", sorted(set(PATTERNS) - NOT_IN_MOTO))
def test_what_was_made_is_what_is_read(pattern: str) -> None:
    with moto():
        made = Made(built(pattern)).make()
        facts = made.read()
    assert differences(facts.topology, as_seen(made.expected())) == []
    assert facts.gaps == ()
    by_file = audit(facts_of(made.expected()))
    assert [finding.code for finding in audit(facts).findings] == [finding.code for finding in by_file.findings]


def test_rules_that_name_groups_are_read_too() -> None:
    """In one account, since moto knows no group of another."""
    with moto():
        made = Made(as_moto_holds(in_one_account(PATTERNS["peering"].build()))).make()
        facts = made.read()
    assert any(rule.referenced_group_id for group in facts.topology.security_groups for rule in group.ingress)
    assert differences(facts.topology, as_seen(made.expected())) == []


FAULTY = [
    ("acl-ephemeral-return-missing", "peering"),
    ("cross-zone-off", "privatelink_multi_nlb"),
    ("endpoint-zone-missing", "privatelink_single_nlb"),
    ("gateway-attachment-not-associated", "transit_gateway"),
    ("gateway-static-blackhole", "transit_gateway"),
    ("listener-missing", "privatelink_single_nlb"),
    ("record-missing", "privatelink_multi_nlb"),
    ("route-missing-return", "peering"),
    ("target-of-another-broker", "privatelink_single_nlb"),
    ("zone-too-narrow", "privatelink_cross_region"),
]
"""Faults that moto can have, over all that patterns are made of."""


@pytest.mark.parametrize(("name", "pattern"), FAULTY)
def test_a_fault_made_by_calls_is_read_and_named(name: str, pattern: str) -> None:
    """Of endpoints moto chooses addresses that no route leads to: there the fault's cause is one of those named."""
    fault = FAULTS[name]
    topology = as_moto_holds(in_one_account(PATTERNS[pattern].build()))
    with moto():
        made = Made(fault.edit(topology)).make()
        facts = made.read()
    assert differences(facts.topology, as_seen(made.expected())) == []
    named = {finding.code for finding in audit(facts).findings if finding.sure}
    if topology.vpc_endpoints:
        assert fault.cause in named
    else:
        assert named == {fault.cause}


def test_the_samples_own_calls_are_read_and_what_they_leave_out_is_named() -> None:
    """Its templates admit no load balancer to the brokers, and clients' endpoints admit SSH alone."""
    with moto():
        sample = Sample()
        facts = sample.read()
    found, ids = facts.topology, sample.ids
    assert facts.gaps == ()
    assert [(b.broker_id, str(b.client_vpc_ip_address)) for b in found.clusters[0].brokers] == list(BROKERS.items())
    [zone] = found.hosted_zones
    assert (zone.name, zone.vpc_ids) == ("kafka.us-east-1.amazonaws.com", (ids["client vpc"],))
    services = {service.service_name: service.network_load_balancer_name for service in found.endpoint_services}
    groups = {group.target_group_name: group for group in found.target_groups}
    balancers = {balancer.load_balancer_name: balancer for balancer in found.load_balancers}
    endpoints = {endpoint.vpc_endpoint_id: endpoint for endpoint in found.vpc_endpoints}
    assert len(services) == len(groups) == len(balancers) == len(endpoints) == len(BROKERS)
    for broker, address in BROKERS.items():
        endpoint = endpoints[ids[f"endpoint {broker}"]]
        [record] = [r for r in zone.record_sets if r.name.startswith(f"b-{broker}.")]
        assert record.alias_target is not None
        assert record.alias_target.dns_name == endpoint.dns_name == ids[f"endpoint name {broker}"]
        assert endpoint.service_name == ids[f"service {broker}"]
        assert endpoint.security_groups == (ids["client hosts"],)
        balancer = balancers[services[endpoint.service_name]]
        assert balancer.load_balancer_name == f"NLB-MSKBroker-{address.replace('.', '-')}-{broker}"
        assert balancer.cross_zone_enabled
        [listener] = balancer.listeners
        [target] = groups[listener.target_group_name].targets
        assert (listener.port, str(target.id)) == (9094, address)
    assert {finding.code for finding in audit(facts).findings} == {
        Code.SECURITY_BROKER_GROUP,
        Code.SECURITY_ENDPOINT_GROUP,
        Code.DNS_ZONE_SHADOWS_REGION,
    }
