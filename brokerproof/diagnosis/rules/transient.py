"""Rules of what was over before the run ended: the second look found it well. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from brokerproof.causes import sets
from brokerproof.causes.codes import Code
from brokerproof.diagnosis.check import Assertion, Subject
from brokerproof.diagnosis.rules.case import TWICE, Access, Case, Draft, Red, kind
from brokerproof.diagnosis.rules.connect import is_mixed, loses
from brokerproof.diagnosis.rules.shape import REFUSALS
from brokerproof.probes.outcome import AuthenticateFacts, Outcome, Reason, Stage, Status
from brokerproof.probes.outcome.registry import SPECS
from brokerproof.probes.outcome.spec import Per

_OF_ITS_TOPIC: Final = frozenset({Reason.TOPIC_NOT_CREATED, Reason.TOPIC_NOT_FOUND, Reason.NO_LEADER})
"""What failed with the first look's own topic. The second look's is made by a broker that may be another."""


def over(case: Case, reds: Sequence[Red]) -> Iterable[Draft]:
    """What failed each time in the first look, and was well in the second.

    A refusal, a closed connection or an error is an answer, so it was no accident of the path that it came. Silence
    that was over may have been loss.
    """
    found = [red for red in reds if _is_over(case, red)]
    silent = [red for red in found if red.check.reason is Reason.TIMED_OUT]
    answered = [red for red in found if red not in silent]
    if answered:
        failures = sum(o.status is Status.FAILED for red in answered for o in case.outcomes(red))
        codes = frozenset({Code.TRANSIENT_OVER}) if failures >= TWICE else sets.OVER
        brokers = {red.check.broker_id for red in answered} - {None}
        share = [red for red in reds if brokers and _is_share(case, red)]
        symptom = "" if failures >= TWICE else "one attempt failed, and the next look found it well"
        yield Draft(codes, symptom, (*answered, *share))
    vanished = [red for red in silent if red.check.stage is Stage.CONNECT]
    unanswered = [red for red in silent if red not in vanished]
    if vanished:
        yield Draft(sets.OVER, "connections vanished for a time, and the next look found it well", tuple(vanished))
    if unanswered:
        said = "answers failed to come for a time, and the next look found it well"
        yield Draft(sets.OVER_ON_A_CONNECTION, said, tuple(unanswered))


def _is_over(case: Case, red: Red) -> bool:
    check = red.check
    again = case.again(red)
    if check.isolation or check.asserts is not Assertion.STAGE_PASSES or SPECS[check.stage].measurement:
        return False
    if SPECS[check.stage].judged is Per.CLUSTER or check.reason in _OF_ITS_TOPIC or check.reason is Reason.OTHER_BROKER:
        return False  # one broker in place of another was no outage, and where brokers take turns any may be next
    if not again or any(o.status is not Status.OK for o in again) or is_mixed(case, red) or loses(case, red.view):
        return False
    if False in _second_logins(case.outcomes(red)):
        # One connection of each look logs in again, whichever is first: the next look's may be another one.
        next_ones = _second_logins(case.looked_again(red.view))
        if not next_ones or False in next_ones:
            return False
    # Behind a load balancer any target may answer a bootstrap connection: the second look met another one.
    return check.subject is not Subject.BOOTSTRAP or kind(red.view) is Access.DIRECT


def _second_logins(outcomes: Iterable[Outcome]) -> list[bool]:
    """Whether each second login on a connection was accepted."""
    again = [o.facts.again for o in outcomes if isinstance(o.facts, AuthenticateFacts)]
    return [each.accepted for each in again if each is not None]


def _is_share(case: Case, red: Red) -> bool:
    """Whether a bootstrap connection landed on the broker that was away for a time."""
    check = red.check
    if check.subject is not Subject.BOOTSTRAP or check.isolation or check.reason is Reason.TIMED_OUT:
        return False
    refused = check.stage is not Stage.CONNECT or check.reason in REFUSALS
    again = case.again(red)
    return refused and (is_mixed(case, red) or (bool(again) and all(o.status is Status.OK for o in again)))
