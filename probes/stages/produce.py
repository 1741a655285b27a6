"""Stage ``produce``: a few records to one partition of every leader, each acknowledged by all replicas.

One producer for all leaders, without retries: a record that fails once has failed. Runs in a
thread of its own and reports each leader as soon as its records are done.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from brokerproof.probes.librdkafka import ClientLog, Delivery, Leader, Report, reason_of, since
from brokerproof.probes.observation import Observation, failed, ok
from brokerproof.probes.outcome import STAGE_REASONS, ProduceFacts, Reason, Stage
from brokerproof.probes.outcome.permissions import Permission, denied_words

POLL_S: Final = 0.02
"""The longest the thread is deaf to a stop."""


def record_value(nonce: str, partition: int, index: int, size: int) -> bytes:
    """A record nobody else writes: the run's nonce, the partition, the index, filled up to ``size``."""
    head = f"{nonce}/{partition}/{index}/".encode()
    filler = nonce.encode()
    return (head + filler * (size // len(filler) + 1))[: max(size, len(head))]


def _is_given_up(failure: KafkaError | None) -> bool:
    """Whether the client dropped the records unsent, as librdkafka does at all leaders once one refuses the topic.

    ``rd_kafka_topic_set_error`` in rdkafka_topic.c. The error does not tell which leader refused.
    """
    return failure is not None and failure.code() == KafkaError._DESTROY  # noqa: SLF001  the client's public constants


def _denied(failure: KafkaError | None) -> Permission | None:
    """What a refused record lacks: that the topic may be described was asked of the same leader before."""
    refused = failure is not None and failure.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
    return Permission.WRITE_TOPIC if refused else None


class _Sending(msgspec.Struct):
    """One leader's records under way."""

    leader: Leader
    records: int
    started_ns: int
    values: dict[int, bytes] = msgspec.field(default_factory=dict)
    first_ack_ns: int = 0
    failure: KafkaError | None = None
    answered: int = 0

    @property
    def is_waiting(self) -> bool:
        """Whether a record is neither acknowledged nor failed."""
        return self.answered < self.records


def _refusal(every: Sequence[_Sending]) -> KafkaError | None:
    """A leader's refusal of the topic, where there is one."""
    return next((each.failure for each in every if _denied(each.failure)), None)


class Producing(msgspec.Struct):
    """The producer's side of a run.

    ``deliveries`` has an entry for each leader that is done; other threads may read it at any time.
    """

    take_producer: Callable[[], Producer]
    """Raises KafkaException where the client refuses its configuration."""
    topic: str
    nonce: str
    records_per_leader: int
    record_bytes: int
    limit_ms: int
    report: Report
    stop: threading.Event
    log: ClientLog
    deliveries: dict[int, Delivery] = msgspec.field(default_factory=dict)

    def run(self, leaders: Sequence[Leader]) -> None:
        """Send and wait for every acknowledgement, until done, stopped, or out of time."""
        deadline = time.monotonic_ns() + self.limit_ms * 1_000_000
        started = time.monotonic_ns()
        try:
            producer = self.take_producer()
        except KafkaException as raised:
            for leader in leaders:
                self._finish(_Sending(leader, 0, started, failure=raised.args[0]))
            return
        every = [self._send(producer, leader) for leader in leaders]
        pending, refused = list(every), _refusal(every)
        while any(each.is_waiting for each in pending) and not self.stop.is_set() and time.monotonic_ns() < deadline:
            producer.poll(POLL_S)
            refused = refused or _refusal(every)
            for sending in [each for each in pending if not each.is_waiting]:
                if refused is None and _is_given_up(sending.failure):
                    continue  # until it is known for what
                pending.remove(sending)
                self._finish(sending, refused)
        for sending in pending:
            self._finish(sending, refused)
        # Without this the destructor would wait for what is still in the queues.
        producer.purge()
        producer.poll(0)

    def _send(self, producer: Producer, leader: Leader) -> _Sending:
        sending = _Sending(leader, self.records_per_leader, time.monotonic_ns())

        def delivered(failure: KafkaError | None, message: Message) -> None:
            sending.answered += 1
            offset, value = message.offset(), message.value()
            if failure is not None:
                sending.failure = sending.failure or failure
            elif offset is not None and value is not None:
                sending.first_ack_ns = sending.first_ack_ns or time.monotonic_ns() - sending.started_ns
                sending.values[offset] = value

        for index in range(self.records_per_leader):
            value = record_value(self.nonce, leader.partition, index, self.record_bytes)
            self.log.note_records(1, len(value))
            try:
                producer.produce(
                    self.topic,
                    value=value,
                    key=self.nonce.encode(),
                    partition=leader.partition,
                    on_delivery=delivered,
                )
            except KafkaException as raised:
                sending.failure = sending.failure or raised.args[0]
                sending.answered += 1
        return sending

    def _finish(self, sending: _Sending, refused: KafkaError | None = None) -> None:
        """Report one leader; ``refused`` is a refusal of the topic, for which others' records were given up."""
        is_asked = refused is None or not _is_given_up(sending.failure)
        failure = sending.failure if is_asked else refused
        leader = sending.leader
        acknowledged = len(sending.values)
        complete = sending.failure is None and acknowledged == sending.records
        self.deliveries[leader.broker_id] = Delivery(dict(sending.values), complete)
        if self.stop.is_set():
            return
        facts = ProduceFacts(
            topic=self.topic,
            partition=leader.partition,
            leader_id=leader.broker_id,
            records=self.records_per_leader,
            acknowledged=acknowledged,
            first_ack_ns=sending.first_ack_ns,
            error_name=failure.name() if failure else "",
            denied=_denied(failure),
            client_log=self.log.about(leader.target),
        )
        self.report(leader, since(sending.started_ns, self._judge(failure, facts, is_asked=is_asked)))

    def _judge(self, failure: KafkaError | None, facts: ProduceFacts, *, is_asked: bool) -> Observation:
        if failure is not None:
            reason = reason_of(failure, STAGE_REASONS[Stage.PRODUCE])
            words = failure.str() if is_asked else f"{failure.str()} at another leader, so the client sent nothing here"
            return failed(reason, denied_words(words, facts.denied, self.topic), facts)
        if facts.acknowledged < facts.records:
            detail = f"{facts.acknowledged} of {facts.records} records acknowledged within {self.limit_ms} ms"
            return failed(Reason.TIMED_OUT, detail, facts)
        return ok(facts)
