"""What brokers and far sides say, on its way to a terminal or a CI log: no escape, no bell, no line of its own."""

from __future__ import annotations

import unicodedata

import click
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerproof.cli.endings import COULD_NOT, Said, as_sentences
from brokerproof.diagnosis.check import Verdict
from brokerproof.lab.errors import LabError
from brokerproof.probes.outcome import AdvertisedBroker, MetadataFacts, Outcome, Reason, Stage, Status, encode_line
from brokerproof.probes.outcome.lines import Refused
from brokerproof.probes.plan import Plan
from brokerproof.running.planning import ClientRun, conclude, make_plan
from brokerproof.scenarios.contract import require
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.patterns import PATTERNS
from brokerproof.vantages.conversation import Conversation
from brokerproof.vantages.protocol import VantageRun
from brokerproof.vantages.tail import Tail
from brokerproof.wording import one_line, printable
from tests.diagnosis.perfect import perfect
from tests.vantages.far_side import closing

HOSTILE = "b-2\x1b]0;owned\x07\x1b[2K\r\n::error::forged\u202e\x9b31m.example.com"
UNSAFE = {"\x1b", "\x07", "\r", "\u202e", "\x9b"}


def hostile(outcome: Outcome) -> Outcome:
    """Metadata advertises a hostile name, and every failure has hostile words."""
    if not isinstance(outcome.facts, MetadataFacts):
        return outcome
    brokers = tuple(
        AdvertisedBroker(broker_id=b.broker_id, name=HOSTILE, port=b.port) if b.broker_id == 2 else b
        for b in outcome.facts.brokers
    )
    return msgspec.structs.replace(outcome, facts=msgspec.structs.replace(outcome.facts, brokers=brokers))


def run_of(*, detail: str = "") -> ClientRun:
    topology = PATTERNS["privatelink_multi_nlb"].build()
    client = topology.clients[0]
    view = expect(topology, client.name)
    plan: Plan = make_plan(view, client, measure=False)
    outcomes = tuple(map(hostile, perfect(view)))
    if detail:
        outcomes = tuple(
            msgspec.structs.replace(o, status=Status.FAILED, reason=Reason.TIMED_OUT, detail=detail, facts=None)
            if o.stage is Stage.CONNECT
            else o
            for o in outcomes
        )
    run = VantageRun(outcomes=outcomes, closing=closing(plan, len(outcomes)))
    return conclude(view, plan, run)


def controls(said: str) -> list[str]:
    return [c for c in said if unicodedata.category(c)[0] == "C" or unicodedata.category(c) in {"Zl", "Zp"}]


def assert_safe(said: str) -> None:
    assert not UNSAFE & set(said)
    assert all(line.isprintable() for line in said.split("\n"))
    assert not [line for line in said.split("\n") if line.lstrip().startswith("::")]


def test_a_hostile_advertised_name_fails_its_test_in_printable_words() -> None:
    run = run_of()
    with pytest.raises(pytest.fail.Exception) as caught:
        require(run, run.select(Stage.METADATA, "broker-2"))
    assert "\\x1b]0;owned\\x07" in str(caught.value), "it is spelt out, not left out"
    assert_safe(str(caught.value))


def test_a_hostile_detail_fails_its_test_in_printable_words() -> None:
    run = run_of(detail=HOSTILE)
    with pytest.raises(pytest.fail.Exception) as caught:
        require(run, run.select(Stage.CONNECT))
    assert "\\x1b]0;owned" in str(caught.value)
    assert_safe(str(caught.value))


def test_what_is_skipped_says_why_in_printable_words() -> None:
    run = run_of()
    blocked = tuple(
        msgspec.structs.replace(c, verdict=Verdict.BLOCKED, blocked_by=HOSTILE, observed=HOSTILE)
        for c in run.checks[:1]
    )
    with pytest.raises(pytest.skip.Exception) as caught:
        require(run, blocked)
    assert_safe(str(caught.value))
    assert "\n" not in str(caught.value)


def test_a_command_ends_in_printable_words() -> None:
    @as_sentences
    def fails() -> None:
        raise LabError(HOSTILE.replace("\n::error::", ""))

    with pytest.raises(Said) as caught:
        fails()
    assert caught.value.code == COULD_NOT
    assert isinstance(caught.value, click.ClickException)
    assert_safe(caught.value.format_message())


def test_a_far_side_refuses_in_printable_words_on_one_line() -> None:
    conversation = Conversation(run_of().plan, said=Tail())
    conversation.hear(encode_line(Refused(why=HOSTILE)).rstrip(b"\n"))
    assert_safe(conversation.result().error)
    assert "\n" not in conversation.result().error


@given(st.text())
def test_any_words_are_printable_and_on_one_line(text: str) -> None:
    assert not controls(printable(text).replace("\n", "").replace("\t", ""))
    assert not controls(one_line(text).replace("\t", ""))
