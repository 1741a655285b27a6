"""CloudFormation of a fleet: current, linted, and with the policies, the definition and the input that the code has."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from brokerproof.fleet.calls import Who
from brokerproof.fleet.hub import COMMANDS_ROLE, FUNCTION, ROLE, CommandHub, MachineHub
from brokerproof.fleet.machine import definition, execution_input
from brokerproof.fleet.policies import policy_of
from tools import fleet_templates

HUB = MachineHub("arn:aws:states:us-east-1:111111111111:stateMachine:brokerproof-fleet", "bucket-1", "p")
COMMANDS = CommandHub("us-east-1", HUB.bucket, HUB.prefix)
GIVEN = {
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::AccountId": "111111111111",
    "BucketName": HUB.bucket,
    "Prefix": HUB.prefix,
    "ClientName": "app",
    "ScheduledSet": "scheduled",
    "MaxConcurrency": "5",
    "Function": "function",
}


def template(name: str) -> dict[str, Any]:
    made: dict[str, Any] = YAML(typ="safe", pure=True).load(fleet_templates.FOLDER / name)
    return made


def resolved(value: Any) -> Any:
    """A value of a template with its parameters filled in."""
    match value:
        case {"Fn::Sub": str(text)}:
            return re.sub(r"\$\{([^}]+)\}", lambda match: GIVEN[match[1]], text)
        case {"Fn::GetAtt": ["Function", "Arn"]}:
            return f"arn:aws:lambda:*:*:function:{FUNCTION.format(client='app')}"
        case {"Ref": str(name)}:
            return GIVEN[name]
        case dict():
            return {key: resolved(each) for key, each in value.items()}
        case list():
            return [resolved(each) for each in value]
        case _:
            return value


@pytest.mark.parametrize("name", fleet_templates.TEMPLATES)
def test_what_is_committed_is_current(name: str) -> None:
    committed = (fleet_templates.FOLDER / name).read_text(encoding="utf-8")
    assert committed == fleet_templates.written(fleet_templates.TEMPLATES[name]()), "run `make templates`"


@pytest.mark.slow
def test_cfn_lint_finds_nothing() -> None:
    linter = shutil.which("cfn-lint", path=str(Path(sys.executable).parent))
    if linter is None:
        pytest.skip("cfn-lint is not installed: tools/setup.sh installs it")
    paths = sorted(map(str, fleet_templates.FOLDER.glob("*.yaml")))
    assert len(paths) > len(fleet_templates.TEMPLATES)
    done = subprocess.run([linter, *paths], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("name", "resource", "who"),
    [
        ("fleet-hub.yaml", "StateMachineRole", Who.STATE_MACHINE),
        ("fleet-hub.yaml", "ScheduleRole", Who.SCHEDULE),
        ("fleet-probe.yaml", "FunctionRole", Who.FUNCTION),
        ("fleet-probe.yaml", "InvokeRole", Who.INVOKER),
    ],
)
def test_a_roles_policy_is_the_one_that_its_calls_need(name: str, resource: str, who: Who) -> None:
    policy = template(name)["Resources"][resource]["Properties"]["Policies"][0]["PolicyDocument"]
    assert resolved(policy) == policy_of(who, HUB, "app")


def test_the_operators_policy_is_the_one_that_the_command_needs() -> None:
    policy = template("fleet-hub.yaml")["Resources"]["OperatorPolicy"]["Properties"]["PolicyDocument"]
    assert resolved(policy) == policy_of(Who.OPERATOR, HUB)


@pytest.mark.parametrize(
    ("name", "resource", "who"),
    [
        ("fleet-hub.yaml", "SenderPolicy", Who.SENDER),
        ("fleet-commands.yaml", "CommandsRole", Who.COMMANDER),
        ("fleet-commands.yaml", "InstancePolicy", Who.INSTANCE),
    ],
)
def test_the_policies_of_run_command_are_those_that_its_calls_need(name: str, resource: str, who: Who) -> None:
    properties = template(name)["Resources"][resource]["Properties"]
    policy = properties["Policies"][0]["PolicyDocument"] if "Policies" in properties else properties["PolicyDocument"]
    assert resolved(policy) == policy_of(who, COMMANDS)


def test_the_state_machine_and_the_schedules_input_are_the_codes() -> None:
    resources = template("fleet-hub.yaml")["Resources"]
    assert resources["StateMachine"]["Properties"]["Definition"] == definition()
    given = json.loads(resolved(resources["Schedule"]["Properties"]["Target"]["Input"]))
    assert given == execution_input(HUB, "scheduled", at_once=5)


def test_names_are_those_that_the_command_derives() -> None:
    resources = template("fleet-probe.yaml")["Resources"]
    assert resolved(resources["Function"]["Properties"]["FunctionName"]) == FUNCTION.format(client="app")
    assert resolved(resources["InvokeRole"]["Properties"]["RoleName"]) == ROLE.format(client="app")
    commands = template("fleet-commands.yaml")["Resources"]["CommandsRole"]["Properties"]
    assert commands["RoleName"] == COMMANDS_ROLE


def test_a_probe_has_the_time_for_a_plan_and_is_not_invoked_twice() -> None:
    from brokerproof.fleet.far.handler import most_ms  # noqa: PLC0415
    from brokerproof.fleet.items import verification  # noqa: PLC0415
    from brokerproof.topology.patterns import PATTERNS  # noqa: PLC0415

    topology = PATTERNS["peering"].build()
    most = max(most_ms(verification(topology, client)) for client in topology.clients)
    made = template("fleet-probe.yaml")
    assert made["Parameters"]["TimeoutSeconds"]["Default"] * 1000 > most
    assert made["Resources"]["AskedOnce"]["Properties"]["MaximumRetryAttempts"] == 0


def holds(condition: Any, given: dict[str, str]) -> bool:
    match condition:
        case {"Fn::Or": list(every)}:
            return any(holds(each, given) for each in every)
        case {"Fn::And": list(every)}:
            return all(holds(each, given) for each in every)
        case {"Fn::Not": [one]}:
            return not holds(one, given)
        case {"Fn::Equals": [{"Ref": str(name)}, str(value)]}:
            return given.get(name, "") == value
    raise AssertionError(condition)


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ({"CodeBucket": "b", "CodeKey": "k"}, True),
        ({"ImageUri": "i"}, True),
        ({}, False),
        ({"CodeBucket": "b"}, False),
        ({"CodeBucket": "b", "CodeKey": "k", "ImageUri": "i"}, False),
        ({"CodeBucket": "b", "ImageUri": "i"}, False),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_probe_is_of_a_zip_or_of_an_image(given: dict[str, str], right: bool) -> None:
    [rule] = template("fleet-probe.yaml")["Rules"].values()
    assert [holds(each["Assert"], given) for each in rule["Assertions"]] == [right]
