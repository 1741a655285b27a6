"""Whether a run's outcomes can all be true: of one address, and of one another. Pure.

A stage that ran where one that it needs did not, or a skip that waits for what went well, is no evidence but a far side
that makes it up, or has lost its mind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

from brokerproof.probes.outcome import Outcome, Reason, Stage, Status, Target
from brokerproof.probes.outcome.registry import SPECS, precedes
from brokerproof.probes.outcome.spec import Per
from brokerproof.probes.plan import Plan

Answered = Mapping[tuple[Stage, Target, int, int], Outcome]

MOST_TOLD = 3
_RAN = frozenset({Status.OK, Status.FAILED})
_WITHOUT_A_ROOT = frozenset({Reason.NOT_PLANNED, Reason.OUTSIDE_PLAN, Reason.NOT_COVERED})


def contradictions(plan: Plan, answered: Answered, duration_ns: int) -> list[str]:
    """What cannot be true together, in words; the first few."""
    return list(islice(_found(plan, answered, duration_ns), MOST_TOLD))


def _found(plan: Plan, answered: Answered, duration_ns: int) -> Iterator[str]:
    for outcome in answered.values():
        what = f"{outcome.stage} of {outcome.target.name or outcome.target.address or outcome.target.role}"
        if outcome.facts is not None and not isinstance(outcome.facts, SPECS[outcome.stage].facts):
            yield f"says of {what} what is not of that stage"
        if outcome.started_ns < 0 or not 0 <= outcome.duration_ns <= duration_ns:
            yield f"says that {what} took {outcome.duration_ns} ns of a run of {duration_ns} ns"
        if outcome.status is Status.SKIPPED and not _waits_rightly(outcome, answered):
            yield f"says that {what} was skipped, and not for what"
        missing = _missing(plan, outcome, answered)
        if missing is not None:
            yield f"says that {what} ran, and not that {missing} before it is ok"


def _waits_rightly(skipped: Outcome, answered: Answered) -> bool:
    if skipped.reason in _WITHOUT_A_ROOT:
        return True
    waits = skipped.waited_for
    if waits is None:
        return False
    root = answered.get((waits.stage, waits.target, 1, skipped.look))
    return root is not None and root.status is not Status.OK


def _missing(plan: Plan, outcome: Outcome, answered: Answered) -> Stage | None:
    """A stage of the same address that this one needs, and that is not ok; None where there is none."""
    if SPECS[outcome.stage].per is not Per.ADDRESS or outcome.attempt > 1 or outcome.status not in _RAN:
        return None
    for earlier, spec in SPECS.items():
        if spec.per is not Per.ADDRESS or earlier not in plan.stages or not precedes(earlier, outcome.stage):
            continue
        if not spec.applies(tls=plan.tls is not None, logs_in=plan.authentication is not None):
            continue
        before = answered.get((earlier, outcome.target, 1, outcome.look))
        if before is None or before.status is not Status.OK:
            return earlier
    return None
