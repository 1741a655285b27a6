"""Private hosted zones and their records; rules of the Route 53 Resolver."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Literal

from pydantic import Field

from brokerproof.topology.models.base import DnsName, Id, Model


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


class ResolverRule(Model):
    """A FORWARD rule of the Route 53 Resolver: a domain, and all below it, is asked for at other servers.

    The most specific of the rules and private zones of a VPC answers; of one name, the rule (Route 53 developer
    guide, private hosted zone considerations).
    """

    resolver_rule_id: Id
    domain_name: DnsName
    target_ips: tuple[IPv4Address, ...] = Field(min_length=1)
    vpc_ids: tuple[Id, ...] = ()
