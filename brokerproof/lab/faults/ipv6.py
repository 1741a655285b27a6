"""Faults of the IPv6 side alone: the names answer with AAAA, and IPv4 works as before."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Final

from brokerproof.causes.codes import Code
from brokerproof.causes.sets import joined
from brokerproof.lab.faults import likeness
from brokerproof.lab.faults.fault import GATEWAY, MULTI, ONE_NLB, PEERING, Fault, FaultLayer, afflicted
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.topology.edit import with_changes
from brokerproof.topology.models import NetworkAcl, NetworkAclEntry, Topology

_ANYWHERE = IPv4Network("0.0.0.0/0")


def _no_routes(topology: Topology) -> Topology:
    for index, table in enumerate(topology.route_tables):
        if any(subnet_id.startswith("subnet-b") for subnet_id in table.subnet_ids):
            kept = tuple(r for r in table.routes if r.destination_ipv6_cidr_block is None)
            topology = with_changes(topology, "route_tables", index, routes=kept)
    return topology


def _not_admitted(topology: Topology) -> Topology:
    ports = {entry.port for entry in topology.clusters[0].listeners if entry.ipv6}
    for index, group in enumerate(topology.security_groups):
        if group.group_id == "sg-brokers":
            kept = tuple(r for r in group.ingress if r.cidr_ipv6 is None and r.from_port not in ports)
            topology = with_changes(topology, "security_groups", index, ingress=kept)
    return topology


def _acl_of_ipv4(topology: Topology) -> Topology:
    client = afflicted(topology)
    entries = tuple(
        NetworkAclEntry(rule_number=100, rule_action="allow", egress=egress, cidr_block=_ANYWHERE)
        for egress in (False, True)
    )
    acl = NetworkAcl(network_acl_id="acl-fault", vpc_id=client.vpc_id, subnet_ids=(client.subnet_id,), entries=entries)
    return topology.model_copy(update={"network_acls": (acl,)})


def _fault(
    name: str,
    title: str,
    layer: FaultLayer,
    edit: Callable[[Topology], Topology],
    patterns: tuple[str, ...],
    *codes: Code,
) -> Fault:
    return Fault(
        name=name,
        title=title,
        layer=layer,
        patterns=patterns,
        edit=edit,
        stage=Stage.CONNECT,
        reasons=(Reason.TIMED_OUT,),
        dual_stack=True,
        codes=codes,
    )


FAULTS: Final = (
    _fault(
        "ipv6-route-missing",
        "The client subnet's route table has no IPv6 route to the cluster VPC.",
        FaultLayer.ROUTE,
        _no_routes,
        (*PEERING, *GATEWAY),
        *joined(Code.ROUTE_MISSING_CLIENT, likeness.BY_PEERING, likeness.BY_GATEWAY),
    ),
    _fault(
        "ipv6-security-group-closed",
        "The brokers' security group admits the client ports from IPv4 alone.",
        FaultLayer.SECURITY,
        _not_admitted,
        (*PEERING, *GATEWAY, *ONE_NLB, *MULTI),
        *joined(Code.SECURITY_BROKER_GROUP, likeness.ANYWHERE),
    ),
    _fault(
        "ipv6-acl-missing",
        "The network ACL of the client's subnet has entries for IPv4 alone.",
        FaultLayer.SECURITY,
        _acl_of_ipv4,
        (*PEERING, *GATEWAY),
        *joined(Code.SECURITY_NETWORK_ACL, likeness.BY_PEERING, likeness.BY_GATEWAY),
    ),
)
