"""Every call that discovery makes, declared: its permission, and what is unknown without it.

The least IAM policy is generated from this list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from brokerproof.aws.facts import Kind

_PREFIX: Final = {"elbv2": "elasticloadbalancing"}


@dataclass(frozen=True, slots=True)
class Call:
    """One read-only operation of the API.

    ``key`` is the member of the answer that lists what is asked for; empty where the answer is one thing.
    """

    service: str
    operation: str
    key: str
    tells: tuple[Kind, ...]

    @property
    def action(self) -> str:
        """The IAM action."""
        return f"{_PREFIX.get(self.service, self.service)}:{self.operation}"


DESCRIBE_CLUSTER: Final = Call("kafka", "DescribeClusterV2", "", (Kind.CLUSTERS,))
LIST_NODES: Final = Call("kafka", "ListNodes", "NodeInfoList", (Kind.CLUSTERS,))
GET_BOOTSTRAP_BROKERS: Final = Call("kafka", "GetBootstrapBrokers", "", (Kind.CLUSTERS,))
DESCRIBE_CONFIGURATION: Final = Call("kafka", "DescribeConfigurationRevision", "", (Kind.ADVERTISED,))
GET_CLUSTER_POLICY: Final = Call("kafka", "GetClusterPolicy", "", (Kind.CLUSTER_POLICY,))
LIST_VPC_CONNECTIONS: Final = Call("kafka", "ListVpcConnections", "VpcConnections", (Kind.VPC_CONNECTIONS,))
DESCRIBE_VPC_CONNECTION: Final = Call("kafka", "DescribeVpcConnection", "", (Kind.VPC_CONNECTIONS,))
INSTANCES: Final = Call("ec2", "DescribeInstances", "Reservations", (Kind.HOSTS,))
INTERFACES: Final = Call(
    "ec2",
    "DescribeNetworkInterfaces",
    "NetworkInterfaces",
    (Kind.HOSTS, Kind.ENDPOINTS, Kind.LOAD_BALANCERS, Kind.VPC_CONNECTIONS),
)
VPCS: Final = Call("ec2", "DescribeVpcs", "Vpcs", (Kind.VPCS,))
VPC_ATTRIBUTE: Final = Call("ec2", "DescribeVpcAttribute", "", (Kind.DNS_ATTRIBUTES,))
DHCP_OPTIONS: Final = Call("ec2", "DescribeDhcpOptions", "DhcpOptions", (Kind.DHCP_OPTIONS,))
SUBNETS: Final = Call("ec2", "DescribeSubnets", "Subnets", (Kind.SUBNETS,))
ROUTE_TABLES: Final = Call("ec2", "DescribeRouteTables", "RouteTables", (Kind.ROUTE_TABLES,))
NETWORK_ACLS: Final = Call("ec2", "DescribeNetworkAcls", "NetworkAcls", (Kind.NETWORK_ACLS,))
SECURITY_GROUPS: Final = Call("ec2", "DescribeSecurityGroups", "SecurityGroups", (Kind.SECURITY_GROUPS,))
SECURITY_GROUP_RULES: Final = Call("ec2", "DescribeSecurityGroupRules", "SecurityGroupRules", (Kind.SECURITY_GROUPS,))
PEERINGS: Final = Call("ec2", "DescribeVpcPeeringConnections", "VpcPeeringConnections", (Kind.PEERINGS,))
GATEWAYS: Final = Call("ec2", "DescribeTransitGateways", "TransitGateways", (Kind.GATEWAYS,))
ATTACHMENTS: Final = Call("ec2", "DescribeTransitGatewayAttachments", "TransitGatewayAttachments", (Kind.GATEWAYS,))
GATEWAY_PEERINGS: Final = Call(
    "ec2", "DescribeTransitGatewayPeeringAttachments", "TransitGatewayPeeringAttachments", (Kind.GATEWAYS,)
)
GATEWAY_TABLES: Final = Call(
    "ec2", "DescribeTransitGatewayRouteTables", "TransitGatewayRouteTables", (Kind.GATEWAY_ROUTES,)
)
PROPAGATIONS: Final = Call(
    "ec2",
    "GetTransitGatewayAttachmentPropagations",
    "TransitGatewayAttachmentPropagations",
    (Kind.GATEWAY_ROUTES,),
)
GATEWAY_ROUTES: Final = Call("ec2", "SearchTransitGatewayRoutes", "Routes", (Kind.GATEWAY_ROUTES,))
ENDPOINTS: Final = Call("ec2", "DescribeVpcEndpoints", "VpcEndpoints", (Kind.ENDPOINTS, Kind.VPC_CONNECTIONS))
SERVICES: Final = Call(
    "ec2", "DescribeVpcEndpointServiceConfigurations", "ServiceConfigurations", (Kind.ENDPOINT_SERVICES,)
)
SERVICE_PERMISSIONS: Final = Call(
    "ec2", "DescribeVpcEndpointServicePermissions", "AllowedPrincipals", (Kind.PRINCIPALS,)
)
SERVICE_CONNECTIONS: Final = Call(
    "ec2", "DescribeVpcEndpointConnections", "VpcEndpointConnections", (Kind.ENDPOINT_SERVICES,)
)
BALANCERS: Final = Call("elbv2", "DescribeLoadBalancers", "LoadBalancers", (Kind.LOAD_BALANCERS,))
BALANCER_ATTRIBUTES: Final = Call("elbv2", "DescribeLoadBalancerAttributes", "Attributes", (Kind.LOAD_BALANCERS,))
LISTENERS: Final = Call("elbv2", "DescribeListeners", "Listeners", (Kind.LISTENERS,))
TARGET_GROUPS: Final = Call("elbv2", "DescribeTargetGroups", "TargetGroups", (Kind.TARGET_GROUPS,))
TARGET_GROUP_ATTRIBUTES: Final = Call("elbv2", "DescribeTargetGroupAttributes", "Attributes", (Kind.TARGET_GROUPS,))
TARGET_HEALTH: Final = Call("elbv2", "DescribeTargetHealth", "TargetHealthDescriptions", (Kind.TARGETS,))
ZONES: Final = Call("route53", "ListHostedZones", "HostedZones", (Kind.HOSTED_ZONES,))
ZONES_BY_VPC: Final = Call("route53", "ListHostedZonesByVPC", "HostedZoneSummaries", (Kind.HOSTED_ZONES,))
RECORDS: Final = Call("route53", "ListResourceRecordSets", "ResourceRecordSets", (Kind.RECORDS,))
RULE_ASSOCIATIONS: Final = Call(
    "route53resolver", "ListResolverRuleAssociations", "ResolverRuleAssociations", (Kind.RESOLVER_RULES,)
)
RULE: Final = Call("route53resolver", "GetResolverRule", "", (Kind.RESOLVER_RULES,))

CALLS: Final[tuple[Call, ...]] = tuple(
    sorted((value for value in list(globals().values()) if isinstance(value, Call)), key=lambda call: call.action)
)
"""All of them, by action."""

EXTRA_ACTIONS: Final = {"route53:ListHostedZonesByVPC": ("ec2:DescribeVpcs",)}
"""Permissions that an action needs beside its own (Route 53 developer guide, API permissions reference)."""
