"""Bootstrap names of which nobody said who the brokers behind them are, read as brokers, and told as names again. Pure.

Rules know brokers. Where no metadata was read, each bootstrap name and port stands for one, by a number of its own
that no text shows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from brokerproof.diagnosis.check import Check, Subject
from brokerproof.diagnosis.finding import ClientEvidence, Finding
from brokerproof.probes.outcome import Outcome, Role, Stage
from brokerproof.topology.expectation.view import BootstrapView, BrokerView

_FIRST: Final = 1_000_000_000
"""No cluster numbers its brokers so high by itself."""
_NUMBER: Final = re.compile(r"\bbrokers? (1\d{9})\b|\b(1\d{9})\b")
_FAILS: Final = {
    Stage.RESOLVE: "The bootstrap names do not resolve as they must",
    Stage.CONNECT: "The bootstrap names do not accept connections",
    Stage.HANDSHAKE: "TLS fails at the bootstrap names",
}


def with_stand_ins(seen: ClientEvidence) -> ClientEvidence:
    """The same evidence, where each bootstrap name and port is a broker; itself where brokers are known."""
    view = seen.view
    if view.brokers or not view.bootstrap:
        return seen
    ids = {(each.name.lower(), each.port): _FIRST + place for place, each in enumerate(view.bootstrap)}
    brokers = tuple(_broker(each, ids[each.name.lower(), each.port]) for each in view.bootstrap)
    return msgspec.structs.replace(
        seen,
        view=msgspec.structs.replace(view, brokers=brokers),
        checks=tuple(_check(check, ids) for check in seen.checks),
        outcomes=tuple(_outcome(outcome, ids) for outcome in seen.outcomes),
    )


def _broker(entry: BootstrapView, broker_id: int) -> BrokerView:
    return BrokerView(
        broker_id=broker_id, name=entry.name, port=entry.port, addresses=entry.addresses, found_as=entry.found_as
    )


def _check(check: Check, ids: Mapping[tuple[str, int], int]) -> Check:
    broker_id = ids.get((check.name.lower(), check.port))
    if check.subject is not Subject.BOOTSTRAP or broker_id is None:
        return check
    return msgspec.structs.replace(check, subject=Subject.BROKER, broker_id=broker_id)


def _outcome(outcome: Outcome, ids: Mapping[tuple[str, int], int]) -> Outcome:
    target = outcome.target
    if target.role is not Role.BOOTSTRAP:
        return outcome
    known = ids.get((target.name.lower(), target.port))
    return msgspec.structs.replace(
        outcome, target=msgspec.structs.replace(target, role=Role.BROKER, broker_id=known if target.port else None)
    )


def told_as_names(finding: Finding, seen: ClientEvidence) -> Finding:
    """A finding of stand-ins, in which each is called by its name and port."""
    places = {_FIRST + place: f"{each.name}:{each.port}" for place, each in enumerate(seen.view.bootstrap)}
    if seen.view.brokers or seen.view.client not in finding.clients:
        return finding

    def named(text: str) -> str:
        def place(found: re.Match[str]) -> str:
            number = int(found[1] or found[2])
            return f"the broker at {places[number]}" if number in places and found[1] else places.get(number, found[0])

        return _NUMBER.sub(place, text.replace(f"broker-{_FIRST}", "bootstrap"))

    wrong = f"{_FAILS.get(finding.stage, f'The stage {finding.stage} fails at the bootstrap names')} (seen from client"
    return msgspec.structs.replace(
        finding,
        subjects=tuple(sorted({"bootstrap" if each.startswith("broker-1") else each for each in finding.subjects})),
        broker_ids=(),
        wrong=f"{wrong} {seen.view.client}).",
        observed=re.sub(r"broker-1\d{9}", "bootstrap", finding.observed),
        expected=named(finding.expected),
        change=named(finding.change),
        next_step=named(finding.next_step),
        causes=tuple(msgspec.structs.replace(each, change=named(each.change)) for each in finding.causes),
    )
