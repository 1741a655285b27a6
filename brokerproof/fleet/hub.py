"""Where a fleet is: its bucket, what runs it, and how what stands in clients' accounts is called. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Protocol

from brokerproof.errors import WrongUseError
from brokerproof.topology.models import UNKNOWN, Client, Topology

FUNCTION: Final = "brokerproof-probe-{client}"
ROLE: Final = "brokerproof-fleet-invoke-{client}"
"""A role of the client's account that the state machine may assume, to invoke that client's probe and nothing else."""
COMMANDS_ROLE: Final = "brokerproof-fleet-commands"
"""A role of a client's account that whoever runs a fleet by Run Command may assume, to send commands there."""
TAG: Final = "brokerproof-client"
"""The tag of an instance that names its client."""
PREFIX: Final = "brokerproof"
ENGINE: Final = "_engine"
"""Beside the runs of a set: what the engine itself writes. No run is called so: names begin with a letter or digit."""
OUTPUT: Final = "_output"
"""Likewise: what Run Command's agent writes of a script's output, where an instance's role lets it."""
PROBES: Final = "_probes"
"""Beside the sets: the probe, by its hash."""
_MACHINE: Final = re.compile(r"arn:(aws[a-z-]*):states:([a-z0-9-]+):([0-9]{12}):stateMachine:([A-Za-z0-9_-]{1,80})")
_REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]+")
_PARTITIONS: Final = (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov"))
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_ACCOUNT: Final = re.compile(r"[0-9]{12}")
_PREFIX: Final = re.compile(r"[A-Za-z0-9._/-]*")


class FleetError(WrongUseError):
    """A fleet that cannot be run or collected; one sentence states why and what to do."""


class Hub(Protocol):
    """A Region's bucket, and what runs the probes of its clients."""

    engine: ClassVar[str]
    """By its name in :mod:`.engines`."""

    @property
    def bucket(self) -> str:
        """With plans and outcomes."""
        ...

    @property
    def prefix(self) -> str:
        """Below which the objects are."""
        ...

    @property
    def partition(self) -> str:
        """As in ``aws``."""
        ...

    @property
    def region_name(self) -> str:
        """Whose clients it reaches."""
        ...


@dataclass(frozen=True, slots=True)
class Reached:
    """Where a client's probe is."""

    resource: str
    """The ARN of what runs it: a function, or an instance; empty where there is none."""
    role_arn: str = ""
    """A role of the client's own account that has it run; empty: whoever runs the fleet."""
    why: str = ""
    """Why there is none."""


@dataclass(frozen=True, slots=True)
class MachineHub:
    """The state machine and the bucket of a fleet.

    Raises:
        FleetError: something of it cannot be.
    """

    engine: ClassVar[str] = "step-functions"
    state_machine: str
    """Its ARN."""
    bucket: str
    prefix: str = PREFIX

    def __post_init__(self) -> None:
        if _MACHINE.fullmatch(self.state_machine) is None:
            raise FleetError(
                f"{self.state_machine!r} is not the ARN of a state machine, such as "
                "arn:aws:states:us-east-1:111111111111:stateMachine:brokerproof-fleet; the hub stack's outputs have it"
            )
        _check_bucket(self.bucket, self.prefix)

    @property
    def partition(self) -> str:
        """As in ``aws``."""
        return self.state_machine.split(":")[1]

    @property
    def region_name(self) -> str:
        """The state machine's."""
        return self.state_machine.split(":")[3]

    def execution(self, run: str) -> str:
        """The ARN of one execution (Step Functions API reference, StartExecution)."""
        return f"{self.state_machine.replace(':stateMachine:', ':execution:', 1)}:{run}"

    def reach(self, topology: Topology, client: Client) -> Reached:
        """A client's function, and the role that invokes it.

        Raises:
            FleetError: nobody says whose the client's VPC is, or it is in a Region that this hub does not reach: Step
                Functions calls nothing of another Region (developer guide, "Accessing resources in other accounts").
        """
        account, region = account_of(topology, client)
        if region != self.region_name:
            raise FleetError(
                f"client {client.name} is in {region}, and a state machine of {self.region_name} reaches no function "
                "there: deploy a hub there and give it too, or leave such clients out by --only-region"
            )
        function = f"arn:{self.partition}:lambda:{region}:{account}:function:{FUNCTION.format(client=client.name)}"
        return Reached(function, f"arn:{self.partition}:iam::{account}:role/{ROLE.format(client=client.name)}")


@dataclass(frozen=True, slots=True)
class CommandHub:
    """The bucket of a Region whose instances Run Command reaches.

    Raises:
        FleetError: something of it cannot be.
    """

    engine: ClassVar[str] = "ssm"
    region_name: str
    bucket: str
    prefix: str = PREFIX

    def __post_init__(self) -> None:
        if _REGION.fullmatch(self.region_name) is None:
            raise FleetError(f"{self.region_name!r} is not the name of a Region, such as us-east-1")
        _check_bucket(self.bucket, self.prefix)

    @property
    def partition(self) -> str:
        """As in ``aws``."""
        return next((partition for begin, partition in _PARTITIONS if self.region_name.startswith(begin)), "aws")

    def instance(self, account: str, instance_id: str) -> str:
        """The ARN of an instance, or of a managed node (``mi-``)."""
        service, kind = ("ssm", "managed-instance") if instance_id.startswith("mi-") else ("ec2", "instance")
        return f"arn:{self.partition}:{service}:{self.region_name}:{account}:{kind}/{instance_id}"

    def role_in(self, account: str) -> str:
        """The ARN of the role that sends commands in an account."""
        return f"arn:{self.partition}:iam::{account}:role/{COMMANDS_ROLE}"


def reached_by(hubs: Sequence[Hub], topology: Topology) -> Topology:
    """The topology with the clients of these hubs' Regions alone."""
    regions = {hub.region_name for hub in hubs}
    here = {vpc.vpc_id for vpc in topology.vpcs if vpc.region_name in regions}
    return topology.model_copy(update={"clients": tuple(c for c in topology.clients if c.vpc_id in here)})


def hub_of(hubs: Sequence[Hub], topology: Topology, client: Client) -> Hub:
    """The hub that reaches a client's probe; the first where none does, which says so.

    Raises:
        FleetError: nobody says whose the client's VPC is.
    """
    _, region = account_of(topology, client)
    return next((hub for hub in hubs if hub.region_name == region), hubs[0])


def check_name(name: str, what: str) -> str:
    """A name of a set or of a run, as keys and executions take it.

    Raises:
        FleetError: it is none.
    """
    if _NAME.fullmatch(name) is None:
        raise FleetError(f"{name!r} is not the name of a {what}: letters, digits, '-' and '_', at most 64")
    return name


def account_of(topology: Topology, client: Client) -> tuple[str, str]:
    """The account and the Region of a client's VPC.

    Raises:
        FleetError: nobody says.
    """
    vpc = next((each for each in topology.vpcs if each.vpc_id == client.vpc_id), None)
    if client.vpc_id == UNKNOWN or vpc is None:
        raise FleetError(f"client {client.name}: its VPC is unknown, so its account and Region are; state vpc_id")
    if _ACCOUNT.fullmatch(vpc.owner_id) is None:
        raise FleetError(f"VPC {vpc.vpc_id} of client {client.name}: owner_id {vpc.owner_id!r} is no account of AWS's")
    return vpc.owner_id, vpc.region_name


def _check_bucket(bucket: str, prefix: str) -> None:
    if _BUCKET.fullmatch(bucket) is None:
        raise FleetError(f"{bucket!r} is not the name of a bucket; the hub stack's outputs have it")
    if _PREFIX.fullmatch(prefix) is None:
        raise FleetError(f"{prefix!r} is no prefix: letters, digits, '.', '_', '-' and '/'")
