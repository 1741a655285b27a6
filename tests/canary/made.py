"""Rounds as a canary gets them, made without a lab: everything is well, but for what a test bends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from brokerproof.canary.rounds import Depth, RoundPlan, round_plan
from brokerproof.canary.watch import RoundDone
from brokerproof.probes.outcome import Closing, Outcome, Reason, Role, Stage, Started, Status
from brokerproof.running.planning import ClientRun, conclude
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.expectation.view import ClientView
from brokerproof.topology.models import Topology
from brokerproof.topology.patterns import PATTERNS
from brokerproof.vantages.protocol import VantageRun
from tests.diagnosis.perfect import bend, perfect, skipped

TOPOLOGY: Final[Topology] = PATTERNS["privatelink_multi_nlb"].build(None)
CLIENT: Final = "account_b"
VIEW: Final[ClientView] = expect(TOPOLOGY, CLIENT)
EVERY_S: Final = 60.0
BEGAN: Final = 1_700_000_000.0
Bend = Callable[[tuple[Outcome, ...]], tuple[Outcome, ...]]


def plan_of(depth: Depth = Depth.LIGHT, client: str = CLIENT) -> RoundPlan:
    return round_plan(expect(TOPOLOGY, client), TOPOLOGY.client(client), depth)


def well(depth: Depth = Depth.LIGHT, client: str = CLIENT) -> tuple[Outcome, ...]:
    plan = plan_of(depth, client)
    stages = set(plan.plan.stages)
    return tuple(
        outcome for outcome in perfect(plan.view) if outcome.stage in stages or outcome.target.role is Role.FORBIDDEN
    )


def run_of(
    outcomes: tuple[Outcome, ...], depth: Depth = Depth.LIGHT, client: str = CLIENT, **replaced: object
) -> ClientRun:
    plan = plan_of(depth, client)
    run = VantageRun(
        started=Started(plan_id=plan.plan.plan_id, client=client, probe_version="1", host="h", python="3"),
        outcomes=outcomes,
        closing=Closing(plan_id=plan.plan.plan_id, outcomes=len(outcomes), complete=True, duration_ns=10**9),
    )
    return conclude(plan.view, plan.plan, msgspec.structs.replace(run, **replaced))


def done(run: ClientRun, at: float, depth: Depth = Depth.LIGHT) -> RoundDone:
    return RoundDone(run=run, depth=depth, began=at, ended=at + 2)


def dead_address(address: str) -> Bend:
    """One address no longer connects; what comes after it waits."""

    def bent(outcomes: tuple[Outcome, ...]) -> tuple[Outcome, ...]:
        return bend(outcomes, lambda each: each.target.address == address, _timed_out)

    return bent


def dead_broker(broker_id: int) -> Bend:
    """No address of a broker connects."""

    def bent(outcomes: tuple[Outcome, ...]) -> tuple[Outcome, ...]:
        return bend(outcomes, lambda each: each.target.broker_id == broker_id and bool(each.target.address), _timed_out)

    return bent


def no_name(broker_id: int) -> Bend:
    """The broker's name is not known any more."""
    name = next(broker.name for broker in VIEW.brokers if broker.broker_id == broker_id)

    def bent(outcomes: tuple[Outcome, ...]) -> tuple[Outcome, ...]:
        def change(outcome: Outcome) -> Outcome:
            if outcome.stage is Stage.RESOLVE:
                return msgspec.structs.replace(
                    outcome,
                    status=Status.FAILED,
                    reason=Reason.NXDOMAIN,
                    facts=msgspec.structs.replace(outcome.facts, rcode="NXDOMAIN", a=(), os_addresses=())
                    if outcome.facts is not None
                    else None,
                )
            return skipped(outcome, Stage.RESOLVE, msgspec.structs.replace(outcome.target, address="", port=0))

        return bend(outcomes, lambda each: each.target.name == name, change)

    return bent


def _timed_out(outcome: Outcome) -> Outcome:
    if outcome.stage is Stage.CONNECT:
        return msgspec.structs.replace(
            outcome, status=Status.FAILED, reason=Reason.TIMED_OUT, facts=None, duration_ns=1_500_000_000
        )
    return skipped(outcome, Stage.CONNECT, outcome.target)


def unreachable() -> ClientRun:
    """The vantage could not begin: the host is frozen, gone, or cannot be logged in to."""
    return run_of((), started=None, closing=None, error="no first line of the probe within 20000 ms")


def broken() -> ClientRun:
    """The probe began, and crashed."""
    return run_of((), closing=None, error="ended with code 1 after 0 outcomes, without a closing line")


def slept(outcomes: tuple[Outcome, ...]) -> tuple[Outcome, ...]:
    """The host stood still for a minute in the middle of every connect."""

    def change(outcome: Outcome) -> Outcome:
        return msgspec.structs.replace(
            outcome, status=Status.FAILED, reason=Reason.TIMED_OUT, facts=None, duration_ns=60_000_000_000
        )

    return bend(outcomes, lambda each: each.stage is Stage.CONNECT, change)
