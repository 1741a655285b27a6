"""Stage ``group``: join a consumer group, be assigned every partition, consume, commit, read back.

Continues with the consumer that read the records without a group, so that its connections are
paid for once, or joins beside that reading. Runs in that consumer's thread.
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

POLL_S: Final = 0.005
READS_ON_NS: Final = 1_000_000_000
ANSWER_POLL_S: Final = 0.002


class _Commit(msgspec.Struct):
    """A commit of what the member is to read, and what was read back of it."""

    wanted: dict[int, int]
    """Offsets by partition."""
    read: list[TopicPartition] = msgspec.field(default_factory=list)
    failure: KafkaError | None = None
    sent: bool = False


class Grouping(msgspec.Struct):
    """One membership in a group of the probe's own."""

    consumer: Consumer
    topic: str
    group: str
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
    _started_ns: int = 0
    """When it was joined; 0 before."""
    _partitions: list[TopicPartition] = msgspec.field(default_factory=list)
    """That the member was assigned."""
    _reads_from: Callable[[int], int | None] = lambda _partition: None
    """Where the member reads a partition from; of one without such an offset it reads nothing."""
    _join_ns: int = 0
    _received: dict[int, set[int]] = msgspec.field(default_factory=dict)
    _failure: KafkaError | None = None

    def join(self, reads_from: Callable[[int], int | None]) -> None:
        """Begin to join. Until :meth:`run`, what is assigned is read on from where ``reads_from`` says."""
        self._started_ns = time.monotonic_ns()
        self._reads_from = reads_from
        self.consumer.subscribe([self.topic], on_assign=self._take_partitions)

    def hear(self, message: Message | None) -> None:
        """An error of the group that comes while the records are still read without it."""
        failure = message.error() if message is not None and message.topic() is None else None
        if failure is not None:
            self._note(failure)

    def run(self, leaders: Sequence[Leader], coordinator_id: int) -> Timed:
        """Join where it was not begun, read what was acknowledged, commit, and read the commit back."""
        deadline = time.monotonic_ns() + self.limit_ms * 1_000_000
        expected = {
            leader.partition: set(delivery.values)
            for leader in leaders
            if (delivery := self.deliveries.get(leader.broker_id)) and delivery.complete
        }
        self._reads_from = {leader.partition: leader.start_offset for leader in leaders}.get
        if self._partitions:
            self._read_on()
        else:
            # Else the assignment without a group would still deliver.
            self.consumer.unassign()
        if not self._started_ns:
            self.join(self._reads_from)
        commit: _Commit | None = None
        reads_until = deadline
        while not self._is_complete(expected) and self._failure is None:
            if self.stop.is_set() or time.monotonic_ns() > reads_until:
                break
            self._take(self.consumer.poll(POLL_S), expected)
            if commit is None and self._is_assigned:
                commit = self._commit(expected, deadline)
                # A coordinator that gives no answer takes all the time; what has come meanwhile is read yet.
                reads_until = max(deadline, time.monotonic_ns() + READS_ON_NS)
        committed = 0
        words = ""
        seen_from = SeenFrom()
        if self._is_complete(expected) and not self.stop.is_set():
            committed, words = self._committed(commit or self._commit(expected, deadline), deadline)
            seen_from = self._seen_from() if self._seen_from is not None else SeenFrom()
        failed_by_itself = (words or not self._partitions) and not self.stop.is_set()
        told = self.ask_of_group()() if failed_by_itself else GroupTold()
        facts = GroupFacts(
            group=self.group,
            coordinator_id=coordinator_id if seen_from.coordinator_id is None else seen_from.coordinator_id,
            assigned_partitions=len(self._partitions),
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
        return since(self._started_ns, self._judge(facts, expected, words))

    def _take_partitions(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._join_ns = self._join_ns or time.monotonic_ns() - self._started_ns
        self._partitions = partitions
        # Beside reading and committing: it needs nothing but a member that is there.
        self._seen_from = self._seen_from or self.ask_seen_from()
        self._read_on()

    def _read_on(self) -> None:
        for partition in self._partitions:
            offset = self._reads_from(partition.partition)
            partition.offset = OFFSET_END if offset is None else offset
        self.consumer.assign(self._partitions)

    @property
    def _is_assigned(self) -> bool:
        return len(self._partitions) == self.partition_count

    def _is_complete(self, expected: Mapping[int, set[int]]) -> bool:
        return self._is_assigned and all(
            offsets <= self._received.get(partition, set()) for partition, offsets in expected.items()
        )

    def _take(self, message: Message | None, expected: Mapping[int, set[int]]) -> None:
        if message is None:
            return
        failure = message.error()
        if failure is not None:
            self._note(failure)
            return
        partition, offset = message.partition(), message.offset()
        if self._partitions and partition is not None and offset in expected.get(partition, ()):
            self._received.setdefault(partition, set()).add(offset or 0)

    def _note(self, failure: KafkaError) -> None:
        if not failure.retriable() and (
            failure.code() in _NO_SUCH_MEMBER or reason_of(failure, STAGE_REASONS[Stage.GROUP]) in _FINAL
        ):
            self._failure = failure

    def _commit(self, expected: Mapping[int, set[int]], deadline: int) -> _Commit:
        """Commit what the member is to read and read it back, while its records come.

        Both requests go out at once: a broker answers those of one connection in their order. Neither needs a record
        to be there, and nothing is made of their answers before the records are.
        """
        commit = _Commit({partition: max(offsets) + 1 for partition, offsets in expected.items()})
        offsets = [TopicPartition(self.topic, partition, offset) for partition, offset in commit.wanted.items()]
        try:
            self.consumer.commit(offsets=offsets, asynchronous=True)
            commit.sent = True
            partitions = [TopicPartition(self.topic, partition) for partition in commit.wanted]
            commit.read = self.consumer.committed(partitions, timeout=_left_s(deadline))
        except KafkaException as raised:
            commit.failure = raised.args[0]
        return commit

    def _committed(self, commit: _Commit, deadline: int) -> tuple[int, str]:
        """How many partitions' offsets were committed and read back, and what went wrong."""
        wanted = commit.wanted
        back = sum(1 for each in commit.read if each.offset == wanted[each.partition])
        # What was refused says more than that it could not be read.
        self._failure = (self._refusal(deadline) if commit.sent else None) or commit.failure
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
