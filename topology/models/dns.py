"""Private hosted zones and their records."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from topology.models.base import DnsName, Id, Model


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
