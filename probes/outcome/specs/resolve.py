"""``resolve``: the client's resolver and operating system are asked for the name."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from brokerproof.probes.outcome.spec import Per, StageFacts, StageSpec
from brokerproof.probes.outcome.stages import Reason, Stage


class LookupFailure(StrEnum):
    """Why the operating system found no address: errors of getaddrinfo(3), and what is none of them."""

    TIMED_OUT = "timed_out"
    """The probe's own deadline passed."""
    AGAIN = "EAI_AGAIN"
    NO_NAME = "EAI_NONAME"
    OTHER = "other"


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
    """True when the answer had to be fetched over TCP (RFC 7766)."""
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
            Reason.TIMED_OUT,
            Reason.REFUSED,
            Reason.SOCKET_ERROR,
        }
    ),
    facts=(ResolveFacts,),
)
