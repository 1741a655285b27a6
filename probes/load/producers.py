"""Producers at full load: what hands records over, counts what is acknowledged, and offers a given rate for a while.

One thread serves all of them. Records are letters drawn at random, cut from one long block, so that making
them costs next to nothing and compressing them costs what it would.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer, ThrottleEvent

from brokerproof.probes.librdkafka import ClientLog, Settings
from brokerproof.probes.load.ramp import has_followed
from brokerproof.probes.outcome import RampStep
from brokerproof.probes.outcome.distribution import distribution
from brokerproof.probes.plan import ThroughputPlan

INDEX_BYTES: Final = 8
UNCOUNTED: Final = (1 << 64) - 1
"""Index of records that only open connections."""
POLL_S: Final = 0.05
BETWEEN_S: Final = 0.001
SERVED_EVERY: Final = 1000
"""Records after which acknowledgements are looked at; no more are handed over at once."""
MOST_TIMED: Final = 4000
"""Of a step's records: timing costs the sender more than sending."""
QUEUE_BYTES: Final = 65536 * 1024
QUEUE_RECORDS: Final = 100_000
BATCH_BYTES: Final = 1_000_000
BATCHING: Final = {
    "linger.ms": 5,
    "batch.size": BATCH_BYTES,
    "queue.buffering.max.kbytes": QUEUE_BYTES // 1024,
    "queue.buffering.max.messages": QUEUE_RECORDS,
}
"""Here the client is to be fast, not to show each record on its own."""
_BLOCK_BYTES: Final = 4 << 20
"""Longer than any batch: one that held a letter twice for that would compress better than records do."""
_LETTERS: Final = bytes(ord("A") + byte % 26 for byte in range(256))

Delivered = Callable[[KafkaError | None, Message], None]


class Load(msgspec.Struct, eq=False):
    """Producers of one topic, each with a connection of its own to every broker, and their count."""

    settings: Settings
    topic: str
    plan: ThroughputPlan
    partitions: Sequence[int]
    stop: threading.Event
    log: ClientLog
    acknowledged: int = 0
    not_sent: int = 0
    """Taken back before they left."""
    first_ack_ns: int = 0
    last_ack_ns: int = 0
    failure: KafkaError | None = None
    throttled_ms: int = 0
    _handed_over: int = 0
    _refused: int = 0
    _producers: list[Producer] = msgspec.field(default_factory=list)
    _block: bytes = b""

    def open(self) -> None:
        """Connect, with a record to each partition from each producer; none of them is counted.

        Raises:
            KafkaException: the client refuses its configuration.
        """
        config = self.settings.producer(self.log, limit_ms=self.settings.limits.produce_ms) | BATCHING
        config |= {"acks": self.plan.acks.value, "compression.type": self.plan.compression.value}
        config |= {"throttle_cb": self._throttle}
        self._block = random.Random(0).randbytes(_BLOCK_BYTES + self.plan.record_bytes).translate(_LETTERS)  # noqa: S311  no secret
        for _ in range(self.plan.connections_per_broker):
            # Kept from the first on, so that what was made is closed.
            self._producers.append(Producer(config))
        for producer in self._producers:
            for partition in self.partitions:
                value = UNCOUNTED.to_bytes(INDEX_BYTES, "big")
                producer.produce(self.topic, value=value, partition=partition, on_delivery=self.delivered)
                self._handed_over += 1
                self.log.note_records(1, INDEX_BYTES)
        self.wait()
        self.begin()

    def begin(self) -> None:
        """Count anew; what has no answer yet stays outstanding."""
        self._handed_over = self.outstanding
        self._refused = 0
        self.acknowledged = self.not_sent = self.first_ack_ns = self.last_ack_ns = 0

    def offer_some(self, first: int, total: int) -> int:
        """Hand over the next of ``total`` records at once, to one partition: singly they cost twice the processor time.

        Returns:
            How many; 0 where the queue has no room for them.

        Raises:
            KafkaException: the client refuses one of them.
        """
        size = self.plan.record_bytes
        every = len(self.partitions)
        # Every connection has its share, also of few records.
        at_once = max(1, min(SERVED_EVERY, BATCH_BYTES // size, total // (every * len(self._producers))))
        producer = self._producers[first // at_once // every % len(self._producers)]
        if len(producer) + at_once > min(QUEUE_RECORDS, QUEUE_BYTES // size):
            return 0
        batch: list[dict[str, Any]] = [{"value": self._value(i)} for i in range(first, min(first + at_once, total))]
        partition = self.partitions[first // at_once % every]
        producer.produce_batch(self.topic, batch, partition=partition, on_delivery=self.delivered)
        if refused := next((record["_error"] for record in batch if "_error" in record), None):
            raise KafkaException(refused)
        self._handed_over += len(batch)
        self.log.note_records(len(batch), size)
        return len(batch)

    def _value(self, index: int) -> bytes:
        size = self.plan.record_bytes - INDEX_BYTES
        start = index * size % _BLOCK_BYTES
        return index.to_bytes(INDEX_BYTES, "big") + self._block[start : start + size]

    def offer(self, index: int, delivered: Delivered | None = None) -> bool:
        """Hand one record over; False where the queue is full."""
        every = len(self.partitions)
        try:
            self._producers[index // every % len(self._producers)].produce(
                self.topic,
                value=self._value(index),
                partition=self.partitions[index % every],
                on_delivery=delivered or self.delivered,
            )
        except BufferError:
            return False
        self._handed_over += 1
        self.log.note_records(1, self.plan.record_bytes)
        return True

    def serve(self, wait_s: float = 0) -> None:
        """Take acknowledgements; where there are none, wait for some, at most so long."""
        if len(self._producers) == 1:
            self._producers[0].poll(wait_s)
            return
        until_ns = time.monotonic_ns() + int(wait_s * 1e9)
        while not sum(producer.poll(0) for producer in self._producers) and time.monotonic_ns() < until_ns:
            time.sleep(BETWEEN_S)

    @property
    def outstanding(self) -> int:
        """Records that were handed over and have no answer yet; a producer's own count has log lines in it, too."""
        return self._handed_over - self.acknowledged - self.not_sent - self._refused

    def wait(self, until_ns: int | None = None) -> None:
        """Until everything has its answer, at most until then, or as long as a record may take."""
        deadline = until_ns or time.monotonic_ns() + self.settings.limits.produce_ms * 1_000_000
        while self.outstanding and time.monotonic_ns() < deadline and not self.stop.is_set():
            self.serve(POLL_S)

    def take_back(self) -> None:
        """What has not left yet does not leave any more."""
        for producer in self._producers:
            producer.purge(in_queue=True, in_flight=False)
        self.serve()

    def close(self) -> None:
        """Drop what has no answer."""
        for producer in self._producers:
            producer.purge()
            producer.poll(0)
        self._producers.clear()

    def delivered(self, failure: KafkaError | None, _message: Message) -> None:
        """A record's answer."""
        if failure is None:
            self.acknowledged += 1
            self.last_ack_ns = time.monotonic_ns()
            self.first_ack_ns = self.first_ack_ns or self.last_ack_ns
        elif failure.code() == KafkaError._PURGE_QUEUE:  # noqa: SLF001  the client's public constants
            self.not_sent += 1
        else:
            self._refused += 1
            self.failure = self.failure or failure

    def _throttle(self, event: ThrottleEvent) -> None:
        # The client's binding gives seconds.
        self.throttled_ms = max(self.throttled_ms, round(event.throttle_time * 1000))

    def step(self, bytes_per_s: float, duration_ms: int, before: Sequence[RampStep]) -> tuple[RampStep, int]:
        """Offer a rate for a while, then wait for what was sent.

        Returns:
            What was seen, and how many records were sent.
        """
        size = self.plan.record_bytes
        interval_ns = size / bytes_per_s * 1e9
        total = max(1, round(duration_ms * 1e6 / interval_ns))
        timed_every = max(1, total // MOST_TIMED)
        taken_ns: list[int] = []
        self.begin()
        begin = time.monotonic_ns()
        end = begin + duration_ms * 1_000_000
        sent, was_full = 0, False
        while sent < total and (now := time.monotonic_ns()) < end and not self.stop.is_set():
            due = min(total, int((now - begin) / interval_ns) + 1)
            for index in range(sent, min(due, sent + SERVED_EVERY)):
                timed = self._timed(taken_ns) if index % timed_every == 0 else None
                if not self.offer(index, timed):
                    was_full = True
                    break
                sent += 1
            self.serve(BETWEEN_S if sent >= due or was_full else 0)
        handed_over_ns = max(1, time.monotonic_ns() - begin)
        self.wait()
        span_ns = max(1, self.last_ack_ns - self.first_ack_ns, (self.acknowledged - 1) * interval_ns)
        # Of one batch alone the acknowledgements are no rate.
        acknowledged = min(bytes_per_s, self.acknowledged * size / span_ns * 1e9) if self.acknowledged else 0.0
        if sent < total or self.acknowledged < sent:
            acknowledged = min(acknowledged, self.acknowledged / total * bytes_per_s)
        times = distribution(taken_ns)
        followed = has_followed(
            offered=bytes_per_s,
            handed_over=sent * size / max(handed_over_ns, sent * interval_ns) * 1e9,
            acknowledged=acknowledged,
            p99_ns=times.p99_ns,
            steps=before,
            was_full=was_full,
        )
        seen = RampStep(
            offered_bytes_per_s=bytes_per_s,
            acknowledged_bytes_per_s=acknowledged,
            records=self.acknowledged,
            p50_ns=times.p50_ns,
            p99_ns=times.p99_ns,
            followed=followed,
        )
        return seen, sent

    def _timed(self, taken_ns: list[int]) -> Delivered:
        began_ns = time.monotonic_ns()

        def delivered(failure: KafkaError | None, message: Message) -> None:
            self.delivered(failure, message)
            if failure is None:
                taken_ns.append(time.monotonic_ns() - began_ns)

        return delivered
