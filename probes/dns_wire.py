"""DNS messages as bytes (RFC 1035, RFC 6891): one question out, one answer in.

Only what a stub resolver needs: A and AAAA questions; A, AAAA, CNAME and SOA records. Nothing here
does I/O. dnspython would do the same, and takes longer to import than the resolver to answer; the
tests hold this module against it.
"""

from __future__ import annotations

import socket
import struct
from enum import IntEnum
from typing import Final

import msgspec

HEADER_BYTES: Final = 12
UDP_PAYLOAD_BYTES: Final = 1232
"""EDNS0 payload that avoids fragmentation (DNS flag day 2020)."""
MAX_CNAMES: Final = 16

_IN: Final = 1
_RESPONSE: Final = 0x8000
_OPCODE: Final = 0x7800
_TRUNCATED: Final = 0x0200
_RECURSION_DESIRED: Final = 0x0100
_RCODE: Final = 0x000F
_MAX_LABEL: Final = 63
_MAX_NAME: Final = 255
_POINTER: Final = 0xC0
_PRINTABLE: Final = range(0x21, 0x7F)
_SOA_TAIL: Final = struct.Struct(">IIIII")

_RCODES: Final = {
    0: "NOERROR",
    1: "FORMERR",
    2: "SERVFAIL",
    3: "NXDOMAIN",
    4: "NOTIMP",
    5: "REFUSED",
    6: "YXDOMAIN",
    7: "YXRRSET",
    8: "NXRRSET",
    9: "NOTAUTH",
    10: "NOTZONE",
    16: "BADVERS",
    23: "BADCOOKIE",
}


class RecordType(IntEnum):
    """The types this module reads."""

    A = 1
    CNAME = 5
    SOA = 6
    AAAA = 28
    OPT = 41


class BadNameError(ValueError):
    """The name cannot be written as a DNS name."""


class BadMessageError(ValueError):
    """The bytes are no DNS message."""


class Record(msgspec.Struct, frozen=True):
    """A resource record. ``data`` is an address, a CNAME's target, or an SOA's negative TTL in seconds."""

    name: str
    rdtype: int
    ttl_s: int
    data: str


class Response(msgspec.Struct, frozen=True):
    """What came back. Names are lower case, absolute, with a final dot."""

    rcode: str
    truncated: bool
    answers: tuple[Record, ...]
    authority: tuple[Record, ...]


class Chain(msgspec.Struct, frozen=True):
    """Where a name leads: its aliases in order, and the addresses at their end."""

    aliases: tuple[str, ...]
    addresses: tuple[str, ...]
    ttl_s: int | None
    """The lowest of all records on the way; for a negative answer the SOA's (RFC 2308)."""


def encode_name(name: str) -> bytes:
    """``name`` in wire form; a final dot makes no difference.

    Raises:
        BadNameError: an empty or overlong label, an overlong name, or what IDNA cannot express.
    """
    wire = b""
    for label in name.removesuffix(".").split("."):
        try:
            # A name beyond ASCII is rare, and the codec slow to load: ask for it only then.
            octets = label.encode("ascii") if label.isascii() else label.encode("idna")
        except UnicodeError as failure:
            raise BadNameError(f"label {label!r}: {failure}") from failure
        if not 1 <= len(octets) <= _MAX_LABEL:
            raise BadNameError(f"label {label!r} has {len(octets)} bytes, not 1..{_MAX_LABEL}")
        wire += bytes([len(octets)]) + octets
    if len(wire) + 1 > _MAX_NAME:
        raise BadNameError(f"{len(wire) + 1} bytes, at most {_MAX_NAME}")
    return wire + b"\0"


def encode_query(name: str, rdtype: RecordType, message_id: int) -> bytes:
    """A recursive question with EDNS0.

    Raises:
        BadNameError: as :func:`encode_name`.
    """
    header = struct.pack(">HHHHHH", message_id, _RECURSION_DESIRED, 1, 0, 0, 1)
    question = encode_name(name) + struct.pack(">HH", rdtype, _IN)
    edns = b"\0" + struct.pack(">HHIH", RecordType.OPT, UDP_PAYLOAD_BYTES, 0, 0)
    return header + question + edns


def decode_response(wire: bytes, query: bytes) -> Response | None:
    """Read ``wire`` as the answer to ``query``.

    Returns:
        None where it belongs to another question: another id, no response, another name or type.
        An answer that refuses may leave the question out.

    Raises:
        BadMessageError: the id is right, and the rest cannot be read.
    """
    if len(wire) < HEADER_BYTES or wire[:2] != query[:2]:
        return None
    _, flags, *counts = struct.unpack(">HHHHHH", wire[:HEADER_BYTES])
    if not flags & _RESPONSE or flags & _OPCODE:
        return None
    reader = _Reader(wire)
    questions = [reader.question() for _ in range(counts[0])]
    conclusive = flags & _RCODE in {0, 3}
    if questions != [_Reader(query).question()] and (questions or conclusive):
        return None
    if flags & _TRUNCATED:
        # What is there may end anywhere, and is to be asked for again anyway.
        return Response(rcode=_RCODES.get(flags & _RCODE, ""), truncated=True, answers=(), authority=())
    answers = reader.records(counts[1])
    authority = reader.records(counts[2])
    extended = [record for record in reader.records(counts[3]) if record.rdtype == RecordType.OPT]
    # The OPT record's TTL field holds the upper bits of the rcode (RFC 6891, 6.1.3).
    rcode = flags & _RCODE | (extended[0].ttl_s >> 24 << 4 if extended else 0)
    return Response(
        rcode=_RCODES.get(rcode, f"RCODE{rcode}"),
        truncated=False,
        answers=answers,
        authority=authority,
    )


def follow(response: Response, name: str, rdtype: RecordType) -> Chain:
    """Follow the aliases of ``name`` to its addresses.

    Raises:
        BadMessageError: the aliases go round in circles.
    """
    at = _Reader(encode_name(name), 0).name()
    aliases: list[str] = []
    ttls: list[int] = []
    while True:
        here = [record for record in response.answers if record.name == at]
        found = [record for record in here if record.rdtype == rdtype]
        alias = next((record for record in here if record.rdtype == RecordType.CNAME), None)
        if found or alias is None:
            break
        if len(aliases) == MAX_CNAMES:
            raise BadMessageError(f"more than {MAX_CNAMES} CNAMEs")
        aliases.append(alias.data)
        ttls.append(alias.ttl_s)
        at = alias.data
    ttls += [record.ttl_s for record in found]
    if not found:
        # How long "there is none" may be remembered (RFC 2308, 5).
        negative = (each for each in response.authority if each.rdtype == RecordType.SOA)
        ttls += [min(record.ttl_s, int(record.data)) for record in negative]
    addresses = sorted({record.data for record in found}, key=_packed)
    return Chain(tuple(aliases), tuple(addresses), min(ttls, default=None))


def _packed(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


class _Reader:
    """Reads a message from its first section on."""

    def __init__(self, wire: bytes, at: int = HEADER_BYTES) -> None:
        self._wire = wire
        self._at = at

    def question(self) -> tuple[str, bytes]:
        """Name, and type with class."""
        return self.name(), self._take(4)

    def records(self, count: int) -> tuple[Record, ...]:
        """The next section; records of other types than this module's come without their data."""
        return tuple(self._record() for _ in range(count))

    def name(self) -> str:
        """The name here, its pointers followed (RFC 1035, 4.1.4)."""
        text, self._at = self._name(self._at)
        return text

    def _name(self, at: int) -> tuple[str, int]:
        labels: list[str] = []
        after = 0
        length = 1
        lowest = at
        while size := self._byte(at):
            if size & _POINTER == _POINTER:
                after = after or at + 2
                at = (size & ~_POINTER) << 8 | self._byte(at + 1)
                # Pointers lead backwards only, so that they cannot lead round in circles.
                if at >= lowest:
                    raise BadMessageError("a compression pointer leads forwards")
                lowest = at
                continue
            label = self._wire[at + 1 : at + 1 + size]
            length += size + 1
            if size > _MAX_LABEL or len(label) < size or length > _MAX_NAME:
                raise BadMessageError("a label or name is too long")
            labels.append("".join(map(_text, label)).lower())
            at += size + 1
        return "".join(f"{label}." for label in labels) or ".", after or at + 1

    def _record(self) -> Record:
        name = self.name()
        rdtype, rdclass, ttl, size = struct.unpack(">HHIH", self._take(10))
        end = self._at + size
        if end > len(self._wire):
            raise BadMessageError("a record ends beyond the message")
        data = self._data(rdtype, size) if rdclass == _IN else ""
        if data and self._at != end:
            raise BadMessageError("a record is not as long as it says")
        self._at = end
        # A TTL with its first bit set counts as none (RFC 2181, 8); OPT keeps its bits.
        return Record(name, rdtype, 0 if ttl >> 31 and rdtype != RecordType.OPT else ttl, data)

    def _data(self, rdtype: int, size: int) -> str:
        match rdtype:
            case RecordType.A | RecordType.AAAA:
                family, expected = (socket.AF_INET, 4) if rdtype == RecordType.A else (socket.AF_INET6, 16)
                if size != expected:
                    raise BadMessageError(f"an address of {size} bytes")
                return socket.inet_ntop(family, self._take(size))
            case RecordType.CNAME:
                return self.name()
            case RecordType.SOA:
                self.name()
                self.name()
                return str(_SOA_TAIL.unpack(self._take(_SOA_TAIL.size))[-1])
            case _:
                return ""

    def _byte(self, at: int) -> int:
        if at >= len(self._wire):
            raise BadMessageError("a name ends beyond the message")
        return self._wire[at]

    def _take(self, count: int) -> bytes:
        taken = self._wire[self._at : self._at + count]
        if len(taken) < count:
            raise BadMessageError("the message ends too early")
        self._at += count
        return taken


def _text(byte: int) -> str:
    """One byte of a label in presentation form (RFC 4343, 2.1)."""
    if byte not in _PRINTABLE:
        return f"\\{byte:03d}"
    character = chr(byte)
    return f"\\{character}" if character in '.\\"();@$' else character
