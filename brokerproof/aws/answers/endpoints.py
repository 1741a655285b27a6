"""EC2 answers about PrivateLink: endpoint services on the provider's side, endpoints on the consumer's."""

from __future__ import annotations

from typing import Final

from brokerproof.aws.answers.organization import Asked, Item, by_ids, filtered
from brokerproof.topology.models import (
    EndpointInterface,
    EndpointService,
    EndpointState,
    VpcConnectionState,
    VpcEndpoint,
)

_PROVIDERS_WORD: Final = {
    EndpointState.PENDING_ACCEPTANCE: "PendingAcceptance",
    EndpointState.PENDING: "Pending",
    EndpointState.AVAILABLE: "Available",
    EndpointState.REJECTED: "Rejected",
    EndpointState.EXPIRED: "Expired",
    EndpointState.FAILED: "Failed",
    EndpointState.DELETED: "Deleted",
}


def _service_id(service: EndpointService) -> str:
    return service.service_name.rpartition(".")[2]


def _services(asked: Asked) -> list[EndpointService]:
    return [
        s
        for s in asked.topology.endpoint_services
        if asked.here(asked.topology.load_balancer(s.network_load_balancer_name).vpc_id)
    ]


def describe_vpc_endpoint_service_configurations(asked: Asked) -> Item:
    """DescribeVpcEndpointServiceConfigurations: the provider's own."""
    found = []
    for service in _services(asked):
        balancer = asked.topology.load_balancer(service.network_load_balancer_name)
        zones = [asked.topology.zone_of(z.subnet_id) for z in balancer.availability_zones]
        found.append(
            {
                "ServiceId": _service_id(service),
                "ServiceName": service.service_name,
                "ServiceType": [{"ServiceType": "Interface"}],
                "ServiceState": "Available",
                "AvailabilityZones": [asked.organization.zone_name(asked.account, z) for z in zones],
                "AvailabilityZoneIds": zones,
                "AcceptanceRequired": service.acceptance_required,
                "NetworkLoadBalancerArns": [asked.organization.balancer_arn(balancer)],
                "SupportedIpAddressTypes": list(service.supported_ip_address_types),
                # The service's own Region is listed as well.
                "SupportedRegions": [
                    {"Region": region, "ServiceState": "Available"}
                    for region in (asked.region, *service.supported_regions)
                ],
                "RemoteAccessEnabled": bool(service.supported_regions),
            }
        )
    return {
        "ServiceConfigurations": by_ids(asked, found, "ServiceIds", "ServiceId", "InvalidVpcEndpointServiceId.NotFound")
    }


def describe_vpc_endpoint_service_permissions(asked: Asked) -> Item:
    """DescribeVpcEndpointServicePermissions: the accounts that have an endpoint for it."""
    service = next((s for s in _services(asked) if _service_id(s) == asked.params["ServiceId"]), None)
    accounts = sorted(
        {
            asked.organization.place(endpoint.vpc_id)[0]
            for endpoint in asked.topology.vpc_endpoints
            if service is not None and endpoint.service_name == service.service_name
        }
    )
    return {
        "AllowedPrincipals": [
            {
                "PrincipalType": "Account",
                "Principal": f"arn:aws:iam::{account}:root",
                "ServiceId": asked.params["ServiceId"],
            }
            for account in accounts
        ]
    }


def describe_vpc_endpoint_connections(asked: Asked) -> Item:
    """DescribeVpcEndpointConnections: the provider's view of each endpoint, in words of its own."""
    services = {s.service_name: _service_id(s) for s in _services(asked)}
    found = [
        {
            "ServiceId": services[endpoint.service_name],
            "VpcEndpointId": endpoint.vpc_endpoint_id,
            "VpcEndpointOwner": asked.organization.place(endpoint.vpc_id)[0],
            "VpcEndpointRegion": asked.organization.place(endpoint.vpc_id)[1],
            "VpcEndpointState": _PROVIDERS_WORD[endpoint.state],
        }
        for endpoint in asked.topology.vpc_endpoints
        if endpoint.service_name in services
    ]
    return {"VpcEndpointConnections": filtered(asked, found, {"service-id": lambda item: [item["ServiceId"]]})}


def describe_vpc_endpoints(asked: Asked) -> Item:
    """DescribeVpcEndpoints: one's own, and those that MSK makes for one's VPC connections."""
    topology = asked.topology
    found = [_endpoint(asked, endpoint) for endpoint in topology.vpc_endpoints if asked.here(endpoint.vpc_id)]
    for connection in topology.vpc_connections:
        if not asked.here(connection.vpc_id):
            continue
        cluster = topology.cluster(connection.target_cluster_name)
        available = connection.state is VpcConnectionState.AVAILABLE
        found.append(
            {
                "VpcEndpointId": asked.organization.managed_endpoint_id(connection),
                "VpcEndpointType": "Interface",
                "VpcId": connection.vpc_id,
                "OwnerId": asked.account,
                "RequesterManaged": True,
                "ServiceName": f"com.amazonaws.vpce.{asked.region}.vpce-svc-{cluster.cluster_name}",
                "State": "available" if available else "failed",
                "SubnetIds": list(connection.client_subnets),
                "NetworkInterfaceIds": _interface_ids(asked, connection.vpc_id, connection.network_interfaces),
                "Groups": [{"GroupId": g, "GroupName": g} for g in connection.security_groups],
                "DnsEntries": [],
                "IpAddressType": "ipv4",
                "Tags": [
                    {"Key": "AWSMSKManaged", "Value": "true"},
                    {"Key": "ClusterArn", "Value": asked.organization.cluster_arn(cluster)},
                ],
            }
        )
    found = by_ids(asked, found, "VpcEndpointIds", "VpcEndpointId", "InvalidVpcEndpointId.NotFound")
    return {"VpcEndpoints": filtered(asked, found, {"vpc-id": lambda item: [item["VpcId"]]})}


def _interface_ids(asked: Asked, vpc_id: str, enis: tuple[EndpointInterface, ...]) -> list[str]:
    return [asked.organization.interface_id(vpc_id, eni.private_ip_address) for eni in enis]


def _endpoint(asked: Asked, endpoint: VpcEndpoint) -> Item:
    first, dot, domain = endpoint.dns_name.partition(".")
    zones = [asked.topology.zone_of(eni.subnet_id) for eni in endpoint.network_interfaces]
    names = [endpoint.dns_name]
    names += [f"{first}-{asked.organization.zone_name(asked.account, zone)}{dot}{domain}" for zone in zones]
    item: Item = {
        "VpcEndpointId": endpoint.vpc_endpoint_id,
        "VpcEndpointType": "Interface",
        "VpcId": endpoint.vpc_id,
        "OwnerId": asked.account,
        "RequesterManaged": False,
        "ServiceName": endpoint.service_name,
        "State": endpoint.state.value,
        "SubnetIds": [eni.subnet_id for eni in endpoint.network_interfaces],
        "NetworkInterfaceIds": _interface_ids(asked, endpoint.vpc_id, endpoint.network_interfaces),
        "Groups": [{"GroupId": g, "GroupName": g} for g in endpoint.security_groups],
        # Their order is not promised for services of others.
        "DnsEntries": [{"DnsName": name, "HostedZoneId": "Z7HUB22UULQXV"} for name in reversed(names)],
        "IpAddressType": endpoint.ip_address_type,
        "PrivateDnsEnabled": False,
    }
    if endpoint.service_region is not None:
        item["ServiceRegion"] = endpoint.service_region
    return item
