"""S3 and Step Functions in process, behind botocore's own events: what boto3 is told is checked against AWS's shapes.

The state machine that is carried out is the project's own definition, item by item, as far as it goes: reader,
selector, task. What a function is, tests say.
"""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import botocore.session
from botocore import xform_name
from botocore.response import StreamingBody

from brokerproof.aws.answers.hook import check
from brokerproof.fleet.machine import definition

MACHINE = "arn:aws:states:us-east-1:111111111111:stateMachine:brokerproof-fleet"
BUCKET = "fleet-bucket"
NOW = datetime(2026, 11, 1, tzinfo=UTC)
TOOK = timedelta(seconds=9)
Function = Callable[[dict[str, Any]], dict[str, Any]]
"""An event in, a payload out. What it raises is the item's end."""


@dataclass(frozen=True)
class Response:
    status_code: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class RefusedError(Exception):
    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.status = status


class FleetAws:
    """The account of a hub. ``asked`` has every call: by whom, and the operation."""

    def __init__(self, function: Function = lambda _: {}) -> None:
        self.objects: dict[str, bytes] = {}
        self.executions: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, str, str]] = []
        self.function = function
        self.on_look: Callable[[], None] = lambda: None
        self.roles: dict[str, str] = {}
        """By function, who was assumed to invoke it."""
        self.broken = ""
        """Why executions end before any item."""
        self.refused: set[tuple[str, str]] = set()
        self.asking = ""
        """The account of whoever makes the call that is being answered."""

    def session(self, who: str) -> Any:
        """A session of boto3 whose calls are answered here."""
        core = botocore.session.Session()
        core.register("before-parameter-build", _keep)
        core.register("before-call", lambda model, context, **more: self._heard(who, model, context["asked"], more))
        return boto3.Session(
            botocore_session=core, aws_access_key_id="none", aws_secret_access_key="none", region_name="us-east-1"
        )

    def _heard(
        self, who: str, model: Any, params: dict[str, Any], more: Mapping[str, Any]
    ) -> tuple[Response, dict[str, Any]]:
        self.asking = account_of(more["request_signer"])
        return self._answer(who, model, params)

    def _answer(self, who: str, model: Any, params: dict[str, Any]) -> tuple[Response, dict[str, Any]]:
        service, operation = model.service_model.service_name, model.name
        self.asked.append((who, {"stepfunctions": "states"}.get(service, service), operation))
        try:
            self._refuse(service, operation)
            found = getattr(self, f"_{xform_name(operation)}")(params)
        except RefusedError as why:
            error = {"Code": why.code, "Message": why.code}
            return Response(why.status), {"Error": error, "ResponseMetadata": {"HTTPStatusCode": why.status}}
        if "Body" not in found:
            check(found, model)
        return Response(), {**found, "ResponseMetadata": {"HTTPStatusCode": 200}}

    def _refuse(self, service: str, operation: str) -> None:
        if (service, operation) in self.refused:
            raise RefusedError("AccessDenied", 403)

    def _put_object(self, asked: dict[str, Any]) -> dict[str, Any]:
        if "IfNoneMatch" in asked and asked["Key"] in self.objects:
            raise RefusedError("PreconditionFailed", 412)
        body = asked["Body"]
        self.objects[asked["Key"]] = body if isinstance(body, bytes) else body.read()
        return {}

    def _get_object(self, asked: dict[str, Any]) -> dict[str, Any]:
        if asked["Key"] not in self.objects:
            raise RefusedError("NoSuchKey", 404)
        body = self.objects[asked["Key"]]
        return {"Body": StreamingBody(io.BytesIO(body), len(body)), "ContentLength": len(body)}

    def _list_objects_v2(self, asked: dict[str, Any]) -> dict[str, Any]:
        keys = sorted(key for key in self.objects if key.startswith(asked["Prefix"]))
        begin = int(asked.get("ContinuationToken", "0"))
        page: dict[str, Any] = {"Contents": [{"Key": key, "LastModified": NOW} for key in keys[begin : begin + 2]]}
        more = {"NextContinuationToken": str(begin + 2)} if begin + 2 < len(keys) else {}
        return {**page, "IsTruncated": bool(more), **more}

    def _start_execution(self, asked: dict[str, Any]) -> dict[str, Any]:
        arn = f"{asked['stateMachineArn'].replace(':stateMachine:', ':execution:')}:{asked['name']}"
        self.executions[arn] = {"status": "RUNNING", "children": [], "input": asked["input"]}
        self._carry_out(arn, asked["name"], json.loads(asked["input"]))
        return {"executionArn": arn, "startDate": NOW}

    def _carry_out(self, arn: str, name: str, given: dict[str, Any]) -> None:
        if self.broken:
            self.executions[arn] |= {"status": "FAILED", "error": "States.ItemReaderFailed", "cause": self.broken}
            return
        clients = definition()["States"]["Clients"]
        reader = _filled(clients["ItemReader"]["Parameters"], given, {})
        task = clients["ItemProcessor"]["States"]["Probe"]
        for item in json.loads(self.objects[reader["Key"]]):
            context = {"Execution": {"Name": name}, "Map": {"Item": {"Value": item}}}
            event = _filled(clients["ItemSelector"], given, context)
            called = _filled(task["Parameters"], event, context)
            self.roles[called["FunctionName"]] = _filled(task["Credentials"], event, context)["RoleArn"]
            child = {"input": json.dumps(event), "status": "SUCCEEDED"}
            try:
                self.function(called["Payload"])
            except TimeoutError:
                child |= {"status": "TIMED_OUT", "error": "States.Timeout"}
            except Exception as why:  # noqa: BLE001  as Lambda does
                told = json.dumps({"errorMessage": str(why), "errorType": type(why).__name__})
                child |= {"status": "FAILED", "error": type(why).__name__, "cause": told}
            self.executions[arn]["children"].append(child)
        self.executions[arn]["status"] = "SUCCEEDED"

    def _describe_execution(self, asked: dict[str, Any]) -> dict[str, Any]:
        execution = asked["executionArn"]
        self.on_look()
        parent, _, number = execution.partition("/")
        if parent not in self.executions:
            raise RefusedError("ExecutionDoesNotExist")
        one = self.executions[parent]
        told = one["children"][int(number)] if number else {k: one[k] for k in one if k != "children"}
        ended = {} if told["status"] == "RUNNING" else {"stopDate": NOW + TOOK}
        return {"executionArn": execution, "stateMachineArn": MACHINE, "startDate": NOW, **ended, **told}

    def _stop_execution(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.executions[asked["executionArn"]]["status"] = "ABORTED"
        return {"stopDate": NOW}

    def _listed(self, arn: str) -> dict[str, Any]:
        one = {"executionArn": arn, "stateMachineArn": MACHINE, "name": arn.rpartition(":")[2]}
        return {**one, "status": self.executions[arn]["status"], "startDate": NOW}

    def _list_map_runs(self, asked: dict[str, Any]) -> dict[str, Any]:
        execution = asked["executionArn"]
        one = {"executionArn": execution, "mapRunArn": f"{execution}#", "stateMachineArn": MACHINE}
        return {"mapRuns": [{**one, "startDate": NOW}]}

    def _list_executions(self, asked: dict[str, Any]) -> dict[str, Any]:
        if "mapRunArn" not in asked:
            return {"executions": [self._listed(arn) for arn in reversed(self.executions)]}
        arn = asked["mapRunArn"].removesuffix("#")
        children = enumerate(self.executions[arn]["children"])
        found = [
            {
                "executionArn": f"{arn}/{n}",
                "stateMachineArn": MACHINE,
                "name": str(n),
                "status": child["status"],
                "startDate": NOW,
            }
            for n, child in children
            if child["status"] == asked["statusFilter"]
        ]
        return {"executions": found}


def account_of(request_signer: Any) -> str:
    """Whose the keys of a call are: those of an account are called after it, others are the hub's own."""
    key = str(request_signer._credentials.access_key)
    return key.lstrip("0") if key.isdecimal() else MACHINE.split(":")[4]


def _keep(params: Mapping[str, Any], context: dict[str, Any], **_: Any) -> None:
    context["asked"] = copy.deepcopy(dict(params))


def _filled(template: dict[str, Any], given: Any, context: Any) -> dict[str, Any]:
    """A template of Amazon States Language with its paths filled in."""
    filled: dict[str, Any] = {}
    for key, value in template.items():
        if key.endswith(".$"):
            root = context if value.startswith("$$") else given
            for part in value.lstrip("$").split("."):
                root = root[part] if part else root
            filled[key.removesuffix(".$")] = root
        else:
            filled[key] = value
    return filled
