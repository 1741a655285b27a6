"""Stage ``throughput``: produce a bounded amount as fast as it goes, then consume the same records.

Bounded in bytes and in time, whichever ends first; loss and duplicates are counted, because a
fast path that loses records is not a fast path.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, ThrottleEvent, TopicPartition

from probes.client import ClientLog, Leader, Settings, Timed, reason_of, since
from probes.flows import flows
from probes.host_load import HostTicks
from probes.outcome import STAGE_REASONS, ProduceLimits, Reason, Stage, ThroughputFacts
from probes.plan import ThroughputPlan
from probes.seen import Seen, failed, ok

INDEX_BYTES: Final = 8
BATCH_RECORDS: Final = 1000
BATCH_BYTES: Final = 1_000_000
"""What is handed to the client at once, at most: a record at a time costs twice the processor time."""
QUEUE_BYTES: Final = 65536 * 1024
QUEUE_RECORDS: Final = 100_000
POLL_S: Final = 0.05
BATCHING: Final = {
    "linger.ms": 5,
    "batch.size": BATCH_BYTES,
    "queue.buffering.max.kbytes": QUEUE_BYTES // 1024,
    "queue.buffering.max.messages": QUEUE_RECORDS,
}
"""Here the client is to be fast, not to show each record on its own."""


class Throughput(msgspec.Struct):
    """One measurement over all leaders of a topic."""

    settings: Settings
    topic: str
    group: str
    plan: ThroughputPlan
    leaders: Sequence[Leader]
    stop: threading.Event
    log: ClientLog = msgspec.field(default_factory=ClientLog)
    _acknowledged: int = 0
    _last_ack_ns: int = 0
    _failure: KafkaError | None = None
    _throttled_ms: int = 0
    _limits: ProduceLimits | None = None

    def run(self) -> Timed:
        """Measure."""
        started = time.monotonic_ns()
        limits = self.settings.limits
        config = self.settings.consumer(self.log, self.group, limit_ms=limits.consume_ms)
        # Large fetches, at the client's own pace.
        consumer = Consumer(config | {"fetch.wait.max.ms": 100})
        try:
            producer = self._reached()
            places = self._places(consumer)
            produced, produce_ns = self._produce(producer)
            seen = bytearray(produced)
            consume_ns, duplicated, reached_end = self._consume(consumer, places, seen)
        finally:
            consumer.close()
        consumed = sum(1 for times in seen if times)
        size = max(self.plan.record_bytes, INDEX_BYTES)
        facts = ThroughputFacts(
            record_bytes=size,
            records_produced=self._acknowledged,
            produce_bytes_per_s=self._acknowledged * size / (produce_ns / 1e9) if produce_ns else 0.0,
            produce_duration_ns=produce_ns,
            records_consumed=consumed,
            consume_bytes_per_s=consumed * size / (consume_ns / 1e9) if consume_ns else 0.0,
            consume_duration_ns=consume_ns,
            lost=max(0, self._acknowledged - consumed),
            duplicated=duplicated,
            limits=self._limits,
        )
        return since(started, self._judge(facts, produced, reached_end=reached_end))

    def _places(self, consumer: Consumer) -> list[TopicPartition]:
        """Where each partition ends before the first record."""
        limit_s = self.settings.limits.consume_ms / 1000
        places = []
        for leader in self.leaders:
            partition = TopicPartition(self.topic, leader.partition)
            _, end = consumer.get_watermark_offsets(partition, timeout=limit_s)
            places.append(TopicPartition(self.topic, leader.partition, end))
        return places

    def _reached(self) -> Producer:
        """A producer whose first record every leader has acknowledged: what connecting takes, other stages measure."""
        limit_ms = self.settings.limits.produce_ms
        config = self.settings.producer(self.log, limit_ms=limit_ms) | BATCHING
        producer = Producer(config | {"throttle_cb": self._throttle})

        def delivered(failure: KafkaError | None, _message: Message) -> None:
            self._failure = self._failure or failure

        for leader in self.leaders:
            first = bytes(max(self.plan.record_bytes, INDEX_BYTES))
            producer.produce(self.topic, value=first, partition=leader.partition, on_delivery=delivered)
        self._drain(producer)
        return producer

    def _drain(self, producer: Producer) -> None:
        """Until nothing waits for an acknowledgement, or has waited as long as it may."""
        deadline = time.monotonic_ns() + self.settings.limits.produce_ms * 1_000_000
        while len(producer) and time.monotonic_ns() < deadline and not self.stop.is_set():
            producer.poll(POLL_S)

    def _produce(self, producer: Producer) -> tuple[int, int]:
        """How many records were sent, and how long until the last was acknowledged."""
        ticks = HostTicks.read()
        filler = b"." * max(0, self.plan.record_bytes - INDEX_BYTES)
        partitions = [leader.partition for leader in self.leaders]
        size = max(self.plan.record_bytes, INDEX_BYTES)
        total = max(1, self.plan.total_bytes // size)
        # Every leader has its share, also of few records.
        at_once = max(1, min(BATCH_RECORDS, BATCH_BYTES // size, total // len(partitions)))
        room = max(0, min(QUEUE_RECORDS, QUEUE_BYTES // size) - at_once)
        begin = time.monotonic_ns()
        process_ns, thread_ns = time.process_time_ns(), time.thread_time_ns()
        end = begin + self.plan.max_ms * 1_000_000
        index = 0
        while index < total and time.monotonic_ns() < end and not self.stop.is_set():
            if len(producer) > room:
                producer.poll(POLL_S)
                continue
            batch: list[dict[str, Any]] = [
                {"value": each.to_bytes(INDEX_BYTES, "big") + filler}
                for each in range(index, min(index + at_once, total))
            ]
            partition = partitions[index // at_once % len(partitions)]
            producer.produce_batch(self.topic, batch, partition=partition, on_delivery=self._delivered)
            if refused := next((record["_error"] for record in batch if "_error" in record), None):
                raise KafkaException(refused)  # too large, for example; that the queue is full is seen to
            index += len(batch)
            producer.poll(0)
        # Of the handing over alone: afterwards the thread only waits.
        handed_ns = max(1, time.monotonic_ns() - begin)
        sender_cpu = (time.thread_time_ns() - thread_ns) / handed_ns
        self._drain(producer)
        took_ns = max(1, time.monotonic_ns() - begin)
        process_cpu = (time.process_time_ns() - process_ns) / took_ns
        self._limits = self._seen_of_limits(sender_cpu, process_cpu, took_ns, ticks)
        producer.purge()
        producer.poll(0)
        return index, max(0, self._last_ack_ns - begin)

    def _throttle(self, event: ThrottleEvent) -> None:
        # The client's binding gives seconds.
        self._throttled_ms = max(self._throttled_ms, round(event.throttle_time * 1000))

    def _seen_of_limits(
        self, sender_cpu: float, process_cpu: float, took_ns: int, before: HostTicks | None
    ) -> ProduceLimits:
        """While the producer's connections are still open."""
        every = flows(frozenset(leader.target.port for leader in self.leaders))
        most = max((flow.bytes_acked for flow in every), default=0)
        # Connections of other clients of this process carry next to nothing.
        carried = [flow for flow in every if flow.bytes_acked * 10 >= most > 0]
        busy_ns = sum(flow.busy_ns for flow in carried)
        after = HostTicks.read()
        return ProduceLimits(
            sender_cpu_share=sender_cpu,
            process_cpu_share=process_cpu,
            throttled_ms=self._throttled_ms,
            connections=len(carried),
            busy_share=min(1.0, max((flow.busy_ns for flow in carried), default=0) / took_ns),
            rwnd_limited_share=sum(flow.rwnd_limited_ns for flow in carried) / busy_ns if busy_ns else 0.0,
            sndbuf_limited_share=sum(flow.sndbuf_limited_ns for flow in carried) / busy_ns if busy_ns else 0.0,
            retransmitted=sum(flow.retransmitted for flow in carried),
            rtt_ns=max((flow.rtt_ns for flow in carried), default=0),
            min_rtt_ns=max((flow.min_rtt_ns for flow in carried), default=0),
            host=None if before is None or after is None else before.until(after, ()),
        )

    def _delivered(self, failure: KafkaError | None, _message: Message) -> None:
        if failure is not None:
            self._failure = self._failure or failure
        else:
            self._acknowledged += 1
            self._last_ack_ns = time.monotonic_ns()

    def _consume(self, consumer: Consumer, places: Sequence[TopicPartition], seen: bytearray) -> tuple[int, int, bool]:
        """How long the records took to come, how many came twice, and whether the logs were read to their end."""
        limit_ms = max(self.plan.max_ms, self.settings.limits.consume_ms)
        consumer.assign(list(places))
        begin = time.monotonic_ns()
        deadline = begin + limit_ms * 1_000_000
        last_ns, received, duplicated = begin, 0, 0
        while received < self._acknowledged and not self.stop.is_set():
            if time.monotonic_ns() > deadline:
                return last_ns - begin, duplicated, False
            # No more than there may be: it would wait for them, and the last that came with it.
            wanted = min(BATCH_RECORDS, self._acknowledged - received)
            messages = consumer.consume(num_messages=wanted, timeout=POLL_S)
            if not messages and self._is_at_end(consumer, places):
                break
            now_ns = time.monotonic_ns()
            for message in messages:
                value = message.value()
                if message.error() is not None or value is None:
                    continue
                index = int.from_bytes(value[:INDEX_BYTES], "big")
                if index < len(seen) and not seen[index]:
                    received += 1
                    seen[index] = 1
                elif index < len(seen):
                    duplicated += 1
                last_ns = now_ns
        return last_ns - begin, duplicated, True

    def _is_at_end(self, consumer: Consumer, places: Sequence[TopicPartition]) -> bool:
        """Whether the logs hold nothing that was not read: what is missing then is lost, not late."""
        for place in consumer.position(list(places)):
            _, end = consumer.get_watermark_offsets(place, cached=True)
            if end < 0 or place.offset < end:
                return False
        return True

    def _judge(self, facts: ThroughputFacts, produced: int, *, reached_end: bool) -> Seen:
        if self._failure is not None:
            reason = reason_of(self._failure, STAGE_REASONS[Stage.THROUGHPUT])
            return failed(reason, self._failure.str(), facts)
        if facts.records_produced < produced:
            detail = f"{facts.records_produced} of {produced} records acknowledged in time"
            return failed(Reason.TIMED_OUT, detail, facts)
        if facts.lost and not reached_end:
            detail = f"{facts.records_consumed} of {facts.records_produced} records came in time"
            return failed(Reason.TIMED_OUT, detail, facts)
        if facts.lost:
            return failed(Reason.RECORDS_LOST, f"{facts.lost} of {facts.records_produced} records lost", facts)
        if facts.duplicated:
            return failed(Reason.RECORDS_DUPLICATED, f"{facts.duplicated} records came twice", facts)
        return ok(facts)
