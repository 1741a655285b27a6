"""The templates, deployed for real into ministack's CloudFormation: a hub's account, and one stack a client."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Final

from brokerproof.fleet.hub import MachineHub
from brokerproof.fleet.machine import definition
from brokerproof.topology.models import Topology
from tests.fleet.offline.emulator import REGION, Emulator
from tools import fleet_templates

HUB_ACCOUNT: Final = "111111111111"
BUCKET: Final = "brokerproof-fleet-offline"
CODE: Final = "brokerproof-code-offline"
_STACK_S: Final = 60


def offline(machine: dict[str, Any], *, at_once: int) -> dict[str, Any]:
    """The definition as ministack 1.5.33 can carry it out: it reads no ...Path of a distributed map, and has no
    ResultWriter. Everything else is what is deployed.
    """
    made: dict[str, Any] = json.loads(json.dumps(machine))
    clients = made["States"]["Clients"]
    del clients["MaxConcurrencyPath"], clients["ToleratedFailurePercentagePath"], clients["ResultWriter"]
    return {**made, "States": {"Clients": {**clients, "MaxConcurrency": at_once, "ToleratedFailurePercentage": 100}}}


IMAGE: Final = f"{HUB_ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/brokerproof-function:1"


def deploy_hub(
    emulator: Emulator,
    *,
    at_once: int,
    item_timeout_s: int,
    schedule: str = "",
    region: str = REGION,
    bucket: str = BUCKET,
) -> MachineHub:
    """The hub's stack; the hub by its outputs."""
    template = fleet_templates.hub()
    template["Resources"]["StateMachine"]["Properties"]["Definition"] = offline(
        definition(item_timeout_s), at_once=at_once
    )
    given = {"BucketName": bucket, "ScheduleExpression": schedule, "MaxConcurrency": str(at_once)}
    told = _deploy(emulator, HUB_ACCOUNT, "brokerproof-fleet", template, given, region=region)
    return MachineHub(told["StateMachineArn"], told["BucketName"])


def deploy_probes(
    emulator: Emulator, hub: MachineHub, topology: Topology, code: Path | None, urls: dict[str, str]
) -> None:
    """A stack for each client, in its account, of a zip or, without one, of an image.

    Where ministack forwards each to is said by ``urls``, so it asks no registry for the image.
    """
    for client in topology.clients:
        vpc = topology.vpc(client.vpc_id)
        s3 = emulator.client("s3", vpc.owner_id)
        bucket = f"{CODE}-{vpc.owner_id}"
        if code is not None:
            s3.create_bucket(Bucket=bucket)
            s3.put_object(Bucket=bucket, Key="probe.zip", Body=code.read_bytes())
        given = {
            "ClientName": client.name,
            "SubnetIds": "subnet-1",
            "SecurityGroupIds": "sg-1",
            "StateMachineRoleArn": f"arn:aws:iam::{HUB_ACCOUNT}:role/brokerproof-fleet-{REGION}",
            "BucketName": hub.bucket,
            **({"ImageUri": IMAGE} if code is None else {"CodeBucket": bucket, "CodeKey": "probe.zip"}),
            "AlarmTopicArn": f"arn:aws:sns:{REGION}:{vpc.owner_id}:alarms",
        }
        _deploy(
            emulator,
            vpc.owner_id,
            f"brokerproof-probe-{client.name.replace(chr(95), chr(45))}",
            fleet_templates.probe(),
            given,
        )
        functions = emulator.client("lambda", vpc.owner_id)
        made = functions.get_function(FunctionName=f"brokerproof-probe-{client.name}")
        package = made["Configuration"].get("PackageType")
        if package != ("Zip" if code is not None else "Image"):
            raise RuntimeError(f"the function of {client.name} has the package type {package}")
        functions.update_function_configuration(
            FunctionName=f"brokerproof-probe-{client.name}",
            Environment={"Variables": {"MINISTACK_LAMBDA_PROXY_URL": urls[client.name]}},
        )


def _deploy(
    emulator: Emulator,
    account: str,
    name: str,
    template: dict[str, Any],
    given: dict[str, str],
    *,
    region: str = REGION,
) -> dict[str, str]:
    stacks = emulator.client("cloudformation", account, region)
    stacks.create_stack(
        StackName=name,
        TemplateBody=json.dumps(template),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    until = time.monotonic() + _STACK_S
    while True:
        stack = stacks.describe_stacks(StackName=name)["Stacks"][0]
        if stack["StackStatus"] == "CREATE_COMPLETE":
            return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", ())}
        if "ROLLBACK" in stack["StackStatus"] or "FAILED" in stack["StackStatus"] or time.monotonic() > until:
            events = stacks.describe_stack_events(StackName=name)["StackEvents"]
            why = [each.get("ResourceStatusReason", "") for each in events if "FAILED" in each["ResourceStatus"]]
            raise RuntimeError(f"stack {name}: {stack['StackStatus']}: {'; '.join(why)}")
        time.sleep(0.1)
