"""An intent: what an engineer knows of an account before it is read. Frozen models, as of a topology."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field

from brokerproof.probes.plan import AuthenticationScheme
from brokerproof.topology.models import ClientVantage, Credentials, Id, Model, Port
from brokerproof.topology.models.base import RegionName, Text, TopicName, shaped
from brokerproof.topology.models.client import AskedPermission, ClientName, TransactionalId
from brokerproof.topology.models.pattern_name import ClientPattern

INTENT_VERSION: Final = 1

AccountId = Annotated[str, *shaped(r"^[0-9]{12}$", "the id of an account: twelve digits, in quotes")]
ClusterArn = Annotated[
    str,
    *shaped(
        r"^arn:aws[a-z-]*:kafka:[a-z0-9-]+:[0-9]{12}:cluster/[A-Za-z0-9-]+/[A-Za-z0-9-]+$",
        "the ARN of an MSK cluster, such as arn:aws:kafka:us-east-1:111111111111:cluster/demo/...",
    ),
]
RoleArn = Annotated[
    str,
    *shaped(
        r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$",
        "the ARN of a role, such as arn:aws:iam::222222222222:role/brokerproof",
    ),
]
NODE: Final = "node/"
HERE: Final = "here"
Where = Annotated[
    str,
    *shaped(
        r"^(here|(i|eni|subnet|vpc)-[A-Za-z0-9-]+|node/(i-[A-Za-z0-9]+|[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+))$",
        "where a client is: the id of an instance (i-...), a network interface (eni-...), a subnet (subnet-...) or a "
        "VPC (vpc-...), node/ and the name or instance id of a pod's node, or here for this host",
    ),
]


class Whereabouts(StrEnum):
    """By what an intent says where a client is."""

    INSTANCE = "i"
    INTERFACE = "eni"
    SUBNET = "subnet"
    """The client has some address of it."""
    VPC = "vpc"
    """It is in some subnet of it."""
    NODE = "node"
    """It is a pod there, with an address of its own."""
    HERE = "here"
    """It is the host that asks."""


class IntendedAccount(Model):
    """An account and how to get in: by a profile, by a role to assume, or both. Without either, as one is."""

    id: AccountId
    profile: Text | None = None
    role_arn: RoleArn | None = None
    external_id: Text | None = None


class IntendedClient(Model):
    """A client and where it is. What is left out is that of the first cluster, or found in the account."""

    name: ClientName
    at: Where
    account: AccountId | None = None
    region: RegionName | None = None
    cluster: ClusterArn | None = None
    pattern: ClientPattern | None = None
    endpoint_vpc: Id | None = None
    """The VPC whose interface endpoints it uses, where that is not its own."""
    listener: Id | None = None
    authentication: AuthenticationScheme = AuthenticationScheme.NONE
    credentials: Credentials = Credentials()
    vantage: ClientVantage = ClientVantage()
    ca_file: Text | None = None
    witness_port: Port | None = None
    existing_topic: TopicName | None = None
    transactional_id: TransactionalId | None = None
    may_lack: tuple[AskedPermission, ...] = ()

    @property
    def whereabouts(self) -> Whereabouts:
        """What :attr:`at` is."""
        return Whereabouts.NODE if self.at.startswith(NODE) else Whereabouts(self.at.partition("-")[0])


class Intent(Model):
    """What to discover."""

    version: Literal[1] = INTENT_VERSION
    name: Id = "account"
    clusters: tuple[ClusterArn, ...] = Field(min_length=1)
    accounts: tuple[IntendedAccount, ...] = ()
    clients: tuple[IntendedClient, ...] = Field(min_length=1)

    def account(self, account_id: str) -> IntendedAccount | None:
        """How to get into an account; None where nothing is said."""
        return next((a for a in self.accounts if a.id == account_id), None)

    def cluster_of(self, client: IntendedClient) -> str:
        """The cluster of a client."""
        return client.cluster or self.clusters[0]


def account_of(arn: str) -> str:
    """The account in an ARN."""
    return arn.split(":")[4]


def region_of(arn: str) -> str:
    """The Region in an ARN."""
    return arn.split(":")[3]
