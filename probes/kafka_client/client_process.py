"""The probe's end of a client process: orders to it, what it saw, and how it ended.

A process that ends before it is told to is an ending with words like any other. Nothing here decides what that means
for a stage.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Final

import msgspec

from brokerproof.probes.kafka_client.fork_server import NO_MEMORY, STATUS_BYTES, Exit, ForkServer, ended_as
from brokerproof.probes.kafka_client.messages import Began, HasUsed, Order, Report, framed, next_report
from brokerproof.probes.outcome.bounds import CLIENT_MEMORY_BYTES
from brokerproof.probes.spending import Used
from brokerproof.probes.wire.stream import words_of

ENDING_S: Final = 1.0
"""How long a process that hung up may take to be gone."""
_CRASHES: Final = frozenset(
    {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGSYS}
)
"""What a program does to itself; any other signal comes from outside."""

_NEARLY_ALL: Final = 0.7
"""Of the memory that it may have: a process that had more was most likely refused some."""
_MEMORY_WORDS: Final = f"it may have {CLIENT_MEMORY_BYTES >> 20} MiB of data"


class Ended(msgspec.Struct, frozen=True):
    """How a client process ended that was not told to."""

    words: str
    """What it did."""
    by_itself: bool
    """It crashed, on what it was sent; where not, something on this host ended it."""


class ClientProcess:
    """One client process. Its reports are handed, in their order, to all who listen."""

    def __init__(self) -> None:
        self._writer: asyncio.StreamWriter | None = None
        self._ending = -1
        self._closed = False
        self._listeners: list[Callable[[Report], None]] = []
        self._listening: asyncio.Future[None] | None = None
        self.used = Used()
        """What its clients have used, as they last told."""
        self.began = False
        """Its clients were made where the cluster is far away, as it was told to."""
        self.ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        """Set where the process ends before it is closed."""

    @classmethod
    async def start(cls, server: ForkServer) -> ClientProcess:
        """Have one made; orders may be sent at once. Where there can be none, it has ended already."""
        made = cls()
        try:
            connection = server.fork()
        except OSError as failure:
            made.ended.set_result(Ended(f"could not be started: {words_of(failure)}", by_itself=False))
            return made
        reader, made._writer = await asyncio.open_connection(sock=connection.conversation)
        made._ending = connection.ending
        made._listening = asyncio.ensure_future(made._listen(reader))
        return made

    @property
    def alive(self) -> bool:
        """Whether it may still take orders."""
        return not self._closed and not self.ended.done()

    def listen(self, listener: Callable[[Report], None]) -> None:
        """Hand every report to ``listener`` as well, from here on."""
        self._listeners.append(listener)

    def send(self, order: Order) -> None:
        """Send an order; to one that is gone, nothing."""
        if self.alive and self._writer is not None:
            self._writer.write(framed(order))

    def close(self) -> None:
        """End the process, whatever it is at."""
        if self._closed:
            return
        self._closed = True
        if self._listening is not None:
            self._listening.cancel()
        if self._writer is not None:
            self._writer.transport.abort()
            os.close(self._ending)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        words = ""
        try:
            while True:
                report = await next_report(reader)
                if isinstance(report, HasUsed):
                    self.used = report.used
                self.began = self.began or isinstance(report, Began)
                for listener in self._listeners:
                    listener(report)
        except (EOFError, OSError):
            pass
        except msgspec.DecodeError as failure:
            words = f"said what is no message: {failure}"
        self.ended.set_result(_ended(None if words else await self._exit(), words))

    async def _exit(self) -> Exit | None:
        """How the process ended; None where that is not known."""
        loop = asyncio.get_running_loop()
        told = asyncio.Event()
        loop.add_reader(self._ending, told.set)
        try:
            async with asyncio.timeout(ENDING_S):
                await told.wait()
            return ended_as(os.read(self._ending, STATUS_BYTES))
        except TimeoutError:
            return None
        finally:
            loop.remove_reader(self._ending)


def _ended(how: Exit | None, words: str) -> Ended:
    if how is None:
        return Ended(words or "hung up, or could not be started", by_itself=False)
    if how.code == NO_MEMORY:
        return Ended(f"ended: {_MEMORY_WORDS}", by_itself=True)
    if how.code >= 0:
        return Ended(f"ended with exit status {how.code}", by_itself=False)
    try:
        name = signal.Signals(-how.code).name
    except ValueError:
        name = ""
    died = f"died: signal {-how.code}" + (f" ({name})" if name else "")
    if how.most_bytes > CLIENT_MEMORY_BYTES * _NEARLY_ALL:
        died += f" with {how.most_bytes >> 20} MiB of memory; {_MEMORY_WORDS}"
    return Ended(died, by_itself=-how.code in _CRASHES)
