"""Rules of requests after the first: the connection spoke Kafka, and then this one got no answer. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from brokerproof.causes import sets
from brokerproof.causes.codes import Code
from brokerproof.diagnosis.check import Assertion
from brokerproof.diagnosis.rules import authorization
from brokerproof.diagnosis.rules.case import Case, Draft, Red, Said, grouped
from brokerproof.probes.outcome import PathSizeFacts, Reason, Stage, Status
from brokerproof.probes.outcome.registry import SPECS

_ENDINGS: Final = frozenset({Reason.CLOSED, Reason.RESET, Reason.SOCKET_ERROR})


def unanswered(case: Case, reds: Sequence[Red]) -> Iterable[Draft]:
    """Silence, or an end without a word, where the first request was answered."""
    mine = [red for red in reds if SPECS[red.check.stage].asks and red.check.asserts is Assertion.STAGE_PASSES]
    said = [(red, _said(case, red)) for red in mine]
    return grouped((*found, red) for red, found in said if found is not None)


def _said(case: Case, red: Red) -> Said | None:
    stage, reason = red.check.stage, red.check.reason
    asks = SPECS[stage].asks
    if stage is Stage.PATH_SIZE and case.facts(red, PathSizeFacts) is None:
        return None  # it has a connection of its own, and that did not come about
    if reason in _ENDINGS:
        codes = sets.ENDED_AFTER_HANDSHAKE | ({Code.CLUSTER_NO_IDENTITY} if stage is Stage.IDENTITY else frozenset())
        return codes, f"the first request is answered, and {asks} is ended without an answer"
    if reason is not Reason.TIMED_OUT:
        return None
    words = f"the first request is answered, and {asks} is not"
    return _permission_unanswered(case, red, words) if stage is Stage.AUTHORIZE else (sets.STOPS_ANSWERING, words)


def _permission_unanswered(case: Case, red: Red, words: str) -> Said:
    """The next look asked the same: a refusal that came then is the answer that did not come in time before.

    One connection asks this once a look, so that nothing else tells a late answer from a lost one.
    """
    refused = authorization.denied_next(case, red)
    if refused is not None:
        return refused
    again = case.again(red)
    over = bool(again) and all(outcome.status is Status.OK for outcome in again)
    codes = sets.STOPS_ANSWERING | {Code.PERFORMANCE_SLOW_ANSWERS}
    return (codes | {Code.TRANSIENT_OVER} if over else codes), words
