"""Clients, and how to get into their VPC."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field

from brokerproof.probes.plan import REFERENCE, AuthenticationScheme
from brokerproof.topology.models.base import (
    UNKNOWN,
    EnvironmentKey,
    HostName,
    Id,
    KnownIPv4Address,
    Model,
    Port,
    RegionName,
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


InstanceId = Annotated[
    str, *shaped(r"^m?i-[A-Za-z0-9]+$", "the id of an instance (i-...), or of a managed node (mi-...)")
]
BucketName = Annotated[
    str, *shaped(r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", "the name of a bucket: lower-case letters, digits, . and -")
]


class VantageKind(StrEnum):
    """How to get into the client VPC."""

    LAB = "lab"
    DOCKER = "docker"
    EXEC = "exec"
    KUBERNETES = "kubernetes"
    LOCAL = "local"
    PODMAN = "podman"
    SSH = "ssh"
    SSM = "ssm"


class ProbeMode(StrEnum):
    """Where the far side has the probe from."""

    INSTALL = "install"
    """It is put into the far side's own cache, by the hash of its contents."""
    PRESENT = "present"
    """It is there, with its packages."""


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
    probe: ProbeMode | None = None
    """None is ``install``, unless ``python`` or a ``PYTHONPATH`` of ``environment`` says where the probe is."""
    host: HostName | None = None
    """Of ``ssh``: a name, or an alias of the configuration of OpenSSH."""
    user: Text | None = None
    port: Port | None = None
    jump_hosts: tuple[Text, ...] = ()
    """``[USER@]HOST[:PORT]`` each, in the order they are gone through (``ssh -J``)."""
    identity_file: Text | None = None
    known_hosts_file: Text | None = None
    config_file: Text | None = None
    """Of ``ssh`` and ``kubernetes``: instead of the user's own configuration of OpenSSH or kubectl."""
    pod: Text | None = None
    """Of ``kubernetes``: a pod that runs, as ``kubectl exec`` takes it (``NAME``, ``deployment/NAME``)."""
    container: Text | None = None
    """A container that runs: of ``docker`` and ``podman``, by name or id; of ``kubernetes``, of that pod."""
    image: Text | None = None
    """Instead of one that runs: what a pod or container of its own is made of; Python 3.11 or newer is in it."""
    network: Text | None = None
    """Of ``docker`` and ``podman``, with an image: the network that the container is in."""
    namespace: Text | None = None
    context: Text | None = None
    node_selector: dict[Text, Text] = Field(default_factory=dict)
    labels: dict[Text, Text] = Field(default_factory=dict)
    service_account: Text | None = None
    """Of ``kubernetes``, the last three with an image: security groups for pods go by labels and service accounts."""
    instance_id: InstanceId | None = None
    """Of ``ssm``: where the agent runs."""
    region_name: RegionName | None = None
    profile: Text | None = None
    role_arn: Text | None = None
    external_id: Text | None = None
    bucket: BucketName | None = None
    """Carries the probe there, and back what is more than Run Command hands over."""


VANTAGE_FIELDS: Final[Mapping[str, frozenset[VantageKind]]] = {
    "command": frozenset({VantageKind.EXEC}),
    "far_shell": frozenset({VantageKind.EXEC}),
    **dict.fromkeys(
        ("host", "user", "port", "jump_hosts", "identity_file", "known_hosts_file"), frozenset({VantageKind.SSH})
    ),
    "config_file": frozenset({VantageKind.SSH, VantageKind.KUBERNETES}),
    **dict.fromkeys(
        ("pod", "namespace", "context", "node_selector", "labels", "service_account"),
        frozenset({VantageKind.KUBERNETES}),
    ),
    **dict.fromkeys(
        ("container", "image"), frozenset({VantageKind.DOCKER, VantageKind.KUBERNETES, VantageKind.PODMAN})
    ),
    "network": frozenset({VantageKind.DOCKER, VantageKind.PODMAN}),
    **dict.fromkeys(
        ("instance_id", "region_name", "profile", "role_arn", "external_id", "bucket"), frozenset({VantageKind.SSM})
    ),
}
"""The kinds that have a use for a field, where not all have."""

SecretReference = Annotated[
    str, *shaped(REFERENCE, "where a secret is: env:NAME, or file:/path, on the client's own host")
]


class Credentials(Model):
    """Where on the client's host what it logs in with is found; never what it is.

    ``scram_sha_512`` takes ``username`` and ``password``; ``mtls`` takes ``certificate`` and ``key``, both PEM, and
    ``key_password``. ``iam`` takes the rest: a profile, a role to assume with it, and the Region that tokens are
    signed for, where that is not the one in the brokers' names. With none of them AWS credentials are found as every
    AWS SDK finds them: environment, shared files, the role of the container, pod or instance.
    """

    username: SecretReference | None = None
    password: SecretReference | None = None
    certificate: SecretReference | None = None
    key: SecretReference | None = None
    key_password: SecretReference | None = None
    credentials_file: Text | None = None
    profile: Text | None = None
    role_arn: Text | None = None
    role_session_name: Text | None = None
    region_name: RegionName | None = None

    @property
    def given(self) -> tuple[str, ...]:
        """The fields that are stated."""
        return tuple(field for field in type(self).model_fields if getattr(self, field) is not None)


NEEDED_CREDENTIALS: Final[Mapping[AuthenticationScheme, tuple[str, ...]]] = {
    AuthenticationScheme.NONE: (),
    AuthenticationScheme.MTLS: ("certificate", "key"),
    AuthenticationScheme.SCRAM_SHA_512: ("username", "password"),
    AuthenticationScheme.IAM: (),
}
"""Without which a scheme is nothing."""
OPTIONAL_CREDENTIALS: Final[Mapping[AuthenticationScheme, tuple[str, ...]]] = {
    AuthenticationScheme.NONE: (),
    AuthenticationScheme.MTLS: ("key_password",),
    AuthenticationScheme.SCRAM_SHA_512: (),
    AuthenticationScheme.IAM: ("credentials_file", "profile", "role_arn", "role_session_name", "region_name"),
}


TransactionalId = Annotated[
    str, *shaped(r"[^\x00-\x1f\x7f]{1,249}", "what transactional producers are called: up to 249 printable characters")
]
AskedPermission = Literal["describe_cluster", "write_idempotently"]


class Client(Model):
    """A host in a client VPC and the pattern it is meant to use.

    ``endpoint_vpc_id``: the VPC whose interface endpoints it uses, where that is not its own.
    VPC, subnet and address may be unknown. ``pattern`` ``unknown``: nobody says by which it comes.
    ``pattern`` None makes it an observer: it only proves what must not be reachable from there.
    ``witness_port``: a port on which this host listens, so that "the cluster VPC cannot reach the
    client" is proved against something that would answer.
    ``transactional_id``: what its transactional producers are called; it must be allowed to use it.
    ``may_lack``: what it does without, of what every client is asked to be allowed.
    """

    name: ClientName
    vpc_id: Id = UNKNOWN
    subnet_id: Id = UNKNOWN
    private_ip_address: KnownIPv4Address = None
    ipv6_address: UnscopedIPv6Address | None = None
    cluster_name: Id
    pattern: ClientPattern | None = None
    endpoint_vpc_id: Id | None = None
    listener: Id = "CLIENT_SECURE"
    authentication: AuthenticationScheme = AuthenticationScheme.NONE
    credentials: Credentials = Credentials()
    security_groups: tuple[Id, ...] = ()
    vantage: ClientVantage = ClientVantage()
    ca_file: Text | None = None
    witness_port: Port | None = None
    existing_topic: TopicName | None = None
    transactional_id: TransactionalId | None = None
    may_lack: tuple[AskedPermission, ...] = ()
