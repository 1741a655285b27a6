"""A Kafka broker on loopback that answers what the test tells it, message by message."""

from __future__ import annotations

import asyncio
import io
import struct
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from kio.schema.api_versions.v0 import ApiVersionsRequest, ApiVersionsResponse
from kio.schema.api_versions.v0.response import ApiVersion
from kio.schema.describe_configs.v1 import DescribeConfigsRequest, DescribeConfigsResponse
from kio.schema.describe_configs.v1.response import DescribeConfigsResourceResult, DescribeConfigsResult
from kio.schema.errors import ErrorCode
from kio.schema.metadata.v4 import MetadataRequest, MetadataResponse
from kio.schema.metadata.v4.response import MetadataResponseBroker
from kio.serial import entity_reader, entity_writer
from kio.static.primitive import i32Timedelta

from tests.probes.peers import LOOPBACK, Behaviour

Handler = Callable[[Any], Any]
"""From a decoded request to a response entity, bytes to send as they are, or None for silence."""

CLOSE = object()
"""What a handler returns to end the connection instead of answering."""
NO_THROTTLE = i32Timedelta.parse(timedelta(0))
API_KEYS = {
    0: (0, 9),
    1: (4, 12),
    2: (1, 7),
    3: (0, 12),
    10: (0, 4),
    18: (0, 3),
    19: (2, 7),
    20: (1, 6),
    15: (0, 5),
    32: (1, 4),
    42: (0, 2),
}


def frame(payload: bytes) -> bytes:
    return struct.pack(">i", len(payload)) + payload


def encode(entity: Any) -> bytes:
    buffer = io.BytesIO()
    entity_writer(type(entity))(buffer, entity)
    return buffer.getvalue()


def api_versions(keys: dict[int, tuple[int, int]] | None = None, code: int = 0) -> ApiVersionsResponse:
    offered = API_KEYS if keys is None else keys
    return ApiVersionsResponse(
        error_code=ErrorCode(code),
        api_keys=tuple(
            ApiVersion(api_key=key, min_version=low, max_version=high)  # type: ignore[arg-type]
            for key, (low, high) in offered.items()
        ),
    )


def metadata(*brokers: tuple[int, str, int], controller_id: int = 1, throttle_ms: int = 0) -> MetadataResponse:
    return MetadataResponse(
        throttle_time=i32Timedelta.parse(timedelta(milliseconds=throttle_ms)),
        brokers=tuple(
            MetadataResponseBroker(node_id=broker_id, host=host, port=port)  # type: ignore[arg-type]
            for broker_id, host, port in brokers
        ),
        cluster_id="fake",
        controller_id=controller_id,  # type: ignore[arg-type]
        topics=(),
    )


def described(
    code: ErrorCode, words: str | None, value: str = "", results: int = 1, *, name: str = "advertised.listeners"
) -> DescribeConfigsResponse:
    configs = (
        DescribeConfigsResourceResult(
            name=name,
            value=value,
            read_only=True,
            is_sensitive=False,
            synonyms=(),
        ),
    )
    result = DescribeConfigsResult(
        error_code=code,
        error_message=words,
        resource_type=4,  # type: ignore[arg-type]
        resource_name="1",
        configs=configs if code is ErrorCode.none else (),
    )
    return DescribeConfigsResponse(throttle_time=NO_THROTTLE, results=(result,) * results)


def identify(own_id: int) -> Handler:
    """Answer DescribeConfigs as broker ``own_id`` of Apache Kafka does."""

    def handle(request: DescribeConfigsRequest) -> DescribeConfigsResponse:
        asked = request.resources[0].resource_name
        if asked == str(own_id):
            return described(ErrorCode.none, "", "CLIENT_SECURE://b-1:9094")
        words = f"Unexpected broker id, expected {own_id} or empty string, but received {asked}"
        return described(ErrorCode.invalid_request, words)

    return handle


def broker(handlers: dict[type, Handler]) -> Behaviour:
    """A peer that answers each request type with its handler, and closes on any other."""
    by_key: dict[int, tuple[Any, Handler]] = {
        int(request.__api_key__): (request, handler)  # type: ignore[attr-defined]
        for request, handler in handlers.items()
    }

    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            (length,) = struct.unpack(">i", await reader.readexactly(4))
            payload = await reader.readexactly(length)
            key, _version, correlation_id, client = struct.unpack(">hhih", payload[:10])
            if key not in by_key:
                return
            request_type, handler = by_key[key]
            request, _ = entity_reader(request_type)(payload, 10 + max(client, 0))
            answer = handler(request)
            if answer is CLOSE:
                return
            if answer is None:
                continue
            if not isinstance(answer, bytes):
                answer = frame(struct.pack(">i", correlation_id) + encode(answer))
            writer.write(answer)
            await writer.drain()

    return behaviour


def healthy(own_id: int, brokers: Callable[[], tuple[tuple[int, str, int], ...]]) -> dict[type, Handler]:
    """The handlers of a broker that works up to ``identity``."""
    return {
        ApiVersionsRequest: lambda _request: api_versions(),
        MetadataRequest: lambda _request: metadata(*brokers()),
        DescribeConfigsRequest: identify(own_id),
    }


def alone(own_id: int, port: Callable[[], int]) -> dict[type, Handler]:
    """A cluster of one broker, at its own address."""
    return healthy(own_id, lambda: ((own_id, LOOPBACK, port()),))
