"""Clusters, their listeners and brokers."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from brokerproof.probes.plan import AuthenticationScheme
from brokerproof.topology.models.base import (
    UNKNOWN,
    AdvertisedName,
    CertificateName,
    DnsName,
    HostName,
    Id,
    KnownIPv4Address,
    Model,
    Port,
    PropertyKey,
    RegionName,
    Text,
    UnscopedIPv6Address,
    shaped,
)
from brokerproof.topology.models.multi_vpc import VpcAuthentication

ClusterName = Annotated[
    str,
    *shaped(r"^[A-Za-z0-9][A-Za-z0-9-]{0,63}$", "the name of a cluster: letters, digits and hyphens, at most 64"),
]
"""CreateCluster's own rule."""
KafkaVersion = Annotated[str, *shaped(r"^\d+\.\d+\.\d+$", "a version of Kafka, such as 4.1.1")]


class ClientCertificate(StrEnum):
    """Whether a TLS listener wants a certificate of clients (``ssl.client.auth``)."""

    NONE = "none"
    REQUESTED = "requested"
    """A client may come without; on MSK so where unauthenticated access is on beside mutual TLS."""
    REQUIRED = "required"


class ClusterListener(Model):
    """A client listener of every broker, by Kafka's listener name on MSK.

    The ``_VPCE`` listeners are those behind multi-VPC connectivity, the ``_IPV6`` ones those of the network
    type DUAL. What MSK calls the latter is not documented; their ports are (MSK developer guide, port information).
    """

    name: Literal[
        "CLIENT",
        "CLIENT_SECURE",
        "CLIENT_SASL_SCRAM",
        "CLIENT_IAM",
        "CLIENT_IPV6",
        "CLIENT_SECURE_IPV6",
        "CLIENT_SASL_SCRAM_IPV6",
        "CLIENT_IAM_IPV6",
        "CLIENT_SECURE_VPCE",
        "CLIENT_SASL_SCRAM_VPCE",
        "CLIENT_IAM_VPCE",
    ] = "CLIENT_SECURE"
    port: Port = 9094
    enabled: bool = True
    """Whether the lab's brokers have it: its way of authenticating may be off (UpdateSecurity)."""
    client_certificate: ClientCertificate = ClientCertificate.NONE
    """Of the lab's brokers; on MSK it follows from the cluster's ClientAuthentication."""

    @property
    def sasl(self) -> AuthenticationScheme | None:
        """The scheme by which clients log in here with SASL; None where they do not."""
        if self.name.startswith("CLIENT_SASL_SCRAM"):
            return AuthenticationScheme.SCRAM_SHA_512
        return AuthenticationScheme.IAM if self.name.startswith("CLIENT_IAM") else None

    @property
    def takes(self) -> tuple[AuthenticationScheme, ...]:
        """The schemes that a client may come with."""
        if self.sasl is not None:
            return (self.sasl,)
        match self.client_certificate:
            case ClientCertificate.NONE:
                return (AuthenticationScheme.NONE,)
            case ClientCertificate.REQUESTED:
                return (AuthenticationScheme.NONE, AuthenticationScheme.MTLS)
            case ClientCertificate.REQUIRED:
                return (AuthenticationScheme.MTLS,)

    @property
    def tls(self) -> bool:
        """Whether the listener speaks TLS."""
        return self.name not in {"CLIENT", "CLIENT_IPV6"}

    @property
    def ipv6(self) -> bool:
        """Whether it is bound to the broker's IPv6 address; the others are to its IPv4 one."""
        return self.name.endswith("_IPV6")

    @property
    def vpc_authentication(self) -> VpcAuthentication | None:
        """The scheme of multi-VPC connectivity it serves; None for an ordinary listener."""
        return next((scheme for scheme in VpcAuthentication if scheme.listener == self.name), None)


UserName = Annotated[
    str, *shaped(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", "a user: letters, digits and . _ -, at most 64")
]


class AdvertisedListener(Model):
    """What a broker advertises for one listener."""

    listener: Id = "CLIENT_SECURE"
    name: AdvertisedName
    port: Port


class BrokerState(StrEnum):
    """Whether the broker process runs."""

    RUNNING = "running"
    STOPPED = "stopped"


class NetworkType(StrEnum):
    """Address families of a cluster (ConnectivityInfo.NetworkType)."""

    IPV4 = "IPV4"
    DUAL = "DUAL"


class Broker(Model):
    """A broker (ListNodes). ``advertised_listeners`` empty: as MSK creates them, unchanged.

    MSK counts from 1; other clusters number their brokers as they like. Its address and subnet may be unknown.
    ``ipv6_endpoint`` is its name in the IPv6 bootstrap strings (``bi6-N.``), ``ipv6_address`` what that resolves to.
    """

    broker_id: int = Field(ge=0, le=2_147_483_647)
    endpoint: HostName
    client_vpc_ip_address: KnownIPv4Address = None
    ipv6_endpoint: DnsName | None = None
    ipv6_address: UnscopedIPv6Address | None = None
    client_subnet: Id = UNKNOWN
    security_groups: tuple[Id, ...] = ()
    advertised_listeners: tuple[AdvertisedListener, ...] = ()
    state: BrokerState = BrokerState.RUNNING


class ServerCertificate(Model):
    """The certificate the lab gives every broker of the cluster; ignored for a real cluster.

    ``dns_names`` empty: one wildcard of the cluster's domain, as on MSK.
    """

    dns_names: tuple[CertificateName, ...] = ()
    trusted: bool = True
    intermediate: bool = True
    """Whether brokers present the intermediate that signed it too (RFC 8446, 4.4.2 wants it)."""
    valid_from_days: int = -30
    valid_to_days: int = 365


class ClientIdentity(Model):
    """The certificate that the lab leaves for its clients of mutual TLS; ignored for a real cluster."""

    trusted: bool = True
    """Whether the private CA that listeners take certificates from issued it."""
    intermediate: bool = True
    """Whether clients have the intermediate that signed it too."""
    key_fits: bool = True
    valid_from_days: int = -30
    valid_to_days: int = 365


class IamJudgement(Model):
    """How the lab's IAM listeners judge, and what its clients have; ignored for a real cluster.

    The lab draws an access key and leaves it in ``/run/brokerproof/credentials/aws``, profile ``brokerproof``.
    """

    region_name: RegionName = "us-east-1"
    """That they take tokens for."""
    given: bool = True
    """Whether clients have credentials at all."""
    ended: bool = False
    """Whether what they have has ended, as of a process that no longer renews it."""
    by_role: bool = False
    """Whether clients have to assume a role for them; STS of a lab gives none."""
    session_ended: bool = False
    """Whether the session that they are of has ended, without clients being told when."""
    reaches_sts: bool = True
    """Whether clients have an endpoint of STS."""
    key_fits: bool = True
    """Whether clients have the secret of their access key."""
    known: bool = True
    """Whether there is such an access key."""
    clock_offset_s: int = 0
    """How far the listeners' clock is ahead of the clients'."""
    denied_at: Literal["", "CLIENT_IAM", "CLIENT_IAM_VPCE", "every"] = ""
    """The listener at which a policy does not allow kafka-cluster:Connect."""
    most_per_s: int = Field(default=100, ge=0)
    """New connections that a broker admits (quota)."""
    credentials_left_s: int | None = None
    """For how long the credentials last that sign; None is for ever."""
    renames_sessions: bool = False
    """Whether the client has another role session name each time it logs in."""


class KafkaAcl(Model):
    """One ACL binding of Kafka's (kafka-acls.sh); what has any is closed to whom none allows.

    The one resource of type ``CLUSTER`` is called ``kafka-cluster``.
    """

    resource_type: Literal["TOPIC", "GROUP", "CLUSTER", "TRANSACTIONAL_ID"] = "TOPIC"
    resource_name: Text
    pattern_type: Literal["LITERAL", "PREFIXED"] = "LITERAL"
    principal: Text = "User:*"
    host: Text = "*"
    operation: Literal[
        "ALL", "READ", "WRITE", "CREATE", "DELETE", "DESCRIBE", "DESCRIBE_CONFIGS", "IDEMPOTENT_WRITE"
    ] = "ALL"
    permission_type: Literal["ALLOW", "DENY"] = "ALLOW"


class ScramUser(Model):
    """A user of the lab's brokers, as a secret that is associated with a real cluster makes one.

    The lab draws the password and leaves it where the clients' references lead:
    ``/run/brokerproof/credentials/<name>.username`` and ``.password``.
    """

    name: UserName
    associated: bool = True
    """Whether brokers know it (BatchAssociateScramSecret)."""
    given: bool = True
    """Whether clients have the secret."""
    rotated: bool = False
    """Whether brokers have another password than clients: the secret was changed, and not read again."""


class BootstrapBroker(Model):
    """A name and port that clients are given to begin with (GetBootstrapBrokers)."""

    name: HostName
    port: Port


class Cluster(Model):
    """A provisioned MSK cluster. ``domain`` is what follows ``b-N.`` in its broker names."""

    cluster_name: ClusterName
    vpc_id: Id = UNKNOWN
    domain: DnsName = UNKNOWN
    kafka_version: KafkaVersion = "4.1.1"
    listeners: tuple[ClusterListener, ...] = Field(default=(ClusterListener(),), min_length=1)
    brokers: tuple[Broker, ...]
    bootstrap_brokers: tuple[BootstrapBroker, ...] = ()
    """Where clients begin, for those of which nothing but names is known; empty: at the brokers themselves."""
    network_type: NetworkType = NetworkType.IPV4
    vpc_connectivity: tuple[VpcAuthentication, ...] = ()
    """Schemes that multi-VPC connectivity is turned on for (ConnectivityInfo.VpcConnectivity)."""
    cluster_policy_principals: tuple[Text, ...] = ()
    """Accounts that the cluster policy lets create a VPC connection."""
    server_certificate: ServerCertificate = ServerCertificate()
    server_properties: dict[PropertyKey, Text] = Field(default_factory=dict)
    client_identity: ClientIdentity = ClientIdentity()
    iam: IamJudgement = IamJudgement()
    scram_users: tuple[ScramUser, ...] = ()
    """Of the lab's brokers; ignored for a real cluster."""
    kafka_acls: tuple[KafkaAcl, ...] = ()
    """Of the lab's brokers, which have an authorizer where there are any; ignored for a real cluster."""
