"""The model: AWS resources and what surrounds them, frozen, referring to each other by id.

Field names and states are those AWS's own Describe calls return, in snake_case. Shape and single
values are checked here; what spans resources is checked in :mod:`brokerproof.topology.rules`.
"""

from __future__ import annotations

from brokerproof.topology.models.base import DnsName, Id, Model, Port
from brokerproof.topology.models.client import Client, ClientVantage, VantageKind
from brokerproof.topology.models.cluster import (
    AdvertisedListener,
    Broker,
    BrokerState,
    Cluster,
    ClusterListener,
    KafkaAcl,
    NetworkType,
    ServerCertificate,
)
from brokerproof.topology.models.dns import AliasTarget, HostedZone, ResolverRule, ResourceRecordSet
from brokerproof.topology.models.lab import (
    CROSS_REGION_DELAY_MS,
    IN_REGION_DELAY_MS,
    Answers,
    CutOffBroker,
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
from brokerproof.topology.models.load_balancing import (
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
from brokerproof.topology.models.multi_vpc import VpcAuthentication, VpcConnection, VpcConnectionState
from brokerproof.topology.models.security import (
    ALLOW_ALL,
    IpPermission,
    NetworkAcl,
    NetworkAclEntry,
    PortRange,
    SecurityGroup,
)
from brokerproof.topology.models.transit_gateway import (
    TransitGateway,
    TransitGatewayAttachment,
    TransitGatewayAttachmentState,
    TransitGatewayRoute,
    TransitGatewayRouteTable,
)
from brokerproof.topology.models.vpc import PeeringStatus, Route, RouteTable, Subnet, Vpc, VpcPeeringConnection
from brokerproof.topology.models.whole import TOPOLOGY_VERSION, Topology

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
    "CutOffBroker",
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
