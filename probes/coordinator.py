"""Who coordinates a consumer group, and the removal of the group, over the probe's own connections.

Membership itself is the Kafka client's work (:mod:`brokerproof.probes.stages.group`).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final

import msgspec
from kio.schema.delete_groups.v1 import DeleteGroupsRequest, DeleteGroupsResponse
from kio.schema.describe_configs.v1 import DescribeConfigsRequest, DescribeConfigsResponse
from kio.schema.describe_configs.v1.request import DescribeConfigsResource
from kio.schema.describe_groups.v4 import DescribeGroupsRequest, DescribeGroupsResponse
from kio.schema.describe_groups.v4.response import DescribedGroup
from kio.schema.errors import ErrorCode
from kio.schema.find_coordinator.v1 import FindCoordinatorRequest, FindCoordinatorResponse
from kio.schema.leave_group.v1 import LeaveGroupRequest, LeaveGroupResponse
from kio.schema.metadata.v4 import MetadataRequest, MetadataResponse
from kio.schema.metadata.v4.request import MetadataRequestTopic
from kio.schema.types import GroupId, TopicName
from kio.static.primitive import i8

from brokerproof.probes.outcome import OffsetsPartition, Reason
from brokerproof.probes.outcome.foreign_text import number, printable
from brokerproof.probes.outcome.permissions import Permission, denied_words
from brokerproof.probes.wire.dns_exchange import is_address
from brokerproof.probes.wire.kafka_connection import KafkaConnection

FIRST_POLL_S: Final = 0.02
LONGEST_POLL_S: Final = 0.5
"""Between two questions while a cluster makes its offsets topic, on the first group of its life."""

OFFSETS_TOPIC: Final = "__consumer_offsets"
HOST_CHARACTERS: Final = 255
_MEMBERS: Final = 16
"""Of a group that has one: what else a coordinator says is cut."""
_TOPIC_RESOURCE: Final = i8(2)
_MIN_IN_SYNC: Final = "min.insync.replicas"

_NOT_YET: Final = frozenset({ErrorCode.coordinator_not_available, ErrorCode.coordinator_load_in_progress})
_GONE: Final = frozenset({ErrorCode.none, ErrorCode.group_id_not_found})
_STILL_LEAVING: Final = frozenset({ErrorCode.non_empty_group, ErrorCode.coordinator_load_in_progress})


class CoordinatorError(Exception):
    """A broker refused; ``reason`` is one the stage ``group`` may give. ``moved``: it coordinates the group no more."""

    def __init__(
        self, reason: Reason, detail: str, *, moved: bool = False, needs: Permission | None = None, group: str = ""
    ) -> None:
        self.denied = needs if reason is Reason.NOT_AUTHORIZED else None
        detail = denied_words(detail, self.denied, group)
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.moved = moved


class Coordinator(msgspec.Struct, frozen=True):
    """The broker that coordinates a group, at the endpoint this listener advertises for it."""

    broker_id: int
    name: str
    port: int


async def find_coordinator(
    connection: KafkaConnection, group: str, told: Callable[[ErrorCode], None] = lambda _code: None
) -> Coordinator:
    """Ask until there is a coordinator; the caller bounds the wait.

    Args:
        connection: To any broker.
        group: The group.
        told: Called with each answer that there is none yet.

    Raises:
        CoordinatorError: the broker refuses for good.
        BrokenStreamError: the conversation broke.
    """
    pause_s = FIRST_POLL_S
    while True:
        response = await connection.call(FindCoordinatorRequest(key=group), FindCoordinatorResponse)
        code = response.error_code
        if code is ErrorCode.none:
            host = printable(response.host, HOST_CHARACTERS)
            return Coordinator(int(response.node_id), host, int(response.port))
        if code not in _NOT_YET:
            reason = (
                Reason.NOT_AUTHORIZED
                if code is ErrorCode.group_authorization_failed
                else Reason.COORDINATOR_UNAVAILABLE
            )
            detail = f"FindCoordinator: {code.name}: {response.error_message or ''}".rstrip(": ")
            raise CoordinatorError(reason, detail, needs=Permission.DESCRIBE_GROUP, group=group)
        told(code)
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_POLL_S)


async def describe_group(connection: KafkaConnection, group: str) -> tuple[str, tuple[str, ...]]:
    """The group's state at its coordinator, and its members' addresses as the coordinator sees them.

    Behind a load balancer that is the load balancer's address, not the client's: what shows, from
    the client alone, which path its connections took.

    Raises:
        CoordinatorError: the coordinator refused.
        BrokenStreamError: the conversation broke.
    """
    described = await _described(connection, group)
    # Kafka writes an InetAddress: "/10.0.0.1", or "host/10.0.0.1".
    hosts = {member.client_host.rpartition("/")[2] for each in described for member in each.members[:_MEMBERS]}
    return ", ".join(each.group_state for each in described), tuple(sorted(map(_canonical, hosts)))


async def member_ids(connection: KafkaConnection, group: str) -> tuple[str, ...]:
    """The group's members at its coordinator.

    Raises:
        CoordinatorError: the coordinator refused.
        BrokenStreamError: the conversation broke.
    """
    return tuple(member.member_id for each in await _described(connection, group) for member in each.members)


async def _described(connection: KafkaConnection, group: str) -> tuple[DescribedGroup, ...]:
    request = DescribeGroupsRequest(groups=(GroupId(group),), include_authorized_operations=False)
    response = await connection.call(request, DescribeGroupsResponse)
    refused = [each.error_code for each in response.groups if each.error_code is not ErrorCode.none]
    if refused:
        moved = refused[0] is ErrorCode.not_coordinator
        raise CoordinatorError(Reason.KAFKA_ERROR, f"DescribeGroups: {refused[0].name}", moved=moved)
    described: tuple[DescribedGroup, ...] = response.groups
    return described


async def offsets_partition(connection: KafkaConnection, group: str) -> OffsetsPartition | None:
    """How the group's offsets are kept, by what any broker says; None where there is no such topic, or it may not say.

    Raises:
        BrokenStreamError: the conversation broke.
    """
    topics = (MetadataRequestTopic(name=TopicName(OFFSETS_TOPIC)),)
    response = await connection.call(MetadataRequest(topics=topics, allow_auto_topic_creation=False), MetadataResponse)
    partitions = [each for topic in response.topics for each in topic.partitions]
    if not partitions:
        return None
    index = _java_hash(group) % len(partitions)
    for each in partitions:
        if int(each.partition_index) == index:
            return OffsetsPartition(
                partition=index,
                leader_id=int(each.leader_id),
                replicas=len(each.replica_nodes),
                in_sync=len(each.isr_nodes),
                min_in_sync=await _min_in_sync(connection),
            )
    return None


async def _min_in_sync(connection: KafkaConnection) -> int | None:
    resource = DescribeConfigsResource(
        resource_type=_TOPIC_RESOURCE, resource_name=OFFSETS_TOPIC, configuration_keys=(_MIN_IN_SYNC,)
    )
    response = await connection.call(DescribeConfigsRequest(resources=(resource,)), DescribeConfigsResponse)
    told = [entry.value or "" for each in response.results for entry in each.configs if entry.name == _MIN_IN_SYNC]
    return number(told[0]) if told else None


def _java_hash(text: str) -> int:
    """``Utils.abs(text.hashCode())``, by which Kafka finds a group's partition (GroupMetadataManager.partitionFor)."""
    value = 0
    for letter in text:
        value = (31 * value + ord(letter)) & 0xFFFFFFFF
    signed = value - (1 << 32) if value >> 31 else value
    return 0 if signed == -(1 << 31) else abs(signed)


def _canonical(address: str) -> str:
    """As everything else here writes it: Java does not shorten an IPv6 address (RFC 5952)."""
    if ":" not in address or not is_address(address.partition("%")[0]):
        return printable(address, HOST_CHARACTERS)
    return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, address.partition("%")[0]))


async def delete_group(connection: KafkaConnection, group: str, member_id: str = "") -> None:
    """Delete ``group`` at its coordinator, waiting while its member is leaving; the caller bounds the wait.

    Args:
        connection: To the coordinator.
        group: The group.
        member_id: A member that is leaving: it is taken out in the same round trip. Its own leaving
            then finds it gone, which does it no harm.

    Raises:
        CoordinatorError: the broker refused.
        BrokenStreamError: the conversation broke; the group may still exist.
    """
    delete = DeleteGroupsRequest(groups_names=(GroupId(group),))
    leave = LeaveGroupRequest(group_id=GroupId(group), member_id=member_id)
    if member_id and connection.offers(leave):
        _, response = await connection.call_in_order((leave, LeaveGroupResponse), (delete, DeleteGroupsResponse))
    else:
        response = await connection.call(delete, DeleteGroupsResponse)
    while not _is_gone(response, group):
        await asyncio.sleep(FIRST_POLL_S)
        response = await connection.call(delete, DeleteGroupsResponse)


def _is_gone(response: DeleteGroupsResponse, group: str) -> bool:
    codes = {result.error_code for result in response.results}
    if not codes <= _GONE | _STILL_LEAVING:
        words = ", ".join(sorted(code.name for code in codes - _GONE))
        denied = ErrorCode.group_authorization_failed in codes
        reason = Reason.NOT_AUTHORIZED if denied else Reason.KAFKA_ERROR
        raise CoordinatorError(reason, f"DeleteGroups: {words}", needs=Permission.DELETE_GROUP, group=group)
    return codes <= _GONE
