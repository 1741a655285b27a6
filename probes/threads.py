"""Blocking calls beside the event loop, in daemon threads that can neither delay nor prevent the exit.

The default executor is not used: it is joined at the end of the run, and a ``getaddrinfo`` or a
Kafka client that hangs would hold the probe beyond its deadline. For short calls, of which there are many, threads are
kept: starting one stops the event loop until it runs. One that hangs is waited for by nobody.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

KEPT_THREADS: Final = 64
"""How many wait for a call at most, which is as many names as are asked for at once; further ones end."""

Body = Callable[[], None]


class _Threads:
    """Those that there are, for all event loops of the process."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[tuple[Body, str]] = queue.SimpleQueue()
        self._one_at_a_time = threading.Lock()
        self._waiting = 0
        """Threads that nobody has given a call yet."""

    def run(self, body: Body, name: str) -> None:
        """In a thread that waits, or a new one where none does."""
        with self._one_at_a_time:
            is_new = not self._waiting
            self._waiting -= not is_new
        if is_new:
            threading.Thread(target=self._serve, args=(body, name), daemon=True).start()
        else:
            self._calls.put((body, name))

    def _serve(self, body: Body, name: str) -> None:
        thread = threading.current_thread()
        while True:
            thread.name = name
            body()
            del body  # it holds an event loop, perhaps one that is closed
            with self._one_at_a_time:
                if self._waiting >= KEPT_THREADS:
                    return
                self._waiting += 1
            body, name = self._calls.get()


_threads = _Threads()


def _forget_threads() -> None:
    """A process has none of its parent's threads."""
    global _threads  # noqa: PLW0603  one for the process
    _threads = _Threads()


os.register_at_fork(after_in_child=_forget_threads)


def in_thread(call: Callable[[], T], name: str, *, shared: bool = False) -> asyncio.Future[T]:
    """Run ``call`` in a thread of its own; the future has its result or its exception.

    Cancelling the future abandons the thread, it does not end it. ``shared`` is for short calls: the thread has done,
    or will do, others like it.
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

    if shared:
        _threads.run(body, name)
    else:
        threading.Thread(target=body, name=name, daemon=True).start()
    return future
