"""Stage ``api``: ApiVersions, the first thing any Kafka client asks.

Version 0 is asked for: every broker answers it, old and new, without a second round (KIP-511).
"""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
from kio.schema.api_versions.v0 import ApiVersionsRequest, ApiVersionsResponse
from kio.schema.errors import ErrorCode

from brokerproof.probes.observation import Observation, failed, ok
from brokerproof.probes.outcome import ApiFacts, Reason
from brokerproof.probes.wire.kafka_connection import KafkaConnection
from brokerproof.probes.wire.stream import BrokenStreamError

PRODUCE_KEY: Final = 0
FETCH_KEY: Final = 1
LIST_OFFSETS_KEY: Final = 2


async def ask_versions(connection: KafkaConnection, *, limit_ms: int) -> Observation:
    """Ask which APIs the broker offers and note them in ``connection.versions``."""
    try:
        async with asyncio.timeout(limit_ms / 1000):
            response = await connection.call(ApiVersionsRequest(), ApiVersionsResponse)
    except TimeoutError:
        await connection.provoke()
        return failed(Reason.TIMED_OUT, f"no ApiVersions response within {limit_ms} ms", _heard(connection))
    except BrokenStreamError as failure:
        facts = msgspec.structs.replace(_heard(connection), alert_number=failure.alert)
        return failed(failure.reason, failure.detail, facts)
    offered = {int(api.api_key): (int(api.min_version), int(api.max_version)) for api in response.api_keys}
    facts = ApiFacts(
        error_code=int(response.error_code),
        api_count=len(offered),
        produce_min_version=offered.get(PRODUCE_KEY, (-1, -1))[0],
        list_offsets_min_version=offered.get(LIST_OFFSETS_KEY, (-1, -1))[0],
        produce_max_version=offered.get(PRODUCE_KEY, (0, -1))[1],
        fetch_max_version=offered.get(FETCH_KEY, (0, -1))[1],
        tcp=connection.tcp_info(),
    )
    match response.error_code:
        case ErrorCode.none:
            connection.versions.update(offered)
            return ok(facts)
        case ErrorCode.unsupported_version:
            return failed(Reason.UNSUPPORTED_VERSION, "ApiVersions v0 is refused", facts)
        case other:
            return failed(Reason.KAFKA_ERROR, f"ApiVersions: {other.name}", facts)


def _heard(connection: KafkaConnection) -> ApiFacts:
    """What came instead of an answer."""
    return ApiFacts(first_bytes=connection.first_bytes, tcp=connection.tcp_info())
