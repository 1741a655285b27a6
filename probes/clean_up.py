"""Removing what a run made: by one connection after another until one answers, within a time.

What was kept open all the while may have died without a word, after a silence or with its broker. So a way that does
not answer soon is not waited for alone: the next is tried beside it. Nothing here is measured.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

import msgspec
from kio.schema.errors import ErrorCode

from brokerproof.probes.coordinator import CoordinatorError, delete_group, find_coordinator, member_ids
from brokerproof.probes.endpoints import Verified
from brokerproof.probes.outcome import Reason
from brokerproof.probes.paths import Paths
from brokerproof.probes.plan import Limits
from brokerproof.probes.topic import TopicError, delete_topic
from brokerproof.probes.wire.kafka_connection import KafkaConnection
from brokerproof.probes.wire.stream import BrokenStreamError

NEXT_WAY_S: Final = 0.3
"""Without an answer for so long, the next way is tried as well; a broker deletes within a few milliseconds."""
_WAIT_SHARE: Final = 0.4
"""Of the time for cleaning up: how much of it may go to waiting for what is still under way."""

Way = Callable[[], Awaitable[bool]]
"""Removes something by one connection; whether it was there. Raises one of :data:`REFUSALS`."""
REFUSALS: Final = (TopicError, CoordinatorError, BrokenStreamError)


class CleanUp(msgspec.Struct, frozen=True):
    """What one run made, removed within ``limit_s``."""

    paths: Paths
    limits: Limits
    limit_s: float

    async def left_after(self, under_way: Sequence[asyncio.Future[Any]]) -> float:
        """Wait for what may still make something; how much time there is then."""
        hanging: set[asyncio.Future[Any]] = set()
        if under_way:
            _, hanging = await asyncio.wait(under_way, timeout=self.limit_s * _WAIT_SHARE)
        return self.limit_s * (1 - _WAIT_SHARE) if hanging else self.limit_s

    async def topic(self, name: str, control: Verified, creating: asyncio.Task[None]) -> str:
        """Remove a topic whose creation may be under way yet; what is left, and why."""
        # Else the topic could come into being after it was deleted. An answer that never comes
        # is not waited for longer; the connection it was to come on is of no more use then.
        left_s = await self.left_after([creating])
        unsure = creating.cancel() or creating.cancelled() or _may_have_been_made(creating.exception())

        async def delete(connection: KafkaConnection) -> bool:
            return await delete_topic(connection, name, limit_ms=self.limits.request_ms)

        return await remove(f"topic {name}", self._ways(control, delete), left_s, may_still_come=unsure)

    async def group(self, name: str, coordinator: Verified, member_id: str | None, limit_s: float) -> str:
        """Remove a group, with its member if that is leaving; what is left, and why.

        ``member_id`` None: its member is gone without a word, and the coordinator knows who that was.
        """

        async def delete(connection: KafkaConnection) -> bool:
            known = (member_id,) if member_id is not None else await member_ids(connection, name)
            await delete_group(connection, name, next(iter(known), ""))
            return True

        async def delete_where_it_is_now(connection: KafkaConnection) -> bool:
            # Only its coordinator deletes a group, and that may be another by now.
            moved = await find_coordinator(connection, name)
            now = next((each for each in self._verified() if each.answered_by == moved.broker_id), None)
            if now is None:
                raise CoordinatorError(Reason.COORDINATOR_UNAVAILABLE, f"broker {moved.broker_id} is not reached")
            return await self._anew(now, delete)

        here = partial(delete, coordinator.connection), partial(self._anew, coordinator, delete)
        elsewhere = self._ways(coordinator, delete_where_it_is_now)[1:]
        return await remove(f"group {name}", (*here, *elsewhere), limit_s)

    def _ways(self, first: Verified, delete: Callable[[KafkaConnection], Awaitable[bool]]) -> list[Way]:
        """By the connection that was kept; then by new ones, to another broker, the same one, and one more."""
        another, *more = [*(v for v in self._verified() if v.answered_by != first.answered_by), first]
        places = (another, first, *more[:1]) if more else (another,)
        return [partial(delete, first.connection), *(partial(self._anew, each, delete) for each in places)]

    def _verified(self) -> list[Verified]:
        """An address of each broker that was reached, in the order of their ids."""
        found: dict[int, Verified] = {}
        for endpoint in self.paths.endpoints:
            for broker_id, verified in endpoint.verified.items():
                found.setdefault(broker_id, verified)
        return [found[broker_id] for broker_id in sorted(found)]

    async def _anew(self, place: Verified, delete: Callable[[KafkaConnection], Awaitable[bool]]) -> bool:
        connection = await self.paths.reconnect(place)
        try:
            return await delete(connection)
        finally:
            connection.close()


def _may_have_been_made(failure: BaseException | None) -> bool:
    """Whether a creation that failed so may yet have its effect: no broker has refused it."""
    if isinstance(failure, TopicError):
        return failure.error_code is ErrorCode.request_timed_out
    return failure is not None


async def remove(what: str, ways: Sequence[Way], limit_s: float, *, may_still_come: bool = False) -> str:
    """Remove ``what`` by the first way that works.

    Args:
        what: In words.
        ways: The likeliest first.
        limit_s: For all of them.
        may_still_come: Whether it may come into being yet, by a request that nobody answered. Then it is looked for
            until the time is over.

    Returns:
        Empty where it is gone; otherwise what is left, and why.
    """
    loop = asyncio.get_running_loop()
    end_s = loop.time() + limit_s
    was_there, why = await _by_any(ways, limit_s)
    while may_still_come and not was_there and not why and end_s - loop.time() > NEXT_WAY_S:
        await asyncio.sleep(NEXT_WAY_S)
        # What gives no answer this time did so before: it is not there.
        was_there, _ = await _by_any(ways, end_s - loop.time())
    if may_still_come and not was_there and not why:
        why = "it is not there, and may come into being yet: nobody answered its creation"
    return f"{what}: {why}" if why else ""


async def _by_any(ways: Sequence[Way], limit_s: float) -> tuple[bool, str]:
    """Whether it was there; and why it could not be removed, empty where it could."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + limit_s
    untried, under_way = list(ways), set[asyncio.Future[bool]]()
    refused = ""
    try:
        while (untried or under_way) and loop.time() < end_s:
            if untried:
                under_way.add(asyncio.ensure_future(untried.pop(0)()))
            wait_s = max(0.0, end_s - loop.time())
            done, under_way = await asyncio.wait(
                under_way, timeout=min(NEXT_WAY_S, wait_s) if untried else wait_s, return_when=asyncio.FIRST_COMPLETED
            )
            # All of them are read: one that nobody reads is a traceback when it is collected.
            ended = [(each, each.exception()) for each in done]
            for each, failure in ended:
                if failure is None:
                    return each.result(), ""
                if not isinstance(failure, REFUSALS):
                    raise failure
                refused = refused or failure.detail
                if failure.reason is Reason.NOT_AUTHORIZED:
                    return False, failure.detail
    finally:
        for each in under_way:
            each.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
    return False, refused if refused and not under_way else f"no answer within {limit_s:.1f} s"
