"""Addresses that nobody has: where a client's connections end when they do not go where they are sent. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address
from itertools import islice
from typing import Final

from brokerproof.topology.expectation.isolation import by_ipv6
from brokerproof.topology.expectation.view import BrokerView
from brokerproof.topology.models import UNKNOWN, Client, Topology
from brokerproof.topology.rules.addresses import placements

LOOPBACK: Final = ("127.113.7.31", "127.113.7.47")
"""Of the host's own loopback network, in which nobody numbers anything."""
_RESERVED: Final = 4
"""The first of a subnet are AWS's (VPC user guide, subnet sizing)."""


def free_addresses(topology: Topology, client: Client, brokers: Iterable[BrokerView]) -> tuple[str, ...]:
    """Two addresses that nothing in the topology has, near the client: of its own subnet, never of the Internet.

    Where the brokers are on the client's loopback, those are too. A client that comes by IPv6 has none: the IPv6
    addresses of a VPC may be public.
    """
    if any(IPv4Address(a.address).is_loopback for b in brokers for a in b.addresses if ":" not in a.address):
        return LOOPBACK
    no_subnet = by_ipv6(client) or client.subnet_id == UNKNOWN
    return () if no_subnet else tuple(map(str, islice(_free(topology, client), 2)))


def _free(topology: Topology, client: Client) -> Iterator[IPv4Address]:
    block = topology.subnet(client.subnet_id).cidr_block
    taken = {address for _, vpc_id, _, address in placements(topology) if vpc_id == client.vpc_id}
    taken |= set(topology.vpc(client.vpc_id).domain_name_servers)
    last, first = int(block.broadcast_address) - 1, int(block.network_address) + _RESERVED
    for number in range(last, first - 1, -1):
        address = IPv4Address(number)
        if address not in taken and not address.is_global:
            yield address
