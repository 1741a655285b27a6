"""Reasons of the record stages that a working cluster does not give, from clients made of words."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from brokerproof.probes.kafka_clients import Commits
from brokerproof.probes.librdkafka import ClientLog, Delivery, Leader, Timed
from brokerproof.probes.outcome import ConsumeFacts, GroupFacts, ProduceFacts, Reason, Role, Status, Target
from brokerproof.probes.outcome.permissions import Permission
from brokerproof.probes.stages.consume import Consuming
from brokerproof.probes.stages.group import Grouping
from brokerproof.probes.stages.produce import Producing
from tests.probes.peers import PATIENT_MS, SILENCE_MS, limit_ms

NONCE = "0123456789ab"
REFUSED, GIVEN_UP = KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError._DESTROY
LEADER = Leader(Target(role=Role.BROKER, name="b-1", port=9094, broker_id=1), 1, 0, 7)
VALUES = {offset: f"{NONCE}/0/{offset}/".encode() for offset in (7, 8, 9)}


def record(offset: int, value: bytes | None = None) -> Message:
    return Message(topic="t", partition=0, offset=offset, value=VALUES[offset] if value is None else value)


def problem(code: int) -> Message:
    return Message(topic="t", partition=0, error=KafkaError(code))


NO_PARTITIONS = Message(partition=0, error=KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED))
"""The client asks for its group's coordinator beside the records; partition 0 is what it says where there is none."""


class Consumer:
    """Hands out what it was given, then nothing."""

    def __init__(
        self,
        messages: list[Message],
        *,
        end: int = 10,
        assigns: int = 1,
        deaf: int = 0,
        answers_commits: bool = True,
        commits: Callable[[list[TopicPartition]], list[TopicPartition]] = lambda offsets: offsets,
    ) -> None:
        self._messages = list(messages)
        self._end = end
        self._assigns = assigns
        self._deaf = deaf
        self._answers_commits = answers_commits
        self.asked = 0
        self._commits = commits
        self._committed: list[TopicPartition] = []
        self._answers: list[tuple[KafkaError | None, list[TopicPartition]]] = []
        self.commit_answers = Commits()
        self.assigned: list[TopicPartition] = []

    def give(self, messages: list[Message]) -> None:
        """Have these come as well."""
        self._messages += messages

    def assign(self, partitions: list[TopicPartition]) -> None:
        self.assigned = partitions

    def list_topics(self, _topic: str, *, timeout: float) -> None:
        assert timeout > 0
        assert self.assigned, "before that, the answer would not be for anybody"
        self.asked += 1
        if self.asked <= self._deaf:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

    def unassign(self) -> None:
        self.assigned = []

    def subscribe(self, topics: list[str], on_assign: Any) -> None:
        if self._assigns:
            on_assign(self, [TopicPartition(topics[0], index) for index in range(self._assigns)])

    def poll(self, _timeout: float) -> Message | None:
        if self._answers and self._answers_commits:
            self.commit_answers.note(*self._answers.pop(0))
        return self._messages.pop(0) if self._messages else None

    def get_watermark_offsets(self, _partition: TopicPartition, *, cached: bool) -> tuple[int, int]:
        assert cached
        return 0, self._end

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> None:
        assert asynchronous
        try:
            self._committed = self._commits(offsets)
        except KafkaException as refused:
            self._answers.append((refused.args[0], offsets))
        else:
            self._answers.append((None, self._committed))

    def committed(self, _partitions: list[TopicPartition], *, timeout: float) -> list[TopicPartition]:
        assert timeout > 0
        return self._committed


def consumed(consumer: Consumer, limit_ms: int = PATIENT_MS) -> tuple[Timed, ConsumeFacts]:
    reported: list[Timed] = []
    Consuming(
        consumer=consumer,  # type: ignore[arg-type]
        topic="t",
        nonce=NONCE,
        limit_ms=limit_ms,
        report=lambda _leader, timed: reported.append(timed),
        stop=threading.Event(),
        deliveries={1: Delivery(VALUES, complete=True)},
        log=ClientLog(),
    ).run([LEADER])
    (timed,) = reported
    assert isinstance(timed.seen.facts, ConsumeFacts)
    return timed, timed.seen.facts


@pytest.mark.parametrize(
    ("messages", "end", "reason"),
    [
        ([record(7), record(8), record(9)], 10, None),
        ([record(7), record(9)], 10, Reason.RECORDS_LOST),
        ([record(7), record(8)], 10, Reason.TIMED_OUT),
        ([], 10, Reason.TIMED_OUT),
        ([record(7), record(8), record(9), record(10, VALUES[9])], 11, Reason.RECORDS_DUPLICATED),
        ([record(7), record(8, b"altered"), record(9)], 10, Reason.RECORDS_ALTERED),
        ([problem(KafkaError.TOPIC_AUTHORIZATION_FAILED)], 10, Reason.NOT_AUTHORIZED),
        ([problem(KafkaError.UNKNOWN_TOPIC_OR_PART)], 10, Reason.TOPIC_NOT_FOUND),
        ([NO_PARTITIONS, record(7), record(8), record(9)], 10, None),
    ],
    ids=["all", "one lost", "one late", "none", "twice", "altered", "not authorized", "no topic", "no group"],
)
def test_consume(messages: list[Message], end: int, reason: Reason | None) -> None:
    timed, facts = consumed(Consumer(messages, end=end), limit_ms(reason))
    assert timed.seen.reason is reason, timed.seen
    assert facts.expected == 3
    assert facts.received + facts.lost == 3


def test_consume_starts_where_the_log_ended_before() -> None:
    consumer = Consumer([record(7), record(8), record(9)])
    consumed(consumer)
    assert [(each.partition, each.offset) for each in consumer.assigned] == [(0, 7)]


@pytest.mark.parametrize("deaf", [0, 2])
def test_consume_asks_for_the_leaders_until_there_is_somebody_to_ask(deaf: int) -> None:
    consumer = Consumer([record(7), record(8), record(9)], deaf=deaf)
    timed, _ = consumed(consumer)
    assert timed.seen.status is Status.OK
    assert consumer.asked == deaf + 1


def grouping(consumer: Consumer, partition_count: int = 1, limit_ms: int = PATIENT_MS) -> Grouping:
    return Grouping(
        consumer=consumer,  # type: ignore[arg-type]
        topic="t",
        group="g",
        partition_count=partition_count,
        limit_ms=limit_ms,
        stop=threading.Event(),
        deliveries={1: Delivery(VALUES, complete=True)},
        log=ClientLog(),
        commits=consumer.commit_answers,
    )


def grouped(consumer: Consumer, partition_count: int = 1, limit_ms: int = PATIENT_MS) -> tuple[Timed, GroupFacts]:
    timed = grouping(consumer, partition_count, limit_ms).run([LEADER], 1)
    assert isinstance(timed.seen.facts, GroupFacts)
    return timed, timed.seen.facts


ALL = [record(7), record(8), record(9)]
NOTHING_MORE_COMES = {Reason.NOT_ASSIGNED, Reason.RECORDS_LOST, Reason.COMMIT_FAILED}


def test_group_with_a_partition_the_probe_did_not_write_to() -> None:
    consumer = Consumer(ALL, assigns=2)
    timed, facts = grouped(consumer, partition_count=2)
    assert timed.seen.status is Status.OK
    assert (facts.assigned_partitions, facts.received, facts.committed) == (2, 3, 1)
    assert [each.offset for each in consumer.assigned] == [7, -1], "the other one is read from its end"


@pytest.mark.parametrize(
    ("consumer", "partition_count", "reason"),
    [
        (lambda: Consumer(ALL, assigns=0), 1, Reason.NOT_ASSIGNED),
        (lambda: Consumer(ALL, assigns=1), 2, Reason.NOT_ASSIGNED),
        (lambda: Consumer(ALL[:2]), 1, Reason.RECORDS_LOST),
        (lambda: Consumer(ALL, commits=lambda _offsets: []), 1, Reason.COMMIT_FAILED),
        (lambda: Consumer(ALL, commits=_refuse), 1, Reason.COMMIT_FAILED),
        (
            lambda: Consumer([problem(KafkaError.GROUP_AUTHORIZATION_FAILED)], assigns=0),
            1,
            Reason.NOT_AUTHORIZED,
        ),
        (
            lambda: Consumer([problem(KafkaError._ALL_BROKERS_DOWN), *ALL]),
            1,
            None,
        ),
    ],
    ids=["no partition", "too few", "records missing", "not read back", "refused", "not authorized", "a passing error"],
)
def test_group(consumer: Callable[[], Consumer], partition_count: int, reason: Reason | None) -> None:
    timed, _ = grouped(consumer(), partition_count, SILENCE_MS if reason in NOTHING_MORE_COMES else PATIENT_MS)
    assert timed.seen.reason is reason, timed.seen


def test_a_group_that_is_joined_beside_the_records_reads_them_again_from_their_start() -> None:
    consumer = Consumer(ALL)
    beside = grouping(consumer)
    beside.join({0: 9}.get)
    assert [each.offset for each in consumer.assigned] == [9], "what was read is not read again before"
    assert consumer.poll(0) is not None, "it is of the other stage"
    consumer.give(ALL)
    timed = beside.run([LEADER], 1)
    assert [each.offset for each in consumer.assigned] == [7]
    assert isinstance(timed.seen.facts, GroupFacts)
    assert (timed.seen.status, timed.seen.facts.received, timed.seen.facts.committed) == (Status.OK, 3, 1)


@pytest.mark.parametrize(
    ("message", "reason"),
    [(NO_PARTITIONS, Reason.NOT_AUTHORIZED), (problem(KafkaError.TOPIC_AUTHORIZATION_FAILED), None)],
    ids=["of the group", "of a leader"],
)
def test_of_what_comes_while_records_are_read_only_the_groups_errors_are_its_own(
    message: Message, reason: Reason | None
) -> None:
    beside = grouping(Consumer(ALL))
    beside.join({0: 7}.get)
    beside.hear(message)
    assert beside.run([LEADER], 1).seen.reason is reason


@pytest.mark.parametrize(("came", "commits"), [(ALL, True), (ALL[:2], False)], ids=["all", "one missing"])
def test_a_commit_goes_out_beside_reading_and_counts_once_all_is_read(came: list[Message], commits: bool) -> None:
    began = threading.Event()

    def noting(offsets: list[TopicPartition]) -> list[TopicPartition]:
        began.set()
        return offsets

    consumer = Consumer([], commits=noting)

    def give() -> None:
        began.wait(PATIENT_MS / 1000)
        consumer.give(came)

    giving = threading.Thread(target=give)
    giving.start()
    timed, facts = grouped(consumer, limit_ms=PATIENT_MS if commits else SILENCE_MS)
    giving.join()
    assert began.is_set()
    assert (timed.seen.reason, facts.committed) == ((None, 1) if commits else (Reason.RECORDS_LOST, 0))


class Silent(Consumer):
    """Its group's coordinator answers nothing after the assignment."""

    def committed(self, _partitions: list[TopicPartition], *, timeout: float) -> list[TopicPartition]:
        time.sleep(timeout)
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))


@pytest.mark.parametrize(("came", "reason"), [(ALL, Reason.COMMIT_FAILED), ([], Reason.RECORDS_LOST)])
def test_records_that_came_while_the_coordinator_was_silent_are_not_lost(came: list[Message], reason: Reason) -> None:
    timed, facts = grouped(Silent(came, answers_commits=False), limit_ms=SILENCE_MS)
    assert (timed.seen.reason, facts.received) == (reason, len(came))


class Refusing(Consumer):
    """Its client does not take the commit."""

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> None:
        raise KafkaException(KafkaError(KafkaError._INVALID_ARG))


def test_a_commit_that_the_client_does_not_take_has_no_answer_to_wait_for() -> None:
    timed, _ = grouped(Refusing(ALL))
    assert timed.seen.reason is Reason.COMMIT_FAILED
    assert timed.ended_ns - timed.started_ns < PATIENT_MS * 1_000_000 / 2


def test_a_commit_without_an_answer_is_none_also_where_the_offsets_are_there() -> None:
    timed, facts = grouped(Consumer(ALL, answers_commits=False), limit_ms=SILENCE_MS)
    assert (timed.seen.reason, facts.committed) == (Reason.COMMIT_FAILED, 1)
    assert timed.seen.detail == "no answer to the commit; 1 of 1 offsets read back"


def test_the_answer_to_a_commit_ends_the_wait_for_it() -> None:
    timed, facts = grouped(Consumer(ALL))
    assert (timed.seen.status, facts.committed) == (Status.OK, 1)
    assert timed.ended_ns - timed.started_ns < PATIENT_MS * 1_000_000 / 2


def _refuse(_offsets: list[TopicPartition]) -> list[TopicPartition]:
    raise KafkaException(KafkaError(KafkaError.ILLEGAL_GENERATION))


class GivingUp:
    """A producer whose client drops what it has not sent, as librdkafka does once a leader refuses the topic."""

    def __init__(self, answers: list[tuple[int, int]]) -> None:
        self._answers = list(answers)
        """Partition and error code, one a poll."""
        self._waiting: dict[int, Any] = {}

    def produce(self, _topic: str, *, partition: int, on_delivery: Any, value: bytes, key: bytes) -> None:
        assert value
        assert key
        self._waiting[partition] = on_delivery

    def poll(self, _timeout: float) -> None:
        if self._answers:
            partition, code = self._answers.pop(0)
            self._waiting[partition](KafkaError(code), Message(topic="t", partition=partition))

    def purge(self) -> None:
        assert not self._answers


@pytest.mark.parametrize("codes", sorted(set(itertools.permutations((REFUSED, GIVEN_UP, GIVEN_UP)))))
def test_records_given_up_for_a_refusal_at_another_leader_lack_the_same(codes: tuple[int, ...]) -> None:
    leaders = [Leader(msgspec.structs.replace(LEADER.target, broker_id=each), each, each, 0) for each in range(3)]
    reported: dict[int, Timed] = {}
    Producing(
        take_producer=lambda: GivingUp(list(enumerate(codes))),  # type: ignore[arg-type, return-value]
        topic="t",
        nonce=NONCE,
        records_per_leader=1,
        record_bytes=16,
        limit_ms=PATIENT_MS,
        report=lambda leader, timed: reported.update({leader.broker_id: timed}),
        stop=threading.Event(),
        log=ClientLog(),
    ).run(leaders)
    for broker_id, code in enumerate(codes):
        seen = reported[broker_id].seen
        assert isinstance(seen.facts, ProduceFacts)
        assert (seen.reason, seen.facts.denied) == (Reason.NOT_AUTHORIZED, Permission.WRITE_TOPIC)
        assert ("the client sent nothing here" in seen.detail) == (code == GIVEN_UP)


def test_records_given_up_for_what_no_leader_said_are_an_error_of_the_client() -> None:
    reported: list[Timed] = []
    Producing(
        take_producer=lambda: GivingUp([(0, GIVEN_UP)]),  # type: ignore[arg-type, return-value]
        topic="t",
        nonce=NONCE,
        records_per_leader=1,
        record_bytes=16,
        limit_ms=SILENCE_MS,
        report=lambda _leader, timed: reported.append(timed),
        stop=threading.Event(),
        log=ClientLog(),
    ).run([LEADER])
    assert [each.seen.reason for each in reported] == [Reason.KAFKA_ERROR]
