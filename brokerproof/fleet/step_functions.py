"""The engine ``step-functions``: one execution of a hub's state machine, over one Lambda function a client.

The only module here that calls Step Functions.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from brokerproof.fleet.access import called
from brokerproof.fleet.engine import Access, EngineError, Execution, Wanted
from brokerproof.fleet.far.values import Item
from brokerproof.fleet.hub import MachineHub
from brokerproof.fleet.items import Made, Reach
from brokerproof.fleet.machine import execution_input
from brokerproof.fleet.store import Store
from brokerproof.topology.models import Client, Topology

AT_ONCE: Final = 8
"""DescribeExecution at a time: an account and Region has 15 a second (Step Functions quotas)."""
ENDED_BADLY: Final = ("FAILED", "TIMED_OUT", "ABORTED")
_CAUSE: Final = 300
LAST: Final = 100
"""Executions that are looked through for one of a set, from the newest."""


class State(StrEnum):
    """Of an execution (Step Functions API reference, DescribeExecution)."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    ABORTED = "ABORTED"
    PENDING_REDRIVE = "PENDING_REDRIVE"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will run."""
        return self not in {State.RUNNING, State.PENDING_REDRIVE}


def open_engine(hub: MachineHub, _store: Store, access: Access) -> StepFunctions:
    """The engine of a hub that has a state machine."""
    return StepFunctions(hub, access.client("stepfunctions"))


class StepFunctions:
    """The state machine of a hub.

    Args:
        hub: Which.
        states: A client of Step Functions.
    """

    def __init__(self, hub: MachineHub, states: Any) -> None:
        self._hub = hub
        self._states = states

    def reach(self, _topology: Topology, _clients: Sequence[Client], _stated: Mapping[str, str]) -> Reach:
        """Each client's function, by its name: nothing is asked."""
        return self._hub.reach

    def scheduled(self, set_name: str, wanted: Wanted) -> dict[str, Any]:
        """The input of an execution."""
        return execution_input(self._hub, set_name, at_once=wanted.at_once, tolerated=wanted.tolerated)

    def start(self, made: Made, run: str, wanted: Wanted) -> None:
        """Start an execution of this name.

        Raises:
            EngineError: it cannot be.
        """
        given = json.dumps(self.scheduled(made.set.name, wanted), separators=(",", ":"))
        asked = {"stateMachineArn": self._hub.state_machine, "name": run, "input": given}
        called(f"{self._hub.state_machine} cannot be started", lambda: self._states.start_execution(**asked))

    def look(self, _set_name: str, run: str) -> Execution | None:
        """How an execution is; None where Step Functions knows none of that name: it keeps them for 90 days.

        Raises:
            EngineError: it does not say.
        """
        try:
            said = self._states.describe_execution(executionArn=self._hub.execution(run))
        except ClientError as error:
            if error.response["Error"]["Code"] == "ExecutionDoesNotExist":
                return None
            raise EngineError(f"execution {run} cannot be described: {error}") from None
        except BotoCoreError as error:
            raise EngineError(f"execution {run} cannot be described: {error}") from None
        state = State(said["status"])
        return Execution(state.value.lower(), state.is_over, _why(said), said["startDate"], said.get("stopDate"))

    def newest(self, set_name: str) -> str | None:
        """The newest execution of a set, also one that left no object; None where it is not among the last ones.

        Raises:
            EngineError: they cannot be listed.
        """
        try:
            pages = self._states.get_paginator("list_executions").paginate(
                stateMachineArn=self._hub.state_machine, PaginationConfig={"MaxItems": LAST}
            )
            for each in (one for page in pages for one in page["executions"]):
                said = self._states.describe_execution(executionArn=each["executionArn"])
                if _set_of(said) == set_name:
                    return str(each["name"])
        except (ClientError, BotoCoreError) as error:
            raise EngineError(f"executions of {self._hub.state_machine} cannot be listed: {error}") from None
        return None

    def stop(self, _set_name: str, run: str) -> None:
        """Have nothing more begun; what runs is left to end.

        Raises:
            EngineError: it cannot be.
        """
        asked = {"executionArn": self._hub.execution(run), "cause": "stopped by brokerproof"}
        called(f"execution {run} cannot be stopped", lambda: self._states.stop_execution(**asked))

    def reasons(self, _set_name: str, run: str, missing: Collection[Item]) -> dict[str, str]:
        """Why items did not run, by client, as far as the engine says; never raises: it only explains."""
        if not missing:
            return {}
        wanted = {item.client for item in missing}
        try:
            children = list(self._ended_badly(run))
            with ThreadPoolExecutor(AT_ONCE) as threads:
                told = list(threads.map(self._of_child, children))
        except (ClientError, BotoCoreError):
            return {}
        return {client: why for client, why in told if client in wanted and why}

    def _ended_badly(self, run: str) -> list[str]:
        found: list[str] = []
        runs = self._states.get_paginator("list_map_runs").paginate(executionArn=self._hub.execution(run))
        for map_run in (each for page in runs for each in page["mapRuns"]):
            for status in ENDED_BADLY:
                pages = self._states.get_paginator("list_executions").paginate(
                    mapRunArn=map_run["mapRunArn"], statusFilter=status
                )
                found += [each["executionArn"] for page in pages for each in page["executions"]]
        return found

    def _of_child(self, arn: str) -> tuple[str, str]:
        said = self._states.describe_execution(executionArn=arn)
        try:
            client = str(json.loads(said.get("input", "{}"))["item"]["client"])
        except (ValueError, KeyError, TypeError):
            return "", ""
        return client, _why(said)


def _set_of(said: dict[str, Any]) -> str:
    try:
        return str(json.loads(said.get("input", "{}"))["set"])
    except (ValueError, KeyError, TypeError):
        return ""


def _why(said: dict[str, Any]) -> str:
    """Error and cause, in one line; a Lambda's cause is JSON with its message (Lambda developer guide, errors)."""
    error, cause = str(said.get("error") or ""), str(said.get("cause") or "")
    try:
        told = json.loads(cause)
        cause = str(told.get("errorMessage") or cause) if isinstance(told, dict) else cause
    except ValueError:
        pass
    return ": ".join(part for part in (error, " ".join(cause.split())[:_CAUSE]) if part)
