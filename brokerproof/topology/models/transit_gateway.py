"""Transit gateways: attachments, route tables and their routes."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Network

from brokerproof.topology.models.base import Id, Model, RegionName, UnscopedIPv6Network


class TransitGateway(Model):
    """A transit gateway of one Region."""

    transit_gateway_id: Id
    owner_id: Id = "111111111111"
    region_name: RegionName = "us-east-1"


class TransitGatewayAttachmentState(StrEnum):
    """States of DescribeTransitGatewayAttachments; only ``available`` passes traffic."""

    INITIATING = "initiating"
    INITIATING_REQUEST = "initiatingRequest"
    PENDING_ACCEPTANCE = "pendingAcceptance"
    ROLLING_BACK = "rollingBack"
    PENDING = "pending"
    AVAILABLE = "available"
    MODIFYING = "modifying"
    DELETING = "deleting"
    DELETED = "deleted"
    FAILED = "failed"
    REJECTED = "rejected"
    REJECTING = "rejecting"
    FAILING = "failing"


class TransitGatewayAttachment(Model):
    """A VPC, or another gateway (peering), attached to a gateway.

    ``subnet_ids``: the subnets in which the gateway has an interface, one a zone at most. What a VPC sends from a zone
    without one is dropped (Transit Gateways guide, VPC attachments). None: not known which.
    ``association``: the one table that traffic coming in by this attachment is looked up in.
    ``propagations``: the tables that learn the VPC's CIDRs; a gateway peering propagates nothing.
    """

    transit_gateway_attachment_id: Id
    transit_gateway_id: Id
    vpc_id: Id | None = None
    peer_attachment_id: Id | None = None
    """For a gateway peering: the attachment of the other gateway; each names the other."""
    subnet_ids: tuple[Id, ...] | None = None
    association: Id | None = None
    propagations: tuple[Id, ...] = ()
    state: TransitGatewayAttachmentState = TransitGatewayAttachmentState.AVAILABLE


class TransitGatewayRoute(Model):
    """A static route: to an attachment, or a blackhole."""

    destination_cidr_block: IPv4Network | UnscopedIPv6Network
    transit_gateway_attachment_id: Id | None = None


class TransitGatewayRouteTable(Model):
    """A gateway's route table and its static routes; what propagates to it is said by the attachments."""

    transit_gateway_route_table_id: Id
    transit_gateway_id: Id
    routes: tuple[TransitGatewayRoute, ...] = ()
