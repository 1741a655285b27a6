"""The two Kafka client threads of a run: one produces, one consumes and then joins the group.

Their observations come back to the event loop stage by stage. :mod:`brokerproof.probes.exchange` makes
topic and group ready and removes them; nothing here knows paths.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from brokerproof.probes.coordinator import GroupTold, SeenFrom
from brokerproof.probes.kafka_clients import KafkaClients
from brokerproof.probes.ledger import Ledger
from brokerproof.probes.librdkafka import Leader, Timed
from brokerproof.probes.observation import crashed
from brokerproof.probes.outcome import Role, Stage, Target
from brokerproof.probes.plan import Plan
from brokerproof.probes.stages.consume import Consuming
from brokerproof.probes.stages.group import Grouping
from brokerproof.probes.stages.produce import Producing
from brokerproof.probes.threads import in_thread

T = TypeVar("T")

CLUSTER: Final = Target(role=Role.CLUSTER)
POLL_S: Final = 0.002


class Records(msgspec.Struct):
    """Records through every leader that is ready, once."""

    plan: Plan
    ledger: Ledger
    clients: KafkaClients
    topic: str
    group: str
    nonce: str
    leaders: Sequence[Leader]
    partition_count: int
    stop: threading.Event
    joined: bool = False
    """The group may exist from here on."""
    member_id: str = ""
    """The group's member, once there is nothing left for it but to leave."""
    threads: list[asyncio.Future[None]] = msgspec.field(default_factory=list)
    _coordinator: concurrent.futures.Future[int | None] = msgspec.field(default_factory=concurrent.futures.Future)

    async def run(
        self,
        coordinator: Awaitable[int | None],
        client_host: Callable[[], Coroutine[Any, Any, SeenFrom]],
        told_of_group: Callable[[], Coroutine[Any, Any, GroupTold]],
    ) -> None:
        """Produce, consume, and join the group if ``coordinator`` names one.

        ``client_host`` asks it about this member, ``told_of_group`` about a group that failed. Done when every stage
        is; the consumer may still be leaving.
        """
        loop = asyncio.get_running_loop()
        producing = Producing(
            take_producer=self.clients.take_producer,
            topic=self.topic,
            nonce=self.nonce,
            records_per_leader=self.plan.topic.records_per_leader,
            record_bytes=self.plan.topic.record_bytes,
            limit_ms=self.plan.limits.produce_ms,
            report=partial(self._report, loop, Stage.PRODUCE),
            stop=self.stop,
            log=self.clients.producer_log,
        )
        producer = in_thread(partial(producing.run, self.leaders), "produce")
        self.threads.append(producer)
        read: asyncio.Future[None] = loop.create_future()
        waiting = {producer}
        if not {Stage.CONSUME, Stage.GROUP}.isdisjoint(self.plan.stages):
            asks = partial(_ask, loop, limit_ms=self.plan.limits.request_ms)
            member = partial(asks, client_host, lambda why: SeenFrom(unknown=why))
            group = partial(asks, told_of_group, lambda why: GroupTold(unknown=why))
            consumer = in_thread(partial(self._read, producing, loop, read, member, group), "consume")
            self.threads.append(consumer)
            waiting.add(asyncio.ensure_future(_either(read, consumer)))
        try:
            self._coordinator.set_result(await coordinator)
        finally:
            self._coordinator.cancel()
        await asyncio.wait(waiting)
        for thread in waiting:
            if (defect := thread.exception()) is not None:
                self._crash(defect)

    def _read(
        self,
        producing: Producing,
        loop: asyncio.AbstractEventLoop,
        read: asyncio.Future[None],
        ask_seen_from: Callable[[], Callable[[], SeenFrom]],
        ask_of_group: Callable[[], Callable[[], GroupTold]],
    ) -> None:
        """The consumer's thread."""
        limits = self.plan.limits
        log = self.clients.consumer_log
        consumer = self.clients.take_consumer()
        try:
            if Stage.CONSUME in self.plan.stages:
                Consuming(
                    consumer=consumer,
                    topic=self.topic,
                    nonce=self.nonce,
                    limit_ms=limits.consume_ms,
                    report=partial(self._report, loop, Stage.CONSUME),
                    stop=self.stop,
                    deliveries=producing.deliveries,
                    log=log,
                ).run(self.leaders)
            coordinator_id = self._await_coordinator(producing)
            if coordinator_id is not None:
                self.joined = True
                grouping = Grouping(
                    consumer=consumer,
                    topic=self.topic,
                    group=self.group,
                    coordinator_id=coordinator_id,
                    partition_count=self.partition_count,
                    limit_ms=limits.group_ms,
                    stop=self.stop,
                    deliveries=producing.deliveries,
                    log=log,
                    commits=self.clients.commits,
                    ask_seen_from=ask_seen_from,
                    ask_of_group=ask_of_group,
                )
                timed = grouping.run(self.leaders)
                self.member_id = consumer.memberid() or ""
                loop.call_soon_threadsafe(self._note, Stage.GROUP, CLUSTER, timed)
            loop.call_soon_threadsafe(_settle, read)
        finally:
            # Leaves the group, so that it can be removed at once.
            consumer.close()

    def _await_coordinator(self, producing: Producing) -> int | None:
        """The coordinator, once all records are sent and it is known; None where there is no group to join."""
        while not self.stop.is_set():
            if self._coordinator.done() and len(producing.deliveries) == len(self.leaders):
                if self._coordinator.cancelled():
                    return None
                anything = any(delivery.complete for delivery in producing.deliveries.values())
                return self._coordinator.result() if anything else None
            time.sleep(POLL_S)
        return None

    def _report(self, loop: asyncio.AbstractEventLoop, stage: Stage, leader: Leader, timed: Timed) -> None:
        loop.call_soon_threadsafe(self._note, stage, leader.target, timed)

    def _note(self, stage: Stage, target: Target, timed: Timed) -> None:
        if not self.stop.is_set():
            self.ledger.record(stage, target, timed.seen, started_ns=timed.started_ns, ended_ns=timed.ended_ns)

    def _crash(self, defect: BaseException) -> None:
        """A client that cannot run at all: the probe's own error, on every stage without an outcome."""
        seen = crashed(defect)
        for leader in self.leaders:
            for stage in (Stage.PRODUCE, Stage.CONSUME):
                produced = self.ledger.get(Stage.PRODUCE, leader.target)
                if stage in self.plan.stages and (produced is None or produced.reason is None):
                    self.ledger.settle(stage, leader.target, seen)
        if Stage.GROUP in self.plan.stages:
            self.ledger.settle(Stage.GROUP, CLUSTER, seen)


def _ask(
    loop: asyncio.AbstractEventLoop,
    ask: Callable[[], Coroutine[Any, Any, T]],
    unknown: Callable[[str], T],
    *,
    limit_ms: int,
) -> Callable[[], T]:
    """Ask in the loop, and give back what waits, in this thread, for the answer; without one, for why there is none."""
    asked = asyncio.run_coroutine_threadsafe(ask(), loop)

    def answer() -> T:
        try:
            return asked.result(limit_ms / 1000)
        except TimeoutError:
            return unknown(f"no DescribeGroups response within {limit_ms} ms")
        except concurrent.futures.CancelledError:
            return unknown("the run ended before the answer")

    return answer


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def _either(read: asyncio.Future[None], thread: asyncio.Future[None]) -> None:
    await asyncio.wait({read, thread}, return_when=asyncio.FIRST_COMPLETED)
    if not read.done():
        thread.result()
