"""Removing what a run made: by one connection after another until one answers, within a time.

What was kept open all the while may have died without a word, after a silence or with its broker. So a way that does
not answer soon is not waited for alone: the next is tried beside it. Nothing here is measured.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from brokerproof.probes.coordinator import CoordinatorError
from brokerproof.probes.outcome import Reason
from brokerproof.probes.topic import TopicError
from brokerproof.probes.wire.stream import BrokenStreamError

NEXT_WAY_S: Final = 0.3
"""Without an answer for so long, the next way is tried as well; a broker deletes within a few milliseconds."""

Way = Callable[[], Awaitable[bool]]
"""Removes something by one connection; whether it was there. Raises one of :data:`REFUSALS`."""
REFUSALS: Final = (TopicError, CoordinatorError, BrokenStreamError)


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
            for each in done:
                failure = each.exception()
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
