"""Blocking calls beside the event loop, in daemon threads that can neither delay nor prevent the exit.

The default executor is not used: it is joined at the end of the run, and a ``getaddrinfo`` or a
Kafka client that hangs would hold the probe beyond its deadline.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def in_thread(call: Callable[[], T], name: str) -> asyncio.Future[T]:
    """Run ``call`` in a thread of its own; the future has its result or its exception.

    Cancelling the future abandons the thread, it does not end it.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, failure: BaseException | None) -> None:
        if future.done():
            return
        if failure is not None:
            future.set_exception(failure)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # None only where T has None

    def body() -> None:
        result, failure = None, None
        try:
            result = call()
        except BaseException as raised:  # noqa: BLE001  it is re-raised where it is awaited
            failure = raised
        try:
            loop.call_soon_threadsafe(settle, result, failure)
        except RuntimeError:
            # The loop is closed: nobody waits any more.
            return

    threading.Thread(target=body, name=name, daemon=True).start()
    return future
