"""Faults of security groups and network ACLs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Network
from typing import Final, Literal

from brokerproof.causes import sets
from brokerproof.causes.codes import Code
from brokerproof.causes.sets import joined
from brokerproof.lab.faults import likeness
from brokerproof.lab.faults.fault import (
    EVERY,
    GATEWAY,
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
    NetworkAcl,
    NetworkAclEntry,
    PortRange,
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


def _ipv6_not_admitted(topology: Topology) -> Topology:
    ports = {entry.port for entry in topology.clusters[0].listeners if entry.ipv6}

    def of_ipv4(group: SecurityGroup) -> tuple[IpPermission, ...]:
        return tuple(rule for rule in group.ingress if rule.cidr_ipv6 is None and rule.from_port not in ports)

    return with_changed(topology, "security_groups", _is_of_brokers, ingress=of_ipv4)


def _acl_of_ipv4(topology: Topology) -> Topology:
    client = afflicted(topology)
    return _acl(
        topology,
        client.vpc_id,
        (client.subnet_id,),
        _entry(100, "allow", _ANYWHERE, egress=False),
        _entry(100, "allow", _ANYWHERE, egress=True),
    )


def _fault(
    name: str,
    title: str,
    edit: Callable[[Topology], Topology],
    *codes: Code,
    patterns: tuple[str, ...],
    brokers: tuple[int, ...] = (1, 2, 3),
    client: str | None = None,
    dual_stack: bool = False,
) -> Fault:
    return Fault(
        name=name,
        title=title,
        layer=FaultLayer.SECURITY,
        patterns=patterns,
        edit=edit,
        stage=Stage.CONNECT,
        reasons=(Reason.TIMED_OUT,),
        brokers=brokers,
        client=client,
        dual_stack=dual_stack,
        codes=codes,
    )


FAULTS: Final = (
    _fault(
        "broker-security-group-closed",
        "The brokers' security group admits nobody but the brokers.",
        _brokers_closed,
        *joined(Code.SECURITY_BROKER_GROUP, likeness.ANYWHERE),
        patterns=EVERY,
    ),
    _fault(
        "endpoint-security-group-closed",
        "The endpoints' security group admits nobody.",
        _endpoints_closed,
        *joined(Code.SECURITY_ENDPOINT_GROUP, likeness.BEHIND),
        patterns=PRIVATELINK,
    ),
    _fault(
        "endpoint-security-group-without-remote",
        "The endpoints' security group does not admit the peered VPC of the other Region.",
        _endpoints_closed_to_remote,
        *joined(Code.SECURITY_ENDPOINT_GROUP, likeness.REMOTE),
        patterns=REMOTE,
        client=client_names.REMOTE_BY_PEERING,
    ),
    _fault(
        "vpc-connection-security-group-closed",
        "The VPC connection's security group admits nobody.",
        _connection_closed,
        *joined(Code.SECURITY_ENDPOINT_GROUP, likeness.BEHIND),
        patterns=MULTI_VPC,
    ),
    _fault(
        "vpc-connection-port-range-short",
        "The VPC connection's security group admits ports 14001-14002, but broker 3 is at 14003.",
        _connection_range_short,
        *joined(Code.SECURITY_ENDPOINT_PORT_RANGE, likeness.ONE_BROKER_BEHIND),
        patterns=MULTI_VPC,
        brokers=(3,),
    ),
    _fault(
        "acl-deny-broker-port",
        "The network ACL of broker 2's subnet denies port 9094 before it allows it.",
        _broker_port_denied,
        *joined(Code.SECURITY_NETWORK_ACL, likeness.ONE_BROKER_DIRECT),
        patterns=STRAIGHT,
        brokers=(2,),
    ),
    _fault(
        "acl-ephemeral-return-missing",
        "The network ACL of the client's subnet lets no ephemeral ports in, so answers do not arrive.",
        _no_ephemeral_ports,
        *joined(Code.SECURITY_NETWORK_ACL, likeness.ANYWHERE, sets.ONE_ZONE),
        patterns=(*PEERING, *GATEWAY, *PRIVATELINK),
    ),
    _fault(
        "client-security-group-egress",
        "The client's own security group lets it out to port 443 alone.",
        _client_egress,
        *joined(Code.SECURITY_CLIENT_GROUP, likeness.ANYWHERE),
        patterns=EVERY,
    ),
    _fault(
        "client-not-in-referenced-group",
        "The brokers' security group admits a group of the client VPC, and the client is not in it.",
        _not_a_member,
        *joined(Code.SECURITY_GROUP_REFERENCE, likeness.BY_PEERING),
        patterns=PEERING,
    ),
    _fault(
        "security-group-of-one-broker",
        "Broker 2 has a security group of its own, which admits nobody but the other brokers.",
        _one_broker,
        *joined(Code.SECURITY_BROKER_GROUP, likeness.ONE_BROKER),
        patterns=EVERY,
        brokers=(2,),
    ),
    _fault(
        "broker-security-group-another-port",
        "The brokers' security group admits port 9098 instead of the listener's.",
        _another_port,
        *joined(Code.SECURITY_BROKER_GROUP, likeness.ANYWHERE),
        patterns=EVERY,
    ),
    _fault(
        "endpoint-port-range-short",
        "The endpoints' security group admits the listeners of brokers 1 and 2, and not that of broker 3.",
        _endpoint_range,
        *joined(Code.SECURITY_ENDPOINT_PORT_RANGE, likeness.ONE_BROKER_BEHIND),
        patterns=SINGLE,
        brokers=(3,),
    ),
    _fault(
        "nlb-security-group-closed",
        "The NLBs' security group does not admit the clients, and is enforced on PrivateLink traffic.",
        _nlb_ingress,
        *joined(Code.SECURITY_NLB_GROUP, likeness.BEHIND),
        patterns=PRIVATELINK,
    ),
    _fault(
        "nlb-security-group-egress",
        "The NLBs' security group lets nothing out to the brokers.",
        partial(_nlb_group, ALLOW_ALL, ()),
        *joined(Code.SECURITY_NLB_GROUP_EGRESS, likeness.BEHIND),
        patterns=PRIVATELINK,
    ),
    _fault(
        "acl-broker-answers",
        "The network ACL of broker 2's subnet lets no ephemeral ports out of the VPC, so answers do not leave.",
        _broker_answers,
        *joined(Code.SECURITY_NETWORK_ACL, likeness.ONE_BROKER_DIRECT),
        patterns=(*PEERING, *GATEWAY),
        brokers=(2,),
    ),
    _fault(
        "acl-client-egress",
        "The network ACL of the client's subnet lets out port 443 alone.",
        _client_way_out,
        *joined(Code.SECURITY_NETWORK_ACL, likeness.ANYWHERE, sets.ONE_ZONE),
        patterns=(*PEERING, *GATEWAY, *PRIVATELINK, *MULTI_VPC),
    ),
    _fault(
        "acl-endpoint-subnet",
        "The network ACL of one of the endpoints' subnets lets nothing in.",
        _endpoint_subnet,
        *joined(Code.SECURITY_NETWORK_ACL, sets.ONE_ZONE),
        patterns=(*PRIVATELINK, *MULTI_VPC),
    ),
    _fault(
        "ipv6-security-group-closed",
        "The brokers' security group admits the client ports from IPv4 alone.",
        _ipv6_not_admitted,
        *joined(Code.SECURITY_BROKER_GROUP, likeness.ANYWHERE),
        patterns=(*PEERING, *GATEWAY, *ONE_NLB, *MULTI),
        dual_stack=True,
    ),
    _fault(
        "ipv6-acl-missing",
        "The network ACL of the client's subnet has entries for IPv4 alone.",
        _acl_of_ipv4,
        *joined(Code.SECURITY_NETWORK_ACL, likeness.BY_PEERING, likeness.BY_GATEWAY),
        patterns=(*PEERING, *GATEWAY),
        dual_stack=True,
    ),
)
