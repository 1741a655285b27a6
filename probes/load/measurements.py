"""Which measurements run after the records, on which leaders, and what is skipped where they cannot.

The measuring is in :mod:`.path_latency`, :mod:`brokerproof.probes.stages.latency` and
:mod:`brokerproof.probes.stages.throughput`; each runs in a thread.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec
from confluent_kafka import KafkaException

from brokerproof.probes.exchange import Exchange
from brokerproof.probes.ledger import Ledger
from brokerproof.probes.librdkafka import Leader, Settings, reason_of, since
from brokerproof.probes.observation import Observation, crashed, failed
from brokerproof.probes.outcome import STAGE_REASONS, Reason, Stage, Status, WaitedFor
from brokerproof.probes.plan import LatencyPlan, PathLatencyPlan, Plan, ThroughputPlan
from brokerproof.probes.records import CLUSTER
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
        match wanted:
            case LatencyPlan():
                await self._latency(wanted, settings, leaders)
            case ThroughputPlan() if root is None:
                await self._throughput(wanted, settings, leaders)
            case ThroughputPlan():
                # A throughput without one of the leaders would look like a slow cluster.
                pass

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

    async def _latency(self, wanted: LatencyPlan, settings: Settings, leaders: Sequence[Leader]) -> None:
        from brokerproof.probes.stages.latency import Latency  # noqa: PLC0415  most runs do not measure; starting is measured

        started = time.monotonic_ns()
        measuring = Latency(settings, self.exchange.topic, self.exchange.group, wanted, leaders, self.exchange.stop)
        try:
            each, every = await in_thread(measuring.run, "latency")
        except Exception as failure:  # noqa: BLE001  any defect must become an outcome
            every = since(started, _seen(Stage.LATENCY, failure))
            each = dict.fromkeys(leaders, every)
        for leader, timed in each.items():
            self.ledger.record(
                Stage.LATENCY,
                leader.target,
                timed.seen,
                started_ns=timed.started_ns,
                ended_ns=timed.ended_ns,
            )
        self.ledger.record(Stage.LATENCY, CLUSTER, every.seen, started_ns=every.started_ns, ended_ns=every.ended_ns)
        if self.plan.raw_samples:
            self.ledger.samples(measuring.blocks(self.ledger.zero_ns))

    async def _throughput(self, wanted: ThroughputPlan, settings: Settings, leaders: Sequence[Leader]) -> None:
        from brokerproof.probes.stages.throughput import Throughput  # noqa: PLC0415  likewise

        started = time.monotonic_ns()
        measuring = Throughput(settings, self.exchange.topic, self.exchange.group, wanted, leaders, self.exchange.stop)
        try:
            timed = await in_thread(measuring.run, "throughput")
        except Exception as failure:  # noqa: BLE001  any defect must become an outcome
            timed = since(started, _seen(Stage.THROUGHPUT, failure))
        self.ledger.record(Stage.THROUGHPUT, CLUSTER, timed.seen, started_ns=timed.started_ns, ended_ns=timed.ended_ns)


def _seen(stage: Stage, failure: Exception) -> Observation:
    """What the client refused before there was anything to measure, or a defect."""
    if isinstance(failure, KafkaException):
        return failed(reason_of(failure.args[0], STAGE_REASONS[stage]), failure.args[0].str())
    return crashed(failure)
