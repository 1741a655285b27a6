"""Every call that discovery makes, declared: its permission, and what is unknown without it.

The least IAM policy is generated from this list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from brokerproof.aws.facts import Part

_PREFIX: Final = {"elbv2": "elasticloadbalancing"}


@dataclass(frozen=True, slots=True)
class Call:
    """One read-only operation of the API.

    ``key`` is the member of the answer that lists what is asked for; empty where the answer is one thing.
    """

    service: str
    operation: str
    key: str
    tells: tuple[Part, ...]

    @property
    def action(self) -> str:
        """The IAM action."""
        return f"{_PREFIX.get(self.service, self.service)}:{self.operation}"


DESCRIBE_CLUSTER: Final = Call("kafka", "DescribeClusterV2", "", (Part.CLUSTERS,))
LIST_NODES: Final = Call("kafka", "ListNodes", "NodeInfoList", (Part.CLUSTERS,))
GET_BOOTSTRAP_BROKERS: Final = Call("kafka", "GetBootstrapBrokers", "", (Part.CLUSTERS,))
DESCRIBE_CONFIGURATION: Final = Call("kafka", "DescribeConfigurationRevision", "", (Part.ADVERTISED,))
GET_CLUSTER_POLICY: Final = Call("kafka", "GetClusterPolicy", "", (Part.CLUSTER_POLICY,))
LIST_VPC_CONNECTIONS: Final = Call("kafka", "ListVpcConnections", "VpcConnections", (Part.VPC_CONNECTIONS,))
DESCRIBE_VPC_CONNECTION: Final = Call("kafka", "DescribeVpcConnection", "", (Part.VPC_CONNECTIONS,))
INSTANCES: Final = Call("ec2", "DescribeInstances", "Reservations", (Part.HOSTS,))
INTERFACES: Final = Call(
    "ec2",
    "DescribeNetworkInterfaces",
    "NetworkInterfaces",
    (Part.HOSTS, Part.ENDPOINTS, Part.LOAD_BALANCERS, Part.VPC_CONNECTIONS),
)
VPCS: Final = Call("ec2", "DescribeVpcs", "Vpcs", (Part.VPCS,))
VPC_ATTRIBUTE: Final = Call("ec2", "DescribeVpcAttribute", "", (Part.DNS_ATTRIBUTES,))
DHCP_OPTIONS: Final = Call("ec2", "DescribeDhcpOptions", "DhcpOptions", (Part.DHCP_OPTIONS,))
SUBNETS: Final = Call("ec2", "DescribeSubnets", "Subnets", (Part.SUBNETS,))
ROUTE_TABLES: Final = Call("ec2", "DescribeRouteTables", "RouteTables", (Part.ROUTE_TABLES,))
NETWORK_ACLS: Final = Call("ec2", "DescribeNetworkAcls", "NetworkAcls", (Part.NETWORK_ACLS,))
SECURITY_GROUPS: Final = Call("ec2", "DescribeSecurityGroups", "SecurityGroups", (Part.SECURITY_GROUPS,))
SECURITY_GROUP_RULES: Final = Call("ec2", "DescribeSecurityGroupRules", "SecurityGroupRules", (Part.SECURITY_GROUPS,))
PREFIX_LIST: Final = Call("ec2", "GetManagedPrefixListEntries", "Entries", (Part.SECURITY_GROUPS, Part.ROUTE_TABLES))
PEERINGS: Final = Call("ec2", "DescribeVpcPeeringConnections", "VpcPeeringConnections", (Part.PEERINGS,))
GATEWAYS: Final = Call("ec2", "DescribeTransitGateways", "TransitGateways", (Part.GATEWAYS,))
ATTACHMENTS: Final = Call("ec2", "DescribeTransitGatewayAttachments", "TransitGatewayAttachments", (Part.GATEWAYS,))
VPC_ATTACHMENTS: Final = Call(
    "ec2", "DescribeTransitGatewayVpcAttachments", "TransitGatewayVpcAttachments", (Part.GATEWAY_ZONES,)
)
GATEWAY_PEERINGS: Final = Call(
    "ec2", "DescribeTransitGatewayPeeringAttachments", "TransitGatewayPeeringAttachments", (Part.GATEWAYS,)
)
GATEWAY_TABLES: Final = Call(
    "ec2", "DescribeTransitGatewayRouteTables", "TransitGatewayRouteTables", (Part.GATEWAY_ROUTES,)
)
PROPAGATIONS: Final = Call(
    "ec2",
    "GetTransitGatewayAttachmentPropagations",
    "TransitGatewayAttachmentPropagations",
    (Part.GATEWAY_ROUTES,),
)
GATEWAY_ROUTES: Final = Call("ec2", "SearchTransitGatewayRoutes", "Routes", (Part.GATEWAY_ROUTES,))
ENDPOINTS: Final = Call("ec2", "DescribeVpcEndpoints", "VpcEndpoints", (Part.ENDPOINTS, Part.VPC_CONNECTIONS))
SERVICES: Final = Call(
    "ec2", "DescribeVpcEndpointServiceConfigurations", "ServiceConfigurations", (Part.ENDPOINT_SERVICES,)
)
SERVICE_PERMISSIONS: Final = Call(
    "ec2", "DescribeVpcEndpointServicePermissions", "AllowedPrincipals", (Part.PRINCIPALS,)
)
SERVICE_CONNECTIONS: Final = Call(
    "ec2", "DescribeVpcEndpointConnections", "VpcEndpointConnections", (Part.ENDPOINT_SERVICES,)
)
BALANCERS: Final = Call("elbv2", "DescribeLoadBalancers", "LoadBalancers", (Part.LOAD_BALANCERS,))
BALANCER_ATTRIBUTES: Final = Call("elbv2", "DescribeLoadBalancerAttributes", "Attributes", (Part.LOAD_BALANCERS,))
LISTENERS: Final = Call("elbv2", "DescribeListeners", "Listeners", (Part.LISTENERS,))
TARGET_GROUPS: Final = Call("elbv2", "DescribeTargetGroups", "TargetGroups", (Part.TARGET_GROUPS,))
TARGET_GROUP_ATTRIBUTES: Final = Call("elbv2", "DescribeTargetGroupAttributes", "Attributes", (Part.TARGET_GROUPS,))
TARGET_HEALTH: Final = Call("elbv2", "DescribeTargetHealth", "TargetHealthDescriptions", (Part.TARGETS,))
ZONES: Final = Call("route53", "ListHostedZones", "HostedZones", (Part.HOSTED_ZONES,))
ZONES_BY_VPC: Final = Call("route53", "ListHostedZonesByVPC", "HostedZoneSummaries", (Part.VPC_ZONES,))
RECORDS: Final = Call("route53", "ListResourceRecordSets", "ResourceRecordSets", (Part.RECORDS,))
RULE_ASSOCIATIONS: Final = Call(
    "route53resolver", "ListResolverRuleAssociations", "ResolverRuleAssociations", (Part.RESOLVER_RULES,)
)
PROFILES: Final = Call(
    "route53profiles", "ListProfileAssociations", "ProfileAssociations", (Part.VPC_ZONES, Part.RESOLVER_RULES)
)
PROFILE_RESOURCES: Final = Call(
    "route53profiles",
    "ListProfileResourceAssociations",
    "ProfileResourceAssociations",
    (Part.VPC_ZONES, Part.RESOLVER_RULES),
)
CERTIFICATE: Final = Call("acm", "DescribeCertificate", "", (Part.CERTIFICATES,))
AUTHORITY: Final = Call("acm-pca", "DescribeCertificateAuthority", "", (Part.CERTIFICATES,))
RULE: Final = Call("route53resolver", "GetResolverRule", "", (Part.RESOLVER_RULES,))

CALLS: Final[tuple[Call, ...]] = tuple(
    sorted((value for value in list(globals().values()) if isinstance(value, Call)), key=lambda call: call.action)
)
"""All of them, by action."""
