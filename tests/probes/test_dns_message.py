"""DNS messages: a question is dnspython's, and a plain answer is read as dnspython reads it, or is left to it."""

from __future__ import annotations

import struct
from typing import NamedTuple

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from brokerproof.probes.outcome import Reason
from brokerproof.probes.outcome.bounds import NAME_ADDRESSES
from brokerproof.probes.wire import dns_message
from brokerproof.probes.wire.dns_message import Answer, CutShort, DnsFailureError, Question, question, read

NAME = "b-1.demo.kafka.us-east-1.amazonaws.com"
A, AAAA = dns.rdatatype.A, dns.rdatatype.AAAA
ASKED = {A: question(NAME, A), AAAA: question(NAME, AAAA)}
NAMES = (f"{NAME}.", f"{NAME}.", f"{NAME.upper()}.", "other.example.")


@pytest.mark.parametrize("name", [NAME, f"{NAME}.", "kafka", "", "Zürich.example"])
@pytest.mark.parametrize("rdtype", [A, AAAA])
def test_a_question_is_what_dnspython_asks(name: str, rdtype: dns.rdatatype.RdataType) -> None:
    made = question(name, rdtype)
    absolute = dns.name.from_text(name, origin=dns.name.root)
    theirs = dns.message.make_query(absolute, rdtype, use_edns=0, payload=1232, id=made.message.id)
    assert made.wire == theirs.to_wire()
    assert made.message.question == theirs.question


def test_each_question_has_an_id_of_its_own() -> None:
    assert len({question(NAME, A).wire for _ in range(20)}) > 10


class Drawn(NamedTuple):
    """An answer, mostly of a few addresses, with something about it that is not as usual."""

    rdtype: dns.rdatatype.RdataType
    flags: int
    rcode: int
    edns: tuple[int, int] | None
    sections: list[tuple[str, str, int, list[str]]]
    """Answer twice, authority, additional: kind, name, TTL and values of a record set."""
    changed: list[tuple[int, int]]
    """Where another byte stands, and which."""
    behind: bytes

    @property
    def question(self) -> Question:
        return ASKED[self.rdtype]

    def packet(self) -> bytes:
        response = dns.message.make_response(self.question.message)
        response.flags |= self.flags
        response.set_rcode(dns.rcode.Rcode(self.rcode))
        if self.edns is not None:
            response.use_edns(self.edns[0], payload=self.edns[1])
        places = (response.answer, response.answer, response.authority, response.additional)
        for place, (kind, name, ttl_s, values) in zip(places, self.sections, strict=True):
            if kind:
                place.append(dns.rrset.from_text_list(name, ttl_s, "IN", kind, values))
        wire = bytearray(response.to_wire(max_size=65535))
        for at, value in self.changed:
            wire[2 + at % (len(wire) - 2)] = value
        return bytes(wire) + self.behind


VALUES = {
    "": st.just([]),
    "A": st.lists(st.ip_addresses(v=4).map(str), min_size=1, max_size=5),
    "AAAA": st.lists(st.ip_addresses(v=6).map(str), min_size=1, max_size=5),
    "CNAME": st.just(["other.example."]),
    "SOA": st.just(["ns. host. 1 2 3 4 5"]),
    "TXT": st.just(['"v"']),
}


def record_set(kind: str) -> st.SearchStrategy[tuple[str, str, int, list[str]]]:
    return st.tuples(st.just(kind), st.sampled_from(NAMES), st.integers(0, 0xFFFFFFFF), VALUES[kind])


NO_SET = st.just(("", "", 0, list[str]()))
SETS = st.one_of(*map(record_set, ("", "", "A", "AAAA", *VALUES)))
DRAWN = st.builds(
    Drawn,
    st.sampled_from((A, AAAA)),
    st.sampled_from([0, 0, dns.flags.AA, dns.flags.TC, dns.flags.AD]).map(int),
    st.sampled_from([0, 0, 0, dns.rcode.SERVFAIL, dns.rcode.BADVERS]).map(int),
    st.none() | st.tuples(st.sampled_from([0, 1]), st.integers(0, 65535)),
    st.tuples(SETS | record_set("A") | record_set("AAAA"), *[NO_SET | NO_SET | SETS] * 3).map(list),
    st.just([]) | st.just([]) | st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=3),
    st.sampled_from([b"", b"", b"\0", bytes(11)]),
)


@given(DRAWN, st.booleans())
def test_a_plain_answer_is_read_as_dnspython_reads_it(drawn: Drawn, over_tcp: bool) -> None:
    asked, packet = drawn.question, drawn.packet()
    plain = dns_message._plain(asked, packet, over_tcp=over_tcp)
    event("plain" if plain is not None else "left to dnspython")
    if plain is not None:
        response = dns_message._match(asked, packet)
        assert response is not None
        assert not response.flags & dns.flags.TC
        assert plain == dns_message._answer(response, truncated=over_tcp)


def _answered(asked: Question, *addresses: str, ttl_s: int = 60) -> bytes:
    response = dns.message.make_response(asked.message)
    response.answer.append(dns.rrset.from_text_list(f"{NAME}.", ttl_s, "IN", asked.rdtype, addresses))
    return response.to_wire()


@pytest.mark.parametrize("addresses", [("10.0.0.10", "10.0.0.2", "10.0.0.10"), ("fd00::1", "::ffff:1.2.3.4", "::")])
def test_what_most_names_have_is_plain(addresses: tuple[str, ...]) -> None:
    asked = ASKED[AAAA if ":" in addresses[0] else A]
    packet = _answered(asked, *addresses)
    response = dns_message._match(asked, packet)
    assert response is not None
    assert dns_message._plain(asked, packet, over_tcp=False) == dns_message._answer(response, truncated=False)
    nothing = dns.message.make_response(asked.message).to_wire()
    assert dns_message._plain(asked, nothing, over_tcp=False) == Answer("NOERROR", (), None, (), "", False, 56)


def test_a_ttl_beyond_all_is_none() -> None:
    """RFC 2181, 8; and the lowest counts where one answer has several."""
    asked = ASKED[A]
    packet = bytearray(_answered(asked, "10.0.0.2", "10.0.0.10"))
    at = packet.index(struct.pack(">I", 60))
    for ttl_s, counts in ((5, 5), (0x80000000, 0)):
        packet[at : at + 4] = struct.pack(">I", ttl_s)
        found = dns_message._plain(asked, bytes(packet), over_tcp=False)
        assert found is not None
        assert found.ttl_s == counts


def test_a_refusal_of_which_edns_has_a_part_is_not_plain() -> None:
    """RFC 6891, 6.1.3: the rcode's upper bits are in the OPT record, and the header alone says that all is well."""
    asked = ASKED[A]
    response = dns.message.make_response(asked.message)
    response.use_edns(0)
    response.set_rcode(dns.rcode.BADVERS)
    said = read(asked, response.to_wire())
    assert isinstance(said, Answer)
    assert said.rcode == "BADVERS"


def test_an_answer_cut_short_is_told_and_what_answers_another_question_is_not() -> None:
    asked = ASKED[A]
    packet = bytearray(_answered(asked, "10.0.0.2"))
    packet[2] |= 0x02
    assert read(asked, bytes(packet)) == CutShort()
    assert read(ASKED[AAAA], ASKED[AAAA].wire[:2] + bytes(packet[2:])) is None
    assert read(asked, b"\0\0" + bytes(packet[2:])) is None or asked.wire[:2] == b"\0\0"


def test_more_addresses_than_any_name_has_are_refused() -> None:
    asked = ASKED[A]
    with pytest.raises(DnsFailureError) as refusal:
        read(asked, _answered(asked, *(f"10.0.0.{each}" for each in range(NAME_ADDRESSES + 1))))
    assert refusal.value.reason is Reason.TOO_MUCH
