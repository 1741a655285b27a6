"""What was read of an account, as values: a topology, what was not allowed to be read, and where each fact is from."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

from pydantic import Field

from brokerproof.topology.models import Id, Model, Topology


class Part(StrEnum):
    """What a call tells of: a collection of the topology, or a part of one."""

    CLUSTERS = "clusters"
    ADVERTISED = "advertised listeners"
    CLUSTER_POLICY = "cluster policy"
    VPC_CONNECTIONS = "vpc_connections"
    HOSTS = "hosts"
    VPCS = "vpcs"
    DNS_ATTRIBUTES = "DNS attributes"
    DHCP_OPTIONS = "DHCP options"
    SUBNETS = "subnets"
    ROUTE_TABLES = "route_tables"
    NETWORK_ACLS = "network_acls"
    SECURITY_GROUPS = "security_groups"
    PEERINGS = "vpc_peering_connections"
    GATEWAYS = "transit_gateways"
    GATEWAY_ZONES = "zones of gateway attachments"
    GATEWAY_ROUTES = "transit_gateway_route_tables"
    ENDPOINTS = "vpc_endpoints"
    ENDPOINT_SERVICES = "endpoint_services"
    LOAD_BALANCERS = "load_balancers"
    LISTENERS = "listeners"
    TARGET_GROUPS = "target_groups"
    TARGETS = "targets"
    HOSTED_ZONES = "hosted_zones"
    VPC_ZONES = "zones of VPCs"
    RECORDS = "records"
    RESOLVER_RULES = "resolver_rules"
    PRINCIPALS = "allowed principals"
    CERTIFICATES = "when certificates end"


class Gap(Model):
    """A call that was not answered: what it would have told is unknown, which is not the same as none."""

    account_id: str
    region_name: str
    action: str
    """The IAM action."""
    why: str
    unknown: tuple[Part, ...]
    of: tuple[Id, ...] = ()
    """The resources it was asked about; empty where it was asked about all of the account and Region."""

    @property
    def denied(self) -> bool:
        """Whether a permission is missing; the others failed for now, or could not be asked."""
        return self.why == DENIED


DENIED: Final = "the permission is missing"


ATTACHED_SUBNETS: Final = "subnets of transit_gateway_attachments"
"""Stands for a collection where a source is told: a second call tells this of attachments."""


class Source(Model):
    """Where a fact comes from: the call, and the resource it was asked about."""

    action: str
    resource: str
    account_id: str = ""
    region_name: str = ""

    def __str__(self) -> str:
        return f"{self.action} {self.resource}".strip()


class TargetHealth(Model):
    """What DescribeTargetHealth says of one target."""

    target_group_name: Id
    address: IPv4Address | IPv6Address
    port: int
    state: str
    reason: str = ""


class OpenService(Model):
    """Whom an endpoint service lets make an endpoint (DescribeVpcEndpointServicePermissions)."""

    service_name: Id
    principals: tuple[str, ...] = ()


class Provided(Model):
    """What the provider's account says of the state of an endpoint (DescribeVpcEndpointConnections)."""

    vpc_endpoint_id: Id
    state: str


class Expiring(Model):
    """What ends by itself unless somebody acts."""

    resource: Id
    state: str
    when: str
    """In words: a time in UTC, or how long after what."""
    change: str = "accept it before; afterwards it has to be made again"
    """What to do about it."""


class OtherRule(Model):
    """A resolver rule that a topology has not: for every name, by IPv6, or that overrides another for part of it."""

    resolver_rule_id: Id
    domain_name: str
    """Empty: every name."""
    target_ips: tuple[str, ...] = ()
    is_system: bool = False
    """The VPC's own resolver answers, whatever a rule for more of the domain says."""
    vpc_ids: tuple[Id, ...] = ()


class OtherRoute(Model):
    """A route that a topology has not: to a core network, an appliance, or a peering of which nothing is known."""

    route_table_id: Id
    subnet_ids: tuple[Id, ...]
    destination: IPv4Network | IPv6Network
    target: str
    is_blackhole: bool = False


class OtherEndpoint(Model):
    """An endpoint whose service, or whose interfaces, were not read: where it leads is not known."""

    vpc_endpoint_id: Id
    vpc_id: Id
    service_name: Id
    dns_names: tuple[str, ...] = ()
    addresses: tuple[IPv4Address | IPv6Address, ...] = ()


class AccountFacts(Model):
    """Everything that was read."""

    topology: Topology
    gaps: tuple[Gap, ...] = ()
    sources: dict[str, Source] = Field(default_factory=dict)
    """By ``collection/id``."""
    target_health: tuple[TargetHealth, ...] = ()
    open_services: tuple[OpenService, ...] = ()
    provided: tuple[Provided, ...] = ()
    expiring: tuple[Expiring, ...] = ()
    instance_types: dict[str, str] = Field(default_factory=dict)
    """Of the brokers, by cluster."""
    other_endpoints: tuple[OtherEndpoint, ...] = ()
    other_rules: tuple[OtherRule, ...] = ()
    places: dict[str, tuple[str, str]] = Field(default_factory=dict)
    """Account and Region that each VPC was asked about in; one with subnets that are shared has another owner."""
    other_routes: tuple[OtherRoute, ...] = ()
    interfaces_missed: tuple[tuple[Id, IPv4Address], ...] = ()
    """Addresses, each with its VPC, that an interface was looked for and not found at."""

    @cached_property
    def _unknown(self) -> dict[Part, list[Gap]]:
        found: dict[Part, list[Gap]] = {}
        for gap in self.gaps:
            for kind in gap.unknown:
                found.setdefault(kind, []).append(gap)
        return found

    def gap(self, kind: Part, *, vpc_id: str | None = None, of: Iterable[str] = ()) -> Gap | None:
        """What keeps one from knowing this kind of thing, of a VPC or of a resource; None where it is known.

        A gap of an account and Region is one of every VPC in it.
        """
        wanted = set(of)
        place = None
        if vpc_id is not None:
            vpc = self.topology.vpc(vpc_id)
            place = self.places.get(vpc_id, (vpc.owner_id, vpc.region_name))
        for gap in self._unknown.get(kind, ()):
            if gap.of and wanted and not wanted & set(gap.of):
                continue
            if gap.of and vpc_id is not None and not wanted and any(o.startswith("vpc-") for o in gap.of):
                if vpc_id in gap.of:
                    return gap
                continue
            if place is None or (gap.account_id, gap.region_name) == place:
                return gap
        return None

    def told_by(self, key: str) -> tuple[str, ...]:
        """The calls that told of whatever has this id."""
        return tuple(str(source) for name, source in self.sources.items() if name.partition("/")[2] == key)

    def source(self, collection: str, key: str) -> Source | None:
        """Where a resource was read."""
        return self.sources.get(f"{collection}/{key}")


def facts_of(topology: Topology) -> AccountFacts:
    """A topology that somebody wrote, taken at its word: nothing is unknown, and no account was asked."""
    return AccountFacts(topology=topology)
