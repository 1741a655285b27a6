"""The model: AWS resources and what surrounds them, frozen, referring to each other by id.

Field names and states are those AWS's own Describe calls return, in snake_case. Shape and single
values are checked here; what spans resources is checked in :mod:`topology.rules`.
"""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

TOPOLOGY_VERSION: Final = 1

Id = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@-]*$")]
DnsName = Annotated[
    str,
    StringConstraints(
        min_length=1,
        max_length=253,
        pattern=r"^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*$",
    ),
]
Port = Annotated[int, Field(ge=1, le=65535)]


class Model(BaseModel):
    """Frozen; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Vpc(Model):
    """A VPC (DescribeVpcs, DescribeVpcAttribute)."""

    vpc_id: Id
    owner_id: Id = "111111111111"
    region_name: str = "us-east-1"
    cidr_blocks: tuple[IPv4Network, ...] = Field(min_length=1)
    enable_dns_support: bool = True
    enable_dns_hostnames: bool = True


class Subnet(Model):
    """A subnet; zones are compared by zone *id*, since zone names differ per account."""

    subnet_id: Id
    vpc_id: Id
    cidr_block: IPv4Network
    availability_zone_id: Id


class Route(Model):
    """A route of a VPC route table to a peering connection or a transit gateway; ``local`` is implied."""

    destination_cidr_block: IPv4Network
    vpc_peering_connection_id: Id | None = None
    transit_gateway_id: Id | None = None


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


class TransitGateway(Model):
    """A transit gateway of one Region."""

    transit_gateway_id: Id
    owner_id: Id = "111111111111"
    region_name: str = "us-east-1"


class TransitGatewayAttachment(Model):
    """A VPC, or another gateway (peering), attached to a gateway.

    ``association``: the one table that traffic coming in by this attachment is looked up in.
    ``propagations``: the tables that learn the VPC's CIDRs; a gateway peering propagates nothing.
    """

    transit_gateway_attachment_id: Id
    transit_gateway_id: Id
    vpc_id: Id | None = None
    peer_attachment_id: Id | None = None
    """For a gateway peering: the attachment of the other gateway; each names the other."""
    association: Id | None = None
    propagations: tuple[Id, ...] = ()


class TransitGatewayRoute(Model):
    """A static route: to an attachment, or a blackhole."""

    destination_cidr_block: IPv4Network
    transit_gateway_attachment_id: Id | None = None


class TransitGatewayRouteTable(Model):
    """A gateway's route table and its static routes; what propagates to it is said by the attachments."""

    transit_gateway_route_table_id: Id
    transit_gateway_id: Id
    routes: tuple[TransitGatewayRoute, ...] = ()


class IpPermission(Model):
    """One security group rule: a protocol, a port range, and one kind of peer."""

    ip_protocol: Literal["tcp", "udp", "icmp", "-1"] = "tcp"
    from_port: int = Field(default=0, ge=0, le=65535)
    to_port: int = Field(default=65535, ge=0, le=65535)
    cidr_ipv4: IPv4Network | None = None
    referenced_group_id: Id | None = None
    description: str = ""


ALLOW_ALL = (IpPermission(ip_protocol="-1", cidr_ipv4=IPv4Network("0.0.0.0/0")),)


class SecurityGroup(Model):
    """Stateful; what no rule allows is dropped in silence."""

    group_id: Id
    vpc_id: Id
    ingress: tuple[IpPermission, ...] = ()
    egress: tuple[IpPermission, ...] = ALLOW_ALL


class TargetDescription(Model):
    """A registered IP target; ``port`` overrides the group's."""

    id: IPv4Address
    port: Port | None = None


class TargetGroup(Model):
    """An NLB target group of IP targets."""

    target_group_name: Id
    vpc_id: Id
    port: Port
    protocol: Literal["TCP", "TLS"] = "TCP"
    targets: tuple[TargetDescription, ...] = ()


class Listener(Model):
    """A listener with one forward action."""

    port: Port
    target_group_name: Id
    protocol: Literal["TCP", "TLS"] = "TCP"


class LoadBalancerZone(Model):
    """One NLB node: its subnet and private address."""

    subnet_id: Id
    private_ipv4_address: IPv4Address


class LoadBalancer(Model):
    """An internal Network Load Balancer.

    ``cross_zone_enabled`` is attribute ``load_balancing.cross_zone.enabled``, off by default in AWS.
    """

    load_balancer_name: Id
    vpc_id: Id
    dns_name: DnsName
    availability_zones: tuple[LoadBalancerZone, ...] = Field(min_length=1)
    security_groups: tuple[Id, ...] = ()
    cross_zone_enabled: bool = False
    listeners: tuple[Listener, ...] = ()


class EndpointService(Model):
    """A VPC endpoint service (AWS PrivateLink) in front of a load balancer."""

    service_name: Id
    network_load_balancer_name: Id
    acceptance_required: bool = False


class EndpointState(StrEnum):
    """States of DescribeVpcEndpoints; only ``available`` passes traffic."""

    PENDING_ACCEPTANCE = "pendingAcceptance"
    PENDING = "pending"
    AVAILABLE = "available"
    REJECTED = "rejected"
    EXPIRED = "expired"
    FAILED = "failed"
    DELETED = "deleted"


class EndpointInterface(Model):
    """One ENI of an interface endpoint."""

    subnet_id: Id
    private_ip_address: IPv4Address


class VpcEndpoint(Model):
    """An interface endpoint; ``dns_name`` is its regional name, answering every ENI."""

    vpc_endpoint_id: Id
    vpc_id: Id
    service_name: Id
    dns_name: DnsName
    state: EndpointState = EndpointState.AVAILABLE
    network_interfaces: tuple[EndpointInterface, ...] = Field(min_length=1)
    security_groups: tuple[Id, ...] = ()


class AliasTarget(Model):
    """An alias to a load balancer, an endpoint, or one zone of an endpoint."""

    dns_name: DnsName


class ResourceRecordSet(Model):
    """A record of a hosted zone: literal values or an alias, not both."""

    name: DnsName
    type: Literal["A", "AAAA", "CNAME"] = "A"
    ttl: int = Field(default=60, ge=0, le=2147483647)
    resource_records: tuple[str, ...] = ()
    alias_target: AliasTarget | None = None


class HostedZone(Model):
    """A private hosted zone, its VPC associations and its records."""

    hosted_zone_id: Id
    name: DnsName
    vpc_ids: tuple[Id, ...] = ()
    record_sets: tuple[ResourceRecordSet, ...] = ()


class ClusterListener(Model):
    """A client listener of every broker, by Kafka's listener name on MSK."""

    name: Literal["CLIENT", "CLIENT_SECURE"] = "CLIENT_SECURE"
    port: Port = 9094

    @property
    def tls(self) -> bool:
        """Whether the listener speaks TLS."""
        return self.name != "CLIENT"


class AdvertisedListener(Model):
    """What a broker advertises for one listener."""

    listener: str = "CLIENT_SECURE"
    name: DnsName
    port: Port


class BrokerState(StrEnum):
    """Whether the broker process runs."""

    RUNNING = "running"
    STOPPED = "stopped"


class Broker(Model):
    """A broker (ListNodes). ``advertised_listeners`` empty: as MSK creates them, unchanged."""

    broker_id: int = Field(ge=1, le=999)
    endpoint: DnsName
    client_vpc_ip_address: IPv4Address
    client_subnet: Id
    security_groups: tuple[Id, ...] = ()
    advertised_listeners: tuple[AdvertisedListener, ...] = ()
    state: BrokerState = BrokerState.RUNNING


class ServerCertificate(Model):
    """The certificate the lab gives every broker of the cluster; ignored for a real cluster.

    ``dns_names`` empty: one wildcard of the cluster's domain, as on MSK.
    """

    dns_names: tuple[str, ...] = ()
    trusted: bool = True
    valid_from_days: int = -30
    valid_to_days: int = 365


class Cluster(Model):
    """A provisioned MSK cluster. ``domain`` is what follows ``b-N.`` in its broker names."""

    cluster_name: Id
    vpc_id: Id
    domain: DnsName
    kafka_version: str = Field(default="4.1.1", pattern=r"^\d+\.\d+\.\d+$")
    listeners: tuple[ClusterListener, ...] = Field(default=(ClusterListener(),), min_length=1)
    brokers: tuple[Broker, ...] = Field(min_length=1)
    server_certificate: ServerCertificate = ServerCertificate()
    server_properties: dict[str, str] = {}


class VantageKind(StrEnum):
    """How to get into the client VPC."""

    LAB = "lab"
    EXEC = "exec"
    LOCAL = "local"


class ClientVantage(Model):
    """``exec``: ``command`` is a prefix that lands in the client VPC, e.g. ``["ssh", "host", "--"]``."""

    kind: VantageKind = VantageKind.LAB
    command: tuple[str, ...] = ()
    python: str = "python3"
    environment: dict[str, str] = {}


class Client(Model):
    """A host in a client VPC and the pattern it is meant to use.

    ``pattern`` None makes it an observer: it only proves what must not be reachable from there.
    ``witness_port``: a port on which this host listens, so that "the cluster VPC cannot reach the
    client" is proved against something that would answer.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$")]
    vpc_id: Id
    subnet_id: Id
    private_ip_address: IPv4Address
    cluster_name: Id
    pattern: str | None = None
    listener: str = "CLIENT_SECURE"
    security_groups: tuple[Id, ...] = ()
    vantage: ClientVantage = ClientVantage()
    ca_file: str | None = None
    witness_port: Port | None = None
    existing_topic: str | None = None


class Unserved(StrEnum):
    """What an NLB node answers where it has no listener or no target.

    AWS does not document which, so both count as the expected failure; the lab can do either.
    """

    DROP = "drop"
    RESET = "reset"


class LabSettings(Model):
    """Settings only the lab reads."""

    unserved: Unserved = Unserved.DROP


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
    security_groups: tuple[SecurityGroup, ...] = ()
    target_groups: tuple[TargetGroup, ...] = ()
    load_balancers: tuple[LoadBalancer, ...] = ()
    endpoint_services: tuple[EndpointService, ...] = ()
    vpc_endpoints: tuple[VpcEndpoint, ...] = ()
    hosted_zones: tuple[HostedZone, ...] = ()
    clusters: tuple[Cluster, ...] = Field(min_length=1)
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


def zonal_dns_name(endpoint: VpcEndpoint, zone_id: str) -> str:
    """The zonal name of an endpoint: its regional name with ``-<zone>`` after the first label.

    AWS puts the zone *name* there; the model keeps zone ids only, so the id stands for it.
    """
    first, rest = endpoint.dns_name.split(".", 1)
    return f"{first}-{zone_id}.{rest}"
