"""Stage ``group``: join a consumer group, be assigned every partition, consume, commit, read back.

Continues with the consumer that read the records without a group, so that its connections are
paid for once. Runs in that consumer's thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec
from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, Message, TopicPartition

from brokerproof.probes.group_told import GroupTold, SeenFrom
from brokerproof.probes.kafka_clients import Commits
from brokerproof.probes.librdkafka import ClientLog, Delivery, Leader, Timed, reason_of, since
from brokerproof.probes.observation import Observation, failed, ok
from brokerproof.probes.outcome import STAGE_REASONS, GroupFacts, Reason, Stage
from brokerproof.probes.outcome.permissions import Permission, denied_words

POLL_S: Final = 0.02
ANSWER_POLL_S: Final = 0.002


class Grouping(msgspec.Struct):
    """One membership in a group of the probe's own."""

    consumer: Consumer
    topic: str
    group: str
    coordinator_id: int
    partition_count: int
    limit_ms: int
    stop: threading.Event
    deliveries: Mapping[int, Delivery]
    log: ClientLog
    commits: Commits
    ask_seen_from: Callable[[], Callable[[], SeenFrom]] = lambda: SeenFrom
    """Begins to ask the coordinator where it sees this member; what it returns waits for the answer."""
    ask_of_group: Callable[[], Callable[[], GroupTold]] = lambda: GroupTold
    """The same about a group that was not joined, or took no commit."""
    _seen_from: Callable[[], SeenFrom] | None = None
    _assigned: int = 0
    _join_ns: int = 0
    _received: dict[int, set[int]] = msgspec.field(default_factory=dict)
    _failure: KafkaError | None = None

    def run(self, leaders: Sequence[Leader]) -> Timed:
        """Join, read what was acknowledged, commit, and read the commit back."""
        started = time.monotonic_ns()
        deadline = started + self.limit_ms * 1_000_000
        expected = {
            leader.partition: set(delivery.values)
            for leader in leaders
            if (delivery := self.deliveries.get(leader.broker_id)) and delivery.complete
        }
        start_offsets = {leader.partition: leader.start_offset for leader in leaders}

        def assigned(consumer: Consumer, partitions: list[TopicPartition]) -> None:
            self._join_ns = self._join_ns or time.monotonic_ns() - started
            self._assigned = len(partitions)
            # Beside reading and committing: it needs nothing but a member that is there.
            self._seen_from = self._seen_from or self.ask_seen_from()
            for partition in partitions:
                # Of a partition the probe did not write to, nothing is read.
                partition.offset = start_offsets.get(partition.partition, OFFSET_END)
            consumer.assign(partitions)

        # Else the assignment without a group would still deliver.
        self.consumer.unassign()
        self.consumer.subscribe([self.topic], on_assign=assigned)
        while not self._is_complete(expected) and self._failure is None:
            if self.stop.is_set() or time.monotonic_ns() > deadline:
                break
            self._take(self.consumer.poll(POLL_S), expected)
        committed = 0
        words = ""
        seen_from = SeenFrom()
        if self._is_complete(expected) and not self.stop.is_set():
            committed, words = self._commit(expected, deadline)
            seen_from = self._seen_from() if self._seen_from is not None else SeenFrom()
        failed_by_itself = (words or not self._assigned) and not self.stop.is_set()
        told = self.ask_of_group()() if failed_by_itself else GroupTold()
        facts = GroupFacts(
            group=self.group,
            coordinator_id=self.coordinator_id if seen_from.coordinator_id is None else seen_from.coordinator_id,
            assigned_partitions=self._assigned,
            received=sum(map(len, self._received.values())),
            committed=committed,
            client_host=seen_from.addresses,
            client_host_unknown=seen_from.unknown or told.unknown,
            group_state=told.state,
            offsets=told.offsets,
            join_ns=self._join_ns,
            error_name=self._failure.name() if self._failure else "",
            denied=_DENIED.get(self._failure.code()) if self._failure else None,
            client_log=self.log.all(),
        )
        return since(started, self._judge(facts, expected, words))

    def _is_complete(self, expected: Mapping[int, set[int]]) -> bool:
        return self._assigned == self.partition_count and all(
            offsets <= self._received.get(partition, set()) for partition, offsets in expected.items()
        )

    def _take(self, message: Message | None, expected: Mapping[int, set[int]]) -> None:
        if message is None:
            return
        failure = message.error()
        if failure is not None:
            if not failure.retriable() and (
                failure.code() in _NO_SUCH_MEMBER or reason_of(failure, STAGE_REASONS[Stage.GROUP]) in _FINAL
            ):
                self._failure = failure
            return
        partition, offset = message.partition(), message.offset()
        if partition is not None and offset in expected.get(partition, ()):
            self._received.setdefault(partition, set()).add(offset or 0)

    def _commit(self, expected: Mapping[int, set[int]], deadline: int) -> tuple[int, str]:
        """How many partitions' offsets were committed and read back, and what went wrong.

        Both requests go out at once: a broker answers those of one connection in their order.
        """
        wanted = {partition: max(offsets) + 1 for partition, offsets in expected.items()}
        offsets = [TopicPartition(self.topic, partition, offset) for partition, offset in wanted.items()]
        read: list[TopicPartition] = []
        try:
            self.consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as raised:
            self._failure = raised.args[0]
            return 0, raised.args[0].str()
        try:
            read = self.consumer.committed(
                [TopicPartition(self.topic, partition) for partition in wanted], timeout=_left_s(deadline)
            )
        except KafkaException as raised:
            self._failure = raised.args[0]
        back = sum(1 for each in read if each.offset == wanted[each.partition])
        # What was refused says more than that it could not be read.
        self._failure = self._refusal(deadline) or self._failure
        if self._failure is not None:
            return 0, self._failure.str()
        if not self.commits.answers:
            # They are there, and an application would not know it.
            return back, f"no answer to the commit; {back} of {len(wanted)} offsets read back"
        return back, "" if back == len(wanted) else f"{back} of {len(wanted)} offsets read back"

    def _refusal(self, deadline: int) -> KafkaError | None:
        """What the coordinator answered to the commit, where that was an error."""
        # The answer is handed out from within poll, which would then go on waiting for a record.
        self.consumer.poll(0)
        while not self.commits.answers and not self.stop.is_set() and time.monotonic_ns() < deadline:
            self.consumer.poll(ANSWER_POLL_S)
        for failure, partitions in self.commits.answers:
            errors = (failure, *(partition.error for partition in partitions))
            return next((error for error in errors if error is not None), None)
        return None

    def _of(self, denied: Permission | None) -> str:
        return self.topic if denied is Permission.READ_TOPIC else self.group

    def _judge(self, facts: GroupFacts, expected: Mapping[int, set[int]], commit_words: str) -> Observation:
        if commit_words:
            return failed(Reason.COMMIT_FAILED, denied_words(commit_words, facts.denied, self._of(facts.denied)), facts)
        if self._failure is not None:
            words = denied_words(self._failure.str(), facts.denied, self._of(facts.denied))
            return failed(reason_of(self._failure, STAGE_REASONS[Stage.GROUP]), words, facts)
        if facts.assigned_partitions < self.partition_count:
            detail = f"{facts.assigned_partitions} of {self.partition_count} partitions within {self.limit_ms} ms"
            return failed(Reason.NOT_ASSIGNED, detail, facts)
        wanted = sum(map(len, expected.values()))
        if facts.received < wanted:
            detail = f"{facts.received} of {wanted} records within {self.limit_ms} ms"
            return failed(Reason.RECORDS_LOST, detail, facts)
        return ok(facts)


def _left_s(deadline: int) -> float:
    return max(0.001, (deadline - time.monotonic_ns()) / 1e9)


_DENIED: Final = {
    KafkaError.GROUP_AUTHORIZATION_FAILED: Permission.READ_GROUP,
    KafkaError.TOPIC_AUTHORIZATION_FAILED: Permission.READ_TOPIC,
}
"""What a refused member lacks: that it may describe the group and the topic was asked before it joined."""
_FINAL: Final = frozenset({Reason.NOT_AUTHORIZED, Reason.TOPIC_NOT_FOUND})
"""Errors that waiting does not mend."""
_NO_SUCH_MEMBER: Final = frozenset(
    {
        KafkaError.INCONSISTENT_GROUP_PROTOCOL,
        KafkaError.INVALID_GROUP_ID,
        KafkaError.INVALID_SESSION_TIMEOUT,
        KafkaError.GROUP_MAX_SIZE_REACHED,
    }
)
"""Answers to JoinGroup that are final to Kafka's own consumer (AbstractCoordinator.JoinGroupResponseHandler)."""
