"""Stage ``resolve``: each answer of a resolver is told apart, and so is the operating system's."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from collections import Counter
from itertools import pairwise
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import pytest

from brokerproof.probes.observation import Observation
from brokerproof.probes.outcome import HostFacts, LookupFailure, Reason, ResolveFacts, Status
from brokerproof.probes.plan import Limits
from brokerproof.probes.stages import resolve as resolve_stage
from brokerproof.probes.stages.resolve import BY_HOST, Addresses, resolve
from brokerproof.probes.wire import dns_exchange
from brokerproof.probes.wire.dns_exchange import Server, parse_server
from brokerproof.running.planning import LIMITS
from tests.probes.conftest import Names
from tests.probes.fake_dns import SOA, Reply, answering, dns_server
from tests.probes.peers import LOOPBACK, PATIENT_MS, SILENCE_MS, closed_port, limit_ms, run

NAME = "b-1.demo.kafka.us-east-1.amazonaws.com"
A = f"{NAME}. 30 IN A 10.0.0.2|10.0.0.10"
AAAA = f"{NAME}. 20 IN AAAA fd00::1"


def resolved(
    reply: Reply,
    name: str = NAME,
    *,
    limit_ms: int = PATIENT_MS,
    host: HostFacts | None = None,
    by_host: bool = False,
    **server_is: Any,
) -> tuple[Observation, ResolveFacts, Addresses]:
    async def work() -> tuple[Observation, Addresses]:
        async with dns_server(reply, **server_is) as server:
            return await resolve(name, (server,), limit_ms=limit_ms, host=host, by_host=by_host)

    begin = time.monotonic()
    seen, addresses = run(work())
    assert time.monotonic() - begin < 2 * PATIENT_MS / 1000
    assert isinstance(seen.facts, ResolveFacts)
    return seen, seen.facts, addresses


def test_a_full_answer(os_names: Names) -> None:
    os_names[NAME] = ("10.0.0.10", "fd00::1", "10.0.0.2")
    seen, facts, addresses = resolved(answering(A, AAAA))
    assert seen.status is Status.OK
    assert addresses == ("10.0.0.2", "10.0.0.10", "fd00::1")
    assert (facts.a, facts.aaaa) == (("10.0.0.2", "10.0.0.10"), ("fd00::1",))
    assert (facts.rcode, facts.aaaa_rcode, facts.ttl_s, facts.truncated) == ("NOERROR", "NOERROR", 20, False)
    assert set(facts.os_addresses) == set(addresses)
    assert facts.query_ns > 0
    assert facts.os_ns > 0


NO_NAME = answering(rcode=dns.rcode.NXDOMAIN, authority=(SOA,))


def test_a_name_of_the_host_alone_is_right_where_the_plan_says_so(os_names: Names) -> None:
    os_names["kafka"] = ("10.0.0.10", "fd00::1")
    seen, facts, addresses = resolved(NO_NAME, "kafka", by_host=True)
    assert seen.status is Status.OK
    assert (facts.rcode, facts.a, facts.aaaa, facts.aaaa_rcode) == (BY_HOST, ("10.0.0.10",), ("fd00::1",), "")
    assert addresses == ("10.0.0.10", "fd00::1")
    seen, _, addresses = resolved(NO_NAME, "kafka")
    assert (seen.reason, addresses) == (Reason.NXDOMAIN, ()), "a name of MSK's is in DNS, or it is wrong"


@pytest.mark.parametrize("reply", [NO_NAME, answering(rcode=dns.rcode.SERVFAIL), lambda *_: []])
def test_a_name_that_the_host_does_not_have_either_fails_as_ever(reply: Reply, os_names: Names) -> None:
    seen, _, addresses = resolved(reply, limit_ms=SILENCE_MS, by_host=True)
    assert (seen.status, addresses) == (Status.FAILED, ())


def test_a_resolver_that_fails_is_not_covered_by_the_hosts_own_names(os_names: Names) -> None:
    os_names[NAME] = ("10.0.0.2",)
    seen, _, addresses = resolved(answering(rcode=dns.rcode.SERVFAIL), by_host=True)
    assert (seen.reason, addresses) == (Reason.SERVFAIL, ())


def test_a_host_without_a_resolver_may_know_the_name(os_names: Names) -> None:
    os_names["kafka"] = ("10.0.0.10",)
    seen, addresses = run(resolve("kafka", (), limit_ms=PATIENT_MS, by_host=True))
    assert (seen.status, addresses) == (Status.OK, ("10.0.0.10",))
    seen, addresses = run(resolve("other", (), limit_ms=PATIENT_MS, by_host=True))
    assert (seen.reason, addresses) == (Reason.NO_RESOLVER, ())


def test_a_cname_chain_is_followed_and_its_lowest_ttl_counts(os_names: Names) -> None:
    os_names[NAME] = ("10.0.0.2",)
    chain = (
        f"{NAME}. 300 IN CNAME one.example.",
        "one.example. 5 IN CNAME two.example.",
        "two.example. 60 IN A 10.0.0.2",
    )
    seen, facts, addresses = resolved(answering(*chain))
    assert seen.status is Status.OK
    assert facts.cname_chain == ("one.example.", "two.example.")
    assert facts.ttl_s == 5
    assert addresses == ("10.0.0.2",)


def test_a_cname_loop_is_malformed() -> None:
    seen, _, addresses = resolved(answering(f"{NAME}. 5 IN CNAME {NAME}."))
    assert (seen.status, seen.reason, addresses) == (Status.FAILED, Reason.MALFORMED_ANSWER, ())


@pytest.mark.parametrize(
    ("reply", "reason", "rcode", "soa"),
    [
        (
            answering(rcode=dns.rcode.NXDOMAIN, authority=(SOA,)),
            Reason.NXDOMAIN,
            "NXDOMAIN",
            "kafka.us-east-1.amazonaws.com.",
        ),
        (answering(authority=(SOA,)), Reason.NO_DATA, "NOERROR", "kafka.us-east-1.amazonaws.com."),
        (answering(), Reason.NO_DATA, "NOERROR", ""),
        (answering(rcode=dns.rcode.SERVFAIL), Reason.SERVFAIL, "SERVFAIL", ""),
        (answering(rcode=dns.rcode.REFUSED), Reason.BAD_RCODE, "REFUSED", ""),
        (answering(rcode=dns.rcode.NOTIMP), Reason.BAD_RCODE, "NOTIMP", ""),
    ],
)
def test_negative_answers_are_kept_apart(reply: Reply, reason: Reason, rcode: str, soa: str) -> None:
    seen, facts, addresses = resolved(reply)
    assert (seen.status, seen.reason, addresses) == (Status.FAILED, reason, ())
    assert (facts.rcode, facts.soa) == (rcode, soa)


def _without_question(query: dns.message.Message, _tcp: bool) -> list[bytes]:
    return [query.id.to_bytes(2, "big") + b"\x81\x82" + bytes(8)]


def test_a_refusal_may_come_without_its_question() -> None:
    seen, facts, _ = resolved(_without_question)
    assert (seen.reason, facts.rcode) == (Reason.SERVFAIL, "SERVFAIL")


def _other_id(query: dns.message.Message, _tcp: bool) -> list[bytes]:
    response = dns.message.make_response(query)
    response.id ^= 1
    return [response.to_wire()]


def _other_question(query: dns.message.Message, _tcp: bool) -> list[bytes]:
    response = dns.message.make_response(dns.message.make_query("evil.example", "A", id=query.id))
    return [response.to_wire()]


def _garbage(_query: dns.message.Message, _tcp: bool) -> list[bytes]:
    return [b"", b"x", b"HTTP/1.1 400 Bad Request\r\n"]


def _garbage_with_the_right_id(query: dns.message.Message, _tcp: bool) -> list[bytes]:
    return [query.id.to_bytes(2, "big") + b"\x81\x80\x00\x01\x00\x01" + b"\xc0" * 30]


def _echo(query: dns.message.Message, _tcp: bool) -> list[bytes]:
    return [query.to_wire()]


@pytest.mark.parametrize("reply", [_other_id, _other_question, _garbage, _garbage_with_the_right_id, _echo])
def test_what_does_not_answer_the_question_is_malformed(reply: Reply) -> None:
    seen, _, addresses = resolved(reply, limit_ms=SILENCE_MS)
    assert (seen.status, seen.reason, addresses) == (Status.FAILED, Reason.MALFORMED_ANSWER, ())


def test_a_mismatched_packet_does_not_hide_the_answer_behind_it(os_names: Names) -> None:
    os_names[NAME] = ("10.0.0.2", "10.0.0.10")
    right = answering(A)
    wrong = (_other_id, _other_question, _garbage, _echo)
    seen, _, _ = resolved(
        lambda query, tcp: [*(packet for each in wrong for packet in each(query, tcp)), *right(query, tcp)]
    )
    assert seen.status is Status.OK


def test_silence_times_out() -> None:
    seen, facts, addresses = resolved(lambda _query, _tcp: [], limit_ms=SILENCE_MS)
    assert (seen.status, seen.reason, addresses) == (Status.FAILED, Reason.TIMED_OUT, ())
    assert facts.rcode == ""


def test_a_closed_port_is_refused() -> None:
    seen, _ = run(resolve(NAME, (Server(LOOPBACK, closed_port()),), limit_ms=PATIENT_MS))
    assert (seen.status, seen.reason) == (Status.FAILED, Reason.REFUSED)


def _truncated(over_tcp: Reply) -> Reply:
    def reply(query: dns.message.Message, tcp: bool) -> list[bytes]:
        if tcp:
            return over_tcp(query, tcp)
        response = dns.message.make_response(query)
        response.flags |= dns.flags.TC
        return [response.to_wire()]

    return reply


def test_a_truncated_answer_is_asked_for_over_tcp(os_names: Names) -> None:
    os_names[NAME] = ("10.0.0.2", "10.0.0.10")
    seen, facts, addresses = resolved(_truncated(answering(A)))
    assert (seen.status, facts.truncated) == (Status.OK, True)
    assert addresses == ("10.0.0.2", "10.0.0.10")


@pytest.mark.parametrize("over_tcp", [_other_id, _garbage_with_the_right_id], ids=["other id", "garbage"])
def test_what_is_no_answer_over_tcp_is_malformed(over_tcp: Reply) -> None:
    seen, _, _ = resolved(_truncated(over_tcp))
    assert (seen.status, seen.reason) == (Status.FAILED, Reason.MALFORMED_ANSWER)


def test_an_answer_cut_short_whose_rest_cannot_be_had_is_no_silence() -> None:
    """The TC bit is kept, and how TCP failed."""
    cut_short = _truncated(lambda _query, _tcp: [])
    seen, facts, addresses = resolved(cut_short)
    assert (seen.status, seen.reason, addresses) == (Status.FAILED, Reason.TRUNCATED, ())
    assert (facts.truncated, facts.tcp_failure) == (True, Reason.SOCKET_ERROR)
    seen, facts, _ = resolved(cut_short, tcp_too=False)
    assert (seen.reason, facts.truncated, facts.tcp_failure) == (Reason.TRUNCATED, True, Reason.REFUSED)
    assert "cut short (TC)" in seen.detail


def test_a_filter_that_drops_tcp_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: object) -> None:
        await asyncio.sleep(PATIENT_MS)

    monkeypatch.setattr(dns_exchange, "_ask_tcp", nothing)
    seen, facts, _ = resolved(_truncated(answering(A)), limit_ms=SILENCE_MS)
    assert (seen.reason, facts.truncated, facts.tcp_failure) == (Reason.TRUNCATED, True, Reason.TIMED_OUT)


LONG = tuple(f"hop{number}.a-long-label-that-fills-the-answer-{number}.example." for number in range(10))
CHAIN = tuple(f"{one} 30 IN CNAME {other}" for one, other in pairwise((f"{NAME}.", *LONG)))


@pytest.mark.parametrize("tcp_too", [True, False])
def test_an_answer_that_a_plain_client_gets_over_tcp_alone_is_measured(os_names: Names, tcp_too: bool) -> None:
    os_names[NAME] = ("10.0.0.2",)
    seen, facts, _ = resolved(answering(*CHAIN, f"{LONG[-1]} 30 IN A 10.0.0.2"), tcp_too=tcp_too)
    assert (seen.status, facts.truncated) == (Status.OK, False)
    assert 512 < facts.answer_bytes < 1232
    assert facts.tcp_failure is (None if tcp_too else Reason.REFUSED)


def _in_turn(*replies: Reply) -> Reply:
    """Another answer to each question of a type, over and over."""
    asked: Counter[int] = Counter()

    def reply(query: dns.message.Message, tcp: bool) -> list[bytes]:
        rdtype = query.question[0].rdtype
        asked[rdtype] += 1
        return replies[(asked[rdtype] - 1) % len(replies)](query, tcp)

    return reply


def test_answers_that_rotate_are_seen_by_asking_again(os_names: Names) -> None:
    """Both were asked for of one resolver: it is no other resolver that the operating system asks."""
    os_names[NAME] = ("10.0.0.77",)
    turns = _in_turn(answering(f"{NAME}. 0 IN A 10.0.0.2"), answering(f"{NAME}. 0 IN A 10.0.0.77"))
    seen, facts, addresses = resolved(turns)
    assert (seen.status, seen.reason) == (Status.FAILED, Reason.ANSWERS_ROTATE)
    assert (facts.a, facts.again) == (("10.0.0.2",), ("10.0.0.77",))
    assert addresses == ("10.0.0.2", "10.0.0.77")


def test_answers_that_rotate_are_seen_though_the_operating_system_drew_the_same(os_names: Names) -> None:
    os_names[NAME] = ("10.0.0.2",)
    turns = _in_turn(answering(f"{NAME}. 0 IN A 10.0.0.2"), answering(f"{NAME}. 0 IN A 10.0.0.77"))
    assert resolved(turns)[0].reason is Reason.ANSWERS_ROTATE


@pytest.mark.parametrize(
    ("second", "limit_ms"),
    [(answering(f"{NAME}. 0 IN A 10.0.0.2"), PATIENT_MS), (lambda _query, _tcp: [], SILENCE_MS)],
    ids=["the same", "none"],
)
def test_the_same_answer_or_none_is_no_rotation(os_names: Names, second: Reply, limit_ms: int) -> None:
    os_names[NAME] = ("10.0.0.2",)
    seen, facts, _ = resolved(_in_turn(answering(f"{NAME}. 0 IN A 10.0.0.2"), second), limit_ms=limit_ms)
    assert seen.status is Status.OK
    assert facts.again in {("10.0.0.2",), ()}


@pytest.fixture
def slow_from_800_ms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve_stage, "SLOW_NS", 800_000_000)


@pytest.mark.usefixtures("slow_from_800_ms")
def test_a_resolver_that_is_slow_each_time_is_slow_and_not_silent(os_names: Names) -> None:
    os_names[NAME] = ("10.0.0.2", "10.0.0.10")
    seen, facts, addresses = resolved(answering(A), delay_s=lambda: 1.0)
    assert (seen.status, seen.reason) == (Status.FAILED, Reason.SLOW)
    assert addresses == ("10.0.0.2", "10.0.0.10")
    assert facts.query_ns >= 1_000_000_000
    assert facts.again_ns >= 800_000_000
    assert re.search(r"took \d\.\d s", seen.detail)


@pytest.mark.usefixtures("slow_from_800_ms")
def test_a_resolver_that_is_slow_once_is_not_slow(os_names: Names) -> None:
    """Its cache was cold, or this host was busy."""
    os_names[NAME] = ("10.0.0.2", "10.0.0.10")
    delays = iter((1.0, 1.0))
    seen, facts, _ = resolved(answering(A), delay_s=lambda: next(delays, 0.0))
    assert seen.status is Status.OK
    assert facts.query_ns >= 1_000_000_000


def test_the_usual_limit_waits_for_an_answer_of_three_seconds() -> None:
    assert Limits().resolve_ms > 3000
    assert LIMITS.resolve_ms > 3000


def _two_nameservers(
    first: Reply, second: Reply, limit_ms: int = PATIENT_MS, **first_is: Any
) -> tuple[Observation, ResolveFacts, list[str]]:
    async def work() -> tuple[Observation, list[str]]:
        async with dns_server(first, **first_is) as one, dns_server(second) as other:
            seen, _ = await resolve(NAME, (one, other), limit_ms=limit_ms)
            return seen, [str(one), str(other)]

    seen, servers = run(work())
    assert isinstance(seen.facts, ResolveFacts)
    return seen, seen.facts, servers


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (lambda _query, _tcp: [], Reason.TIMED_OUT),
        (answering(rcode=dns.rcode.SERVFAIL), Reason.SERVFAIL),
        (answering(rcode=dns.rcode.REFUSED), Reason.BAD_RCODE),
    ],
)
def test_the_first_of_two_nameservers_is_of_no_use(os_names: Names, first: Reply, reason: Reason) -> None:
    os_names[NAME] = ("10.0.0.2", "10.0.0.10")
    seen, facts, servers = _two_nameservers(first, answering(A), limit_ms(reason))
    assert (seen.status, seen.reason) == (Status.FAILED, Reason.NAMESERVER_UNUSABLE)
    assert facts.resolver == servers[1]
    assert [(each.resolver, each.reason) for each in facts.unusable] == [(servers[0], reason)]
    assert f"nameserver {servers[0]}" in seen.detail


def test_where_no_nameserver_answers_the_first_is_told_and_the_others_too() -> None:
    seen, facts, servers = _two_nameservers(lambda _query, _tcp: [], answering(rcode=dns.rcode.SERVFAIL), SILENCE_MS)
    assert (seen.reason, facts.resolver) == (Reason.TIMED_OUT, servers[0])
    assert [each.resolver for each in facts.unusable] == [servers[1]]


def test_a_name_that_does_not_exist_is_asked_of_no_other_nameserver() -> None:
    seen, facts, servers = _two_nameservers(answering(rcode=dns.rcode.NXDOMAIN), answering(A))
    assert (seen.reason, facts.resolver) == (Reason.NXDOMAIN, servers[0])


def test_an_os_answer_that_differs_is_looked_for_in_the_search_list(os_names: Names) -> None:
    os_names["kafka-1"] = ("10.9.9.9",)
    records = answering("kafka-1. 30 IN A 10.0.0.2", "kafka-1.apps.example. 30 IN A 10.9.9.9")

    def by_name(query: dns.message.Message, tcp: bool) -> list[bytes]:
        response = dns.message.from_wire(records(query, tcp)[0])
        response.answer = [rrset for rrset in response.answer if rrset.name == query.question[0].name]
        return [response.to_wire()]

    host = HostFacts(search=("apps.example",), ndots=5)
    seen, facts, _ = resolved(by_name, "kafka-1", host=host)
    assert seen.reason is Reason.OS_ANSWER_DIFFERS
    assert [(each.asked, each.addresses) for each in facts.searched] == [("kafka-1.apps.example", ("10.9.9.9",))]
    _, facts, _ = resolved(by_name, "kafka-1", host=HostFacts(search=("apps.example",), ndots=0))
    assert facts.searched == ()


def test_an_os_answer_that_differs_is_looked_for_at_the_other_nameservers(os_names: Names) -> None:
    os_names[NAME] = ("10.9.9.9",)
    seen, facts, servers = _two_nameservers(answering(A), answering(f"{NAME}. 30 IN A 10.9.9.9"))
    assert (seen.reason, facts.resolver) == (Reason.OS_ANSWER_DIFFERS, servers[0])
    assert [(each.asked, each.addresses) for each in facts.elsewhere] == [(servers[1], ("10.9.9.9",))]


def test_the_operating_system_may_differ(os_names: Names) -> None:
    os_names[NAME] = ("10.9.9.9",)
    seen, facts, addresses = resolved(answering(A))
    assert (seen.status, seen.reason) == (Status.FAILED, Reason.OS_ANSWER_DIFFERS)
    assert "10.9.9.9" in seen.detail
    assert facts.os_addresses == ("10.9.9.9",)
    # The raw answer stays the one that is probed.
    assert addresses == ("10.0.0.2", "10.0.0.10")


@pytest.mark.parametrize(
    ("os_says", "differs"),
    [
        (("10.0.0.2", "10.0.0.10", "fd00::1"), False),
        (("10.0.0.2", "10.0.0.10"), False),
        (("fd00:0:0::1",), False),
        (("10.0.0.2", "fd00::1"), True),
        (("10.0.0.2", "10.0.0.10", "fd00::2"), True),
        (("10.0.0.2", "10.0.0.10", "10.0.0.11"), True),
    ],
    ids=["same", "no IPv6 here", "no IPv4 here", "one missing", "another IPv6", "one more"],
)
def test_a_family_the_os_leaves_out_is_no_difference(os_names: Names, os_says: tuple[str, ...], differs: bool) -> None:
    os_names[NAME] = os_says
    seen, _, _ = resolved(answering(A, AAAA))
    assert (seen.reason is Reason.OS_ANSWER_DIFFERS) == differs


def test_the_operating_system_may_fail() -> None:
    seen, facts, addresses = resolved(answering(A))
    assert (seen.status, seen.reason) == (Status.FAILED, Reason.OS_RESOLUTION_FAILED)
    assert (facts.os_error, facts.os_failure) == ("Name or service not known", LookupFailure.NO_NAME)
    assert addresses == ("10.0.0.2", "10.0.0.10")


def test_an_operating_system_that_hangs_does_not_hold_up_the_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: release.wait(60))
    try:
        seen, facts, _ = resolved(answering(A), limit_ms=SILENCE_MS)
    finally:
        release.set()
    assert (seen.status, seen.reason) == (Status.FAILED, Reason.OS_RESOLUTION_FAILED)
    assert (facts.os_error, facts.os_failure) == (f"no answer within {SILENCE_MS} ms", LookupFailure.TIMED_OUT)


@pytest.mark.parametrize(
    ("number", "failure"),
    [(socket.EAI_AGAIN, LookupFailure.AGAIN), (socket.EAI_FAIL, LookupFailure.OTHER), (None, LookupFailure.OTHER)],
)
def test_why_the_operating_system_failed_is_known_without_its_words(
    monkeypatch: pytest.MonkeyPatch, number: int | None, failure: LookupFailure
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError if number is None else socket.gaierror(number, "")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    seen, facts, _ = resolved(answering(A))
    assert (seen.reason, facts.os_failure) == (Reason.OS_RESOLUTION_FAILED, failure)


def test_an_address_is_a_name_already() -> None:
    for literal in ("10.0.0.2", "fd00::1"):
        seen, addresses = run(resolve(literal, (), limit_ms=PATIENT_MS))
        assert (seen.status, addresses) == (Status.OK, (literal,))
        assert isinstance(seen.facts, ResolveFacts)
        assert seen.facts.rcode == "literal"


def test_no_resolver_is_the_hosts_own_fault() -> None:
    seen, addresses = run(resolve(NAME, (), limit_ms=PATIENT_MS))
    assert (seen.status, seen.reason, addresses) == (Status.ERROR, Reason.NO_RESOLVER, ())


@pytest.mark.parametrize("name", ["a" * 64 + ".example", "two..dots"], ids=["long label", "empty label"])
def test_a_name_that_cannot_be_asked_for(name: str) -> None:
    seen, _, _ = resolved(answering(A), name)
    assert (seen.status, seen.reason) == (Status.FAILED, Reason.OS_RESOLUTION_FAILED)
    assert "not a DNS name" in seen.detail


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("10.0.0.2", Server("10.0.0.2")),
        ("10.0.0.2:5353", Server("10.0.0.2", 5353)),
        ("fd00::2", Server("fd00::2")),
        ("[fd00::2]:5353", Server("fd00::2", 5353)),
        ("[fd00::2]", Server("fd00::2")),
    ],
)
def test_a_resolver_is_an_address_and_perhaps_a_port(text: str, server: Server) -> None:
    assert parse_server(text) == server


@pytest.mark.parametrize("text", ["", "resolver.example", "10.0.0.2:", "10.0.0.2:0", "10.0.0.2:65536", "10.0.0"])
def test_anything_else_is_no_resolver(text: str) -> None:
    with pytest.raises(ValueError, match="is not an IP address"):
        parse_server(text)
