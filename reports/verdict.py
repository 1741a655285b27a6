"""From checks to one verdict, for a client and for the whole run.

``passed`` has to be earned: every check was probed and passed, every probe's run is whole, every test
is green, and nothing is missing from the record. Every other end has a name of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum

import msgspec

from brokerproof.diagnosis.check import Check, Verdict
from brokerproof.reports.document import ClientResult, ResultDocument, TestOutcome
from brokerproof.reports.words import count


class Overall(StrEnum):
    """The verdict on a run or on one client. Only ``passed`` is a success."""

    PASSED = "passed"
    FAILED = "failed"
    """The path is not what it must be."""
    ERROR = "error"
    """The probe, its vantage or the lab failed; nothing is known about that part of the path."""
    INCOMPLETE = "incomplete"
    """Nothing failed, but not enough was observed to conclude that the path works."""
    NOTHING_PROBED = "nothing_probed"
    """No client was probed at all. Green by absence is not green."""

    @property
    def is_success(self) -> bool:
        """Whether a command that ends with this verdict exits with 0."""
        return self is Overall.PASSED


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """How many checks of each verdict."""

    passed: int = 0
    failed: int = 0
    blocked: int = 0
    error: int = 0
    not_seen: int = 0
    not_covered: int = 0

    @property
    def total(self) -> int:
        """All checks."""
        return self.passed + self.failed + self.blocked + self.error + self.not_seen + self.not_covered


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict with its sentence and its reasons."""

    overall: Overall
    tally: Tally
    sentence: str
    because: tuple[str, ...] = ()
    """What is missing or went wrong besides the checks themselves."""


def title(overall: Overall) -> str:
    """The verdict as a heading."""
    return overall.value.replace("_", " ").capitalize()


def symbol(overall: Overall) -> str:
    """A mark that reads without colour; always beside the word."""
    match overall:
        case Overall.PASSED:
            return "✓"
        case Overall.FAILED | Overall.NOTHING_PROBED:
            return "✗"
        case Overall.ERROR:
            return "!"
        case Overall.INCOMPLETE:
            return "?"


def tally(checks: Iterable[Check]) -> Tally:
    """Count checks by verdict."""
    counts = Counter(check.verdict for check in checks)
    return Tally(**{verdict.value: counts[verdict] for verdict in Verdict})


def judge_client(result: ClientResult) -> Judgement:
    """The verdict on one client."""
    counts = tally(result.checks)
    because = tuple(_trouble(result))
    if counts.failed:
        overall = Overall.FAILED
        sentence = f"{counts.failed:,} of {count(counts.total, 'check')} failed"
    elif result.vantage_error or counts.error:
        overall = Overall.ERROR
        sentence = (
            f"{counts.error:,} of {count(counts.total, 'check')} could not be made"
            if counts.error
            else "the probe could not do its work"
        )
    elif not counts.total and result.closing is not None:
        overall, sentence = Overall.NOTHING_PROBED, "nothing was checked"
    elif because or counts.total != counts.passed or not counts.total:
        overall = Overall.INCOMPLETE
        sentence = _unseen(counts)
    else:
        overall, sentence = Overall.PASSED, f"all {count(counts.total, 'check')} passed"
    return Judgement(overall=overall, tally=counts, sentence=sentence, because=because)


def _unseen(counts: Tally) -> str:
    """How much is missing from a run in which nothing failed."""
    unseen = counts.not_seen + counts.blocked
    if unseen:
        return f"{unseen:,} of {count(counts.total, 'check')} not seen"
    if counts.not_covered:
        return f"{counts.not_covered:,} of {count(counts.total, 'check')} not covered"
    return "the run was cut short"


def judge(document: ResultDocument) -> Judgement:
    """The verdict on the run."""
    return judge_from(document, tuple(judge_client(result) for result in document.clients))


def judge_from(document: ResultDocument, clients: tuple[Judgement, ...]) -> Judgement:
    """The verdict on the run from the verdicts on its clients, in the document's order."""
    counts = Tally(
        **{verdict.value: sum(getattr(client.tally, verdict.value) for client in clients) for verdict in Verdict}
    )
    by_overall = {
        overall: [
            result.name for result, client in zip(document.clients, clients, strict=True) if client.overall is overall
        ]
        for overall in Overall
    }
    tests = Counter(test.outcome for test in document.tests)
    overall = _overall(document, by_overall, tests)
    return Judgement(
        overall=overall,
        tally=counts,
        sentence=_sentence(overall, counts, by_overall, tests, len(clients)),
        because=document.incomplete_because,
    )


def _overall(document: ResultDocument, clients: dict[Overall, list[str]], tests: Counter[TestOutcome]) -> Overall:
    # In order of weight. A test fails also over a check that could not be made or was not seen: it
    # says something of its own about the path only where there is no such check.
    signs = (
        (Overall.FAILED, bool(clients[Overall.FAILED])),
        (Overall.ERROR, bool(clients[Overall.ERROR] or tests[TestOutcome.ERROR])),
        (Overall.INCOMPLETE, bool(clients[Overall.INCOMPLETE])),
        (Overall.FAILED, bool(tests[TestOutcome.FAILED])),
        (Overall.INCOMPLETE, not document.complete),
        (Overall.NOTHING_PROBED, bool(clients[Overall.NOTHING_PROBED]) or not clients[Overall.PASSED]),
    )
    return next((overall for overall, seen in signs if seen), Overall.PASSED)


def _sentence(
    overall: Overall,
    counts: Tally,
    clients: dict[Overall, list[str]],
    tests: Counter[TestOutcome],
    total_clients: int,
) -> str:
    whom = _names(clients[overall], total_clients)
    match overall:
        case Overall.PASSED:
            text = f"all {count(counts.total, 'check')} passed for {whom}"
        case Overall.FAILED if counts.failed:
            text = f"{counts.failed:,} of {count(counts.total, 'check')} failed, for {whom}"
        case Overall.FAILED:
            text = f"{count(tests[TestOutcome.FAILED], 'test')} failed, though no check did"
        case Overall.ERROR if clients[Overall.ERROR]:
            text = f"the probe could not do its work for {whom}; nothing is known about that part of the path"
        case Overall.ERROR:
            probed = "" if total_clients else "nothing was probed: "
            text = f"{probed}{count(tests[TestOutcome.ERROR], 'test')} ended in an error outside the test"
        case Overall.INCOMPLETE:
            seen = f"{counts.passed:,} of {count(counts.total, 'check')} passed and none failed"
            text = f"{seen}, but not enough was seen to conclude that it works"
        case Overall.NOTHING_PROBED:
            skipped = tests[TestOutcome.SKIPPED]
            why = f" ({count(skipped, 'test')} skipped)" if skipped else ""
            text = f"the selection probed nothing{why}; that is not a pass"
    return text


def _names(names: list[str], total: int) -> str:
    """One client by its name, more by their number."""
    match names:
        case [name]:
            return f"client {name}" if total == 1 else f"{name} (1 of {count(total, 'client')})"
        case _:
            return f"{len(names):,} of {count(total, 'client')}"


def _trouble(result: ClientResult) -> Iterator[str]:
    if result.vantage_error:
        yield result.vantage_error
    elif result.closing is None:
        yield "the probe's closing line is missing, so its run was cut short"
    if result.closing is not None and not result.closing.complete:
        yield "the plan's deadline ended the run before everything was probed"
