"""The client process at work: orders in, what was seen out. Here alone runs librdkafka.

The main thread takes orders; producing, consuming and measuring have threads of their own. The process ends with its
conversation, and is ended from outside where it cannot.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final, TypeVar, assert_never

from confluent_kafka import Consumer, KafkaException

from brokerproof.probes.group_told import GroupTold, SeenFrom
from brokerproof.probes.kafka_client.memory import bound_memory
from brokerproof.probes.kafka_client.messages import (
    AskOfGroup,
    AskSeenFrom,
    AtGroup,
    Began,
    Broke,
    CoordinatorFound,
    Drop,
    HasRead,
    HasUsed,
    Joining,
    Learn,
    Left,
    Making,
    Measured,
    MeasureLatency,
    MeasureThroughput,
    Move,
    Order,
    Prepare,
    Produced,
    Report,
    Samples,
    Saw,
    Stop,
    ToldOfGroup,
    ToldSeenFrom,
    framed,
    next_order,
)
from brokerproof.probes.kafka_clients import KafkaClients
from brokerproof.probes.librdkafka import ClientLog, Leader, Timed, reason_of, since
from brokerproof.probes.observation import Observation, error, failed
from brokerproof.probes.outcome import STAGE_REASONS, Reason, Role, Stage, Target
from brokerproof.probes.outcome.bounds import CLIENT_LOAD_MEMORY_BYTES
from brokerproof.probes.spending import Used
from brokerproof.probes.stages.consume import Consuming
from brokerproof.probes.stages.group import Grouping
from brokerproof.probes.stages.produce import Producing

T = TypeVar("T")

POLL_S: Final = 0.002
HEARS_STOP_S: Final = 0.05
"""The longest that a thread is deaf to a stop."""
CLUSTER: Final = Target(role=Role.CLUSTER)


def serve(conversation: socket.socket) -> None:
    """Carry out orders until there are no more."""
    serving = _Serving(conversation)
    while (order := next_order(conversation)) is not None:
        serving.carry_out(order)


class _Serving:
    """What the threads of one client process share."""

    def __init__(self, conversation: socket.socket) -> None:
        self._conversation = conversation
        self._one_at_a_time = threading.Lock()
        self._clients: KafkaClients | None = None
        self._logs: list[ClientLog] = []
        self.stop = threading.Event()
        self.coordinator: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self.seen_from: queue.SimpleQueue[SeenFrom] = queue.SimpleQueue()
        self.of_group: queue.SimpleQueue[GroupTold] = queue.SimpleQueue()

    def carry_out(self, order: Order) -> None:
        """Begin what is ordered; nothing is waited for."""
        match order:
            case Prepare():
                self._prepare(order)
            case Drop():
                self._drop()
            case Learn():
                if self._clients is not None:
                    self._clients.learn(order.topic)
            case Move():
                self._move(order)
            case MeasureLatency():
                _in_thread(partial(self._measure, partial(self._latency, order)), "measure")
            case MeasureThroughput():
                bound_memory(CLIENT_LOAD_MEMORY_BYTES)
                _in_thread(partial(self._measure, partial(self._throughput, order)), "measure")
            case Stop():
                self.stop.set()
                self._drop()
            case _:
                self._take(order)

    def _take(self, answer: CoordinatorFound | ToldSeenFrom | ToldOfGroup) -> None:
        """Hand an answer to the thread that waits for it."""
        match answer:
            case CoordinatorFound():
                self.coordinator.put(answer.broker_id)
            case ToldSeenFrom():
                self.seen_from.put(answer.told)
            case ToldOfGroup():
                self.of_group.put(answer.told)
            case _:
                assert_never(answer)

    def tell(self, report: Report) -> None:
        """Send one message; who does not read any more has ended this process, or is about to."""
        with self._one_at_a_time, suppress(OSError):
            self._conversation.sendall(framed(report))

    def tell_used(self) -> None:
        """Tell what all clients have used so far."""
        used = Used()
        for log in self._logs:
            used = used.plus(log.used)
        self.tell(HasUsed(used))

    def _prepare(self, order: Prepare) -> None:
        """Have clients, made now or when they are needed."""
        self._drop()
        clients = self._clients = KafkaClients(order.settings, order.group, order.reads)
        self._logs += [clients.producer_log, clients.consumer_log]
        match order.making:
            case Making.NOW:
                _in_thread(clients.make, "clients")
            case Making.WHERE_FAR:
                _in_thread(partial(self._make_where_far, clients), "clients")
            case Making.NEEDED:
                pass
            case _:
                assert_never(order.making)

    def _make_where_far(self, clients: KafkaClients) -> None:
        far = clients.is_far()
        self.tell_used()
        if far:
            clients.make()
            self.tell(Began())

    def _drop(self) -> None:
        """Close what nobody took, beside everything else."""
        if self._clients is not None:
            _in_thread(partial(self._close, self._clients), "closing")
            self._clients = None

    def _close(self, clients: KafkaClients) -> None:
        clients.close()
        self.tell_used()

    def _move(self, order: Move) -> None:
        """Move the records, in threads of their own."""
        if self._clients is None:
            raise AssertionError("clients are prepared before records move")
        clients, self._clients = self._clients, None
        _Moving(order, clients, self).start()

    def _measure(self, work: Callable[[], None]) -> None:
        """Measure to the end, then say so."""
        defect = ""
        try:
            work()
        except Exception as raised:  # noqa: BLE001  any defect must become an outcome
            defect = words_of(raised)
        self.tell_used()
        self.tell(Measured(defect))

    def _latency(self, order: MeasureLatency) -> None:
        """Measure, and tell what was seen."""
        from brokerproof.probes.stages.latency import Latency  # noqa: PLC0415  most runs do not measure; starting is measured

        started = time.monotonic_ns()
        measuring = Latency(order.settings, order.topic, order.group, order.plan, order.leaders, self.stop)
        self._logs.append(measuring.log)
        try:
            each, every = measuring.run()
        except Exception as failure:  # noqa: BLE001  any defect must become an outcome
            every = since(started, seen_of(Stage.LATENCY, failure))
            each = dict.fromkeys(order.leaders, every)
        for leader, timed in each.items():
            self.tell(Saw(Stage.LATENCY, leader.target, timed))
        self.tell(Saw(Stage.LATENCY, CLUSTER, every))
        if order.raw_samples:
            for block in measuring.blocks(order.zero_ns):
                self.tell(Samples(block))

    def _throughput(self, order: MeasureThroughput) -> None:
        """Measure, and tell what was seen."""
        from brokerproof.probes.stages.throughput import Throughput  # noqa: PLC0415  likewise

        started = time.monotonic_ns()
        measuring = Throughput(order.settings, order.topic, order.group, order.plan, order.leaders, self.stop)
        self._logs.append(measuring.log)
        try:
            timed = measuring.run()
        except Exception as failure:  # noqa: BLE001  any defect must become an outcome
            timed = since(started, seen_of(Stage.THROUGHPUT, failure))
        self.tell(Saw(Stage.THROUGHPUT, CLUSTER, timed))


class _Moving:
    """Records through every leader that is ready, once: one thread produces, one consumes and joins the group."""

    def __init__(self, order: Move, clients: KafkaClients, serving: _Serving) -> None:
        self._order = order
        self._clients = clients
        self._serving = serving
        self._producing = Producing(
            take_producer=clients.take_producer,
            topic=order.topic,
            nonce=order.nonce,
            records_per_leader=order.plan.topic.records_per_leader,
            record_bytes=order.plan.topic.record_bytes,
            limit_ms=order.plan.limits.produce_ms,
            report=partial(self._report, Stage.PRODUCE),
            stop=serving.stop,
            log=clients.producer_log,
        )

    def start(self) -> None:
        """Begin; the end is reported."""
        _in_thread(self._produce, "produce")
        if not {Stage.CONSUME, Stage.GROUP}.isdisjoint(self._order.plan.stages):
            _in_thread(self._consume, "consume")

    def _produce(self) -> None:
        done = Produced()
        try:
            self._producing.run(self._order.leaders)
        except Exception as raised:  # noqa: BLE001  any defect must become an outcome
            done = Produced(broke(Stage.PRODUCE, raised))
        self._serving.tell_used()
        self._serving.tell(done)

    def _consume(self) -> None:
        consumer: Consumer | None = None
        read = HasRead()
        try:
            consumer = self._clients.take_consumer()
            read = HasRead(self._read(consumer))
        except Exception as raised:  # noqa: BLE001  any defect must become an outcome
            read = HasRead(broke=broke(Stage.CONSUME, raised))
        finally:
            self._serving.tell_used()
            self._serving.tell(read)
            if consumer is not None:
                # Leaves the group, so that it can be removed at once. What a broker said last may be no text.
                with suppress(UnicodeDecodeError):
                    consumer.close()
            self._serving.tell_used()
            self._serving.tell(Left())

    def _read(self, consumer: Consumer) -> str:
        """Consume, and join the group if there is one to join; the member's id, empty where there is none."""
        order, serving = self._order, self._serving
        limits, stages = order.plan.limits, order.plan.stages
        log, deliveries = self._clients.consumer_log, self._producing.deliveries
        consuming = Consuming(
            consumer=consumer,
            topic=order.topic,
            nonce=order.nonce,
            limit_ms=limits.consume_ms,
            report=partial(self._report, Stage.CONSUME),
            stop=serving.stop,
            deliveries=deliveries,
            log=log,
        )
        grouping = Grouping(
            consumer=consumer,
            topic=order.topic,
            group=order.group,
            partition_count=order.partition_count,
            limit_ms=limits.group_ms,
            stop=serving.stop,
            deliveries=deliveries,
            log=log,
            commits=self._clients.commits,
            ask_seen_from=partial(
                self._ask, AskSeenFrom(), serving.seen_from, lambda why: SeenFrom(unknown=why), limits.request_ms
            ),
            ask_of_group=partial(
                self._ask, AskOfGroup(), serving.of_group, lambda why: GroupTold(unknown=why), limits.request_ms
            ),
        )
        if order.joins_beside:
            starts = {leader.partition: leader.start_offset for leader in order.leaders}
            serving.tell(Joining())
            grouping.join(lambda partition: consuming.next_offset(partition) or starts.get(partition))
            consuming.beside = grouping.hear
        if Stage.CONSUME in stages:
            consuming.run(order.leaders)
        coordinator_id = self._await_coordinator()
        if coordinator_id is not None:
            serving.tell(Joining())
            serving.tell(AtGroup())
            serving.tell(Saw(Stage.GROUP, CLUSTER, grouping.run(order.leaders, coordinator_id)))
        return consumer.memberid() or ""

    def _await_coordinator(self) -> int | None:
        """The coordinator, once all records are sent and it is known; None where there is no group to join."""
        serving, deliveries = self._serving, self._producing.deliveries
        while not serving.stop.is_set() and len(deliveries) < len(self._order.leaders):
            time.sleep(POLL_S)
        coordinator_id = _next(serving.coordinator, serving.stop)
        anything = any(delivery.complete for delivery in list(deliveries.values()))
        return coordinator_id if anything and not serving.stop.is_set() else None

    def _ask(
        self, question: Report, answers: queue.SimpleQueue[T], unknown: Callable[[str], T], limit_ms: int
    ) -> Callable[[], T]:
        """Ask the probe, and give back what waits for the answer; without one, for why there is none."""
        self._serving.tell(question)

        def answer() -> T:
            told = _next(answers, self._serving.stop, limit_ms)
            return unknown(f"no DescribeGroups response within {limit_ms} ms") if told is None else told

        return answer

    def _report(self, stage: Stage, leader: Leader, timed: Timed) -> None:
        self._serving.tell(Saw(stage, leader.target, timed))


def seen_of(stage: Stage, failure: Exception) -> Observation:
    """What the client refused before there was anything to measure, or a defect."""
    why = broke(stage, failure)
    return error(Reason.PROBE_CRASHED, why.words) if why.reason is None else failed(why.reason, why.words)


def broke(stage: Stage, failure: Exception) -> Broke:
    """An exception as a reason of the stage, where it is the client's."""
    if isinstance(failure, KafkaException):
        return Broke(failure.args[0].str(), reason_of(failure.args[0], STAGE_REASONS[stage]))
    if isinstance(failure, UnicodeDecodeError):
        # Raised by the client's binding for a name, or words, that a broker sent.
        return Broke(f"the Kafka client cannot read what a broker says: {failure.reason}", Reason.KAFKA_ERROR)
    if isinstance(failure, MemoryError):
        return Broke("the Kafka client has no memory left for what a broker says", Reason.TOO_MUCH)
    return Broke(words_of(failure), None)


def words_of(failure: Exception) -> str:
    """An exception in words; never empty."""
    return f"{type(failure).__name__}: {failure}"


def _next(queued: queue.SimpleQueue[T], stop: threading.Event, limit_ms: int | None = None) -> T | None:
    """What comes next, within a time; None where nothing does, or all is to end."""
    until = None if limit_ms is None else time.monotonic() + limit_ms / 1000
    while not stop.is_set() and (until is None or time.monotonic() < until):
        with suppress(queue.Empty):
            return queued.get(timeout=HEARS_STOP_S)
    return None


def _in_thread(work: Callable[[], None], name: str) -> None:
    threading.Thread(target=work, name=name, daemon=True).start()
