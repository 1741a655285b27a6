"""The fuzzers: each class makes one hostile peer of a seed, has a probe or a vantage meet it, and says what is wrong.

A class is one function from a seed to the problems found; the same seed makes the same peer again.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import dns.message
import dns.rdatatype
import dns.rrset

from brokerproof.probes.outcome import Stage
from brokerproof.probes.plan import Endpoint, Limits, Plan, Tls
from brokerproof.vantages.exec import ExecVantage, Patience
from tests.hostile.certificates import mutated_server
from tests.hostile.mutations import mutated
from tests.hostile.printed import printed
from tests.hostile.served import ROOT, Served
from tests.probes.authority import Authority
from tests.probes.fake_cluster import fake_cluster
from tests.probes.fake_kafka import alone, broker
from tests.probes.peers import LOOPBACK, peer
from tests.probes.running import TLS_TO_IDENTITY, TO_IDENTITY, plan

Fuzzer = Callable[[int, Served], Coroutine[Any, Any, list[str]]]

LIMITS = Limits(
    resolve_ms=1000,
    connect_ms=1000,
    handshake_ms=1000,
    request_ms=1000,
    produce_ms=1500,
    consume_ms=1500,
    group_ms=4500,
    plan_ms=8000,
)
TO_CONSUME = (*TO_IDENTITY, Stage.PRODUCE, Stage.CONSUME)
FLOOD = 2000
VANTAGE_PLAN_MS = 1000
PATIENCE = Patience(first_line_ms=3000, grace_ms=500, terminate_ms=300)
VANTAGE_BOUND_S = 12.0
"""First line, plan, grace and both steps of ending, and what a busy machine adds."""


async def kafka(seed: int, probe: Served) -> list[str]:
    """A cluster behind a proxy that changes some of the answers."""
    rng = Random(seed)
    share = rng.choice((0.05, 0.3, 1.0))
    only = rng.choice((None, None, rng.choice((0, 1, 2, 3, 3, 10, 11, 14, 15, 18, 19, 20, 32, 42))))

    def hostile(key: int, _version: int, payload: bytes) -> bytes:
        if rng.random() > share or only not in {None, key}:
            return payload
        return mutated(rng, payload, kept=rng.choice((0, 4, 4, 4)))

    stages = (*TO_CONSUME, Stage.GROUP) if rng.random() < 0.25 else TO_CONSUME
    async with fake_cluster(rng.choice((1, 1, 2))) as cluster:
        cluster.hostile = hostile
        ports = [cluster.ports[each] for each in sorted(cluster.ports)]
        return (await probe.run(plan(*ports, stages=stages, limits=LIMITS, look_again=False))).problems


async def resolver(seed: int, probe: Served) -> list[str]:
    """A DNS server that answers with many records, with bytes changed, or again and again."""
    rng = Random(seed)
    count, ttl_s = rng.choice((1, 3, 64, 500, 4000)), rng.choice((0, 60))
    addresses = [f"127.0.{index >> 8}.{index & 255}" for index in range(count)]
    mode = rng.choice(("bytes", "bytes", "flood", "other question", "tcp"))

    def packets(query: bytes, tcp: bool) -> list[bytes]:
        asked = dns.message.from_wire(query)
        right = dns.message.make_response(asked)
        if asked.question[0].rdtype == dns.rdatatype.A:
            right.answer.append(dns.rrset.from_text_list(asked.question[0].name, ttl_s, "IN", "A", addresses))
        said = right.to_wire(max_size=65_535)[: 65_000 if tcp else 60_000]
        match mode:
            case "flood":
                return [mutated(rng, said, kept=2) for _ in range(FLOOD // max(1, len(said) // 100))]
            case "other question":
                return [said[:14] + b"X" + said[15:]] * 300
            case "tcp" if not tcp:
                return [said[:2] + bytes([said[2] | 2]) + said[3:500]]
            case _:
                return [mutated(rng, said, kept=rng.choice((2, 2, 12)))]

    async with dns_peer(packets) as port:
        names = tuple(Endpoint(name=f"b-{index}.fuzz.test", port=9, broker_id=index) for index in range(1, 4))
        ours: dict[str, Any] = {"bootstrap": names[:1], "brokers": names, "limits": LIMITS, "look_again": False}
        return (await probe.run(plan(resolver=f"{LOOPBACK}:{port}", **ours))).problems


@asynccontextmanager
async def dns_peer(packets: Callable[[bytes, bool], list[bytes]]) -> AsyncIterator[int]:
    """A server on one port, over UDP and TCP, that sends packets as they are."""
    loop = asyncio.get_running_loop()

    class Udp(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            for packet in packets(data, False):
                transport.sendto(packet[:65_000], addr)

    async def tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            (length,) = struct.unpack(">H", await reader.readexactly(2))
            for packet in packets(await reader.readexactly(length), True):
                writer.write(struct.pack(">H", min(len(packet), 65_535)) + packet)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(tcp, LOOPBACK, 0)
    port = server.sockets[0].getsockname()[1]
    transport, _ = await loop.create_datagram_endpoint(Udp, local_addr=(LOOPBACK, port))
    try:
        yield port
    finally:
        transport.close()
        server.close()


async def tls(seed: int, probe: Served) -> list[str]:
    """A TLS server with a certificate made wrong, or behind a proxy that changes what it sends."""
    rng = Random(seed)
    with TemporaryDirectory() as directory:
        authority = Authority(Path(directory))
        if rng.random() < 0.5:
            context: ssl.SSLContext | None = mutated_server(rng, authority, LOOPBACK)
            mutates = False
        else:
            context, mutates = authority.server(LOOPBACK), True
        if context is None:
            return []  # OpenSSL does not take it either: no peer can present it
        ports: list[int] = []
        async with (
            peer(broker(alone(1, lambda: ports[0])), context=context) as inner,
            peer(_relay(rng, inner, mutates=mutates)) as port,
        ):
            ports.append(port)
            trusts = Tls(ca_file=str(authority.ca_file))
            planned = plan(port, stages=TLS_TO_IDENTITY, tls=trusts, limits=LIMITS, look_again=False)
            return (await probe.run(planned)).problems


def _relay(rng: Random, inner: int, *, mutates: bool) -> Callable[..., Any]:
    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(LOOPBACK, inner)

        async def back() -> None:
            while (data := await far_reader.read(65536)) and not writer.is_closing():
                if mutates and rng.random() < 0.5:
                    data = mutated(rng, data, kept=rng.choice((0, 5, 9)))
                writer.write(data)
            writer.close()

        returning = asyncio.ensure_future(back())
        try:
            while data := await reader.read(65536):
                far_writer.write(data)
        finally:
            returning.cancel()
            far_writer.transport.abort()

    return behaviour


async def vantage(seed: int, _probe: Served) -> list[str]:
    """A far side that prints lines made wrong."""
    planned = plan(9, limits=Limits(plan_ms=VANTAGE_PLAN_MS))
    return await asyncio.get_running_loop().run_in_executor(None, _met, seed, planned)


def _met(seed: int, planned: Plan) -> list[str]:
    far_side = Path(__file__).with_name("far_side.py")
    command = ("env", f"PYTHONPATH={ROOT}", sys.executable, str(far_side), str(seed))
    begin, waited_s = time.monotonic(), _waited_s()
    problems = []
    try:
        with ExecVantage("fuzz", command, patience=PATIENCE) as client:
            run = client.run(planned)
    except Exception as raised:  # noqa: BLE001  that is what is looked for
        return [f"run raised {type(raised).__name__}: {raised}"]
    took_s = time.monotonic() - begin - (_waited_s() - waited_s)
    if took_s > VANTAGE_BOUND_S:
        problems.append(f"run and close took {took_s:.1f} s")
    said = [run.error, *run.said.splitlines(), *(each.detail for each in run.outcomes)]
    problems += [f"not printable: {text[:80]!r}" for text in said if not text.replace("\t", "").isprintable()]
    return problems


def _waited_s() -> float:
    """How long this thread was ready to run and had no processor (proc(5), schedstat)."""
    return int(Path(f"/proc/self/task/{threading.get_native_id()}/schedstat").read_text().split()[1]) / 1e9


CLASSES: dict[str, Fuzzer] = {"kafka": kafka, "resolver": resolver, "tls": tls, "vantage": vantage, "printed": printed}
EVERY = {"printed": 10}
"""Of so many seeds one: a command takes as long as ten peers."""
