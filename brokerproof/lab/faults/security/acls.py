"""Faults of network ACLs."""

from __future__ import annotations

from functools import partial
from ipaddress import IPv4Network
from typing import Final, Literal

from brokerproof.causes.codes import Code
from brokerproof.lab.faults.fault import (
    CROSS_REGION,
    GATEWAY,
    MULTI_VPC,
    PEERING,
    PRIVATELINK,
    REMOTE,
    STRAIGHT,
    Fault,
    FaultLayer,
    afflicted,
)
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.topology.models import (
    NetworkAcl,
    NetworkAclEntry,
    PortRange,
    Topology,
)

_ANYWHERE: Final = IPv4Network("0.0.0.0/0")


def _entry(
    number: int,
    action: Literal["allow", "deny"],
    block: IPv4Network,
    *,
    egress: bool,
    ports: tuple[int, int] | None = None,
) -> NetworkAclEntry:
    if ports is None:
        return NetworkAclEntry(rule_number=number, rule_action=action, egress=egress, cidr_block=block)
    return NetworkAclEntry(
        rule_number=number,
        rule_action=action,
        egress=egress,
        protocol="6",
        cidr_block=block,
        port_range=PortRange(from_port=ports[0], to_port=ports[1]),
    )


def _acl(topology: Topology, vpc_id: str, subnet_ids: tuple[str, ...], *entries: NetworkAclEntry) -> Topology:
    acl = NetworkAcl(network_acl_id="acl-fault", vpc_id=vpc_id, subnet_ids=subnet_ids, entries=entries)
    return topology.model_copy(update={"network_acls": (acl,)})


def _broker_port_denied(topology: Topology) -> Topology:
    """The subnet of broker 2; the entry that allows the same port comes too late."""
    cluster = topology.clusters[0]
    return _acl(
        topology,
        cluster.vpc_id,
        (cluster.brokers[1].client_subnet,),
        _entry(100, "deny", _ANYWHERE, egress=False, ports=(9094, 9094)),
        _entry(110, "allow", _ANYWHERE, egress=False, ports=(9094, 9094)),
        _entry(200, "allow", _ANYWHERE, egress=False),
        _entry(100, "allow", _ANYWHERE, egress=True),
    )


def _no_ephemeral_ports(topology: Topology) -> Topology:
    """The client's subnet lets Kafka's ports in, as if answers came to those."""
    client = afflicted(topology)
    return _acl(
        topology,
        client.vpc_id,
        (client.subnet_id,),
        _entry(100, "allow", _ANYWHERE, egress=False, ports=(1, 9999)),
        _entry(100, "allow", _ANYWHERE, egress=True),
    )


def _broker_answers(topology: Topology) -> Topology:
    """Answers of broker 2's subnet go to ephemeral ports, which are let out inside the VPC alone."""
    cluster = topology.clusters[0]
    [home] = topology.vpc(cluster.vpc_id).cidr_blocks
    return _acl(
        topology,
        cluster.vpc_id,
        (cluster.brokers[1].client_subnet,),
        _entry(100, "allow", _ANYWHERE, egress=False),
        _entry(100, "allow", home, egress=True),
        _entry(110, "allow", _ANYWHERE, egress=True, ports=(9094, 9094)),
    )


def _client_way_out(topology: Topology) -> Topology:
    client = afflicted(topology)
    return _acl(
        topology,
        client.vpc_id,
        (client.subnet_id,),
        _entry(100, "allow", _ANYWHERE, egress=False),
        _entry(100, "allow", _ANYWHERE, egress=True, ports=(443, 443)),
    )


def _endpoint_subnet(topology: Topology) -> Topology:
    """One zone's ENIs, which are in a subnet whose ACL lets nothing in."""
    client = afflicted(topology)
    subnets = [s.subnet_id for s in topology.subnets if s.vpc_id == client.vpc_id and s.subnet_id != client.subnet_id]
    return _acl(topology, client.vpc_id, (subnets[0],), _entry(100, "allow", _ANYWHERE, egress=True))


def _acl_of_ipv4(topology: Topology) -> Topology:
    client = afflicted(topology)
    return _acl(
        topology,
        client.vpc_id,
        (client.subnet_id,),
        _entry(100, "allow", _ANYWHERE, egress=False),
        _entry(100, "allow", _ANYWHERE, egress=True),
    )


_fault = partial(Fault, layer=FaultLayer.SECURITY, stage=Stage.CONNECT, reasons=(Reason.TIMED_OUT,))

FAULTS: Final = (
    _fault(
        "acl-deny-broker-port",
        "The network ACL of broker 2's subnet denies port 9094 before it allows it.",
        _broker_port_denied,
        Code.SECURITY_NETWORK_ACL,
        patterns=STRAIGHT,
        brokers=(2,),
        alike=(Code.SECURITY_BROKER_GROUP,),
    ),
    _fault(
        "acl-ephemeral-return-missing",
        "The network ACL of the client's subnet lets no ephemeral ports in, so answers do not arrive.",
        _no_ephemeral_ports,
        Code.SECURITY_NETWORK_ACL,
        patterns=(*PEERING, *GATEWAY, *PRIVATELINK),
        alike={
            PEERING: (
                Code.ROUTE_MISSING_CLIENT,
                Code.ROUTE_MISSING_RETURN,
                Code.ROUTE_OVERLAP,
                Code.ROUTE_PEERING_NOT_ACTIVE,
                Code.SECURITY_BROKER_GROUP,
                Code.SECURITY_CLIENT_GROUP,
                Code.SECURITY_GROUP_REFERENCE,
            ),
            GATEWAY: (
                Code.ROUTE_MISSING_CLIENT,
                Code.ROUTE_MISSING_RETURN,
                Code.ROUTE_OVERLAP,
                Code.ROUTE_GATEWAY_BLACKHOLE,
                Code.ROUTE_GATEWAY_NOT_ASSOCIATED,
                Code.ROUTE_GATEWAY_NOT_PROPAGATED,
                Code.ROUTE_GATEWAY_ZONE_MISSING,
                Code.SECURITY_BROKER_GROUP,
                Code.SECURITY_CLIENT_GROUP,
            ),
            PRIVATELINK: (),
        },
    ),
    _fault(
        "acl-broker-answers",
        "The network ACL of broker 2's subnet lets no ephemeral ports out of the VPC, so answers do not leave.",
        _broker_answers,
        Code.SECURITY_NETWORK_ACL,
        patterns=(*PEERING, *GATEWAY),
        brokers=(2,),
        alike={
            PEERING: (Code.ROUTE_MISSING_SUBNET, Code.ROUTE_OVERLAP, Code.SECURITY_BROKER_GROUP),
            GATEWAY: (
                Code.ROUTE_GATEWAY_BLACKHOLE,
                Code.ROUTE_GATEWAY_ZONE_MISSING,
                Code.ROUTE_MISSING_SUBNET,
                Code.ROUTE_OVERLAP,
                Code.SECURITY_BROKER_GROUP,
            ),
        },
    ),
    _fault(
        "acl-client-egress",
        "The network ACL of the client's subnet lets out port 443 alone.",
        _client_way_out,
        Code.SECURITY_NETWORK_ACL,
        patterns=(*PEERING, *GATEWAY, *PRIVATELINK, *MULTI_VPC),
        alike={
            PEERING: (
                Code.ROUTE_MISSING_CLIENT,
                Code.ROUTE_MISSING_RETURN,
                Code.ROUTE_OVERLAP,
                Code.ROUTE_PEERING_NOT_ACTIVE,
                Code.SECURITY_BROKER_GROUP,
                Code.SECURITY_CLIENT_GROUP,
                Code.SECURITY_GROUP_REFERENCE,
            ),
            GATEWAY: (
                Code.ROUTE_MISSING_CLIENT,
                Code.ROUTE_MISSING_RETURN,
                Code.ROUTE_OVERLAP,
                Code.ROUTE_GATEWAY_BLACKHOLE,
                Code.ROUTE_GATEWAY_NOT_ASSOCIATED,
                Code.ROUTE_GATEWAY_NOT_PROPAGATED,
                Code.ROUTE_GATEWAY_ZONE_MISSING,
                Code.SECURITY_BROKER_GROUP,
                Code.SECURITY_CLIENT_GROUP,
            ),
            REMOTE: (Code.ROUTE_MISSING_SUBNET,),
            (*CROSS_REGION, *MULTI_VPC): (),
        },
    ),
    _fault(
        "acl-endpoint-subnet",
        "The network ACL of one of the endpoints' subnets lets nothing in.",
        _endpoint_subnet,
        Code.SECURITY_NETWORK_ACL,
        patterns=(*PRIVATELINK, *MULTI_VPC),
    ),
    _fault(
        "ipv6-acl-missing",
        "The network ACL of the client's subnet has entries for IPv4 alone.",
        _acl_of_ipv4,
        Code.SECURITY_NETWORK_ACL,
        patterns=(*PEERING, *GATEWAY),
        dual_stack=True,
        alike=(
            Code.ROUTE_MISSING_CLIENT,
            Code.ROUTE_MISSING_RETURN,
            Code.ROUTE_OVERLAP,
            Code.SECURITY_BROKER_GROUP,
            Code.SECURITY_CLIENT_GROUP,
        ),
    ),
)
