"""One item: its plan from S3, its run by the probe beside this process, and its object back to S3.

The probe is a process of its own, as behind every vantage: what hangs there is ended within its bound, and its object
is written all the same. An item is run once. What is there already is not written over.
"""

from __future__ import annotations

import hashlib
import os
import platform
import time
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import msgspec

from brokerproof.fleet.far.objects import Objects, ObjectsError
from brokerproof.fleet.far.values import (
    VERSION,
    Invocation,
    ItemResult,
    Place,
    Summary,
    decode_event,
    encode,
    result_key,
)
from brokerproof.probes.outcome import Status
from brokerproof.probes.plan import Plan, decode_plan
from brokerproof.vantages.exec import Patience
from brokerproof.vantages.protocol import Vantage

PATIENCE: Final = Patience(first_line_ms=10_000, grace_ms=5_000, terminate_ms=1_000)
"""A function or a command has minutes, and what is left of them after a probe that hangs writes the object."""
WRITING_MS: Final = 5_000


class HandlerError(Exception):
    """The item cannot be run; one sentence. There is no object, so that the item is told as one that did not run."""


class Context(Protocol):
    """What AWS's runtime hands over beside the event (AWS Lambda developer guide, Python context object)."""

    @property
    def aws_request_id(self) -> str:
        """Of this invocation."""
        ...

    @property
    def invoked_function_arn(self) -> str:
        """Of the function."""
        ...

    def get_remaining_time_in_millis(self) -> int:
        """Before AWS ends it."""
        ...


class Handler:
    """Runs items, one after another, as a function's instance or a command is given them.

    Args:
        vantage: The probe.
        objects: Where plans come from and objects go to.
        more_time: What to do where a plan may take longer than is left.
    """

    def __init__(self, vantage: Vantage, objects: Objects, more_time: str = "raise the function's timeout") -> None:
        self._vantage = vantage
        self._objects = objects
        self._more_time = more_time
        self._runs = 0

    def __call__(self, event: object, context: Context) -> dict[str, Any]:
        """Run the item of a function's event; returns its summary.

        Raises:
            HandlerError: nothing was run, or what was cannot be written.
        """
        try:
            asked = decode_event(event)
        except msgspec.DecodeError as why:
            raise HandlerError(f"the event is none of a fleet: {why}") from None
        summary = self.run(asked, _place(context, self._runs), context.get_remaining_time_in_millis())
        told: dict[str, Any] = msgspec.to_builtins(summary)
        return told

    def run(self, asked: Invocation, place: Place, left_ms: int) -> Summary:
        """Run one item.

        Args:
            asked: Which.
            place: Where this is.
            left_ms: Before somebody ends it.

        Raises:
            HandlerError: nothing was run, or what was cannot be written.
        """
        began = time.monotonic()
        wall = datetime.now(UTC).isoformat()
        plan = self._plan(asked)
        if most_ms(plan) > left_ms:
            # A probe that hangs must be ended, and its object written, before AWS ends the function or the command.
            raise HandlerError(f"the plan may take {most_ms(plan)} ms and {left_ms} ms are left; {self._more_time}")
        self._runs += 1
        run = self._vantage.run(plan)
        result = ItemResult(
            version=VERSION,
            set=asked.set,
            run=asked.run,
            client=asked.item.client,
            plan_sha256=asked.item.plan_sha256,
            place=place,
            began=wall,
            took_ms=round((time.monotonic() - began) * 1000),
            said=run,
        )
        key = result_key(asked.prefix, asked.set, asked.run, asked.item.client)
        try:
            self._objects.keep(asked, encode(result))
        except ObjectsError as problem:
            raise HandlerError(f"s3://{asked.bucket}/{key} cannot be written: {problem}") from None
        failed = sum(outcome.status is Status.FAILED for outcome in run.outcomes)
        return Summary(
            client=asked.item.client, key=key, outcomes=len(run.outcomes), failed=failed, error=run.error[:500]
        )

    def _plan(self, asked: Invocation) -> Plan:
        key = asked.item.plan_key
        try:
            text = self._objects.plan(asked)
        except ObjectsError as problem:
            raise HandlerError(f"the plan s3://{asked.bucket}/{key} cannot be read: {problem}") from None
        if hashlib.sha256(text).hexdigest() != asked.item.plan_sha256:
            raise HandlerError(
                f"the plan s3://{asked.bucket}/{key} is another than the item's: it was replaced meanwhile"
            )
        try:
            plan = decode_plan(text)
        except msgspec.DecodeError as why:
            raise HandlerError(f"the plan s3://{asked.bucket}/{key} is none of this probe: {why}") from None
        if plan.client != asked.item.client:
            raise HandlerError(f"the plan s3://{asked.bucket}/{key} is of {plan.client}, not {asked.item.client}")
        return plan


def most_ms(plan: Plan) -> int:
    """What a plan takes at most, from the event to the object: what a function's or command's timeout must exceed."""
    return PATIENCE.first_line_ms + plan.limits.plan_ms + PATIENCE.grace_ms + 2 * PATIENCE.terminate_ms + WRITING_MS


def _place(context: Context, earlier: int) -> Place:
    memory = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
    return Place(
        engine="lambda",
        resource=context.invoked_function_arn,
        version=os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", ""),
        request_id=context.aws_request_id,
        log=os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME", ""),
        machine=platform.machine(),
        memory_mb=int(memory) if memory.isdecimal() else 0,
        earlier_runs=earlier,
    )
