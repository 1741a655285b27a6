"""What every finding begins with, as one table of text: ``python -m tests.diagnosis.titles`` writes it anew.

Whoever changes a title, a set or a rule reads the difference in ``titles.txt``: each line is read by a person once.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Final

from brokerproof.causes.catalogue import CATALOGUE
from brokerproof.causes.codes import Code
from brokerproof.diagnosis.finding import Finding
from brokerproof.probes.outcome import HandshakeFacts, IdleFacts, PathSizeFacts, Reason, ResolveFacts, Stage
from brokerproof.topology.expectation.view import ClientView
from tests.diagnosis.bends import GATEWAY, MANAGED, MULTI, PEERING, SINGLE, SOA
from tests.diagnosis.bent import Bend, at, diagnosis_of, failed, views_of
from tests.diagnosis.test_diagnose import CASES

TABLE: Final = Path(__file__).parent / "titles.txt"
_SCOPE: Final = re.compile(r" \([^()]*seen from [^()]*\)\.$")


def _facts(stage: Stage, reason: Reason) -> tuple[object, ...]:
    """What a probe would have seen; several where rules look at it."""
    match stage:
        case Stage.RESOLVE:
            rcode = {Reason.NXDOMAIN: "NXDOMAIN", Reason.SERVFAIL: "SERVFAIL"}.get(reason, "NOERROR")
            return tuple(
                ResolveFacts(resolver=resolver, rcode=rcode, soa=soa)
                for resolver in ("10.1.0.2", "10.9.9.9")
                for soa in ("", SOA, f"b-1.{SOA}")
            )
        case Stage.HANDSHAKE:
            return (
                None,
                HandshakeFacts(sni="b", problems=(reason,), dns_names=("*.example.com",)),
                HandshakeFacts(sni="b", problems=(reason,), alert_number=80),
                HandshakeFacts(sni="b", problems=(reason,), alert_number=40),
            )
        case Stage.PATH_SIZE:
            return (PathSizeFacts(to_broker_passed_bytes=536, to_broker_stopped_bytes=1500),)
        case Stage.IDLE:
            return (IdleFacts(silent_ms=360_000, asked=True),)
        case _:
            return (None,)


_WRONG: Final = {
    Stage.RESOLVE: (Reason.NXDOMAIN, Reason.NO_DATA, Reason.TIMED_OUT, Reason.SERVFAIL, Reason.OS_ANSWER_DIFFERS),
    Stage.CONNECT: (Reason.TIMED_OUT, Reason.REFUSED, Reason.RESET),
    Stage.HANDSHAKE: (
        Reason.TIMED_OUT,
        Reason.CLOSED,
        Reason.RESET,
        Reason.NOT_TLS,
        Reason.ALERT,
        Reason.CHAIN_UNTRUSTED,
        Reason.NAME_MISMATCH,
        Reason.CERTIFICATE_EXPIRED,
    ),
    Stage.API: (Reason.TIMED_OUT, Reason.CLOSED, Reason.NOT_KAFKA),
    Stage.IDENTITY: (Reason.OTHER_BROKER, Reason.NOT_AUTHORIZED),
    Stage.PATH_SIZE: (Reason.TIMED_OUT,),
    Stage.IDLE: (Reason.TIMED_OUT, Reason.RESET),
    Stage.PRODUCE: (Reason.TIMED_OUT, Reason.NOT_AUTHORIZED, Reason.NOT_ENOUGH_REPLICAS),
}


_SWEEP: Final = {
    PEERING: tuple(_WRONG),
    SINGLE: tuple(_WRONG),
    MANAGED: tuple(_WRONG),
    GATEWAY: (Stage.CONNECT,),
    MULTI: (Stage.CONNECT, Stage.RESOLVE),
}
"""Where names and listeners are alike, another pattern says nothing new."""

Bent = tuple[tuple[ClientView, ...], tuple[Bend, ...]]


def cases() -> Iterator[Bent]:
    """The cases of the tests of the diagnosis."""
    for _, pattern, bends, _ in CASES:
        yield views_of(pattern), tuple(bends)


def bent() -> Iterator[Bent]:
    """The same, and runs that fail in one way each, for one client or all, at one broker or all."""
    yield from cases()
    for pattern, stages in _SWEEP.items():
        views = views_of(pattern)
        names = [view.client for view in views if view.brokers]
        for stage, clients, brokers in product(stages, (names, names[:1], names[1:2]), ((2,), None)):
            for reason in _WRONG[stage]:
                for facts in _facts(stage, reason):
                    yield views, (Bend(at(stage, clients=clients, brokers=brokers), failed(reason, facts)),)


def said(runs: Iterable[Bent]) -> set[str]:
    """The titles that the rules say of these runs, each with its causes; but those that are a cause's own."""
    return {
        f"{_SCOPE.sub('.', finding.wrong)}\n    {', '.join(finding.codes)}"
        for views, bends in runs
        for finding in diagnosis_of(views, *bends).findings
        if not finding.unknown and not _is_own(finding)
    }


def _is_own(finding: Finding) -> bool:
    """Whether the title is that of the entry of its one cause."""
    entry = CATALOGUE[finding.codes[0]]
    own = {entry.title.lower(), entry.of_several.lower()}
    return len(finding.codes) == 1 and _SCOPE.sub("", finding.wrong).lower() in own


def singles() -> Iterator[str]:
    """The title of every cause alone: at one broker, and at several where that reads otherwise."""
    for code, entry in CATALOGUE.items():
        if code is not Code.UNKNOWN:
            several = f"\n    several brokers: {entry.of_several}" if entry.of_several else ""
            yield f"{code}: {entry.title}{several}"


def table() -> str:
    """The whole table."""
    return "\n".join(["ONE CAUSE", "", *singles(), "", "SETS", "", *sorted(said(bent()))]) + "\n"


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
    sys.exit(0)
