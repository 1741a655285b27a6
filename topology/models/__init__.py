"""The model: AWS resources and what surrounds them, frozen, referring to each other by id.

Field names and states are those AWS's own Describe calls return, in snake_case. Shape and single
values are checked here; what spans resources is checked in :mod:`topology.rules`.
"""

from __future__ import annotations

from topology.models.base import DnsName, Id, Model, Port
from topology.models.client import Client, ClientVantage, VantageKind
from topology.models.cluster import (
    AdvertisedListener,
    Broker,
    BrokerState,
    Cluster,
    ClusterListener,
    KafkaAcl,
    NetworkType,
    ServerCertificate,
)
from topology.models.dns import AliasTarget, HostedZone, ResolverRule, ResourceRecordSet
from topology.models.lab import (
    CROSS_REGION_DELAY_MS,
    IN_REGION_DELAY_MS,
    Answers,
    Direction,
    Disturbance,
    FrozenBroker,
    LabSettings,
    LostPackets,
    NameServer,
    RegionLink,
    ScarceQueries,
    Silence,
    TakenPorts,
    Unserved,
)
from topology.models.load_balancing import (
    EndpointInterface,
    EndpointService,
    EndpointState,
    Listener,
    LoadBalancer,
    LoadBalancerZone,
    TargetDescription,
    TargetGroup,
    VpcEndpoint,
    zonal_dns_name,
)
from topology.models.multi_vpc import VpcAuthentication, VpcConnection, VpcConnectionState
from topology.models.security import (
    ALLOW_ALL,
    IpPermission,
    NetworkAcl,
    NetworkAclEntry,
    PortRange,
    SecurityGroup,
)
from topology.models.transit_gateway import (
    TransitGateway,
    TransitGatewayAttachment,
    TransitGatewayAttachmentState,
    TransitGatewayRoute,
    TransitGatewayRouteTable,
)
from topology.models.vpc import PeeringStatus, Route, RouteTable, Subnet, Vpc, VpcPeeringConnection
from topology.models.whole import TOPOLOGY_VERSION, Topology

__all__ = [
    "ALLOW_ALL",
    "CROSS_REGION_DELAY_MS",
    "IN_REGION_DELAY_MS",
    "TOPOLOGY_VERSION",
    "AdvertisedListener",
    "AliasTarget",
    "Answers",
    "Broker",
    "BrokerState",
    "Client",
    "ClientVantage",
    "Cluster",
    "ClusterListener",
    "Direction",
    "Disturbance",
    "DnsName",
    "EndpointInterface",
    "EndpointService",
    "EndpointState",
    "FrozenBroker",
    "HostedZone",
    "Id",
    "IpPermission",
    "KafkaAcl",
    "LabSettings",
    "Listener",
    "LoadBalancer",
    "LoadBalancerZone",
    "LostPackets",
    "Model",
    "NameServer",
    "NetworkAcl",
    "NetworkAclEntry",
    "NetworkType",
    "PeeringStatus",
    "Port",
    "PortRange",
    "RegionLink",
    "ResolverRule",
    "ResourceRecordSet",
    "Route",
    "RouteTable",
    "ScarceQueries",
    "SecurityGroup",
    "ServerCertificate",
    "Silence",
    "Subnet",
    "TakenPorts",
    "TargetDescription",
    "TargetGroup",
    "Topology",
    "TransitGateway",
    "TransitGatewayAttachment",
    "TransitGatewayAttachmentState",
    "TransitGatewayRoute",
    "TransitGatewayRouteTable",
    "Unserved",
    "VantageKind",
    "Vpc",
    "VpcAuthentication",
    "VpcConnection",
    "VpcConnectionState",
    "VpcEndpoint",
    "VpcPeeringConnection",
    "zonal_dns_name",
]
