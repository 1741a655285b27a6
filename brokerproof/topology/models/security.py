"""Security groups and network ACLs."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from brokerproof.topology.models.base import Id, Model, Text, UnscopedIPv6Network, shaped


class IpPermission(Model):
    """One security group rule: a protocol, a port range, and one kind of peer."""

    ip_protocol: Literal["tcp", "udp", "icmp", "-1"] = "tcp"
    from_port: int = Field(default=0, ge=0, le=65535)
    to_port: int = Field(default=65535, ge=0, le=65535)
    cidr_ipv4: IPv4Network | None = None
    cidr_ipv6: UnscopedIPv6Network | None = None
    referenced_group_id: Id | None = None
    description: Text = ""


ALLOW_ALL = (IpPermission(ip_protocol="-1", cidr_ipv4=IPv4Network("0.0.0.0/0")),)


class SecurityGroup(Model):
    """Stateful; what no rule allows is dropped in silence."""

    group_id: Id
    vpc_id: Id
    ingress: tuple[IpPermission, ...] = ()
    egress: tuple[IpPermission, ...] = ALLOW_ALL


class PortRange(Model):
    """Ports of a network ACL entry, both ends included; AWS calls them ``from`` and ``to``."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True, validate_by_alias=True)

    from_port: int = Field(validation_alias="from", serialization_alias="from", ge=0, le=65535)
    to_port: int = Field(validation_alias="to", serialization_alias="to", ge=0, le=65535)


ProtocolNumber = Annotated[
    str, *shaped(r"^(-1|[0-9]{1,3})$", "the number of an IP protocol, or -1 for all: 6 is TCP, 17 UDP")
]


class NetworkAclEntry(Model):
    """One numbered rule of one direction (DescribeNetworkAcls).

    ``protocol`` is an IANA number as AWS writes it: ``"-1"`` every protocol, ``"6"`` TCP, ``"17"`` UDP,
    ``"1"`` ICMP, ``"58"`` ICMPv6. The CIDR is the far side: the source coming in (``egress`` false), the
    destination going out. ``port_range`` is the destination port either way.
    """

    rule_number: int = Field(ge=1, le=32766)
    protocol: ProtocolNumber = "-1"
    rule_action: Literal["allow", "deny"]
    egress: bool
    cidr_block: IPv4Network | None = None
    ipv6_cidr_block: UnscopedIPv6Network | None = None
    port_range: PortRange | None = None


class NetworkAcl(Model):
    """Stateless, where traffic enters or leaves one of its subnets; what no entry allows is dropped in silence.

    A subnet that no ACL names has the default one, which allows everything (VPC guide, network ACLs).
    """

    network_acl_id: Id
    vpc_id: Id
    subnet_ids: tuple[Id, ...] = ()
    entries: tuple[NetworkAclEntry, ...] = ()
