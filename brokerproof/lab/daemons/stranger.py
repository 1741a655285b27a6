"""What listens on a broker's host and is not the broker: a web server, or a proxy that ends TLS in the broker's name.

Standard library only. :mod:`brokerproof.lab.daemons.processes` starts it in the broker's namespace and tells it what to
do by one JSON line; it answers ``ready``. It ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final

BAD_REQUEST: Final = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
"""What a web server says to what is no HTTP, as nginx does."""
_BYTES: Final = 65536

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the first bytes as a web server, whatever they are."""
    if await reader.read(_BYTES):
        writer.write(BAD_REQUEST)
        await writer.drain()


async def carry(
    onward: tuple[str, int], outside: ssl.SSLContext, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Carry what is inside the client's TLS to the broker, in TLS of its own, until either side ends."""
    far_reader, far_writer = await asyncio.open_connection(*onward, ssl=outside)
    try:
        ways = [asyncio.ensure_future(_copy(reader, far_writer)), asyncio.ensure_future(_copy(far_reader, writer))]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
    finally:
        far_writer.transport.abort()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(_BYTES):
        sink.write(data)
        await sink.drain()


async def _serve(serve: Serve, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, ssl.SSLError):
        await serve(reader, writer)
    writer.close()


async def _run() -> None:
    loop = asyncio.get_running_loop()
    asked = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    context: ssl.SSLContext | None = None
    serve: Serve = refuse
    if asked["pem"]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(asked["pem"])
        outside = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        outside.check_hostname = False
        outside.verify_mode = ssl.CERT_NONE  # the broker beside it, and nobody between
        serve = partial(carry, tuple(asked["onward"]), outside)
    server = await asyncio.start_server(partial(_serve, serve), asked["address"], asked["port"], ssl=context)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_run())
