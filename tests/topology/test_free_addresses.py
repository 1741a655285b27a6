"""Addresses that nobody has: of the client's own subnet, in nobody's use, and never of the Internet."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import msgspec
import pytest

from brokerproof.topology.edit import with_changed, with_each
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.expectation.free_addresses import free_addresses
from brokerproof.topology.models import Client, Topology
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from brokerproof.topology.rules.addresses import placements


def peered(topology: Topology) -> Client:
    return topology.client("peered")


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_they_are_in_the_subnet_and_nobody_has_them(pattern: str) -> None:
    topology = PATTERNS[pattern].build()
    for client in topology.clients:
        found = expect(topology, client.name).free_addresses
        assert len(found) == 2
        taken = {address for _, vpc_id, _, address in placements(topology) if vpc_id == client.vpc_id}
        for address in map(IPv4Address, found):
            assert address in topology.subnet(client.subnet_id).cidr_block
            assert not address.is_global
            assert address not in taken


def test_the_last_of_a_subnet_are_taken_but_for_what_is_in_use() -> None:
    topology = PATTERNS["peering"].build()
    block = topology.subnet(peered(topology).subnet_id).cidr_block
    last = int(block.broadcast_address)
    assert expect(topology, "peered").free_addresses == (str(IPv4Address(last - 1)), str(IPv4Address(last - 2)))
    server = IPv4Address(last - 1)
    moved = with_changed(
        topology, "vpcs", lambda vpc: vpc.vpc_id == peered(topology).vpc_id, domain_name_servers=(server,)
    )
    assert str(server) not in expect(moved, "peered").free_addresses


def test_no_public_address_is_ever_tried() -> None:
    topology = with_each(PATTERNS["peering"].build(), "subnets", cidr_block=IPv4Network("8.8.8.0/24"))
    assert free_addresses(topology, peered(topology), ()) == ()


def test_where_the_brokers_are_on_loopback_it_stays_there() -> None:
    topology = PATTERNS["peering"].build()
    brokers = expect(topology, "peered").brokers
    here = [
        msgspec.structs.replace(
            broker, addresses=tuple(msgspec.structs.replace(a, address="127.0.0.1") for a in broker.addresses)
        )
        for broker in brokers
    ]
    assert free_addresses(topology, peered(topology), here) == ("127.113.7.31", "127.113.7.47")


def test_a_client_that_comes_by_ipv6_tries_none() -> None:
    topology = PATTERNS["peering"].build(PatternOptions(dual_stack=True))
    by_ipv6 = [client for client in topology.clients if client.listener.endswith("_IPV6")]
    assert by_ipv6
    assert all(expect(topology, client.name).free_addresses == () for client in by_ipv6)
