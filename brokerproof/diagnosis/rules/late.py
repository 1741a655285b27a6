"""Rules of answers that come late, so that some of them come too late. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from brokerproof.causes import sets
from brokerproof.causes.catalogue import CATALOGUE
from brokerproof.causes.codes import Code
from brokerproof.diagnosis.check import Subject
from brokerproof.diagnosis.rules.case import TWICE, Case, Draft, Red
from brokerproof.diagnosis.rules.connect import loses
from brokerproof.probes.outcome import Outcome, Reason, Role, Stage, Status
from brokerproof.probes.outcome.registry import SPECS, precedes, up_to

_ANSWERED_BY_A_BROKER: Final = frozenset(
    stage for stage in up_to(Stage.PATH_SIZE) if precedes(Stage.CONNECT, stage) and not SPECS[stage].logged_in_only
)
"""What a broker's processor, and not the path alone, has to do with; the probe waits between logins by itself."""

_LATE_NS: Final = 500_000_000
"""What comes sooner is not late, however short the deadline was."""


def slow_answers(case: Case, reds: Sequence[Red]) -> Iterable[Draft]:
    """Answers that did not come in time, where most of the others that the broker gave took half that time or more.

    Packets that are sent again make answers late as well: where the client loses any, both are said.
    """
    late = [red for red in reds if _is_late(case, red)]
    lossy = [red for red in late if loses(case, red.view)]
    slow = [red for red in late if red not in lossy]
    if slow:
        yield Draft(frozenset({Code.PERFORMANCE_SLOW_ANSWERS}), "", tuple(slow))
    if lossy:
        yield Draft(sets.LATE_OR_LOST, "answers come seconds late", tuple(lossy))


def perhaps_late(drafts: Sequence[Draft]) -> list[Draft]:
    """The same drafts: where answers of the cluster come late, what was not answered in time may have been late too."""
    if not any(Code.PERFORMANCE_SLOW_ANSWERS in draft.codes for draft in drafts):
        return list(drafts)
    return [_widened(draft) if _may_be_late(draft) else draft for draft in drafts]


def _may_be_late(draft: Draft) -> bool:
    known = not draft.codes & {Code.PERFORMANCE_SLOW_ANSWERS, Code.UNKNOWN}
    return known and all(_is_waited_for(red) for red in draft.reds)


def _widened(draft: Draft) -> Draft:
    wrong = draft.wrong or CATALOGUE[min(draft.codes)].title
    return Draft(draft.codes | {Code.PERFORMANCE_SLOW_ANSWERS}, f"{wrong}, unless the answer was only late", draft.reds)


def _is_waited_for(red: Red) -> bool:
    """Whether a broker's answer did not come in time."""
    check = red.check
    return check.stage in _ANSWERED_BY_A_BROKER and check.reason is Reason.TIMED_OUT and not check.isolation


def _is_late(case: Case, red: Red) -> bool:
    if not _is_waited_for(red):
        return False
    waited_ns = [o.duration_ns for o in case.outcomes(red) if o.reason is Reason.TIMED_OUT]
    answered_ns = [o.duration_ns for o in _others(case, red) if o.status is Status.OK]
    if not waited_ns:
        return False
    late = sum(duration_ns >= max(_LATE_NS, min(waited_ns) // 2) for duration_ns in answered_ns)
    return late >= TWICE and 2 * late >= len(answered_ns)


def _others(case: Case, red: Red) -> Iterator[Outcome]:
    """What else came of the same stage at the same broker; behind a bootstrap name, of any, since any may answer."""
    for outcome in case.of_stage(red.view, red.check.stage):
        if red.check.subject is Subject.BOOTSTRAP:
            if outcome.target.role in {Role.BROKER, Role.BOOTSTRAP}:
                yield outcome
        elif outcome.target.role is Role.BROKER and outcome.target.broker_id == red.check.broker_id:
            yield outcome
