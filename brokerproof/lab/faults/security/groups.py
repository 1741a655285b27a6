"""Faults of security groups: of brokers, clients, endpoints and load balancers."""

from __future__ import annotations

from functools import partial
from ipaddress import IPv4Network
from typing import Final

from brokerproof.causes.codes import Code
from brokerproof.lab.faults.fault import (
    COMBINATION,
    CROSS_REGION,
    EVERY,
    GATEWAY,
    IN_VPC,
    MULTI,
    MULTI_VPC,
    ONE_NLB,
    PEERING,
    PRIVATELINK,
    REMOTE,
    SINGLE,
    STRAIGHT,
    Fault,
    FaultLayer,
    afflicted,
)
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.topology.edit import with_added, with_broker, with_changed, with_each
from brokerproof.topology.models import (
    ALLOW_ALL,
    Client,
    IpPermission,
    SecurityGroup,
    Topology,
)
from brokerproof.topology.patterns import client_names
from brokerproof.topology.patterns.options import BROKER_GROUP

_ANYWHERE: Final = IPv4Network("0.0.0.0/0")

_THIRD_LISTENER: Final = 8445

_HTTPS: Final = (IpPermission(from_port=443, to_port=443, cidr_ipv4=_ANYWHERE),)


def _is_of_brokers(group: SecurityGroup) -> bool:
    return group.group_id == BROKER_GROUP


def _is_of_endpoints(group: SecurityGroup) -> bool:
    return group.group_id.startswith("sg-endpoints")


def _brokers_closed(topology: Topology) -> Topology:
    """The brokers keep admitting each other, so the cluster itself stays whole."""

    def own(group: SecurityGroup) -> tuple[IpPermission, ...]:
        return tuple(rule for rule in group.ingress if rule.referenced_group_id == group.group_id)

    return with_changed(topology, "security_groups", _is_of_brokers, ingress=own)


def _endpoints_closed(topology: Topology) -> Topology:
    return with_changed(topology, "security_groups", _is_of_endpoints, ingress=())


def _endpoints_closed_to_remote(topology: Topology) -> Topology:
    """Only the endpoint VPC's own hosts are let in."""

    def own(group: SecurityGroup) -> tuple[IpPermission, ...]:
        return tuple(rule for rule in group.ingress if rule.cidr_ipv4 in topology.vpc(group.vpc_id).cidr_blocks)

    return with_changed(topology, "security_groups", _is_of_endpoints, ingress=own)


def _connection_closed(topology: Topology) -> Topology:
    return _connection_ports(topology, ())


def _connection_range_short(topology: Topology) -> Topology:
    return _connection_ports(topology, ((14001, 14002),))


def _connection_ports(topology: Topology, ranges: tuple[tuple[int, int], ...]) -> Topology:
    def changed(group: SecurityGroup) -> tuple[IpPermission, ...]:
        ports = [{"from_port": first, "to_port": last} for first, last in ranges]
        return tuple(rule.model_copy(update=one) for rule in group.ingress for one in ports)

    return with_changed(topology, "security_groups", lambda g: g.group_id.startswith("sg-connection"), ingress=changed)


def _client_egress(topology: Topology) -> Topology:
    """Its groups let it out to HTTPS alone."""
    client = afflicted(topology)
    if client.security_groups:
        return with_changed(topology, "security_groups", lambda g: g.group_id in client.security_groups, egress=_HTTPS)
    own = SecurityGroup(group_id="sg-fault", vpc_id=client.vpc_id, ingress=ALLOW_ALL, egress=_HTTPS)
    return _with_client(with_added(topology, "security_groups", own), security_groups=("sg-fault",))


def _with_client(topology: Topology, **changes: object) -> Topology:
    name = afflicted(topology).name

    def chosen(client: Client) -> bool:
        return client.name == name

    return with_changed(topology, "clients", chosen, **changes)


def _not_a_member(topology: Topology) -> Topology:
    """The brokers' group admits a group, and the client is no longer in it."""
    return _with_client(topology, security_groups=())


def _one_broker(topology: Topology) -> Topology:
    """Broker 2 has a group of its own, which admits the other brokers; they admit it."""
    among = IpPermission(ip_protocol="-1", referenced_group_id=BROKER_GROUP)
    own = SecurityGroup(group_id="sg-broker-2", vpc_id=topology.clusters[0].vpc_id, ingress=(among,))
    topology = with_added(topology, "security_groups", own)
    back = IpPermission(ip_protocol="-1", referenced_group_id=own.group_id)
    topology = with_changed(topology, "security_groups", _is_of_brokers, ingress=lambda g: (*g.ingress, back))
    return with_broker(topology, 2, security_groups=(own.group_id,))


def _another_port(topology: Topology) -> Topology:
    """Port 9098, which is for IAM, is open instead."""

    def moved(group: SecurityGroup) -> tuple[IpPermission, ...]:
        other = {"from_port": 9098, "to_port": 9098}
        return tuple(r if r.ip_protocol == "-1" else r.model_copy(update=other) for r in group.ingress)

    return with_changed(topology, "security_groups", _is_of_brokers, ingress=moved)


def _endpoint_range(topology: Topology) -> Topology:
    """Whoever made the group thought of two brokers."""

    def fewer(group: SecurityGroup) -> tuple[IpPermission, ...]:
        return tuple(r for r in group.ingress if r.from_port != _THIRD_LISTENER)

    return with_changed(topology, "security_groups", _is_of_endpoints, ingress=fewer)


def _nlb_group(ingress: tuple[IpPermission, ...], egress: tuple[IpPermission, ...], topology: Topology) -> Topology:
    own = SecurityGroup(group_id="sg-nlb", vpc_id=topology.clusters[0].vpc_id, ingress=ingress, egress=egress)
    return with_each(with_added(topology, "security_groups", own), "load_balancers", security_groups=(own.group_id,))


def _nlb_ingress(topology: Topology) -> Topology:
    """Closed to all but a bastion's subnet; asked of what comes by endpoints too, which is AWS's default."""
    bastion = IpPermission(cidr_ipv4=IPv4Network("172.16.0.0/24"))
    return _nlb_group((bastion,), ALLOW_ALL, topology)


def _ipv6_not_admitted(topology: Topology) -> Topology:
    ports = {entry.port for entry in topology.clusters[0].listeners if entry.ipv6}

    def of_ipv4(group: SecurityGroup) -> tuple[IpPermission, ...]:
        return tuple(rule for rule in group.ingress if rule.cidr_ipv6 is None and rule.from_port not in ports)

    return with_changed(topology, "security_groups", _is_of_brokers, ingress=of_ipv4)


_fault = partial(Fault, layer=FaultLayer.SECURITY, stage=Stage.CONNECT, reasons=(Reason.TIMED_OUT,))

FAULTS: Final = (
    _fault(
        "broker-security-group-closed",
        "The brokers' security group admits nobody but the brokers.",
        _brokers_closed,
        Code.SECURITY_BROKER_GROUP,
        patterns=EVERY,
        alike={
            IN_VPC: (Code.SECURITY_CLIENT_GROUP, Code.SECURITY_NETWORK_ACL),
            (*PEERING, *GATEWAY, *MULTI, *MULTI_VPC, *COMBINATION): (Code.SECURITY_NETWORK_ACL,),
            ONE_NLB: (
                Code.NLB_PORTS_EXHAUSTED,
                Code.SECURITY_NETWORK_ACL,
                Code.SECURITY_NLB_GROUP,
                Code.SECURITY_NLB_GROUP_EGRESS,
            ),
            CROSS_REGION: (
                Code.ENDPOINT_NOT_AVAILABLE,
                Code.SECURITY_ENDPOINT_GROUP,
                Code.NLB_PORTS_EXHAUSTED,
                Code.SECURITY_NETWORK_ACL,
                Code.SECURITY_NLB_GROUP,
                Code.SECURITY_NLB_GROUP_EGRESS,
            ),
        },
    ),
    _fault(
        "endpoint-security-group-closed",
        "The endpoints' security group admits nobody.",
        _endpoints_closed,
        Code.SECURITY_ENDPOINT_GROUP,
        patterns=PRIVATELINK,
        alike={
            ONE_NLB: (Code.ENDPOINT_NOT_AVAILABLE, Code.SECURITY_NLB_GROUP),
            (*MULTI, *CROSS_REGION): (
                Code.ENDPOINT_NOT_AVAILABLE,
                Code.NLB_PORTS_EXHAUSTED,
                Code.SECURITY_BROKER_GROUP,
                Code.SECURITY_NETWORK_ACL,
                Code.SECURITY_NLB_GROUP,
                Code.SECURITY_NLB_GROUP_EGRESS,
            ),
        },
    ),
    _fault(
        "endpoint-security-group-without-remote",
        "The endpoints' security group does not admit the peered VPC of the other Region.",
        _endpoints_closed_to_remote,
        Code.SECURITY_ENDPOINT_GROUP,
        patterns=REMOTE,
        client=client_names.REMOTE_BY_PEERING,
        alike=(Code.ROUTE_MISSING_RETURN, Code.SECURITY_NETWORK_ACL, Code.SECURITY_NLB_GROUP),
    ),
    _fault(
        "vpc-connection-security-group-closed",
        "The VPC connection's security group admits nobody.",
        _connection_closed,
        Code.SECURITY_ENDPOINT_GROUP,
        patterns=MULTI_VPC,
        alike=(Code.CONNECTION_NOT_ACTIVE, Code.SECURITY_BROKER_GROUP, Code.SECURITY_NETWORK_ACL),
    ),
    _fault(
        "vpc-connection-port-range-short",
        "The VPC connection's security group admits ports 14001-14002, but broker 3 is at 14003.",
        _connection_range_short,
        Code.SECURITY_ENDPOINT_PORT_RANGE,
        patterns=MULTI_VPC,
        brokers=(3,),
        alike=(Code.SECURITY_BROKER_GROUP, Code.SECURITY_NETWORK_ACL),
    ),
    _fault(
        "client-security-group-egress",
        "The client's own security group lets it out to port 443 alone.",
        _client_egress,
        Code.SECURITY_CLIENT_GROUP,
        patterns=EVERY,
        alike={
            IN_VPC: (Code.SECURITY_BROKER_GROUP, Code.SECURITY_NETWORK_ACL),
            (*PEERING, *COMBINATION): (
                Code.ROUTE_MISSING_CLIENT,
                Code.ROUTE_MISSING_RETURN,
                Code.ROUTE_OVERLAP,
                Code.ROUTE_PEERING_NOT_ACTIVE,
                Code.SECURITY_BROKER_GROUP,
                Code.SECURITY_GROUP_REFERENCE,
                Code.SECURITY_NETWORK_ACL,
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
                Code.SECURITY_NETWORK_ACL,
            ),
            REMOTE: (Code.SECURITY_ENDPOINT_GROUP, Code.SECURITY_NETWORK_ACL, Code.SECURITY_NLB_GROUP),
            CROSS_REGION: (
                Code.ENDPOINT_NOT_AVAILABLE,
                Code.SECURITY_ENDPOINT_GROUP,
                Code.SECURITY_NETWORK_ACL,
                Code.SECURITY_NLB_GROUP,
            ),
            MULTI_VPC: (Code.CONNECTION_NOT_ACTIVE, Code.SECURITY_ENDPOINT_GROUP, Code.SECURITY_NETWORK_ACL),
        },
    ),
    _fault(
        "client-not-in-referenced-group",
        "The brokers' security group admits a group of the client VPC, and the client is not in it.",
        _not_a_member,
        Code.SECURITY_GROUP_REFERENCE,
        patterns=PEERING,
        alike=(
            Code.ROUTE_MISSING_CLIENT,
            Code.ROUTE_MISSING_RETURN,
            Code.ROUTE_OVERLAP,
            Code.ROUTE_PEERING_NOT_ACTIVE,
            Code.SECURITY_BROKER_GROUP,
            Code.SECURITY_CLIENT_GROUP,
            Code.SECURITY_NETWORK_ACL,
        ),
    ),
    _fault(
        "security-group-of-one-broker",
        "Broker 2 has a security group of its own, which admits nobody but the other brokers.",
        _one_broker,
        Code.SECURITY_BROKER_GROUP,
        patterns=EVERY,
        brokers=(2,),
        alike={
            (*STRAIGHT, *MULTI, *MULTI_VPC, *COMBINATION): (Code.SECURITY_NETWORK_ACL,),
            ONE_NLB: (
                Code.NLB_LISTENER_MISSING,
                Code.NLB_NO_TARGET,
                Code.NLB_PORTS_EXHAUSTED,
                Code.NLB_STALE_TARGET,
                Code.NLB_WRONG_TARGET_PORT,
                Code.SECURITY_NETWORK_ACL,
                Code.SECURITY_NLB_GROUP,
            ),
            CROSS_REGION: (
                Code.NLB_LISTENER_MISSING,
                Code.NLB_NO_TARGET,
                Code.NLB_PORTS_EXHAUSTED,
                Code.NLB_STALE_TARGET,
                Code.NLB_WRONG_TARGET_PORT,
                Code.SECURITY_NETWORK_ACL,
                Code.SECURITY_NLB_GROUP,
                Code.SECURITY_ENDPOINT_PORT_RANGE,
            ),
        },
    ),
    _fault(
        "broker-security-group-another-port",
        "The brokers' security group admits port 9098 instead of the listener's.",
        _another_port,
        Code.SECURITY_BROKER_GROUP,
        patterns=EVERY,
        alike={
            (*STRAIGHT, *MULTI, *MULTI_VPC, *COMBINATION): (Code.SECURITY_NETWORK_ACL,),
            ONE_NLB: (
                Code.NLB_PORTS_EXHAUSTED,
                Code.SECURITY_NETWORK_ACL,
                Code.SECURITY_NLB_GROUP,
                Code.SECURITY_NLB_GROUP_EGRESS,
            ),
            CROSS_REGION: (
                Code.ENDPOINT_NOT_AVAILABLE,
                Code.SECURITY_ENDPOINT_GROUP,
                Code.NLB_PORTS_EXHAUSTED,
                Code.SECURITY_NETWORK_ACL,
                Code.SECURITY_NLB_GROUP,
                Code.SECURITY_NLB_GROUP_EGRESS,
            ),
        },
    ),
    _fault(
        "endpoint-port-range-short",
        "The endpoints' security group admits the listeners of brokers 1 and 2, and not that of broker 3.",
        _endpoint_range,
        Code.SECURITY_ENDPOINT_PORT_RANGE,
        patterns=SINGLE,
        brokers=(3,),
        alike={
            ONE_NLB: (Code.SECURITY_NETWORK_ACL, Code.SECURITY_NLB_GROUP),
            CROSS_REGION: (
                Code.NLB_LISTENER_MISSING,
                Code.NLB_NO_TARGET,
                Code.NLB_PORTS_EXHAUSTED,
                Code.NLB_STALE_TARGET,
                Code.NLB_WRONG_TARGET_PORT,
                Code.SECURITY_BROKER_GROUP,
                Code.SECURITY_NETWORK_ACL,
                Code.SECURITY_NLB_GROUP,
            ),
        },
    ),
    _fault(
        "nlb-security-group-closed",
        "The NLBs' security group does not admit the clients, and is enforced on PrivateLink traffic.",
        _nlb_ingress,
        Code.SECURITY_NLB_GROUP,
        patterns=PRIVATELINK,
        alike={
            ONE_NLB: (
                Code.NLB_PORTS_EXHAUSTED,
                Code.SECURITY_BROKER_GROUP,
                Code.SECURITY_NETWORK_ACL,
                Code.SECURITY_NLB_GROUP_EGRESS,
            ),
            (*MULTI, *CROSS_REGION): (
                Code.ENDPOINT_NOT_AVAILABLE,
                Code.SECURITY_ENDPOINT_GROUP,
                Code.NLB_PORTS_EXHAUSTED,
                Code.SECURITY_BROKER_GROUP,
                Code.SECURITY_NETWORK_ACL,
                Code.SECURITY_NLB_GROUP_EGRESS,
            ),
        },
    ),
    _fault(
        "nlb-security-group-egress",
        "The NLBs' security group lets nothing out to the brokers.",
        partial(_nlb_group, ALLOW_ALL, ()),
        Code.SECURITY_NLB_GROUP_EGRESS,
        patterns=PRIVATELINK,
        alike={
            ONE_NLB: (
                Code.NLB_PORTS_EXHAUSTED,
                Code.SECURITY_BROKER_GROUP,
                Code.SECURITY_NETWORK_ACL,
                Code.SECURITY_NLB_GROUP,
            ),
            (*MULTI, *CROSS_REGION): (
                Code.ENDPOINT_NOT_AVAILABLE,
                Code.SECURITY_ENDPOINT_GROUP,
                Code.NLB_PORTS_EXHAUSTED,
                Code.SECURITY_BROKER_GROUP,
                Code.SECURITY_NETWORK_ACL,
                Code.SECURITY_NLB_GROUP,
            ),
        },
    ),
    _fault(
        "ipv6-security-group-closed",
        "The brokers' security group admits the client ports from IPv4 alone.",
        _ipv6_not_admitted,
        Code.SECURITY_BROKER_GROUP,
        patterns=(*PEERING, *GATEWAY, *ONE_NLB, *MULTI),
        dual_stack=True,
        alike={
            (*PEERING, *GATEWAY, *MULTI): (Code.SECURITY_NETWORK_ACL,),
            ONE_NLB: (
                Code.NLB_PORTS_EXHAUSTED,
                Code.SECURITY_NETWORK_ACL,
                Code.SECURITY_NLB_GROUP,
                Code.SECURITY_NLB_GROUP_EGRESS,
            ),
        },
    ),
)
