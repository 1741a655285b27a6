"""Run Command over instances of several accounts, in process behind botocore's own events; S3 beside it.

What an instance does with a script, tests say: it runs it for real, carries it out here, or is dead. Rate and errors
are controlled as SSM does it: MaxErrors counts scripts that failed, and no deliveries that did.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from brokerproof.fleet.far.handler import Handler, HandlerError, most_ms
from brokerproof.fleet.far.instance import place_of
from brokerproof.fleet.far.objects import ObjectsError
from brokerproof.fleet.far.values import Invocation, Work, result_key
from brokerproof.fleet.hub import TAG
from brokerproof.probes.plan import decode_plan
from brokerproof.vantages.installing import PROGRAM
from tests.fleet.aws import NOW, FleetAws, RefusedError
from tests.fleet.probes import Scripted

OWN = "111111111111"
TOOK = timedelta(seconds=9)
Carries = Callable[[str, str], tuple[int, str]]
"""By instance and script: exit status and output."""


@dataclass
class Instance:
    """One with SSM's agent. ``status``: how the command ends there; empty is as its script does."""

    account: str = OWN
    client: str = ""
    status: str = ""
    ping: str = "Online"
    platform: str = "Linux"
    registered: bool = True
    state: str = "running"


@dataclass
class Command:
    """One that was sent."""

    account: str
    asked: dict[str, Any]
    invocations: dict[str, dict[str, Any]] = field(default_factory=dict)
    looks_left: int = 0
    """Before it is over."""
    cancelled: bool = False

    @property
    def errors(self) -> int:
        """What counts against MaxErrors."""
        return sum(each["StatusDetails"] in {"Failed", "ExecutionTimedOut"} for each in self.invocations.values())


class FleetSsm(FleetAws):
    """The accounts of a fleet: instances by id, and the commands that were sent to them."""

    def __init__(self, instances: dict[str, Instance], carries: Carries) -> None:
        super().__init__()
        self.instances = instances
        self.carries = carries
        self.commands: dict[str, Command] = {}
        self.looks = 0
        """How often a command is looked at before it is over."""
        self.unknown_looks = 0
        """How often SSM does not know a command at first, or any more."""
        self.refuses_unknown = False
        self.on_send: Callable[[], None] = lambda: None
        self.most_at_once = 0
        self.closed_accounts: set[str] = set()
        """Whose role nobody may assume."""

    def _describe_instances(self, asked: dict[str, Any]) -> dict[str, Any]:
        wanted = {each["Name"]: each["Values"] for each in asked["Filters"]}
        assert wanted["tag-key"] == [TAG]
        states = wanted["instance-state-name"]
        found = [
            {"InstanceId": name, "Tags": [{"Key": "Name", "Value": "x"}, {"Key": TAG, "Value": each.client}]}
            for name, each in self.instances.items()
            if each.account == self.asking and each.client and each.state in states
        ]
        return {"Reservations": [{"Instances": found}]}

    def _describe_instance_information(self, asked: dict[str, Any]) -> dict[str, Any]:
        [wanted] = [each["Values"] for each in asked["Filters"] if each["Key"] == "InstanceIds"]
        assert len(wanted) <= 50
        found = [
            {
                "InstanceId": name,
                "PingStatus": self.instances[name].ping,
                "LastPingDateTime": NOW,
                "PlatformType": self.instances[name].platform,
            }
            for name in wanted
            if name in self.instances and self.instances[name].registered and self._is_own(name)
        ]
        return {"InstanceInformationList": found}

    def _is_own(self, name: str) -> bool:
        return self.instances[name].account == self.asking

    def _get_caller_identity(self, _asked: dict[str, Any]) -> dict[str, Any]:
        return {"Account": OWN, "Arn": f"arn:aws:iam::{OWN}:user/operator", "UserId": "operator"}

    def _assume_role(self, asked: dict[str, Any]) -> dict[str, Any]:
        account = asked["RoleArn"].split(":")[4]
        assert asked["RoleArn"].endswith(":role/brokerproof-fleet-commands")
        if account in self.closed_accounts:
            raise RefusedError("AccessDenied", 403)
        keys = {
            "AccessKeyId": account.rjust(16, "0"),
            "SecretAccessKey": "none",
            "SessionToken": "t",
            "Expiration": NOW,
        }
        return {"Credentials": keys}

    # Commands

    def _send_command(self, asked: dict[str, Any]) -> dict[str, Any]:
        [target] = asked["Targets"]
        assert target["Key"] == "InstanceIds"
        assert len(target["Values"]) <= 50
        aimed = [name for name in target["Values"] if self._is_own(name)]
        command_id = str(uuid.uuid4())
        self.on_send()
        self.most_at_once = max(self.most_at_once, 1 + sum(each.looks_left > 0 for each in self.commands.values()))
        command = self.commands[command_id] = Command(self.asking, asked, looks_left=self.looks)
        [script] = asked["Parameters"]["commands"]
        for name in aimed:
            command.invocations[name] = {"StatusDetails": "Terminated", "Output": ""}
            if command.errors <= int(asked["MaxErrors"]):
                command.invocations[name] = self._carried_out(name, script)
        return {"Command": {"CommandId": command_id, "Status": "Pending"}}

    def _carried_out(self, name: str, script: str) -> dict[str, Any]:
        instance = self.instances[name]
        if instance.status:
            return {"StatusDetails": instance.status, "Output": ""}
        code, output = self.carries(name, script)
        return {"StatusDetails": "Failed" if code else "Success", "Output": output[:2500], "ResponseCode": code}

    def _list_commands(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.on_look()
        if self.unknown_looks:
            self.unknown_looks -= 1
            if self.refuses_unknown:
                raise RefusedError("InvalidCommandId")
            return {"Commands": []}
        command = self.commands[asked["CommandId"]]
        assert command.account == self.asking
        late = sum(each["StatusDetails"] == "DeliveryTimedOut" for each in command.invocations.values())
        told = {
            "CommandId": asked["CommandId"],
            "RequestedDateTime": NOW,
            "ErrorCount": command.errors,
            "DeliveryTimedOutCount": late,
        }
        if command.cancelled:
            return {"Commands": [{**told, "Status": "Cancelled", "StatusDetails": "Cancelled"}]}
        if command.looks_left > 0:
            command.looks_left -= 1
            return {"Commands": [{**told, "Status": "InProgress", "StatusDetails": "InProgress"}]}
        if command.errors > int(command.asked["MaxErrors"]):
            return {"Commands": [{**told, "Status": "Failed", "StatusDetails": "Failed"}]}
        # Undeliverable counts for nothing; a delivery that timed out makes the command incomplete.
        bad = [
            each for each in command.invocations.values() if each["StatusDetails"] not in {"Success", "Undeliverable"}
        ]
        status = ("Success", "Success") if not bad else ("Failed", "Incomplete")
        return {"Commands": [{**told, "Status": status[0], "StatusDetails": status[1]}]}

    def _list_command_invocations(self, asked: dict[str, Any]) -> dict[str, Any]:
        assert asked["Details"]
        if self.unknown_looks:
            raise RefusedError("InvalidCommandId")
        command = self.commands[asked["CommandId"]]
        assert command.account == self.asking
        found = [
            {
                "CommandId": asked["CommandId"],
                "InstanceId": name,
                "Status": "Success" if each["StatusDetails"] == "Success" else "Failed",
                "StatusDetails": each["StatusDetails"],
                "CommandPlugins": [{"Output": each["Output"], "ResponseFinishDateTime": NOW + TOOK}],
            }
            for name, each in command.invocations.items()
        ]
        return {"CommandInvocations": found}

    def _cancel_command(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.commands[asked["CommandId"]].cancelled = True
        return {}


@dataclass
class Scripts:
    """Carries scripts out here: what they lead to is read as an instance reads it, and the probe is a scripted one."""

    aws: FleetSsm
    vantage: Scripted
    dead: set[str] = field(default_factory=set)

    def __call__(self, instance: str, script: str) -> tuple[int, str]:
        words = words_of(script)
        link, digest, run_s = words[words.index(PROGRAM) + 1 :][:3]
        text = self.aws.objects[key_of(link)]
        assert hashlib.sha256(text).hexdigest() == digest
        index = json.loads(text)
        [bundle] = index["bundles"].values()
        assert hashlib.sha256(self.aws.objects[key_of(bundle["link"])]).hexdigest() == bundle["sha256"]
        if instance not in index["instances"]:
            return 0, "brokerproof: nothing is to run here\n"
        given = {"left_ms": int(run_s.rstrip(";")) * 1000, "items": index["instances"][instance]}
        work = msgspec.convert(given, Work)
        handler, code, said = Handler(self.vantage, self), 0, ""
        plans = [decode_plan(self.aws.objects[key_of(each.plan)]) for each in work.items]
        assert work.left_ms > sum(map(most_ms, plans))
        for linked in work.items:
            client = linked.asked.item.client
            assert key_of(linked.result) == result_key(linked.asked.prefix, linked.asked.set, linked.asked.run, client)
            try:
                handler.run(linked.asked, place_of(linked.asked, 0), work.left_ms)
            except HandlerError as why:
                code, said = 1, f"{said}brokerproof: {client}: {why}\n"
        return code, said

    def plan(self, asked: Invocation) -> bytes:
        if asked.item.client in self.dead:
            raise ObjectsError("HTTP 403 Forbidden")
        return self.aws.objects[asked.item.plan_key]

    def keep(self, asked: Invocation, body: bytes) -> None:
        key = result_key(asked.prefix, asked.set, asked.run, asked.item.client)
        if key in self.aws.objects:
            raise ObjectsError("HTTP 412 Precondition Failed")
        self.aws.objects[key] = body


@lru_cache(maxsize=1)
def words_of(script: str) -> list[str]:
    """Read once, since all instances of a command have the same."""
    return shlex.split(script)


def key_of(link: str) -> str:
    """The key that a link leads to, whether the bucket is part of the host or of the path."""
    parts = urlsplit(link)
    path = unquote(parts.path).lstrip("/")
    return path if ".s3." in parts.netloc else path.partition("/")[2]
