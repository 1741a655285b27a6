"""Stages ``api``, ``metadata`` and ``identity``: whatever answers, the outcome says what it was."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from kio.schema.api_versions.v0 import ApiVersionsRequest
from kio.schema.describe_configs.v1 import DescribeConfigsRequest
from kio.schema.errors import ErrorCode
from kio.schema.metadata.v4 import MetadataRequest

from brokerproof.probes.observation import Observation
from brokerproof.probes.outcome import AdvertisedBroker, ApiFacts, IdentityFacts, MetadataFacts, Reason, Status
from brokerproof.probes.stages.api import ask_versions
from brokerproof.probes.stages.connect import connect
from brokerproof.probes.stages.identity import ask_identity, question
from brokerproof.probes.stages.metadata import ask_metadata
from brokerproof.probes.wire.kafka_connection import KafkaConnection
from brokerproof.probes.wire.stream import Stream
from tests.probes.fake_kafka import Handler, api_versions, broker, described, encode, frame, identify, metadata
from tests.probes.peers import (
    LOOPBACK,
    PATIENT_MS,
    Behaviour,
    closing,
    dripping,
    endless,
    limit_ms,
    peer,
    resetting,
    run,
    saying,
    silent,
)


@asynccontextmanager
async def connection_to(behaviour: Behaviour) -> AsyncIterator[KafkaConnection]:
    async with peer(behaviour) as port:
        seen, sock = await connect(LOOPBACK, port, limit_ms=PATIENT_MS)
        assert sock is not None, seen
        connection = KafkaConnection(Stream(sock))
        try:
            yield connection
        finally:
            connection.close()


def asked(behaviour: Behaviour, ask: Callable[[KafkaConnection], Awaitable[Any]]) -> Any:
    async def work() -> Any:
        async with connection_to(behaviour) as connection:
            return await ask(connection)

    return run(work())


def api(behaviour: Behaviour, expected: Reason | None = None) -> Observation:
    begin = time.monotonic()
    seen: Observation = asked(behaviour, lambda connection: ask_versions(connection, limit_ms=limit_ms(expected)))
    assert time.monotonic() - begin < PATIENT_MS / 1000
    return seen


def test_the_next_stages_question_goes_with_the_one_before_and_is_answered_behind_it() -> None:
    together: list[Any] = []

    async def both_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames = []
        for _ in range(2):
            (length,) = struct.unpack(">i", await reader.readexactly(4))
            frames.append(await reader.readexactly(length))
        together.extend(frames)
        answers = (metadata((1, LOOPBACK, 9092)), described(ErrorCode.none, ""))
        for number, answer in enumerate(answers, 1):
            writer.write(frame(struct.pack(">i", number) + encode(answer)))
        await writer.drain()
        await reader.read()

    async def ask(connection: KafkaConnection) -> tuple[Observation, Observation]:
        listed, _ = await ask_metadata(connection, limit_ms=PATIENT_MS, then=question(1))
        return listed, await ask_identity(connection, 1, limit_ms=PATIENT_MS)

    listed, identified = asked(both_first, ask)
    assert (listed.status, identified.status) == (Status.OK, Status.OK)
    assert len(together) == 2


def test_a_question_that_a_broker_does_not_offer_is_not_sent_ahead() -> None:
    handlers: dict[type, Handler] = {MetadataRequest: lambda _request: metadata((1, LOOPBACK, 9092))}

    async def ask(connection: KafkaConnection) -> tuple[Observation, Observation]:
        connection.versions.update({3: (0, 12)})
        listed, _ = await ask_metadata(connection, limit_ms=PATIENT_MS, then=question(1))
        return listed, await ask_identity(connection, 1, limit_ms=PATIENT_MS)

    listed, identified = asked(broker(handlers), ask)
    assert listed.status is Status.OK
    assert identified.reason is Reason.UNSUPPORTED_VERSION


def test_another_question_than_the_one_sent_ahead_breaks_the_connection() -> None:
    handlers: dict[type, Handler] = {
        MetadataRequest: lambda _request: metadata((1, LOOPBACK, 9092)),
        DescribeConfigsRequest: identify(1),
    }

    async def ask(connection: KafkaConnection) -> Observation:
        await ask_metadata(connection, limit_ms=PATIENT_MS, then=question(2))
        return await ask_identity(connection, 1, limit_ms=PATIENT_MS)

    assert asked(broker(handlers), ask).reason is Reason.CLOSED


FIRST = struct.pack(">i", 1)
"""The correlation id of a connection's first request."""

HUGE_ARRAY = frame(FIRST + struct.pack(">hi", 0, 2**31 - 1) + bytes(6))
BAD_PEERS = {
    "silent": (silent, Reason.TIMED_OUT),
    "closing": (closing, Reason.CLOSED),
    "resetting": (resetting, Reason.RESET),
    "http": (saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Reason.NOT_KAFKA),
    "frame of 2 GB": (saying(b"\x7f\xff\xff\xff"), Reason.NOT_KAFKA),
    "negative frame": (saying(b"\xff\xff\xff\xff"), Reason.NOT_KAFKA),
    "empty frame": (saying(frame(b"")), Reason.NOT_KAFKA),
    "frame too short": (saying(frame(b"abc")), Reason.NOT_KAFKA),
    "other correlation": (saying(frame(struct.pack(">i", 77) + bytes(6))), Reason.NOT_KAFKA),
    "body cut short": (saying(frame(FIRST + b"\x00")), Reason.NOT_KAFKA),
    "body too long": (saying(frame(FIRST + struct.pack(">hi", 0, 0) + b"more")), Reason.NOT_KAFKA),
    "array of 2^31-1": (saying(HUGE_ARRAY), Reason.NOT_KAFKA),
    "unknown error code": (saying(frame(FIRST + struct.pack(">hi", 9999, 0))), Reason.NOT_KAFKA),
    "frame never ends": (saying(struct.pack(">i", 1000) + FIRST), Reason.TIMED_OUT),
    "dripping": (dripping(struct.pack(">i", 1000) + bytes(1000)), Reason.TIMED_OUT),
    "endless zeros": (endless(bytes(4096)), Reason.NOT_KAFKA),
    "endless text": (endless(b"hello " * 700), Reason.NOT_KAFKA),
    "endless frame": (endless(struct.pack(">i", 4 << 20) + bytes(60000)), Reason.TOO_MUCH),
}


@pytest.mark.parametrize(("behaviour", "reason"), BAD_PEERS.values(), ids=BAD_PEERS)
def test_bad_peers(behaviour: Behaviour, reason: Reason) -> None:
    seen = api(behaviour, reason)
    assert (seen.status, seen.reason) == (Status.FAILED, reason), seen


def test_a_tls_listener_is_recognised_by_its_alert() -> None:
    seen = api(saying(bytes([21, 3, 3, 0, 2, 2, 80])))
    assert seen.reason is Reason.NOT_KAFKA
    assert "this port wants TLS" in seen.detail


def test_versions_are_noted() -> None:
    async def work() -> tuple[Observation, dict[int, tuple[int, int]]]:
        handlers: dict[type, Handler] = {ApiVersionsRequest: lambda _request: api_versions()}
        async with connection_to(broker(handlers)) as connection:
            return await ask_versions(connection, limit_ms=PATIENT_MS), connection.versions

    seen, versions = run(work())
    assert isinstance(seen.facts, ApiFacts)
    assert seen.facts.tcp is not None
    facts = msgspec.structs.replace(seen.facts, tcp=None)
    assert facts == ApiFacts(
        error_code=0,
        api_count=11,
        produce_min_version=0,
        list_offsets_min_version=1,
        produce_max_version=9,
        fetch_max_version=12,
    )
    assert versions[32] == (1, 4)


@pytest.mark.parametrize(("code", "reason"), [(35, Reason.UNSUPPORTED_VERSION), (41, Reason.KAFKA_ERROR)])
def test_api_error_codes(code: int, reason: Reason) -> None:
    seen = api(broker({ApiVersionsRequest: lambda _request: api_versions({}, code)}))
    assert (seen.status, seen.reason) == (Status.FAILED, reason)
    assert isinstance(seen.facts, ApiFacts)
    assert seen.facts.error_code == code


@pytest.mark.parametrize("offered", [{18: (0, 3)}, {18: (0, 3), 3: (5, 12)}, {18: (0, 3), 3: (0, 3)}])
def test_a_version_the_broker_does_not_offer_is_not_sent(offered: dict[int, tuple[int, int]]) -> None:
    async def ask(connection: KafkaConnection) -> Observation:
        await ask_versions(connection, limit_ms=PATIENT_MS)
        seen, _ = await ask_metadata(connection, limit_ms=PATIENT_MS)
        return seen

    seen = asked(broker({ApiVersionsRequest: lambda _request: api_versions(offered)}), ask)
    assert (seen.status, seen.reason) == (Status.FAILED, Reason.UNSUPPORTED_VERSION)


def test_metadata_lists_what_is_advertised() -> None:
    seen, facts = asked(
        broker({MetadataRequest: lambda _request: metadata((2, "b-2", 9094), (1, "b-1", 8443))}),
        lambda connection: ask_metadata(connection, limit_ms=PATIENT_MS),
    )
    brokers = (
        AdvertisedBroker(broker_id=1, name="b-1", port=8443),
        AdvertisedBroker(broker_id=2, name="b-2", port=9094),
    )
    assert seen.status is Status.OK
    assert facts == MetadataFacts(cluster_id="fake", controller_id=1, brokers=brokers)


def test_a_broker_that_holds_answers_back_is_told() -> None:
    handlers: dict[type, Handler] = {
        ApiVersionsRequest: lambda _request: api_versions(),
        MetadataRequest: lambda _request: metadata((1, "b-1", 9094), throttle_ms=1500),
    }
    _, facts = asked(broker(handlers), lambda connection: ask_metadata(connection, limit_ms=PATIENT_MS))
    assert facts is not None
    assert facts.throttle_time_ms == 1500


def test_metadata_asks_for_no_topic_and_creates_none() -> None:
    asked_for: list[MetadataRequest] = []

    def handle(request: MetadataRequest) -> Any:
        asked_for.append(request)
        return metadata((1, "b-1", 9094))

    asked(broker({MetadataRequest: handle}), lambda connection: ask_metadata(connection, limit_ms=PATIENT_MS))
    assert asked_for == [MetadataRequest(topics=(), allow_auto_topic_creation=False)]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (metadata(), Reason.NO_BROKERS),
        (metadata(*((index, "b", 1) for index in range(251))), Reason.TOO_MUCH),
        (metadata((1, "b", 1), (2, "c", 1), (1, "d", 1)), Reason.KAFKA_ERROR),
        (b"\x00\x00\x00\x0cHTTP/1.1 200", Reason.NOT_KAFKA),
        (None, Reason.TIMED_OUT),
    ],
    ids=["none", "too many", "one of them twice", "garbage", "silent"],
)
def test_metadata_that_is_none(answer: Any, reason: Reason) -> None:
    seen, facts = asked(
        broker({MetadataRequest: lambda _request: answer}),
        lambda connection: ask_metadata(connection, limit_ms=limit_ms(reason)),
    )
    assert (seen.status, seen.reason, facts) == (Status.FAILED, reason, None)


def identity(handler: Handler, broker_id: int | None, expected: Reason | None = None) -> Observation:
    seen: Observation = asked(
        broker({DescribeConfigsRequest: handler}),
        lambda connection: ask_identity(connection, broker_id, limit_ms=limit_ms(expected)),
    )
    return seen


@pytest.mark.parametrize(
    ("own_id", "expected", "status", "reason"),
    [
        (1, 1, Status.OK, None),
        (2, 1, Status.FAILED, Reason.OTHER_BROKER),
        (7, None, Status.OK, None),
    ],
    ids=["the expected one", "another", "any"],
)
def test_who_answers(own_id: int, expected: int | None, status: Status, reason: Reason | None) -> None:
    seen = identity(identify(own_id), expected)
    assert (seen.status, seen.reason) == (status, reason)
    assert isinstance(seen.facts, IdentityFacts)
    assert seen.facts.answered_by == own_id
    assert (seen.facts.advertised_listeners != "") == (own_id == expected)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (described(ErrorCode.cluster_authorization_failed, None), Reason.NOT_AUTHORIZED),
        (described(ErrorCode.topic_authorization_failed, "no"), Reason.NOT_AUTHORIZED),
        (described(ErrorCode.invalid_request, "something else"), Reason.KAFKA_ERROR),
        (described(ErrorCode.none, "", results=0), Reason.NOT_KAFKA),
        (described(ErrorCode.none, "", results=2), Reason.NOT_KAFKA),
        (b"garbage!" * 100, Reason.NOT_KAFKA),
        (None, Reason.TIMED_OUT),
    ],
)
def test_no_identity(answer: Any, reason: Reason) -> None:
    seen = identity(lambda _request: answer, 1, reason)
    assert (seen.status, seen.reason) == (Status.FAILED, reason)


def test_a_connection_that_broke_is_not_used_again() -> None:
    """After a timeout the late response would be taken for the next one."""

    async def ask(connection: KafkaConnection) -> tuple[Observation, Observation]:
        first, _ = await ask_metadata(connection, limit_ms=50)
        second, _ = await ask_metadata(connection, limit_ms=50)
        return first, second

    first, second = asked(silent, ask)
    assert (first.reason, second.reason) == (Reason.TIMED_OUT, Reason.CLOSED)


def test_requests_take_turns() -> None:
    async def ask(connection: KafkaConnection) -> list[Observation]:
        answers = await asyncio.gather(*(ask_metadata(connection, limit_ms=PATIENT_MS) for _ in range(10)))
        return [seen for seen, _ in answers]

    answer = metadata((1, "b-1", 9094))
    seen = asked(broker({MetadataRequest: lambda _request: answer}), ask)
    assert {each.status for each in seen} == {Status.OK}
