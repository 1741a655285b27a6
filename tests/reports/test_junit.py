"""JUnit XML: stable names, the right element for each verdict, and red whenever the run is not green."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokerproof.diagnosis.check import Check, Subject, Verdict
from brokerproof.probes.outcome import Closing, Reason, Stage
from brokerproof.reports.document import ClientResult, ResultDocument, TestOutcome, TestResult
from brokerproof.reports.junit import render_junit
from brokerproof.reports.verdict import judge
from tests.reports.builder import client_result, document, mixed
from tests.reports.path import view


def cases(run: ResultDocument) -> dict[tuple[str, str], ET.Element]:
    root = ET.fromstring(render_junit(run))
    found = list(root.iter("testcase"))
    named = {(case.get("classname", ""), case.get("name", "")): case for case in found}
    assert len(named) == len(found), "two cases have the same name"
    return named


def one_check(verdict: Verdict, **more: object) -> ClientResult:
    check = Check(
        check_id="broker-1/connect/use1-az1",
        client="billing",
        stage=Stage.CONNECT,
        subject=Subject.BROKER,
        broker_id=1,
        verdict=verdict,
        title="10.1.0.11:9094 accepts a TCP connection",
    )
    return ClientResult(
        view=view(),
        closing=Closing(plan_id="p", outcomes=0, complete=True, duration_ns=1),
        checks=(msgspec.structs.replace(check, **more),),
    )


NAME = ("privatelink_multi_nlb.billing", "broker-1/connect/use1-az1")


@pytest.mark.parametrize(
    ("verdict", "tag"),
    [
        (Verdict.PASSED, None),
        (Verdict.FAILED, "failure"),
        (Verdict.ERROR, "error"),
        (Verdict.BLOCKED, "skipped"),
        (Verdict.NOT_SEEN, "skipped"),
    ],
)
def test_each_verdict_has_its_element(verdict: Verdict, tag: str | None) -> None:
    case = cases(document(one_check(verdict)))[NAME]
    assert [child.tag for child in case] == ([] if tag is None else [tag])


def test_a_failure_tells_what_it_saw_and_what_to_change() -> None:
    failed = one_check(
        Verdict.FAILED,
        observed="timed out after 2000 ms\nSYN sent twice",
        expected="it connects",
        change="open port 9094",
        reason=Reason.TIMED_OUT,
    )
    failure = cases(document(failed))[NAME][0]
    assert failure.get("message") == "timed out after 2000 ms"
    assert failure.get("type") == "connect/timed_out"
    assert failure.text == (
        "must hold: 10.1.0.11:9094 accepts a TCP connection\n"
        "observed: timed out after 2000 ms\nSYN sent twice\n"
        "expected: it connects\n"
        "change: open port 9094"
    )


def test_what_is_skipped_says_why() -> None:
    blocked = cases(document(one_check(Verdict.BLOCKED, blocked_by="broker-1/resolve")))[NAME][0]
    assert blocked.get("message") == "blocked: waits for broker-1/resolve"
    unseen = cases(document(one_check(Verdict.NOT_SEEN)))[NAME][0]
    assert unseen.get("message") == "planned, but the run ended before it was probed"


def test_counts_add_up() -> None:
    root = ET.fromstring(render_junit(mixed()))
    assert {key: root.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "132",
        "failures": "2",
        "errors": "1",
        "skipped": "21",
    }
    for key in ("tests", "failures", "errors", "skipped"):
        assert sum(int(suite.get(key, "")) for suite in root) == int(root.get(key, ""))


def test_names_do_not_change_with_what_was_seen() -> None:
    whole = client_result(view())
    broken = client_result(view(), {(1, Stage.CONNECT): Reason.TIMED_OUT})
    assert set(cases(document(whole))) == set(cases(document(broken)))


def test_a_label_is_part_of_the_name() -> None:
    labelled = client_result(view(), label="overlapping-cidrs")
    names = {name for name, _ in cases(document(client_result(view()), labelled))}
    assert "privatelink_multi_nlb.billing.overlapping-cidrs" in names


def test_characters_xml_forbids_do_not_break_it() -> None:
    hostile = one_check(Verdict.FAILED, observed="\x1b[31m\x00 </failure><testcase name='x'/> \ud800 \ufffe")
    failure = cases(document(hostile))[NAME][0]
    assert failure.get("message") == "\\x1b[31m\\x00 </failure><testcase name='x'/> \\ud800 \\ufffe"


def red(run: ResultDocument) -> Iterator[ET.Element]:
    for case in cases(run).values():
        yield from (child for child in case if child.tag in {"failure", "error"})


@pytest.mark.parametrize(
    ("run", "tag", "says"),
    [
        (document(), "failure", "the selection probed nothing; that is not a pass"),
        (document(one_check(Verdict.NOT_SEEN)), "error", "0 of 1 check passed and none failed"),
        (document(one_check(Verdict.PASSED), because=("killed",)), "error", "the record of this run is partial"),
        (document(one_check(Verdict.FAILED), because=("killed",)), "error", "the record of this run is partial"),
        (document(msgspec.structs.replace(one_check(Verdict.PASSED), vantage_error="ssh: gone")), "error", "ssh: gone"),
        (
            document(tests=(TestResult(node_id="t", outcome=TestOutcome.ERROR, duration_ns=1, message="no Java"),)),
            "error",
            "no Java",
        ),
    ],
)
def test_what_no_check_says_is_red_too(run: ResultDocument, tag: str, says: str) -> None:
    assert any(child.tag == tag and says in child.get("message", "") for child in red(run))


@settings(deadline=None)
@given(
    verdicts=st.lists(st.sampled_from(Verdict), max_size=4),
    closed=st.booleans(),
    because=st.sampled_from([(), ("cut short",)]),
    vantage_error=st.sampled_from(["", "ssh: gone"]),
    test=st.sampled_from([None, *TestOutcome]),
)
def test_red_exactly_when_the_run_is_not_green(
    verdicts: list[Verdict], closed: bool, because: tuple[str, ...], vantage_error: str, test: TestOutcome | None
) -> None:
    (check,) = one_check(Verdict.PASSED).checks
    result = ClientResult(
        view=view(),
        closing=Closing(plan_id="p", outcomes=0, complete=True, duration_ns=1) if closed else None,
        vantage_error=vantage_error,
        checks=tuple(
            msgspec.structs.replace(check, check_id=f"c-{number}", verdict=verdict)
            for number, verdict in enumerate(verdicts)
        ),
    )
    tests = () if test is None else (TestResult(node_id="t.py::t", outcome=test, duration_ns=1),)
    run = document(result, because=because, tests=tests)
    assert bool(list(red(run))) == (not judge(run).overall.is_success)
