"""Peers on loopback that accept a connection and then behave badly, each in its own way."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from brokerproof.probes.outcome import Reason

T = TypeVar("T")
Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

LOOPBACK = "127.0.0.1"
TEST_LIMIT_S = 120.0
PATIENT_MS = 10_000
"""The limit where a peer answers: a machine that stands still for seconds changes no outcome."""
SILENCE_MS = 600
"""The limit where a test waits for its end, since a peer falls silent."""


def limit_ms(expected: Reason | None) -> int:
    """What is waited for an outcome with this reason."""
    return SILENCE_MS if expected is Reason.TIMED_OUT else PATIENT_MS


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a test's coroutine, bounded."""

    async def bounded() -> T:
        return await asyncio.wait_for(work, TEST_LIMIT_S)

    return asyncio.run(bounded())


@asynccontextmanager
async def peer(
    behaviour: Behaviour,
    *,
    context: ssl.SSLContext | None = None,
    address: str = LOOPBACK,
    port: int = 0,
) -> AsyncIterator[int]:
    """A server on a free port; every connection gets ``behaviour`` and is closed after it."""
    tasks: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await behaviour(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(serve, address, port, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.sleep(0)


def closed_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as sock:
        sock.bind((LOOPBACK, 0))
        port: int = sock.getsockname()[1]
        return port


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Read everything, say nothing."""
    while await reader.read(65536):
        pass


async def closing(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Read the first bytes, then close."""
    await reader.read(65536)


async def resetting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read the first bytes, then RST."""
    await reader.read(65536)
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def saying(data: bytes) -> Behaviour:
    """Read the first bytes, answer with ``data``, then say no more."""

    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(data)
        await silent(reader, writer)

    return behaviour


def greeting(data: bytes) -> Behaviour:
    """Speak first, as SMTP or SSH do."""

    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await silent(reader, writer)

    return behaviour


def endless(data: bytes) -> Behaviour:
    """Repeat ``data`` for as long as anybody reads."""

    async def behaviour(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(data)
            await writer.drain()

    return behaviour


def dripping(data: bytes) -> Behaviour:
    """One byte at a time, again and again: never silent, never done."""

    async def behaviour(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for byte in data:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.02)

    return behaviour
