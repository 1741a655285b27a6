"""Stage ``resolve``: what the client's resolver answers, and what the operating system makes of it.

The raw answer is the one that is judged and probed; the operating system's is compared with it,
because Kafka clients go by the latter. No question is retried: what is asked a second time is there to see whether
its answer is another one, and turns nothing green.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Iterable, Sequence
from functools import partial
from typing import Final, Protocol

import dns.exception
import dns.rdatatype
import msgspec

from brokerproof.probes.host import servers_of
from brokerproof.probes.observation import Observation, error, failed, ok
from brokerproof.probes.outcome import (
    HostFacts,
    LookupFailure,
    OtherAnswer,
    Reason,
    ResolveFacts,
    UnusableNameserver,
)
from brokerproof.probes.threads import in_thread
from brokerproof.probes.wire.dns_exchange import Server, ask, is_address, tcp_failure
from brokerproof.probes.wire.dns_message import Answer, DnsFailureError

Addresses = tuple[str, ...]

LITERAL: Final = "literal"
"""``rcode`` of a name that is an address already."""
BY_HOST: Final = "host"
"""``rcode`` of a name that DNS does not have, and the operating system does: a line of a hosts file, say."""
SLOW_NS: Final = 1_000_000_000
"""From here on an answer is slow: no resolver of AWS's needs a second, and a client's own retry comes after one (musl)
to five (glibc)."""
PLAIN_BYTES: Final = 512
"""The most that a client without EDNS takes over UDP (RFC 1035, 4.2.1)."""
_CLOSER_MS: Final = 500
"""How long an answer is waited for that only explains another."""

_LOOKUP_FAILURES: Final = {
    socket.EAI_AGAIN: LookupFailure.AGAIN,
    socket.EAI_NONAME: LookupFailure.NO_NAME,
}
_HEARD_NOTHING: Final = frozenset({LookupFailure.TIMED_OUT, LookupFailure.AGAIN})
_RCODE_REASONS: Final = {"NXDOMAIN": Reason.NXDOMAIN, "SERVFAIL": Reason.SERVFAIL}
_CONCLUSIVE: Final = frozenset({"NOERROR", "NXDOMAIN"})
"""After any other rcode the C library asks its next nameserver (resolver(3), res_nsend)."""
_PROBED: Final = frozenset(
    {
        Reason.OS_ANSWER_DIFFERS,
        Reason.OS_RESOLUTION_FAILED,
        Reason.ANSWERS_ROTATE,
        Reason.NAMESERVER_UNUSABLE,
        Reason.SLOW,
    }
)
"""Not as it must be, and there are addresses all the same."""

_Said = Answer | DnsFailureError | dns.exception.DNSException


async def resolve(
    name: str, servers: Sequence[Server], *, limit_ms: int, host: HostFacts | None = None, by_host: bool = False
) -> tuple[Observation, Addresses]:
    """Ask for A and AAAA of ``name``, and the operating system, all at once.

    ``by_host``: where DNS does not have the name, what the operating system makes of it is right.

    ``servers`` are asked one after the other, as the C library does: the next one where the one before has no answer
    or an error. ``host`` tells what the operating system asks besides.

    Returns:
        What was seen, and the addresses to probe: those of the raw answers. They are there also
        where only the operating system's answer is at fault.
    """
    if is_address(name):
        return ok(ResolveFacts(resolver="", rcode=LITERAL, os_addresses=(name,))), (name,)
    if not servers:
        alone = await _OsLookup(name, limit_ms=limit_ms).told() if by_host else None
        if alone is not None and alone.addresses:
            return _known_to_host(ResolveFacts(resolver="", rcode=""), alone)
        facts = ResolveFacts(resolver="", rcode="")
        return error(Reason.NO_RESOLVER, "no resolver in the plan, no nameserver in /etc/resolv.conf", facts), ()
    ends_ns = time.monotonic_ns() + limit_ms * 1_000_000
    os_lookup = _OsLookup(name, limit_ms=limit_ms)
    try:
        raw = await _ask_in_turn(name, servers, ends_ns, _ask_both)
        told = await os_lookup.told()
    finally:
        os_lookup.abandon()
    a, aaaa = raw.a, raw.aaaa
    facts = ResolveFacts(
        resolver=str(raw.server),
        rcode=_rcode(a),
        a=_addresses(a),
        aaaa=_addresses(aaaa),
        ttl_s=_ttl(a, aaaa),
        cname_chain=a.cname_chain if isinstance(a, Answer) else (),
        soa=a.soa if isinstance(a, Answer) else "",
        aaaa_rcode=_rcode(aaaa),
        truncated=any(_is_cut_short(said) for said in (a, aaaa)),
        answer_bytes=max(said.answer_bytes if isinstance(said, Answer) else 0 for said in (a, aaaa)),
        tcp_failure=next((s.over_tcp for s in (a, aaaa) if isinstance(s, DnsFailureError) and s.over_tcp), None),
        unusable=raw.unusable,
        os_addresses=told.addresses,
        os_error=told.error,
        os_failure=told.failure,
        query_ns=raw.duration_ns,
        os_ns=told.duration_ns,
    )
    if by_host and told.addresses and facts.rcode in _CONCLUSIVE and not (facts.a or facts.aaaa):
        return _known_to_host(facts, told)
    if facts.a or facts.aaaa:
        known = host or HostFacts()
        others = [each for each in dict.fromkeys((*servers, *servers_of(known))) if each != raw.server]
        facts = await _look_closer(name, (raw.server, *others), facts, ends_ns, known)
    seen = _judge(name, a, facts)
    reached = seen.is_ok or seen.reason in _PROBED
    return seen, tuple(dict.fromkeys(facts.a + facts.aaaa + facts.again)) if reached else ()


def _known_to_host(facts: ResolveFacts, told: _OsAnswer) -> tuple[Observation, Addresses]:
    """The operating system's answer in the place of one that DNS does not have."""
    changed = msgspec.structs.replace(
        facts,
        rcode=BY_HOST,
        aaaa_rcode="",
        a=tuple(each for each in told.addresses if ":" not in each),
        aaaa=tuple(each for each in told.addresses if ":" in each),
        os_addresses=told.addresses,
        os_ns=told.duration_ns,
    )
    return ok(changed), told.addresses


async def ask_for(name: str, servers: Sequence[Server], *, limit_ms: int) -> Observation:
    """Ask the same servers for the IPv4 address of a name that nobody has, and nobody else."""
    if not servers:
        return error(Reason.NO_RESOLVER, "no resolver in the plan, no nameserver in /etc/resolv.conf")
    raw = await _ask_in_turn(name, servers, time.monotonic_ns() + limit_ms * 1_000_000, _ask_a)
    facts = ResolveFacts(
        resolver=str(raw.server),
        rcode=_rcode(raw.a),
        a=_addresses(raw.a),
        ttl_s=_ttl(raw.a),
        cname_chain=raw.a.cname_chain if isinstance(raw.a, Answer) else (),
        soa=raw.a.soa if isinstance(raw.a, Answer) else "",
        unusable=raw.unusable,
        query_ns=raw.duration_ns,
    )
    return _judge_answer(name, raw.a, facts) or ok(facts)


class _Raw(msgspec.Struct, frozen=True):
    """What one server said to both questions, and which others were of no use."""

    server: Server
    a: _Said
    aaaa: _Said | None
    """None where it was not asked for."""
    duration_ns: int
    """Until the later answer; until the end where there was none."""
    unusable: tuple[UnusableNameserver, ...] = ()

    @property
    def problem(self) -> UnusableNameserver | None:
        """Why an application's resolver goes on to the next server; None where it does not."""
        match self.a:
            case Answer() if self.a.rcode in _CONCLUSIVE:
                return None
            case Answer():
                reason = _RCODE_REASONS.get(self.a.rcode, Reason.BAD_RCODE)
                return UnusableNameserver(resolver=str(self.server), reason=reason, detail=f"answers {self.a.rcode}")
            case DnsFailureError():
                return UnusableNameserver(resolver=str(self.server), reason=self.a.reason, detail=self.a.detail)
            case _:
                return None  # the name cannot be asked for anywhere


async def _ask_in_turn(name: str, servers: Sequence[Server], ends_ns: int, question: _Question) -> _Raw:
    """Ask each server until one answers; what the first says where none does."""
    asked: list[_Raw] = []
    for place, server in enumerate(servers):
        more = place < len(servers) - 1
        raw = await question(name, server, limit_ms=max(1, _left_ms(ends_ns) // (2 if more else 1)))
        if raw.problem is None:
            return msgspec.structs.replace(raw, unusable=_problems(asked)) if asked else raw
        asked.append(raw)
    return msgspec.structs.replace(asked[0], unusable=_problems(asked[1:]))


def _problems(asked: Iterable[_Raw]) -> tuple[UnusableNameserver, ...]:
    return tuple(each.problem for each in asked if each.problem is not None)


def _left_ms(ends_ns: int) -> int:
    return max(1, (ends_ns - time.monotonic_ns()) // 1_000_000)


class _Question(Protocol):
    """One name, asked of one server."""

    def __call__(self, name: str, server: Server, *, limit_ms: int) -> Awaitable[_Raw]: ...


async def _ask_a(name: str, server: Server, *, limit_ms: int) -> _Raw:
    (a,) = await ask(name, (dns.rdatatype.A,), server, limit_ms=limit_ms)
    return _Raw(server, a.answer, None, a.duration_ns)


async def _ask_both(name: str, server: Server, *, limit_ms: int) -> _Raw:
    a, aaaa = await ask(name, (dns.rdatatype.A, dns.rdatatype.AAAA), server, limit_ms=limit_ms)
    answered_ns = [each.duration_ns for each in (a, aaaa) if isinstance(each.answer, Answer)]
    return _Raw(server, a.answer, aaaa.answer, max(answered_ns or (a.duration_ns, aaaa.duration_ns)))


# A closer look, where something is not as it should be


async def _look_closer(
    name: str, servers: Sequence[Server], facts: ResolveFacts, ends_ns: int, host: HostFacts
) -> ResolveFacts:
    """The same facts, with what tells causes of an odd answer apart; the first server is whose answer it is."""
    server, *others = servers
    differs = facts.os_failure is None and _differs(facts)
    more: dict[str, object] = {}
    if differs or facts.ttl_s == 0 or facts.query_ns >= SLOW_NS:
        limit_ms = min(_left_ms(ends_ns), SLOW_NS // 1_000_000)
        again = await _ask_both(name, server, limit_ms=limit_ms)
        more |= {"again": _addresses(again.a) + _addresses(again.aaaa), "again_ns": again.duration_ns}
    if differs:
        tried = [f"{name}.{suffix}" for suffix in host.search] if name.count(".") < host.ndots else []
        limit_ms = min(_left_ms(ends_ns), _CLOSER_MS)
        more["searched"] = await _others(((one, one, server) for one in tried), limit_ms)
        more["elsewhere"] = await _others(((str(other), name, other) for other in others), limit_ms)
    if facts.answer_bytes > PLAIN_BYTES and not facts.truncated:
        rdtype = dns.rdatatype.A if facts.a else dns.rdatatype.AAAA
        limit_ms = min(_left_ms(ends_ns), _CLOSER_MS)
        more["tcp_failure"] = await tcp_failure(name, rdtype, server, limit_ms=limit_ms)
    return msgspec.structs.replace(facts, **more)


async def _others(questions: Iterable[tuple[str, str, Server]], limit_ms: int) -> tuple[OtherAnswer, ...]:
    """What is answered to each of (how it is called, name, server); those without addresses are left out."""

    async def one(called: str, name: str, server: Server) -> OtherAnswer:
        raw = await _ask_both(name, server, limit_ms=limit_ms)
        return OtherAnswer(asked=called, addresses=_addresses(raw.a) + _addresses(raw.aaaa))

    found = await asyncio.gather(*(one(*question) for question in questions))
    return tuple(answer for answer in found if answer.addresses)


class _OsAnswer(msgspec.Struct, frozen=True):
    """What the operating system makes of a name: addresses, or why there are none."""

    addresses: Addresses
    error: str
    failure: LookupFailure | None
    duration_ns: int


class _OsLookup:
    """``getaddrinfo`` of one name, under way in a thread; it has its own retries, so its own deadline."""

    def __init__(self, name: str, *, limit_ms: int) -> None:
        self._limit_ms = limit_ms
        self._loop = asyncio.get_running_loop()
        self._ends_s = self._loop.time() + limit_ms / 1000
        self._answer = in_thread(partial(_look_up, name), f"getaddrinfo {name}", shared=True)

    async def told(self) -> _OsAnswer:
        """What it says, or that it is late."""
        try:
            if not self._answer.done():
                async with asyncio.timeout_at(self._ends_s):
                    await self._answer
        except TimeoutError:
            words = f"no answer within {self._limit_ms} ms"
            return _OsAnswer((), words, LookupFailure.TIMED_OUT, self._limit_ms * 1_000_000)
        return self._answer.result()

    def abandon(self) -> None:
        """Nobody waits any more; nothing can end it."""
        self._answer.cancel()


def _look_up(name: str) -> _OsAnswer:
    started = time.monotonic_ns()
    words, failure = "", None
    found: Addresses = ()
    try:
        # Flags 0: without AI_ADDRCONFIG, so that a host without IPv6 still says what it was told.
        # Bytes, because a str would go through the idna codec, which is slow to import.
        answers = socket.getaddrinfo(name.encode("ascii"), None, type=socket.SOCK_STREAM)
        found = tuple(sorted({str(answer[4][0]) for answer in answers}))
    except socket.gaierror as raised:
        words = raised.strerror or str(raised)
        failure = _LOOKUP_FAILURES.get(raised.errno or 0, LookupFailure.OTHER)
    except (OSError, UnicodeError) as raised:
        words, failure = str(raised), LookupFailure.OTHER
    return _OsAnswer(found, words, failure, time.monotonic_ns() - started)


# What it comes to


def _judge(name: str, a: _Said, facts: ResolveFacts) -> Observation:
    return _judge_answer(name, a, facts) or _judge_lookup(facts)


def _judge_answer(name: str, a: _Said, facts: ResolveFacts) -> Observation | None:
    """What is wrong with the raw answer by itself."""
    match a:
        case DnsFailureError():
            return failed(a.reason, f"{facts.resolver}: {a.detail}{_also(facts)}", facts)
        case Answer():
            pass
        case _:
            # The name cannot be asked for at all (a label over 63 bytes, an empty label).
            return failed(Reason.OS_RESOLUTION_FAILED, f"{name!r} is not a DNS name: {a}", facts)
    if a.rcode != "NOERROR":
        reason = _RCODE_REASONS.get(a.rcode, Reason.BAD_RCODE)
        return failed(reason, f"{facts.resolver} answers {a.rcode} for {name}{_also(facts)}", facts)
    if not facts.a and not facts.aaaa:
        return failed(Reason.NO_DATA, f"{facts.resolver} knows {name} but no address of it", facts)
    return None


def _also(facts: ResolveFacts) -> str:
    """What else there is to say where the resolver has no addresses."""
    others = "".join(f"; {each.resolver}: {each.detail}" for each in facts.unusable)
    told = f"; the operating system says {', '.join(facts.os_addresses)}" if facts.os_addresses else ""
    return others + told


def _judge_lookup(facts: ResolveFacts) -> Observation:
    """The raw answer has addresses: is it the same each time, in time, and what the operating system says?"""
    addresses = facts.a + facts.aaaa
    if _rotates(facts):
        detail = (
            f"{facts.resolver} says {', '.join(addresses)}, and {', '.join(facts.again)} when it is asked again"
            f" (TTL {facts.ttl_s} s)"
        )
        return failed(Reason.ANSWERS_ROTATE, detail, facts)
    if facts.os_failure is not None and not (facts.unusable and facts.os_failure in _HEARD_NOTHING):
        return failed(Reason.OS_RESOLUTION_FAILED, f"the operating system: {facts.os_error}", facts)
    if facts.os_failure is None and _differs(facts):
        detail = (
            f"{facts.resolver} says {', '.join(addresses)}; the operating system says {', '.join(facts.os_addresses)}"
        )
        return failed(Reason.OS_ANSWER_DIFFERS, detail, facts)
    if facts.unusable:
        dead = "; ".join(f"nameserver {each.resolver}: {each.detail}" for each in facts.unusable)
        return failed(Reason.NAMESERVER_UNUSABLE, f"{dead}; {facts.resolver} answers, and is asked after it", facts)
    if facts.query_ns >= SLOW_NS and (facts.again_ns >= SLOW_NS or not facts.again):
        detail = (
            f"{facts.resolver} took {facts.query_ns / 1e9:.1f} s to answer, and "
            f"{facts.again_ns / 1e9:.1f} s {'' if facts.again else 'without an answer '}when it was asked again"
        )
        return failed(Reason.SLOW, detail, facts)
    return ok(facts)


def _rotates(facts: ResolveFacts) -> bool:
    """Whether the same resolver gave other addresses of a family the second time; none at all is another matter."""
    if not facts.again:
        return False
    first, second = ({_packed(each) for each in said} for said in (facts.a + facts.aaaa, facts.again))
    families = {len(each) for each in first} & {len(each) for each in second}
    return {each for each in first if len(each) in families} != {each for each in second if len(each) in families}


def _differs(facts: ResolveFacts) -> bool:
    """Whether the two answers differ, family by family.

    A family the operating system leaves out altogether is its own policy (AI_ADDRCONFIG,
    ``no-aaaa``) and no difference, as long as the other family agrees.
    """
    if set(facts.os_addresses) == {*facts.a, *facts.aaaa}:
        return False
    told = {_packed(address) for address in facts.os_addresses}
    raw = {_packed(address) for address in facts.a + facts.aaaa}
    families = {len(address) for address in told}
    return told != {address for address in raw if len(address) in families}


def _packed(address: str) -> bytes:
    """The address as bytes: one IPv6 address has several spellings."""
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address.partition("%")[0])


def _is_cut_short(said: _Said | None) -> bool:
    return said.truncated if isinstance(said, Answer) else isinstance(said, DnsFailureError) and bool(said.over_tcp)


def _rcode(answer: _Said | None) -> str:
    return answer.rcode if isinstance(answer, Answer) else ""


def _addresses(answer: _Said | None) -> Addresses:
    return answer.addresses if isinstance(answer, Answer) else ()


def _ttl(*answers: _Said | None) -> int | None:
    """The TTL of the addresses; of the negative answer where there are none."""
    read = [answer for answer in answers if isinstance(answer, Answer) and answer.ttl_s is not None]
    return min((answer.ttl_s or 0 for answer in read if answer.addresses), default=read[0].ttl_s if read else None)
