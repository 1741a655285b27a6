"""Network ACLs evaluated as AWS does: lowest rule number first, the first match wins, deny at the end. Pure.

Stateless: an answer is a packet of its own, and meets the entries of the other direction.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from brokerproof.topology.models import NetworkAcl, NetworkAclEntry, Topology

EVERY_PROTOCOL: Final = "-1"
TCP: Final = "6"
UDP: Final = "17"
EPHEMERAL: Final = (1024, 65535)
"""Ports an NLB node connects from (ELB guide, network ACLs of Network Load Balancers); wider than a Linux host's."""

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Packet:
    """What an entry looks at.

    ``far`` is the address beyond the subnet's edge: the source coming in, else the destination. ``port`` is
    the destination port, 0 where the protocol has none.
    """

    protocol: str
    far: Address
    port: int = 0


def ordered(acl: NetworkAcl, *, egress: bool) -> tuple[NetworkAclEntry, ...]:
    """The entries of one direction in the order they are evaluated."""
    return tuple(sorted((e for e in acl.entries if e.egress is egress), key=lambda e: e.rule_number))


def matches(entry: NetworkAclEntry, packet: Packet) -> bool:
    """Whether an entry is about this packet."""
    block = entry.cidr_block if packet.far.version == 4 else entry.ipv6_cidr_block  # noqa: PLR2004 - IP version
    if block is None or packet.far not in block:
        return False
    if entry.protocol == EVERY_PROTOCOL:
        return True
    if entry.protocol != packet.protocol:
        return False
    return entry.port_range is None or entry.port_range.from_port <= packet.port <= entry.port_range.to_port


def allows(acl: NetworkAcl | None, packet: Packet, *, egress: bool) -> bool:
    """Whether the ACL lets the packet out (``egress``) or in; None is the default ACL."""
    if acl is None:
        return True
    for entry in ordered(acl, egress=egress):
        if matches(entry, packet):
            return entry.rule_action == "allow"
    return False


def connects(topology: Topology, source: tuple[str, Address], target: tuple[str, Address], port: int) -> bool:
    """Whether ACLs let TCP connections through, and their answers back to every ephemeral port.

    Both ends are (subnet id, address). Inside a subnet no ACL is asked.
    """
    if source[0] == target[0]:
        return True
    return _passes(topology, source, target, port) and all(
        _passes(topology, target, source, back) for back in _edges(topology, source[0], target[0])
    )


def _passes(topology: Topology, source: tuple[str, Address], target: tuple[str, Address], port: int) -> bool:
    leaves = allows(topology.network_acl(source[0]), Packet(TCP, target[1], port), egress=True)
    return leaves and allows(topology.network_acl(target[0]), Packet(TCP, source[1], port), egress=False)


def _edges(topology: Topology, *subnet_ids: str) -> Iterator[int]:
    """Ports at which the answer of an ACL can change: between two of them every port is treated alike."""
    first, last = EPHEMERAL
    yield first
    for subnet_id in subnet_ids:
        acl = topology.network_acl(subnet_id)
        for entry in () if acl is None else acl.entries:
            if entry.port_range is not None:
                for port in (entry.port_range.from_port, entry.port_range.to_port + 1):
                    if first < port <= last:
                        yield port
