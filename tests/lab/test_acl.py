"""Network ACLs compiled: their place, their order, who is asked, and what the NLB makes of them."""

from __future__ import annotations

import re
from ipaddress import IPv4Address
from typing import Any

from brokerproof.lab.network.blueprint import compile_topology
from brokerproof.lab.network.packet_filter import health
from brokerproof.topology.models import NetworkAcl, NetworkAclEntry, Topology
from brokerproof.topology.patterns import PATTERNS


def entry(rule_number: int, action: str, *, egress: bool = False, **more: Any) -> NetworkAclEntry:
    values = {"rule_number": rule_number, "rule_action": action, "egress": egress, "cidr_block": "0.0.0.0/0", **more}
    return NetworkAclEntry.model_validate(values)


LATER = entry(200, "allow")
FIRST = entry(100, "deny", protocol="6", port_range={"from": 9094, "to": 9094})
OUT = entry(50, "allow", egress=True)


def with_acl(pattern: str, *subnets: str, entries: tuple[NetworkAclEntry, ...] = (LATER, FIRST, OUT)) -> Topology:
    acl = NetworkAcl(network_acl_id="acl-1", vpc_id="vpc-cluster", subnet_ids=subnets, entries=entries)
    return PATTERNS[pattern].build().model_copy(update={"network_acls": (acl,)})


def router(topology: Topology) -> str:
    return next(n.ruleset for n in compile_topology(topology).namespaces if n.name == "r-vpc-cluster")


def chain(ruleset: str, name: str) -> list[str]:
    found = re.search(rf"  chain {name} {{\n(.*?)\n  }}", ruleset, re.DOTALL)
    assert found, name
    return [line.strip() for line in found[1].splitlines()]


def test_without_an_acl_there_is_no_chain_for_it() -> None:
    assert "network_acls" not in router(PATTERNS["in_vpc"].build())
    assert "network_acls" not in router(with_acl("in_vpc"))


def test_entries_are_evaluated_by_number_and_the_rest_is_dropped() -> None:
    ruleset = router(with_acl("in_vpc", "subnet-cluster-2"))
    assert chain(ruleset, "acl0_in") == [
        "ip saddr 0.0.0.0/0 tcp dport 9094-9094 drop",
        "ip saddr 0.0.0.0/0 return",
        "drop",
    ]
    assert chain(ruleset, "acl0_out") == ["ip daddr 0.0.0.0/0 return", "drop"]


def test_it_stands_before_what_knows_connections() -> None:
    [hook, *_] = chain(router(with_acl("in_vpc", "subnet-cluster-2")), "network_acls")
    assert hook == "type filter hook forward priority -10"
    assert "ct state" not in " ".join(chain(router(with_acl("in_vpc", "subnet-cluster-2")), "network_acls"))


def test_only_what_crosses_the_edge_of_a_subnet_is_asked_about_out_of_one_before_into_another() -> None:
    ruleset = router(with_acl("in_vpc", "subnet-cluster-1", "subnet-cluster-2"))
    _, *crossings = chain(ruleset, "network_acls")
    assert crossings == [  # broker 1 and the client are in the first subnet
        'iifname { "eni0", "eni3" } oifname != { "eni0", "eni3" } jump acl0_out',
        'iifname { "eni1" } oifname != { "eni1" } jump acl0_out',
        'oifname { "eni0", "eni3" } iifname != { "eni0", "eni3" } jump acl0_in',
        'oifname { "eni1" } iifname != { "eni1" } jump acl0_in',
    ]


def test_a_target_that_an_acl_keeps_from_a_node_is_unhealthy() -> None:
    second = IPv4Address("10.0.16.10")
    topology = with_acl("privatelink_multi_nlb", "subnet-cluster-2")
    balancer = topology.load_balancers[1]
    assert not health(topology, balancer, second, 9094)
    open_one = with_acl("privatelink_multi_nlb", "subnet-cluster-2", entries=(LATER, OUT))
    assert health(open_one, balancer, second, 9094)
