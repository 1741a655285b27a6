"""Every call to AWS that a fleet makes, declared by who makes it; the policies of all roles follow from this list.

What the state machine calls is what its definition says; a test holds both together, and others what everybody else
calls against what is declared here. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class Who(StrEnum):
    """Who calls."""

    OPERATOR = "operator"
    """Whoever runs ``brokerproof fleet`` with engine ``step-functions``."""
    STATE_MACHINE = "state_machine"
    FUNCTION = "function"
    """A client's probe."""
    INVOKER = "invoker"
    """The role of a client's account that the state machine assumes."""
    SCHEDULE = "schedule"
    SENDER = "sender"
    """Whoever runs ``brokerproof fleet`` with engine ``ssm``."""
    COMMANDER = "commander"
    """The role of a client's account that the sender assumes; in one's own account the sender does the same."""
    INSTANCE = "instance"
    """A client's instance, where its script's output is to be kept; for its items it needs nothing."""


class On(StrEnum):
    """What a call is about; a template says which ARN that is."""

    MACHINE = "machine"
    EXECUTIONS = "executions"
    MAP_RUNS = "map_runs"
    BUCKET = "bucket"
    SETS = "sets"
    """Objects of sets: plans, items, topologies."""
    RESULTS = "results"
    """Objects of runs."""
    OWN_PLAN = "own_plan"
    """The plan of one client."""
    OWN_RESULT = "own_result"
    """The objects of one client."""
    INVOKERS = "invokers"
    FUNCTION = "function"
    COMMANDERS = "commanders"
    DOCUMENT = "document"
    """Of Systems Manager: what runs a shell script."""
    INSTANCES = "instances"
    OUTPUT = "output"
    """What scripts printed."""
    ANYTHING = "anything"
    """Of operations that IAM cannot narrow to a resource."""


@dataclass(frozen=True, slots=True)
class FleetCall:
    """One operation, and the permission it needs."""

    who: Who
    service: str
    operation: str
    on: tuple[On, ...]
    action: str = ""
    """Where the permission is called otherwise than the operation."""

    @property
    def permission(self) -> str:
        """The IAM action."""
        return self.action or f"{self.service}:{self.operation}"


CALLS: Final = (
    FleetCall(Who.OPERATOR, "s3", "PutObject", (On.SETS,)),
    FleetCall(Who.OPERATOR, "s3", "GetObject", (On.SETS, On.RESULTS)),
    FleetCall(Who.OPERATOR, "s3", "ListObjectsV2", (On.BUCKET,), "s3:ListBucket"),
    FleetCall(Who.OPERATOR, "states", "StartExecution", (On.MACHINE,)),
    FleetCall(Who.OPERATOR, "states", "DescribeExecution", (On.EXECUTIONS, On.MAP_RUNS)),
    FleetCall(Who.OPERATOR, "states", "StopExecution", (On.EXECUTIONS,)),
    FleetCall(Who.OPERATOR, "states", "ListMapRuns", (On.EXECUTIONS,)),
    FleetCall(Who.OPERATOR, "states", "ListExecutions", (On.MACHINE, On.MAP_RUNS)),
    FleetCall(Who.STATE_MACHINE, "s3", "GetObject", (On.SETS,)),
    # Of a distributed map and its ResultWriter: Step Functions developer guide, "IAM policies for using Distributed Map
    # states". The function writes outcomes itself; the writer keeps what the engine says of each item.
    FleetCall(Who.STATE_MACHINE, "s3", "PutObject", (On.RESULTS,)),
    FleetCall(Who.STATE_MACHINE, "s3", "ListMultipartUploadParts", (On.RESULTS,)),
    FleetCall(Who.STATE_MACHINE, "s3", "AbortMultipartUpload", (On.RESULTS,)),
    FleetCall(Who.STATE_MACHINE, "states", "StartExecution", (On.MACHINE,)),
    FleetCall(Who.STATE_MACHINE, "states", "DescribeExecution", (On.MAP_RUNS,)),
    FleetCall(Who.STATE_MACHINE, "states", "StopExecution", (On.MAP_RUNS,)),
    FleetCall(Who.STATE_MACHINE, "sts", "AssumeRole", (On.INVOKERS,)),
    FleetCall(Who.FUNCTION, "s3", "GetObject", (On.OWN_PLAN,)),
    FleetCall(Who.FUNCTION, "s3", "PutObject", (On.OWN_RESULT,)),
    FleetCall(Who.INVOKER, "lambda", "Invoke", (On.FUNCTION,), "lambda:InvokeFunction"),
    FleetCall(Who.SCHEDULE, "states", "StartExecution", (On.MACHINE,)),
    # The links that instances have are the sender's own permissions.
    FleetCall(Who.SENDER, "s3", "PutObject", (On.SETS,)),
    FleetCall(Who.SENDER, "s3", "GetObject", (On.SETS, On.RESULTS)),
    FleetCall(Who.SENDER, "s3", "ListObjectsV2", (On.BUCKET,), "s3:ListBucket"),
    FleetCall(Who.SENDER, "sts", "GetCallerIdentity", ()),  # needs no permission
    FleetCall(Who.SENDER, "sts", "AssumeRole", (On.COMMANDERS,)),
    FleetCall(Who.COMMANDER, "ssm", "SendCommand", (On.DOCUMENT, On.INSTANCES)),
    # Service authorization reference, EC2 and Systems Manager: these have no resource type.
    FleetCall(Who.COMMANDER, "ec2", "DescribeInstances", (On.ANYTHING,)),
    FleetCall(Who.COMMANDER, "ssm", "DescribeInstanceInformation", (On.ANYTHING,)),
    FleetCall(Who.COMMANDER, "ssm", "ListCommands", (On.ANYTHING,)),
    FleetCall(Who.COMMANDER, "ssm", "ListCommandInvocations", (On.ANYTHING,)),
    FleetCall(Who.COMMANDER, "ssm", "CancelCommand", (On.ANYTHING,)),
    # Of SSM's agent, with the instance's role.
    FleetCall(Who.INSTANCE, "s3", "PutObject", (On.OUTPUT,)),
)


def statements(who: Who, arns: dict[On, Any]) -> list[dict[str, Any]]:
    """The statements of a role's policy: one for each thing its calls are about.

    Args:
        who: Whose.
        arns: What each thing is in the template or account at hand; every thing that the role's calls are about.
    """
    by_thing: dict[On, list[str]] = {}
    for call in CALLS:
        if call.who is who:
            for thing in call.on:
                by_thing.setdefault(thing, []).append(call.permission)
    return [
        {"Effect": "Allow", "Action": sorted(actions), "Resource": arns[thing]}
        for thing, actions in sorted(by_thing.items())
    ]
