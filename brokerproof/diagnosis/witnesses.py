"""Other clients as witnesses: a piece that several clients share is well where another one passes through it. Pure.

What is shared and excluded is no cause. Where another client passes only later, the failure was over by then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import Final

from brokerproof.causes.codes import Code
from brokerproof.diagnosis.rules.case import Case, Draft, Named, Red, behind_own
from brokerproof.diagnosis.rules.connect import is_mixed
from brokerproof.diagnosis.rules.shape import is_ipv6
from brokerproof.probes.outcome import Outcome, Role, Stage, Status
from brokerproof.topology.expectation.view import ClientView


class _Passed(Enum):
    """When another client passed through a piece, seen from a client that failed there."""

    MEANWHILE = auto()
    LATER = auto()


_Passes = Callable[[ClientView, ClientView], bool]
"""Whether the second client comes to the broker through the same piece as the first."""


def _at_all(_mine: ClientView, _other: ClientView) -> bool:
    """The broker itself: whoever reaches it."""
    return True


def _at_its_listener(mine: ClientView, other: ClientView) -> bool:
    """The port that the brokers listen at."""
    return mine.bind_port == other.bind_port


def _by_load_balancer(mine: ClientView, other: ClientView) -> bool:
    """The listener and target group of the broker: the same load balancer of the account's own, and the same family."""
    return behind_own(mine) and behind_own(other) and mine.pattern == other.pattern and is_ipv6(mine) is is_ipv6(other)


_SHARED: Final[Mapping[Code, _Passes]] = {
    Code.CLUSTER_BROKER_DOWN: _at_all,
    Code.LISTENER_NOT_ENABLED: _at_its_listener,
    Code.NLB_LISTENER_MISSING: _by_load_balancer,
    Code.NLB_NO_TARGET: _by_load_balancer,
    Code.NLB_STALE_TARGET: _by_load_balancer,
    Code.NLB_WRONG_TARGET_PORT: _by_load_balancer,
}
"""Causes that sit in one piece of one broker's way, and who else comes by it."""


def heard(case: Case, drafts: Sequence[Draft]) -> list[Draft]:
    """The drafts without the causes that other clients exclude; what was over when they came is transient."""
    return [_heard(case, draft) for draft in drafts]


def _heard(case: Case, draft: Draft) -> Draft:
    out: set[Code] = set()
    over = False
    for code in draft.codes & _SHARED.keys():
        said = [_said(case, code, red) for red in draft.reds]
        if any(said):
            out.add(code)
            over = over or _Passed.MEANWHILE not in said
    if not out:
        return draft
    left = frozenset(draft.codes - out) | ({Code.TRANSIENT_OVER} if over else frozenset())
    if len(left) == 1 and left != {Code.TRANSIENT_OVER}:
        return draft  # what is left over has no witness of its own
    if left:
        symptom = _SYMPTOM if isinstance(draft.wrong, Named) or not draft.wrong else draft.wrong
        return Draft(left, "" if left == {Code.TRANSIENT_OVER} else symptom, draft.reds)
    return Draft(frozenset({Code.UNKNOWN}), Named(_SYMPTOM), draft.reds)


_SYMPTOM: Final = "some clients fail where others pass through all that they share"


def _said(case: Case, code: Code, red: Red) -> _Passed | None:
    """When another client passed; None where none did."""
    mine = case.began_ns(red.view)
    failed = [(mine + o.started_ns, mine + o.started_ns + o.duration_ns) for o in _failures(case, red)]
    if red.check.broker_id is None or not failed or is_mixed(case, red):
        return None  # what works now and then works for others as well
    first_ns, last_ns = min(begin for begin, _ in failed), max(end for _, end in failed)
    later = False
    for other in case.views:
        if other is red.view or not _SHARED[code](red.view, other):
            continue
        began_ns = case.began_ns(other)
        for outcome in _passing(case, other, red.check.broker_id):
            at_ns = began_ns + outcome.started_ns + outcome.duration_ns
            if not mine or not began_ns or first_ns <= at_ns <= last_ns:
                return _Passed.MEANWHILE
            later = later or at_ns > last_ns
    return _Passed.LATER if later else None


def _failures(case: Case, red: Red) -> Iterator[Outcome]:
    yield from (o for o in case.outcomes(red) if o.status is Status.FAILED)
    yield from (o for o in case.again(red) if o.status is Status.FAILED)


def _passing(case: Case, view: ClientView, broker_id: int) -> Iterator[Outcome]:
    """Answers at the broker's own port by which it proved to this client who it is, in the first look or the second.

    At a port that it only advertises, it may have answered by another listener: behind it one broker follows another.
    """
    for outcome in (*case.of_stage(view, Stage.IDENTITY), *case.looked_again(view)):
        its_own = outcome.target.role is Role.BROKER and outcome.target.broker_id == broker_id
        if its_own and outcome.stage is Stage.IDENTITY and outcome.status is Status.OK:
            yield outcome
