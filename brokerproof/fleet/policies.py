"""The least IAM policies of a fleet's roles, generated from the calls that are declared. Pure."""

from __future__ import annotations

from typing import Any

from brokerproof.fleet.calls import On, Who, statements
from brokerproof.fleet.far.values import plan_key, result_key, set_key
from brokerproof.fleet.hub import FUNCTION, ROLE, Hub


def policy_of(who: Who, hub: Hub, client: str = "*") -> dict[str, Any]:
    """The policy document of a role, for a hub and, of function and invoker, a client."""
    return {"Version": "2012-10-17", "Statement": statements(who, things(hub, client))}


def things(hub: Hub, client: str = "*") -> dict[On, Any]:
    """The ARNs of what calls are about."""
    partition, name = hub.partition, hub.state_machine.rpartition(":")[2]
    place = ":".join(hub.state_machine.split(":")[3:5])
    bucket = f"arn:{partition}:s3:::{hub.bucket}"
    return {
        On.MACHINE: hub.state_machine,
        On.EXECUTIONS: f"arn:{partition}:states:{place}:execution:{name}:*",
        # Of a distributed map: mapRun:NAME/LABEL:ID, and its children as execution:NAME/LABEL:ID.
        On.MAP_RUNS: [
            f"arn:{partition}:states:{place}:mapRun:{name}/*:*",
            f"arn:{partition}:states:{place}:execution:{name}/*:*",
        ],
        On.BUCKET: bucket,
        On.SETS: f"{bucket}/{set_key(hub.prefix, '*', '*')}",
        On.RESULTS: f"{bucket}/{result_key(hub.prefix, '*', '*', '*').removesuffix('.json')}",
        On.OWN_PLAN: f"{bucket}/{plan_key(hub.prefix, '*', client)}",
        On.OWN_RESULT: f"{bucket}/{result_key(hub.prefix, '*', '*', client)}",
        On.INVOKERS: f"arn:{partition}:iam::*:role/{ROLE.format(client='*')}",
        On.FUNCTION: f"arn:{partition}:lambda:*:*:function:{FUNCTION.format(client=client)}",
    }
