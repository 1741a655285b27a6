"""Network ACLs as nftables chains of a VPC's router. Pure.

They stand before the stateful rules and know no connections, so an answer needs an entry of its own.
A packet is evaluated where it crosses the edge of a subnet, and never between two ENIs of one subnet. Packets to
the VPC's resolver do not pass here, and AWS does not filter them either (VPC guide, network ACL basics).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from brokerproof.topology.acl import EVERY_PROTOCOL, TCP, UDP, ordered
from brokerproof.topology.models import NetworkAcl, NetworkAclEntry, Topology


def chains(topology: Topology, interfaces: Mapping[str, Sequence[str]], *, ipv6: bool = False) -> list[str]:
    """The chains for one router, whose interfaces are given by subnet; none where no subnet has an ACL."""
    used = {s: acl for s in interfaces if (acl := topology.network_acl(s)) is not None}
    if not used:
        return []
    number = {acl.network_acl_id: i for i, acl in enumerate(topology.network_acls)}
    crossings: list[str] = []
    # Out of the one before into the other: a packet between two subnets is asked about twice.
    for side, other, way in (("iifname", "oifname", "out"), ("oifname", "iifname", "in")):
        for subnet_id, acl in used.items():
            own = "{ " + ", ".join(f'"{name}"' for name in interfaces[subnet_id]) + " }"
            crossings.append(f"    {side} {own} {other} != {own} jump acl{number[acl.network_acl_id]}_{way}")
    lines = ["  chain network_acls {", "    type filter hook forward priority -10", *crossings, "  }"]
    for acl in {acl.network_acl_id: acl for acl in used.values()}.values():
        for egress, way in ((True, "out"), (False, "in")):
            name = f"acl{number[acl.network_acl_id]}_{way}"
            lines += [f"  chain {name} {{", *_rules(acl, egress=egress, ipv6=ipv6), "    drop", "  }"]
    return lines


def _rules(acl: NetworkAcl, *, egress: bool, ipv6: bool) -> Iterator[str]:
    for entry in ordered(acl, egress=egress):
        if entry.cidr_block is None and not ipv6:
            continue  # about packets this VPC does not have
        verdict = "return" if entry.rule_action == "allow" else "drop"
        yield f"    {_match(entry, 'daddr' if egress else 'saddr')} {verdict}"


def _match(entry: NetworkAclEntry, side: str) -> str:
    family, block = ("ip", entry.cidr_block) if entry.cidr_block is not None else ("ip6", entry.ipv6_cidr_block)
    far = f"{family} {side} {block}"
    if entry.protocol == EVERY_PROTOCOL:
        return far
    if entry.protocol in {TCP, UDP} and entry.port_range is not None:
        name = "tcp" if entry.protocol == TCP else "udp"
        return f"{far} {name} dport {entry.port_range.from_port}-{entry.port_range.to_port}"
    return f"{far} meta l4proto {entry.protocol}"
