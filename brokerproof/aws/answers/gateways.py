"""EC2 answers about transit gateways. What the gateway's owner sees, and what the owner of an attached VPC does."""

from __future__ import annotations

from collections.abc import Iterator

from brokerproof.aws.answers.organization import Asked, Item, by_ids, filtered
from brokerproof.topology.models import (
    TransitGatewayAttachment,
    TransitGatewayAttachmentState,
    TransitGatewayRouteTable,
)


def describe_transit_gateways(asked: Asked) -> Item:
    """DescribeTransitGateways: one's own, and those shared with one."""
    found = []
    for gateway in asked.topology.transit_gateways:
        attached = any(
            a.transit_gateway_id == gateway.transit_gateway_id and a.vpc_id is not None and asked.here(a.vpc_id)
            for a in asked.topology.transit_gateway_attachments
        )
        if (gateway.owner_id, gateway.region_name) == (asked.account, asked.region) or attached:
            found.append(
                {
                    "TransitGatewayId": gateway.transit_gateway_id,
                    "OwnerId": gateway.owner_id,
                    "State": "available",
                }
            )
    return {
        "TransitGateways": by_ids(
            asked, found, "TransitGatewayIds", "TransitGatewayId", "InvalidTransitGatewayID.NotFound"
        )
    }


def _owned(asked: Asked, gateway_id: str) -> bool:
    return asked.organization.gateway_owner(gateway_id) == (asked.account, asked.region)


def describe_transit_gateway_attachments(asked: Asked) -> Item:
    """DescribeTransitGatewayAttachments: all of one's own gateways, and those of one's own VPCs."""
    found = []
    for attachment in asked.topology.transit_gateway_attachments:
        owned = _owned(asked, attachment.transit_gateway_id)
        if owned or (attachment.vpc_id is not None and asked.here(attachment.vpc_id)):
            found.append(_attachment(asked, attachment, owned=owned))
    by = {
        "resource-id": lambda item: [item["ResourceId"]],
        "transit-gateway-id": lambda item: [item["TransitGatewayId"]],
    }
    return {"TransitGatewayAttachments": filtered(asked, found, by)}


def _attachment(asked: Asked, attachment: TransitGatewayAttachment, *, owned: bool) -> Item:
    if attachment.vpc_id is not None:
        kind, resource, owner = "vpc", attachment.vpc_id, asked.organization.place(attachment.vpc_id)[0]
    else:
        far = _peer(asked, attachment).transit_gateway_id
        kind, resource, owner = "peering", far, asked.organization.gateway_owner(far)[0]
    item: Item = {
        "TransitGatewayAttachmentId": attachment.transit_gateway_attachment_id,
        "TransitGatewayId": attachment.transit_gateway_id,
        "TransitGatewayOwnerId": asked.organization.gateway_owner(attachment.transit_gateway_id)[0],
        "ResourceType": kind,
        "ResourceId": resource,
        "ResourceOwnerId": owner,
        "State": attachment.state.value,
    }
    if owned and attachment.association is not None:
        item["Association"] = {"TransitGatewayRouteTableId": attachment.association, "State": "associated"}
    return item


def describe_transit_gateway_vpc_attachments(asked: Asked) -> Item:
    """DescribeTransitGatewayVpcAttachments: those of one's own VPCs, and of all VPCs at one's own gateways."""
    found = []
    for attachment in asked.topology.transit_gateway_attachments:
        vpc_id = attachment.vpc_id
        if vpc_id is None or not (_owned(asked, attachment.transit_gateway_id) or asked.here(vpc_id)):
            continue
        item: Item = {
            "TransitGatewayAttachmentId": attachment.transit_gateway_attachment_id,
            "TransitGatewayId": attachment.transit_gateway_id,
            "VpcId": vpc_id,
            "VpcOwnerId": asked.organization.place(vpc_id)[0],
            "State": attachment.state.value,
        }
        if attachment.subnet_ids is not None:
            item["SubnetIds"] = list(attachment.subnet_ids)
        found.append(item)
    return {"TransitGatewayVpcAttachments": filtered(asked, found, {"vpc-id": lambda item: [item["VpcId"]]})}


def _peer(asked: Asked, attachment: TransitGatewayAttachment) -> TransitGatewayAttachment:
    return next(
        a
        for a in asked.topology.transit_gateway_attachments
        if a.transit_gateway_attachment_id == attachment.peer_attachment_id
    )


def describe_transit_gateway_peering_attachments(asked: Asked) -> Item:
    """DescribeTransitGatewayPeeringAttachments of one's own gateways of the Region."""
    found = []
    for attachment in asked.topology.transit_gateway_attachments:
        if attachment.peer_attachment_id is None or not _owned(asked, attachment.transit_gateway_id):
            continue
        both = sorted((attachment, _peer(asked, attachment)), key=lambda a: a.transit_gateway_attachment_id)
        requester, accepter = (_side(asked, one) for one in both)
        found.append(
            {
                "TransitGatewayAttachmentId": attachment.transit_gateway_attachment_id,
                "AccepterTransitGatewayAttachmentId": both[1].transit_gateway_attachment_id,
                "RequesterTgwInfo": requester,
                "AccepterTgwInfo": accepter,
                "State": attachment.state.value,
            }
        )
    return {
        "TransitGatewayPeeringAttachments": filtered(
            asked,
            found,
            {
                "transit-gateway-id": lambda item: [
                    item["RequesterTgwInfo"]["TransitGatewayId"],
                    item["AccepterTgwInfo"]["TransitGatewayId"],
                ]
            },
        )
    }


def _side(asked: Asked, attachment: TransitGatewayAttachment) -> Item:
    owner, region = asked.organization.gateway_owner(attachment.transit_gateway_id)
    return {"TransitGatewayId": attachment.transit_gateway_id, "OwnerId": owner, "Region": region}


def describe_transit_gateway_route_tables(asked: Asked) -> Item:
    """DescribeTransitGatewayRouteTables of one's own gateways."""
    found = [
        {
            "TransitGatewayRouteTableId": table.transit_gateway_route_table_id,
            "TransitGatewayId": table.transit_gateway_id,
            "State": "available",
        }
        for table in asked.topology.transit_gateway_route_tables
        if _owned(asked, table.transit_gateway_id)
    ]
    by = {"transit-gateway-id": lambda item: [item["TransitGatewayId"]]}
    return {"TransitGatewayRouteTables": filtered(asked, found, by)}


def get_transit_gateway_attachment_propagations(asked: Asked) -> Item:
    """GetTransitGatewayAttachmentPropagations."""
    wanted = asked.params["TransitGatewayAttachmentId"]
    return {
        "TransitGatewayAttachmentPropagations": [
            {"TransitGatewayRouteTableId": table, "State": "enabled"}
            for a in asked.topology.transit_gateway_attachments
            if a.transit_gateway_attachment_id == wanted and _owned(asked, a.transit_gateway_id)
            for table in a.propagations
        ]
    }


def search_transit_gateway_routes(asked: Asked) -> Item:
    """SearchTransitGatewayRoutes: static and propagated."""
    wanted = asked.params["TransitGatewayRouteTableId"]
    found = [
        route
        for table in asked.topology.transit_gateway_route_tables
        if table.transit_gateway_route_table_id == wanted and _owned(asked, table.transit_gateway_id)
        for route in (*_static(asked, table), *_propagated(asked, table))
    ]
    by = {"type": lambda item: [item["Type"]], "state": lambda item: [item["State"]]}
    return {"Routes": filtered(asked, found, by), "AdditionalRoutesAvailable": False}


def _static(asked: Asked, table: TransitGatewayRouteTable) -> Iterator[Item]:
    attachments = {a.transit_gateway_attachment_id: a for a in asked.topology.transit_gateway_attachments}
    for route in table.routes:
        item: Item = {"DestinationCidrBlock": str(route.destination_cidr_block), "Type": "static", "State": "blackhole"}
        if route.transit_gateway_attachment_id is not None:
            to = attachments[route.transit_gateway_attachment_id]
            whole = _attachment(asked, to, owned=True)
            item["State"] = "active" if to.state is TransitGatewayAttachmentState.AVAILABLE else "blackhole"
            item["TransitGatewayAttachments"] = [
                {key: whole[key] for key in ("TransitGatewayAttachmentId", "ResourceId", "ResourceType")}
            ]
        yield item


def _propagated(asked: Asked, table: TransitGatewayRouteTable) -> Iterator[Item]:
    for attachment in asked.topology.transit_gateway_attachments:
        if table.transit_gateway_route_table_id not in attachment.propagations or attachment.vpc_id is None:
            continue
        whole = _attachment(asked, attachment, owned=True)
        for block in asked.topology.vpc(attachment.vpc_id).blocks:
            yield {
                "DestinationCidrBlock": str(block),
                "Type": "propagated",
                "State": "active",
                "TransitGatewayAttachments": [
                    {key: whole[key] for key in ("TransitGatewayAttachmentId", "ResourceId", "ResourceType")}
                ],
            }
