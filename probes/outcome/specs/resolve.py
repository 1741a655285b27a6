"""``resolve``: the client's resolver and operating system are asked for the name."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from brokerproof.probes.outcome.base import Value
from brokerproof.probes.outcome.spec import Per, StageFacts, StageSpec
from brokerproof.probes.outcome.stages import Reason, Stage


class LookupFailure(StrEnum):
    """Why the operating system found no address: errors of getaddrinfo(3), and what is none of them."""

    TIMED_OUT = "timed_out"
    """The probe's own deadline passed."""
    AGAIN = "EAI_AGAIN"
    NO_NAME = "EAI_NONAME"
    OTHER = "other"


class OtherAnswer(Value, frozen=True):
    """What the same resolver said of another name, or another resolver of the same."""

    asked: str
    """That name, or that resolver."""
    addresses: tuple[str, ...] = ()


class UnusableNameserver(Value, frozen=True):
    """A nameserver of the host that gave no answer, or an error: an application's resolver asks the next one."""

    resolver: str
    reason: Reason
    detail: str


class ResolveFacts(StageFacts, frozen=True, tag="resolve"):
    """The raw answer of the client's resolver, and what the operating system makes of the name."""

    resolver: str
    rcode: str
    a: tuple[str, ...] = ()
    aaaa: tuple[str, ...] = ()
    ttl_s: int | None = None
    cname_chain: tuple[str, ...] = ()
    soa: str = ""
    """Owner of the SOA in a negative answer: names the zone that answered (RFC 2308)."""
    aaaa_rcode: str = ""
    truncated: bool = False
    """The answer over UDP was cut short (TC): the whole one is to be had over TCP alone (RFC 7766)."""
    answer_bytes: int = 0
    """Of the longest answer, as it is without EDNS: over 512, clients without EDNS need TCP (RFC 1035, 4.2.1)."""
    tcp_failure: Reason | None = None
    """Why the question over TCP had no answer; None where it had one, or nothing asked for TCP."""
    unusable: tuple[UnusableNameserver, ...] = ()
    """Other nameservers that were asked and are of no use: before ``resolver`` where that one answered, after it where
    none did."""
    again: tuple[str, ...] = ()
    """The addresses when ``resolver`` was asked once more; empty where it was not, or did not answer then."""
    again_ns: int = 0
    """How long that took, also where no answer came; 0 where it was not asked again."""
    searched: tuple[OtherAnswer, ...] = ()
    """Names that the host's search list makes of this one and that its own lookup tries first (resolv.conf(5))."""
    elsewhere: tuple[OtherAnswer, ...] = ()
    """What the host's other nameservers answer, where the operating system's answer is another than ``resolver``'s."""
    os_addresses: tuple[str, ...] = ()
    os_error: str = ""
    os_failure: LookupFailure | None = None
    """What ``os_error`` is; None where there is none."""
    query_ns: int = 0
    os_ns: int = 0


SPEC: Final = StageSpec(
    stage=Stage.RESOLVE,
    after=(),
    per=Per.NAME,
    title="{name} resolves to {addresses} and nothing else",
    reasons=frozenset(
        {
            Reason.NXDOMAIN,
            Reason.NO_DATA,
            Reason.SERVFAIL,
            Reason.BAD_RCODE,
            Reason.MALFORMED_ANSWER,
            Reason.OS_RESOLUTION_FAILED,
            Reason.OS_ANSWER_DIFFERS,
            Reason.TRUNCATED,
            Reason.ANSWERS_ROTATE,
            Reason.NAMESERVER_UNUSABLE,
            Reason.SLOW,
            Reason.TOO_MUCH,
            Reason.TIMED_OUT,
            Reason.REFUSED,
            Reason.SOCKET_ERROR,
        }
    ),
    limit="resolve_ms",
    facts=(ResolveFacts,),
)
