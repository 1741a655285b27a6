"""Run a plan in this process and look at its lines; what holds for every run is asserted here."""

from __future__ import annotations

import asyncio
import os
import select
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from brokerproof.probes import engine
from brokerproof.probes.outcome import Closing, Line, Outcome, Reason, SampleBlock, Stage, Started, Status, Target
from brokerproof.probes.plan import Endpoint, Limits, Plan
from brokerproof.vantages.answering import Answering

PATIENT = Limits(
    resolve_ms=10_000,
    connect_ms=10_000,
    handshake_ms=10_000,
    request_ms=10_000,
    produce_ms=20_000,
    consume_ms=20_000,
    group_ms=20_000,
    sts_ms=40_000,
    plan_ms=60_000,
)
"""Where peers answer: a machine that stands still for seconds changes no outcome."""
TO_IDENTITY = (Stage.RESOLVE, Stage.CONNECT, Stage.API, Stage.METADATA, Stage.IDENTITY)
TLS_TO_IDENTITY = (*TO_IDENTITY[:2], Stage.HANDSHAKE, *TO_IDENTITY[2:])
LATE_BY_S = 5.0
"""The end of a plan comes by its deadline, and the machine may be slow to show it."""
CLIENTS_LEAVE_WITHIN_S = 20.0
SERVER_STARTS_WITHIN_S = 60


@dataclass(frozen=True)
class Result:
    """One finished run."""

    started: Started
    outcomes: list[Outcome]
    """Of the first look."""
    closing: Closing
    wall_s: float
    samples: list[SampleBlock]
    again: list[Outcome]
    """Of the second look."""

    def of(self, stage: Stage, **target: Any) -> list[Outcome]:
        """The outcomes of a stage whose target has these fields."""
        return [
            each
            for each in self.outcomes
            if each.stage is stage and all(getattr(each.target, key) == value for key, value in target.items())
        ]

    def one(self, stage: Stage, **target: Any) -> Outcome:
        found = self.of(stage, **target)
        assert len(found) == 1, (stage, target, found)
        return found[0]

    def verdicts(self) -> dict[Stage, list[tuple[Status, Reason | None]]]:
        """Status and reason by stage."""
        table: dict[Stage, list[tuple[Status, Reason | None]]] = {}
        for each in self.outcomes:
            table.setdefault(each.stage, []).append((each.status, each.reason))
        return table

    def all_ok(self) -> bool:
        return all(each.status is Status.OK for each in self.outcomes)


def waiting(**limits_ms: int) -> Limits:
    """Patient, but for the limits that a test waits for, since its peer falls silent."""
    return msgspec.structs.replace(PATIENT, **limits_ms)


def plan(*ports: int, name: str = "127.0.0.1", **fields: Any) -> Plan:
    """A plan for brokers 1, 2, ... at these ports of one name, which are also the bootstrap."""
    brokers = tuple(Endpoint(name=name, port=port, broker_id=index) for index, port in enumerate(ports, start=1))
    defaults: dict[str, Any] = {
        "plan_id": "p",
        "client": "c",
        "bootstrap": tuple(Endpoint(name=name, port=port) for port in ports),
        "brokers": brokers,
        "limits": PATIENT,
        "stages": TO_IDENTITY,
    }
    return Plan(**defaults | fields)


@cache
def fork_server_is_up() -> None:
    """A new interpreter takes its time on a busy machine, which is nothing that a plan here is to wait for."""
    connection = engine.server_beside().fork()
    connection.conversation.close()
    assert select.select([connection.ending], [], [], SERVER_STARTS_WITHIN_S)[0]
    os.close(connection.ending)


async def probe(planned: Plan, abort: asyncio.Event | None = None, **how: Any) -> Result:
    """Run ``planned`` and assert what must hold for any run; ``how`` is for the engine."""
    fork_server_is_up()
    lines: list[Line] = []
    begin = time.monotonic()
    last = await engine.run(planned, lines.append, abort=abort, **how)
    wall_s = time.monotonic() - begin
    await _clients_are_gone()
    started, *between, closing = lines
    assert closing is last
    assert isinstance(started, Started)
    assert isinstance(closing, Closing)
    outcomes = [each for each in between if isinstance(each, Outcome)]
    samples = [each for each in between if isinstance(each, SampleBlock)]
    assert len(outcomes) == closing.outcomes
    assert len(samples) == closing.sample_blocks == len(between) - len(outcomes)
    keys = [(each.stage, each.target, each.attempt, each.look) for each in outcomes]
    assert len(keys) == len(set(keys)), "an attempt at a stage of a target has two outcomes"
    assert wall_s <= planned.limits.plan_ms / 1000 + LATE_BY_S
    answering = Answering(planned)
    for each in outcomes:
        assert answering.fault(each) == ""
        _assert_it_waits_for_a_root(each, [other for other in outcomes if other.look == each.look])
        assert each.reason is not Reason.PROBE_CRASHED, each
    assert answering.contradictions(closing.duration_ns) == []
    first, again = ([each for each in outcomes if each.look == look] for look in (1, 2))
    return Result(started, first, closing, wall_s, samples, again)


async def _clients_are_gone() -> None:
    """A client that runs on would join a group, or produce, after the probe has cleaned up."""
    deadline = time.monotonic() + CLIENTS_LEAVE_WITHIN_S
    while left := client_processes():
        assert time.monotonic() < deadline, left
        await asyncio.sleep(0.01)


def client_processes() -> list[int]:
    """Those of this process's runs."""
    server = engine.server_beside().pid
    return [int(pid) for pid in Path(f"/proc/{server}/task/{server}/children").read_text().split()]


def _assert_it_waits_for_a_root(skipped: Outcome, outcomes: list[Outcome]) -> None:
    of_itself = {Reason.NOT_PLANNED, Reason.OUTSIDE_PLAN, Reason.NOT_COVERED}
    if skipped.status is not Status.SKIPPED or skipped.reason in of_itself:
        return
    assert skipped.waited_for is not None
    key = (skipped.waited_for.stage, skipped.waited_for.target)
    root = next((each for each in outcomes if (each.stage, each.target) == key), None)
    assert root is not None, f"{skipped.stage} waits for {key}, which has no outcome"
    is_root = root.status not in {Status.OK, Status.SKIPPED} or root.reason is Reason.OUTSIDE_PLAN
    assert is_root, f"{skipped.stage} waits for {root}"


def keys(outcomes: list[Outcome]) -> set[tuple[Stage, Target]]:
    return {(each.stage, each.target) for each in outcomes}
