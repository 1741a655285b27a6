"""What rounds add up to since this process began, as counters and histograms have it. Pure."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Final

import msgspec

from brokerproof.canary.rounds import Depth
from brokerproof.canary.state import Reading
from brokerproof.canary.timing import BUCKETS, brokers_of
from brokerproof.canary.watch import RoundDone
from brokerproof.canary.watched import CLUSTER, is_frozen
from brokerproof.probes.outcome import HandshakeFacts, Outcome, Stage, Status
from brokerproof.probes.outcome.base import Value
from brokerproof.probes.outcome.registry import SPECS
from brokerproof.probes.outcome.spec import Per
from brokerproof.running.planning import ClientRun
from brokerproof.topology.expectation.view import ClientView

RUN_OUTCOMES: Final = tuple(Reading)


class CheckKey(Value, frozen=True, kw_only=True):
    """What outcomes are counted by: closed words, and brokers of the topology."""

    client: str
    broker: str
    stage: Stage
    status: Status
    reason: str = ""


class StageKey(Value, frozen=True, kw_only=True):
    """What times are counted by."""

    client: str
    broker: str
    stage: Stage


class RunKey(Value, frozen=True, kw_only=True):
    """What rounds are counted by."""

    client: str
    depth: Depth
    outcome: Reading


class Histogram:
    """Counts by bucket, and their sum."""

    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.sum_s = 0.0

    def add(self, took_s: float) -> None:
        """Count one."""
        self.counts[sum(took_s > bound for bound in BUCKETS)] += 1
        self.sum_s += took_s


class Totals:
    """Counters and histograms of one process; they begin at 0 for everything that is known beforehand."""

    def __init__(self, views: tuple[ClientView, ...], stages: tuple[Stage, ...]) -> None:
        self.checks: Counter[CheckKey] = Counter()
        self.runs: Counter[RunKey] = Counter()
        self.times: dict[StageKey, Histogram] = {}
        self.success: dict[StageKey, bool] = {}
        self.not_after: dict[tuple[str, str], float] = {}
        self.used = Used()
        for view in views:
            for depth in Depth:
                for outcome in RUN_OUTCOMES:
                    self.runs[RunKey(client=view.client, depth=depth, outcome=outcome)] = 0
            for broker in (
                *(f"broker-{each.broker_id}" for each in view.brokers),
                *([CLUSTER] if view.brokers else []),
            ):
                for stage in stages:
                    if (SPECS[stage].judged is Per.CLUSTER) is not (broker == CLUSTER):
                        continue
                    key = CheckKey(client=view.client, broker=broker, stage=stage, status=Status.OK)
                    self.checks[key] = 0
                    # Prometheus does not see the first failure of a series that begins with it.
                    for reason in sorted(SPECS[stage].reasons):
                        self.checks[msgspec.structs.replace(key, status=Status.FAILED, reason=reason.value)] = 0
                    self.times[StageKey(client=view.client, broker=broker, stage=stage)] = Histogram()

    def add(self, done: RoundDone, readings: dict[Reading, int]) -> None:
        """Count one round."""
        client = done.run.view.client
        self.runs[RunKey(client=client, depth=done.depth, outcome=worst_of(readings))] += 1
        if is_frozen(done.run.plan, done.run.run):
            return
        seen: dict[StageKey, bool] = {}
        for outcome in done.run.run.outcomes:
            if outcome.look == 1:
                self._count(done.run, outcome, seen)
        self.success |= seen

    def _count(self, run: ClientRun, outcome: Outcome, seen: dict[StageKey, bool]) -> None:
        client = run.view.client
        expected = _must_fail(run, outcome)
        for broker in brokers_of(run, outcome):
            if expected:
                continue
            reason = "" if outcome.reason is None else outcome.reason.value
            self.checks[
                CheckKey(client=client, broker=broker, stage=outcome.stage, status=outcome.status, reason=reason)
            ] += 1
            key = StageKey(client=client, broker=broker, stage=outcome.stage)
            if outcome.status is Status.OK:
                self.times.setdefault(key, Histogram()).add(outcome.duration_ns / 1e9)
            if outcome.status in {Status.OK, Status.FAILED}:
                seen[key] = seen.get(key, True) and outcome.status is Status.OK
            self._certificate(client, broker, outcome)
        self.used.count(outcome)

    def _certificate(self, client: str, broker: str, outcome: Outcome) -> None:
        facts = outcome.facts
        if isinstance(facts, HandshakeFacts) and facts.not_after:
            try:
                until = datetime.fromisoformat(facts.not_after).timestamp()
            except ValueError:
                return
            self.not_after[client, broker] = until


class Used:
    """What was asked of the cluster."""

    def __init__(self) -> None:
        self.connections = 0
        self.authentications = 0

    def count(self, outcome: Outcome) -> None:
        """Count what an outcome took."""
        self.connections += outcome.stage is Stage.CONNECT and outcome.status is not Status.SKIPPED
        self.authentications += outcome.stage.value == "authenticate" and outcome.status is not Status.SKIPPED


def worst_of(readings: dict[Reading, int]) -> Reading:
    """A round as one word."""
    for each in (Reading.DID_NOT_RUN, Reading.BROKEN, Reading.FAILED, Reading.NOT_SEEN):
        if readings.get(each):
            return each
    return Reading.OK if readings else Reading.NOT_SEEN


def _must_fail(run: ClientRun, outcome: Outcome) -> bool:
    """Whether the address is one that must not connect: its failure is as it must be."""
    return any(
        address.address == outcome.target.address and not address.must_connect
        for broker in run.view.brokers
        if broker.broker_id == outcome.target.broker_id
        for address in broker.addresses
    )
