"""Green must be earned: every way of not earning it has a name."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokerproof.diagnosis.check import Check, Subject, Verdict
from brokerproof.probes.outcome import Closing, Stage
from brokerproof.reports.document import ClientResult, ResultDocument, TestOutcome, TestResult
from brokerproof.reports.verdict import Overall, judge, judge_client, symbol, title
from tests.reports.builder import client_result, document, mixed
from tests.reports.path import view

CLOSING = Closing(plan_id="p", outcomes=0, complete=True, duration_ns=1)


def result_of(
    verdicts: Sequence[Verdict], *, client: str = "billing", closing: Closing | None = CLOSING, vantage_error: str = ""
) -> ClientResult:
    checks = tuple(
        Check(
            check_id=f"c-{number}",
            client=client,
            stage=Stage.CONNECT,
            subject=Subject.CLUSTER,
            verdict=verdict,
            title="t",
        )
        for number, verdict in enumerate(verdicts)
    )
    return ClientResult(view=view(client), closing=closing, vantage_error=vantage_error, checks=checks)


P, F, B, E, N = Verdict.PASSED, Verdict.FAILED, Verdict.BLOCKED, Verdict.ERROR, Verdict.NOT_SEEN
CUT = msgspec.structs.replace(CLOSING, complete=False)


@pytest.mark.parametrize(
    ("result", "expected", "sentence"),
    [
        (result_of([P, P]), Overall.PASSED, "all 2 checks passed"),
        (result_of([P, F, B]), Overall.FAILED, "1 of 3 checks failed"),
        (result_of([F, E, N]), Overall.FAILED, "1 of 3 checks failed"),
        (result_of([P, E]), Overall.ERROR, "1 of 2 checks could not be made"),
        (result_of([P], vantage_error="ssh: gone"), Overall.ERROR, "the probe could not do its work"),
        (result_of([], vantage_error="ssh: gone"), Overall.ERROR, "the probe could not do its work"),
        (result_of([P, N]), Overall.INCOMPLETE, "1 of 2 checks not seen"),
        (result_of([P, B]), Overall.INCOMPLETE, "1 of 2 checks not seen"),
        (result_of([P], closing=None), Overall.INCOMPLETE, "the run was cut short"),
        (result_of([P], closing=CUT), Overall.INCOMPLETE, "the run was cut short"),
        (result_of([], closing=None), Overall.INCOMPLETE, "the run was cut short"),
        (result_of([]), Overall.NOTHING_PROBED, "nothing was checked"),
    ],
)
def test_the_verdict_on_one_client(result: ClientResult, expected: Overall, sentence: str) -> None:
    judgement = judge_client(result)
    assert (judgement.overall, judgement.sentence) == (expected, sentence)


def a_test(outcome: TestOutcome) -> TestResult:
    return TestResult(node_id=f"t.py::{outcome}", outcome=outcome, duration_ns=1)


GOOD = result_of([P, P])


@pytest.mark.parametrize(
    ("run", "expected", "says"),
    [
        (document(GOOD), Overall.PASSED, "all 2 checks passed for client privatelink_multi_nlb.billing"),
        (document(GOOD, result_of([F], client="b")), Overall.FAILED, "1 of 3 checks failed, for"),
        (document(GOOD, result_of([E], client="b")), Overall.ERROR, "nothing is known about that part"),
        (document(result_of([F]), result_of([E], client="b")), Overall.FAILED, "1 of 2 clients"),
        (document(GOOD, result_of([N], client="b")), Overall.INCOMPLETE, "not enough was seen"),
        (document(GOOD, because=("torn",)), Overall.INCOMPLETE, "not enough was seen"),
        (document(GOOD, result_of([], client="b")), Overall.NOTHING_PROBED, "not a pass"),
        (document(), Overall.NOTHING_PROBED, "not a pass"),
        (document(tests=(a_test(TestOutcome.SKIPPED),)), Overall.NOTHING_PROBED, "1 test skipped"),
        (document(because=("killed",)), Overall.INCOMPLETE, "not enough was seen"),
        (document(tests=(a_test(TestOutcome.ERROR),)), Overall.ERROR, "nothing was probed: 1 test"),
        (document(GOOD, tests=(a_test(TestOutcome.FAILED),)), Overall.FAILED, "1 test failed, though no check"),
        (document(result_of([E]), tests=(a_test(TestOutcome.FAILED),)), Overall.ERROR, "could not do its work"),
        (document(result_of([N]), tests=(a_test(TestOutcome.FAILED),)), Overall.INCOMPLETE, "not enough was seen"),
        (document(tests=(a_test(TestOutcome.FAILED),)), Overall.FAILED, "1 test failed, though no check"),
        (document(GOOD, tests=(a_test(TestOutcome.ERROR),)), Overall.ERROR, "1 test ended in an error"),
        (document(GOOD, tests=(a_test(TestOutcome.SKIPPED),)), Overall.PASSED, "all 2 checks"),
    ],
)
def test_the_verdict_on_a_run(run: ResultDocument, expected: Overall, says: str) -> None:
    judgement = judge(run)
    assert judgement.overall is expected
    assert says in judgement.sentence


@settings(deadline=None)
@given(
    verdicts=st.lists(st.lists(st.sampled_from(Verdict), max_size=4), max_size=3),
    closed=st.booleans(),
    complete=st.booleans(),
    tests=st.lists(st.sampled_from(TestOutcome), unique=True),
)
def test_passed_only_when_everything_was_seen_and_good(
    verdicts: list[list[Verdict]], closed: bool, complete: bool, tests: list[TestOutcome]
) -> None:
    run = document(
        *(
            result_of(some, client=f"client-{number}", closing=CLOSING if closed else None)
            for number, some in enumerate(verdicts)
        ),
        because=() if complete else ("cut short",),
        tests=tuple(a_test(outcome) for outcome in tests),
    )
    earned = (
        bool(verdicts)
        and all(some and set(some) == {Verdict.PASSED} for some in verdicts)
        and closed
        and complete
        and not {TestOutcome.FAILED, TestOutcome.ERROR} & set(tests)
    )
    judgement = judge(run)
    assert (judgement.overall is Overall.PASSED) == earned
    assert judgement.overall.is_success == earned
    assert judgement.tally.total == sum(map(len, verdicts))


def test_every_verdict_has_a_word_and_a_mark() -> None:
    assert len({title(overall) for overall in Overall}) == len(Overall)
    assert all(symbol(overall) for overall in Overall)


def test_the_mixed_document_fails_and_says_for_whom() -> None:
    assert judge(mixed()).sentence == "2 of 129 checks failed, for privatelink_single_nlb.fulfilment (1 of 2 clients)"
    assert judge_client(client_result(view())).overall is Overall.PASSED
