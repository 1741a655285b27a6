"""The terminal summary: plain words at any width, colour only on a terminal, no foreign control codes."""

from __future__ import annotations

import io

import msgspec
import pytest
from rich.console import Console

from brokerproof.diagnosis.check import Verdict
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.reports.document import ResultDocument, TestOutcome, TestResult
from brokerproof.reports.terminal import print_summary
from tests.reports.builder import client_result, document, mixed
from tests.reports.path import view


def summary(run: ResultDocument, *, width: int = 120, terminal: bool = False, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    console = Console(
        file=file, width=width, force_terminal=terminal, color_system="standard" if terminal else None, _environ={}
    )
    print_summary(run, console, reports=[("report", "results/report.html")])
    return raw.getvalue().decode(encoding)


def a_test(outcome: TestOutcome, message: str) -> TestResult:
    return TestResult(node_id="t.py::a", outcome=outcome, duration_ns=1, message=message)


EXPECTED = """
✗ FAILED  1 of 33 checks failed, for client privatelink_multi_nlb.billing
target lab, run 20260314T092653Z-7f3c, 25 passed, 1 failed, 7 blocked

FAILED  privatelink_multi_nlb.billing  broker-2/resolve
  observed resolve: nxdomain after 0 ms
  expected b-2.orders.k3f9xa.c4.kafka.us-east-1.amazonaws.com passes resolve within its deadline
  change   Listener 0 of nlb-orders: forward to broker 2 only.
  blocks   7 later checks wait for this one

privatelink_multi_nlb.billing: 1 of 33 checks failed
           resolve connect handshake api     metadata identity produce consume group must not
  broker-1 ok      ok      ok        ok      ok       ok       ok      ok            ok
  broker-2 FAILED  blocked blocked   blocked blocked  blocked  blocked blocked       ok
  broker-3 ok      ok      ok        ok      ok       ok       ok      ok            ok
  cluster                                                                      ok    ok

report: results/report.html
"""


def test_the_summary_of_one_failure() -> None:
    run = document(client_result(view(), {(2, Stage.RESOLVE): Reason.NXDOMAIN}))
    assert summary(run) == EXPECTED


def test_timings_and_what_cannot_be_said() -> None:
    said = summary(mixed())
    assert "privatelink_single_nlb.fulfilment: produce 118 MB/s, consume 242 MB/s" in said
    assert "  produce ack             2.21 ms n=120 is too few n=120 is too few    55.6 ms" in said
    assert "  produce ack             2.21 ms          5.60 ms          13.4 ms    55.6 ms" in said


def test_colour_only_on_a_terminal() -> None:
    assert "\x1b[" not in summary(mixed())
    assert "\x1b[" in summary(mixed(), terminal=True)


@pytest.mark.parametrize("width", [40, 80, 100])
def test_a_narrow_terminal_cuts_no_cell(width: int) -> None:
    said = summary(mixed(), width=width)
    assert "…" not in said
    grid = said[said.rindex("resolve connect") :].partition("privatelink")[0]
    for stage in ("resolve", "handshake", "identity", "consume", "must not"):
        assert grid.count(stage) == 1
    assert grid.count("FAILED") == 2
    assert grid.count("blocked") == 8
    assert all(len(line) <= width for line in grid.splitlines())


def test_foreign_text_moves_no_cursor_and_is_no_markup() -> None:
    result = client_result(view(), {(2, Stage.CONNECT): Reason.TIMED_OUT})
    hostile = "\x1b[2J[bold]gone[/bold]\r\u202e"
    checks = tuple(
        msgspec.structs.replace(check, observed=hostile) if check.verdict is Verdict.FAILED else check
        for check in result.checks
    )
    said = summary(document(msgspec.structs.replace(result, checks=checks)))
    assert "\\x1b[2J[bold]gone[/bold]\\r\\u202e" in said
    assert not {"\x1b", "\r", "\u202e"} & set(said)


def test_a_terminal_without_the_letters_gets_them_spelt_out() -> None:
    result = client_result(view(), {(2, Stage.CONNECT): Reason.TIMED_OUT})
    checks = tuple(
        msgspec.structs.replace(check, observed="Zürich") if check.verdict is Verdict.FAILED else check
        for check in result.checks
    )
    said = summary(document(msgspec.structs.replace(result, checks=checks)), encoding="ascii")
    assert said.startswith("\nFAILED  1 of 33")
    assert "Z\\xfcrich" in said


def test_a_partial_record_says_why() -> None:
    said = summary(document(client_result(view()), because=tuple(f"journal gw{number}: torn" for number in range(7))))
    assert "? INCOMPLETE" in said
    assert "This record is partial:\n  journal gw0: torn" in said
    assert "  and 2 more reasons" in said


def test_a_run_of_many_is_counted_not_listed() -> None:
    many = document(*(client_result(view(f"client-{number:02}")) for number in range(30)))
    said = summary(many)
    assert "✓ PASSED  all 990 checks passed for 30 of 30 clients" in said
    assert "privatelink_multi_nlb.client-19: all 33 checks passed" in said
    assert "and 10 more clients passed" in said
    assert len(said.splitlines()) < 40


def test_a_run_of_many_draws_those_that_did_not_pass() -> None:
    broken = client_result(view("client-99"), {(2, Stage.CONNECT): Reason.TIMED_OUT})
    said = summary(document(*(client_result(view(f"client-{number:02}")) for number in range(5)), broken))
    assert said.count("resolve connect") == 1
    assert "privatelink_multi_nlb.client-04: all 33 checks passed" in said


def test_a_client_with_many_brokers_shows_those_that_did_not_pass() -> None:
    said = summary(document(client_result(view(brokers=30), {(17, Stage.CONNECT): Reason.REFUSED})))
    grid = said.partition("checks failed\n")[2]
    assert "broker-17" in grid
    assert "broker-16" not in grid
    assert "and 30 more rows in the report" in grid


@pytest.mark.parametrize(
    ("run", "says"),
    [
        (document(), "✗ NOTHING PROBED  the selection probed nothing; that is not a pass"),
        (document(tests=(a_test(TestOutcome.ERROR, "no Java"),)), "ERROR  t.py::a in call: no Java"),
        (
            document(client_result(view()), tests=(a_test(TestOutcome.FAILED, "slow"),)),
            "FAILED  t.py::a in call: slow",
        ),
    ],
)
def test_what_no_check_says(run: ResultDocument, says: str) -> None:
    assert says in summary(run)


def test_a_test_that_a_check_explains_is_not_told_twice() -> None:
    assert "test_connect" not in summary(mixed())
