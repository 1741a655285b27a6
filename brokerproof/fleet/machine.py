"""The state machine of a fleet, as Amazon States Language: a distributed map over the items of a set. Pure.

Sources: Step Functions developer guide, "Distributed Map state", "ItemReader", "ResultWriter", "Accessing resources in
other accounts"; Lambda API reference, Invoke, for which errors come before a function's code.
"""

from __future__ import annotations

from typing import Any, Final

from brokerproof.fleet.far.values import VERSION, items_key, runs_prefix
from brokerproof.fleet.hub import ENGINE, MachineHub

ITEM_TIMEOUT_S: Final = 300
"""A function's own timeout ends it before; this frees the slot of one that does not answer at all."""
NOT_STARTED: Final = (
    "Lambda.TooManyRequestsException",
    "Lambda.ResourceNotReadyException",
    "Lambda.EC2ThrottledException",
    "Lambda.ENILimitReachedException",
)
"""What Lambda answers before a function's code runs: only these are asked again, so that nothing is probed twice."""
_S3: Final = "arn:aws:states:::s3:"
_OPERATIONS: Final = {"getObject": "GetObject", "putObject": "PutObject"}
_EVENT: Final = {
    "version": VERSION,
    "bucket.$": "$.bucket",
    "prefix.$": "$.prefix",
    "set.$": "$.set",
    "run.$": "$$.Execution.Name",
    "item.$": "$$.Map.Item.Value",
}


def definition(item_timeout_s: int = ITEM_TIMEOUT_S) -> dict[str, Any]:
    """The state machine; its input is what :func:`execution_input` makes."""
    probe = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Credentials": {"RoleArn.$": "$.item.role_arn"},
        "Parameters": {"FunctionName.$": "$.item.resource", "Payload.$": "$"},
        "ResultSelector": {"summary.$": "$.Payload"},
        "TimeoutSeconds": item_timeout_s,
        "Retry": [
            {
                "ErrorEquals": list(NOT_STARTED),
                "IntervalSeconds": 5,
                "BackoffRate": 2.0,
                "MaxAttempts": 5,
                "JitterStrategy": "FULL",
            }
        ],
        "End": True,
    }
    clients = {
        "Type": "Map",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSON"},
            "Parameters": {"Bucket.$": "$.bucket", "Key.$": "$.items_key"},
        },
        "ItemSelector": dict(_EVENT),
        "MaxConcurrencyPath": "$.max_concurrency",
        "ToleratedFailurePercentagePath": "$.tolerated_failure_percentage",
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "Probe",
            "States": {"Probe": probe},
        },
        "ResultWriter": {
            "Resource": "arn:aws:states:::s3:putObject",
            "Parameters": {"Bucket.$": "$.bucket", "Prefix.$": "$.engine_prefix"},
        },
        "End": True,
    }
    return {
        "Comment": "brokerproof: one probe for each client VPC. Did not run is an item without its object in S3.",
        "StartAt": "Clients",
        "States": {"Clients": clients},
    }


def execution_input(hub: MachineHub, set_name: str, *, at_once: int, tolerated: float = 100) -> dict[str, Any]:
    """What an execution of a set is started with; a schedule has the same.

    Args:
        hub: Where the set is.
        set_name: Which.
        at_once: Items at a time.
        tolerated: At which percentage of items that fail the engine stops; 100 is never.
    """
    return {
        "bucket": hub.bucket,
        "prefix": hub.prefix,
        "set": set_name,
        "items_key": items_key(hub.prefix, set_name),
        "engine_prefix": f"{runs_prefix(hub.prefix, set_name)}{ENGINE}",
        "max_concurrency": at_once,
        "tolerated_failure_percentage": tolerated,
    }


def calls_in(machine: dict[str, Any]) -> set[tuple[str, str]]:
    """The services and operations that a definition has its role call; a test compares them with the policy."""
    found: set[tuple[str, str]] = set()
    left: list[Any] = [machine]
    while left:
        value = left.pop()
        if isinstance(value, list):
            left += value
        if not isinstance(value, dict):
            continue
        left += value.values()
        if "Credentials" in value:
            found.add(("sts", "AssumeRole"))
        if value.get("Resource") == "arn:aws:states:::lambda:invoke":
            found.add(("lambda", "Invoke"))
        if isinstance(resource := value.get("Resource"), str) and resource.startswith(_S3):
            found.add(("s3", _OPERATIONS[resource.removeprefix(_S3)]))
        if "ResultWriter" in value:
            found |= {("s3", operation) for operation in ("ListMultipartUploadParts", "AbortMultipartUpload")}
        if value.get("Mode") == "DISTRIBUTED":
            found |= {("states", f"{verb}Execution") for verb in ("Start", "Describe", "Stop")}
    return found
