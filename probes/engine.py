"""Runs one plan: everything at once, within its deadlines, to exactly one outcome a target and stage.

:func:`run` is the probe in one call, for callers in the same process; :mod:`brokerproof.probes.__main__` is
the same over stdin and stdout.
"""

from __future__ import annotations

import asyncio
import atexit
import platform
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache, reduce
from typing import Final

import confluent_kafka
import cryptography
import dns.version
import msgspec
import OpenSSL

from brokerproof.probes.exchange import RECORD_STAGES
from brokerproof.probes.host import Asked, read_host, servers_of
from brokerproof.probes.kafka_client.fork_server import ForkServer, start_beside
from brokerproof.probes.ledger import Ledger
from brokerproof.probes.look import Look, control_name, control_target, other_target, target_of
from brokerproof.probes.observation import Observation, crashed, error
from brokerproof.probes.outcome import Closing, HostFacts, Line, Reason, Refused, Role, Stage, Started, Target
from brokerproof.probes.outcome.foreign_text import ours, printable
from brokerproof.probes.outcome.names import canonical
from brokerproof.probes.outcome.registry import SPECS, run_per
from brokerproof.probes.outcome.spec import Per
from brokerproof.probes.plan import Plan
from brokerproof.probes.records import CLUSTER
from brokerproof.probes.second_look import failures, second_plan
from brokerproof.probes.spending import Used, begin_spending
from brokerproof.probes.wire.dns_exchange import Server, is_address, parse_server

PROBE_VERSION: Final = "1"
"""Of the probe's behaviour, for reports; the plan has its own version."""

CLEAN_UP_SHARE: Final = 0.1
"""Of the plan's time: kept back for removing topic and group, at most :data:`MAX_CLEAN_UP_S`."""
MAX_CLEAN_UP_S: Final = 3.0
OVERRUN_SHARE: Final = 0.03
"""How far beyond the plan's time cleaning up may reach; with what follows it stays below 5 %."""

Emit = Callable[[Line], None]


class Ending(msgspec.Struct, frozen=True):
    """Why a run ended before its end: what was not probed is reported with these."""

    seen: Observation


async def run(
    plan: Plan, emit: Emit, *, abort: asyncio.Event | None = None, server: ForkServer | None = None
) -> Closing | Refused:
    """Probe ``plan`` and hand every line to ``emit`` as it comes: Started, Outcomes, Closing.

    Args:
        plan: What to probe.
        emit: Called from the event loop; it must not block.
        abort: Once set, the run is ended as by the plan's deadline: what was made is removed, what
            was not probed is reported.
        server: Makes the processes of the Kafka client; None for one that is started when it is first needed, and
            kept for as long as this process lives.

    Returns:
        The last line: Closing, or Refused where the plan cannot be used and nothing was probed.
    """
    host = read_host({each.name for each in (*plan.bootstrap, *plan.brokers)} | set(plan.other_names))
    try:
        servers = _usable(plan, host)
    except ValueError as why:
        refused = Refused(why=str(why))
        emit(refused)
        return refused
    return await _Run(plan, emit, Asked(servers, host), server or server_beside()).run(abort or asyncio.Event())


@cache
def server_beside() -> ForkServer:
    """The fork server of a process that has threads; one for all its runs."""
    server = start_beside()
    atexit.register(server.close)
    return server


def _usable(plan: Plan, host: HostFacts) -> tuple[Server, ...]:
    """The resolvers to ask, in their order.

    Raises:
        ValueError: something in the plan cannot be probed.
    """
    for index, each in enumerate(plan.forbidden):
        if not is_address(each.address):
            raise ValueError(f"$.forbidden[{index}].address: {each.address!r} is not an IP address")
    for index, control in enumerate(plan.control_connects):
        if not is_address(control.address):
            raise ValueError(f"$.control_connects[{index}].address: {control.address!r} is not an IP address")
    for name, value in (
        ("topic.replication_factor", plan.topic.replication_factor),
        ("topic.records_per_leader", plan.topic.records_per_leader),
        ("topic.record_bytes", plan.topic.record_bytes),
        ("latency.rate_per_s", plan.latency.rate_per_s if plan.latency else 1),
        ("latency.samples", plan.latency.samples if plan.latency else 1),
        ("path_latency.rate_per_s", plan.path_latency.rate_per_s if plan.path_latency else 1),
        ("path_latency.samples", plan.path_latency.samples if plan.path_latency else 1),
        ("path_latency.max_ms", plan.path_latency.max_ms if plan.path_latency else 1),
        ("throughput.total_bytes", plan.throughput.total_bytes if plan.throughput else 1),
    ):
        if value <= 0:
            raise ValueError(f"$.{name}: {value} is not positive")
    return servers_of(host) if plan.resolver is None else (parse_server(plan.resolver),)


class _Run:
    """One run of one plan."""

    def __init__(self, plan: Plan, emit: Emit, asked: Asked, server: ForkServer) -> None:
        self._plan = plan
        self._emit = emit
        emit(_started(plan, asked.host))
        self._limiter = asyncio.Semaphore(plan.limits.concurrency)
        self._asked = asked
        self._ledger = Ledger(emit)
        self._server = server
        self._spending = begin_spending()
        self._first = Look(plan, self._ledger, asked, self._limiter, server)
        self._paths, self._exchange = self._first.paths, self._first.exchange

    async def run(self, abort: asyncio.Event) -> Closing:
        plan_s = self._plan.limits.plan_ms / 1000
        begin = time.monotonic()
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


def _started(plan: Plan, host: HostFacts) -> Started:
    return Started(
        plan_id=plan.plan_id,
        client=plan.client,
        probe_version=PROBE_VERSION,
        host=platform.node(),
        python=platform.python_version(),
        libraries={
            "confluent-kafka": _version(confluent_kafka.version()),
            "librdkafka": _version(confluent_kafka.libversion()),
            "cryptography": cryptography.__version__,
            "dnspython": dns.version.version,
            "msgspec": msgspec.__version__,
            "pyopenssl": OpenSSL.__version__,
        },
        wall_clock=datetime.now(UTC).isoformat(),
        host_facts=ours(host),
    )


def _version(said: str | tuple[str, int]) -> str:
    return said if isinstance(said, str) else said[0]
