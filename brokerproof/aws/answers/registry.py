"""Which operations are answered, and by what: one line an operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from brokerproof.aws.answers import (
    balancing,
    certificates,
    endpoints,
    gateways,
    interfaces,
    msk,
    names,
    prefixes,
    profiles,
    vpc,
)
from brokerproof.aws.answers.organization import Asked, Item

Answer = Callable[[Asked], Item]


def _identity(asked: Asked) -> Item:
    return {
        "UserId": "AIDAEXAMPLE",
        "Account": asked.account,
        "Arn": f"arn:aws:sts::{asked.account}:assumed-role/brokerproof/session",
    }


ANSWERS: Final[Mapping[tuple[str, str], Answer]] = {
    ("ec2", "DescribeVpcs"): vpc.describe_vpcs,
    ("ec2", "DescribeVpcAttribute"): vpc.describe_vpc_attribute,
    ("ec2", "DescribeDhcpOptions"): vpc.describe_dhcp_options,
    ("ec2", "DescribeSubnets"): vpc.describe_subnets,
    ("ec2", "DescribeRouteTables"): vpc.describe_route_tables,
    ("ec2", "DescribeVpcPeeringConnections"): vpc.describe_vpc_peering_connections,
    ("ec2", "DescribeNetworkAcls"): vpc.describe_network_acls,
    ("ec2", "DescribeSecurityGroups"): vpc.describe_security_groups,
    ("ec2", "DescribeSecurityGroupRules"): vpc.describe_security_group_rules,
    ("ec2", "GetManagedPrefixListEntries"): prefixes.get_managed_prefix_list_entries,
    ("ec2", "DescribeTransitGateways"): gateways.describe_transit_gateways,
    ("ec2", "DescribeTransitGatewayAttachments"): gateways.describe_transit_gateway_attachments,
    ("ec2", "DescribeTransitGatewayVpcAttachments"): gateways.describe_transit_gateway_vpc_attachments,
    ("ec2", "DescribeTransitGatewayPeeringAttachments"): gateways.describe_transit_gateway_peering_attachments,
    ("ec2", "DescribeTransitGatewayRouteTables"): gateways.describe_transit_gateway_route_tables,
    ("ec2", "GetTransitGatewayAttachmentPropagations"): gateways.get_transit_gateway_attachment_propagations,
    ("ec2", "SearchTransitGatewayRoutes"): gateways.search_transit_gateway_routes,
    ("ec2", "DescribeInstances"): interfaces.describe_instances,
    ("ec2", "DescribeNetworkInterfaces"): interfaces.describe_network_interfaces,
    ("ec2", "DescribeVpcEndpoints"): endpoints.describe_vpc_endpoints,
    ("ec2", "DescribeVpcEndpointServiceConfigurations"): endpoints.describe_vpc_endpoint_service_configurations,
    ("ec2", "DescribeVpcEndpointServicePermissions"): endpoints.describe_vpc_endpoint_service_permissions,
    ("ec2", "DescribeVpcEndpointConnections"): endpoints.describe_vpc_endpoint_connections,
    ("elbv2", "DescribeLoadBalancers"): balancing.describe_load_balancers,
    ("elbv2", "DescribeLoadBalancerAttributes"): balancing.describe_load_balancer_attributes,
    ("elbv2", "DescribeListeners"): balancing.describe_listeners,
    ("elbv2", "DescribeTargetGroups"): balancing.describe_target_groups,
    ("elbv2", "DescribeTargetGroupAttributes"): balancing.describe_target_group_attributes,
    ("elbv2", "DescribeTargetHealth"): balancing.describe_target_health,
    ("route53", "ListHostedZones"): names.list_hosted_zones,
    ("route53", "ListHostedZonesByVPC"): names.list_hosted_zones_by_vpc,
    ("route53", "ListResourceRecordSets"): names.list_resource_record_sets,
    ("route53profiles", "ListProfileAssociations"): profiles.list_profile_associations,
    ("route53profiles", "ListProfileResourceAssociations"): profiles.list_profile_resource_associations,
    ("route53resolver", "ListResolverRuleAssociations"): names.list_resolver_rule_associations,
    ("route53resolver", "GetResolverRule"): names.get_resolver_rule,
    ("kafka", "DescribeClusterV2"): msk.describe_cluster_v2,
    ("kafka", "ListNodes"): msk.list_nodes,
    ("kafka", "GetBootstrapBrokers"): msk.get_bootstrap_brokers,
    ("kafka", "DescribeConfigurationRevision"): msk.describe_configuration_revision,
    ("kafka", "GetClusterPolicy"): msk.get_cluster_policy,
    ("kafka", "ListVpcConnections"): msk.list_vpc_connections,
    ("kafka", "DescribeVpcConnection"): msk.describe_vpc_connection,
    ("kafka", "ListClientVpcConnections"): msk.list_client_vpc_connections,
    ("acm", "DescribeCertificate"): certificates.describe_certificate,
    ("acm-pca", "DescribeCertificateAuthority"): certificates.describe_certificate_authority,
    ("sts", "GetCallerIdentity"): _identity,
}
"""By service and operation."""
