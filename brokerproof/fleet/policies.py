"""The least IAM policies of a fleet's roles, generated from the calls that are declared. Pure."""

from __future__ import annotations

from typing import Any

from brokerproof.fleet.calls import CALLS, On, Who, statements
from brokerproof.fleet.far.values import plan_key, result_key, runs_prefix, set_key
from brokerproof.fleet.hub import COMMANDS_ROLE, FUNCTION, OUTPUT, ROLE, CommandHub, FleetError, Hub, MachineHub
from brokerproof.vantages.run_command import DOCUMENT
from brokerproof.wording import listed


def policy_of(who: Who, hub: Hub, client: str = "*") -> dict[str, Any]:
    """The policy document of a role, for a hub and, of function and invoker, a client.

    Raises:
        FleetError: the engine of the hub has no such role.
    """
    known = things(hub, client)

    def has(role: Who) -> bool:
        return all(thing in known for call in CALLS if call.who is role for thing in call.on)

    if not has(who):
        own = [each.value for each in Who if has(each)]
        raise FleetError(f"engine {hub.engine} has no {who.value}: it has {listed(own)}; --engine names another one")
    return {"Version": "2012-10-17", "Statement": statements(who, known)}


def things(hub: Hub, client: str = "*") -> dict[On, Any]:
    """The ARNs of what calls are about."""
    bucket = f"arn:{hub.partition}:s3:::{hub.bucket}"
    objects = {
        On.BUCKET: bucket,
        On.SETS: f"{bucket}/{set_key(hub.prefix, '*', '*')}",
        On.RESULTS: f"{bucket}/{result_key(hub.prefix, '*', '*', '*').removesuffix('.json')}",
    }
    match hub:
        case MachineHub():
            return {**objects, **_of_machine(hub, bucket, client)}
        case CommandHub():
            return {**objects, **_of_commands(hub, bucket)}
        case _:
            raise AssertionError(hub)


def _of_machine(hub: MachineHub, bucket: str, client: str) -> dict[On, Any]:
    partition, name = hub.partition, hub.state_machine.rpartition(":")[2]
    place = ":".join(hub.state_machine.split(":")[3:5])
    return {
        On.MACHINE: hub.state_machine,
        On.EXECUTIONS: f"arn:{partition}:states:{place}:execution:{name}:*",
        # Of a distributed map: mapRun:NAME/LABEL:ID, and its children as execution:NAME/LABEL:ID.
        On.MAP_RUNS: [
            f"arn:{partition}:states:{place}:mapRun:{name}/*:*",
            f"arn:{partition}:states:{place}:execution:{name}/*:*",
        ],
        On.OWN_PLAN: f"{bucket}/{plan_key(hub.prefix, '*', client)}",
        On.OWN_RESULT: f"{bucket}/{result_key(hub.prefix, '*', '*', client)}",
        On.INVOKERS: f"arn:{partition}:iam::*:role/{ROLE.format(client='*')}",
        On.FUNCTION: f"arn:{partition}:lambda:*:*:function:{FUNCTION.format(client=client)}",
    }


def _of_commands(hub: CommandHub, bucket: str) -> dict[On, Any]:
    """Of all Regions: an account has one such role."""
    partition = hub.partition
    return {
        On.COMMANDERS: f"arn:{partition}:iam::*:role/{COMMANDS_ROLE}",
        On.DOCUMENT: f"arn:{partition}:ssm:*::document/{DOCUMENT}",
        On.INSTANCES: [f"arn:{partition}:ec2:*:*:instance/*", f"arn:{partition}:ssm:*:*:managed-instance/*"],
        On.OUTPUT: f"{bucket}/{runs_prefix(hub.prefix, '*')}{OUTPUT}/*",
        On.ANYTHING: "*",
    }
