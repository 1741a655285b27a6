"""Stage ``identity``: which broker really answers on this connection.

Only that broker answers DescribeConfigs for ``BROKER:<id>``; any other returns ``Unexpected broker
id, expected X or empty string, but received Y`` (ConfigHelper in Apache Kafka). A certificate does
not prove it, because all brokers of an MSK cluster share one wildcard.

Where a peer ends the connection on that question, it is asked in a second form, without keys, on a connection of its
own: that is another question, and what it shows is that ApiVersions is answered there and the one or the other is not
(tansu 0.6.0 ends connections on a question with keys).
"""

from __future__ import annotations

import asyncio
import re
from typing import Final

from kio.schema.describe_configs.v1 import DescribeConfigsRequest, DescribeConfigsResponse
from kio.schema.describe_configs.v1.request import DescribeConfigsResource
from kio.schema.describe_configs.v1.response import DescribeConfigsResult
from kio.schema.errors import ErrorCode
from kio.static.primitive import i8

from brokerproof.probes.observation import Observation, failed, ok
from brokerproof.probes.outcome import IdentityFacts, Reason
from brokerproof.probes.outcome.foreign_text import number
from brokerproof.probes.stages.api import ask_versions
from brokerproof.probes.wire.kafka_connection import KafkaConnection
from brokerproof.probes.wire.stream import BrokenStreamError

BROKER_RESOURCE: Final = i8(4)
NOBODY: Final = 2_147_483_647
"""An id no broker has: asking for it makes any broker say its own."""
ADVERTISED_LISTENERS: Final = "advertised.listeners"
REPLICA_SELECTOR: Final = "replica.selector.class"
CONNECTIONS_MAX_IDLE: Final = "connections.max.idle.ms"
KEYS: Final = (ADVERTISED_LISTENERS, REPLICA_SELECTOR, CONNECTIONS_MAX_IDLE)

_EXPECTED = re.compile(r"Unexpected broker id, expected ([0-9]{1,10})(?![0-9])")
_ENDED: Final = frozenset({Reason.CLOSED, Reason.RESET})
_NOT_AUTHORIZED: Final = frozenset({ErrorCode.cluster_authorization_failed, ErrorCode.topic_authorization_failed})


def identity_request(broker_id: int, keys: tuple[str, ...] | None = (ADVERTISED_LISTENERS,)) -> DescribeConfigsRequest:
    """The question for a broker's settings, which only that broker answers; ``keys`` None is for all of them."""
    resource = DescribeConfigsResource(
        resource_type=BROKER_RESOURCE, resource_name=str(broker_id), configuration_keys=keys
    )
    return DescribeConfigsRequest(resources=(resource,))


def question(broker_id: int | None) -> DescribeConfigsRequest:
    """What :func:`ask_identity` asks."""
    return identity_request(NOBODY if broker_id is None else broker_id, KEYS)


async def ask_identity(connection: KafkaConnection, broker_id: int | None, *, limit_ms: int) -> Observation:
    """Ask who answers.

    Args:
        connection: Verified, with its versions known.
        broker_id: The broker expected here; None where any broker may answer.
        limit_ms: Deadline for request and response.
    """
    return await _asked(connection, question(broker_id), broker_id, limit_ms=limit_ms)


def may_ask_otherwise(seen: Observation) -> bool:
    """Whether the peer ended the connection on the question, so that the second form says more."""
    return seen.reason in _ENDED


async def ask_identity_otherwise(
    connection: KafkaConnection, broker_id: int | None, first: Observation, *, limit_ms: int
) -> Observation:
    """Ask in the second form: without keys, and for nobody, so that the answer is small and names who answers.

    Args:
        connection: A new one, its versions known.
        broker_id: The broker expected here; None where any broker may answer.
        first: What came of the first form.
        limit_ms: Deadline for each of two requests and their responses.
    """
    alive = await ask_versions(connection, limit_ms=limit_ms)
    if not alive.is_ok:
        return first
    seen = await _asked(connection, identity_request(NOBODY, keys=None), broker_id, limit_ms=limit_ms)
    if seen.reason not in _ENDED:
        return seen
    words = "the peer answers ApiVersions, and ends the connection on DescribeConfigs, with keys and without"
    return failed(seen.reason or Reason.CLOSED, words, IdentityFacts(without_keys=True, unsupported=True))


async def _asked(
    connection: KafkaConnection, request: DescribeConfigsRequest, broker_id: int | None, *, limit_ms: int
) -> Observation:
    try:
        async with asyncio.timeout(limit_ms / 1000):
            response = await connection.call(request, DescribeConfigsResponse)
    except TimeoutError:
        return failed(Reason.TIMED_OUT, f"no DescribeConfigs response within {limit_ms} ms")
    except BrokenStreamError as failure:
        return failed(failure.reason, failure.detail)
    if len(response.results) != 1:
        return failed(Reason.NOT_KAFKA, f"{len(response.results)} results for one resource")
    return _judge(response.results[0], request.resources[0], broker_id)


def _judge(result: DescribeConfigsResult, resource: DescribeConfigsResource, broker_id: int | None) -> Observation:
    words = result.error_message or ""
    told = _EXPECTED.search(words)
    answered_by = int(told[1]) if told and int(told[1]) < NOBODY else None
    asked = int(resource.resource_name)
    if result.error_code is ErrorCode.none and asked != NOBODY:
        answered_by = asked
    told_settings = {config.name: config.value or "" for config in result.configs}
    idle_ms = told_settings.get(CONNECTIONS_MAX_IDLE, "")
    facts = IdentityFacts(
        without_keys=resource.configuration_keys is None,
        unsupported=result.error_code is ErrorCode.none and answered_by is None,
        answered_by=answered_by,
        error_code=int(result.error_code),
        error_message=words,
        advertised_listeners=told_settings.get(ADVERTISED_LISTENERS, ""),
        replica_selector=told_settings.get(REPLICA_SELECTOR, ""),
        connections_max_idle_ms=number(idle_ms),
    )
    if result.error_code in _NOT_AUTHORIZED:
        return failed(Reason.NOT_AUTHORIZED, words or result.error_code.name, facts)
    if facts.unsupported:
        return failed(Reason.KAFKA_ERROR, f"it answers DescribeConfigs for broker {NOBODY}, which nobody is", facts)
    if answered_by is None:
        return failed(Reason.KAFKA_ERROR, f"DescribeConfigs: {result.error_code.name}: {words}", facts)
    if broker_id is not None and answered_by != broker_id:
        return failed(Reason.OTHER_BROKER, f"broker {answered_by} answers where {broker_id} is expected", facts)
    return ok(facts)
