"""Which measurements run after the records, on which leaders, and what is skipped where they cannot.

The measuring is in :mod:`.path_latency`, in a thread, and in :mod:`brokerproof.probes.stages.latency` and
:mod:`brokerproof.probes.stages.throughput`, in the client process.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from brokerproof.probes.exchange import Exchange
from brokerproof.probes.kafka_client.messages import (
    Measured,
    MeasureLatency,
    MeasureThroughput,
    Order,
    Report,
    Samples,
    Saw,
)
from brokerproof.probes.ledger import Ledger
from brokerproof.probes.librdkafka import Leader, Settings
from brokerproof.probes.observation import Observation, crashed, error
from brokerproof.probes.outcome import Reason, Stage, Status, WaitedFor
from brokerproof.probes.plan import LatencyPlan, PathLatencyPlan, Plan, ThroughputPlan
from brokerproof.probes.records import CLUSTER, ended_at
from brokerproof.probes.threads import in_thread


class Measurements(msgspec.Struct):
    """Latency first, the path's and then the records', so that no load of the probe's own is in it."""

    plan: Plan
    ledger: Ledger
    exchange: Exchange

    async def run(self) -> None:
        """Run what the plan asks for; a leader whose records failed is skipped, and so is the whole."""
        if self.plan.path_latency is not None:
            await self._path_latency(self.plan.path_latency)
        for stage, wanted in ((Stage.LATENCY, self.plan.latency), (Stage.THROUGHPUT, self.plan.throughput)):
            if wanted is None and stage in self.plan.stages:
                waits = WaitedFor(stage=stage, target=CLUSTER)
                self.ledger.skip(stage, CLUSTER, Reason.NOT_PLANNED, waits)
            elif wanted is not None:
                await self._measure(wanted)

    async def _measure(self, wanted: LatencyPlan | ThroughputPlan) -> None:
        stage = Stage.LATENCY if isinstance(wanted, LatencyPlan) else Stage.THROUGHPUT
        root = self._skip_what_cannot(stage)
        if not self.exchange.candidates:
            self.ledger.skip(stage, CLUSTER, Reason.NOT_PLANNED, WaitedFor(stage=Stage.PRODUCE, target=CLUSTER))
            return
        if root is not None:
            self.ledger.skip(stage, CLUSTER, Reason.WAITS_FOR, root)
        covered = filter(self.exchange.is_covered, self.exchange.candidates)
        working = [each.target for each in covered if self.exchange.root_of(each) is None]
        leaders = [leader for leader in self.exchange.leaders if leader.target in working]
        settings = self.exchange.settings
        if not leaders or settings is None:
            return
        if isinstance(wanted, LatencyPlan) or root is None:
            # A throughput without one of the leaders would look like a slow cluster.
            await self._by_client(stage, wanted, settings, leaders)

    def _skip_what_cannot(self, stage: Stage) -> WaitedFor | None:
        """Skip leaders whose records failed, and those that the topic does not cover; the first failure, if any."""
        root: WaitedFor | None = None
        for candidate in self.exchange.candidates:
            covered, waits = self.exchange.is_covered(candidate), self.exchange.root_of(candidate)
            each = stage is Stage.LATENCY and candidate.target != CLUSTER
            if not covered and each:
                words = "no partition of the topic is led by it"
                self.ledger.settle(stage, candidate.target, Observation(Status.SKIPPED, Reason.NOT_COVERED, words))
            elif covered and waits is not None:
                root = root or waits
                if each:
                    self.ledger.skip(stage, candidate.target, Reason.WAITS_FOR, waits)
        return root

    async def _path_latency(self, wanted: PathLatencyPlan) -> None:
        from brokerproof.probes.load.path_latency import PathLatency  # noqa: PLC0415  most runs do not measure; starting is measured

        paths = self.exchange.paths
        await paths.all_done()
        targets = paths.working()
        if not targets:
            # What is wrong with each address is said by the stages of the path.
            return
        started = time.monotonic_ns()
        measuring = PathLatency(wanted, targets, paths.context, paths.server, self.plan.limits, self.exchange.stop)
        try:
            await in_thread(measuring.run, "latency")
            seen = {target: measuring.seen(target) for target in targets}
        except Exception as failure:  # noqa: BLE001  any defect must become an outcome
            seen = dict.fromkeys(targets, crashed(failure))
        ended = time.monotonic_ns()
        for target, each in seen.items():
            self.ledger.record(Stage.LATENCY, target, each, started_ns=started, ended_ns=ended)
        if self.plan.raw_samples:
            self.ledger.samples(measuring.blocks(self.ledger.zero_ns))

    async def _by_client(
        self, stage: Stage, wanted: LatencyPlan | ThroughputPlan, settings: Settings, leaders: Sequence[Leader]
    ) -> None:
        """Have the client process measure, and note what it saw."""
        exchange, ledger = self.exchange, self.ledger
        client = await exchange.client()
        done: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def hear(report: Report) -> None:
            if done.done() or exchange.stop.is_set():
                return
            match report:
                case Saw() if report.stage is stage:
                    seen = report.timed
                    ledger.record(stage, report.target, seen.seen, started_ns=seen.started_ns, ended_ns=seen.ended_ns)
                case Samples():
                    ledger.samples([report.block])
                case Measured():
                    done.set_result(report.defect)
                case _:
                    # Of the records: the consumer may be leaving its group yet.
                    pass

        client.listen(hear)
        leading, zero_ns, raw = tuple(leaders), ledger.zero_ns, self.plan.raw_samples
        order: Order
        match wanted:
            case LatencyPlan():
                order = MeasureLatency(settings, exchange.topic, exchange.group, leading, zero_ns, raw, plan=wanted)
            case ThroughputPlan():
                order = MeasureThroughput(settings, exchange.topic, exchange.group, leading, zero_ns, raw, plan=wanted)
        client.send(order)
        both: set[asyncio.Future[Any]] = {done, client.ended}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        each = () if stage is Stage.THROUGHPUT else tuple(leader.target for leader in leaders)
        planned = [(stage, target) for target in (*each, CLUSTER)]
        if not done.done():
            ledger.settle_missing(planned, ended_at(client.ended.result(), planned))
        elif defect := done.result():
            ledger.settle_missing(planned, error(Reason.PROBE_CRASHED, defect))
