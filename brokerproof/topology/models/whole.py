"""The topology: every resource, and finding one by its id."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, Final, Literal, Self, TypeVar

from pydantic import Field

from brokerproof.topology.models.base import UNKNOWN, Id, Model
from brokerproof.topology.models.client import Client
from brokerproof.topology.models.cluster import Cluster
from brokerproof.topology.models.dns import HostedZone, ResolverRule
from brokerproof.topology.models.lab import LabSettings
from brokerproof.topology.models.load_balancing import EndpointService, LoadBalancer, TargetGroup, VpcEndpoint
from brokerproof.topology.models.multi_vpc import VpcConnection
from brokerproof.topology.models.security import NetworkAcl, SecurityGroup
from brokerproof.topology.models.transit_gateway import (
    TransitGateway,
    TransitGatewayAttachment,
    TransitGatewayRouteTable,
)
from brokerproof.topology.models.vpc import RouteTable, Subnet, Vpc, VpcPeeringConnection

TOPOLOGY_VERSION: Final = 1

_Key = TypeVar("_Key")
_Item = TypeVar("_Item")


def _first(items: Iterable[_Item], key: Callable[[_Item], _Key]) -> dict[_Key, _Item]:
    """The first item of each key, as looking from the start would find it."""
    found: dict[_Key, _Item] = {}
    for item in items:
        found.setdefault(key(item), item)
    return found


def _host(client: Client) -> tuple[str, object]:
    """What makes two clients the same host; of what is not known, none is."""
    known = client.vpc_id != UNKNOWN and client.private_ip_address is not None
    return (client.vpc_id, client.private_ip_address) if known else (UNKNOWN, client.name)


_UNKNOWN_VPC: Final = Vpc.model_construct(vpc_id=UNKNOWN, owner_id=UNKNOWN, region_name=UNKNOWN, cidr_blocks=())
"""Stands for a VPC that a file does not know: it has no block, and nothing is joined to it."""


class _Index:
    """Resources by id. A view of one client asks for hundreds, and a topology may have thousands of clients."""

    def __init__(self, topology: Topology) -> None:
        self.vpcs = _first(topology.vpcs, lambda vpc: vpc.vpc_id)
        self.subnets = _first(topology.subnets, lambda subnet: subnet.subnet_id)
        self.target_groups = _first(topology.target_groups, lambda group: group.target_group_name)
        self.load_balancers = _first(topology.load_balancers, lambda balancer: balancer.load_balancer_name)
        self.services = _first(topology.endpoint_services, lambda service: service.service_name)
        self.clients = _first(topology.clients, lambda client: client.name)
        self.hosts = _first(topology.clients, _host)
        self.endpoints: dict[str, list[VpcEndpoint]] = {}
        for endpoint in topology.vpc_endpoints:
            self.endpoints.setdefault(endpoint.vpc_id, []).append(endpoint)
        self.zones: dict[str, list[HostedZone]] = {}
        for zone in topology.hosted_zones:
            for vpc_id in zone.vpc_ids:
                self.zones.setdefault(vpc_id, []).append(zone)


class Topology(Model):
    """Everything between the clients and the cluster."""

    version: Literal[1] = TOPOLOGY_VERSION
    name: Id
    vpcs: tuple[Vpc, ...] = ()
    subnets: tuple[Subnet, ...] = ()
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

    @cached_property
    def _index(self) -> _Index:
        return _Index(self)

    def __copy__(self) -> Self:
        """Without the index: what is copied is about to be changed."""
        copied = super().__copy__()
        copied.__dict__.pop("_index", None)
        return copied

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Likewise."""
        copied = super().__deepcopy__(memo)
        copied.__dict__.pop("_index", None)
        return copied

    def vpc(self, vpc_id: str) -> Vpc:
        """The VPC of that id; :mod:`brokerproof.topology.rules` has proved that it exists, or is unknown."""
        return _UNKNOWN_VPC if vpc_id == UNKNOWN else self._index.vpcs[vpc_id]

    def subnet(self, subnet_id: str) -> Subnet:
        """The subnet of that id."""
        return self._index.subnets[subnet_id]

    def peering(self, connection_id: str) -> VpcPeeringConnection:
        """The peering connection of that id."""
        return next(p for p in self.vpc_peering_connections if p.vpc_peering_connection_id == connection_id)

    def network_acl(self, subnet_id: str) -> NetworkAcl | None:
        """The network ACL of a subnet; None is AWS's default one, which allows everything."""
        return next((a for a in self.network_acls if subnet_id in a.subnet_ids), None)

    def zone_of(self, subnet_id: str) -> str:
        """The availability zone id of a subnet; empty where that, or the subnet, is unknown."""
        known = self._index.subnets.get(subnet_id)
        return "" if known is None else known.availability_zone_id

    def attached_zones(self, attachment: TransitGatewayAttachment) -> frozenset[str] | None:
        """The zone ids from which a VPC's attachment takes what the VPC sends; None where one is not known."""
        zones = None if attachment.subnet_ids is None else frozenset(map(self.zone_of, attachment.subnet_ids))
        return None if zones is None or "" in zones else zones

    def target_group(self, name: str) -> TargetGroup:
        """The target group of that name."""
        return self._index.target_groups[name]

    def load_balancer(self, name: str) -> LoadBalancer:
        """The load balancer of that name."""
        return self._index.load_balancers[name]

    def service(self, service_name: str) -> EndpointService:
        """The endpoint service of that name."""
        return self._index.services[service_name]

    def cluster(self, cluster_name: str) -> Cluster:
        """The cluster of that name."""
        return next(c for c in self.clusters if c.cluster_name == cluster_name)

    def host_of(self, client: Client) -> Client:
        """The first client entry of the same host: a host may be listed once a pattern."""
        return self._index.hosts[_host(client)]

    def endpoints_in(self, vpc_id: str) -> tuple[VpcEndpoint, ...]:
        """The interface endpoints of a VPC, in the file's order."""
        return tuple(self._index.endpoints.get(vpc_id, ()))

    def zones_in(self, vpc_id: str) -> tuple[HostedZone, ...]:
        """The private zones that a VPC is associated with, in the file's order."""
        return tuple(self._index.zones.get(vpc_id, ()))

    def client(self, name: str) -> Client:
        """The client of that name.

        Raises:
            KeyError: there is none; the message lists those there are.
        """
        if name not in self._index.clients:
            raise KeyError(f"no client {name!r} in topology {self.name!r}; it has: {', '.join(self._index.clients)}")
        return self._index.clients[name]
