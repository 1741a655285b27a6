"""Private hosted zones and their records; rules of the Route 53 Resolver."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Final, Literal

from pydantic import Field, TypeAdapter, ValidationError, ValidationInfo, field_validator

from brokerproof.topology.models.base import DnsName, Id, Model, Text, UnscopedIPv6Address

_ADDRESS: Final = TypeAdapter[IPv4Address](IPv4Address)
_IPV6_ADDRESS: Final = TypeAdapter[IPv6Address](UnscopedIPv6Address)
_NAME: Final = TypeAdapter[str](DnsName)


class AliasTarget(Model):
    """An alias to a load balancer, an endpoint, or one zone of an endpoint."""

    dns_name: DnsName


class ResourceRecordSet(Model):
    """A record of a hosted zone: literal values or an alias, not both.

    The values are IPv4 addresses (``A``), IPv6 addresses (``AAAA``), or DNS names, a final dot allowed (``CNAME``).
    """

    name: DnsName
    type: Literal["A", "AAAA", "CNAME"] = "A"
    ttl: int = Field(default=60, ge=0, le=2147483647)
    resource_records: tuple[Text, ...] = ()
    alias_target: AliasTarget | None = None

    @field_validator("resource_records")
    @classmethod
    def _are_of_the_type(cls, values: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        # Without a type there is a problem already, and it is the type's.
        return tuple(_value(info.data["type"], value) for value in values) if "type" in info.data else values


def _value(record_type: Literal["A", "AAAA", "CNAME"], value: str) -> str:
    """The value as a resolver writes it.

    Raises:
        ValueError: it is not one of a record of this type.
    """
    try:
        match record_type:
            case "A":
                return str(_ADDRESS.validate_python(value))
            case "AAAA":
                return str(_IPV6_ADDRESS.validate_python(value))
            case "CNAME":
                _NAME.validate_python(value.removesuffix("."))
                return value
    except ValidationError:
        wanted = {"A": "an IPv4 address", "AAAA": "an IPv6 address", "CNAME": "a DNS name"}[record_type]
        raise ValueError(f"{value!r} is not {wanted}, which a record of type {record_type} holds") from None


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
