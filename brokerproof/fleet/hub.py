"""Where a fleet is: its state machine, its bucket, and how what stands in clients' accounts is called. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from brokerproof.errors import WrongUseError
from brokerproof.topology.models import UNKNOWN, Client, Topology

FUNCTION: Final = "brokerproof-probe-{client}"
ROLE: Final = "brokerproof-fleet-invoke-{client}"
"""A role of the client's account that the state machine may assume, to invoke that client's probe and nothing else."""
PREFIX: Final = "brokerproof"
ENGINE: Final = "_engine"
"""Beside the runs of a set: what the engine itself writes. No run is called so: names begin with a letter or digit."""
_MACHINE: Final = re.compile(r"arn:(aws[a-z-]*):states:([a-z0-9-]+):([0-9]{12}):stateMachine:([A-Za-z0-9_-]{1,80})")
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_ACCOUNT: Final = re.compile(r"[0-9]{12}")
_PREFIX: Final = re.compile(r"[A-Za-z0-9._/-]*")


class FleetError(WrongUseError):
    """A fleet that cannot be run or collected; one sentence states why and what to do."""


@dataclass(frozen=True, slots=True)
class Hub:
    """The state machine and the bucket of a fleet.

    Raises:
        FleetError: something of it cannot be.
    """

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
        if _BUCKET.fullmatch(self.bucket) is None:
            raise FleetError(f"{self.bucket!r} is not the name of a bucket; the hub stack's outputs have it")
        if _PREFIX.fullmatch(self.prefix) is None:
            raise FleetError(f"{self.prefix!r} is no prefix: letters, digits, '.', '_', '-' and '/'")

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

    def function_of(self, topology: Topology, client: Client) -> str:
        """The ARN of a client's probe.

        Raises:
            FleetError: nobody says whose the client's VPC is, or it is in a Region that this hub does not reach: Step
                Functions calls nothing of another Region (developer guide, "Accessing resources in other accounts").
        """
        account, region = _account(topology, client)
        if region != self.region_name:
            raise FleetError(
                f"client {client.name} is in {region}, and a state machine of {self.region_name} reaches no function "
                "there: deploy a hub there and give it too, or leave such clients out by --only-region"
            )
        return f"arn:{self.partition}:lambda:{region}:{account}:function:{FUNCTION.format(client=client.name)}"

    def role_of(self, topology: Topology, client: Client) -> str:
        """The ARN of the role that invokes it.

        Raises:
            FleetError: nobody says whose the client's VPC is.
        """
        account, _ = _account(topology, client)
        return f"arn:{self.partition}:iam::{account}:role/{ROLE.format(client=client.name)}"


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
    _, region = _account(topology, client)
    return next((hub for hub in hubs if hub.region_name == region), hubs[0])


def check_name(name: str, what: str) -> str:
    """A name of a set or of a run, as keys and executions take it.

    Raises:
        FleetError: it is none.
    """
    if _NAME.fullmatch(name) is None:
        raise FleetError(f"{name!r} is not the name of a {what}: letters, digits, '-' and '_', at most 64")
    return name


def _account(topology: Topology, client: Client) -> tuple[str, str]:
    vpc = next((each for each in topology.vpcs if each.vpc_id == client.vpc_id), None)
    if client.vpc_id == UNKNOWN or vpc is None:
        raise FleetError(f"client {client.name}: its VPC is unknown, so its account and Region are; state vpc_id")
    if _ACCOUNT.fullmatch(vpc.owner_id) is None:
        raise FleetError(f"VPC {vpc.vpc_id} of client {client.name}: owner_id {vpc.owner_id!r} is no account of AWS's")
    return vpc.owner_id, vpc.region_name
