"""A Kafka cluster without Java: librdkafka's mock cluster behind proxies that answer what it cannot.

The mock moves records and groups. The proxy in front of each of its brokers answers
DescribeConfigs, CreateTopics, DeleteTopics, DescribeGroups and DeleteGroups itself, and rewrites versions and ports
in what the mock says, so that clients stay in front of the proxies.
"""

from __future__ import annotations

import asyncio
import ctypes
import dataclasses
import functools
import importlib
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import Producer
from kio.schema.api_versions.v0 import ApiVersionsResponse
from kio.schema.create_topics.v2 import CreateTopicsRequest, CreateTopicsResponse
from kio.schema.create_topics.v2.response import CreatableTopicResult
from kio.schema.delete_groups.v1 import DeleteGroupsRequest, DeleteGroupsResponse
from kio.schema.delete_groups.v1.response import DeletableGroupResult
from kio.schema.delete_topics.v1 import DeleteTopicsRequest, DeleteTopicsResponse
from kio.schema.delete_topics.v1.response import DeletableTopicResult
from kio.schema.describe_configs.v1 import DescribeConfigsRequest
from kio.schema.describe_groups.v4 import DescribeGroupsRequest, DescribeGroupsResponse
from kio.schema.describe_groups.v4.response import DescribedGroup, DescribedGroupMember
from kio.schema.errors import ErrorCode
from kio.schema.sasl_authenticate.v1 import SaslAuthenticateRequest
from kio.schema.sasl_handshake.v1 import SaslHandshakeRequest
from kio.serial import entity_reader

from tests.probes.fake_kafka import API_KEYS, NO_THROTTLE, Handler, api_versions, described, encode, frame, identify
from tests.probes.fake_sasl import ScramServer, agreeing
from tests.probes.peers import LOOPBACK, peer

PRODUCE, FETCH, METADATA, FIND_COORDINATOR, JOIN_GROUP, API_VERSIONS = 0, 1, 3, 10, 11, 18
CREATE_TOPICS, DELETE_TOPICS, DESCRIBE_GROUPS, DESCRIBE_CONFIGS, DELETE_GROUPS = 19, 20, 15, 32, 42
LEAVE_GROUP = 13
SASL_HANDSHAKE, SASL_AUTHENTICATE = 17, 36
PROXIED = (CREATE_TOPICS, DELETE_TOPICS, DESCRIBE_GROUPS, DESCRIBE_CONFIGS, DELETE_GROUPS)
"""What the mock does not offer."""
OF_TOPICS = (CREATE_TOPICS, DELETE_TOPICS)
TOPIC_RESOURCE = 2
PATIENCE_S = 60.0
"""The mock answers at once; a machine that others use as well may not."""
JOIN_MS = 10
_MAPS = Path("/proc/self/maps")
LATE_S = 0.1
"""By so much a busy machine may wake a sleeper too late without that being a slower path."""


@dataclass
class FakeCluster:
    """What the proxies were asked, and how they are to misbehave."""

    brokers: int
    created: list[str] = field(default_factory=list)
    was_created: asyncio.Event = field(default_factory=asyncio.Event)
    deleted: list[str] = field(default_factory=list)
    deleted_groups: list[str] = field(default_factory=list)
    create_code: ErrorCode = ErrorCode.none
    delete_code: ErrorCode = ErrorCode.none
    describe_codes: list[ErrorCode] = field(default_factory=list)
    """The first answers'; those that follow have none."""
    join_code: ErrorCode = ErrorCode.none
    controller_id: int | None = None
    """Without KRaft: the only broker that creates and deletes."""
    silent_on: set[int] = field(default_factory=set)
    """API keys that get no answer."""
    closing_on: set[int] = field(default_factory=set)
    """API keys that end the connection, the first time on each broker."""
    deaf_on: set[int] = field(default_factory=set)
    """API keys that the first connection to bring one gets no answer to, nor to anything after; others do."""
    falls_ill: bool = False
    """The broker that made the topic answers no more of what concerns topics, on any connection."""
    unwell: set[int] = field(default_factory=set)
    knows_topics: bool = False
    """A topic that is not there cannot be deleted."""
    creates_late_s: float = 0
    """So long after the request the topic is made, and the request is never answered."""
    group_state: str = "Stable"
    min_in_sync: int = 1
    """``min.insync.replicas`` of every topic."""
    ports: dict[int, int] = field(default_factory=dict)
    """The proxies', by broker."""
    hostile: Callable[[int, int, bytes], bytes] = lambda _key, _version, payload: payload
    """Makes another response of each: from API key, version and response."""
    connections: int = 0
    login: tuple[str, str] | None = None
    """User and password of SCRAM, which then every connection needs."""
    logins: int = 0
    """SaslHandshake that came: each begins one."""
    asked: set[int] = field(default_factory=set)
    """API keys that came."""
    ignored: set[int] = field(default_factory=set)
    """Those that came and were left without an answer."""
    left: list[str] = field(default_factory=list)
    """Members that left their group, by whoever's word."""
    partitions: int = 0
    """Of the topic that was created; before, as many as brokers."""
    produced: list[tuple[int, int]] = field(default_factory=list)
    """Of each request with records: acks, and bytes."""
    bytes_per_s: float = 0
    """What all connections together take of records; 0 is as much as comes."""
    held_up_s: dict[int, float] = field(default_factory=dict)
    """How long a request with records waits, by how many there were before it."""

    _free_s: float = 0

    def __post_init__(self) -> None:
        # The mock logs that bootstrap.servers is ignored; it need not.
        self._mock = Producer({"test.mock.num.brokers": self.brokers, "log_level": 0})
        _let_groups_begin(self._mock)
        listed = self._mock.list_topics(timeout=PATIENCE_S).brokers
        self.behind = {broker.id: broker.port for broker in listed.values()}
        self._closed: set[tuple[int, int]] = set()

    def leaders(self, topic: str) -> dict[int, int]:
        """Make ``topic`` in the mock; the leader of each of its partitions."""
        partitions = self._mock.list_topics(topic, timeout=PATIENCE_S).topics[topic].partitions
        return {index: each.leader for index, each in partitions.items()}

    def put(self, topic: str, partition: int, value: bytes) -> None:
        """A record of somebody else."""
        self._mock.produce(topic, value=value, partition=partition)
        assert self._mock.flush(PATIENCE_S) == 0

    def sent(self, key: int, version: int, payload: bytes) -> bytes:
        """What goes to the client instead of a response."""
        return frame(self.hostile(key, version, payload))

    async def notes(self, key: int, payload: bytes, client_bytes: int) -> None:
        """What comes with a request of this key."""
        self.asked.add(key)
        if key == PRODUCE:
            await self.takes(payload, client_bytes)
        if key == LEAVE_GROUP:
            self.left.append(_second_string(payload[10 + client_bytes :]))

    async def takes(self, payload: bytes, client_bytes: int) -> None:
        """Note a request with records, for as long as it takes here."""
        # Behind the header stand the transaction's id, which is null, and acks.
        held_up_s = self.held_up_s.get(len(self.produced), 0)
        self.produced.append((struct.unpack_from(">h", payload, 10 + client_bytes + 2)[0], len(payload)))
        if self.bytes_per_s:
            # By the clock, so that a sleep that was too long is not added to the next.
            self._free_s = max(self._free_s, time.monotonic() - LATE_S) + len(payload) / self.bytes_per_s
            await asyncio.sleep(self._free_s - time.monotonic())
        await asyncio.sleep(held_up_s)

    def handlers(self, own_id: int) -> dict[int, tuple[Any, Handler]]:
        return {
            DESCRIBE_CONFIGS: (DescribeConfigsRequest, functools.partial(self._describe, own_id)),
            CREATE_TOPICS: (CreateTopicsRequest, functools.partial(self._create, own_id)),
            DELETE_TOPICS: (DeleteTopicsRequest, functools.partial(self._delete, own_id)),
            DESCRIBE_GROUPS: (DescribeGroupsRequest, self._describe_group),
            DELETE_GROUPS: (DeleteGroupsRequest, self._delete_group),
        }

    def deafens(self, key: int) -> bool:
        """Whether the connection that brings this is deaf from here on."""
        is_first = key in self.deaf_on
        self.deaf_on.discard(key)
        return is_first

    def is_silent(self, own_id: int, key: int) -> bool:
        late = key == CREATE_TOPICS and bool(self.creates_late_s)
        return late or key in self.silent_on or (own_id in self.unwell and key in OF_TOPICS)

    def creates_late(self, own_id: int, key: int, payload: bytes, client_bytes: int) -> None:
        if key == CREATE_TOPICS and self.creates_late_s:
            request = entity_reader(CreateTopicsRequest)(payload, 10 + client_bytes)[0]
            asyncio.get_running_loop().call_later(self.creates_late_s, self._create, own_id, request)

    def ends(self, own_id: int, key: int) -> bool:
        if key in self.closing_on and (own_id, key) not in self._closed:
            self._closed.add((own_id, key))
            return True
        return False

    def _here(self, own_id: int, code: ErrorCode) -> ErrorCode:
        return code if self.controller_id in {None, own_id} else ErrorCode.not_controller

    def _describe(self, own_id: int, request: DescribeConfigsRequest) -> Any:
        if request.resources[0].resource_type == TOPIC_RESOURCE:
            return described(ErrorCode.none, "", str(self.min_in_sync), name="min.insync.replicas")
        return identify(own_id)(request)

    def _create(self, own_id: int, request: CreateTopicsRequest) -> CreateTopicsResponse:
        (topic,) = request.topics
        code = self._here(own_id, self.create_code)
        if code is ErrorCode.none:
            self.created.append(topic.name)
            self.partitions = len(topic.assignments)
            self.was_created.set()
            self.unwell |= {own_id} if self.falls_ill else set()
            self.leaders(topic.name)
        result = CreatableTopicResult(name=topic.name, error_code=code, error_message="as told")
        return CreateTopicsResponse(throttle_time=NO_THROTTLE, topics=(result,))

    def _delete(self, own_id: int, request: DeleteTopicsRequest) -> DeleteTopicsResponse:
        (name,) = request.topic_names
        code = self._here(own_id, self.delete_code)
        if self.knows_topics and (name not in self.created or name in self.deleted):
            code = ErrorCode.unknown_topic_or_partition
        if code is ErrorCode.none:
            self.deleted.append(name)
        result = DeletableTopicResult(name=name, error_code=code)
        return DeleteTopicsResponse(throttle_time=NO_THROTTLE, responses=(result,))

    def _describe_group(self, request: DescribeGroupsRequest) -> DescribeGroupsResponse:
        (group,) = request.groups
        member = DescribedGroupMember(
            member_id="m",
            group_instance_id=None,
            client_id="c",
            client_host="/10.0.0.100",
            member_metadata=b"",
            member_assignment=b"",
        )
        described = DescribedGroup(
            error_code=self.describe_codes.pop(0) if self.describe_codes else ErrorCode.none,
            group_id=group,
            group_state=self.group_state,
            protocol_type="consumer",
            protocol_data="range",
            members=(member,),
        )
        return DescribeGroupsResponse(throttle_time=NO_THROTTLE, groups=(described,))

    def _delete_group(self, request: DeleteGroupsRequest) -> DeleteGroupsResponse:
        (group,) = request.groups_names
        self.deleted_groups.append(group)
        result = DeletableGroupResult(group_id=group, error_code=ErrorCode.none)
        return DeleteGroupsResponse(throttle_time=NO_THROTTLE, results=(result,))


@asynccontextmanager
async def fake_cluster(brokers: int) -> AsyncIterator[FakeCluster]:
    """Brokers 1..n, each behind its proxy."""
    cluster = FakeCluster(brokers)
    async with AsyncExitStack() as stack:
        for own_id in cluster.behind:
            cluster.ports[own_id] = await stack.enter_async_context(peer(_proxy(cluster, own_id)))
        yield cluster


def _logins(cluster: FakeCluster) -> dict[int, tuple[Any, Handler]]:
    """How one connection logs in, where it must."""
    if cluster.login is None:
        return {}
    agree = agreeing("SCRAM-SHA-512")

    def begin(request: Any) -> Any:
        cluster.logins += 1
        return agree(request)

    return {
        SASL_HANDSHAKE: (SaslHandshakeRequest, begin),
        SASL_AUTHENTICATE: (SaslAuthenticateRequest, ScramServer(*cluster.login).handle),
    }


def _proxy(cluster: FakeCluster, own_id: int) -> Callable[..., Any]:
    handlers = cluster.handlers(own_id)

    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cluster.connections += 1
        mine = handlers | _logins(cluster)
        far_reader, far_writer = await asyncio.open_connection(LOOPBACK, cluster.behind[own_id])
        asked: dict[int, tuple[int, int]] = {}
        is_deaf = False
        all_answered = asyncio.Event()
        all_answered.set()

        async def back() -> None:
            while True:
                payload = await _read_frame(far_reader)
                (correlation_id,) = struct.unpack(">i", payload[:4])
                key, version = asked.pop(correlation_id)
                writer.write(cluster.sent(key, version, _rewritten(payload, key, version, cluster)))
                if not asked:
                    all_answered.set()

        returning = asyncio.ensure_future(back())
        try:
            while True:
                payload = await _read_frame(reader)
                key, version, correlation_id, client = struct.unpack(">hhih", payload[:10])
                if cluster.ends(own_id, key):
                    return
                is_deaf = is_deaf or cluster.deafens(key)
                if is_deaf or cluster.is_silent(own_id, key):
                    cluster.ignored.add(key)
                    cluster.creates_late(own_id, key, payload, client)
                    continue
                await cluster.notes(key, payload, client)
                head = struct.pack(">i", correlation_id)
                if key in mine:
                    # A broker answers the requests of one connection in their order.
                    await all_answered.wait()
                    request_type, handler = mine[key]
                    request = entity_reader(request_type)(payload, 10 + client)[0]
                    writer.write(cluster.sent(key, version, head + encode(handler(request))))
                else:
                    asked[correlation_id] = (key, version)
                    all_answered.clear()
                    far_writer.write(frame(payload))
        finally:
            returning.cancel()
            far_writer.transport.abort()

    return behaviour


def _let_groups_begin(mock: Producer) -> None:
    """Have the mock wait for further members of a new group as briefly as it may: three seconds by itself.

    librdkafka offers that to C alone. Its handle is the first thing that the client has beside being an object.
    """
    library = ctypes.CDLL(next(line.split()[-1] for line in _MAPS.read_text().splitlines() if "librdkafka" in line))
    library.rd_kafka_handle_mock_cluster.restype = ctypes.c_void_p
    handle = ctypes.c_void_p.from_address(id(mock) + object.__basicsize__)
    cluster = ctypes.c_void_p(library.rd_kafka_handle_mock_cluster(handle))
    library.rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, JOIN_MS)


def _second_string(body: bytes) -> str:
    """Of two in a row, as in LeaveGroup up to version 2: the group, and the member."""
    second = body[2 + int.from_bytes(body[:2], "big") :]
    return second[2 : 2 + int.from_bytes(second[:2], "big")].decode()


async def _read_frame(reader: asyncio.StreamReader) -> bytes:
    (length,) = struct.unpack(">i", await reader.readexactly(4))
    return await reader.readexactly(length)


def _rewritten(payload: bytes, key: int, version: int, cluster: FakeCluster) -> bytes:
    """A response with the proxies' ports, and with one partition a broker where topics are listed."""
    if key == FIND_COORDINATOR:
        module = importlib.import_module(f"kio.schema.find_coordinator.v{version}")
        header, body = _decode(payload, module.FindCoordinatorResponse)
        return header + encode(dataclasses.replace(body, port=cluster.ports[body.node_id]))
    if (key, version) == (API_VERSIONS, 0):
        header, body = _decode(payload, ApiVersionsResponse)
        sasl = {SASL_HANDSHAKE: (1, 1), SASL_AUTHENTICATE: (1, 1)} if cluster.login is not None else {}
        own = api_versions({key: API_KEYS[key] for key in PROXIED} | sasl).api_keys
        return header + encode(dataclasses.replace(body, api_keys=body.api_keys + own))
    if key == JOIN_GROUP and cluster.join_code is not ErrorCode.none:
        assert 2 <= version <= 5, version  # behind correlation and throttle time stands the error
        return payload[:8] + struct.pack(">h", cluster.join_code.value) + payload[10:]
    if key != METADATA:
        return payload
    module = importlib.import_module(f"kio.schema.metadata.v{version}")
    header, body = _decode(payload, module.MetadataResponse)
    brokers = tuple(
        dataclasses.replace(each, port=cluster.ports[each.node_id])
        for each in body.brokers
        if each.node_id in cluster.ports
    )
    topics = tuple(
        dataclasses.replace(
            topic,
            partitions=tuple(
                each for each in topic.partitions if each.partition_index < (cluster.partitions or cluster.brokers)
            ),
        )
        for topic in body.topics
    )
    if cluster.controller_id is not None:
        body = dataclasses.replace(body, controller_id=cluster.controller_id)
    return header + encode(dataclasses.replace(body, brokers=brokers, topics=topics))


def _decode(payload: bytes, response: Any) -> tuple[bytes, Any]:
    _, size = entity_reader(response.__header_schema__)(payload, 0)
    body, _ = entity_reader(response)(payload, size)
    return payload[:size], body
