"""The probe's own reading of DNS messages, held against dnspython's."""

from __future__ import annotations

import ipaddress
import struct
from contextlib import suppress

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.dns_wire import (
    UDP_PAYLOAD_BYTES,
    BadMessageError,
    BadNameError,
    RecordType,
    Response,
    decode_response,
    encode_name,
    encode_query,
    follow,
)

LABEL = st.text("abcdefghijklmnopqrstuvwxyzABC0123456789-_", min_size=1, max_size=20)
NAME = st.lists(LABEL, min_size=1, max_size=5).map(".".join)
TTL = st.integers(0, 2**31 - 1)
QUERY = encode_query("b-1.example", RecordType.A, 77)
QUESTION = encode_name("b-1.example") + struct.pack(">HH", 1, 1)


@given(NAME, st.sampled_from([RecordType.A, RecordType.AAAA]), st.integers(0, 0xFFFF))
def test_a_query_is_what_dnspython_reads(name: str, rdtype: RecordType, message_id: int) -> None:
    query = dns.message.from_wire(encode_query(name, rdtype, message_id))
    assert query.id == message_id
    assert query.question[0].name == dns.name.from_text(name)
    assert int(query.question[0].rdtype) == int(rdtype)
    assert query.flags == dns.flags.RD
    assert (query.edns, query.payload) == (0, UDP_PAYLOAD_BYTES)


RRSET = st.one_of(
    st.builds(lambda n, t, a: (n, t, "A", str(a)), NAME, TTL, st.ip_addresses(v=4)),
    st.builds(lambda n, t, a: (n, t, "AAAA", str(a)), NAME, TTL, st.ip_addresses(v=6)),
    st.builds(lambda n, t, a: (n, t, "CNAME", f"{a}."), NAME, TTL, NAME),
    st.builds(lambda n, t, a: (n, t, "SOA", f"ns.{a}. host.{a}. 1 2 3 4 5"), NAME, TTL, NAME),
    st.builds(lambda n, t, a: (n, t, "TXT", f'"{a}"'), NAME, TTL, NAME),
)


@given(
    st.lists(RRSET, max_size=6),
    st.lists(RRSET, max_size=3),
    st.sampled_from([0, 2, 3, 5, 16, 23]),
    st.booleans(),
)
def test_an_answer_is_what_dnspython_wrote(
    answers: list[tuple[str, int, str, str]],
    authority: list[tuple[str, int, str, str]],
    rcode: int,
    with_edns: bool,
) -> None:
    response = dns.message.make_response(dns.message.from_wire(QUERY))
    if not with_edns:
        response.use_edns(False)
        rcode &= 0xF
    response.set_rcode(dns.rcode.Rcode(rcode))
    for section, lines in ((response.answer, answers), (response.authority, authority)):
        for name, ttl, rdtype, data in lines:
            section.append(dns.rrset.from_text(f"{name}.", ttl, "IN", rdtype, data))
    read = decode_response(response.to_wire(), QUERY)
    assert isinstance(read, Response)
    assert read.rcode == dns.rcode.to_text(dns.rcode.Rcode(rcode))
    for records, lines in ((read.answers, answers), (read.authority, authority)):
        assert [(record.name, record.ttl_s) for record in records] == [
            (f"{name.lower()}.", ttl) for name, ttl, _, _ in lines
        ]
        for record, (_, _, rdtype, data) in zip(records, lines, strict=True):
            wanted = {"CNAME": data.lower(), "SOA": "5", "TXT": ""}.get(rdtype, data)
            if rdtype in {"A", "AAAA"}:
                # One IPv6 address has several spellings.
                assert ipaddress.ip_address(record.data) == ipaddress.ip_address(data)
            else:
                assert record.data == wanted


@given(st.binary(max_size=80), st.integers(0, 3), st.integers(0, 5))
def test_any_bytes_end_in_an_answer_or_in_words(tail: bytes, answers: int, authority: int) -> None:
    header = QUERY[:2] + struct.pack(">HHHHH", 0x8180, 1, answers, authority, 0)
    with suppress(BadMessageError):
        decode_response(header + QUESTION + tail, QUERY)


@given(st.binary(max_size=100))
def test_noise_is_somebody_elses_or_bad(noise: bytes) -> None:
    for wire in (noise, QUERY[:2] + noise):
        try:
            response = decode_response(wire, QUERY)
        except BadMessageError:
            continue
        assert response is None or isinstance(response, Response)


def answer_of(*sections: bytes, counts: tuple[int, int, int, int] = (1, 1, 0, 0)) -> bytes:
    return QUERY[:2] + struct.pack(">H4H", 0x8180, *counts) + QUESTION + b"".join(sections)


FIRST_NAME = b"\xc0\x0c"
ADDRESS = struct.pack(">HHIH", 1, 1, 60, 4) + bytes([10, 0, 0, 1])


@pytest.mark.parametrize(
    "record",
    [
        b"\xc0\xff" + ADDRESS,
        b"\xc0\x1d" + ADDRESS,
        b"\x01a\xc0\x1d" + ADDRESS,
        b"\x40" + b"a" * 64 + b"\0" + ADDRESS,
        (b"\x3f" + b"a" * 63) * 4 + b"\0" + ADDRESS,
        FIRST_NAME + struct.pack(">HHIH", 1, 1, 60, 5) + bytes(5),
        FIRST_NAME + struct.pack(">HHIH", 1, 1, 60, 4) + bytes(3),
        FIRST_NAME + struct.pack(">HHIH", 16, 1, 60, 9) + bytes(8),
        FIRST_NAME + struct.pack(">HHIH", 5, 1, 60, 3) + b"\x00ab",
        FIRST_NAME[:1],
        b"",
    ],
    ids=[
        "pointer beyond",
        "pointer to itself",
        "pointer into its own name",
        "reserved label type",
        "name too long",
        "address too long",
        "address cut short",
        "record cut short",
        "record longer than its name",
        "half a pointer",
        "nothing",
    ],
)
def test_a_bad_record_is_refused(record: bytes) -> None:
    with pytest.raises(BadMessageError):
        decode_response(answer_of(record), QUERY)


def test_the_same_record_unharmed_is_read() -> None:
    response = decode_response(answer_of(FIRST_NAME + ADDRESS), QUERY)
    assert response is not None
    assert follow(response, "B-1.Example.", RecordType.A).addresses == ("10.0.0.1",)


def test_a_ttl_with_its_first_bit_set_is_none() -> None:
    record = FIRST_NAME + struct.pack(">HHIH", 1, 1, 2**31, 4) + bytes(4)
    response = decode_response(answer_of(record), QUERY)
    assert response is not None
    assert response.answers[0].ttl_s == 0


@pytest.mark.parametrize("name", ["", ".", "a..b", "a" * 64, ".".join(["a" * 60] * 5)])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(BadNameError):
        encode_name(name)


@pytest.mark.parametrize("name", ["b-1.example", "b-1.example.", "a" * 63, "bücher.example"])
def test_a_name_is_encoded_as_dnspython_does(name: str) -> None:
    assert encode_name(name) == dns.name.from_text(name).to_wire()
