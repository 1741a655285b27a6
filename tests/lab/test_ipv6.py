"""IPv6 in a compiled topology: there where the topology has it, and without a trace where it has not."""

from __future__ import annotations

import pytest

from lab.blueprint import Blueprint, compile_topology
from lab.faults import FAULTS
from topology.models import NetworkAcl, NetworkAclEntry
from topology.patterns import PATTERNS, PatternOptions


def texts(blueprint: Blueprint) -> list[str]:
    lines = [line for n in blueprint.namespaces for line in (*n.ip_lines, *n.routing, n.ruleset)]
    values = [value for b in blueprint.brokers for _, value in b.properties]
    return [*lines, *values, *(r.configuration for r in blueprint.resolvers)]


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_without_ipv6_nothing_of_it_is_laid_out(pattern: str) -> None:
    blueprint = compile_topology(PATTERNS[pattern](None))
    assert not any(n.ipv6 for n in blueprint.namespaces)
    for trace in ("ip6 ", "icmpv6", "table inet", "fd00:", "fe80:", "AAAA", "-6 ", "addrgenmode"):
        assert not [text for text in texts(blueprint) if trace in text], trace


@pytest.mark.parametrize("pattern", ["in_vpc", "peering", "transit_gateway"])
def test_ipv6_only_adds_to_what_ipv4_has(pattern: str) -> None:
    four = compile_topology(PATTERNS[pattern](None))
    both = compile_topology(PATTERNS[pattern](PatternOptions(dual_stack=True)))
    assert four.links == both.links
    for one, other in zip(four.namespaces, both.namespaces, strict=True):
        assert one.name == other.name
        kept = [line for line in other.ip_lines if line in one.ip_lines]
        assert kept == list(one.ip_lines)
        assert [line for line in other.routing if line in one.routing] == list(one.routing)


def test_the_broker_listens_and_is_found_by_ipv6() -> None:
    blueprint = compile_topology(PATTERNS["in_vpc"](PatternOptions(dual_stack=True)))
    listeners = dict(blueprint.brokers[0].properties)["listeners"]
    assert "CLIENT_SECURE_IPV6://[fd00:10::a]:20094" in listeners
    assert "CLIENT_SECURE://10.0.0.10:9094" in listeners
    answer = "bi6-1.demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com. 60 IN AAAA fd00:10::a"
    assert answer in blueprint.resolvers[0].configuration


def test_an_acl_entry_of_ipv6_is_no_rule_of_a_vpc_without_it() -> None:
    entry = NetworkAclEntry.model_validate(
        {"rule_number": 1, "rule_action": "allow", "egress": False, "ipv6_cidr_block": "::/0"}
    )
    acl = NetworkAcl(network_acl_id="acl-1", vpc_id="vpc-cluster", subnet_ids=("subnet-cluster-1",), entries=(entry,))
    for chosen, there in ((PatternOptions(), False), (PatternOptions(dual_stack=True), True)):
        topology = PATTERNS["in_vpc"](chosen).model_copy(update={"network_acls": (acl,)})
        ruleset = compile_topology(topology).namespaces[0].ruleset
        assert ("ip6 saddr ::/0 return" in ruleset) is there


def test_a_fault_of_ipv6_needs_a_cluster_that_has_it() -> None:
    fault = FAULTS["ipv6-route-missing"]
    assert "build it with --dual-stack" in fault.why_not(PATTERNS["peering"](None))
    assert fault.why_not(PATTERNS["peering"](PatternOptions(dual_stack=True))) == ""
    assert "is not of pattern in_vpc" in fault.why_not(PATTERNS["in_vpc"](None))
