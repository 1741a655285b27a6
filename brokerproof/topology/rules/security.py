"""Security group rules and network ACL entries."""

from __future__ import annotations

from collections.abc import Iterator

from brokerproof.topology.models import NetworkAcl, NetworkAclEntry, PeeringStatus, Topology
from brokerproof.topology.rules.problem import Path, Problem

_TCP_AND_UDP = ("6", "17")
_LAST_PROTOCOL = 255


def permissions(topology: Topology) -> Iterator[Problem]:
    """What AuthorizeSecurityGroupIngress and -Egress refuse."""
    vpc_of = {g.group_id: g.vpc_id for g in topology.security_groups}
    for i, group in enumerate(topology.security_groups):
        for side in ("ingress", "egress"):
            for j, rule in enumerate(getattr(group, side)):
                path: Path = ("security_groups", i, side, j)
                if [rule.cidr_ipv4, rule.cidr_ipv6, rule.referenced_group_id].count(None) != 2:  # noqa: PLR2004
                    yield Problem(path, "give exactly one of cidr_ipv4, cidr_ipv6 and referenced_group_id")
                elif rule.referenced_group_id is not None:
                    other = vpc_of.get(rule.referenced_group_id)
                    why = (
                        f"no security group {rule.referenced_group_id!r}"
                        if other is None
                        else _why_not_referable(topology, group.vpc_id, other, egress=side == "egress")
                    )
                    if why:
                        yield Problem((*path, "referenced_group_id"), f"{why} (AWS: InvalidGroup.NotFound)")
                if rule.from_port > rule.to_port:
                    yield Problem(path, f"from_port {rule.from_port} is above to_port {rule.to_port}")


def _why_not_referable(topology: Topology, vpc_id: str, other_id: str, *, egress: bool) -> str:
    """Why a group of one VPC cannot be named by a group of another; empty where it can.

    Within a VPC, over an active peering of one Region whatever the accounts (VPC Peering guide, "Update
    your security groups to reference peer security groups"), and, for ingress, through a transit gateway
    that both are attached to (Transit Gateway guide, security group referencing).
    """
    if vpc_id == other_id:
        return ""
    here, there = topology.vpc(vpc_id).region_name, topology.vpc(other_id).region_name
    if here != there:
        return f"the group is in {other_id} in {there}, and groups of another Region than {here} cannot be named"
    peerings = [p for p in topology.vpc_peering_connections if {vpc_id, other_id} == set(p.sides)]
    if any(p.status is PeeringStatus.ACTIVE for p in peerings):
        return ""
    gateways = [
        {a.transit_gateway_id for a in topology.transit_gateway_attachments if a.vpc_id == side}
        for side in (vpc_id, other_id)
    ]
    if gateways[0] & gateways[1]:
        return "through a transit gateway only ingress rules may name a group" if egress else ""
    if peerings:
        return f"the group is in {other_id}, whose peering is {peerings[0].status}; it must be active"
    return f"the group is in {other_id}, which neither a peering nor a transit gateway joins to {vpc_id}"


def network_acls(topology: Topology) -> Iterator[Problem]:
    """What CreateNetworkAclEntry refuses, and subnets with more than one ACL."""
    associated: dict[str, str] = {}
    for i, acl in enumerate(topology.network_acls):
        for j, subnet_id in enumerate(acl.subnet_ids):
            path: Path = ("network_acls", i, "subnet_ids", j)
            if topology.subnet(subnet_id).vpc_id != acl.vpc_id:
                yield Problem(path, f"{subnet_id} is not in {acl.vpc_id}")
            if subnet_id in associated:
                yield Problem(path, f"{subnet_id} already has {associated[subnet_id]}; a subnet has one network ACL")
            associated.setdefault(subnet_id, acl.network_acl_id)
        yield from _entries(acl, ("network_acls", i, "entries"))


def _entries(acl: NetworkAcl, base: Path) -> Iterator[Problem]:
    seen: dict[tuple[bool, int], int] = {}
    for j, entry in enumerate(acl.entries):
        path: Path = (*base, j)
        key = (entry.egress, entry.rule_number)
        if key in seen:
            rule = f"{'egress' if entry.egress else 'ingress'} rule {entry.rule_number}"
            yield Problem(
                (*path, "rule_number"), f"{rule} is already entries[{seen[key]}] (AWS: NetworkAclEntryAlreadyExists)"
            )
        seen.setdefault(key, j)
        if (entry.cidr_block is None) == (entry.ipv6_cidr_block is None):
            yield Problem(path, "give exactly one of cidr_block and ipv6_cidr_block")
        yield from _ports(entry, path)


def _ports(entry: NetworkAclEntry, path: Path) -> Iterator[Problem]:
    if int(entry.protocol) > _LAST_PROTOCOL:
        yield Problem((*path, "protocol"), f"{entry.protocol} is no protocol number; they end at {_LAST_PROTOCOL}")
    has_ports = entry.protocol in _TCP_AND_UDP
    if has_ports and entry.port_range is None:
        yield Problem(path, "TCP and UDP entries need a port_range (AWS: MissingParameter)")
    elif entry.port_range is not None and not has_ports:
        yield Problem((*path, "port_range"), f"protocol {entry.protocol} has no ports; AWS would ignore them")
    elif entry.port_range is not None and entry.port_range.from_port > entry.port_range.to_port:
        yield Problem(
            (*path, "port_range"), f"from {entry.port_range.from_port} is above to {entry.port_range.to_port}"
        )
