"""Perfect runs of all clients of a pattern, bent as a fault would bend them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from operator import is_

import msgspec

from brokerproof.diagnosis.basis import RunOutcomes
from brokerproof.diagnosis.diagnose import diagnose
from brokerproof.diagnosis.finding import ClientEvidence, Diagnosis
from brokerproof.diagnosis.judge import judge
from brokerproof.probes.outcome import Outcome, Reason, ResolveFacts, Role, Stage, Status, WaitedFor
from brokerproof.probes.outcome.registry import run_per
from brokerproof.probes.outcome.spec import Per
from brokerproof.probes.plan import VERIFY_STAGES
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.expectation.view import ClientView
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from tests.diagnosis.perfect import perfect

Match = Callable[[ClientView, Outcome], bool]
Change = Callable[[Outcome], Outcome | None]
_ATTEMPTS = 3
"""Connects to each address, where several are tried."""
_CONNECTION = run_per(Per.ADDRESS)


@dataclass(frozen=True)
class Bend:
    """What one fault does to outcomes."""

    match: Match
    change: Change


@cache
def views_of(pattern: str, **chosen: Hashable) -> tuple[ClientView, ...]:
    topology = PATTERNS[pattern].build(PatternOptions.model_validate(chosen))
    return tuple(expect(topology, client.name) for client in topology.clients)


def at(
    stage: Stage,
    *,
    clients: Iterable[str] | None = None,
    brokers: Iterable[int] | None = None,
    where: Callable[[ClientView, Outcome], bool] = lambda _v, _o: True,
) -> Match:
    """Outcomes of a stage of these clients at what belongs to these brokers, by name; bootstrap names are no one's."""
    of_clients = None if clients is None else set(clients)
    of_brokers = None if brokers is None else set(brokers)

    def matches(view: ClientView, outcome: Outcome) -> bool:
        target = outcome.target
        if outcome.stage is not stage or target.role is Role.FORBIDDEN:
            return False
        if of_clients is not None and view.client not in of_clients:
            return False
        known = {(b.name, b.port): b.broker_id for b in view.brokers} | {(b.name, 0): b.broker_id for b in view.brokers}
        broker_id = target.broker_id if target.broker_id is not None else known.get((target.name, target.port))
        return (of_brokers is None or broker_id in of_brokers) and where(view, outcome)

    return matches


def failed(reason: Reason, facts: object = None) -> Change:
    return lambda o: msgspec.structs.replace(o, status=Status.FAILED, reason=reason, facts=facts, detail="")


def answers(*addresses: str, **more: object) -> Change:
    a = tuple(x for x in addresses if ":" not in x)
    aaaa = tuple(x for x in addresses if ":" in x)

    def change(outcome: Outcome) -> Outcome:
        before = outcome.facts
        assert isinstance(before, ResolveFacts)
        facts = msgspec.structs.replace(before, a=a, aaaa=aaaa, os_addresses=(*a, *aaaa), **more)
        return msgspec.structs.replace(outcome, facts=facts)

    return change


@lru_cache(maxsize=1024)
def seen(view: ClientView, *bends: Bend, complete: bool = True, keep: int | None = None) -> ClientEvidence:
    """What a client sees with these bends; made once, since many tests ask for the same."""
    as_they_are = _asked_in_vpc(view)
    bent = [_bent(view, o, bends) for o in as_they_are]
    if bends and all(map(is_, bent, as_they_are)):
        return seen(view, complete=complete, keep=keep)
    outcomes = _cascade(bent)
    if keep is not None:
        outcomes = outcomes[:keep]
    held = any(o.stage is Stage.IDLE and o.status is Status.FAILED for o in outcomes)
    stages = (*VERIFY_STAGES, Stage.IDLE) if held else VERIFY_STAGES
    checks = judge(view, RunOutcomes(outcomes, complete=complete), stages)
    return ClientEvidence(view=view, checks=checks, outcomes=outcomes, complete=complete)


def judged(view: ClientView, outcomes: Iterable[Outcome]) -> ClientEvidence:
    """What a client saw, with the checks of a verification."""
    outcomes = tuple(outcomes)
    return ClientEvidence(view=view, checks=judge(view, RunOutcomes(outcomes), VERIFY_STAGES), outcomes=outcomes)


def _bent(view: ClientView, outcome: Outcome, bends: Iterable[Bend]) -> Outcome | None:
    out: Outcome | None = outcome
    for bend in bends:
        if out is not None and out.status is Status.OK and bend.match(view, out):
            out = bend.change(out)
    return out


def attempted(view: ClientView, *further: tuple[Match, tuple[Reason | None, ...]]) -> ClientEvidence:
    """A perfect run with further connections beside those that match, which end with these reasons."""
    outcomes = list(seen(view).outcomes)
    for first in tuple(outcomes):
        for match, reasons in further:
            if match(view, first):
                outcomes += [
                    msgspec.structs.replace(
                        first, attempt=attempt, status=Status.FAILED if reason else Status.OK, reason=reason
                    )
                    for attempt, reason in enumerate(reasons, start=2)
                ]
    return judged(view, outcomes)


def looked_at_again(view: ClientView, *bends: Bend, over: bool, role: Role = Role.BROKER) -> ClientEvidence:
    """A run whose connects failed each of several times, with a second look at them."""
    first = list(seen(view, *bends).outcomes)
    for o in tuple(first):
        if o.stage is Stage.CONNECT and o.status is Status.FAILED and o.target.role is Role.BROKER:
            first += [msgspec.structs.replace(o, attempt=n) for n in range(2, _ATTEMPTS + 1)]
    reds = [o for o in first if o.status is Status.FAILED and o.target.role is not Role.FORBIDDEN and o.attempt == 1]
    again = [_again(o, over=over and o.target.role in {role, Role.BROKER}) for o in reds]
    return judged(view, (*first, *again))


def _again(o: Outcome, *, over: bool) -> Outcome:
    changed = {"status": Status.OK, "reason": None} if over else {}
    return msgspec.structs.replace(o, look=2, started_ns=o.started_ns + 3_000_000_000, **changed)


@cache
def _asked_in_vpc(view: ClientView) -> tuple[Outcome, ...]:
    return tuple(_asked(view, outcome) for outcome in perfect(view))


def _asked(view: ClientView, outcome: Outcome) -> Outcome:
    """The resolver that was asked is the VPC's own."""
    if isinstance(outcome.facts, ResolveFacts):
        return msgspec.structs.replace(
            outcome, facts=msgspec.structs.replace(outcome.facts, resolver=view.resolvers[0])
        )
    return outcome


def _cascade(outcomes: list[Outcome | None]) -> tuple[Outcome, ...]:
    """What a probe would skip: later stages of a connection that failed, and connections to what a name lacks."""
    found = [o for o in outcomes if o is not None]
    resolved = {
        o.target.name: {*o.facts.a, *o.facts.aaaa} if isinstance(o.facts, ResolveFacts) else set()
        for o in found
        if o.stage is Stage.RESOLVE
    }
    broken: dict[tuple[str, str, int], Outcome] = {}
    kept: list[Outcome] = []
    for o in found:
        target = o.target
        key = (target.name, target.address, target.port)
        if o.stage in _CONNECTION and target.role is not Role.FORBIDDEN:
            if target.name in resolved and target.address not in resolved[target.name]:
                continue
            if key in broken:
                o = _skipped(o, broken[key])  # noqa: PLW2901 - the same outcome, not run
            elif o.status is Status.FAILED:
                broken[key] = o
        kept.append(o)
    return tuple(_after_connections(kept))


def _after_connections(outcomes: list[Outcome]) -> Iterator[Outcome]:
    """Records and groups wait for a broker that is known to be the right one."""
    working = {o.target.broker_id for o in outcomes if o.stage is Stage.IDENTITY and o.status is Status.OK}
    cause = next((o for o in outcomes if o.status is Status.FAILED and o.target.role is not Role.FORBIDDEN), None)
    for o in outcomes:
        of_broker = o.stage in {Stage.PRODUCE, Stage.CONSUME} and o.target.broker_id not in working
        waits = of_broker or (o.stage is Stage.GROUP and not working)
        yield _skipped(o, cause) if waits and o.status is Status.OK and cause is not None else o


def _skipped(outcome: Outcome, cause: Outcome) -> Outcome:
    return msgspec.structs.replace(
        outcome,
        status=Status.SKIPPED,
        reason=Reason.WAITS_FOR,
        facts=None,
        waited_for=WaitedFor(stage=cause.stage, target=cause.target),
    )


def diagnosis_of(views: Iterable[ClientView], *bends: Bend) -> Diagnosis:
    return _diagnosis_of(tuple(views), bends)


@lru_cache(maxsize=1024)
def _diagnosis_of(views: tuple[ClientView, ...], bends: tuple[Bend, ...]) -> Diagnosis:
    return diagnose([seen(view, *bends) for view in views])


__all__ = ["Bend", "answers", "at", "attempted", "diagnosis_of", "failed", "looked_at_again", "seen", "views_of"]
