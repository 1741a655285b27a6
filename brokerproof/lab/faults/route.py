"""Faults of route tables, peering connections and transit gateways."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Network
from typing import Any, Final

from brokerproof.causes.codes import Code
from brokerproof.causes.sets import joined
from brokerproof.lab.faults import likeness
from brokerproof.lab.faults.fault import GATEWAY, PEERING, REMOTE, Fault, FaultLayer, afflicted
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.topology.edit import with_changed, with_changes, with_each
from brokerproof.topology.models import (
    PeeringStatus,
    Route,
    RouteTable,
    Topology,
    TransitGatewayAttachment,
    TransitGatewayAttachmentState,
    TransitGatewayRoute,
    TransitGatewayRouteTable,
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


def _not_associated(topology: Topology) -> Topology:
    return _attachment("vpc-b", topology, association=None)


def _not_propagated(topology: Topology) -> Topology:
    return _attachment("vpc-b", topology, propagations=())


def _gateway_blackhole(topology: Topology) -> Topology:
    """A more specific static route wins over the propagated one."""
    for index, table in enumerate(topology.transit_gateway_route_tables):
        hole = TransitGatewayRoute(destination_cidr_block=_SECOND_SUBNET)
        topology = with_changes(topology, "transit_gateway_route_tables", index, routes=(*table.routes, hole))
    return topology


def _far_static_route_missing(topology: Topology) -> Topology:
    """The gateway of the other Region has no static route to this one's VPCs."""
    for index, table in enumerate(topology.transit_gateway_route_tables):
        if table.transit_gateway_id == "tgw-west":
            topology = with_changes(topology, "transit_gateway_route_tables", index, routes=())
    return topology


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


def _attachment(vpc_id: str, topology: Topology, **changes: Any) -> Topology:
    def chosen(attachment: TransitGatewayAttachment) -> bool:
        return attachment.vpc_id == vpc_id

    return with_changed(topology, "transit_gateway_attachments", chosen, **changes)


def _cluster_not_associated(topology: Topology) -> Topology:
    return _attachment("vpc-cluster", topology, association=None)


def _cluster_not_propagated(topology: Topology) -> Topology:
    return _attachment("vpc-cluster", topology, propagations=())


def _peering_not_associated(topology: Topology) -> Topology:
    """What comes from the other gateway is looked up nowhere."""

    def chosen(attachment: TransitGatewayAttachment) -> bool:
        return attachment.peer_attachment_id is not None

    return with_changed(topology, "transit_gateway_attachments", chosen, association=None)


def _peering_pending(topology: Topology) -> Topology:
    """Requested from the other Region, and accepted by nobody."""

    def chosen(attachment: TransitGatewayAttachment) -> bool:
        return attachment.peer_attachment_id is not None

    pending = TransitGatewayAttachmentState.PENDING_ACCEPTANCE
    return with_changed(topology, "transit_gateway_attachments", chosen, state=pending)


def _near_table(
    topology: Topology, change: Callable[[tuple[TransitGatewayRoute, ...]], tuple[TransitGatewayRoute, ...]]
) -> Topology:
    def chosen(table: TransitGatewayRouteTable) -> bool:
        return table.transit_gateway_id == "tgw-east"

    return with_changed(topology, "transit_gateway_route_tables", chosen, routes=lambda table: change(table.routes))


def _no_static_back(topology: Topology) -> Topology:
    return _near_table(topology, lambda _: ())


def _static_elsewhere(topology: Topology) -> Topology:
    stray = TransitGatewayRoute(destination_cidr_block=_SECOND_SUBNET, transit_gateway_attachment_id="tgw-attach-n")
    return _near_table(topology, lambda routes: (*routes, stray))


def _no_ipv6_routes(topology: Topology) -> Topology:
    """The tables of the client's subnets keep their IPv4 routes alone."""

    def of_client(table: RouteTable) -> bool:
        return any(subnet_id.startswith("subnet-b") for subnet_id in table.subnet_ids)

    def of_ipv4(table: RouteTable) -> tuple[Route, ...]:
        return tuple(route for route in table.routes if route.destination_ipv6_cidr_block is None)

    return with_changed(topology, "route_tables", of_client, routes=of_ipv4)


def _fault(
    name: str,
    title: str,
    edit: Callable[[Topology], Topology],
    *codes: Code,
    brokers: tuple[int, ...] = (1, 2, 3),
    patterns: tuple[str, ...] = (*PEERING, *GATEWAY),
    client: str | None = None,
    dual_stack: bool = False,
) -> Fault:
    return Fault(
        name=name,
        title=title,
        layer=FaultLayer.ROUTE,
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
        "route-missing-client",
        "The client subnet's route table has no route to the cluster VPC.",
        _missing_at_client,
        *joined(Code.ROUTE_MISSING_CLIENT, likeness.BY_PEERING, likeness.BY_GATEWAY),
    ),
    _fault(
        "route-missing-return",
        "The broker subnets' route tables have no route back.",
        _missing_at_cluster,
        *joined(Code.ROUTE_MISSING_RETURN, likeness.BY_PEERING, likeness.BY_GATEWAY),
    ),
    _fault(
        "route-missing-one-subnet",
        "Broker 2's subnet has no route back.",
        _missing_in_one_subnet,
        *joined(Code.ROUTE_MISSING_SUBNET, likeness.ONE_BROKER_DIRECT),
        brokers=(2,),
    ),
    _fault(
        "peering-deleted",
        "The peering connection was deleted; its routes are blackholes.",
        _deleted,
        *joined(Code.ROUTE_PEERING_NOT_ACTIVE, likeness.BY_PEERING),
        patterns=PEERING,
    ),
    _fault(
        "gateway-attachment-not-associated",
        "The client VPC's gateway attachment is associated with no route table.",
        _not_associated,
        *joined(Code.ROUTE_GATEWAY_NOT_ASSOCIATED, likeness.BY_GATEWAY),
        patterns=GATEWAY,
    ),
    _fault(
        "gateway-propagation-missing",
        "The client VPC's CIDR propagates to no route table of the gateway; answers find no way back.",
        _not_propagated,
        *joined(Code.ROUTE_GATEWAY_NOT_PROPAGATED, likeness.BY_GATEWAY),
        patterns=GATEWAY,
    ),
    _fault(
        "gateway-static-blackhole",
        "A static blackhole route of the gateway covers broker 2's subnet.",
        _gateway_blackhole,
        *joined(Code.ROUTE_GATEWAY_BLACKHOLE, likeness.ONE_BROKER_DIRECT),
        brokers=(2,),
        patterns=GATEWAY,
    ),
    _fault(
        "remote-peering-deleted",
        "The peering between the remote VPC and the endpoint VPC was deleted.",
        _deleted,
        *joined(Code.ROUTE_PEERING_NOT_ACTIVE, likeness.REMOTE),
        patterns=REMOTE,
        client=client_names.REMOTE_BY_PEERING,
    ),
    _fault(
        "gateway-static-route-missing",
        "The gateway of the other Region has no static route to this Region's VPCs.",
        _far_static_route_missing,
        *joined(Code.ROUTE_GATEWAY_STATIC_MISSING, likeness.REMOTE),
        patterns=REMOTE,
        client=client_names.REMOTE_BY_GATEWAY,
    ),
    _fault(
        "gateway-static-route-missing-direct",
        "The gateway of the client's Region has no static route to the cluster VPC.",
        _far_static_route_missing,
        *joined(Code.ROUTE_GATEWAY_STATIC_MISSING, likeness.BY_GATEWAY),
        patterns=GATEWAY,
        client=client_names.REMOTE_BY_GATEWAY,
    ),
    _fault(
        "route-more-specific",
        "The client subnet's table has a more specific route for broker 2's subnet, to another peering.",
        _more_specific,
        *joined(Code.ROUTE_OVERLAP, likeness.ONE_BROKER_DIRECT),
        patterns=PEERING,
        brokers=(2,),
    ),
    _fault(
        "route-to-another-peering",
        "The client subnet's route to the cluster VPC leads to another peering connection.",
        partial(_rerouted, "vpc-b", "10.0.0.0/16", "pcx-b-d"),
        *joined(Code.ROUTE_MISSING_CLIENT, likeness.BY_PEERING),
        patterns=PEERING,
    ),
    _fault(
        "route-back-to-another-peering",
        "The broker subnets' route back to the client VPC leads to another peering connection.",
        partial(_rerouted, "vpc-cluster", "10.1.0.0/16", "pcx-cluster-c"),
        *joined(Code.ROUTE_MISSING_RETURN, likeness.BY_PEERING),
        patterns=PEERING,
    ),
    _fault(
        "peering-pending-acceptance",
        "The peering connection waits to be accepted.",
        partial(_status, PeeringStatus.PENDING_ACCEPTANCE),
        *joined(Code.ROUTE_PEERING_NOT_ACTIVE, likeness.BY_PEERING),
        patterns=PEERING,
    ),
    _fault(
        "peering-expired",
        "The request for the peering connection expired; nobody accepted it within seven days.",
        partial(_status, PeeringStatus.EXPIRED),
        *joined(Code.ROUTE_PEERING_NOT_ACTIVE, likeness.BY_PEERING),
        patterns=PEERING,
    ),
    _fault(
        "gateway-cluster-not-associated",
        "The cluster VPC's gateway attachment is associated with no route table; answers are looked up nowhere.",
        _cluster_not_associated,
        *joined(Code.ROUTE_GATEWAY_NOT_ASSOCIATED, likeness.BY_GATEWAY),
        patterns=GATEWAY,
    ),
    _fault(
        "gateway-cluster-not-propagated",
        "The cluster VPC's CIDR propagates to no route table of the gateway.",
        _cluster_not_propagated,
        *joined(Code.ROUTE_GATEWAY_NOT_PROPAGATED, likeness.BY_GATEWAY),
        patterns=GATEWAY,
    ),
    _fault(
        "gateway-static-to-another-attachment",
        "A static route of the gateway sends broker 2's subnet to another VPC.",
        _static_elsewhere,
        *joined(Code.ROUTE_GATEWAY_BLACKHOLE, likeness.ONE_BROKER_DIRECT),
        patterns=GATEWAY,
        brokers=(2,),
    ),
    _fault(
        "gateway-static-back-missing",
        "The gateway of the cluster's Region has no static route back to the other Region.",
        _no_static_back,
        *joined(Code.ROUTE_GATEWAY_STATIC_MISSING, likeness.BY_GATEWAY),
        patterns=GATEWAY,
        client=client_names.REMOTE_BY_GATEWAY,
    ),
    _fault(
        "gateway-peering-not-associated",
        "The gateway peering's attachments are associated with no route table on either side.",
        _peering_not_associated,
        *joined(Code.ROUTE_GATEWAY_NOT_ASSOCIATED, likeness.BY_GATEWAY),
        patterns=GATEWAY,
        client=client_names.REMOTE_BY_GATEWAY,
    ),
    _fault(
        "gateway-peering-pending-acceptance",
        "The gateway peering waits to be accepted.",
        _peering_pending,
        *joined(Code.ROUTE_GATEWAY_PEERING_PENDING, likeness.BY_GATEWAY),
        patterns=GATEWAY,
        client=client_names.REMOTE_BY_GATEWAY,
    ),
    _fault(
        "remote-route-missing",
        "The remote client's subnets have no route to the endpoint VPC.",
        partial(_without, "vpc-r", "10.1.0.0/16"),
        *joined(Code.ROUTE_MISSING_CLIENT, likeness.REMOTE),
        patterns=REMOTE,
        client=client_names.REMOTE_BY_PEERING,
    ),
    _fault(
        "remote-route-back-missing",
        "The endpoint subnets have no route back to the remote client's VPC.",
        partial(_without, "vpc-b", "10.2.0.0/16"),
        *joined(Code.ROUTE_MISSING_RETURN, likeness.REMOTE),
        patterns=REMOTE,
        client=client_names.REMOTE_BY_PEERING,
    ),
    _fault(
        "remote-gateway-route-back-missing",
        "The endpoint subnets have no route back to the VPC behind the gateways.",
        partial(_without, "vpc-b", "10.3.0.0/16"),
        *joined(Code.ROUTE_MISSING_RETURN, likeness.REMOTE),
        patterns=REMOTE,
        client=client_names.REMOTE_BY_GATEWAY,
    ),
    _fault(
        "ipv6-route-missing",
        "The client subnet's route table has no IPv6 route to the cluster VPC.",
        _no_ipv6_routes,
        *joined(Code.ROUTE_MISSING_CLIENT, likeness.BY_PEERING, likeness.BY_GATEWAY),
        dual_stack=True,
    ),
)
