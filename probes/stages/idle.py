"""Stage ``idle``: whether a connection that was silent for a while still carries a request.

Load balancers and connection tracking forget a connection after a time without packets (NLB: 350 s by default,
60 to 6,000 s by listener), and report it at best when the next packet comes. The probe sends nothing meanwhile, no TCP
keepalive either, and sends one request afterwards.
"""

from __future__ import annotations

import asyncio
import time

from kio.schema.describe_configs.v1 import DescribeConfigsResponse

from brokerproof.probes.observation import Observation, failed, ok
from brokerproof.probes.outcome import IdleFacts, Reason
from brokerproof.probes.stages.identity import identity_request
from brokerproof.probes.wire.kafka_connection import KafkaConnection
from brokerproof.probes.wire.stream import BrokenStreamError


async def hold_idle(connection: KafkaConnection, broker_id: int, *, hold_ms: int, limit_ms: int) -> Observation:
    """Be silent, then ask once.

    Args:
        connection: Verified, its versions known, and used by nobody else.
        broker_id: Who answered there.
        hold_ms: How long to be silent.
        limit_ms: Deadline of the request after that.
    """
    begin_ns = time.monotonic_ns()

    def facts(*, ended: bool = False, asked: bool = False) -> IdleFacts:
        silent_ms = min((time.monotonic_ns() - begin_ns) // 1_000_000, hold_ms) if ended else hold_ms
        return IdleFacts(silent_ms=silent_ms, asked=asked, tcp=connection.tcp_info())

    try:
        async with asyncio.timeout(hold_ms / 1000):
            await connection.until_it_ends()
    except TimeoutError:
        pass
    except BrokenStreamError as failure:
        told = facts(ended=True)
        return failed(failure.reason, f"after {told.silent_ms / 1000:g} s of silence: {failure.detail}", told)
    after = f"after {hold_ms / 1000:g} s of silence"
    try:
        async with asyncio.timeout(limit_ms / 1000):
            await connection.call(identity_request(broker_id), DescribeConfigsResponse)
    except TimeoutError:
        return failed(Reason.TIMED_OUT, f"{after}: no answer within {limit_ms} ms", facts(asked=True))
    except BrokenStreamError as failure:
        return failed(failure.reason, f"{after}, on the first request: {failure.detail}", facts(asked=True))
    return ok(facts(asked=True))
