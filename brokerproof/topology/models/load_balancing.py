"""Network Load Balancers, endpoint services and interface endpoints."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address
from typing import Literal

from pydantic import Field

from brokerproof.topology.models.base import DnsName, Id, Model, Port, RegionName, UnscopedIPv6Address


class TargetDescription(Model):
    """A registered IP target; ``port`` overrides the group's."""

    id: IPv4Address | UnscopedIPv6Address
    port: Port | None = None


class TargetGroup(Model):
    """An NLB target group of IP targets, all of one family: ``ip_address_type``."""

    target_group_name: Id
    vpc_id: Id
    port: Port
    protocol: Literal["TCP", "TLS"] = "TCP"
    ip_address_type: Literal["ipv4", "ipv6"] = "ipv4"
    targets: tuple[TargetDescription, ...] = ()
    proxy_protocol_v2_enabled: bool = False
    """Attribute ``proxy_protocol_v2.enabled``: targets are sent a header before the client's first byte."""


class Listener(Model):
    """A listener with one forward action."""

    port: Port
    target_group_name: Id
    protocol: Literal["TCP", "TLS"] = "TCP"


class LoadBalancerZone(Model):
    """One NLB node: its subnet and private address, and the IPv6 one of a dual-stack NLB (LoadBalancerAddress)."""

    subnet_id: Id
    private_ipv4_address: IPv4Address
    ipv6_address: UnscopedIPv6Address | None = None


class LoadBalancer(Model):
    """An internal Network Load Balancer.

    ``cross_zone_enabled`` is attribute ``load_balancing.cross_zone.enabled``, off by default in AWS.
    ``ip_address_type`` is what clients reach it by; its targets are reached by that of their group (NLB guide).
    """

    load_balancer_name: Id
    vpc_id: Id
    dns_name: DnsName
    ip_address_type: Literal["ipv4", "dualstack"] = "ipv4"
    availability_zones: tuple[LoadBalancerZone, ...] = Field(min_length=1)
    security_groups: tuple[Id, ...] = ()
    enforce_security_group_inbound_rules_on_private_link_traffic: Literal["on", "off"] = "on"
    """Whether its groups also see what comes by endpoints, from the client's own address; AWS's default is on."""
    cross_zone_enabled: bool = False
    listeners: tuple[Listener, ...] = ()


class EndpointService(Model):
    """A VPC endpoint service (AWS PrivateLink) in front of a load balancer."""

    service_name: Id
    network_load_balancer_name: Id
    acceptance_required: bool = False
    supported_ip_address_types: tuple[Literal["ipv4", "ipv6"], ...] = ("ipv4",)
    supported_regions: tuple[RegionName, ...] = ()
    """Other Regions whose VPCs may have an endpoint for it (PrivateLink guide, cross-Region access)."""


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
    """One ENI of an interface endpoint; ``ipv6_address`` where the endpoint is dual-stack."""

    subnet_id: Id
    private_ip_address: IPv4Address
    ipv6_address: UnscopedIPv6Address | None = None


class VpcEndpoint(Model):
    """An interface endpoint; ``dns_name`` is its regional name, answering every ENI."""

    vpc_endpoint_id: Id
    vpc_id: Id
    service_name: Id
    dns_name: DnsName
    service_region: RegionName | None = None
    """The service's Region, where it is not the endpoint's own."""
    ip_address_type: Literal["ipv4", "dualstack"] = "ipv4"
    """AWS has ``ipv6`` too; every endpoint here has IPv4 addresses."""
    state: EndpointState = EndpointState.AVAILABLE
    network_interfaces: tuple[EndpointInterface, ...] = Field(min_length=1)
    security_groups: tuple[Id, ...] = ()


def zonal_dns_name(endpoint: VpcEndpoint, zone_id: str) -> str:
    """The zonal name of an endpoint: its regional name with ``-<zone>`` after the first label.

    AWS puts the zone *name* there; the model keeps zone ids only, so the id stands for it.
    """
    first, dot, domain = endpoint.dns_name.partition(".")
    return f"{first}-{zone_id}{dot}{domain}"
