"""The topic that records go through: made, found, waited for and removed over the probe's own connections.

Making a topic may be slow and is never part of a measurement, so waiting for it may ask repeatedly. No
records pass through this module.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Sequence
from typing import Final

import msgspec
from kio.schema.create_topics.v2 import CreateTopicsRequest, CreateTopicsResponse
from kio.schema.create_topics.v2.request import (
    CreatableReplicaAssignment,
    CreatableTopic,
    CreatableTopicConfig,
)
from kio.schema.delete_topics.v1 import DeleteTopicsRequest, DeleteTopicsResponse
from kio.schema.errors import ErrorCode
from kio.schema.list_offsets.v1 import ListOffsetsRequest, ListOffsetsResponse
from kio.schema.list_offsets.v1.request import ListOffsetsPartition, ListOffsetsTopic
from kio.schema.metadata.v4 import MetadataRequest, MetadataResponse
from kio.schema.metadata.v4.request import MetadataRequestTopic
from kio.schema.types import BrokerId, TopicName
from kio.static.primitive import i16, i32, i32Timedelta, i64

from brokerproof.probes.outcome import Reason
from brokerproof.probes.outcome.bounds import PARTITIONS
from brokerproof.probes.outcome.permissions import Permission, denied_words
from brokerproof.probes.wire.kafka_connection import KafkaConnection

POLL_S: Final = 0.005
"""Between two questions whether a new topic is usable yet; it takes about 10 ms on one machine."""
RETENTION_MS: Final = 3_600_000
"""A topic that could not be removed holds its few records no longer than an hour."""

_LATEST: Final = i64(-1)
_CONSUMER: Final = BrokerId(-1)
_UNASSIGNED: Final = -1

_REASONS: Final = {
    ErrorCode.topic_authorization_failed: Reason.NOT_AUTHORIZED,
    ErrorCode.cluster_authorization_failed: Reason.NOT_AUTHORIZED,
    ErrorCode.unknown_topic_or_partition: Reason.TOPIC_NOT_FOUND,
    # A name that no topic can have.
    ErrorCode.invalid_topic_exception: Reason.TOPIC_NOT_FOUND,
    ErrorCode.not_leader_or_follower: Reason.NOT_LEADER,
    ErrorCode.leader_not_available: Reason.NO_LEADER,
}
_NOT_THERE: Final = frozenset({ErrorCode.unknown_topic_or_partition, ErrorCode.unknown_topic_id})
"""The second where another request deletes it at the same time: the controller knew its id and no longer has it."""
_NOT_YET: Final = frozenset(
    {
        ErrorCode.unknown_topic_or_partition,
        ErrorCode.not_leader_or_follower,
        ErrorCode.leader_not_available,
        ErrorCode.replica_not_available,
        ErrorCode.offset_not_available,
        ErrorCode.kafka_storage_error,
    }
)


class TopicError(Exception):
    """A broker refused; ``reason`` is one the stage ``produce`` may give."""

    def __init__(
        self,
        reason: Reason,
        detail: str,
        *,
        error_code: ErrorCode = ErrorCode.none,
        needs: Permission | None = None,
        topic: str = "",
    ) -> None:
        self.denied = needs if reason is Reason.NOT_AUTHORIZED else None
        """What the client lacks, where the request ``needs`` it and was refused for that."""
        detail = denied_words(detail, self.denied, topic)
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.error_code = error_code
        """As the broker answered; ``none`` where no broker did."""

    @property
    def wrong_controller(self) -> bool:
        """Without KRaft only the controller creates and deletes; the broker asked is not it."""
        return self.error_code is ErrorCode.not_controller


class Partitions(msgspec.Struct, frozen=True):
    """Of one topic: how many, and those that each leader leads, at least one, in ascending order."""

    count: int
    led_by: dict[int, tuple[int, ...]]
    leaderless: dict[int, tuple[int, ...]] = msgspec.field(default_factory=dict)
    """The replicas of each partition that nobody leads."""

    def missing_at(self, broker_id: int | None) -> int | None:
        """A partition that has a replica on this broker, and no leader; None where there is none."""
        return next((index for index, replicas in self.leaderless.items() if broker_id in replicas), None)


def spread(broker_ids: Sequence[int], replication_factor: int, each: int = 1) -> tuple[tuple[int, ...], ...]:
    """Replicas for each partition, so that partition i is led by the i-th broker, and so on in turn.

    The factor is bounded by the number of brokers; each broker leads ``each`` partitions.
    """
    count = min(replication_factor, len(broker_ids))
    return tuple(
        tuple(broker_ids[(index + step) % len(broker_ids)] for step in range(count))
        for index in range(len(broker_ids) * each)
    )


def led(leaders: Sequence[int]) -> Partitions:
    """Of a topic whose partition i is led by the i-th of ``leaders``; below 0 is nobody."""
    led_by: dict[int, list[int]] = {}
    for index, leader in enumerate(leaders):
        if leader >= 0:
            led_by.setdefault(leader, []).append(index)
    return Partitions(count=len(leaders), led_by={leader: tuple(each) for leader, each in led_by.items()})


async def create_topic(
    connection: KafkaConnection, name: str, replicas: Sequence[Sequence[int]], *, limit_ms: int
) -> None:
    """Create ``name`` with one partition for each entry of ``replicas``, led by its first broker.

    Raises:
        TopicError: the broker refused.
        BrokenStreamError: the conversation broke; the topic may exist.
    """
    configs = {"retention.ms": str(RETENTION_MS)}
    if len(replicas[0]) == 1:
        # A cluster default of 2 would make every acks=all produce fail.
        configs["min.insync.replicas"] = "1"
    topic = CreatableTopic(
        name=TopicName(name),
        num_partitions=i32(_UNASSIGNED),
        replication_factor=i16(_UNASSIGNED),
        assignments=tuple(
            CreatableReplicaAssignment(partition_index=i32(index), broker_ids=tuple(map(BrokerId, brokers)))
            for index, brokers in enumerate(replicas)
        ),
        configs=tuple(CreatableTopicConfig(name=key, value=value) for key, value in configs.items()),
    )
    request = CreateTopicsRequest(topics=(topic,), timeout=_timeout(limit_ms), validate_only=False)
    response = await connection.call(request, CreateTopicsResponse)
    for result in response.topics:
        if result.error_code is not ErrorCode.none:
            call = f"CreateTopics {name}"
            said = result.error_message or ""
            code, other = result.error_code, Reason.TOPIC_NOT_CREATED
            raise _refused(call, code, Permission.CREATE_TOPIC, name, said=said, otherwise=other)


async def find_partitions(connection: KafkaConnection, name: str) -> Partitions:
    """The partitions of an existing topic and who leads them.

    Raises:
        TopicError: the topic does not exist or may not be described.
        BrokenStreamError: the conversation broke.
    """
    request = MetadataRequest(topics=(MetadataRequestTopic(name=TopicName(name)),), allow_auto_topic_creation=False)
    response = await connection.call(request, MetadataResponse)
    leaders: list[int] = []
    leaderless: dict[int, tuple[int, ...]] = {}
    for topic in response.topics:
        if topic.error_code is not ErrorCode.none:
            raise _refused(f"Metadata {name}", topic.error_code, Permission.DESCRIBE_TOPIC, name)
        if len(topic.partitions) > PARTITIONS:
            words = f"{name}: {len(topic.partitions)} partitions; {PARTITIONS} are taken at most"
            raise TopicError(Reason.TOO_MUCH, words)
        for each in sorted(topic.partitions, key=lambda each: each.partition_index):
            leaders.append(int(each.leader_id))
            if leaders[-1] < 0:
                leaderless[int(each.partition_index)] = tuple(map(int, each.replica_nodes))
    return msgspec.structs.replace(led(leaders), leaderless=leaderless)


async def end_offset(connection: KafkaConnection, name: str, partition: int) -> int:
    """Wait until the broker leads ``partition`` and say where its log ends.

    Only the leader answers ListOffsets, so an answer proves that it accepts records too. A broker
    lists a new partition in its metadata a moment before it does. Wait for as long as the caller
    allows.

    Raises:
        TopicError: the broker refuses for good.
        BrokenStreamError: the conversation broke.
    """
    question = ListOffsetsPartition(partition_index=i32(partition), timestamp=_LATEST)
    request = ListOffsetsRequest(
        replica_id=_CONSUMER,
        topics=(ListOffsetsTopic(name=TopicName(name), partitions=(question,)),),
    )
    while True:
        response = await connection.call(request, ListOffsetsResponse)
        answers = [answer for topic in response.topics for answer in topic.partitions]
        code = answers[0].error_code if answers else ErrorCode.unknown_topic_or_partition
        if code is ErrorCode.none:
            if int(answers[0].offset) < 0:
                raise TopicError(Reason.KAFKA_ERROR, f"ListOffsets {name}: no offset, but {answers[0].offset}")
            return int(answers[0].offset)
        if code not in _NOT_YET:
            raise _refused(f"ListOffsets {name}", code, Permission.DESCRIBE_TOPIC, name)
        await asyncio.sleep(POLL_S)


async def delete_topic(connection: KafkaConnection, name: str, *, limit_ms: int) -> bool:
    """Delete ``name``; a topic that is not there is fine.

    Returns:
        Whether it was there.

    Raises:
        TopicError: the broker refused; of what the client lacks, it names Describe before Delete.
        BrokenStreamError: the conversation broke; the topic may still exist.
    """
    request = DeleteTopicsRequest(topic_names=(TopicName(name),), timeout=_timeout(limit_ms))
    response = await connection.call(request, DeleteTopicsResponse)
    for result in response.responses:
        if result.error_code is not ErrorCode.none and result.error_code not in _NOT_THERE:
            if result.error_code is ErrorCode.topic_authorization_failed:
                # Kafka refuses in the same words what may not be described (ControllerApis.deleteTopics): ask for that.
                await find_partitions(connection, name)
            raise _refused("DeleteTopics", result.error_code, Permission.DELETE_TOPIC, name)
    return all(result.error_code is ErrorCode.none for result in response.responses)


def _refused(
    call: str,
    code: ErrorCode,
    needs: Permission,
    topic: str,
    *,
    said: str = "",
    otherwise: Reason = Reason.KAFKA_ERROR,
) -> TopicError:
    """What a broker's error is to a run; ``otherwise`` where the code has no reason of its own."""
    detail = f"{call}: {code.name}: {said}".rstrip(": ")
    return TopicError(_REASONS.get(code, otherwise), detail, error_code=code, needs=needs, topic=topic)


def _timeout(limit_ms: int) -> i32Timedelta:
    return i32Timedelta.parse(dt.timedelta(milliseconds=limit_ms))
