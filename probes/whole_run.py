"""A plan's run from its first look to its closing line: each planned target and stage comes to exactly one outcome.

It imports everything that a run may need, which takes longer than most answers: :mod:`brokerproof.probes.engine` asks
for names before it imports this.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Final

import msgspec

from brokerproof.probes.exchange import RECORD_STAGES
from brokerproof.probes.host import Asked
from brokerproof.probes.kafka_client.ahead import Ahead
from brokerproof.probes.kafka_client.fork_server import ForkServer
from brokerproof.probes.ledger import Ledger
from brokerproof.probes.look import Look, control_name, control_target, other_target, target_of
from brokerproof.probes.names import Names
from brokerproof.probes.observation import Observation, crashed, error
from brokerproof.probes.outcome import Closing, Line, Reason, Role, Stage, Target
from brokerproof.probes.outcome.foreign_text import printable
from brokerproof.probes.outcome.names import canonical
from brokerproof.probes.outcome.registry import SPECS, run_per
from brokerproof.probes.outcome.spec import Per
from brokerproof.probes.plan import Plan
from brokerproof.probes.records import CLUSTER
from brokerproof.probes.second_look import failures, second_plan
from brokerproof.probes.spending import Used, begin_spending

CLEAN_UP_SHARE: Final = 0.1
"""Of the plan's time: kept back for removing topic and group, at most :data:`MAX_CLEAN_UP_S`."""
MAX_CLEAN_UP_S: Final = 3.0
OVERRUN_SHARE: Final = 0.03
"""How far beyond the plan's time cleaning up may reach; with what follows it stays below 5 %."""


class Ending(msgspec.Struct, frozen=True):
    """Why a run ended before its end: what was not probed is reported with these."""

    seen: Observation


class WholeRun:
    """One run of one plan."""

    def __init__(
        self,
        plan: Plan,
        emit: Callable[[Line], None],
        ledger: Ledger,
        asked: Asked,
        *,
        names: Names,
        limiter: asyncio.Semaphore,
        server: ForkServer,
        begun: Ahead | None = None,
    ) -> None:
        """``names`` may be asked for already, and Kafka clients have ``begun``."""
        self._plan = plan
        self._emit = emit
        self._limiter = limiter
        self._asked = asked
        self._ledger = ledger
        self._server = server
        self._spending = begin_spending()
        self._first = Look(plan, ledger, asked, limiter, server, names=names, begun=begun)
        self._paths, self._exchange = self._first.paths, self._first.exchange

    async def run(self, abort: asyncio.Event) -> Closing:
        """Everything, and the closing line; ``abort`` ends it early."""
        plan_s = self._plan.limits.plan_ms / 1000
        begin = self._ledger.zero_ns / 1e9
        reserve_s = min(MAX_CLEAN_UP_S, plan_s * CLEAN_UP_SHARE) if self._makes_things() else 0
        until = begin + plan_s - reserve_s
        ending = await self._work(self._first, until, abort)
        self._sweep(ending)
        made = [self._first]
        if ending is None and (second := self._second()) is not None:
            made.append(second)
            self._sweep_again(second, await self._work(second, until, abort))
        left_s = max(begin + plan_s - time.monotonic(), 0) + plan_s * OVERRUN_SHARE
        removed = await asyncio.gather(*(each.exchange.clean_up(min(MAX_CLEAN_UP_S, left_s)) for each in made))
        for each in made:
            each.paths.close()
        closing = Closing(
            plan_id=self._plan.plan_id,
            outcomes=sum(len(each.ledger) for each in made),
            complete=ending is None,
            duration_ns=time.monotonic_ns() - self._ledger.zero_ns,
            left_behind=tuple(printable(what) for left in removed for what in left),
            sample_blocks=self._ledger.sample_blocks,
            spent=self._spending.with_clients(reduce(Used.plus, (each.exchange.used for each in made), Used())),
        )
        self._emit(closing)
        return closing

    def _second(self) -> Look | None:
        """The second look, at what failed; None where nothing did or none is wanted."""
        plan = second_plan(self._plan, failures(self._ledger)) if self._plan.look_again else None
        if plan is None:
            return None
        records = any(SPECS[stage].moves_records for stage in plan.stages)
        return Look(plan, self._ledger.again(), self._asked, self._limiter, self._server, follow=records)

    def _sweep_again(self, second: Look, ending: Ending | None) -> None:
        """Say of each failure that was not reached again why; then take no more."""
        if ending is not None:
            second.ledger.settle_missing(((each.stage, each.target) for each in failures(self._ledger)), ending.seen)
        second.ledger.seal()

    def _makes_things(self) -> bool:
        return Stage.PRODUCE in self._plan.stages and bool(self._plan.bootstrap)

    async def _work(self, look: Look, until: float, abort: asyncio.Event) -> Ending | None:
        """All stages of one look, until a time of the monotonic clock in seconds; None where they came to their end."""
        work = asyncio.ensure_future(look.run())
        aborted = asyncio.ensure_future(abort.wait())
        limit_s = max(0.0, until - time.monotonic())
        await asyncio.wait({work, aborted}, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        aborted.cancel()
        if not work.done():
            work.cancel()
            await asyncio.wait({work})
            words = "ended from outside" if abort.is_set() else f"the plan's {self._plan.limits.plan_ms} ms are over"
            return Ending(error(Reason.DEADLINE_OF_PLAN, words))
        defect = work.exception()
        return Ending(crashed(defect)) if defect is not None else None

    def _sweep(self, ending: Ending | None) -> None:
        """Give every planned target and stage without an outcome one, then take no more."""
        seen = ending.seen if ending else error(Reason.PROBE_CRASHED, "the probe forgot this stage")
        self._ledger.settle_missing(self._planned(), seen)
        self._ledger.seal()

    def _planned(self) -> list[tuple[Stage, Target]]:
        plan, planned = self._plan, []
        names = set()
        for endpoint in self._paths.endpoints:
            name = canonical(endpoint.name)
            if name not in names:
                names.add(name)
                planned.append((Stage.RESOLVE, Target(role=endpoint.role, name=endpoint.name)))
            planned += [
                (stage, endpoint.target(address))
                for address in endpoint.addresses
                for stage in run_per(Per.ADDRESS)
                if SPECS[stage].applies(tls=plan.tls is not None, logs_in=plan.authentication is not None)
                and (endpoint.role is Role.BROKER or not SPECS[stage].brokers_only)
            ]
        planned += [(Stage.RESOLVE, other_target(name)) for name in plan.other_names]
        planned += [(Stage.RESOLVE, control_name(name)) for name in plan.control_names]
        planned += [(Stage.CONNECT, control_target(each)) for each in plan.control_connects]
        planned = [each for each in planned if each[0] in plan.stages]
        planned += [(Stage.CONNECT, target_of(forbidden)) for forbidden in plan.forbidden]
        if not plan.bootstrap:
            return planned
        leaders = [each.target for each in self._exchange.candidates]
        if not leaders and Stage.PRODUCE in plan.stages:
            # The records never began: what was planned is all there is to name.
            leaders = [each.target("") for each in self._paths.endpoints if each.role is Role.BROKER]
        leaders = leaders or [CLUSTER]
        planned += [(stage, target) for stage in RECORD_STAGES if stage in plan.stages for target in leaders]
        for stage in run_per(Per.CLUSTER):
            planned += [(stage, target) for target in self._of_cluster(stage, leaders)]
        return planned

    def _of_cluster(self, stage: Stage, leaders: Sequence[Target]) -> list[Target]:
        """The targets of a stage that is about the cluster: latency is measured at each leader and address as well."""
        plan = self._plan
        match stage:
            case Stage.LATENCY:
                through = dict.fromkeys((*leaders, CLUSTER)) if plan.latency is not None else ()
                return [*through, *(self._paths.working() if plan.path_latency is not None else ())]
            case Stage.THROUGHPUT:
                return [CLUSTER] if plan.throughput is not None else []
            case _:
                return [CLUSTER] if stage in plan.stages else []
