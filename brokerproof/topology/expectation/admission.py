"""Whether the security groups that a topology states let a client through to a port. Pure.

What the topology does not state is not known, and never guessed: every network interface of AWS has a group, so a
host without one in a file is a host whose groups were left out. In a lab such a host has none, and is open.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address

from brokerproof.topology.models import Client, Id, IpPermission, Topology, VantageKind

Address = IPv4Address | IPv6Address


class Admission(StrEnum):
    """What security groups do with a connection."""

    ADMITTED = "admitted"
    DENIED = "denied"
    UNKNOWN = "unknown"
    """The topology does not state the groups that decide it."""


def admission(
    topology: Topology, client: Client, *, source: Address | None, there: Address, groups: Iterable[Id], port: int
) -> Admission:
    """What the groups of both ends do with a TCP connection of this client.

    Rules of all groups of an interface count together, and what none admits is dropped in silence (VPC user guide,
    security group rules). A rule that names a group admits whoever has that group.

    Args:
        topology: Where the groups are.
        client: Who connects.
        source: Its address; None where it is unknown.
        there: The address it connects to.
        groups: Those of the interface that has that address; empty where the topology states none.
        port: Of TCP.
    """
    in_lab = client.vantage.kind is VantageKind.LAB
    known = {group.group_id: group for group in topology.security_groups}
    own = client.security_groups if client.security_groups or in_lab else None
    egress = [rule for group in own or () for rule in known[group].egress]
    if own and not any(_names(rule, there, port) or rule.referenced_group_id for rule in egress):
        return Admission.DENIED
    far = tuple(groups)
    if not far:
        return Admission.ADMITTED if in_lab else Admission.UNKNOWN
    ingress = [rule for group in far for rule in known[group].ingress]
    named = {rule.referenced_group_id for rule in ingress if rule.referenced_group_id and _has_port(rule, port)}
    if source is None and any(_has_port(rule, port) for rule in ingress):
        return Admission.UNKNOWN
    if any(source is not None and _names(rule, source, port) for rule in ingress) or named & set(own or ()):
        return Admission.ADMITTED
    return Admission.UNKNOWN if named and own is None else Admission.DENIED


def _names(rule: IpPermission, address: Address, port: int) -> bool:
    """Whether a rule with a CIDR is about this address and port."""
    block = rule.cidr_ipv4 if isinstance(address, IPv4Address) else rule.cidr_ipv6
    return block is not None and address in block and _has_port(rule, port)


def _has_port(rule: IpPermission, port: int) -> bool:
    return rule.ip_protocol == "-1" or (rule.ip_protocol == "tcp" and rule.from_port <= port <= rule.to_port)
