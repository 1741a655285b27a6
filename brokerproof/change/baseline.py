"""A run against an earlier one, by the facts of the clients that both have. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from brokerproof.change.declaration import Declaration
from brokerproof.change.facts import facts_of
from brokerproof.change.judgement import Answer, Judgement, judge_change
from brokerproof.change.look import Look, medians_of
from brokerproof.reports.document import ClientResult, ResultDocument


def against(baseline: ResultDocument, now: ResultDocument, declared: Declaration) -> Judgement:
    """The judgement; clients that only one of the two has are not compared.

    What is wrong in either of them is said by their own reports, and not once more here.
    """
    common = {result.name for result in baseline.clients} & {result.name for result in now.clients}
    troubles = () if common else ("the two runs have no client in common",)
    return judge_change(
        _look(baseline, common),
        _look(now, common),
        (),
        declared,
        command_began=baseline.started.timestamp(),
        command_ended=now.started.timestamp(),
        troubles=troubles,
    )


def is_accepted(judgement: Judgement) -> bool:
    """Whether nothing speaks against it."""
    return judgement.answer is Answer.ACCEPTED


def _look(document: ResultDocument, names: set[str]) -> Look:
    chosen = [result for result in document.clients if result.name in names]
    return Look(
        at=document.started.timestamp(),
        facts=tuple(fact for result in chosen for fact in facts_of(result.view, result.outcomes)),
        medians_ms=dict(_medians(chosen)),
    )


def _medians(results: list[ClientResult]) -> Iterator[tuple[str, float]]:
    for result in results:
        yield from medians_of(result.view.client, result.outcomes)
