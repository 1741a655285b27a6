"""Clients of another Region that use the endpoints of a VPC they are joined to: by peering, or by two gateways.

``remote_by_peering`` is in a VPC peered with the endpoint VPC, ``remote_by_gateway`` in one attached to the gateway
of its own Region, which is peered with the gateway that the endpoint VPC is attached to. Neither has a path to the
cluster VPC.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Final

from brokerproof.topology.models import (
    Client,
    Model,
    Route,
    RouteTable,
    Subnet,
    TransitGateway,
    TransitGatewayAttachment,
    TransitGatewayRouteTable,
    Vpc,
    VpcPeeringConnection,
)
from brokerproof.topology.models.pattern_name import PatternName
from brokerproof.topology.patterns import client_names
from brokerproof.topology.patterns.gateways import EAST, WEST, attachment, gateway_peering, gateway_table, gateways
from brokerproof.topology.patterns.options import FAR_REGION, WITNESS_PORT, client_host, subnets
from brokerproof.topology.patterns.route_tables import table

BY_PEERING: Final = IPv4Network("10.2.0.0/16")
BY_GATEWAY: Final = IPv4Network("10.3.0.0/16")
CIDRS: Final = (BY_PEERING, BY_GATEWAY)


class RemoteParts(Model):
    """What joins the endpoint VPC to the other Region, and the clients there."""

    vpcs: tuple[Vpc, ...]
    subnets: tuple[Subnet, ...]
    route_tables: tuple[RouteTable, ...]
    vpc_peering_connection: VpcPeeringConnection
    transit_gateways: tuple[TransitGateway, ...]
    transit_gateway_attachments: tuple[TransitGatewayAttachment, ...]
    transit_gateway_route_tables: tuple[TransitGatewayRouteTable, ...]
    clients: tuple[Client, ...]


def remote_parts(pattern: PatternName, near: Vpc, near_subnets: tuple[Subnet, ...], zones: int) -> RemoteParts:
    """Both remote clients, joined to ``near``, the VPC that has the endpoints."""
    peered = subnets("vpc-r", BY_PEERING, zones, region_name=FAR_REGION)
    attached = subnets("vpc-t", BY_GATEWAY, zones, region_name=FAR_REGION)
    connection = f"pcx-{near.vpc_id.removeprefix('vpc-')}-r"
    [home] = near.cidr_blocks
    by_peering = Route(destination_cidr_block=home, vpc_peering_connection_id=connection)
    by_gateway = Route(destination_cidr_block=home, transit_gateway_id=WEST)
    back = (
        Route(destination_cidr_block=BY_PEERING, vpc_peering_connection_id=connection),
        Route(destination_cidr_block=BY_GATEWAY, transit_gateway_id=EAST),
    )
    reach = {"endpoint_vpc_id": near.vpc_id, "pattern": pattern, "witness_port": WITNESS_PORT}
    return RemoteParts(
        vpcs=(
            Vpc(vpc_id="vpc-r", owner_id="333333333333", region_name=FAR_REGION, cidr_blocks=(BY_PEERING,)),
            Vpc(vpc_id="vpc-t", owner_id="444444444444", region_name=FAR_REGION, cidr_blocks=(BY_GATEWAY,)),
        ),
        subnets=(*peered, *attached),
        route_tables=(
            table("vpc-r", peered, (by_peering,)),
            table("vpc-t", attached, (by_gateway,)),
            table(near.vpc_id, near_subnets, back),
        ),
        vpc_peering_connection=VpcPeeringConnection(
            vpc_peering_connection_id=connection, requester_vpc_id="vpc-r", accepter_vpc_id=near.vpc_id
        ),
        transit_gateways=gateways(),
        transit_gateway_attachments=(
            attachment(near.vpc_id, EAST, near_subnets),
            attachment("vpc-t", WEST, attached),
            *gateway_peering(),
        ),
        transit_gateway_route_tables=(
            gateway_table(EAST, far=(BY_GATEWAY,)),
            gateway_table(WEST, far=(home,)),
        ),
        clients=(
            client_host(client_names.REMOTE_BY_PEERING, peered[0], **reach),
            client_host(client_names.REMOTE_BY_GATEWAY, attached[0], **reach),
        ),
    )
