"""Entries of routes, peering connections and transit gateways."""

from __future__ import annotations

from typing import Final

from brokerproof.causes.catalogue.applies import (
    BY_GATEWAY,
    BY_PEERING,
    GATEWAY,
    JOINED,
    MSK,
    PEERING,
    ROUTED,
    TGW,
)
from brokerproof.causes.catalogue.entry import Entry
from brokerproof.causes.codes import Code
from brokerproof.causes.pieces import Piece

_TABLES = "ec2 DescribeRouteTables"
_PEERINGS = "ec2 DescribeVpcPeeringConnections"
_SEARCH = "ec2 SearchTransitGatewayRoutes"
_SILENT = "every connection from the client VPC times out"

ENTRIES: Final = (
    Entry(
        code=Code.ROUTE_MISSING_CLIENT,
        sits=Piece.CLIENT_ROUTES,
        title="the client subnet's route table has no route towards the brokers",
        patterns=JOINED,
        evidence=f"{_SILENT}, and other VPCs reach the same brokers",
        confused_with=(
            (Code.ROUTE_MISSING_RETURN, "flow logs at the broker: the SYN arrives"),
            (Code.SECURITY_BROKER_GROUP, "flow logs at the broker: the SYN is REJECTed"),
        ),
        remedy="add a route to the far VPC's CIDR to the route table of the client subnet in {vpc}",
        call=_TABLES,
        sources=(MSK, PEERING),
        facts=("route-missing-client",),
    ),
    Entry(
        code=Code.ROUTE_MISSING_RETURN,
        sits=Piece.CLUSTER_ROUTES,
        title="the far subnets' route tables have no route back to the client VPC",
        patterns=JOINED,
        evidence=_SILENT,
        confused_with=((Code.ROUTE_MISSING_CLIENT, "flow logs at the broker: there no SYN arrives"),),
        remedy="add a route to the CIDR of {vpc} to the route tables of the far subnets",
        call=_TABLES,
        sources=(MSK, PEERING),
        facts=("route-missing-return",),
    ),
    Entry(
        code=Code.ROUTE_MISSING_SUBNET,
        sits=Piece.CLUSTER_ROUTES,
        title="one subnet's route table lacks the route that its neighbours have",
        patterns=JOINED,
        evidence="connections time out to the brokers of one subnet alone, from every VPC but the cluster's own",
        confused_with=(
            (Code.SECURITY_NETWORK_ACL, "the subnet's ACL; clients inside the cluster VPC meet it as well"),
        ),
        remedy="give the route table of the subnet of broker {brokers} the route back to {vpc} that the others have",
        call=_TABLES,
        sources=(MSK, PEERING),
        facts=("route-partial-subnets",),
    ),
    Entry(
        code=Code.ROUTE_PEERING_NOT_ACTIVE,
        sits=Piece.PEERING,
        title="the peering connection is not active: pending, rejected, expired or deleted",
        patterns=BY_PEERING,
        evidence=f"{_SILENT}; the routes over a deleted peering are blackholes",
        confused_with=((Code.ROUTE_MISSING_CLIENT, f"{_PEERINGS}: its status"),),
        remedy="create the peering connection of {vpc} again or accept it, and renew the routes that use it",
        call=f"{_PEERINGS}, AcceptVpcPeeringConnection; Route.State blackhole",
        sources=(PEERING,),
        facts=("route-blackhole-peering-deleted", "peering-not-active"),
    ),
    Entry(
        code=Code.ROUTE_PEERING_NOT_TRANSITIVE,
        sits=Piece.PEERING,
        title="the client VPC is peered with a VPC that is peered with the cluster's, not with the cluster's itself",
        patterns=BY_PEERING,
        evidence=_SILENT,
        remedy="peer {vpc} with the cluster VPC itself, or join all three by a transit gateway",
        call=_PEERINGS,
        sources=(PEERING,),
        facts=("peering-transitive",),
        visible=False,
        seen_by="the peering connections; a client sees silence, as with no route",
    ),
    Entry(
        code=Code.ROUTE_OVERLAP,
        sits=Piece.CLIENT_ROUTES,
        title="a more specific or local route takes the brokers' addresses elsewhere",
        patterns=ROUTED,
        evidence="silence towards part of the addresses, or another cluster's certificate where something answers",
        confused_with=((Code.ROUTE_MISSING_SUBNET, "the route tables: the longest prefix that covers the address"),),
        remedy="remove the more specific route that covers broker {brokers} from the route tables of {vpc}; for VPCs "
        "that overlap, use PrivateLink",
        call=_TABLES,
        sources=(PEERING,),
        facts=("peering-overlap-longest-prefix", "iso-overlap-wrong-tenant"),
    ),
    Entry(
        code=Code.ROUTE_GATEWAY_NOT_ASSOCIATED,
        sits=Piece.GATEWAY,
        title="a gateway attachment is associated with no route table",
        patterns=BY_GATEWAY,
        evidence=_SILENT,
        confused_with=((Code.ROUTE_GATEWAY_NOT_PROPAGATED, "ec2 GetTransitGatewayRouteTableAssociations"),),
        remedy="associate the gateway attachment of {vpc} (and that of the cluster VPC) with a route "
        "table of the gateway",
        call="ec2 GetTransitGatewayRouteTableAssociations, AssociateTransitGatewayRouteTable",
        sources=(TGW,),
        facts=("tgw-attachment-not-associated",),
    ),
    Entry(
        code=Code.ROUTE_GATEWAY_NOT_PROPAGATED,
        sits=Piece.GATEWAY,
        title="a gateway route table has no route to one of the two VPCs: its attachment is not propagated there",
        patterns=BY_GATEWAY,
        evidence=_SILENT,
        confused_with=((Code.ROUTE_GATEWAY_NOT_ASSOCIATED, _SEARCH),),
        remedy="propagate the attachment of {vpc} to the route table that the cluster VPC's attachment uses, and back",
        call=f"{_SEARCH}, EnableTransitGatewayRouteTablePropagation",
        sources=(TGW,),
        facts=("tgw-propagation-missing",),
    ),
    Entry(
        code=Code.ROUTE_GATEWAY_BLACKHOLE,
        sits=Piece.GATEWAY,
        title="a static blackhole route of the gateway covers the brokers' addresses",
        patterns=BY_GATEWAY,
        evidence="silence towards the addresses it covers: a part of the brokers, or all",
        confused_with=((Code.ROUTE_MISSING_SUBNET, f"{_SEARCH}: state blackhole"),),
        remedy="delete the blackhole route that covers broker {brokers} from the gateway's route table",
        call=f"{_SEARCH} (state blackhole), DeleteTransitGatewayRoute",
        sources=(TGW,),
        facts=("tgw-static-blackhole",),
    ),
    Entry(
        code=Code.ROUTE_GATEWAY_STATIC_MISSING,
        sits=Piece.GATEWAY,
        title="a gateway has no static route over the peering to the other Region's gateway",
        patterns=BY_GATEWAY,
        evidence="clients of the other Region time out, those of this Region do not",
        confused_with=(
            (Code.ROUTE_GATEWAY_PEERING_PENDING, "ec2 DescribeTransitGatewayPeeringAttachments: its state"),
        ),
        remedy="add static routes over the gateway peering, on both gateways, between {vpc} and the far VPC",
        call=f"{_SEARCH}, CreateTransitGatewayRoute",
        sources=(TGW, "AWS Big Data Blog: secure connectivity patterns for Amazon MSK"),
        facts=("tgw-peering-static-missing",),
    ),
    Entry(
        code=Code.ROUTE_GATEWAY_PEERING_PENDING,
        sits=Piece.GATEWAY,
        title="the peering of the two gateways is not accepted",
        patterns=BY_GATEWAY,
        evidence="clients of the other Region time out, those of this Region do not",
        confused_with=((Code.ROUTE_GATEWAY_STATIC_MISSING, _SEARCH),),
        remedy="accept the gateway peering attachment that leads from {region} to the cluster's Region",
        call="ec2 DescribeTransitGatewayPeeringAttachments, AcceptTransitGatewayPeeringAttachment",
        sources=(TGW,),
        facts=("tgw-peering-pending",),
    ),
    Entry(
        code=Code.ROUTE_GATEWAY_ZONE_MISSING,
        sits=Piece.GATEWAY,
        title="a gateway attachment has no subnet in the zone of the client or the broker",
        patterns=BY_GATEWAY,
        evidence="silence towards the brokers of one zone, or from the clients of one",
        confused_with=((Code.ROUTE_MISSING_SUBNET, "ec2 DescribeTransitGatewayVpcAttachments: SubnetIds"),),
        remedy="add a subnet of every zone that has brokers or clients to the gateway attachments",
        call="ec2 DescribeTransitGatewayVpcAttachments, ModifyTransitGatewayVpcAttachment",
        sources=(TGW,),
        facts=("tgw-attachment-az-missing",),
    ),
    Entry(
        code=Code.ROUTE_GATEWAY_ASYMMETRIC,
        sits=Piece.GATEWAY,
        title="answers pass another appliance than requests: appliance mode is off",
        patterns=GATEWAY,
        evidence="about half of the connections fail, whichever broker they are for, and it depends "
        "on the port of the client",
        confused_with=(
            (Code.TCP_PACKET_LOSS, "there repeated attempts of the same connection succeed after a second"),
        ),
        remedy="turn on appliance mode on the attachment of the inspection VPC",
        call="ec2 DescribeTransitGatewayVpcAttachments (ApplianceModeSupport)",
        sources=(TGW,),
        facts=("tgw-asymmetric-no-appliance-mode",),
        visible=False,
        seen_by="repeated connections from many source ports, which a verification does not make",
    ),
)
