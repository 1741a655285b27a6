"""Stage ``consume``: read back what was produced, from every leader, without a group.

The consumer is assigned before the records are sent and reads while they arrive; what came back
is compared with what was acknowledged, offset by offset. Runs in a thread of its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from brokerproof.probes.librdkafka import ClientLog, Delivery, Leader, Report, Timed, reason_of, since
from brokerproof.probes.observation import Observation, failed, ok
from brokerproof.probes.outcome import STAGE_REASONS, ConsumeFacts, Reason, Stage
from brokerproof.probes.outcome.permissions import Permission, denied_words

POLL_S: Final = 0.005
LEARNING_NS: Final = 1_000_000_000
DEAF_S: Final = 0.25
"""The longest the thread is deaf to a stop."""


def _denied(failure: KafkaError | None) -> Permission | None:
    refused = failure is not None and failure.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
    return Permission.READ_TOPIC if refused else None


class Tally(msgspec.Struct):
    """What came back of one leader's records."""

    received: set[int] = msgspec.field(default_factory=set)
    altered: set[int] = msgspec.field(default_factory=set)
    duplicated: int = 0
    next_offset: int = 0


def count(values: Mapping[int, bytes], came: Sequence[tuple[int, bytes | None]], nonce: bytes) -> Tally:
    """Compare what came with what was acknowledged; records of others at other offsets do not count.

    Args:
        values: Acknowledged values by offset.
        came: Offset and value of every record read from that partition, in order.
        nonce: Begins every value of this run.
    """
    tally = Tally()
    for offset, value in came:
        tally.next_offset = offset + 1
        if offset in tally.received or (offset not in values and (value or b"").startswith(nonce)):
            tally.duplicated += 1
        elif offset in values:
            tally.received.add(offset)
            if value != values[offset]:
                tally.altered.add(offset)
    return tally


class Consuming(msgspec.Struct):
    """The consumer's side of a run, up to the group."""

    consumer: Consumer
    topic: str
    nonce: str
    limit_ms: int
    report: Report
    stop: threading.Event
    deliveries: Mapping[int, Delivery]
    """Filled by the producing thread while this one runs."""
    log: ClientLog
    beside: Callable[[Message | None], None] = lambda _message: None
    """Hears all that comes as well."""
    _came: dict[int, list[tuple[int, bytes | None]]] = msgspec.field(default_factory=dict)
    _failures: dict[int, KafkaError] = msgspec.field(default_factory=dict)
    _acknowledged_ns: dict[int, int] = msgspec.field(default_factory=dict)

    def run(self, leaders: Sequence[Leader]) -> None:
        """Read until every leader's records are there, its time is over, or a stop.

        A leader whose records were not all acknowledged gets no report: it has nothing to consume.
        """
        started = time.monotonic_ns()
        self.consumer.assign([TopicPartition(self.topic, leader.partition, leader.start_offset) for leader in leaders])
        self._learn_leaders()
        pending = list(leaders)
        while pending and not self.stop.is_set():
            message = self.consumer.poll(POLL_S)
            self._take(message)
            self.beside(message)
            now = time.monotonic_ns()
            for leader in list(pending):
                delivery = self.deliveries.get(leader.broker_id)
                if delivery is None:
                    continue
                since_ns = self._acknowledged_ns.setdefault(leader.broker_id, now)
                if not delivery.complete:
                    pending.remove(leader)
                elif (
                    self._is_done(leader, delivery)
                    or leader.partition in self._failures
                    or now - since_ns > self.limit_ms * 1_000_000
                ):
                    pending.remove(leader)
                    self.report(leader, self._judge(leader, delivery, max(started, since_ns)))

    def next_offset(self, partition: int) -> int | None:
        """Behind what came of a partition; None where nothing did."""
        came = self._came.get(partition)
        return came[-1][0] + 1 if came else None

    def _learn_leaders(self) -> None:
        """Have the client ask who leads the partitions; one that is connected already asks by itself once a second.

        What cannot be learnt here shows in the records.
        """
        deadline = time.monotonic_ns() + LEARNING_NS
        while not self.stop.is_set() and time.monotonic_ns() < deadline:
            try:
                self.consumer.list_topics(self.topic, timeout=DEAF_S)
            except KafkaException:
                # Nobody to ask yet, or a way longer than that: the answer counts also when it comes later.
                continue
            return

    def _take(self, message: Message | None) -> None:
        if message is None:
            return
        partition = message.partition()
        failure = message.error()
        if failure is not None:
            # An error without a partition (all brokers down, the group's coordinator) is no leader's. librdkafka
            # gives it partition 0 and no topic.
            if partition is not None and message.topic() == self.topic and not failure.retriable():
                self._failures.setdefault(partition, failure)
            return
        offset = message.offset()
        if partition is not None and offset is not None:
            self._came.setdefault(partition, []).append((offset, message.value()))

    def _is_done(self, leader: Leader, delivery: Delivery) -> bool:
        came = self._came.get(leader.partition, [])
        last = max(delivery.values, default=-1)
        if not came or came[-1][0] < last:
            return False
        # A duplicate would stand behind the last record: read to where the log ends now.
        partition = TopicPartition(self.topic, leader.partition)
        _, end = self.consumer.get_watermark_offsets(partition, cached=True)
        return came[-1][0] + 1 >= end

    def _judge(self, leader: Leader, delivery: Delivery, started_ns: int) -> Timed:
        came = self._came.get(leader.partition, [])
        tally = count(delivery.values, came, self.nonce.encode())
        failure = self._failures.get(leader.partition)
        facts = ConsumeFacts(
            topic=self.topic,
            partition=leader.partition,
            leader_id=leader.broker_id,
            expected=len(delivery.values),
            received=len(tally.received),
            lost=len(delivery.values) - len(tally.received),
            duplicated=tally.duplicated,
            altered=len(tally.altered),
            error_name=failure.name() if failure else "",
            denied=_denied(failure),
            client_log=self.log.about(leader.target),
        )
        return since(started_ns, self._verdict(leader, delivery, facts, failure))

    def _verdict(
        self, leader: Leader, delivery: Delivery, facts: ConsumeFacts, failure: KafkaError | None
    ) -> Observation:
        came = self._came.get(leader.partition, [])
        if facts.altered:
            return failed(Reason.RECORDS_ALTERED, f"{facts.altered} of {facts.expected} records altered", facts)
        if facts.lost and failure is not None:
            reason = reason_of(failure, STAGE_REASONS[Stage.CONSUME])
            return failed(reason, denied_words(failure.str(), facts.denied, self.topic), facts)
        if facts.lost and came and came[-1][0] >= max(delivery.values):
            # Records behind the missing ones came: they are gone, not late.
            return failed(Reason.RECORDS_LOST, f"{facts.lost} of {facts.expected} records lost", facts)
        if facts.lost:
            detail = f"{facts.received} of {facts.expected} records within {self.limit_ms} ms"
            return failed(Reason.TIMED_OUT, detail, facts)
        if facts.duplicated:
            return failed(Reason.RECORDS_DUPLICATED, f"{facts.duplicated} records came twice", facts)
        return ok(facts)
