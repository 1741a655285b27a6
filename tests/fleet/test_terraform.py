"""The Terraform modules beside the CloudFormation templates: the same parameters, resources and policies, as data."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from brokerproof.fleet.bundle import HANDLER, PYTHON
from brokerproof.fleet.calls import Who
from brokerproof.fleet.hub import FUNCTION, CommandHub, MachineHub
from brokerproof.fleet.policies import policy_of
from tests.fleet.test_templates import template
from tools import fleet_templates

hcl2 = pytest.importorskip("hcl2", reason="python-hcl2 is not installed: tools/setup.sh installs it")

pytestmark = pytest.mark.slow  # the parser takes more than a second of each module

MODULES = Path(__file__).parents[2] / "deploy" / "terraform"
PAIRS = {name: f"{name}.yaml" for name in ("fleet-commands", "fleet-hub", "fleet-probe")}
HUB = MachineHub("arn:aws:states:us-east-1:111111111111:stateMachine:brokerproof-fleet", "bucket-1", "p")
COMMANDS = CommandHub("us-east-1", HUB.bucket, HUB.prefix)
BY_COMMAND = {Who.SENDER, Who.COMMANDER, Who.INSTANCE}
PARTS = {
    "data.aws_partition.this.partition": "aws",
    "data.aws_region.this.name": "us-east-1",
    "data.aws_caller_identity.this.account_id": "111111111111",
    "var.bucket_name": HUB.bucket,
    "var.prefix": HUB.prefix,
    "var.client_name": "app",
    "aws_lambda_function.function.arn": f"arn:aws:lambda:*:*:function:{FUNCTION.format(client='app')}",
}
TYPES = {
    "aws_cloudwatch_log_group": "AWS::Logs::LogGroup",
    "aws_iam_role": "AWS::IAM::Role",
    "aws_iam_policy": "AWS::IAM::ManagedPolicy",
    "aws_lambda_function": "AWS::Lambda::Function",
    "aws_lambda_function_event_invoke_config": "AWS::Lambda::EventInvokeConfig",
    "aws_cloudwatch_metric_alarm": "AWS::CloudWatch::Alarm",
    "aws_s3_bucket": "AWS::S3::Bucket",
    "aws_s3_bucket_policy": "AWS::S3::BucketPolicy",
    "aws_sfn_state_machine": "AWS::StepFunctions::StateMachine",
    "aws_scheduler_schedule": "AWS::Scheduler::Schedule",
}
PART_OF_ANOTHER = re.compile(r"aws_iam_role_policy(_attachment)?|aws_s3_bucket_(?!policy).*")
"""What CloudFormation has as a property of a role or a bucket."""


def plain(value: Any) -> Any:
    """What the parser says, without the quotes that it leaves around strings."""
    match value:
        case str():
            return value.removeprefix('"').removesuffix('"')
        case list():
            return [plain(each) for each in value]
        case dict():
            return {plain(key): plain(each) for key, each in value.items() if not key.startswith("__")}
        case _:
            return value


@cache
def module(name: str) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for path in sorted((MODULES / name).glob("*.tf")):
        with path.open(encoding="utf-8") as file:
            for kind, blocks in plain(hcl2.load(file)).items():
                found.setdefault(kind, []).extend(blocks)
    return found


def variables(name: str) -> dict[str, dict[str, Any]]:
    return {key: body for each in module(name)["variable"] for key, body in each.items()}


def blocks(name: str, kind: str) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (of, called): body
        for each in module(name).get(kind, [])
        for of, rest in each.items()
        for called, body in rest.items()
    }


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def resolved(text: str, name: str) -> str:
    """An expression of strings with everything that it names filled in."""
    inner = text[2:-1] if re.fullmatch(r"\$\{[^{}]*\}", text) else text
    if inner in PARTS:
        return PARTS[inner]
    if inner.startswith("local."):
        told: dict[str, Any] = {key: value for each in module(name)["locals"] for key, value in each.items()}
        return resolved(told[inner.removeprefix("local.")], name)
    return re.sub(r"\$\{([^{}]+)\}", lambda match: resolved(match[1], name), text)


@pytest.mark.parametrize("name", PAIRS)
def test_parameters_are_the_same(name: str) -> None:
    theirs = {snake(key): each for key, each in template(PAIRS[name])["Parameters"].items()}
    ours = variables(name)
    assert set(ours) == set(theirs)
    for key, each in theirs.items():
        assert ours[key]["description"] == each["Description"], key
        assert ours[key].get("default") == each.get("Default"), key


@pytest.mark.parametrize("name", PAIRS)
def test_resources_are_the_same(name: str) -> None:
    theirs = sorted((each["Type"], snake(key)) for key, each in template(PAIRS[name])["Resources"].items())
    ours = sorted((TYPES[of], called) for of, called in blocks(name, "resource") if not PART_OF_ANOTHER.fullmatch(of))
    assert ours == theirs


@pytest.mark.parametrize("name", PAIRS)
def test_outputs_are_the_same(name: str) -> None:
    ours = {key for each in module(name)["output"] for key in each}
    assert ours == {snake(key) for key in template(PAIRS[name])["Outputs"]}


@pytest.mark.parametrize(
    ("name", "called", "who"),
    [
        ("fleet-hub", "state_machine", Who.STATE_MACHINE),
        ("fleet-hub", "schedule", Who.SCHEDULE),
        ("fleet-hub", "operator", Who.OPERATOR),
        ("fleet-hub", "sender", Who.SENDER),
        ("fleet-commands", "commander", Who.COMMANDER),
        ("fleet-commands", "instance", Who.INSTANCE),
        ("fleet-probe", "function", Who.FUNCTION),
        ("fleet-probe", "invoker", Who.INVOKER),
    ],
)
def test_policies_are_the_same(name: str, called: str, who: Who) -> None:
    ours = [
        (each["actions"], [resolved(resource, name) for resource in each["resources"]])
        for each in blocks(name, "data")["aws_iam_policy_document", called]["statement"]
    ]
    theirs = [
        (each["Action"], each["Resource"] if isinstance(each["Resource"], list) else [each["Resource"]])
        for each in policy_of(who, COMMANDS if who in BY_COMMAND else HUB, "app")["Statement"]
    ]
    assert ours == theirs


def test_the_function_and_the_state_machine_are_the_same() -> None:
    ours = blocks("fleet-probe", "resource")["aws_lambda_function", "function"]
    theirs = template("fleet-probe.yaml")["Resources"]["Function"]["Properties"]
    for key, of_zip in (("Runtime", f"python{PYTHON}"), ("Handler", HANDLER)):
        assert theirs[key] == {"Fn::If": ["OfImage", {"Ref": "AWS::NoValue"}, of_zip]}
        assert ours[snake(key)] == f'${{local.of_image ? null : "{of_zip}"}}'
    assert theirs["PackageType"] == {"Fn::If": ["OfImage", "Image", "Zip"]}
    assert ours["package_type"] == '${local.of_image ? "Image" : "Zip"}'
    assert ours["image_uri"] == "${local.of_image ? var.image_uri : null}"
    assert fleet_templates.MACHINE_FILE.read_text(encoding="utf-8") == fleet_templates.machine_file()
