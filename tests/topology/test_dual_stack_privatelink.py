"""IPv6 through PrivateLink: the view of an IPv6 client mirrors its IPv4 twin's, and what needs what is said."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokerproof.topology.edit import with_changes, with_each
from brokerproof.topology.expectation.advertised import advertised
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.expectation.view import BrokerView, ClientView
from brokerproof.topology.files import TopologyError, dumps, loads
from brokerproof.topology.models import AliasTarget, EndpointInterface, ResourceRecordSet, Topology, VpcEndpoint
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from brokerproof.topology.rules import problems
from tests.examples import examples
from tests.topology.strategies import options

BOTH = ("privatelink_multi_nlb", "privatelink_single_nlb")
CLUSTER = "demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com"


def dual(pattern: str = "privatelink_multi_nlb", **chosen: object) -> Topology:
    return PATTERNS[pattern].build(PatternOptions.model_validate({"dual_stack": True, **chosen}))


@pytest.mark.parametrize("pattern", BOTH)
def test_what_is_beside_ipv4_does_not_change_it(pattern: str) -> None:
    plain, both = PATTERNS[pattern].build(), dual(pattern)
    for client in plain.clients:
        before, after = expect(plain, client.name), expect(both, client.name)
        assert (before.brokers, before.bootstrap) == (after.brokers, after.bootstrap)
        assert set(before.forbidden) <= set(after.forbidden)


def shape(view: ClientView) -> list[object]:
    """A view without what the family decides: names, ports, addresses."""

    def of(one: BrokerView) -> object:
        return one.broker_id, len(one.sources), [(a.kind, a.owner, a.zone_id, a.must_connect) for a in one.addresses]

    bootstrap: list[object] = [[a.must_connect for a in b.addresses] for b in view.bootstrap]
    return [*map(of, view.brokers), *bootstrap]


@settings(max_examples=examples(15), deadline=None)
@given(pattern=st.sampled_from(BOTH), chosen=options)
def test_an_ipv6_client_sees_what_its_ipv4_twin_sees_in_its_own_family(pattern: str, chosen: PatternOptions) -> None:
    topology = PATTERNS[pattern].build(chosen.model_copy(update={"dual_stack": True}))
    for client in (c for c in topology.clients if c.name.endswith("_ipv6")):
        six, four = expect(topology, client.name), expect(topology, client.name.removesuffix("_ipv6"))
        assert shape(six) == shape(four)
        seen = [a.address for b in six.brokers for a in b.addresses]
        seen += [a.address for b in six.bootstrap for a in b.addresses]
        seen += [address for b in six.brokers for address in (*b.sources, b.eni_address)]
        seen += [one.address for one in six.forbidden]
        assert {ip_address(address).version for address in seen} == {6}


def test_each_broker_is_met_at_its_own_endpoint_and_sees_the_nodes_of_its_own_load_balancer() -> None:
    first, second, _ = expect(dual(), "account_b_ipv6").brokers
    assert (first.name, first.port, second.name) == (f"bi6-1.{CLUSTER}", 20094, f"bi6-2.{CLUSTER}")
    assert [a.address for a in first.addresses] == [f"fd00:10:0:10{n}::96" for n in range(3)]
    assert [a.owner for a in second.addresses] == ["vpce-b-b2"] * 3
    assert first.sources == ("fd00:10::64", "fd00:10:0:1::64", "fd00:10:0:2::64")
    assert second.sources == ("fd00:10::65", "fd00:10:0:1::65", "fd00:10:0:2::65")


def test_behind_one_nlb_a_broker_advertises_a_port_of_its_own_in_each_family() -> None:
    topology = dual("privatelink_single_nlb")
    cluster = topology.clusters[0]
    assert [b.port for b in expect(topology, "account_b_ipv6").brokers] == [19443, 19444, 19445]
    assert {b.port for b in expect(topology, "account_b_ipv6").bootstrap} == {20094}
    assert advertised(cluster, cluster.brokers[1], "CLIENT_SECURE_IPV6") == (f"bi6-2.{CLUSTER}", 19444)
    assert advertised(cluster, cluster.brokers[1], "CLIENT_SECURE") == (f"b-2.{CLUSTER}", 8444)


def test_the_cluster_vpc_beside_the_endpoint_is_closed_over_ipv6_too() -> None:
    closed = {(f.address, f.port): f.why for f in expect(dual(), "account_b_ipv6").forbidden}
    assert closed["fd00:10::a", 20094] == "vpc-b has no route to the cluster VPC"
    assert closed["fd00:10:0:100::96", 9092] == "nlb-b1 has no listener 9092"
    assert ("fd00:10:0:100::c9", 7777) in {(f.address, f.port) for f in expect(dual(), "cluster_vpc_ipv6").forbidden}


def test_the_private_zone_has_an_alias_of_its_own_for_each_family() -> None:
    zone = next(z for z in dual().hosted_zones if "vpc-b" in z.vpc_ids)
    target = AliasTarget(dns_name=dual().vpc_endpoints[0].dns_name)
    assert ResourceRecordSet(name=f"b-1.{CLUSTER}", type="A", alias_target=target) in zone.record_sets
    assert ResourceRecordSet(name=f"bi6-1.{CLUSTER}", type="AAAA", alias_target=target) in zone.record_sets


def test_a_port_without_room_above_it_is_refused() -> None:
    with pytest.raises(TopologyError, match=r"there is no port 71002; choose listener ports up to 54535"):
        dual("privatelink_single_nlb", first_listener_port=60_000)


@pytest.mark.parametrize("pattern", BOTH)
def test_written_and_read_back(pattern: str) -> None:
    assert loads(dumps(dual(pattern)), source="t.yaml") == dual(pattern)


def words(topology: Topology) -> str:
    return " ".join(str(p) for p in problems(topology))


def bare(topology: Topology, subnet_id: str) -> Topology:
    """With a subnet that has no IPv6."""
    subnets = tuple(
        s.model_copy(update={"ipv6_cidr_block": None}) if s.subnet_id == subnet_id else s for s in topology.subnets
    )
    return topology.model_copy(update={"subnets": subnets})


def without_address(endpoint: VpcEndpoint) -> tuple[EndpointInterface, ...]:
    return tuple(eni.model_copy(update={"ipv6_address": None}) for eni in endpoint.network_interfaces)


def test_a_dual_stack_load_balancer_needs_ipv6_of_its_subnets_and_an_address_in_each() -> None:
    topology = dual()
    assert (
        "load_balancers[0].availability_zones[1].subnet_id: ip_address_type dualstack of nlb-b1 needs an "
        "ipv6_cidr_block of subnet-cluster-2 (AWS: ValidationError)"
    ) in words(bare(topology, "subnet-cluster-2"))
    [first, *others] = topology.load_balancers[0].availability_zones
    nodes = (first.model_copy(update={"ipv6_address": None}), *others)
    assert "availability_zones[0]: ip_address_type dualstack of nlb-b1 needs an ipv6_address" in words(
        with_changes(topology, "load_balancers", 0, availability_zones=nodes)
    )


def test_a_target_group_is_of_one_family_and_its_load_balancer_has_it() -> None:
    topology = dual()
    index = next(i for i, g in enumerate(topology.target_groups) if g.ip_address_type == "ipv6")
    four, six = topology.target_groups[0], topology.target_groups[index]
    mixed = with_changes(topology, "target_groups", index, targets=(*six.targets, *four.targets))
    assert (
        f"target_groups[{index}].targets[1].id: 10.0.0.10 is ipv4, and tg-b1-b1-ipv6 is of ip_address_type ipv6; "
        "all targets of a group are of its family (AWS: ValidationError)"
    ) in words(mixed)
    mixed = with_changes(topology, "target_groups", 0, targets=(*four.targets, *six.targets))
    assert "targets[1].id: fd00:10::a is ipv6, and tg-b1-b1 is of ip_address_type ipv4" in words(mixed)
    elsewhere = six.targets[0].model_copy(update={"id": ip_address("fd00:10:0:100::7")})
    assert "fd00:10:0:100::7 is outside vpc-cluster (AWS: InvalidTarget)" in words(
        with_changes(topology, "target_groups", index, targets=(elsewhere,))
    )
    single = with_changes(topology, "load_balancers", 0, ip_address_type="ipv4")
    assert "load_balancers[0].listeners[1].target_group_name: tg-b1-b1-ipv6 is of ip_address_type ipv6" in words(single)
    assert "availability_zones[0].ipv6_address: nlb-b1 is of ip_address_type ipv4" in words(single)


def test_a_service_supports_what_its_load_balancer_has_and_an_endpoint_what_its_service_supports() -> None:
    topology = dual()
    single = with_changes(topology, "load_balancers", 0, ip_address_type="ipv4")
    assert (
        "endpoint_services[0].supported_ip_address_types: ipv6 needs nlb-b1 to be of ip_address_type dualstack"
    ) in words(single)
    four = with_each(topology, "endpoint_services", supported_ip_address_types=("ipv4",))
    assert (
        "vpc_endpoints[0].ip_address_type: dualstack needs ipv6 among the supported_ip_address_types of "
        "com.amazonaws.vpce.us-east-1.vpce-svc-b1"
    ) in words(four)
    six = with_each(PATTERNS["privatelink_multi_nlb"].build(), "endpoint_services", supported_ip_address_types=())
    assert "endpoint_services[0].supported_ip_address_types: is empty; give ipv4, ipv6 or both" in words(six)
    assert "vpc_endpoints[0].ip_address_type: ipv4 needs ipv4 among" in words(six)


def test_a_dual_stack_endpoint_needs_ipv6_of_its_subnets_and_an_address_in_each() -> None:
    topology = dual()
    assert (
        "vpc_endpoints[0].network_interfaces[2].subnet_id: ip_address_type dualstack of vpce-b-b1 needs an "
        "ipv6_cidr_block of subnet-b-3"
    ) in words(bare(topology, "subnet-b-3"))
    enis = without_address(topology.vpc_endpoints[0])
    assert "network_interfaces[0]: ip_address_type dualstack of vpce-b-b1 needs an ipv6_address" in words(
        with_changes(topology, "vpc_endpoints", 0, network_interfaces=enis)
    )
    assert "network_interfaces[0].ipv6_address: vpce-b-b1 is of ip_address_type ipv4" in words(
        with_changes(topology, "vpc_endpoints", 0, ip_address_type="ipv4")
    )


def test_addresses_of_nodes_and_endpoints_are_used_once() -> None:
    topology = dual()
    [first, *others] = topology.vpc_endpoints[0].network_interfaces
    same = (first.model_copy(update={"ipv6_address": topology.client("account_b").ipv6_address}), *others)
    assert "fd00:10:0:100::c9 is already used in vpc-b by vpc_endpoints[0].network_interfaces[0].ipv6_address" in words(
        with_changes(topology, "vpc_endpoints", 0, network_interfaces=same)
    )


def test_an_ipv6_client_of_an_ipv4_endpoint_is_told_what_is_missing() -> None:
    topology = dual()
    for index, endpoint in enumerate(topology.vpc_endpoints):
        topology = with_changes(
            topology, "vpc_endpoints", index, ip_address_type="ipv4", network_interfaces=without_address(endpoint)
        )
    assert not problems(topology), "an endpoint of IPv4 in front of a dual-stack load balancer is AWS's default"
    assert expect(topology, "account_b").brokers
    with pytest.raises(
        TopologyError, match=r"client account_b_ipv6 .* over IPv6; expected .* the target \[fd00:10::a\]:20094"
    ):
        expect(topology, "account_b_ipv6")


def test_a_vpc_connection_has_no_ipv6() -> None:
    topology = PATTERNS["multi_vpc"].build()
    [first, *others] = topology.vpc_connections[0].network_interfaces
    enis = (first.model_copy(update={"ipv6_address": ip_address("fd00:10::7")}), *others)
    assert "multi-VPC connectivity over IPv6 is not modelled" in words(
        with_changes(topology, "vpc_connections", 0, network_interfaces=enis)
    )
