"""DNS messages about one question, as bytes: what is asked, and what an answer says.

dnspython writes and reads them. An answer in the one form that nearly all have, a few addresses of the very name that
was asked for and nothing else, is read from its bytes without making dnspython's objects of it, which take twenty times
as long; everything that is otherwise in any way is left to dnspython. Nothing here sends anything.
"""

from __future__ import annotations

import socket
import struct
from functools import cache, lru_cache
from typing import Final

import dns.entropy
import dns.exception
import dns.flags
import dns.ipv4
import dns.ipv6
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import msgspec

from brokerproof.probes.outcome import Reason
from brokerproof.probes.outcome.bounds import DNS_RECORDS, NAME_ADDRESSES

UDP_PAYLOAD_BYTES: Final = 1232
"""EDNS0 payload that avoids fragmentation (DNS flag day 2020)."""
KEPT_NAMES: Final = 256
"""Names whose bytes are kept: each is asked for twice, and some more often."""

_ID: Final = slice(0, 2)
_HEADER: Final = struct.Struct(">HHHHHH")
"""Id, flags, and how many questions, answers, authorities and additional records (RFC 1035, 4.1.1)."""
_RECORD_COUNTS: Final = slice(6, 12)
_TYPE_AND_CLASS_BYTES: Final = 4
_RECORD_BYTES: Final = 11
"""The least that a record has: a name, type, class, TTL and length."""
_OPT_BYTES: Final = 11
"""Of an OPT record without options (RFC 6891, 6.1.2)."""
_CONCLUSIVE: Final = frozenset({dns.rcode.NOERROR, dns.rcode.NXDOMAIN})

_TOLD: Final = 0xFA0F
"""Of the flags: QR, the opcode, TC and the rcode; a plain answer has QR alone."""
_ANSWERS: Final = int(dns.flags.QR)
_AS_ASKED: Final = b"\xc0\x0c"
"""The name that stands first behind the header, which is the question's (RFC 1035, 4.1.4)."""
_RECORD: Final = struct.Struct(">IH")
"""What follows name, type and class: the TTL, and the length of the address."""
_MOST_TTL_S: Final = 0x7FFFFFFF
"""More is none (RFC 2181, 8)."""
_OPT_AT_ROOT: Final = b"\x00\x00\x29"
_FORMS: Final = {
    dns.rdatatype.A: (_AS_ASKED + b"\x00\x01\x00\x01", 4, dns.ipv4.inet_ntoa),
    dns.rdatatype.AAAA: (_AS_ASKED + b"\x00\x1c\x00\x01", 16, dns.ipv6.inet_ntoa),
}
"""How an address record of the name asked for begins, how many bytes the address has, and its text."""


class DnsFailureError(Exception):
    """No usable answer; ``reason`` is one the stage ``resolve`` may give.

    ``over_tcp`` is why the whole of a truncated answer could not be had; None where none was truncated.
    """

    def __init__(self, reason: Reason, detail: str, over_tcp: Reason | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.over_tcp = over_tcp


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


class CutShort(msgspec.Struct, frozen=True):
    """An answer with the TC bit: the whole of it is to be had over TCP."""


class Question(msgspec.Struct, frozen=True):
    """One question to one server, with an id of its own."""

    wire: bytes
    asked: bytes
    """Its name, type and class, as they stand behind the header."""
    rdtype: dns.rdatatype.RdataType

    @property
    def message(self) -> dns.message.Message:
        """As dnspython has it."""
        return dns.message.from_wire(self.wire)


def question(name: str, rdtype: dns.rdatatype.RdataType) -> Question:
    """Ask for records of one type of an absolute name.

    Raises:
        dns.exception.DNSException: ``name`` cannot be written as a DNS name.
    """
    header, type_and_class, additional = _around_the_name(rdtype)
    asked = _name(name) + type_and_class
    identity = int(dns.entropy.random_16()).to_bytes(2, "big")
    return Question(identity + header + asked + additional, asked, rdtype)


@cache
def _around_the_name(rdtype: dns.rdatatype.RdataType) -> tuple[bytes, bytes, bytes]:
    """Of every question of a type: the header without the id, type and class, and EDNS."""
    wire = dns.message.make_query(dns.name.root, rdtype, use_edns=0, payload=UDP_PAYLOAD_BYTES).to_wire()
    named = _HEADER.size + len(_name("."))
    return (
        wire[_ID.stop : _HEADER.size],
        wire[named : named + _TYPE_AND_CLASS_BYTES],
        wire[named + _TYPE_AND_CLASS_BYTES :],
    )


@lru_cache(KEPT_NAMES)
def _name(name: str) -> bytes:
    return dns.name.from_text(name, origin=dns.name.root).to_wire() or b""  # None only where it is given a file


def read(asked: Question, packet: bytes, *, over_tcp: bool = False) -> Answer | CutShort | None:
    """What the packet answers to ``asked``; None where it is to be ignored, since it answers something else.

    Raises:
        DnsFailureError: it is the answer, and cannot be used.
    """
    plain = _plain(asked, packet, over_tcp=over_tcp)
    if plain is not None:
        return plain
    response = _match(asked, packet)
    if response is None:
        return None
    if response.flags & dns.flags.TC:
        return CutShort()
    return _answer(response, truncated=over_tcp)


def _plain(asked: Question, packet: bytes, *, over_tcp: bool) -> Answer | None:
    """The answer, where it is addresses of the name asked for and nothing else; None where that takes a closer look."""
    form = _FORMS.get(asked.rdtype)
    first = _HEADER.size + len(asked.asked)
    if form is None or packet[_ID] != asked.wire[_ID] or packet[_HEADER.size : first] != asked.asked:
        return None
    beginning, size, text = form
    _, flags, questions, answers, authorities, additional = _HEADER.unpack_from(packet)
    if flags & _TOLD != _ANSWERS or questions != 1 or authorities or answers > NAME_ADDRESSES:
        return None
    record_bytes = len(beginning) + _RECORD.size + size
    end = first + answers * record_bytes
    if packet[end:] and not (additional == 1 and _is_bare_opt(packet[end:])):
        return None
    if len(packet) != end + additional * _OPT_BYTES:
        return None
    found: set[bytes] = set()
    ttl_s = _MOST_TTL_S
    for at in range(first, end, record_bytes):
        fields_at = at + len(beginning)
        of_one_s, length = _RECORD.unpack_from(packet, fields_at)
        if packet[at:fields_at] != beginning or length != size:
            return None
        ttl_s = min(ttl_s, of_one_s if of_one_s <= _MOST_TTL_S else 0)
        found.add(packet[fields_at + _RECORD.size : at + record_bytes])
    return Answer(
        rcode="NOERROR",
        addresses=tuple(text(address) for address in sorted(found)),
        ttl_s=ttl_s if found else None,
        cname_chain=(),
        soa="",
        truncated=over_tcp,
        answer_bytes=end,
    )


def _is_bare_opt(record: bytes) -> bool:
    """Whether this is EDNS without options, and without a part of the rcode (RFC 6891, 6.1.3)."""
    return len(record) == _OPT_BYTES and record.startswith(_OPT_AT_ROOT) and record[5] == 0 and record[9:] == b"\0\0"


def _answer(response: dns.message.Message, *, truncated: bool) -> Answer:
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


def _match(asked: Question, packet: bytes) -> dns.message.Message | None:
    """The packet as a message where it answers the question; None where it is to be ignored."""
    if len(packet) < _HEADER.size or packet[_ID] != asked.wire[_ID]:
        return None
    # Counted before they are read: reading thousands takes longer than any deadline here.
    records = sum(struct.unpack(">3H", packet[_RECORD_COUNTS]))
    if DNS_RECORDS < records <= len(packet) // _RECORD_BYTES:
        if packet[_HEADER.size : _HEADER.size + len(asked.asked)].lower() != asked.asked.lower():
            return None
        raise DnsFailureError(Reason.TOO_MUCH, f"an answer of {records} records; {DNS_RECORDS} are read at most")
    try:
        response = dns.message.from_wire(packet, ignore_trailing=True)
    except Exception as failure:
        # The id is right, so it is the answer; dnspython raises more than DNSException on garbage.
        raise DnsFailureError(Reason.MALFORMED_ANSWER, _words(failure)) from failure
    return response if asked.message.is_response(response) else None


def _words(failure: BaseException) -> str:
    return f"{type(failure).__name__}: {failure}" if str(failure) else type(failure).__name__
