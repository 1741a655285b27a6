"""Stage ``resolve``: what the client's resolver answers, and what the operating system makes of it.

The raw answer is the one that is judged and probed; the operating system's is compared with it,
because Kafka clients go by the latter. Nothing is retried and nothing is cached.
"""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Final

import dns.exception
import dns.rdatatype
import msgspec

from brokerproof.probes.observation import Observation, error, failed, ok
from brokerproof.probes.outcome import LookupFailure, Reason, ResolveFacts
from brokerproof.probes.threads import in_thread
from brokerproof.probes.wire.dns_exchange import Answer, DnsFailureError, Server, ask, is_address

Addresses = tuple[str, ...]

LITERAL: Final = "literal"
"""``rcode`` of a name that is an address already."""

_LOOKUP_FAILURES: Final = {
    socket.EAI_AGAIN: LookupFailure.AGAIN,
    socket.EAI_NONAME: LookupFailure.NO_NAME,
}
_RCODE_REASONS: Final = {"NXDOMAIN": Reason.NXDOMAIN, "SERVFAIL": Reason.SERVFAIL}


async def resolve(name: str, server: Server | None, *, limit_ms: int) -> tuple[Observation, Addresses]:
    """Ask ``server`` for A and AAAA of ``name``, and the operating system, all at once.

    Returns:
        What was seen, and the addresses to probe: those of the raw answer. They are there also
        where only the operating system's answer is at fault.
    """
    if is_address(name):
        return ok(ResolveFacts(resolver="", rcode=LITERAL, os_addresses=(name,))), (name,)
    if server is None:
        facts = ResolveFacts(resolver="", rcode="")
        return error(Reason.NO_RESOLVER, "no resolver in the plan, no nameserver in /etc/resolv.conf", facts), ()
    os_lookup = asyncio.ensure_future(_ask_os(name, limit_ms=limit_ms))
    started = time.monotonic_ns()
    try:
        a, aaaa = await asyncio.gather(
            _ask_raw(name, dns.rdatatype.A, server, limit_ms=limit_ms),
            _ask_raw(name, dns.rdatatype.AAAA, server, limit_ms=limit_ms),
        )
        query_ns = time.monotonic_ns() - started
        told = await os_lookup
    finally:
        os_lookup.cancel()
    facts = ResolveFacts(
        resolver=str(server),
        rcode=_rcode(a),
        a=_addresses(a),
        aaaa=_addresses(aaaa),
        ttl_s=_ttl(a, aaaa),
        cname_chain=a.cname_chain if isinstance(a, Answer) else (),
        soa=a.soa if isinstance(a, Answer) else "",
        aaaa_rcode=_rcode(aaaa),
        truncated=any(isinstance(answer, Answer) and answer.truncated for answer in (a, aaaa)),
        os_addresses=told.addresses,
        os_error=told.error,
        os_failure=told.failure,
        query_ns=query_ns,
        os_ns=told.duration_ns,
    )
    seen = _judge(name, a, facts)
    reached = seen.is_ok or seen.reason in {Reason.OS_ANSWER_DIFFERS, Reason.OS_RESOLUTION_FAILED}
    return seen, facts.a + facts.aaaa if reached else ()


async def _ask_raw(
    name: str, rdtype: dns.rdatatype.RdataType, server: Server, *, limit_ms: int
) -> Answer | DnsFailureError | dns.exception.DNSException:
    try:
        return await ask(name, rdtype, server, limit_ms=limit_ms)
    except (DnsFailureError, dns.exception.DNSException) as failure:
        return failure


class _OsAnswer(msgspec.Struct, frozen=True):
    """What the operating system makes of a name: addresses, or why there are none."""

    addresses: Addresses
    error: str
    failure: LookupFailure | None
    duration_ns: int


async def _ask_os(name: str, *, limit_ms: int) -> _OsAnswer:
    """Ask ``getaddrinfo``, which has its own retries, so its own deadline."""
    started = time.monotonic_ns()
    words, failure = "", None
    found: Addresses = ()
    try:
        async with asyncio.timeout(limit_ms / 1000):
            # Flags 0: without AI_ADDRCONFIG, so that a host without IPv6 still says what it was told.
            # Bytes, because a str would go through the idna codec, which is slow to import.
            host = name.encode("ascii")
            answers = await in_thread(
                lambda: socket.getaddrinfo(host, None, type=socket.SOCK_STREAM), f"getaddrinfo {name}"
            )
        found = tuple(sorted({str(answer[4][0]) for answer in answers}))
    except TimeoutError:
        words, failure = f"no answer within {limit_ms} ms", LookupFailure.TIMED_OUT
    except socket.gaierror as raised:
        words = raised.strerror or str(raised)
        failure = _LOOKUP_FAILURES.get(raised.errno or 0, LookupFailure.OTHER)
    except (OSError, UnicodeError) as raised:
        words, failure = str(raised), LookupFailure.OTHER
    return _OsAnswer(found, words, failure, time.monotonic_ns() - started)


def _judge(name: str, a: Answer | Exception, facts: ResolveFacts) -> Observation:
    match a:
        case DnsFailureError():
            return failed(a.reason, a.detail, facts)
        case Answer():
            pass
        case _:
            # The name cannot be asked for at all (a label over 63 bytes, an empty label).
            return failed(Reason.OS_RESOLUTION_FAILED, f"{name!r} is not a DNS name: {a}", facts)
    if a.rcode != "NOERROR":
        reason = _RCODE_REASONS.get(a.rcode, Reason.BAD_RCODE)
        return failed(reason, f"{facts.resolver} answers {a.rcode} for {name}", facts)
    if not facts.a and not facts.aaaa:
        return failed(Reason.NO_DATA, f"{facts.resolver} knows {name} but no address of it", facts)
    return _judge_os(facts)


def _judge_os(facts: ResolveFacts) -> Observation:
    """The raw answer is fine; is the operating system's the same?"""
    if facts.os_failure is not None:
        return failed(Reason.OS_RESOLUTION_FAILED, f"the operating system: {facts.os_error}", facts)
    if _differs(facts):
        detail = (
            f"{facts.resolver} says {', '.join(facts.a + facts.aaaa)}; "
            f"the operating system says {', '.join(facts.os_addresses)}"
        )
        return failed(Reason.OS_ANSWER_DIFFERS, detail, facts)
    return ok(facts)


def _differs(facts: ResolveFacts) -> bool:
    """Whether the two answers differ, family by family.

    A family the operating system leaves out altogether is its own policy (AI_ADDRCONFIG,
    ``no-aaaa``) and no difference, as long as the other family agrees.
    """
    told = {_packed(address) for address in facts.os_addresses}
    raw = {_packed(address) for address in facts.a + facts.aaaa}
    families = {len(address) for address in told}
    return told != {address for address in raw if len(address) in families}


def _packed(address: str) -> bytes:
    """The address as bytes: one IPv6 address has several spellings."""
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address.partition("%")[0])


def _rcode(answer: Answer | Exception) -> str:
    return answer.rcode if isinstance(answer, Answer) else ""


def _addresses(answer: Answer | Exception) -> Addresses:
    return answer.addresses if isinstance(answer, Answer) else ()


def _ttl(*answers: Answer | Exception) -> int | None:
    """The TTL of the addresses; of the negative answer where there are none."""
    read = [answer for answer in answers if isinstance(answer, Answer) and answer.ttl_s is not None]
    return min((answer.ttl_s or 0 for answer in read if answer.addresses), default=read[0].ttl_s if read else None)
