"""Advice of names: what a resolver answers that this probe, glibc or Java takes, and others do not. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from brokerproof.diagnosis.advice.advice import AdviceCode
from brokerproof.diagnosis.advice.spec import AdviceSpec, Sighting
from brokerproof.diagnosis.rules.case import Case
from brokerproof.probes.outcome import Reason, ResolveFacts, Role, Stage, Status
from brokerproof.topology.expectation.view import ClientView

_DENIED: Final = "NXDOMAIN"
_PLAIN_BYTES: Final = 512
_WORDS: Final = {Reason.REFUSED: "refused", Reason.TIMED_OUT: "silent", Reason.SOCKET_ERROR: "closed"}


def _aaaa_denied(case: Case) -> Iterator[Sighting]:
    """A name with an A record of which the same resolver says, asked for AAAA, that there is no such name."""
    for view in case.views:
        for outcome in case.of_stage(view, Stage.RESOLVE):
            facts = outcome.facts
            well = outcome.status is Status.OK and outcome.target.role is not Role.OTHER
            if well and isinstance(facts, ResolveFacts) and facts.a and facts.aaaa_rcode == _DENIED:
                name = outcome.target.name
                observed = f"{facts.resolver} on {name}: {', '.join(facts.a)} for A, NXDOMAIN for AAAA"
                yield Sighting(view, _check_of(case, view, name), observed)


def _long_answers(case: Case) -> Iterator[Sighting]:
    """A right answer that a client without EDNS gets over TCP alone (RFC 1035, 4.2.1)."""
    for view in case.views:
        for outcome in case.of_stage(view, Stage.RESOLVE):
            facts = outcome.facts
            if outcome.status is not Status.OK or outcome.target.role is Role.OTHER:
                continue
            if isinstance(facts, ResolveFacts) and (facts.truncated or facts.answer_bytes > _PLAIN_BYTES):
                name = outcome.target.name
                cut = ", cut short over UDP" if facts.truncated else ""
                tcp = f", and over TCP port 53 is {_WORDS[facts.tcp_failure]}" if facts.tcp_failure in _WORDS else ""
                observed = f"{facts.resolver} on {name}: {facts.answer_bytes:,} bytes{cut}{tcp}"
                yield Sighting(view, _check_of(case, view, name), observed)


def _check_of(case: Case, view: ClientView, name: str) -> str:
    """The check of a name's resolution; of a bootstrap name, which has none of its own, the first check of the name."""
    mine = [check for check in case.checks(view) if check.name.lower() == name.lower()]
    first = next((check for check in mine if check.stage is Stage.RESOLVE), next(iter(mine), None))
    return Stage.RESOLVE.value if first is None else first.check_id


SPECS: Final = (
    AdviceSpec(
        code=AdviceCode.DNS_AAAA_DENIED,
        title="the resolver denies that names with an A record exist, when it is asked for AAAA",
        affected=("programs on musl libc (Alpine images, in any language)",),
        because="NXDOMAIN denies the whole name and not one type of record, so they drop the A record too; glibc and "
        "this probe keep it",
        change="let what answers AAAA there (a filter of IPv6 answers, a template, a forwarder) answer NOERROR without "
        "a record; until then, use images with glibc",
        sources=(
            "RFC 4074, section 4.2",
            "RFC 8020, section 2",
            "musl 1.2, src/network/lookup_name.c",
            "axeII/home-ops pull request 3806",
        ),
        look=_aaaa_denied,
    ),
    AdviceSpec(
        code=AdviceCode.DNS_LONG_ANSWER,
        title="answers of the resolver are longer than 512 bytes",
        affected=("programs on musl libc before 1.2.4 (Alpine images up to 3.17)", "resolvers and stubs without TCP"),
        because="without EDNS such an answer comes cut short, and they do not ask again over TCP; glibc and this probe "
        "do",
        change="make the answers shorter (fewer CNAMEs before the addresses), keep TCP port 53 of the resolver open; "
        "until then, use images with glibc or musl 1.2.4",
        sources=(
            "RFC 1035, section 4.2.1",
            "RFC 7766, section 5",
            "musl 1.2.4, release notes",
            "NuGet/NuGetGallery issue 9396",
        ),
        look=_long_answers,
    ),
)
