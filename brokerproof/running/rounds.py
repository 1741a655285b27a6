"""Clients of one cluster take turns: in rounds, in random order, one short measurement each. No pytest here.

What disturbs one path (the machine, the cluster, the time of day) disturbs the others as well, so the difference that
is left belongs to the paths. :mod:`brokerproof.comparison` draws the conclusions.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from brokerproof.comparison.series import Series, series_of
from brokerproof.comparison.values import Whose
from brokerproof.probes.outcome import Stage, Status
from brokerproof.probes.outcome.registry import SPECS, up_to
from brokerproof.probes.plan import LatencyPlan, PathLatencyPlan, Plan
from brokerproof.running.planning import ClientRun
from brokerproof.running.site import Site
from brokerproof.topology.expectation.view import ClientView
from brokerproof.vantages.protocol import VantageRun

PATH: Final = up_to(Stage.HANDSHAKE)
"""What a turn needs to measure fresh connections."""
RECORDS: Final = tuple(stage for stage in up_to(Stage.PRODUCE) if not SPECS[stage].brokers_only)
"""What it needs to measure records: all that produce waits for, and nothing that is run beside it."""
PART_MS: Final = 20_000
"""A turn's deadline beyond what its samples take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How much is measured; the same seed draws the same order."""

    seed: int
    rounds: int = 30
    samples: int = 40
    """Of each kind, in each turn."""
    warm_up: int = 4
    rate_per_s: int = 100
    records: bool = False
    """Records too: produced, acknowledged, and back at a consumer."""

    @property
    def part_s(self) -> float:
        """About how long one turn measures."""
        return (self.samples + self.warm_up) / self.rate_per_s * (2 if self.records else 1)


@dataclass(frozen=True, slots=True)
class RoundPart:
    """One client's part of one round. ``trouble`` is why it does not count; empty where it does."""

    number: int
    client: str
    series: tuple[Series, ...]
    trouble: str = ""


OnPart = Callable[[RoundPart], None]


def order(clients: Sequence[str], wanted: Wanted) -> tuple[tuple[int, str], ...]:
    """Every round's turns: each client once, drawn anew for each round."""
    draw = random.Random(wanted.seed)  # noqa: S311  an order, no secret
    return tuple(
        (number, name) for number in range(1, wanted.rounds + 1) for name in draw.sample(clients, len(clients))
    )


def round_plan(run: ClientRun, wanted: Wanted) -> Plan:
    """The plan of one turn: as much of the path as is measured, and the measurement."""
    latency = LatencyPlan(samples=wanted.samples, warm_up=wanted.warm_up, rate_per_s=wanted.rate_per_s)
    return msgspec.structs.replace(
        run.plan,
        stages=RECORDS if wanted.records else PATH,
        limits=msgspec.structs.replace(run.plan.limits, plan_ms=PART_MS + int(wanted.part_s * 1000)),
        path_latency=PathLatencyPlan(samples=wanted.samples, warm_up=wanted.warm_up, rate_per_s=wanted.rate_per_s),
        latency=latency if wanted.records else None,
        throughput=None,
        forbidden=(),
        raw_samples=True,
        look_again=False,
    )


def measure_in_rounds(site: Site, runs: Sequence[ClientRun], wanted: Wanted, *, run_id: str, on_part: OnPart) -> None:
    """Let clients whose paths were verified take turns; ``on_part`` is given each turn as it ends.

    Raises:
        UnreadableSamplesError: a probe sent samples that are damaged.
    """
    plans = {run.view.client: round_plan(run, wanted) for run in runs}
    views = {run.view.client: run.view for run in runs}
    for number, name in order(list(plans), wanted):
        run = site.measure_part(name, number, plans[name])
        whose = Whose(run_id=run_id, client=name, pattern=views[name].pattern, round=number)
        series = tuple(series_of(block, whose, run.started) for block in run.samples)
        on_part(RoundPart(number, name, series, _trouble(views[name], run)))


def _trouble(view: ClientView, run: VantageRun) -> str:
    """Why a turn does not count: a path that failed meanwhile has other times than one that worked."""
    if run.error:
        return run.error
    if run.closing is None or not run.closing.complete:
        return "it was cut short"
    measured = [outcome for outcome in run.outcomes if outcome.stage is Stage.LATENCY]
    for outcome in measured:
        if outcome.status is not Status.OK:
            return f"{outcome.target.name or outcome.target.role} {outcome.target.address}: {outcome.detail}"
    timed = {(outcome.target.name, outcome.target.address) for outcome in measured}
    for broker in view.brokers:
        for address in broker.addresses:
            if address.must_connect and (broker.name, address.address) not in timed:
                return f"no connection to broker {broker.broker_id} at {address.address}"
    return ""
