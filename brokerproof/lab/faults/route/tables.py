"""Faults of VPC route tables and peering connections."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Network
from typing import Final

from brokerproof.causes.codes import Code
from brokerproof.lab.faults.fault import GATEWAY, PEERING, REMOTE, Fault, FaultLayer, afflicted
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.topology.edit import with_changed, with_changes, with_each
from brokerproof.topology.models import (
    PeeringStatus,
    Route,
    RouteTable,
    Topology,
)
from brokerproof.topology.patterns import client_names

_SECOND_SUBNET: Final = IPv4Network("10.0.16.0/20")
"""Where broker 2 is."""


def _without_routes(topology: Topology, subnet_prefix: str) -> Topology:
    for index, table in enumerate(topology.route_tables):
        if any(subnet_id.startswith(subnet_prefix) for subnet_id in table.subnet_ids):
            topology = with_changes(topology, "route_tables", index, routes=())
    return topology


def _missing_at_client(topology: Topology) -> Topology:
    return _without_routes(topology, "subnet-b")


def _missing_at_cluster(topology: Topology) -> Topology:
    return _without_routes(topology, "subnet-cluster")


def _missing_in_one_subnet(topology: Topology) -> Topology:
    return _without_routes(topology, "subnet-cluster-2")


def _deleted(topology: Topology) -> Topology:
    return with_each(topology, "vpc_peering_connections", status=PeeringStatus.DELETED)


def _with_routes(topology: Topology, vpc_id: str, change: Callable[[tuple[Route, ...]], tuple[Route, ...]]) -> Topology:
    """The route tables of a VPC, each with other routes."""

    def chosen(table: RouteTable) -> bool:
        return table.vpc_id == vpc_id

    return with_changed(topology, "route_tables", chosen, routes=lambda table: change(table.routes))


def _more_specific(topology: Topology) -> Topology:
    """The longer prefix wins, and leads to a VPC that knows nothing of it."""
    stray = Route(destination_cidr_block=_SECOND_SUBNET, vpc_peering_connection_id="pcx-b-d")
    return _with_routes(topology, afflicted(topology).vpc_id, lambda routes: (*routes, stray))


def _rerouted(vpc_id: str, cidr: str, connection: str, topology: Topology) -> Topology:
    """The route to a block leads to another peering connection."""
    block, elsewhere = IPv4Network(cidr), {"vpc_peering_connection_id": connection}
    return _with_routes(
        topology,
        vpc_id,
        lambda routes: tuple(
            r.model_copy(update=elsewhere) if r.destination_cidr_block == block else r for r in routes
        ),
    )


def _without(vpc_id: str, cidr: str, topology: Topology) -> Topology:
    block = IPv4Network(cidr)
    return _with_routes(topology, vpc_id, lambda rs: tuple(r for r in rs if r.destination_cidr_block != block))


def _status(status: PeeringStatus, topology: Topology) -> Topology:
    return with_each(topology, "vpc_peering_connections", status=status)


def _no_ipv6_routes(topology: Topology) -> Topology:
    """The tables of the client's subnets keep their IPv4 routes alone."""

    def of_client(table: RouteTable) -> bool:
        return any(subnet_id.startswith("subnet-b") for subnet_id in table.subnet_ids)

    def of_ipv4(table: RouteTable) -> tuple[Route, ...]:
        return tuple(route for route in table.routes if route.destination_ipv6_cidr_block is None)

    return with_changed(topology, "route_tables", of_client, routes=of_ipv4)


_fault = partial(
    Fault, layer=FaultLayer.ROUTE, stage=Stage.CONNECT, patterns=(*PEERING, *GATEWAY), reasons=(Reason.TIMED_OUT,)
)

FAULTS: Final = (
    _fault(
        "route-missing-client",
        "The client subnet's route table has no route to the cluster VPC.",
        _missing_at_client,
        Code.ROUTE_MISSING_CLIENT,
        alike={
            PEERING: (
                Code.ROUTE_MISSING_RETURN,
                Code.ROUTE_OVERLAP,
                Code.ROUTE_PEERING_NOT_ACTIVE,
                Code.SECURITY_BROKER_GROUP,
                Code.SECURITY_CLIENT_GROUP,
                Code.SECURITY_GROUP_REFERENCE,
                Code.SECURITY_NETWORK_ACL,
            ),
            GATEWAY: (
                Code.ROUTE_MISSING_RETURN,
                Code.ROUTE_OVERLAP,
                Code.ROUTE_GATEWAY_BLACKHOLE,
                Code.ROUTE_GATEWAY_NOT_ASSOCIATED,
                Code.ROUTE_GATEWAY_NOT_PROPAGATED,
                Code.ROUTE_GATEWAY_ZONE_MISSING,
                Code.SECURITY_BROKER_GROUP,
                Code.SECURITY_CLIENT_GROUP,
                Code.SECURITY_NETWORK_ACL,
            ),
        },
    ),
    _fault(
        "route-missing-return",
        "The broker subnets' route tables have no route back.",
        _missing_at_cluster,
        Code.ROUTE_MISSING_RETURN,
        alike={
            PEERING: (
                Code.ROUTE_PEERING_NOT_ACTIVE,
                Code.SECURITY_BROKER_GROUP,
                Code.SECURITY_GROUP_REFERENCE,
                Code.SECURITY_NETWORK_ACL,
            ),
            GATEWAY: (
                Code.ROUTE_GATEWAY_BLACKHOLE,
                Code.ROUTE_GATEWAY_NOT_ASSOCIATED,
                Code.ROUTE_GATEWAY_NOT_PROPAGATED,
                Code.SECURITY_BROKER_GROUP,
                Code.SECURITY_NETWORK_ACL,
            ),
        },
    ),
    _fault(
        "route-missing-one-subnet",
        "Broker 2's subnet has no route back.",
        _missing_in_one_subnet,
        Code.ROUTE_MISSING_SUBNET,
        brokers=(2,),
        alike={
            PEERING: (Code.ROUTE_OVERLAP, Code.SECURITY_BROKER_GROUP, Code.SECURITY_NETWORK_ACL),
            GATEWAY: (
                Code.ROUTE_GATEWAY_BLACKHOLE,
                Code.ROUTE_GATEWAY_ZONE_MISSING,
                Code.ROUTE_OVERLAP,
                Code.SECURITY_BROKER_GROUP,
                Code.SECURITY_NETWORK_ACL,
            ),
        },
    ),
    _fault(
        "peering-deleted",
        "The peering connection was deleted; its routes are blackholes.",
        _deleted,
        Code.ROUTE_PEERING_NOT_ACTIVE,
        patterns=PEERING,
        alike=(
            Code.ROUTE_MISSING_RETURN,
            Code.SECURITY_BROKER_GROUP,
            Code.SECURITY_GROUP_REFERENCE,
            Code.SECURITY_NETWORK_ACL,
        ),
    ),
    _fault(
        "remote-peering-deleted",
        "The peering between the remote VPC and the endpoint VPC was deleted.",
        _deleted,
        Code.ROUTE_PEERING_NOT_ACTIVE,
        patterns=REMOTE,
        client=client_names.REMOTE_BY_PEERING,
        alike=(
            Code.ROUTE_MISSING_CLIENT,
            Code.ROUTE_MISSING_RETURN,
            Code.ROUTE_OVERLAP,
            Code.SECURITY_CLIENT_GROUP,
            Code.SECURITY_ENDPOINT_GROUP,
            Code.SECURITY_GROUP_REFERENCE,
            Code.SECURITY_NETWORK_ACL,
            Code.SECURITY_NLB_GROUP,
        ),
    ),
    _fault(
        "route-more-specific",
        "The client subnet's table has a more specific route for broker 2's subnet, to another peering.",
        _more_specific,
        Code.ROUTE_OVERLAP,
        patterns=PEERING,
        brokers=(2,),
        alike=(Code.ROUTE_MISSING_SUBNET, Code.SECURITY_BROKER_GROUP, Code.SECURITY_NETWORK_ACL),
    ),
    _fault(
        "route-to-another-peering",
        "The client subnet's route to the cluster VPC leads to another peering connection.",
        partial(_rerouted, "vpc-b", "10.0.0.0/16", "pcx-b-d"),
        Code.ROUTE_MISSING_CLIENT,
        patterns=PEERING,
        alike=(
            Code.ROUTE_MISSING_RETURN,
            Code.ROUTE_OVERLAP,
            Code.ROUTE_PEERING_NOT_ACTIVE,
            Code.SECURITY_BROKER_GROUP,
            Code.SECURITY_CLIENT_GROUP,
            Code.SECURITY_GROUP_REFERENCE,
            Code.SECURITY_NETWORK_ACL,
        ),
    ),
    _fault(
        "route-back-to-another-peering",
        "The broker subnets' route back to the client VPC leads to another peering connection.",
        partial(_rerouted, "vpc-cluster", "10.1.0.0/16", "pcx-cluster-c"),
        Code.ROUTE_MISSING_RETURN,
        patterns=PEERING,
        alike=(
            Code.ROUTE_MISSING_CLIENT,
            Code.ROUTE_OVERLAP,
            Code.ROUTE_PEERING_NOT_ACTIVE,
            Code.SECURITY_BROKER_GROUP,
            Code.SECURITY_CLIENT_GROUP,
            Code.SECURITY_GROUP_REFERENCE,
            Code.SECURITY_NETWORK_ACL,
        ),
    ),
    _fault(
        "peering-pending-acceptance",
        "The peering connection waits to be accepted.",
        partial(_status, PeeringStatus.PENDING_ACCEPTANCE),
        Code.ROUTE_PEERING_NOT_ACTIVE,
        patterns=PEERING,
        alike=(
            Code.ROUTE_MISSING_RETURN,
            Code.SECURITY_BROKER_GROUP,
            Code.SECURITY_GROUP_REFERENCE,
            Code.SECURITY_NETWORK_ACL,
        ),
    ),
    _fault(
        "peering-expired",
        "The request for the peering connection expired; nobody accepted it within seven days.",
        partial(_status, PeeringStatus.EXPIRED),
        Code.ROUTE_PEERING_NOT_ACTIVE,
        patterns=PEERING,
        alike=(
            Code.ROUTE_MISSING_RETURN,
            Code.SECURITY_BROKER_GROUP,
            Code.SECURITY_GROUP_REFERENCE,
            Code.SECURITY_NETWORK_ACL,
        ),
    ),
    _fault(
        "remote-route-missing",
        "The remote client's subnets have no route to the endpoint VPC.",
        partial(_without, "vpc-r", "10.1.0.0/16"),
        Code.ROUTE_MISSING_CLIENT,
        patterns=REMOTE,
        client=client_names.REMOTE_BY_PEERING,
        alike=(
            Code.ROUTE_MISSING_RETURN,
            Code.ROUTE_OVERLAP,
            Code.ROUTE_PEERING_NOT_ACTIVE,
            Code.SECURITY_CLIENT_GROUP,
            Code.SECURITY_ENDPOINT_GROUP,
            Code.SECURITY_GROUP_REFERENCE,
            Code.SECURITY_NETWORK_ACL,
            Code.SECURITY_NLB_GROUP,
        ),
    ),
    _fault(
        "remote-route-back-missing",
        "The endpoint subnets have no route back to the remote client's VPC.",
        partial(_without, "vpc-b", "10.2.0.0/16"),
        Code.ROUTE_MISSING_RETURN,
        patterns=REMOTE,
        client=client_names.REMOTE_BY_PEERING,
        alike=(
            Code.ROUTE_MISSING_CLIENT,
            Code.ROUTE_OVERLAP,
            Code.ROUTE_PEERING_NOT_ACTIVE,
            Code.SECURITY_CLIENT_GROUP,
            Code.SECURITY_ENDPOINT_GROUP,
            Code.SECURITY_GROUP_REFERENCE,
            Code.SECURITY_NETWORK_ACL,
            Code.SECURITY_NLB_GROUP,
        ),
    ),
    _fault(
        "remote-gateway-route-back-missing",
        "The endpoint subnets have no route back to the VPC behind the gateways.",
        partial(_without, "vpc-b", "10.3.0.0/16"),
        Code.ROUTE_MISSING_RETURN,
        patterns=REMOTE,
        client=client_names.REMOTE_BY_GATEWAY,
        alike=(
            Code.ROUTE_MISSING_CLIENT,
            Code.ROUTE_OVERLAP,
            Code.ROUTE_GATEWAY_BLACKHOLE,
            Code.ROUTE_GATEWAY_NOT_ASSOCIATED,
            Code.ROUTE_GATEWAY_NOT_PROPAGATED,
            Code.ROUTE_GATEWAY_PEERING_PENDING,
            Code.ROUTE_GATEWAY_STATIC_MISSING,
            Code.ROUTE_GATEWAY_ZONE_MISSING,
            Code.SECURITY_CLIENT_GROUP,
            Code.SECURITY_ENDPOINT_GROUP,
            Code.SECURITY_NETWORK_ACL,
            Code.SECURITY_NLB_GROUP,
        ),
    ),
    _fault(
        "ipv6-route-missing",
        "The client subnet's route table has no IPv6 route to the cluster VPC.",
        _no_ipv6_routes,
        Code.ROUTE_MISSING_CLIENT,
        dual_stack=True,
        alike=(
            Code.ROUTE_MISSING_RETURN,
            Code.ROUTE_OVERLAP,
            Code.SECURITY_BROKER_GROUP,
            Code.SECURITY_CLIENT_GROUP,
            Code.SECURITY_NETWORK_ACL,
        ),
    ),
)
