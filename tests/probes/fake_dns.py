"""A DNS server on loopback, over UDP and TCP, whose answers are given by the test."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from brokerproof.probes.wire.dns_exchange import Server
from tests.probes.peers import LOOPBACK

Reply = Callable[[dns.message.Message, bool], list[bytes]]
"""From a query, and whether it came over TCP, to the packets to send back."""

SOA = "kafka.us-east-1.amazonaws.com. 60 IN SOA ns.example. host.example. 1 2 3 4 5"


def answering(*records: str, rcode: dns.rcode.Rcode = dns.rcode.NOERROR, authority: tuple[str, ...] = ()) -> Reply:
    """Answer with those of ``records`` (zone file lines) whose type is asked for, and all CNAMEs."""

    def reply(query: dns.message.Message, _tcp: bool) -> list[bytes]:
        response = dns.message.make_response(query)
        response.set_rcode(rcode)
        asked = query.question[0].rdtype
        for line in records:
            rrset = _rrset(line)
            if rrset.rdtype in {asked, dns.rdatatype.CNAME}:
                response.answer.append(rrset)
        response.authority += [_rrset(line) for line in authority]
        return [response.to_wire()]

    return reply


def _rrset(line: str) -> dns.rrset.RRset:
    name, ttl, rdclass, rdtype, rdata = line.split(maxsplit=4)
    return dns.rrset.from_text_list(name, int(ttl), rdclass, rdtype, rdata.split("|"))


def question_of(wire: bytes) -> dns.message.Message:
    return dns.message.from_wire(wire)


@asynccontextmanager
async def dns_server(
    reply: Reply, *, tcp_too: bool = True, delay_s: Callable[[], float] = lambda: 0.0
) -> AsyncIterator[Server]:
    """Serve ``reply`` on one port, both UDP and TCP; each packet over UDP after ``delay_s``."""
    loop = asyncio.get_running_loop()

    class Udp(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            for packet in reply(question_of(data), False):
                loop.call_later(delay_s(), send, packet, addr)

    async def tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack(">H", await reader.readexactly(2))
        query = question_of(await reader.readexactly(length))
        for packet in reply(query, True):
            writer.write(struct.pack(">H", len(packet)) + packet)
        await writer.drain()
        writer.close()

    def send(packet: bytes, addr: tuple[str, int]) -> None:
        if not transport.is_closing():
            transport.sendto(packet, addr)

    server = await asyncio.start_server(tcp, LOOPBACK, 0)
    port = server.sockets[0].getsockname()[1]
    transport, _ = await loop.create_datagram_endpoint(Udp, local_addr=(LOOPBACK, port))
    if not tcp_too:
        server.close()
        await server.wait_closed()
    try:
        yield Server(LOOPBACK, port)
    finally:
        transport.close()
        server.close()
        await server.wait_closed()
