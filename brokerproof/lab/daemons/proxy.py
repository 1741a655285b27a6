"""An NLB's target group with ``proxy_protocol_v2.enabled``: a header before the client's first byte.

A kernel's NAT cannot add bytes, so connections to such a group end here and are opened again to the target. Standard
library only. :mod:`brokerproof.lab.daemons.processes` starts it in the load balancer's namespace and tells it what to
do by one JSON line; it answers ``ready``. It ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import json
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_VERSION_2_PROXY: Final = 0x21
_TCP_OVER_IPV4: Final = 0x11
_BYTES: Final = 65536
_RESET: Final = struct.pack("ii", 1, 0)

Address = tuple[str, int]


def header(client: Address, asked: Address) -> bytes:
    """The header of one connection (The PROXY protocol, versions 1 & 2, section 2.2)."""
    addresses = b"".join(ipaddress.IPv4Address(host).packed for host, _ in (client, asked))
    body = addresses + struct.pack("!HH", client[1], asked[1])
    return SIGNATURE + struct.pack("!BBH", _VERSION_2_PROXY, _TCP_OVER_IPV4, len(body)) + body


async def _serve(mark: int, targets: Iterator[Address], taken: socket.socket) -> None:
    """Carry one connection until either side ends it."""
    loop = asyncio.get_running_loop()
    onward = socket.socket()
    onward.setblocking(False)
    onward.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
    try:
        with suppress(OSError):
            await loop.sock_connect(onward, next(targets))
            await loop.sock_sendall(onward, header(taken.getpeername(), taken.getsockname()))
            ways = [asyncio.ensure_future(_carry(*pair)) for pair in ((taken, onward), (onward, taken))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            return
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    finally:
        onward.close()
        taken.close()


async def _carry(source: socket.socket, sink: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while data := await loop.sock_recv(source, _BYTES):
        await loop.sock_sendall(sink, data)


async def _listen(port: int, mark: int, targets: list[Address], serving: set[asyncio.Task[None]]) -> None:
    loop, rotation = asyncio.get_running_loop(), itertools.cycle(targets)
    listener = socket.create_server(("0.0.0.0", port), backlog=128)  # noqa: S104 - a namespace of the lab's own
    listener.setblocking(False)
    while True:
        taken, _ = await loop.sock_accept(listener)
        taken.setblocking(False)
        task = asyncio.ensure_future(_serve(mark, rotation, taken))
        serving.add(task)
        task.add_done_callback(serving.discard)


async def _run() -> None:
    loop = asyncio.get_running_loop()
    asked = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    serving: set[asyncio.Task[None]] = set()
    listening = [
        asyncio.ensure_future(_listen(port, mark, [(str(host), int(at)) for host, at in targets], serving))
        for port, mark, targets in asked
    ]
    await asyncio.sleep(0)
    for one in listening:
        if one.done():
            one.result()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_run())
