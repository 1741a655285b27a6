"""Stage ``latency``: produce-acknowledgement and end-to-end times at a fixed arrival rate.

Records leave at their appointed times whether or not earlier ones came back, so a slow broker
cannot slow down the measuring of itself. One process and one clock send and receive.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from brokerproof.probes.librdkafka import ClientLog, Leader, Settings, Timed, reason_of, since
from brokerproof.probes.load.host_load import HostTicks
from brokerproof.probes.observation import Observation, error, failed, ok
from brokerproof.probes.outcome import STAGE_REASONS, LatencyFacts, Measured, Reason, SampleBlock, Stage
from brokerproof.probes.outcome.distribution import distribution
from brokerproof.probes.outcome.samples import Samples, pack
from brokerproof.probes.plan import LatencyPlan

INDEX_BYTES: Final = 8
POLL_S: Final = 0.05
SETTLING_S: Final = 0.002


class _Taken(msgspec.Struct):
    """One leader's, the warm-up apart."""

    ack: Samples = msgspec.field(default_factory=Samples)
    end_to_end: Samples = msgspec.field(default_factory=Samples)
    warm_up_ack: Samples = msgspec.field(default_factory=Samples)
    warm_up_end_to_end: Samples = msgspec.field(default_factory=Samples)
    sent: int = 0
    failure: KafkaError | None = None

    def extend(self, other: _Taken) -> None:
        """Take all of another leader's."""
        self.ack.extend(other.ack)
        self.end_to_end.extend(other.end_to_end)
        self.warm_up_ack.extend(other.warm_up_ack)
        self.warm_up_end_to_end.extend(other.warm_up_end_to_end)
        self.sent += other.sent
        self.failure = self.failure or other.failure


class Latency(msgspec.Struct):
    """One measurement over all leaders of a topic."""

    settings: Settings
    topic: str
    group: str
    plan: LatencyPlan
    leaders: Sequence[Leader]
    stop: threading.Event
    log: ClientLog = msgspec.field(default_factory=ClientLog)
    _taken: dict[int, _Taken] = msgspec.field(default_factory=dict)
    _due_ns: list[int] = msgspec.field(default_factory=list)
    _sent_ns: list[int] = msgspec.field(default_factory=list)
    _outstanding: set[int] = msgspec.field(default_factory=set)
    _sending: bool = True
    _answered: threading.Event = msgspec.field(default_factory=threading.Event)
    """Every record has its answer, or there is no more time for one."""
    _ticks: tuple[HostTicks | None, HostTicks | None] = (None, None)

    def run(self) -> tuple[dict[Leader, Timed], Timed]:
        """Measure.

        Returns:
            What was seen of each leader, and of all of them together.
        """
        limits = self.settings.limits
        started = time.monotonic_ns()
        self._taken = {leader.partition: _Taken() for leader in self.leaders}
        producer = Producer(self.settings.producer(self.log, limit_ms=limits.produce_ms))
        consumer = Consumer(self.settings.consumer(self.log, self.group, limit_ms=limits.consume_ms))
        try:
            self._position(consumer)
            receiver = threading.Thread(target=self._receive, args=(consumer,), name="latency", daemon=True)
            before = HostTicks.read()
            # An acknowledgement's time is when it is looked at, so somebody must always look.
            answers = threading.Thread(target=self._serve, args=(producer,), name="latency", daemon=True)
            receiver.start()
            answers.start()
            self._send(producer)
            self._sending = False
            receiver.join()
            answers.join()
            self._ticks = before, HostTicks.read()
        finally:
            consumer.close()
        return self._results(started)

    def _position(self, consumer: Consumer) -> None:
        """Behind what is there, before the first record leaves."""
        limit_s = self.settings.limits.consume_ms / 1000
        places = []
        for leader in self.leaders:
            partition = TopicPartition(self.topic, leader.partition)
            _, end = consumer.get_watermark_offsets(partition, timeout=limit_s)
            places.append(TopicPartition(self.topic, leader.partition, end))
        consumer.assign(places)

    def _send(self, producer: Producer) -> None:
        """The warm-up, and once it is through the rest: what cold brokers held up is the warm-up's alone."""
        total = self.plan.warm_up + self.plan.samples
        for indexes in (range(self.plan.warm_up), range(self.plan.warm_up, total)):
            self._send_these(producer, indexes)
            deadline = time.monotonic_ns() + self.settings.limits.produce_ms * 1_000_000
            while len(producer) and time.monotonic_ns() < deadline and not self.stop.is_set():
                self.stop.wait(SETTLING_S)
        self._answered.set()

    def _send_these(self, producer: Producer, indexes: range) -> None:
        interval_ns = 1_000_000_000 // self.plan.rate_per_s
        begin = time.monotonic_ns()
        for nth, index in enumerate(indexes):
            due_ns = begin + nth * interval_ns
            if self.stop.wait(max(0, due_ns - time.monotonic_ns()) / 1e9):
                return
            self._due_ns.append(due_ns)
            self._sent_ns.append(time.monotonic_ns())
            self._send_one(producer, index)

    def _serve(self, producer: Producer) -> None:
        """Take each acknowledgement as it comes."""
        while not self._answered.is_set() and not self.stop.is_set():
            producer.poll(POLL_S)
        producer.purge()
        producer.poll(0)

    def _send_one(self, producer: Producer, index: int) -> None:
        partition = self.leaders[index % len(self.leaders)].partition
        taken = self._taken[partition]
        counts = index >= self.plan.warm_up
        acknowledged = taken.ack if counts else taken.warm_up_ack

        def delivered(failure: KafkaError | None, message: Message) -> None:
            if failure is not None:
                taken.failure = taken.failure or failure
                self._outstanding.discard(index)
            else:
                self._note(acknowledged, index, int((message.latency() or 0) * 1e9))

        value = index.to_bytes(INDEX_BYTES, "big").ljust(self.plan.record_bytes, b".")
        taken.sent += counts
        self.log.note_records(1, len(value))
        self._outstanding.add(index)
        try:
            producer.produce(self.topic, value=value, partition=partition, on_delivery=delivered)
        except KafkaException as raised:
            taken.failure = taken.failure or raised.args[0]
            self._outstanding.discard(index)

    def _note(self, samples: Samples, index: int, duration_ns: int) -> None:
        samples.add(scheduled_ns=self._due_ns[index], started_ns=self._sent_ns[index], duration_ns=duration_ns)

    def _receive(self, consumer: Consumer) -> None:
        deadline: int | None = None
        while not self.stop.is_set():
            message = consumer.poll(POLL_S)
            now = time.monotonic_ns()
            if message is not None:
                self._received(message, now)
            if not self._sending:
                deadline = deadline or now + self.settings.limits.consume_ms * 1_000_000
                if not self._outstanding or now > deadline:
                    return

    def _received(self, message: Message, now: int) -> None:
        value, partition = message.value(), message.partition()
        if message.error() is not None or value is None or partition not in self._taken:
            return
        index = int.from_bytes(value[:INDEX_BYTES], "big")
        if index in self._outstanding:
            self._outstanding.discard(index)
            taken = self._taken[partition]
            samples = taken.end_to_end if index >= self.plan.warm_up else taken.warm_up_end_to_end
            self._note(samples, index, now - self._sent_ns[index])

    def blocks(self, zero_ns: int) -> Iterator[SampleBlock]:
        """Every sample, packed; ``zero_ns`` is the monotonic clock when the plan began."""
        for leader in self.leaders:
            taken = self._taken.get(leader.partition, _Taken())
            for what, samples, warm_up in (
                (Measured.PRODUCE_ACK, taken.warm_up_ack, True),
                (Measured.PRODUCE_ACK, taken.ack, False),
                (Measured.END_TO_END, taken.warm_up_end_to_end, True),
                (Measured.END_TO_END, taken.end_to_end, False),
            ):
                yield from pack(what, leader.target, samples, zero_ns=zero_ns, warm_up=warm_up)

    def _results(self, started_ns: int) -> tuple[dict[Leader, Timed], Timed]:
        every = _Taken()
        one = {}
        for leader in self.leaders:
            taken = self._taken[leader.partition]
            one[leader] = since(started_ns, self._judge(taken))
            every.extend(taken)
        return one, since(started_ns, self._judge(every))

    def _judge(self, taken: _Taken) -> Observation:
        before, after = self._ticks
        facts = LatencyFacts(
            record_bytes=max(self.plan.record_bytes, INDEX_BYTES),
            warm_up_samples=self.plan.warm_up,
            produce_ack=distribution(taken.ack.duration_ns),
            end_to_end=distribution(taken.end_to_end.duration_ns),
            lost=taken.sent - len(taken.end_to_end),
            produce_ack_scheduled=distribution(taken.ack.since_scheduled_ns),
            end_to_end_scheduled=distribution(taken.end_to_end.since_scheduled_ns),
            warm_up=distribution(taken.warm_up_ack.duration_ns),
            host=None if before is None or after is None else before.until(after, taken.ack.late_ns),
        )
        if taken.failure is not None:
            reason = reason_of(taken.failure, STAGE_REASONS[Stage.LATENCY])
            return failed(reason, taken.failure.str(), facts)
        if facts.lost:
            return failed(Reason.RECORDS_LOST, f"{facts.lost} of {taken.sent} records did not come back", facts)
        if not taken.sent:
            return error(Reason.DEADLINE_OF_PLAN, "no record was sent after the warm-up", facts)
        return ok(facts)
