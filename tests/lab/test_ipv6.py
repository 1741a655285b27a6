"""IPv6 in a compiled topology: there where the topology has it, and without a trace where it has not."""

from __future__ import annotations

import re

import pytest

from brokerproof.lab.faults import FAULTS
from brokerproof.lab.network.blueprint import Blueprint, Namespace, compile_topology
from brokerproof.lab.network.packet_filter import health
from brokerproof.topology.edit import with_changes, with_each
from brokerproof.topology.models import EndpointState, NetworkAcl, NetworkAclEntry, Topology
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from brokerproof.topology.unknown import known


def texts(blueprint: Blueprint) -> list[str]:
    lines = [line for n in blueprint.namespaces for line in (*n.ip_lines, *n.routing, n.ruleset)]
    values = [value for b in blueprint.brokers for _, value in b.properties]
    return [*lines, *values, *(r.configuration for r in blueprint.resolvers)]


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_without_ipv6_nothing_of_it_is_laid_out(pattern: str) -> None:
    blueprint = compile_topology(PATTERNS[pattern].build())
    assert not any(n.ipv6 for n in blueprint.namespaces)
    for trace in ("ip6 ", "icmpv6", "table inet", "fd00:", "fe80:", "AAAA", "-6 ", "addrgenmode"):
        assert not [text for text in texts(blueprint) if trace in text], trace


DUAL = ("in_vpc", "peering", "transit_gateway", "privatelink_multi_nlb", "privatelink_single_nlb")


@pytest.mark.parametrize("pattern", DUAL)
def test_ipv6_only_adds_to_what_ipv4_has(pattern: str) -> None:
    four = compile_topology(PATTERNS[pattern].build())
    both = compile_topology(PATTERNS[pattern].build(PatternOptions(dual_stack=True)))
    assert four.links == both.links
    for one, other in zip(four.namespaces, both.namespaces, strict=True):
        assert one.name == other.name
        kept = [line for line in other.ip_lines if line in one.ip_lines]
        assert kept == list(one.ip_lines)
        assert [line for line in other.routing if line in one.routing] == list(one.routing)


def test_the_broker_listens_and_is_found_by_ipv6() -> None:
    blueprint = compile_topology(PATTERNS["in_vpc"].build(PatternOptions(dual_stack=True)))
    listeners = dict(blueprint.brokers[0].properties)["listeners"]
    assert "CLIENT_SECURE_IPV6://[fd00:10::a]:20094" in listeners
    assert "CLIENT_SECURE://10.0.0.10:9094" in listeners
    answer = "bi6-1.demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com. 60 IN AAAA fd00:10::a"
    assert answer in blueprint.resolvers[0].configuration


def dual(pattern: str, **chosen: object) -> Topology:
    return PATTERNS[pattern].build(PatternOptions.model_validate({"dual_stack": True, **chosen}))


def namespace(topology: Topology, name: str) -> Namespace:
    return next(n for n in compile_topology(topology).namespaces if n.name == name)


def test_an_ipv6_listener_leads_to_the_targets_of_its_family_alone() -> None:
    ruleset = namespace(dual("privatelink_multi_nlb"), "nlb-b1").ruleset
    for met in ("ip6 daddr fd00:10::64", "ip6 daddr fd00:a9fe::2"):
        assert f"{met} tcp dport 20094 meta mark set 1 ct mark set 1 dnat ip6 to [fd00:10::a]:20094" in ruleset
    for met in ("ip daddr 10.0.0.100", "ip daddr 169.254.128.2"):
        assert f"{met} tcp dport 9094 meta mark set 1 ct mark set 1 dnat ip to 10.0.0.10:9094" in ruleset
    assert 'meta mark 2 oifname "eth1" snat ip6 to fd00:10:0:1::64' in ruleset
    assert not re.findall(r"(ip6 daddr \S+ tcp dport 9094|ip daddr \S+ tcp dport 20094)", ruleset)


def test_an_endpoint_hands_each_family_to_the_node_of_its_zone() -> None:
    endpoint = namespace(dual("privatelink_multi_nlb"), "vpce-b-b1")
    assert (
        'iifname "eth1" ip6 daddr fd00:10:0:101::96 meta l4proto tcp meta mark set 2 ct mark set 2' in endpoint.ruleset
    )
    assert "dnat ip6 to fd00:a9fe::6" in endpoint.ruleset
    assert "addr add fd00:a9fe::5/126 dev nlb1 nodad" in endpoint.ip_lines
    assert "-6 rule add pref 40002 fwmark 2 lookup 102" in endpoint.ip_lines
    assert "route add default via fe80::1 dev eth1 table 102" in endpoint.ip_lines
    rejected = with_each(dual("privatelink_multi_nlb"), "vpc_endpoints", state=EndpointState.REJECTED)
    assert "dnat ip" not in namespace(rejected, "vpce-b-b1").ruleset


def test_bootstrap_goes_round_all_brokers_in_each_family() -> None:
    ruleset = namespace(dual("privatelink_single_nlb"), "nlb-all").ruleset
    choice = "0 : fd00:10::a . 20094, 1 : fd00:10:0:1::a . 20094, 2 : fd00:10:0:2::a . 20094"
    assert f"dport 20094 meta mark set 1 ct mark set 1 dnat ip6 to numgen inc mod 3 map {{ {choice} }}" in ruleset


def test_without_cross_zone_an_ipv6_node_uses_its_own_zone_alone() -> None:
    ruleset = namespace(dual("privatelink_multi_nlb", cross_zone=False), "nlb-b2").ruleset
    assert re.findall(r"ip6 daddr fd00:10:\S+ tcp dport 20094", ruleset) == [
        "ip6 daddr fd00:10:0:1::65 tcp dport 20094"
    ]


def test_health_over_ipv6_is_judged_by_its_own_rules() -> None:
    topology = dual("privatelink_multi_nlb")
    balancer, broker = topology.load_balancers[0], topology.clusters[0].brokers[0]
    four, six = known(broker.client_vpc_ip_address), broker.ipv6_address
    assert six is not None
    assert [health(topology, balancer, six, port) for port in (20094, 9094)] == [True, False]
    assert [health(topology, balancer, four, port) for port in (9094, 20094)] == [True, False]
    closed = FAULTS["ipv6-security-group-closed"].edit(topology)
    assert not health(closed, balancer, six, 20094)
    assert health(closed, balancer, four, 9094)


def test_an_endpoint_of_ipv4_before_a_dual_stack_load_balancer_has_no_ipv6() -> None:
    topology = dual("privatelink_multi_nlb")
    for index, endpoint in enumerate(topology.vpc_endpoints):
        enis = tuple(eni.model_copy(update={"ipv6_address": None}) for eni in endpoint.network_interfaces)
        topology = with_changes(topology, "vpc_endpoints", index, ip_address_type="ipv4", network_interfaces=enis)
    before, balancer = namespace(topology, "vpce-b-b1"), namespace(topology, "nlb-b1")
    assert not before.ipv6
    assert "ip6" not in before.ruleset
    assert "ip6 daddr fd00:10::64 tcp dport 20094" in balancer.ruleset
    assert "fd00:a9fe:" not in balancer.ruleset
    assert len(re.findall("tcp dport 20094", balancer.ruleset)) == 3, "the nodes alone, not the endpoint's links"


def test_an_alias_answers_the_addresses_of_its_own_type() -> None:
    topology = dual("privatelink_multi_nlb")
    resolver = next(r for r in compile_topology(topology).resolvers if r.vpc_id == "vpc-b").configuration
    domain = "demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com"
    assert f"bi6-1.{domain}. 60 IN AAAA fd00:10:0:102::96" in resolver
    assert f"b-1.{domain}. 60 IN A 10.1.32.150" in resolver
    assert f"b-1.{domain}. 60 IN AAAA" not in resolver
    assert f"bi6-1.{domain}. 60 IN A " not in resolver
    assert not re.findall(r" IN A fd| IN AAAA \d+\.", resolver)
    assert f"{topology.vpc_endpoints[0].dns_name}. 60 IN AAAA fd00:10:0:100::96" in resolver


def test_an_acl_entry_of_ipv6_is_no_rule_of_a_vpc_without_it() -> None:
    entry = NetworkAclEntry.model_validate(
        {"rule_number": 1, "rule_action": "allow", "egress": False, "ipv6_cidr_block": "::/0"}
    )
    acl = NetworkAcl(network_acl_id="acl-1", vpc_id="vpc-cluster", subnet_ids=("subnet-cluster-1",), entries=(entry,))
    for chosen, there in ((PatternOptions(), False), (PatternOptions(dual_stack=True), True)):
        topology = PATTERNS["in_vpc"].build(chosen).model_copy(update={"network_acls": (acl,)})
        ruleset = compile_topology(topology).namespaces[0].ruleset
        assert ("ip6 saddr ::/0 return" in ruleset) is there


def test_a_fault_of_ipv6_needs_a_cluster_that_has_it() -> None:
    fault = FAULTS["ipv6-route-missing"]
    assert "build it with --dual-stack" in fault.why_not(PATTERNS["peering"].build())
    assert fault.why_not(PATTERNS["peering"].build(PatternOptions(dual_stack=True))) == ""
    assert "is not of pattern in_vpc" in fault.why_not(PATTERNS["in_vpc"].build())
