"""A planned change tried on a running lab: the same clients before and after, and which of their paths would break."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from enum import StrEnum
from typing import Final

from brokerproof.aws.audit.audit import audit
from brokerproof.aws.facts import facts_of
from brokerproof.diagnosis.check import Check, Verdict
from brokerproof.diagnosis.diagnose import diagnose
from brokerproof.diagnosis.finding import Diagnosis
from brokerproof.errors import WrongUseError
from brokerproof.lab.errors import LabError
from brokerproof.lab.life.handle import Lab
from brokerproof.lab.twin import as_twin
from brokerproof.probes.outcome.base import Value
from brokerproof.running.client_runs import ClientRuns
from brokerproof.running.site import Site
from brokerproof.topology.models import Topology

_UNSEEN: Final = frozenset({Verdict.ERROR, Verdict.NOT_SEEN})
_NOT_WORKING: Final = frozenset({Verdict.FAILED, Verdict.BLOCKED})


class TryError(WrongUseError):
    """A change that cannot be tried; the text says why and what to do."""


class State(StrEnum):
    """Of a path, as its checks show it."""

    WORKS = "works"
    FAILS = "fails"
    UNKNOWN = "unknown"
    """A check of it was not carried out, and none failed."""


class Path(Value, frozen=True, kw_only=True, order=True):
    """What a client needs of one subject, or what must not be open to it."""

    client: str
    subject: str
    """As of a check: ``broker-1``, ``bootstrap``, ``cluster``; of isolation the sentence of what must hold."""


class Tried(Value, frozen=True, kw_only=True):
    """What a change does to the paths: each path is in one of these."""

    breaks: tuple[Path, ...] = ()
    """Worked, or was not there, and fails."""
    mends: tuple[Path, ...] = ()
    """Failed, and works."""
    fails: tuple[Path, ...] = ()
    """Failed before and after."""
    works: tuple[Path, ...] = ()
    gone: tuple[Path, ...] = ()
    """Nobody needs it any more: a broker that was taken away."""
    unknown: tuple[Path, ...] = ()
    """Not seen before, or not after."""


def try_change(
    lab: Lab, changed: Topology, progress: Callable[[str], None] = lambda _: None
) -> tuple[ClientRuns, ClientRuns]:
    """Verify every client of the lab as it is, then with the change, and take the change out again.

    Raises:
        TryError: the change has other clients than the lab.
        LabError: the lab refuses the change, or it fails half-way.
    """
    now = as_twin(lab.topology)
    changed = as_twin(changed)
    _same_clients(now, changed)
    progress("verifying the clients as the lab is")
    before = _verified(lab, now)
    progress("making the change")
    try:
        lab.apply(changed, progress)
        progress("verifying the clients with the change")
        after = _verified(lab, changed)
    except BaseException:
        with suppress(LabError):
            _put_back(lab, now, progress)
        raise
    _put_back(lab, now, progress)
    return before, after


def _put_back(lab: Lab, now: Topology, progress: Callable[[str], None]) -> None:
    progress("taking the change out again")
    lab.apply(now, progress)


def _same_clients(now: Topology, changed: Topology) -> None:
    ours, theirs = ({client.name for client in topology.clients} for topology in (now, changed))
    lacking, more = sorted(ours - theirs), sorted(theirs - ours)
    if lacking or more:
        said = [f"it lacks {', '.join(lacking)}"] * bool(lacking) + [f"it also has {', '.join(more)}"] * bool(more)
        raise TryError(
            f"the change is tried with the lab's clients, and the file has others: {'; '.join(said)}; give it the "
            "same clients, or start a lab of the other ones"
        )


def _verified(lab: Lab, topology: Topology) -> ClientRuns:
    names = [client.name for client in topology.clients]
    with Site(topology, lab=lab, journal=None) as site:
        site.verify(names)
        return ClientRuns({name: site.run(name, measure=False) for name in names})


def compared(before: Iterable[Check], after: Iterable[Check]) -> Tried:
    """Which paths the change breaks, and which it mends. Pure."""
    old, new = states_of(before), states_of(after)
    found: dict[str, list[Path]] = {}
    for path in sorted({*old, *new}):
        found.setdefault(_becomes(old.get(path), new.get(path)), []).append(path)
    return Tried(**{name: tuple(paths) for name, paths in found.items()})


def _becomes(old: State | None, new: State | None) -> str:
    if new is None:
        return "gone"
    if State.UNKNOWN in {old, new}:
        return "unknown"
    if new is State.FAILS:
        return "fails" if old is State.FAILS else "breaks"
    return "mends" if old is State.FAILS else "works"


def states_of(checks: Iterable[Check]) -> Mapping[Path, State]:
    """What the checks of each path show together."""
    verdicts: dict[Path, set[Verdict]] = {}
    for check in checks:
        subject = check.title if check.isolation else check.label
        verdicts.setdefault(Path(client=check.client, subject=subject), set()).add(check.verdict)
    return {path: _state(seen) for path, seen in verdicts.items()}


def _state(seen: set[Verdict]) -> State:
    if Verdict.FAILED in seen:
        return State.FAILS
    if seen & _UNSEEN:
        return State.UNKNOWN
    return State.FAILS if seen & _NOT_WORKING else State.WORKS


def diagnosis_of(runs: ClientRuns, topology: Topology) -> Diagnosis:
    """What all clients show together, with the topology as the second witness: the lab is what it says."""
    return diagnose([run.seen for run in runs.values()], audit(facts_of(topology)))


def checks_of(runs: ClientRuns) -> Iterator[Check]:
    """All checks of all clients."""
    for run in runs.values():
        yield from run.checks
