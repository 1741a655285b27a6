"""A topology compiled: laws of the layout, and that faults are differences of rules and records alone."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given, settings

from brokerproof.lab.errors import LabError
from brokerproof.lab.faults import FAULTS
from brokerproof.lab.network.blueprint import compile_topology
from brokerproof.lab.network.packet_filter import admits, health
from brokerproof.topology.models import BrokerState, IpPermission, Topology
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from tests.examples import examples
from tests.topology.strategies import options, patterns

MAX_INTERFACE = 15
"""IFNAMSIZ less the terminator."""


@settings(max_examples=examples(40), deadline=None)
@given(pattern=patterns, chosen=options)
def test_interfaces_and_namespaces_are_unique_and_nameable(pattern: str, chosen: PatternOptions) -> None:
    blueprint = compile_topology(PATTERNS[pattern].build(chosen))
    names = Counter(n.name for n in blueprint.namespaces)
    assert max(names.values()) == 1
    ends = Counter(
        end
        for link in blueprint.links
        for end in ((link.namespace, link.interface), (link.peer_namespace, link.peer_interface))
    )
    assert max(ends.values()) == 1
    assert all(len(interface) <= MAX_INTERFACE for _, interface in ends)
    assert {namespace for namespace, _ in ends} <= set(names)


def single(**chosen: object) -> Topology:
    return PATTERNS["privatelink_single_nlb"].build(PatternOptions.model_validate(chosen))


def ruleset(topology: Topology, namespace: str) -> str:
    return next(n.ruleset for n in compile_topology(topology).namespaces if n.name == namespace)


def test_without_cross_zone_a_node_only_has_the_targets_of_its_zone() -> None:
    on, off = ruleset(single(), "nlb-all"), ruleset(single(cross_zone=False), "nlb-all")
    assert on.count("tcp dport 8443 ") == 9  # three nodes and two endpoints of three ENIs
    assert off.count("tcp dport 8443 ") == 3
    assert "numgen inc mod 3" in on
    assert "numgen" not in off


def test_a_variant_changes_rules_and_never_the_layout() -> None:
    one, other = compile_topology(single()), compile_topology(single(cross_zone=False, zonal_alias=True))
    assert one.links == other.links
    assert [n.ip_lines for n in one.namespaces] == [n.ip_lines for n in other.namespaces]
    assert one.brokers == other.brokers


def test_a_resolver_without_the_zone_answers_the_public_record() -> None:
    topology = single()
    zones = tuple(z.model_copy(update={"vpc_ids": ()}) for z in topology.hosted_zones)
    bare = topology.model_copy(update={"hosted_zones": zones})
    by_vpc = {r.vpc_id: r.configuration for r in compile_topology(topology).resolvers}
    public = {r.vpc_id: r.configuration for r in compile_topology(bare).resolvers}
    assert "IN A 10.1.0.150" in by_vpc["vpc-b"]
    assert "b-1.demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com. 60 IN A 10.0.0.10" not in by_vpc["vpc-b"]
    assert "b-1.demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com. 60 IN A 10.0.0.10" in public["vpc-b"]


def test_dns_attributes_off_hide_the_zone() -> None:
    topology = single()
    vpcs = tuple(v.model_copy(update={"enable_dns_hostnames": False}) for v in topology.vpcs)
    off = compile_topology(topology.model_copy(update={"vpcs": vpcs}))
    assert all("awsdns-00" not in r.configuration for r in off.resolvers)


def stop(topology: Topology, broker_id: int) -> Topology:
    cluster = topology.clusters[0]
    brokers = tuple(
        b.model_copy(update={"state": BrokerState.STOPPED}) if b.broker_id == broker_id else b for b in cluster.brokers
    )
    return topology.model_copy(update={"clusters": (cluster.model_copy(update={"brokers": brokers}),)})


def test_an_unhealthy_target_is_not_used_unless_all_are() -> None:
    one_down = stop(single(), 2)
    balancer = one_down.load_balancers[0]
    assert not health(one_down, balancer, IPv4Address("10.0.16.10"), 9094)
    assert health(one_down, balancer, IPv4Address("10.0.0.10"), 9094)
    assert not health(one_down, balancer, IPv4Address("10.0.0.10"), 9092), "nothing listens on that port"
    assert "numgen inc mod 2" in ruleset(one_down, "nlb-all")
    assert "dnat to 10.0.16.10:9094" in ruleset(one_down, "nlb-all"), "its own listener fails open"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (IpPermission(from_port=9094, to_port=9094, cidr_ipv4=IPv4Network("10.0.0.0/16")), True),
        (IpPermission(from_port=9095, to_port=9096, cidr_ipv4=IPv4Network("10.0.0.0/16")), False),
        (IpPermission(from_port=9094, to_port=9094, cidr_ipv4=IPv4Network("10.1.0.0/16")), False),
        (IpPermission(ip_protocol="-1", cidr_ipv4=IPv4Network("0.0.0.0/0")), True),
        (IpPermission(ip_protocol="udp", cidr_ipv4=IPv4Network("0.0.0.0/0")), False),
        (IpPermission(ip_protocol="-1", referenced_group_id="sg-x"), False),
    ],
)
def test_admits(rule: IpPermission, expected: bool) -> None:
    assert admits(rule, IPv4Address("10.0.0.100"), 9094) is expected


def test_two_kafka_versions_in_one_lab_are_refused() -> None:
    topology = PATTERNS["in_vpc"].build()
    other = topology.clusters[0].model_copy(update={"cluster_name": "second", "kafka_version": "3.9.1"})
    with pytest.raises(LabError, match=r"one Kafka version a lab, but the topology has 3\.9\.1, 4\.1\.1"):
        compile_topology(topology.model_copy(update={"clusters": (*topology.clusters, other)}))


def rtts(topology: Topology) -> dict[tuple[str, str], float | None]:
    """What each link between two VPCs adds to a round trip; None for a plain pair."""
    return {
        (link.namespace, link.peer_namespace): None if link.shape is None else link.shape.rtt_ms
        for link in compile_topology(topology).links
        if not link.interface.startswith("eni")
    }


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("in_vpc", {}),
        (
            "peering",
            {
                ("r-vpc-b", "r-vpc-cluster"): 0.5,
                ("r-vpc-c", "r-vpc-cluster"): 60,
                ("r-vpc-d", "r-vpc-b"): 0.5,
            },
        ),
        (
            "transit_gateway",
            {
                ("tgw-east", "r-vpc-cluster"): 0.5,
                ("tgw-east", "r-vpc-b"): 0.5,
                ("tgw-east", "r-vpc-n"): 0.5,
                ("tgw-west", "r-vpc-c"): 0.5,
                ("tgw-west", "r-vpc-d"): 0.5,
                ("tgw-east", "tgw-west"): 60,
            },
        ),
        (
            "privatelink_single_nlb",
            {("vpce-b-all", "nlb-all"): 0.5, ("vpce-o-all", "nlb-all"): 0.5},
        ),
    ],
)
def test_what_joins_two_vpcs_has_their_regions_distance(
    pattern: str, expected: dict[tuple[str, str], float | None]
) -> None:
    assert rtts(PATTERNS[pattern].build(PatternOptions(remote=False))) == expected
    near = PatternOptions(remote=False, cross_region_rtt_ms=0, in_region_rtt_ms=0)
    assert rtts(PATTERNS[pattern].build(near)) == dict.fromkeys(expected)


def test_an_eni_has_no_distance_from_its_router() -> None:
    for pattern in PATTERNS:
        links = compile_topology(PATTERNS[pattern].build()).links
        assert all(link.shape is None and not link.distant for link in links if link.interface.startswith("eni"))


def test_an_endpoint_in_another_region_is_as_far_as_its_regions() -> None:
    topology = single()
    vpcs = tuple(v.model_copy(update={"region_name": "us-west-2"}) if v.vpc_id == "vpc-b" else v for v in topology.vpcs)
    assert rtts(topology.model_copy(update={"vpcs": vpcs}))["vpce-b-all", "nlb-all"] == 60


def test_another_distance_is_the_same_layout_until_there_is_none() -> None:
    one, other, none = (
        compile_topology(PATTERNS["peering"].build(PatternOptions(cross_region_rtt_ms=rtt))) for rtt in (60, 5, 0)
    )
    assert one == other
    assert [link.shape for link in one.links] != [link.shape for link in other.links]
    assert one.links != none.links


def test_a_target_at_a_port_of_the_brokers_own_is_healthy_where_it_is_admitted() -> None:
    broken = FAULTS["bootstrap-target-dead"].edit(single())
    assert "10.0.0.10 . 9093" in ruleset(broken, "nlb-all")
    assert "10.0.0.10 . 9093" not in ruleset(single(), "nlb-all")
