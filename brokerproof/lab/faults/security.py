"""Faults of security groups and network ACLs."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Final, Literal

from brokerproof.causes import sets
from brokerproof.causes.codes import Code
from brokerproof.causes.sets import joined
from brokerproof.lab.faults import likeness
from brokerproof.lab.faults.fault import (
    EVERY,
    GATEWAY,
    MULTI_VPC,
    PEERING,
    PRIVATELINK,
    REMOTE,
    Fault,
    FaultLayer,
    afflicted,
)
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.topology.edit import with_changes
from brokerproof.topology.models import NetworkAcl, NetworkAclEntry, PortRange, Topology
from brokerproof.topology.patterns import client_names


def _brokers_closed(topology: Topology) -> Topology:
    """The brokers keep admitting each other, so the cluster itself stays whole."""
    for index, group in enumerate(topology.security_groups):
        if group.group_id == "sg-brokers":
            own = tuple(r for r in group.ingress if r.referenced_group_id == group.group_id)
            topology = with_changes(topology, "security_groups", index, ingress=own)
    return topology


def _endpoints_closed(topology: Topology) -> Topology:
    for index, group in enumerate(topology.security_groups):
        if group.group_id.startswith("sg-endpoints"):
            topology = with_changes(topology, "security_groups", index, ingress=())
    return topology


def _endpoints_closed_to_remote(topology: Topology) -> Topology:
    """Only the endpoint VPC's own hosts are let in."""
    for index, group in enumerate(topology.security_groups):
        if group.group_id.startswith("sg-endpoints"):
            own = tuple(r for r in group.ingress if r.cidr_ipv4 in topology.vpc(group.vpc_id).cidr_blocks)
            topology = with_changes(topology, "security_groups", index, ingress=own)
    return topology


def _connection_closed(topology: Topology) -> Topology:
    return _connection_ports(topology, ())


def _connection_range_short(topology: Topology) -> Topology:
    return _connection_ports(topology, ((14001, 14002),))


def _connection_ports(topology: Topology, ranges: tuple[tuple[int, int], ...]) -> Topology:
    for index, group in enumerate(topology.security_groups):
        if group.group_id.startswith("sg-connection"):
            rules = tuple(
                rule.model_copy(update={"from_port": first, "to_port": last})
                for rule in group.ingress
                for first, last in ranges
            )
            topology = with_changes(topology, "security_groups", index, ingress=rules)
    return topology


_ANYWHERE = IPv4Network("0.0.0.0/0")


def _acl(subnet_id: str, vpc_id: str, *ingress: NetworkAclEntry) -> NetworkAcl:
    """An ACL that lets everything out, and in what the entries say."""
    out = NetworkAclEntry(rule_number=100, rule_action="allow", egress=True, cidr_block=_ANYWHERE)
    return NetworkAcl(network_acl_id="acl-fault", vpc_id=vpc_id, subnet_ids=(subnet_id,), entries=(*ingress, out))


def _tcp_in(rule_number: int, action: Literal["allow", "deny"], first: int, last: int) -> NetworkAclEntry:
    ports = PortRange(from_port=first, to_port=last)
    return NetworkAclEntry(
        rule_number=rule_number, rule_action=action, egress=False, protocol="6", cidr_block=_ANYWHERE, port_range=ports
    )


def _broker_port_denied(topology: Topology) -> Topology:
    """The subnet of broker 2; the entry that allows the same port comes too late."""
    broker = topology.clusters[0].brokers[1]
    rest = NetworkAclEntry(rule_number=200, rule_action="allow", egress=False, cidr_block=_ANYWHERE)
    denied = _acl(
        broker.client_subnet,
        topology.clusters[0].vpc_id,
        _tcp_in(100, "deny", 9094, 9094),
        _tcp_in(110, "allow", 9094, 9094),
        rest,
    )
    return topology.model_copy(update={"network_acls": (denied,)})


def _no_ephemeral_ports(topology: Topology) -> Topology:
    """The client's subnet lets Kafka's ports in, as if answers came to those."""
    client = afflicted(topology)
    closed = _acl(client.subnet_id, client.vpc_id, _tcp_in(100, "allow", 1, 9999))
    return topology.model_copy(update={"network_acls": (closed,)})


FAULTS: Final = (
    Fault(
        name="broker-security-group-closed",
        title="The brokers' security group admits nobody but the brokers.",
        layer=FaultLayer.SECURITY,
        patterns=EVERY,
        edit=_brokers_closed,
        stage=Stage.CONNECT,
        reasons=(Reason.TIMED_OUT,),
        codes=joined(Code.SECURITY_BROKER_GROUP, likeness.ANYWHERE),
    ),
    Fault(
        name="endpoint-security-group-closed",
        title="The endpoints' security group admits nobody.",
        layer=FaultLayer.SECURITY,
        patterns=PRIVATELINK,
        edit=_endpoints_closed,
        stage=Stage.CONNECT,
        reasons=(Reason.TIMED_OUT,),
        codes=joined(Code.SECURITY_ENDPOINT_GROUP, likeness.BEHIND),
    ),
    Fault(
        name="endpoint-security-group-without-remote",
        title="The endpoints' security group does not admit the peered VPC of the other Region.",
        layer=FaultLayer.SECURITY,
        patterns=REMOTE,
        edit=_endpoints_closed_to_remote,
        stage=Stage.CONNECT,
        reasons=(Reason.TIMED_OUT,),
        client=client_names.REMOTE_BY_PEERING,
        codes=joined(Code.SECURITY_ENDPOINT_GROUP, likeness.REMOTE),
    ),
    Fault(
        name="vpc-connection-security-group-closed",
        title="The VPC connection's security group admits nobody.",
        layer=FaultLayer.SECURITY,
        patterns=MULTI_VPC,
        edit=_connection_closed,
        stage=Stage.CONNECT,
        reasons=(Reason.TIMED_OUT,),
        codes=joined(Code.SECURITY_ENDPOINT_GROUP, likeness.BEHIND),
    ),
    Fault(
        name="vpc-connection-port-range-short",
        title="The VPC connection's security group admits ports 14001-14002, but broker 3 is at 14003.",
        layer=FaultLayer.SECURITY,
        patterns=MULTI_VPC,
        edit=_connection_range_short,
        stage=Stage.CONNECT,
        reasons=(Reason.TIMED_OUT,),
        brokers=(3,),
        codes=joined(Code.SECURITY_ENDPOINT_PORT_RANGE, likeness.ONE_BROKER_BEHIND),
    ),
    Fault(
        name="acl-deny-broker-port",
        title="The network ACL of broker 2's subnet denies port 9094 before it allows it.",
        layer=FaultLayer.SECURITY,
        patterns=("in_vpc", *PEERING, *GATEWAY),
        edit=_broker_port_denied,
        stage=Stage.CONNECT,
        reasons=(Reason.TIMED_OUT,),
        brokers=(2,),
        codes=joined(Code.SECURITY_NETWORK_ACL, likeness.ONE_BROKER_DIRECT),
    ),
    Fault(
        name="acl-ephemeral-return-missing",
        title="The network ACL of the client's subnet lets no ephemeral ports in, so answers do not arrive.",
        layer=FaultLayer.SECURITY,
        patterns=(*PEERING, *GATEWAY, *PRIVATELINK),
        edit=_no_ephemeral_ports,
        stage=Stage.CONNECT,
        reasons=(Reason.TIMED_OUT,),
        codes=joined(Code.SECURITY_NETWORK_ACL, likeness.ANYWHERE, sets.ONE_ZONE),
    ),
)
