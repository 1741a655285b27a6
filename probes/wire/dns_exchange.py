"""One DNS question to one server, over UDP and, where the answer is truncated, over TCP.

The exchange speaks to the resolver itself and not to the system's stub, so rcodes, TTLs and CNAMEs survive.
Nothing is retried, and names are not compared with anything here.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
import time
from collections.abc import Sequence
from typing import Final

import dns.exception
import dns.rdatatype
import msgspec

from brokerproof.probes.outcome import Reason
from brokerproof.probes.outcome.bounds import DNS_IGNORED_PACKETS
from brokerproof.probes.plan import MAX_PORT
from brokerproof.probes.wire.dns_message import Answer, CutShort, DnsFailureError, Question, question, read
from brokerproof.probes.wire.stream import BrokenStreamError, Stream, words_of

DNS_PORT: Final = 53
_PACKET_BYTES: Final = 65535


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


class Said(msgspec.Struct, frozen=True):
    """What became of one question."""

    answer: Answer | DnsFailureError | dns.exception.DNSException
    """The last where the name cannot be asked for anywhere: it is no DNS name."""
    duration_ns: int
    """Until the answer, or until there was to be none."""


async def ask(
    name: str, rdtypes: Sequence[dns.rdatatype.RdataType], server: Server, *, limit_ms: int
) -> tuple[Said, ...]:
    """Ask once for each type of records, all at the same time, and wait for every answer within ``limit_ms``."""
    try:
        questions = [question(name, rdtype) for rdtype in rdtypes]
    except dns.exception.DNSException as failure:
        return tuple(Said(failure, 0) for _ in rdtypes)
    under_way: list[_Exchange] = []
    deadline = asyncio.get_running_loop().call_later(limit_ms / 1000, _end_all, under_way, limit_ms)
    try:
        for asked in questions:
            under_way.append(_Exchange(asked, server))  # noqa: PERF401  what is begun is closed
        return tuple([await each.said for each in under_way])
    finally:
        deadline.cancel()
        for each in under_way:
            each.close()


async def tcp_failure(name: str, rdtype: dns.rdatatype.RdataType, server: Server, *, limit_ms: int) -> Reason | None:
    """Why ``server`` does not answer the question over TCP, asked once; None where it does."""
    try:
        async with asyncio.timeout(limit_ms / 1000):
            await _ask_tcp(question(name, rdtype), server)
    except TimeoutError:
        return Reason.TIMED_OUT
    except DnsFailureError as failure:
        return failure.reason
    return None


def _end_all(under_way: Sequence[_Exchange], limit_ms: int) -> None:
    for each in under_way:
        each.end_of_time(limit_ms)


class _Exchange:
    """One question under way: sent when this is made.

    It is made of callbacks, since a task and a deadline for each of thousands of questions cost more than these do.
    A packet a turn of the event loop is read, so that no server that floods keeps it from its deadlines.
    """

    def __init__(self, asked: Question, server: Server) -> None:
        self._loop = asyncio.get_running_loop()
        self._asked = asked
        self._server = server
        self._ignored = 0
        self._over_tcp: asyncio.Task[None] | None = None
        self.said: asyncio.Future[Said] = self._loop.create_future()
        self._sock = socket.socket(server.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._begun_ns = time.monotonic_ns()
        try:
            # A connected socket hears only this server, and its ICMP errors.
            self._sock.connect((server.address, server.port))
            self._sock.send(asked.wire)
        except OSError as failure:
            self._end(_unsent(failure))
        else:
            # By its number: asyncio puts what it is given into words, and a socket is asked for its names then.
            self._loop.add_reader(self._sock.fileno(), self._take)

    def close(self) -> None:
        """Wait for nothing any more."""
        self._stop_listening()
        if self._over_tcp is not None:
            self._over_tcp.cancel()

    def end_of_time(self, limit_ms: int) -> None:
        """Say what there was within ``limit_ms``, where there was no answer."""
        if self.said.done():
            return
        silence = f"no answer within {limit_ms} ms"
        if self._over_tcp is not None:
            self._end(_cut_short(Reason.TIMED_OUT, silence))
        elif self._ignored:
            words = f"{self._ignored} packets within {limit_ms} ms, none of them answers the question"
            self._end(DnsFailureError(Reason.MALFORMED_ANSWER, words))
        else:
            self._end(DnsFailureError(Reason.TIMED_OUT, silence))

    def _stop_listening(self) -> None:
        number = self._sock.fileno()
        if number >= 0:
            self._loop.remove_reader(number)
            self._sock.close()

    def _end(self, answer: Answer | DnsFailureError) -> None:
        if not self.said.done():
            self.said.set_result(Said(answer, time.monotonic_ns() - self._begun_ns))
        self.close()

    def _take(self) -> None:
        """Read a packet."""
        try:
            said = read(self._asked, self._sock.recv(_PACKET_BYTES))
        except BlockingIOError:
            return  # it was there, and its checksum was wrong
        except OSError as failure:
            self._end(_unsent(failure))
            return
        except DnsFailureError as failure:
            self._end(failure)
            return
        match said:
            case Answer():
                self._end(said)
            case CutShort():
                self._stop_listening()
                self._over_tcp = self._loop.create_task(self._have_the_whole())
            case None:
                self._ignored += 1
                if self._ignored >= DNS_IGNORED_PACKETS:
                    words = f"{self._ignored} packets, none of them answers the question"
                    self._end(DnsFailureError(Reason.TOO_MUCH, words))

    async def _have_the_whole(self) -> None:
        """The answer that UDP cut short."""
        try:
            self._end(await _ask_tcp(self._asked, self._server))
        except DnsFailureError as failure:
            malformed = failure.reason is Reason.MALFORMED_ANSWER
            self._end(failure if malformed else _cut_short(failure.reason, failure.detail))
        except Exception as defect:  # noqa: BLE001  it is raised where the answer is waited for
            if not self.said.done():
                self.said.set_exception(defect)


def _unsent(failure: OSError) -> DnsFailureError:
    reason = Reason.REFUSED if failure.errno == errno.ECONNREFUSED else Reason.SOCKET_ERROR
    return DnsFailureError(reason, words_of(failure))


def _cut_short(over_tcp: Reason, detail: str) -> DnsFailureError:
    words = f"the answer over UDP is cut short (TC), and over TCP there is none: {detail}"
    return DnsFailureError(Reason.TRUNCATED, words, over_tcp)


async def _ask_tcp(asked: Question, server: Server) -> Answer:
    """The same question over TCP (RFC 7766).

    Raises:
        DnsFailureError: no answer, or one that cannot be read.
    """
    sock = socket.socket(server.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    stream = Stream(sock)
    try:
        await asyncio.get_running_loop().sock_connect(sock, (server.address, server.port))
        await stream.send(struct.pack(">H", len(asked.wire)) + asked.wire)
        data = b""
        while len(data) < 2 or len(data) < 2 + int.from_bytes(data[:2], "big"):  # noqa: PLR2004 length prefix
            data += await stream.receive_some()
    except OSError as failure:
        raise _unsent(failure) from failure
    except BrokenStreamError as failure:
        reason = failure.reason if failure.reason is Reason.TIMED_OUT else Reason.SOCKET_ERROR
        raise DnsFailureError(reason, failure.detail) from failure
    finally:
        stream.close()
    answer = read(asked, data[2 : 2 + int.from_bytes(data[:2], "big")], over_tcp=True)
    if not isinstance(answer, Answer):
        raise DnsFailureError(Reason.MALFORMED_ANSWER, "the TCP answer is to another question, or cut short")
    return answer
