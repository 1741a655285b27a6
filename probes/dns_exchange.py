"""One DNS question to one server, over UDP and, where the answer is truncated, over TCP.

Speaks to the resolver itself, without the system's stub: rcodes, TTLs and CNAMEs survive, and
nothing is retried. Names are not compared with anything here.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
from pathlib import Path
from typing import Final

import msgspec

from probes.dns_wire import (
    BadMessageError,
    RecordType,
    Response,
    decode_response,
    encode_query,
    follow,
)
from probes.outcome import Reason
from probes.plan import MAX_PORT
from probes.stream import BrokenStreamError, Stream, words_of

DNS_PORT: Final = 53
_ID_BYTES: Final = 2
_LENGTH_BYTES: Final = 2


class DnsFailureError(Exception):
    """No usable answer; ``reason`` is one the stage ``resolve`` may give."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


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
        address, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif text.count(":") == 1:
        address, port = text.split(":")
    if not is_address(address) or not port.isdecimal() or not 1 <= int(port) <= MAX_PORT:
        raise ValueError(f"resolver {text!r} is not an IP address, optionally with a port")
    return Server(address, int(port))


def configured_server(resolv_conf: Path = Path("/etc/resolv.conf")) -> Server | None:
    """The first nameserver the host is configured with (resolv.conf(5)); None where there is none."""
    try:
        lines = resolv_conf.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver" and is_address(words[1].partition("%")[0]):
            return Server(words[1])
    return None


async def ask(name: str, rdtype: RecordType, server: Server, *, limit_ms: int) -> Answer:
    """Ask once.

    Raises:
        DnsFailureError: within ``limit_ms`` no answer that belongs to the question, or one that
            cannot be read.
        BadNameError: ``name`` cannot be written as a DNS name.
    """
    query = encode_query(name, rdtype, int.from_bytes(os.urandom(_ID_BYTES), "big"))
    ignored: list[bytes] = []
    try:
        async with asyncio.timeout(limit_ms / 1000):
            response = await _ask_udp(query, server, ignored)
            truncated = response.truncated
            if truncated:
                response = await _ask_tcp(query, server)
    except TimeoutError as silence:
        if ignored:
            detail = f"{len(ignored)} packets within {limit_ms} ms, none of them answers the question"
            raise DnsFailureError(Reason.MALFORMED_ANSWER, detail) from silence
        raise DnsFailureError(Reason.TIMED_OUT, f"no answer within {limit_ms} ms") from silence
    try:
        chain = follow(response, name, rdtype)
    except BadMessageError as failure:
        raise DnsFailureError(Reason.MALFORMED_ANSWER, f"{response.rcode}: {failure}") from failure
    return Answer(
        rcode=response.rcode,
        addresses=chain.addresses,
        ttl_s=chain.ttl_s,
        cname_chain=chain.aliases,
        soa=next((record.name for record in response.authority if record.rdtype == RecordType.SOA), ""),
        truncated=truncated,
    )


async def _ask_udp(query: bytes, server: Server, ignored: list[bytes]) -> Response:
    loop = asyncio.get_running_loop()
    with socket.socket(server.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
        try:
            # A connected socket hears only this server, and its ICMP errors.
            await loop.sock_connect(sock, (server.address, server.port))
            await loop.sock_sendall(sock, query)
            while True:
                packet = await loop.sock_recv(sock, 65535)
                response = _match(query, packet)
                if response is not None:
                    return response
                ignored.append(packet[:_ID_BYTES])
        except OSError as failure:
            reason = Reason.REFUSED if failure.errno == errno.ECONNREFUSED else Reason.SOCKET_ERROR
            raise DnsFailureError(reason, words_of(failure)) from failure


def _match(query: bytes, packet: bytes) -> Response | None:
    """The packet where it answers ``query``; None where it is to be ignored."""
    try:
        return decode_response(packet, query)
    except BadMessageError as failure:
        # The id is right, so this is the answer.
        raise DnsFailureError(Reason.MALFORMED_ANSWER, str(failure)) from failure


async def _ask_tcp(query: bytes, server: Server) -> Response:
    """The same question over TCP (RFC 7766)."""
    sock = socket.socket(server.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    stream = Stream(sock)
    try:
        await asyncio.get_running_loop().sock_connect(sock, (server.address, server.port))
        await stream.send(struct.pack(">H", len(query)) + query)
        data = b""
        while len(data) < _LENGTH_BYTES or len(data) < _LENGTH_BYTES + _length(data):
            data += await stream.receive_some()
    except OSError as failure:
        reason = Reason.REFUSED if failure.errno == errno.ECONNREFUSED else Reason.SOCKET_ERROR
        raise DnsFailureError(reason, f"TCP after truncation: {words_of(failure)}") from failure
    except BrokenStreamError as failure:
        reason = failure.reason if failure.reason is Reason.TIMED_OUT else Reason.SOCKET_ERROR
        raise DnsFailureError(reason, f"TCP after truncation: {failure.detail}") from failure
    finally:
        stream.close()
    response = _match(query, data[_LENGTH_BYTES : _LENGTH_BYTES + _length(data)])
    if response is None or response.truncated:
        raise DnsFailureError(Reason.MALFORMED_ANSWER, "the TCP answer is to another question, or cut short")
    return response


def _length(data: bytes) -> int:
    return int.from_bytes(data[:_LENGTH_BYTES], "big")
