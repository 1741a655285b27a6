"""Far sides that once broke their vantage: each ends in a run with an error in words, in time."""

from __future__ import annotations

import resource
import sys
import time

import pytest

from brokerproof.probes.outcome import Closing, Outcome, Reason, Role, Stage, Started, Status, Target, encode_line
from brokerproof.probes.plan import Limits
from brokerproof.vantages.conversation import Conversation
from brokerproof.vantages.exec import ExecVantage, Patience
from brokerproof.vantages.protocol import VantageRun
from brokerproof.vantages.tail import Tail
from tests.probes.running import plan

PLAN = plan(9, limits=Limits(plan_ms=500))
NAME = PLAN.brokers[0].name
AT = Target(role=Role.BROKER, name=NAME, address="127.0.0.1", port=9, broker_id=1)
FLOOD = "import os, signal; signal.signal(15, signal.SIG_IGN)\nwhile True: os.write(1, b'y\\n' * 30000)"
BOUND_S = 20.0
MORE_BYTES = 200 << 20


def resolved() -> Outcome:
    target = Target(role=Role.BROKER, name=NAME)
    return Outcome(stage=Stage.RESOLVE, target=target, status=Status.OK, started_ns=1, duration_ns=1)


def at(stage: Stage, status: Status = Status.OK, reason: Reason | None = None, detail: str = "") -> Outcome:
    return Outcome(stage=stage, target=AT, status=status, reason=reason, detail=detail, started_ns=2, duration_ns=2)


def heard(*outcomes: Outcome, change: tuple[bytes, bytes] = (b"", b"")) -> VantageRun:
    conversation = Conversation(PLAN, said=Tail())
    conversation.hear(
        encode_line(Started(plan_id=PLAN.plan_id, client="c", probe_version="0", host="h", python="3")).rstrip()
    )
    for outcome in outcomes:
        conversation.hear(encode_line(outcome).rstrip().replace(*change))
    closing = Closing(plan_id=PLAN.plan_id, outcomes=len(outcomes), complete=True, duration_ns=100)
    conversation.hear(encode_line(closing).rstrip())
    return conversation.result()


def test_what_is_true_together_is_taken() -> None:
    refused = at(Stage.CONNECT, Status.FAILED, Reason.REFUSED)
    assert heard(resolved(), refused).error == ""


def test_a_detail_that_is_no_utf8_is_a_fault_and_no_exception() -> None:
    refused = at(Stage.CONNECT, Status.FAILED, Reason.REFUSED, "ECONNREFUSED")
    assert "not the probe's" in heard(resolved(), refused, change=(b"ECONN", b"\xff\xfe")).error


def test_what_is_not_printable_is_spelt_out() -> None:
    refused = at(Stage.CONNECT, Status.FAILED, Reason.REFUSED, "\x1b[31m\u202ered")
    run = heard(resolved(), refused)
    assert run.error == ""
    assert run.outcomes[-1].detail == "\\x1b[31m\\u202ered"


@pytest.mark.parametrize(
    ("outcomes", "words"),
    [
        ((resolved(), resolved()), "twice"),
        ((resolved(), at(Stage.CONNECT, Status.FAILED, Reason.REFUSED), at(Stage.API)), "not that connect before it"),
        ((resolved(), at(Stage.API)), "not that connect before it"),
        ((resolved(), at(Stage.CONNECT, Status.SKIPPED, Reason.WAITS_FOR)), "not for what"),
    ],
    ids=["a duplicate", "a stage behind one that failed", "a stage without the one before", "a skip for nothing"],
)
def test_outcomes_that_cannot_be_true_together_are_a_fault(outcomes: tuple[Outcome, ...], words: str) -> None:
    assert words in heard(*outcomes).error


@pytest.mark.slow
def test_a_far_side_that_prints_without_an_end_and_hears_no_signal_holds_nobody_up() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.monotonic()
    patience = Patience(first_line_ms=1000, grace_ms=300, terminate_ms=300)
    with ExecVantage("flood", (sys.executable, "-c", FLOOD), patience=patience) as vantage:
        run = vantage.run(PLAN)
    assert run.error
    assert time.monotonic() - begin < BOUND_S
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10 < MORE_BYTES
