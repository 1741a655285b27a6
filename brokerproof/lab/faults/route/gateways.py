"""Faults of transit gateways: attachments, their route tables, and the peering of two gateways."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Network
from typing import Any, Final

from brokerproof.causes.codes import Code
from brokerproof.lab.faults.fault import GATEWAY, REMOTE, Fault, FaultLayer
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.topology.edit import with_changed, with_changes
from brokerproof.topology.models import (
    Topology,
    TransitGatewayAttachment,
    TransitGatewayAttachmentState,
    TransitGatewayRoute,
    TransitGatewayRouteTable,
)
from brokerproof.topology.patterns import client_names

_SECOND_SUBNET: Final = IPv4Network("10.0.16.0/20")
"""Where broker 2 is."""


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


def _without_zone(vpc_id: str, subnet_id: str, topology: Topology) -> Topology:
    """The VPC's attachment without its subnet of one zone."""
    [attached] = [a.subnet_ids or () for a in topology.transit_gateway_attachments if a.vpc_id == vpc_id]
    return _attachment(vpc_id, topology, subnet_ids=tuple(each for each in attached if each != subnet_id))


def _cluster_without_zone(topology: Topology) -> Topology:
    second = next(b for b in topology.clusters[0].brokers if b.broker_id == 2)  # noqa: PLR2004 - a broker's id
    return _without_zone("vpc-cluster", second.client_subnet, topology)


def _client_without_zone(topology: Topology) -> Topology:
    client = next(c for c in topology.clients if c.vpc_id == "vpc-b")
    return _without_zone("vpc-b", client.subnet_id, topology)


def _far_static_route_missing(topology: Topology) -> Topology:
    """The gateway of the other Region has no static route to this one's VPCs."""
    for index, table in enumerate(topology.transit_gateway_route_tables):
        if table.transit_gateway_id == "tgw-west":
            topology = with_changes(topology, "transit_gateway_route_tables", index, routes=())
    return topology


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


_fault = partial(Fault, layer=FaultLayer.ROUTE, stage=Stage.CONNECT, patterns=GATEWAY, reasons=(Reason.TIMED_OUT,))

FAULTS: Final = (
    _fault(
        "gateway-attachment-not-associated",
        "The client VPC's gateway attachment is associated with no route table.",
        _not_associated,
        Code.ROUTE_GATEWAY_NOT_ASSOCIATED,
        alike=(
            Code.ROUTE_MISSING_CLIENT,
            Code.ROUTE_MISSING_RETURN,
            Code.ROUTE_OVERLAP,
            Code.ROUTE_GATEWAY_BLACKHOLE,
            Code.ROUTE_GATEWAY_NOT_PROPAGATED,
            Code.ROUTE_GATEWAY_ZONE_MISSING,
            Code.SECURITY_BROKER_GROUP,
            Code.SECURITY_CLIENT_GROUP,
            Code.SECURITY_NETWORK_ACL,
        ),
    ),
    _fault(
        "gateway-propagation-missing",
        "The client VPC's CIDR propagates to no route table of the gateway; answers find no way back.",
        _not_propagated,
        Code.ROUTE_GATEWAY_NOT_PROPAGATED,
        alike=(
            Code.ROUTE_MISSING_CLIENT,
            Code.ROUTE_MISSING_RETURN,
            Code.ROUTE_OVERLAP,
            Code.ROUTE_GATEWAY_BLACKHOLE,
            Code.ROUTE_GATEWAY_NOT_ASSOCIATED,
            Code.ROUTE_GATEWAY_ZONE_MISSING,
            Code.SECURITY_BROKER_GROUP,
            Code.SECURITY_CLIENT_GROUP,
            Code.SECURITY_NETWORK_ACL,
        ),
    ),
    _fault(
        "gateway-static-blackhole",
        "A static blackhole route of the gateway covers broker 2's subnet.",
        _gateway_blackhole,
        Code.ROUTE_GATEWAY_BLACKHOLE,
        brokers=(2,),
        alike=(
            Code.ROUTE_GATEWAY_ZONE_MISSING,
            Code.ROUTE_MISSING_SUBNET,
            Code.ROUTE_OVERLAP,
            Code.SECURITY_BROKER_GROUP,
            Code.SECURITY_NETWORK_ACL,
        ),
    ),
    _fault(
        "gateway-zone-missing",
        "The cluster VPC's gateway attachment has no subnet in broker 2's zone; its answers do not leave the VPC.",
        _cluster_without_zone,
        Code.ROUTE_GATEWAY_ZONE_MISSING,
        brokers=(2,),
        alike=(
            Code.ROUTE_GATEWAY_BLACKHOLE,
            Code.ROUTE_MISSING_SUBNET,
            Code.ROUTE_OVERLAP,
            Code.SECURITY_BROKER_GROUP,
            Code.SECURITY_NETWORK_ACL,
        ),
    ),
    _fault(
        "gateway-client-zone-missing",
        "The client VPC's gateway attachment has no subnet in the client's zone.",
        _client_without_zone,
        Code.ROUTE_GATEWAY_ZONE_MISSING,
        alike=(
            Code.ROUTE_MISSING_CLIENT,
            Code.ROUTE_MISSING_RETURN,
            Code.ROUTE_OVERLAP,
            Code.ROUTE_GATEWAY_BLACKHOLE,
            Code.ROUTE_GATEWAY_NOT_ASSOCIATED,
            Code.ROUTE_GATEWAY_NOT_PROPAGATED,
            Code.SECURITY_BROKER_GROUP,
            Code.SECURITY_CLIENT_GROUP,
            Code.SECURITY_NETWORK_ACL,
        ),
    ),
    _fault(
        "gateway-static-route-missing",
        "The gateway of the other Region has no static route to this Region's VPCs.",
        _far_static_route_missing,
        Code.ROUTE_GATEWAY_STATIC_MISSING,
        patterns=REMOTE,
        client=client_names.REMOTE_BY_GATEWAY,
        alike=(
            Code.ROUTE_MISSING_CLIENT,
            Code.ROUTE_MISSING_RETURN,
            Code.ROUTE_OVERLAP,
            Code.ROUTE_GATEWAY_BLACKHOLE,
            Code.ROUTE_GATEWAY_NOT_ASSOCIATED,
            Code.ROUTE_GATEWAY_NOT_PROPAGATED,
            Code.ROUTE_GATEWAY_PEERING_PENDING,
            Code.ROUTE_GATEWAY_ZONE_MISSING,
            Code.SECURITY_CLIENT_GROUP,
            Code.SECURITY_ENDPOINT_GROUP,
            Code.SECURITY_NETWORK_ACL,
            Code.SECURITY_NLB_GROUP,
        ),
    ),
    _fault(
        "gateway-static-route-missing-direct",
        "The gateway of the client's Region has no static route to the cluster VPC.",
        _far_static_route_missing,
        Code.ROUTE_GATEWAY_STATIC_MISSING,
        client=client_names.REMOTE_BY_GATEWAY,
        alike=(
            Code.ROUTE_MISSING_RETURN,
            Code.ROUTE_GATEWAY_BLACKHOLE,
            Code.ROUTE_GATEWAY_NOT_ASSOCIATED,
            Code.ROUTE_GATEWAY_NOT_PROPAGATED,
            Code.ROUTE_GATEWAY_PEERING_PENDING,
            Code.SECURITY_BROKER_GROUP,
            Code.SECURITY_NETWORK_ACL,
        ),
    ),
    _fault(
        "gateway-cluster-not-associated",
        "The cluster VPC's gateway attachment is associated with no route table; answers are looked up nowhere.",
        _cluster_not_associated,
        Code.ROUTE_GATEWAY_NOT_ASSOCIATED,
        alike=(
            Code.ROUTE_MISSING_RETURN,
            Code.ROUTE_GATEWAY_BLACKHOLE,
            Code.ROUTE_GATEWAY_NOT_PROPAGATED,
            Code.SECURITY_BROKER_GROUP,
            Code.SECURITY_NETWORK_ACL,
        ),
    ),
    _fault(
        "gateway-cluster-not-propagated",
        "The cluster VPC's CIDR propagates to no route table of the gateway.",
        _cluster_not_propagated,
        Code.ROUTE_GATEWAY_NOT_PROPAGATED,
        alike=(
            Code.ROUTE_MISSING_RETURN,
            Code.ROUTE_GATEWAY_BLACKHOLE,
            Code.ROUTE_GATEWAY_NOT_ASSOCIATED,
            Code.SECURITY_BROKER_GROUP,
            Code.SECURITY_NETWORK_ACL,
        ),
    ),
    _fault(
        "gateway-static-to-another-attachment",
        "A static route of the gateway sends broker 2's subnet to another VPC.",
        _static_elsewhere,
        Code.ROUTE_GATEWAY_BLACKHOLE,
        brokers=(2,),
        alike=(
            Code.ROUTE_GATEWAY_ZONE_MISSING,
            Code.ROUTE_MISSING_SUBNET,
            Code.ROUTE_OVERLAP,
            Code.SECURITY_BROKER_GROUP,
            Code.SECURITY_NETWORK_ACL,
        ),
    ),
    _fault(
        "gateway-static-back-missing",
        "The gateway of the cluster's Region has no static route back to the other Region.",
        _no_static_back,
        Code.ROUTE_GATEWAY_STATIC_MISSING,
        client=client_names.REMOTE_BY_GATEWAY,
        alike=(
            Code.ROUTE_MISSING_RETURN,
            Code.ROUTE_GATEWAY_BLACKHOLE,
            Code.ROUTE_GATEWAY_NOT_ASSOCIATED,
            Code.ROUTE_GATEWAY_NOT_PROPAGATED,
            Code.ROUTE_GATEWAY_PEERING_PENDING,
            Code.SECURITY_BROKER_GROUP,
            Code.SECURITY_NETWORK_ACL,
        ),
    ),
    _fault(
        "gateway-peering-not-associated",
        "The gateway peering's attachments are associated with no route table on either side.",
        _peering_not_associated,
        Code.ROUTE_GATEWAY_NOT_ASSOCIATED,
        client=client_names.REMOTE_BY_GATEWAY,
        alike=(
            Code.ROUTE_MISSING_RETURN,
            Code.ROUTE_GATEWAY_BLACKHOLE,
            Code.ROUTE_GATEWAY_NOT_PROPAGATED,
            Code.ROUTE_GATEWAY_PEERING_PENDING,
            Code.ROUTE_GATEWAY_STATIC_MISSING,
            Code.SECURITY_BROKER_GROUP,
            Code.SECURITY_NETWORK_ACL,
        ),
    ),
    _fault(
        "gateway-peering-pending-acceptance",
        "The gateway peering waits to be accepted.",
        _peering_pending,
        Code.ROUTE_GATEWAY_PEERING_PENDING,
        client=client_names.REMOTE_BY_GATEWAY,
        alike=(
            Code.ROUTE_MISSING_RETURN,
            Code.ROUTE_GATEWAY_BLACKHOLE,
            Code.ROUTE_GATEWAY_NOT_ASSOCIATED,
            Code.ROUTE_GATEWAY_NOT_PROPAGATED,
            Code.ROUTE_GATEWAY_STATIC_MISSING,
            Code.SECURITY_BROKER_GROUP,
            Code.SECURITY_NETWORK_ACL,
        ),
    ),
)
