"""Stage ``latency``: produce-acknowledgement and end-to-end times at a fixed arrival rate.

Records leave at their appointed times whether or not earlier ones came back, so a slow broker
cannot slow down the measuring of itself. One process and one clock send and receive.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Final

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from probes.client import ClientLog, Leader, Settings, Timed, reason_of, since
from probes.distribution import distribution
from probes.outcome import STAGE_REASONS, LatencyFacts, Reason, Stage
from probes.plan import LatencyPlan
from probes.seen import Seen, failed, ok

INDEX_BYTES: Final = 8
POLL_S: Final = 0.05


class _Samples(msgspec.Struct):
    """One leader's: nanoseconds, without the warm-up."""

    ack_ns: list[int] = msgspec.field(default_factory=list)
    end_to_end_ns: list[int] = msgspec.field(default_factory=list)
    sent: int = 0
    failure: KafkaError | None = None


class Latency(msgspec.Struct):
    """One measurement over all leaders of a topic."""

    settings: Settings
    topic: str
    group: str
    plan: LatencyPlan
    leaders: Sequence[Leader]
    stop: threading.Event
    log: ClientLog = msgspec.field(default_factory=ClientLog)
    _samples: dict[int, _Samples] = msgspec.field(default_factory=dict)
    _sent_ns: list[int] = msgspec.field(default_factory=list)
    _outstanding: set[int] = msgspec.field(default_factory=set)
    _sending: bool = True

    def run(self) -> tuple[dict[Leader, Timed], Timed]:
        """Measure.

        Returns:
            What was seen of each leader, and of all of them together.
        """
        limits = self.settings.limits
        started = time.monotonic_ns()
        self._samples = {leader.partition: _Samples() for leader in self.leaders}
        producer = Producer(self.settings.producer(self.log, limit_ms=limits.produce_ms))
        consumer = Consumer(self.settings.consumer(self.log, self.group, limit_ms=limits.consume_ms))
        try:
            self._position(consumer)
            receiver = threading.Thread(target=self._receive, args=(consumer,), name="latency", daemon=True)
            receiver.start()
            self._send(producer)
            self._sending = False
            receiver.join()
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
        total = self.plan.warm_up + self.plan.samples
        interval_ns = 1_000_000_000 // self.plan.rate_per_s
        self._sent_ns = [0] * total
        begin = time.monotonic_ns()
        for index in range(total):
            self._wait_until(producer, begin + index * interval_ns)
            if self.stop.is_set():
                return
            self._send_one(producer, index)
        deadline = time.monotonic_ns() + self.settings.limits.produce_ms * 1_000_000
        while len(producer) and time.monotonic_ns() < deadline and not self.stop.is_set():
            producer.poll(POLL_S)
        producer.purge()
        producer.poll(0)

    def _wait_until(self, producer: Producer, due_ns: int) -> None:
        """Serve acknowledgements until it is time; their latency is the client's own, not this poll's."""
        while (left_ns := due_ns - time.monotonic_ns()) > 0 and not self.stop.is_set():
            # The client's poll counts in whole milliseconds; the last one is slept.
            whole_ms = left_ns // 1_000_000
            producer.poll(whole_ms / 1000)
            if not whole_ms:
                time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)

    def _send_one(self, producer: Producer, index: int) -> None:
        partition = self.leaders[index % len(self.leaders)].partition
        samples = self._samples[partition]
        counts = index >= self.plan.warm_up

        def delivered(failure: KafkaError | None, message: Message) -> None:
            if failure is not None:
                samples.failure = samples.failure or failure
                self._outstanding.discard(index)
            elif counts:
                samples.ack_ns.append(int((message.latency() or 0) * 1e9))

        value = index.to_bytes(INDEX_BYTES, "big").ljust(self.plan.record_bytes, b".")
        samples.sent += counts
        self._outstanding.add(index)
        self._sent_ns[index] = time.monotonic_ns()
        try:
            producer.produce(self.topic, value=value, partition=partition, on_delivery=delivered)
        except KafkaException as raised:
            samples.failure = samples.failure or raised.args[0]
            self._outstanding.discard(index)

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
        if message.error() is not None or value is None or partition not in self._samples:
            return
        index = int.from_bytes(value[:INDEX_BYTES], "big")
        if index in self._outstanding:
            self._outstanding.discard(index)
            if index >= self.plan.warm_up:
                self._samples[partition].end_to_end_ns.append(now - self._sent_ns[index])

    def _results(self, started_ns: int) -> tuple[dict[Leader, Timed], Timed]:
        every = _Samples()
        one = {}
        for leader in self.leaders:
            samples = self._samples[leader.partition]
            one[leader] = since(started_ns, self._judge(samples))
            every.ack_ns += samples.ack_ns
            every.end_to_end_ns += samples.end_to_end_ns
            every.sent += samples.sent
            every.failure = every.failure or samples.failure
        return one, since(started_ns, self._judge(every))

    def _judge(self, samples: _Samples) -> Seen:
        facts = LatencyFacts(
            record_bytes=max(self.plan.record_bytes, INDEX_BYTES),
            warm_up_samples=self.plan.warm_up,
            produce_ack=distribution(samples.ack_ns),
            end_to_end=distribution(samples.end_to_end_ns),
            lost=samples.sent - len(samples.end_to_end_ns),
        )
        if samples.failure is not None:
            reason = reason_of(samples.failure, STAGE_REASONS[Stage.LATENCY])
            return failed(reason, samples.failure.str(), facts)
        if facts.lost:
            return failed(Reason.RECORDS_LOST, f"{facts.lost} of {samples.sent} records did not come back", facts)
        return ok(facts)
