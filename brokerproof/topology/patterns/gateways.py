"""Two transit gateways, one a Region, peered with static routes: the parts that builders put together."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network
from typing import Final

from brokerproof.topology.models import (
    Subnet,
    TransitGateway,
    TransitGatewayAttachment,
    TransitGatewayRoute,
    TransitGatewayRouteTable,
)
from brokerproof.topology.patterns.options import FAR_REGION, REGION

EAST: Final = "tgw-east"
WEST: Final = "tgw-west"
GATEWAYS: Final = {REGION: EAST, FAR_REGION: WEST}


def gateways() -> tuple[TransitGateway, ...]:
    """One gateway a Region."""
    return tuple(TransitGateway(transit_gateway_id=gateway, region_name=region) for region, gateway in GATEWAYS.items())


def attachment(
    vpc_id: str, gateway: str, attached: Iterable[Subnet], *, routed: bool = True
) -> TransitGatewayAttachment:
    """A VPC's attachment, by one of these subnets a zone.

    It is associated with the gateway's table and propagates to it, or neither.
    """
    tables = table_of(gateway)
    by_zone = {subnet.availability_zone_id: subnet.subnet_id for subnet in reversed(list(attached))}
    return TransitGatewayAttachment(
        transit_gateway_attachment_id=f"tgw-attach-{vpc_id.removeprefix('vpc-')}",
        transit_gateway_id=gateway,
        vpc_id=vpc_id,
        subnet_ids=tuple(sorted(by_zone.values())),
        association=tables if routed else None,
        propagations=(tables,) if routed else (),
    )


def gateway_peering() -> tuple[TransitGatewayAttachment, ...]:
    """The gateway peering: an attachment on either side, each naming the other."""
    return tuple(
        TransitGatewayAttachment(
            transit_gateway_attachment_id=_peering_of(here),
            transit_gateway_id=here,
            peer_attachment_id=_peering_of(there),
            association=table_of(here),
        )
        for here, there in ((EAST, WEST), (WEST, EAST))
    )


def gateway_table(gateway: str, *, far: Iterable[IPv4Network]) -> TransitGatewayRouteTable:
    """A gateway's one table. What propagates is said by the attachments; the other Region needs static routes."""
    return TransitGatewayRouteTable(
        transit_gateway_route_table_id=table_of(gateway),
        transit_gateway_id=gateway,
        routes=tuple(
            TransitGatewayRoute(destination_cidr_block=cidr, transit_gateway_attachment_id=_peering_of(gateway))
            for cidr in far
        ),
    )


def table_of(gateway: str) -> str:
    """The id of a gateway's one route table."""
    return gateway.replace("tgw-", "tgw-rtb-")


def _peering_of(gateway: str) -> str:
    return gateway.replace("tgw-", "tgw-attach-peer-")
