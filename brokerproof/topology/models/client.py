"""Clients, and how to get into their VPC."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address
from typing import Annotated

from pydantic import Field

from brokerproof.topology.models.base import (
    EnvironmentKey,
    Id,
    Model,
    Port,
    Text,
    TopicName,
    UnscopedIPv6Address,
    shaped,
)
from brokerproof.topology.models.pattern_name import ClientPattern

ClientName = Annotated[
    str,
    *shaped(
        r"^[a-z0-9]([a-z0-9_-]{0,30}[a-z0-9])?$",
        "the name of a client: lower-case letters, digits, hyphens and _, at most 32, a letter or digit at both ends",
    ),
]


class VantageKind(StrEnum):
    """How to get into the client VPC."""

    LAB = "lab"
    EXEC = "exec"
    LOCAL = "local"


class ClientVantage(Model):
    """``exec``: ``command`` is a prefix that lands in the client VPC, e.g. ``["kubectl", "exec", "-i", "pod", "--"]``.

    The command is run on this host, as whoever runs brokerproof.
    """

    kind: VantageKind = VantageKind.LAB
    command: tuple[Text, ...] = ()
    python: Text = "python3"
    environment: dict[EnvironmentKey, Text] = Field(default_factory=dict)
    far_shell: bool | None = None
    """Whether the prefix hands its words to a shell there, as ssh(1) does; they are then quoted for it. None is no."""


class Client(Model):
    """A host in a client VPC and the pattern it is meant to use.

    ``endpoint_vpc_id``: the VPC whose interface endpoints it uses, where that is not its own.
    ``pattern`` None makes it an observer: it only proves what must not be reachable from there.
    ``witness_port``: a port on which this host listens, so that "the cluster VPC cannot reach the
    client" is proved against something that would answer.
    """

    name: ClientName
    vpc_id: Id
    subnet_id: Id
    private_ip_address: IPv4Address
    ipv6_address: UnscopedIPv6Address | None = None
    cluster_name: Id
    pattern: ClientPattern | None = None
    endpoint_vpc_id: Id | None = None
    listener: Id = "CLIENT_SECURE"
    security_groups: tuple[Id, ...] = ()
    vantage: ClientVantage = ClientVantage()
    ca_file: Text | None = None
    witness_port: Port | None = None
    existing_topic: TopicName | None = None
