"""Security groups and their rules."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Literal

from pydantic import Field

from topology.models.base import Id, Model


class IpPermission(Model):
    """One security group rule: a protocol, a port range, and one kind of peer."""

    ip_protocol: Literal["tcp", "udp", "icmp", "-1"] = "tcp"
    from_port: int = Field(default=0, ge=0, le=65535)
    to_port: int = Field(default=65535, ge=0, le=65535)
    cidr_ipv4: IPv4Network | None = None
    referenced_group_id: Id | None = None
    description: str = ""


ALLOW_ALL = (IpPermission(ip_protocol="-1", cidr_ipv4=IPv4Network("0.0.0.0/0")),)


class SecurityGroup(Model):
    """Stateful; what no rule allows is dropped in silence."""

    group_id: Id
    vpc_id: Id
    ingress: tuple[IpPermission, ...] = ()
    egress: tuple[IpPermission, ...] = ALLOW_ALL
