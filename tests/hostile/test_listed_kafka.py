"""Each answer of a Kafka peer that once broke the probe: now an outcome with a reason, in time, and nothing left."""

from __future__ import annotations

import dataclasses
import importlib
import struct
from collections.abc import Callable
from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from brokerproof.probes.outcome import GroupFacts, Outcome, Reason, Role, Stage, Status
from brokerproof.probes.plan import Limits, Plan, TopicMode, TopicPlan
from tests.hostile.served import Run, Served, shared_probe
from tests.probes.fake_cluster import (
    DESCRIBE_CONFIGS,
    DESCRIBE_GROUPS,
    FETCH,
    FIND_COORDINATOR,
    METADATA,
    PRODUCE,
    FakeCluster,
    _decode,
    fake_cluster,
)
from tests.probes.fake_kafka import encode
from tests.probes.running import TO_IDENTITY, plan

Hostile = Callable[[int, int, bytes], bytes]

LIST_OFFSETS = 2
TO_CONSUME = (*TO_IDENTITY, Stage.PRODUCE, Stage.CONSUME)
TO_GROUP = (*TO_CONSUME, Stage.GROUP)
LIMITS = Limits(request_ms=2500, produce_ms=2500, consume_ms=2500, group_ms=6000, plan_ms=12_000)
SLACK_S = 5.0
"""The tests of others run beside these; the fuzzers are stricter."""
FLEXIBLE_METADATA = 9


def probed(hostile: Hostile, *, stages: tuple[Stage, ...] = TO_CONSUME, **fields: Any) -> tuple[Run, FakeCluster]:
    async def work(probe: Served) -> tuple[Run, FakeCluster]:
        async with fake_cluster(1) as cluster:
            cluster.hostile = hostile
            cluster.leaders("existing")
            settings: dict[str, Any] = {"stages": stages, "look_again": False, "limits": LIMITS} | fields
            planned: Plan = plan(cluster.ports[1], **settings)
            return await probe.run(planned, slack_s=SLACK_S), cluster

    result, cluster = shared_probe().run(work)
    assert result.problems == []
    assert cluster.deleted == cluster.created
    return result, cluster


def one(result: Run, stage: Stage) -> Outcome:
    found = [each for each in result.outcomes if each.stage is stage and each.target.role is not Role.ADVERTISED]
    assert len(found) == 1, found
    return found[0]


def changed(key: int, versions: range, change: Callable[[Any], Any], raw: Callable[[bytes], bytes] = bytes) -> Hostile:
    """Other contents, and then other bytes, of the answers of one API."""
    names = {METADATA: "Metadata", PRODUCE: "Produce", LIST_OFFSETS: "ListOffsets", FIND_COORDINATOR: "FindCoordinator"}
    names |= {DESCRIBE_GROUPS: "DescribeGroups", DESCRIBE_CONFIGS: "DescribeConfigs", FETCH: "Fetch"}

    def hostile(asked: int, version: int, payload: bytes) -> bytes:
        if asked != key or version not in versions:
            return payload
        words = "".join(f"_{each.lower()}" if each.isupper() else each for each in names[key]).lstrip("_")
        module = importlib.import_module(f"kio.schema.{words}.v{version}")
        head, body = _decode(payload, getattr(module, f"{names[key]}Response"))
        return raw(head + encode(change(body)))

    return hostile


ANY = range(100)
OF_THE_CLIENT = range(FLEXIBLE_METADATA, 100)
"""Versions of Metadata that the Kafka client asks for, and the probe does not."""


def as_it_is(body: Any) -> Any:
    return body


def null_brokers(raw: bytes) -> bytes:
    # Behind the correlation id, the header's tags and the throttle time stands the compact array's length.
    assert raw[9] == 1
    return raw[:9] + b"\x00" + raw[10:]


def null_record_errors(raw: bytes) -> bytes:
    # Behind the base offset, the append time and the start offset; then an error message that is null.
    at = raw.index(struct.pack(">q", 0) + b"\x01\x00", 20) + 8
    return raw[:at] + b"\x00" + raw[at + 1 :]


def hosts(body: Any, host: str) -> Any:
    return dataclasses.replace(body, brokers=tuple(dataclasses.replace(each, host=host) for each in body.brokers))


def not_utf8(name: str) -> Callable[[bytes], bytes]:
    return lambda raw: raw.replace(name.encode(), b"\xff" * len(name))


CLIENT_BREAKS = {
    "null brokers": changed(METADATA, OF_THE_CLIENT, lambda body: dataclasses.replace(body, brokers=()), null_brokers),
    "null record errors": changed(PRODUCE, ANY, as_it_is, null_record_errors),
    "a host that is no UTF-8": changed(METADATA, OF_THE_CLIENT, as_it_is, not_utf8("127.0.0.1")),
}


@pytest.mark.parametrize("hostile", CLIENT_BREAKS.values(), ids=CLIENT_BREAKS)
def test_what_the_kafka_client_cannot_take_is_an_outcome(hostile: Hostile) -> None:
    result, cluster = probed(hostile)
    produce = one(result, Stage.PRODUCE)
    assert produce.status is Status.FAILED, produce
    assert produce.reason in {Reason.CLIENT_DIED, Reason.KAFKA_ERROR, Reason.TIMED_OUT, Reason.TRANSPORT}, produce
    assert len(cluster.created) == 1


def test_a_coordinator_that_is_no_utf8_is_an_outcome() -> None:
    hostile = changed(FIND_COORDINATOR, range(2, 100), as_it_is, not_utf8("127.0.0.1"))
    result, _ = probed(hostile, stages=TO_GROUP)
    # Now and then confluent-kafka ends the client's process on it, while records are still read.
    first = next(each for stage in (Stage.CONSUME, Stage.GROUP) if (each := one(result, stage)).status is not Status.OK)
    assert first.status is Status.FAILED
    assert first.reason in {Reason.KAFKA_ERROR, Reason.CLIENT_DIED}


def expected(words: str) -> Hostile:
    def change(body: Any) -> Any:
        (result,) = body.results
        refused = dataclasses.replace(result, error_code=ErrorCode.invalid_request, error_message=words, configs=())
        return dataclasses.replace(body, results=(refused,))

    return changed(DESCRIBE_CONFIGS, ANY, change)


@pytest.mark.parametrize("digits", [30, 5000])
def test_an_id_of_many_digits_is_none(digits: int) -> None:
    result, _ = probed(expected(f"Unexpected broker id, expected {'7' * digits} or empty string"), stages=TO_IDENTITY)
    identity = one(result, Stage.IDENTITY)
    assert (identity.status, identity.reason) == (Status.FAILED, Reason.KAFKA_ERROR)
    assert len(identity.detail) < 5000


HOSTS = ("a:b", "localhost:9092", "/1.2.3.4:5", "/\x1b[31m", "/" + "9" * 20_000, "fe80::1%eth0", "/10.0.0.100")


def test_a_member_that_is_seen_from_no_address() -> None:
    def change(body: Any) -> Any:
        (group,) = body.groups
        members = tuple(dataclasses.replace(group.members[0], client_host=host) for host in HOSTS)
        return dataclasses.replace(body, groups=(dataclasses.replace(group, members=members),))

    result, _ = probed(changed(DESCRIBE_GROUPS, ANY, change), stages=TO_GROUP)
    facts = one(result, Stage.GROUP).facts
    assert isinstance(facts, GroupFacts)
    assert "10.0.0.100" in facts.client_host
    assert "fe80::1" in facts.client_host


def test_a_broker_that_is_listed_twice() -> None:
    hostile = changed(METADATA, range(5), lambda body: dataclasses.replace(body, brokers=body.brokers * 2))
    result, _ = probed(hostile)
    assert one(result, Stage.METADATA).reason is Reason.KAFKA_ERROR


@pytest.mark.parametrize("offset", [-1, -3, -5])
def test_an_end_of_a_log_that_is_none(offset: int) -> None:
    def change(body: Any) -> Any:
        topics = tuple(
            dataclasses.replace(
                topic, partitions=tuple(dataclasses.replace(each, offset=offset) for each in topic.partitions)
            )
            for topic in body.topics
        )
        return dataclasses.replace(body, topics=topics)

    result, _ = probed(changed(LIST_OFFSETS, ANY, change))
    assert one(result, Stage.PRODUCE).reason is Reason.KAFKA_ERROR


@pytest.mark.parametrize("partitions", [100_000, 30_000, 10_001])
def test_an_existing_topic_of_many_partitions_is_too_much(partitions: int) -> None:
    def change(body: Any) -> Any:
        topics = tuple(
            dataclasses.replace(
                topic, partitions=(dataclasses.replace(topic.partitions[0], replica_nodes=(), isr_nodes=()),)
            )
            for topic in body.topics
        )
        return dataclasses.replace(body, topics=topics)

    def raw(encoded: bytes) -> bytes:
        if b"existing" not in encoded:
            return encoded  # no topic was asked for
        # At the end stand the number of partitions and one partition.
        return encoded[:-22] + struct.pack(">i", partitions) + encoded[-18:] * partitions

    hostile = changed(METADATA, range(5), change, raw)
    result, _ = probed(hostile, topic=TopicPlan(mode=TopicMode.EXISTING, name="existing"))
    produce = one(result, Stage.PRODUCE)
    assert produce.reason in {Reason.TOO_MUCH, Reason.TRANSPORT}
    assert "at most" in produce.detail


@pytest.mark.parametrize("text", ["b\x1b[31m", "b\u202eevil", "b\r\n::error::x", "b" * 30_000])
def test_a_name_that_is_an_attack_is_told_as_text(text: str) -> None:
    result, _ = probed(changed(METADATA, range(5), lambda body: hosts(body, text)), stages=TO_IDENTITY)
    assert one(result, Stage.METADATA).status is Status.OK


def test_a_frame_of_four_megabytes_is_too_much() -> None:
    def hostile(key: int, _version: int, payload: bytes) -> bytes:
        return payload + bytes(4 << 20) if key == METADATA else payload

    result, _ = probed(hostile, stages=TO_IDENTITY)
    assert one(result, Stage.METADATA).reason is Reason.TOO_MUCH
