"""One DNS question to one server, over UDP and, where the answer is truncated, over TCP.

The exchange speaks to the resolver itself and not to the system's stub, so rcodes, TTLs and CNAMEs survive.
Nothing is retried, and names are not compared with anything here.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import msgspec

from brokerproof.probes.outcome import Reason
from brokerproof.probes.outcome.bounds import DNS_IGNORED_PACKETS, DNS_RECORDS, NAME_ADDRESSES
from brokerproof.probes.plan import MAX_PORT
from brokerproof.probes.wire.stream import BrokenStreamError, Stream, Turns, words_of

DNS_PORT: Final = 53
UDP_PAYLOAD_BYTES: Final = 1232
"""EDNS0 payload that avoids fragmentation (DNS flag day 2020)."""
_HEADER_BYTES: Final = 12
_RECORD_COUNTS: Final = slice(6, 12)
"""Of answers, authorities and additional records (RFC 1035, 4.1.1)."""
_TYPE_AND_CLASS_BYTES: Final = 4
_RECORD_BYTES: Final = 11
"""The least that a record has: a name, type, class, TTL and length."""
_OPT_BYTES: Final = 11
"""Of an OPT record without options (RFC 6891, 6.1.2)."""
_CONCLUSIVE: Final = frozenset({dns.rcode.NOERROR, dns.rcode.NXDOMAIN})


class DnsFailureError(Exception):
    """No usable answer; ``reason`` is one the stage ``resolve`` may give.

    ``over_tcp`` is why the whole of a truncated answer could not be had; None where none was truncated.
    """

    def __init__(self, reason: Reason, detail: str, over_tcp: Reason | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.over_tcp = over_tcp


class Server(msgspec.Struct, frozen=True):
    """A resolver's address and port."""

    address: str
    port: int = DNS_PORT

    def __str__(self) -> str:
        if self.port == DNS_PORT:
            return self.address
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    @property
    def family(self) -> socket.AddressFamily:
        """IPv4 or IPv6."""
        return socket.AF_INET6 if ":" in self.address else socket.AF_INET


class Answer(msgspec.Struct, frozen=True):
    """What one question brought."""

    rcode: str
    addresses: tuple[str, ...]
    ttl_s: int | None
    cname_chain: tuple[str, ...]
    soa: str
    truncated: bool
    answer_bytes: int = 0
    """As it is without EDNS, which not every client sends."""


def is_address(text: str) -> bool:
    """Whether ``text`` is an IPv4 or IPv6 literal."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, text)
        except (OSError, ValueError):
            continue
        return True
    return False


def parse_server(text: str) -> Server:
    """Read ``10.0.0.2``, ``10.0.0.2:5353``, ``fd00::2`` or ``[fd00::2]:5353``.

    Raises:
        ValueError: it is none of these.
    """
    address, port = text, str(DNS_PORT)
    if text.startswith("["):
        address, _, after = text[1:].partition("]")
        port = after.removeprefix(":") or port
    elif text.count(":") == 1:
        address, port = text.split(":")
    if not is_address(address) or not port.isdecimal() or not 1 <= int(port) <= MAX_PORT:
        raise ValueError(f"resolver {text!r} is not an IP address, optionally with a port")
    return Server(address, int(port))


async def ask(name: str, rdtype: dns.rdatatype.RdataType, server: Server, *, limit_ms: int) -> Answer:
    """Ask once.

    Raises:
        DnsFailureError: within ``limit_ms`` no answer that belongs to the question, or one that
            cannot be read.
        dns.exception.DNSException: ``name`` cannot be written as a DNS name.
    """
    query = _query(name, rdtype)
    ignored = _Ignored()
    truncated = False
    try:
        async with asyncio.timeout(limit_ms / 1000):
            response = await _ask_udp(query, server, ignored)
            truncated = bool(response.flags & dns.flags.TC)
            if truncated:
                response = await _whole(query, server)
    except TimeoutError as silence:
        if truncated:
            raise _cut_short(Reason.TIMED_OUT, f"no answer within {limit_ms} ms") from silence
        if ignored.packets:
            detail = f"{ignored.packets} packets within {limit_ms} ms, none of them answers the question"
            raise DnsFailureError(Reason.MALFORMED_ANSWER, detail) from silence
        raise DnsFailureError(Reason.TIMED_OUT, f"no answer within {limit_ms} ms") from silence
    return _read(response, truncated=truncated)


async def tcp_failure(name: str, rdtype: dns.rdatatype.RdataType, server: Server, *, limit_ms: int) -> Reason | None:
    """Why ``server`` does not answer the question over TCP, asked once; None where it does."""
    try:
        async with asyncio.timeout(limit_ms / 1000):
            await _ask_tcp(_query(name, rdtype), server)
    except TimeoutError:
        return Reason.TIMED_OUT
    except DnsFailureError as failure:
        return failure.reason
    return None


def _query(name: str, rdtype: dns.rdatatype.RdataType) -> dns.message.Message:
    absolute = dns.name.from_text(name, origin=dns.name.root)
    return dns.message.make_query(absolute, rdtype, use_edns=0, payload=UDP_PAYLOAD_BYTES)


async def _whole(query: dns.message.Message, server: Server) -> dns.message.Message:
    """The answer that UDP cut short."""
    try:
        return await _ask_tcp(query, server)
    except DnsFailureError as failure:
        if failure.reason is Reason.MALFORMED_ANSWER:
            raise
        raise _cut_short(failure.reason, failure.detail) from failure


def _cut_short(over_tcp: Reason, detail: str) -> DnsFailureError:
    words = f"the answer over UDP is cut short (TC), and over TCP there is none: {detail}"
    return DnsFailureError(Reason.TRUNCATED, words, over_tcp)


def _read(response: dns.message.Message, *, truncated: bool) -> Answer:
    if not isinstance(response, dns.message.QueryMessage):
        raise DnsFailureError(Reason.MALFORMED_ANSWER, "the answer is not to a query")
    soa = next((str(rrset.name) for rrset in response.authority if rrset.rdtype == dns.rdatatype.SOA), "")
    rcode = dns.rcode.to_text(response.rcode())
    if response.rcode() not in _CONCLUSIVE:
        # Such an answer may come without its question, and has nothing to follow.
        return Answer(rcode=rcode, addresses=(), ttl_s=None, cname_chain=(), soa=soa, truncated=truncated)
    without_edns = _OPT_BYTES if response.opt is not None else 0
    try:
        chain = response.resolve_chaining()
    except dns.exception.DNSException as failure:
        raise DnsFailureError(Reason.MALFORMED_ANSWER, f"{rcode}: {_words(failure)}") from failure
    addresses = tuple(sorted((rdata.address for rdata in chain.answer), key=_numeric)) if chain.answer else ()
    if len(addresses) > NAME_ADDRESSES:
        words = f"{len(addresses)} addresses of one name; {NAME_ADDRESSES} are taken at most"
        raise DnsFailureError(Reason.TOO_MUCH, words)
    return Answer(
        rcode=rcode,
        addresses=addresses,
        ttl_s=chain.minimum_ttl if addresses or soa or chain.cnames else None,
        cname_chain=tuple(str(rdata.target) for rrset in chain.cnames for rdata in rrset),
        soa=soa,
        truncated=truncated,
        answer_bytes=len(response.wire or b"") - without_edns,
    )


def _numeric(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


class _Ignored(msgspec.Struct):
    """What came instead of an answer."""

    packets: int = 0


async def _ask_udp(query: dns.message.Message, server: Server, ignored: _Ignored) -> dns.message.Message:
    loop = asyncio.get_running_loop()
    fair = Turns()
    with socket.socket(server.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
        try:
            # A connected socket hears only this server, and its ICMP errors.
            await loop.sock_connect(sock, (server.address, server.port))
            await loop.sock_sendall(sock, query.to_wire())
            while ignored.packets < DNS_IGNORED_PACKETS:
                await fair.take()
                packet = await loop.sock_recv(sock, 65535)
                response = _match(query, packet)
                if response is not None:
                    return response
                ignored.packets += 1
        except OSError as failure:
            reason = Reason.REFUSED if failure.errno == errno.ECONNREFUSED else Reason.SOCKET_ERROR
            raise DnsFailureError(reason, words_of(failure)) from failure
    raise DnsFailureError(Reason.TOO_MUCH, f"{ignored.packets} packets, none of them answers the question")


def _match(query: dns.message.Message, packet: bytes) -> dns.message.Message | None:
    """The packet as a message where it answers ``query``; None where it is to be ignored."""
    if len(packet) < _HEADER_BYTES or packet[:2] != query.id.to_bytes(2, "big"):
        return None
    # Counted before they are read: reading thousands takes longer than any deadline here.
    records = sum(struct.unpack(">3H", packet[_RECORD_COUNTS]))
    if DNS_RECORDS < records <= len(packet) // _RECORD_BYTES:
        if _asks_other(query, packet):
            return None
        raise DnsFailureError(Reason.TOO_MUCH, f"an answer of {records} records; {DNS_RECORDS} are read at most")
    try:
        response = dns.message.from_wire(packet, ignore_trailing=True)
    except Exception as failure:
        # The id is right, so it is the answer; dnspython raises more than DNSException on garbage.
        raise DnsFailureError(Reason.MALFORMED_ANSWER, _words(failure)) from failure
    return response if query.is_response(response) else None


def _asks_other(query: dns.message.Message, packet: bytes) -> bool:
    """Whether the packet's question is another, seen without reading its records."""
    asked = query.to_wire()[_HEADER_BYTES:]
    end = asked.index(0) + 1 + _TYPE_AND_CLASS_BYTES
    return packet[_HEADER_BYTES:][:end].lower() != asked[:end].lower()


async def _ask_tcp(query: dns.message.Message, server: Server) -> dns.message.Message:
    """The same question over TCP (RFC 7766)."""
    sock = socket.socket(server.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    stream = Stream(sock)
    try:
        await asyncio.get_running_loop().sock_connect(sock, (server.address, server.port))
        wire = query.to_wire()
        await stream.send(struct.pack(">H", len(wire)) + wire)
        data = b""
        while len(data) < 2 or len(data) < 2 + int.from_bytes(data[:2], "big"):  # noqa: PLR2004 length prefix
            data += await stream.receive_some()
    except OSError as failure:
        reason = Reason.REFUSED if failure.errno == errno.ECONNREFUSED else Reason.SOCKET_ERROR
        raise DnsFailureError(reason, words_of(failure)) from failure
    except BrokenStreamError as failure:
        reason = failure.reason if failure.reason is Reason.TIMED_OUT else Reason.SOCKET_ERROR
        raise DnsFailureError(reason, failure.detail) from failure
    finally:
        stream.close()
    response = _match(query, data[2 : 2 + int.from_bytes(data[:2], "big")])
    if response is None or response.flags & dns.flags.TC:
        raise DnsFailureError(Reason.MALFORMED_ANSWER, "the TCP answer is to another question, or cut short")
    return response


def _words(failure: BaseException) -> str:
    return f"{type(failure).__name__}: {failure}" if str(failure) else type(failure).__name__
