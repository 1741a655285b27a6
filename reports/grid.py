"""Checks as a table: brokers x stages for one client, failures in order of weight.

Every rendering uses it, so that a terminal and a page never disagree. Values only, no markup.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from brokerproof.diagnosis.check import Check, Subject, Verdict
from brokerproof.probes.outcome import Outcome, Role, Stage, Target
from brokerproof.probes.outcome.registry import ORDER, STAGES
from brokerproof.reports import words
from brokerproof.reports.document import ClientResult

WORST_FIRST: Final = (
    Verdict.FAILED,
    Verdict.ERROR,
    Verdict.NOT_SEEN,
    Verdict.BLOCKED,
    Verdict.NOT_COVERED,
    Verdict.PASSED,
)
_NUMBERS: Final = re.compile(r"(\d+)")


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """All checks of one subject at one stage. ``verdict`` is the worst of them, None for no check."""

    verdict: Verdict | None = None
    words: str = ""
    """What went wrong, or how long the slowest took."""
    checks: int = 0
    slowest_ns: int = 0
    """How long the slowest of those that passed took; 0 where one did not."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One subject across the stages. ``isolation`` gathers what must not work there."""

    subject: str
    name: str
    """The name and port the client uses, where the subject has one."""
    cells: tuple[Cell, ...]
    isolation: Cell
    verdict: Verdict
    """The worst of the row; ``not_seen`` for a subject nobody checked."""


class Grid(msgspec.Struct, frozen=True, kw_only=True):
    """Subjects x stages of one client, in the order the stages depend on each other."""

    stages: tuple[Stage, ...]
    rows: tuple[Row, ...]
    has_isolation: bool


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A failed check or one the probe could not make, and what hangs on it.

    Every failure of the path stands alone. A probe that died says the same of every check it left
    unmade, so those are told once.
    """

    client: str
    check: Check
    blocks: int
    """Later checks that wait for this one."""
    alike: int = 0
    """Further checks of the client the probe could not make, for the same reason in the same words."""


def natural(text: str) -> tuple[tuple[int, str], ...]:
    """Sort key under which broker-2 comes before broker-10."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in _NUMBERS.split(text))


def subject_of(target: Target) -> str:
    """The subject of the checks an outcome belongs to, in :attr:`Check.label`'s words."""
    match target.role:
        case Role.BROKER if target.broker_id is not None:
            return f"broker-{target.broker_id}"
        case Role.BROKER:
            return target.name
        case Role.BOOTSTRAP:
            return Subject.BOOTSTRAP.value
        case Role.ADVERTISED:
            return "advertised"
        case Role.FORBIDDEN:
            return "isolation"
        case Role.CLUSTER | Role.OTHER | Role.CONTROL:
            return Subject.CLUSTER.value


def by_subject(outcomes: Iterable[Outcome]) -> dict[str, list[Outcome]]:
    """Outcomes under their subjects, in the order of the grid."""
    groups: defaultdict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        groups[subject_of(outcome.target)].append(outcome)
    return {subject: groups[subject] for subject in sorted(groups, key=_subject_order)}


def worst(verdicts: Iterable[Verdict]) -> Verdict | None:
    """The gravest of some verdicts, None of none."""
    return min(verdicts, key=WORST_FIRST.index, default=None)


def cell(checks: Sequence[Check]) -> Cell:
    """The text of one cell about its checks."""
    verdict = worst(check.verdict for check in checks)
    if verdict is None:
        return Cell()
    if verdict is Verdict.PASSED:
        slowest = max(check.duration_ns for check in checks)
        return Cell(
            verdict=verdict, words=words.duration(slowest) if slowest else "ok", checks=len(checks), slowest_ns=slowest
        )
    worst_checks = [check for check in checks if check.verdict is verdict]
    # Only a failure has a reason worth the room: blocked and not seen say all in one word.
    reasons = sorted({words.reason(check.reason) for check in worst_checks if check.reason is not None})
    says_reason = verdict in {Verdict.FAILED, Verdict.ERROR} and reasons
    text = ", ".join(reasons) if says_reason else words.verdict_word(verdict)
    share = f" ({len(worst_checks)} of {len(checks)})" if len(worst_checks) < len(checks) else ""
    return Cell(verdict=verdict, words=f"{text}{share}", checks=len(checks))


def isolation_cell(checks: Sequence[Check]) -> Cell:
    """The text of a cell about things that must not work; a time would mean nothing there."""
    plain = cell(checks)
    match plain.verdict:
        case Verdict.PASSED:
            return msgspec.structs.replace(plain, words="holds", slowest_ns=0)
        case Verdict.FAILED:
            broken = [check for check in checks if check.verdict is Verdict.FAILED]
            word = "hidden" if all(check.stage is Stage.RESOLVE for check in broken) else "open"
            return msgspec.structs.replace(plain, words=f"{word} ({len(broken)} of {len(checks)})")
        case _:
            return plain


def grid(result: ClientResult) -> Grid:
    """Brokers x stages of one client. Every broker of the view has a row, checked or not."""
    cells: defaultdict[tuple[str, Stage], list[Check]] = defaultdict(list)
    isolation: defaultdict[str, list[Check]] = defaultdict(list)
    names = {f"broker-{broker.broker_id}": f"{broker.name}:{broker.port}" for broker in result.view.brokers}
    subjects = set(names)
    for check in result.checks:
        subjects.add(check.label)
        if check.name and check.label not in names:
            names[check.label] = f"{check.name}:{check.port}" if check.port else check.name
        if check.isolation:
            isolation[check.label].append(check)
        else:
            cells[check.label, check.stage].append(check)
    used = {stage for _, stage in cells}
    stages = tuple(stage for stage in STAGES if stage in used)
    rows = []
    for subject in sorted(subjects, key=_subject_order):
        row = tuple(cell(cells.get((subject, stage), ())) for stage in stages)
        must_not = isolation_cell(isolation.get(subject, ()))
        verdicts = (one.verdict for one in (*row, must_not) if one.verdict is not None)
        rows.append(
            Row(
                subject=subject,
                # Several names share the bootstrap row, so it says none of them.
                name="" if subject == Subject.BOOTSTRAP else names.get(subject, ""),
                cells=row,
                isolation=must_not,
                verdict=worst(verdicts) or Verdict.NOT_SEEN,
            )
        )
    return Grid(stages=stages, rows=tuple(rows), has_isolation=bool(isolation))


def failures(result: ClientResult) -> tuple[Failure, ...]:
    """Failed checks, then those the probe could not make, in the order of the stages."""
    known = {check.check_id: check for check in result.checks}
    blocked = Counter(_root(check, known) for check in result.checks if check.blocked_by)
    groups: defaultdict[tuple[object, ...], list[Check]] = defaultdict(list)
    for check in sorted(result.checks, key=_weight):
        match check.verdict:
            case Verdict.FAILED:
                groups[check.check_id,].append(check)
            case Verdict.ERROR:
                groups[check.verdict, check.observed, check.reason].append(check)
            case Verdict.PASSED | Verdict.BLOCKED | Verdict.NOT_SEEN | Verdict.NOT_COVERED:
                continue
    return tuple(
        Failure(
            client=result.name,
            check=first,
            blocks=sum(blocked[check.check_id] for check in (first, *others)),
            alike=len(others),
        )
        for first, *others in groups.values()
    )


def _root(check: Check, known: dict[str, Check]) -> str:
    """The id of the check at the end of the chain of blockers; a chain that bites its tail ends there."""
    seen = {check.check_id}
    root = check.blocked_by
    while root in known and known[root].blocked_by and root not in seen:
        seen.add(root)
        root = known[root].blocked_by
    return root


def _weight(check: Check) -> tuple[int, int, tuple[tuple[int, str], ...]]:
    return WORST_FIRST.index(check.verdict), ORDER[check.stage], natural(check.check_id)


def _subject_order(subject: str) -> tuple[int, tuple[tuple[int, str], ...]]:
    """Bootstrap first, then brokers by number, then the rest, the cluster as a whole last."""
    match subject:
        case Subject.BOOTSTRAP:
            return 0, ()
        case Subject.CLUSTER:
            return 3, ()
        case _:
            return (1 if subject.startswith("broker-") else 2), natural(subject)
