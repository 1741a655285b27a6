"""What is measured at an address beside the records, on a connection that nothing else needs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec

from brokerproof.probes.connecting import Connecting
from brokerproof.probes.endpoints import Verified
from brokerproof.probes.observation import Observation, failed
from brokerproof.probes.outcome import IdleFacts, Role, Stage
from brokerproof.probes.plan import Plan
from brokerproof.probes.sequence import StageSequence
from brokerproof.probes.stages.identity import ask_identity
from brokerproof.probes.stages.idle import hold_idle
from brokerproof.probes.stages.path_size import measure_path_size
from brokerproof.probes.wire.kafka_connection import KafkaConnection
from brokerproof.probes.wire.stream import BrokenStreamError


class BesidePath:
    """Measures the sizes that pass, and what becomes of an idle connection."""

    def __init__(self, plan: Plan, connecting: Connecting, limiter: asyncio.Semaphore) -> None:
        self._plan = plan
        self._connecting = connecting
        self._limiter = limiter

    async def run(self, sequence: StageSequence, verified: Verified | None) -> None:
        """What is measured while records go their way, on a connection that nothing else needs."""
        try:
            if sequence.role is not Role.BROKER:
                return
            if Stage.PATH_SIZE in self._plan.stages:
                async with self._limiter:
                    await sequence.step(Stage.PATH_SIZE, lambda: self._path_size(verified))
            if Stage.IDLE in self._plan.stages:
                # A silence keeps nobody else from being probed.
                await sequence.step(Stage.IDLE, lambda: self._idle(verified))
        finally:
            if verified is not None and not verified.is_used:
                verified.connection.close()

    async def _path_size(self, verified: Verified | None) -> tuple[Observation, None]:
        limit_ms = self._plan.limits.request_ms
        return await self._on_its_own(verified, partial(measure_path_size, limit_ms=limit_ms))

    async def _idle(self, verified: Verified | None) -> tuple[Observation, None]:
        hold_ms, limit_ms = self._plan.idle_hold_ms, self._plan.limits.request_ms
        seen, _ = await self._on_its_own(verified, partial(hold_idle, hold_ms=hold_ms, limit_ms=limit_ms))
        if seen.is_ok or verified is None or not isinstance(seen.facts, IdleFacts):
            return seen, None
        # Else a broker that fell silent meanwhile would look like a connection that was forgotten.
        anew, _ = await self._on_a_new_one(verified, partial(ask_identity, limit_ms=limit_ms))
        facts = msgspec.structs.replace(seen.facts, works_anew=anew.is_ok)
        return msgspec.structs.replace(seen, facts=facts), None

    async def _on_its_own(
        self, verified: Verified | None, measure: Callable[[KafkaConnection, int], Awaitable[Observation]]
    ) -> tuple[Observation, None]:
        """Measure on the address's own connection where nobody else needs it, else on a new one."""
        if verified is None:
            raise AssertionError("it follows identity, which verifies")
        if verified.is_used or not verified.connection.usable:
            return await self._on_a_new_one(verified, measure)
        try:
            return await measure(verified.connection, verified.answered_by), None
        finally:
            verified.connection.close()

    async def _on_a_new_one(
        self, verified: Verified, measure: Callable[[KafkaConnection, int], Awaitable[Observation]]
    ) -> tuple[Observation, None]:
        try:
            connection = await self._connecting.reconnect(verified)
        except BrokenStreamError as broken:
            return failed(broken.reason, f"a second connection: {broken.detail}"), None
        try:
            return await measure(connection, verified.answered_by), None
        finally:
            connection.close()
