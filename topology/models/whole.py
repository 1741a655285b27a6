"""The topology: every resource, and finding one by its id."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from topology.models.base import Id, Model
from topology.models.client import Client
from topology.models.cluster import Cluster
from topology.models.dns import HostedZone, ResolverRule
from topology.models.lab import LabSettings
from topology.models.load_balancing import EndpointService, LoadBalancer, TargetGroup, VpcEndpoint
from topology.models.multi_vpc import VpcConnection
from topology.models.security import NetworkAcl, SecurityGroup
from topology.models.transit_gateway import TransitGateway, TransitGatewayAttachment, TransitGatewayRouteTable
from topology.models.vpc import RouteTable, Subnet, Vpc, VpcPeeringConnection

TOPOLOGY_VERSION: Final = 1


class Topology(Model):
    """Everything between the clients and the cluster."""

    version: Literal[1] = TOPOLOGY_VERSION
    name: Id
    vpcs: tuple[Vpc, ...] = Field(min_length=1)
    subnets: tuple[Subnet, ...] = Field(min_length=1)
    route_tables: tuple[RouteTable, ...] = ()
    vpc_peering_connections: tuple[VpcPeeringConnection, ...] = ()
    transit_gateways: tuple[TransitGateway, ...] = ()
    transit_gateway_attachments: tuple[TransitGatewayAttachment, ...] = ()
    transit_gateway_route_tables: tuple[TransitGatewayRouteTable, ...] = ()
    network_acls: tuple[NetworkAcl, ...] = ()
    security_groups: tuple[SecurityGroup, ...] = ()
    target_groups: tuple[TargetGroup, ...] = ()
    load_balancers: tuple[LoadBalancer, ...] = ()
    endpoint_services: tuple[EndpointService, ...] = ()
    vpc_endpoints: tuple[VpcEndpoint, ...] = ()
    hosted_zones: tuple[HostedZone, ...] = ()
    resolver_rules: tuple[ResolverRule, ...] = ()
    clusters: tuple[Cluster, ...] = Field(min_length=1)
    vpc_connections: tuple[VpcConnection, ...] = ()
    clients: tuple[Client, ...] = Field(min_length=1)
    lab: LabSettings = LabSettings()

    def vpc(self, vpc_id: str) -> Vpc:
        """The VPC of that id; :mod:`topology.rules` has proved that it exists."""
        return next(v for v in self.vpcs if v.vpc_id == vpc_id)

    def subnet(self, subnet_id: str) -> Subnet:
        """The subnet of that id."""
        return next(s for s in self.subnets if s.subnet_id == subnet_id)

    def peering(self, connection_id: str) -> VpcPeeringConnection:
        """The peering connection of that id."""
        return next(p for p in self.vpc_peering_connections if p.vpc_peering_connection_id == connection_id)

    def network_acl(self, subnet_id: str) -> NetworkAcl | None:
        """The network ACL of a subnet; None is AWS's default one, which allows everything."""
        return next((a for a in self.network_acls if subnet_id in a.subnet_ids), None)

    def zone_of(self, subnet_id: str) -> str:
        """The availability zone id of a subnet."""
        return self.subnet(subnet_id).availability_zone_id

    def target_group(self, name: str) -> TargetGroup:
        """The target group of that name."""
        return next(g for g in self.target_groups if g.target_group_name == name)

    def load_balancer(self, name: str) -> LoadBalancer:
        """The load balancer of that name."""
        return next(b for b in self.load_balancers if b.load_balancer_name == name)

    def service(self, service_name: str) -> EndpointService:
        """The endpoint service of that name."""
        return next(s for s in self.endpoint_services if s.service_name == service_name)

    def cluster(self, cluster_name: str) -> Cluster:
        """The cluster of that name."""
        return next(c for c in self.clusters if c.cluster_name == cluster_name)

    def host_of(self, client: Client) -> Client:
        """The first client entry of the same host: a host may be listed once a pattern."""
        host = (client.vpc_id, client.private_ip_address)
        return next(c for c in self.clients if (c.vpc_id, c.private_ip_address) == host)

    def client(self, name: str) -> Client:
        """The client of that name.

        Raises:
            KeyError: there is none; the message lists those there are.
        """
        for client in self.clients:
            if client.name == name:
                return client
        raise KeyError(
            f"no client {name!r} in topology {self.name!r}; it has: {', '.join(c.name for c in self.clients)}"
        )
