"""IPv6 beside IPv4: laws of the builders, what the clients of either family must see, and what is refused."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from brokerproof.probes.outcome import Reason
from brokerproof.topology.edit import with_broker, with_changes
from brokerproof.topology.expectation.advertised import advertised
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.files import dumps, loads
from brokerproof.topology.models import ClusterListener, NetworkType, Topology
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from brokerproof.topology.rules import problems

DIRECT = ("in_vpc", "peering", "transit_gateway")


def dual(pattern: str = "peering", **chosen: object) -> Topology:
    return PATTERNS[pattern].build(PatternOptions.model_validate({"dual_stack": True, **chosen}))


@pytest.mark.parametrize("pattern", DIRECT)
def test_what_is_beside_ipv4_does_not_change_it(pattern: str) -> None:
    plain, both = PATTERNS[pattern].build(), dual(pattern)
    for client in plain.clients:
        before, after = expect(plain, client.name), expect(both, client.name)
        assert (before.brokers, before.bootstrap) == (after.brokers, after.bootstrap)
        assert set(before.forbidden) <= set(after.forbidden)


@pytest.mark.parametrize("pattern", DIRECT)
@pytest.mark.parametrize("brokers", [1, 7])
def test_a_client_of_ipv6_sees_each_broker_by_its_own_name_at_its_own_address(pattern: str, brokers: int) -> None:
    topology = dual(pattern, brokers=brokers)
    for client in (c for c in topology.clients if c.name.endswith("_ipv6") and c.pattern is not None):
        view = expect(topology, client.name)
        names = [f"bi6-{n}.demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com" for n in range(1, brokers + 1)]
        assert [(b.name, b.port) for b in view.brokers] == [(name, 20094) for name in names]
        addresses = [a.address for b in view.brokers for a in b.addresses]
        assert len(set(addresses)) == brokers
        assert {ip_address(a).version for a in (*addresses, *(s for b in view.brokers for s in b.sources))} == {6}


def test_a_port_of_the_other_family_must_not_connect() -> None:
    closed = {(f.address, f.port): f for f in expect(dual(), "peered_ipv6").forbidden}
    assert closed["fd00:10::a", 9094].fails_with == (Reason.TIMED_OUT, Reason.REFUSED)
    assert closed["fd00:10::a", 9094].why == "port 9094 of broker 1 is for IPv4 alone"
    assert ("10.0.0.10", 20094) in {(f.address, f.port) for f in expect(dual(), "peered").forbidden}


def test_a_name_with_addresses_of_both_families_connects_by_its_listeners_own() -> None:
    topology = dual()
    for broker in topology.clusters[0].brokers:
        topology = with_broker(topology, broker.broker_id, ipv6_endpoint=broker.endpoint)
    [first, *_] = expect(topology, "peered_ipv6").brokers
    assert [(a.address, a.must_connect) for a in first.addresses] == [("10.0.0.10", False), ("fd00:10::a", True)]
    assert first.addresses[0].why_not == "CLIENT_SECURE_IPV6 is bound to IPv6 addresses alone"
    [first, *_] = expect(topology, "peered").brokers
    assert [(a.address, a.must_connect) for a in first.addresses] == [("10.0.0.10", True), ("fd00:10::a", False)]


def test_a_broker_advertises_its_ipv6_name_at_its_ipv6_listener() -> None:
    cluster = dual("in_vpc", plaintext=True).clusters[0]
    broker = cluster.brokers[0]
    assert advertised(cluster, broker, "CLIENT_SECURE_IPV6") == (broker.ipv6_endpoint, 20094)
    assert advertised(cluster, broker, "CLIENT_IPV6") == (broker.ipv6_endpoint, 20092)
    assert advertised(cluster, broker, "CLIENT_SECURE") == (broker.endpoint, 9094)


def test_what_must_not_get_through_must_not_over_ipv6_either() -> None:
    topology = dual()
    assert {f.address for f in expect(topology, "not_peered_ipv6").forbidden} == {
        str(b.ipv6_address) for b in topology.clusters[0].brokers
    }
    assert ("fd00:10:0:100::c9", 7777) in {
        (f.address, f.port) for f in expect(topology, "remote_by_peering_ipv6").forbidden
    }


def words(topology: Topology) -> str:
    return " ".join(str(p) for p in problems(topology))


def test_written_and_read_back() -> None:
    assert loads(dumps(dual()), source="t.yaml") == dual()


def test_dual_needs_ipv6_of_every_subnet_and_broker_and_kafka_3_6() -> None:
    topology = dual("in_vpc")
    bare = tuple(s.model_copy(update={"ipv6_cidr_block": None}) for s in topology.subnets)
    said = words(topology.model_copy(update={"subnets": bare}))
    assert "network_type DUAL needs an ipv6_cidr_block of subnet-cluster-1" in said
    assert "brokers[0].ipv6_address: subnet-cluster-1 has no ipv6_cidr_block" in said
    assert "brokers[1]: network_type DUAL needs ipv6_address and ipv6_endpoint" in words(
        with_broker(topology, 2, ipv6_endpoint=None)
    )
    assert "needs 3.6.0 or later, not 3.5.1" in words(with_changes(topology, "clusters", 0, kafka_version="3.5.1"))


def test_an_ipv6_listener_needs_the_network_type_and_a_client_with_an_address() -> None:
    topology = dual("in_vpc")
    four = with_changes(topology, "clusters", 0, network_type=NetworkType.IPV4)
    assert "listeners[1].name: CLIENT_SECURE_IPV6 needs network_type DUAL" in words(four)
    for index in range(len(topology.clients)):
        topology = with_changes(topology, "clients", index, ipv6_address=None)
    assert "clients[1].listener: CLIENT_SECURE_IPV6 needs the client's ipv6_address" in words(topology)
    assert ClusterListener(name="CLIENT_IPV6", port=20092).tls is False


def test_addresses_are_inside_their_subnet_and_used_once() -> None:
    topology = dual("in_vpc")
    first, second, *_ = topology.clusters[0].brokers
    assert "fd00:10:0:1::a is not inside subnet-cluster-1's fd00:10::/64" in words(
        with_broker(topology, 1, ipv6_address=second.ipv6_address)
    )
    reserved = ip_address("fd00:10::3")
    assert "fd00:10::3 is reserved by AWS in fd00:10::/64" in words(with_broker(topology, 1, ipv6_address=reserved))
    same = with_changes(topology, "clients", 0, ipv6_address=first.ipv6_address)
    assert "fd00:10::a is already used in vpc-cluster" in words(same)
    assert "differs from that of cluster_vpc, the same host" in words(same)


def test_a_route_has_one_destination() -> None:
    topology = dual()
    table = topology.route_tables[0]
    both = table.routes[0].model_copy(update={"destination_ipv6_cidr_block": table.routes[-1].destination})
    said = words(with_changes(topology, "route_tables", 0, routes=(both,)))
    assert "give exactly one of destination_cidr_block and destination_ipv6_cidr_block" in said
    twice = with_changes(topology, "route_tables", 0, routes=(table.routes[-1], table.routes[-1]))
    assert "(AWS: RouteAlreadyExists)" in words(twice)
