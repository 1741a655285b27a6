"""VPCs, subnets, route tables and peering connections."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Network

from pydantic import Field

from brokerproof.topology.models.base import Id, Model, RegionName, UnscopedIPv6Network


class Vpc(Model):
    """A VPC (DescribeVpcs, DescribeVpcAttribute)."""

    vpc_id: Id
    owner_id: Id = "111111111111"
    region_name: RegionName = "us-east-1"
    cidr_blocks: tuple[IPv4Network, ...] = Field(min_length=1)
    ipv6_cidr_blocks: tuple[UnscopedIPv6Network, ...] = ()
    enable_dns_support: bool = True
    enable_dns_hostnames: bool = True
    domain_name_servers: tuple[IPv4Address, ...] = ()
    """DHCP option ``domain-name-servers`` (DescribeDhcpOptions); empty is AmazonProvidedDNS, the VPC's own resolver."""

    @property
    def blocks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Its CIDR blocks of both families."""
        return (*self.cidr_blocks, *self.ipv6_cidr_blocks)


class Subnet(Model):
    """A subnet; zones are compared by zone *id*, since zone names differ per account."""

    subnet_id: Id
    vpc_id: Id
    cidr_block: IPv4Network
    ipv6_cidr_block: UnscopedIPv6Network | None = None
    availability_zone_id: Id


class Route(Model):
    """A route of a VPC route table to a peering connection or a transit gateway; ``local`` is implied."""

    destination_cidr_block: IPv4Network | None = None
    destination_ipv6_cidr_block: UnscopedIPv6Network | None = None
    vpc_peering_connection_id: Id | None = None
    transit_gateway_id: Id | None = None

    @property
    def destination(self) -> IPv4Network | IPv6Network:
        """Where it leads, of either family; :mod:`brokerproof.topology.rules` has proved that one is given."""
        block = self.destination_cidr_block or self.destination_ipv6_cidr_block
        if block is None:
            raise ValueError("a route without a destination")
        return block


class RouteTable(Model):
    """A VPC route table and the subnets associated with it (DescribeRouteTables)."""

    route_table_id: Id
    vpc_id: Id
    subnet_ids: tuple[Id, ...] = ()
    routes: tuple[Route, ...] = ()


class PeeringStatus(StrEnum):
    """Codes of DescribeVpcPeeringConnections; only ``active`` passes traffic (VPC Peering guide, lifecycle)."""

    INITIATING_REQUEST = "initiating-request"
    PENDING_ACCEPTANCE = "pending-acceptance"
    PROVISIONING = "provisioning"
    ACTIVE = "active"
    REJECTED = "rejected"
    FAILED = "failed"
    EXPIRED = "expired"
    DELETING = "deleting"
    DELETED = "deleted"


class VpcPeeringConnection(Model):
    """A peering of two VPCs, of any accounts and Regions. Not transitive."""

    vpc_peering_connection_id: Id
    requester_vpc_id: Id
    accepter_vpc_id: Id
    status: PeeringStatus = PeeringStatus.ACTIVE

    @property
    def sides(self) -> tuple[str, str]:
        """Both VPCs, the requester first."""
        return self.requester_vpc_id, self.accepter_vpc_id
