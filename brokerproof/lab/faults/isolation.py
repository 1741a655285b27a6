"""Faults that open what must stay closed: everything works, for too many."""

from __future__ import annotations

from functools import partial
from ipaddress import IPv4Network
from typing import Final

from brokerproof.causes.codes import Code
from brokerproof.lab.faults.fault import (
    GATEWAY,
    MULTI_VPC,
    PEERING,
    PRIVATELINK,
    STRAIGHT,
    Fault,
    FaultLayer,
    afflicted,
)
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.topology.edit import with_added, with_changed
from brokerproof.topology.models import (
    ClusterListener,
    IpPermission,
    Listener,
    Route,
    RouteTable,
    Topology,
    VpcPeeringConnection,
)
from brokerproof.topology.patterns import client_names
from brokerproof.topology.patterns.gateways import EAST, table_of
from brokerproof.topology.patterns.options import BROKER_GROUP

_PRIVATE: Final = IPv4Network("10.0.0.0/8")
_PLAINTEXT: Final = ClusterListener(name="CLIENT", port=9092)
_BROKER_PORT: Final = 9094
_BESIDE: Final = 9098
"""A port of an NLB that nobody asked for."""


def _admit(topology: Topology, *rules: IpPermission) -> Topology:
    """The brokers' group with more rules."""
    return with_changed(
        topology, "security_groups", lambda g: g.group_id == BROKER_GROUP, ingress=lambda g: (*g.ingress, *rules)
    )


def _every_port(topology: Topology) -> Topology:
    return _admit(topology, IpPermission(ip_protocol="-1", cidr_ipv4=_PRIVATE))


def _whole_vpc(topology: Topology) -> Topology:
    """A CIDR where a group was meant: every host of the VPC is in."""
    return _admit(
        topology, IpPermission(from_port=_BROKER_PORT, to_port=_BROKER_PORT, cidr_ipv4=IPv4Network("10.1.0.0/16"))
    )


def _plaintext(topology: Topology) -> Topology:
    topology = _admit(topology, IpPermission(from_port=9092, to_port=9092, cidr_ipv4=_PRIVATE))
    return with_changed(topology, "clusters", lambda _: True, listeners=lambda c: (*c.listeners, _PLAINTEXT))


def _unapproved(topology: Topology) -> Topology:
    """Somebody gave the attachment of VPC n the table that the others use."""
    tables = table_of(EAST)
    return with_changed(
        topology,
        "transit_gateway_attachments",
        lambda a: a.vpc_id == "vpc-n",
        association=tables,
        propagations=(tables,),
    )


def _second_path(topology: Topology) -> Topology:
    """A peering from the client VPC straight to the cluster VPC, with routes, and brokers that admit it."""
    client, home = afflicted(topology), topology.clusters[0].vpc_id
    connection = VpcPeeringConnection(
        vpc_peering_connection_id="pcx-fault", requester_vpc_id=client.vpc_id, accepter_vpc_id=home
    )
    topology = with_added(topology, "vpc_peering_connections", connection)
    for here, there in ((client.vpc_id, home), (home, client.vpc_id)):
        [block] = topology.vpc(there).cidr_blocks
        topology = _with_route(
            topology, here, Route(destination_cidr_block=block, vpc_peering_connection_id="pcx-fault")
        )
    [block] = topology.vpc(client.vpc_id).cidr_blocks
    return _admit(topology, IpPermission(from_port=_BROKER_PORT, to_port=_BROKER_PORT, cidr_ipv4=block))


def _with_route(topology: Topology, vpc_id: str, route: Route) -> Topology:
    """The route in every table of the VPC, and in one of their own for subnets that had none."""
    topology = with_changed(topology, "route_tables", lambda t: t.vpc_id == vpc_id, routes=lambda t: (*t.routes, route))
    routed = {s for table in topology.route_tables for s in table.subnet_ids}
    bare = tuple(s.subnet_id for s in topology.subnets if s.vpc_id == vpc_id and s.subnet_id not in routed)
    if not bare:
        return topology
    table = RouteTable(route_table_id=f"rtb-fault-{vpc_id}", vpc_id=vpc_id, subnet_ids=bare, routes=(route,))
    return with_added(topology, "route_tables", table)


def _listener_beside(topology: Topology) -> Topology:
    """Another listener, which the endpoints' group admits: to the first broker, past what was agreed."""
    topology = with_changed(
        topology,
        "load_balancers",
        lambda _: True,
        listeners=lambda b: (*b.listeners, Listener(port=_BESIDE, target_group_name=b.listeners[0].target_group_name)),
    )
    rule = IpPermission(from_port=_BESIDE, to_port=_BESIDE, cidr_ipv4=_PRIVATE)
    return with_changed(
        topology,
        "security_groups",
        lambda g: g.group_id.startswith("sg-endpoints"),
        ingress=lambda g: (*g.ingress, rule),
    )


_fault = partial(Fault, layer=FaultLayer.ISOLATION, stage=Stage.CONNECT, reasons=(None,), brokers=(), isolation=True)

FAULTS: Final = (
    _fault(
        "broker-ports-open",
        "The brokers' security group admits every port; nothing listens there today.",
        _every_port,
        Code.ISOLATION_PORTS_OPEN,
        patterns=STRAIGHT,
        reasons=(Reason.REFUSED,),
    ),
    _fault(
        "whole-vpc-admitted",
        "The brokers' security group admits the client VPC's whole CIDR instead of the clients' group.",
        _whole_vpc,
        Code.ISOLATION_UNAPPROVED_CLIENT,
        patterns=PEERING,
        client=client_names.UNGROUPED,
    ),
    _fault(
        "unapproved-vpc-routed",
        "The gateway attachment of a VPC that was never approved is associated and propagates.",
        _unapproved,
        Code.ISOLATION_UNAPPROVED_CLIENT,
        patterns=GATEWAY,
        client=client_names.UNROUTED,
    ),
    _fault(
        "second-path-open",
        "A peering leads from the client VPC straight to the brokers, beside PrivateLink.",
        _second_path,
        Code.ISOLATION_SECOND_PATH,
        patterns=(*PRIVATELINK, *MULTI_VPC),
    ),
    _fault(
        "endpoint-port-open",
        "The NLBs have a listener that nobody asked for, and the endpoints admit it.",
        _listener_beside,
        Code.ISOLATION_PORTS_OPEN,
        patterns=PRIVATELINK,
    ),
    _fault(
        "plaintext-open",
        "The cluster has a plaintext listener too, and the brokers' security group admits it.",
        _plaintext,
        Code.ISOLATION_PLAINTEXT_OPEN,
        patterns=STRAIGHT,
    ),
)
