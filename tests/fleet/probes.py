"""Probes of a fleet without a network: a function that answers every plan as a topology whose paths all work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import msgspec

from brokerproof.fleet.far.handler import Handler
from brokerproof.fleet.far.objects import ByRole
from brokerproof.probes.outcome import Closing, Outcome, Reason, Role, Stage, Started, Status
from brokerproof.probes.plan import Plan
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.models import Topology
from brokerproof.vantages.protocol import OnOutcome, VantageRun
from tests.diagnosis.perfect import bend, perfect, skipped
from tests.fleet.aws import FleetAws

Bend = Callable[[str, tuple[Outcome, ...]], tuple[Outcome, ...]]


@dataclass
class Scripted:
    """A vantage that knows what every client would see."""

    topology: Topology
    bent: Bend = lambda _client, outcomes: outcomes
    name: str = "scripted"

    def run(self, plan: Plan, on_outcome: OnOutcome | None = None) -> VantageRun:
        asked = {*plan.stages, Stage.CONNECT}
        outcomes = tuple(one for one in perfect(expect(self.topology, plan.client)) if one.stage in asked)
        outcomes = self.bent(plan.client, outcomes)
        for outcome in outcomes:
            if on_outcome is not None:
                on_outcome(outcome)
        return VantageRun(
            started=Started(plan_id=plan.plan_id, client=plan.client, probe_version="1", host="h", python="3"),
            outcomes=outcomes,
            closing=Closing(plan_id=plan.plan_id, outcomes=len(outcomes), complete=True, duration_ns=10**9),
        )

    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...


@dataclass
class Context:
    """What AWS hands a handler."""

    left_ms: int = 300_000
    aws_request_id: str = "request-1"
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:222222222222:function:brokerproof-probe-app"

    def get_remaining_time_in_millis(self) -> int:
        return self.left_ms


@dataclass
class Functions:
    """The functions of a fleet: all by one handler; some dead, some that hang."""

    aws: FleetAws
    vantage: Scripted
    dead: set[str] = field(default_factory=set)
    hanging: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._handler = Handler(self.vantage, ByRole(self.aws.session("function").client("s3")))
        self.aws.function = self

    def __call__(self, event: dict[str, Any]) -> dict[str, Any]:
        client = event["item"]["client"]
        if client in self.dead:
            raise RuntimeError("The role defined for the function cannot be assumed by Lambda.")
        if client in self.hanging:
            raise TimeoutError
        return self._handler(event, Context())


def dropped(client: str, broker_id: int) -> Bend:
    """Packets of one client to one broker are dropped."""

    def bent(name: str, outcomes: tuple[Outcome, ...]) -> tuple[Outcome, ...]:
        if name != client:
            return outcomes
        return bend(outcomes, lambda one: one.target.role is Role.BROKER and one.target.broker_id == broker_id, lost)

    return bent


def lost(one: Outcome) -> Outcome:
    """The connection timed out, and what needs it waits."""
    if one.stage is Stage.CONNECT:
        return msgspec.structs.replace(one, status=Status.FAILED, reason=Reason.TIMED_OUT)
    if not one.target.address:
        return one
    return skipped(one, Stage.CONNECT, one.target)
