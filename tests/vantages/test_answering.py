"""What a far side may answer a plan with, and that anything else is named."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerproof.probes.outcome import Line, Outcome, Role, Stage, Status, Target, encode_line
from brokerproof.probes.plan import Endpoint, ForbiddenConnect, Plan
from brokerproof.vantages import answering
from brokerproof.vantages.answering import Answering
from brokerproof.vantages.conversation import Conversation
from brokerproof.vantages.tail import Tail
from tests.vantages.far_side import closing, started

B1 = Endpoint(name="b-1.example.com", port=9094, broker_id=1)
PLAN = Plan(
    plan_id="p",
    client="app",
    bootstrap=(Endpoint(name="boot.example.com", port=9094),),
    brokers=(B1,),
    stages=(Stage.RESOLVE, Stage.CONNECT, Stage.API, Stage.PATH_SIZE, Stage.PRODUCE, Stage.GROUP),
    forbidden=(ForbiddenConnect(address="10.0.0.9", port=22, why="it must not"),),
    connect_attempts=3,
    other_names=("kafka.us-east-1.amazonaws.com",),
)
BROKER = Target(role=Role.BROKER, name=B1.name, address="10.0.0.1", port=9094, broker_id=1)
CLUSTER = Target(role=Role.CLUSTER)


def ok(stage: Stage, target: Target, attempt: int = 1) -> Outcome:
    return Outcome(stage=stage, target=target, status=Status.OK, started_ns=0, duration_ns=0, attempt=attempt)


ASKED = [
    ok(Stage.RESOLVE, Target(role=Role.BROKER, name=B1.name)),
    ok(Stage.CONNECT, BROKER, 3),
    ok(Stage.PATH_SIZE, BROKER),
    ok(Stage.PRODUCE, msgspec.structs.replace(BROKER, name="B-1.EXAMPLE.com.", address="")),
    ok(Stage.GROUP, CLUSTER),
    ok(Stage.PRODUCE, CLUSTER),
    ok(Stage.API, Target(role=Role.BOOTSTRAP, name="boot.example.com", address="10.0.0.2", port=9094)),
    ok(Stage.API, Target(role=Role.ADVERTISED, name="b-2.elsewhere", address="10.0.0.3", port=443, broker_id=2)),
    ok(Stage.CONNECT, Target(role=Role.FORBIDDEN, address="10.0.0.9", port=22)),
    ok(Stage.RESOLVE, Target(role=Role.OTHER, name="kafka.us-east-1.amazonaws.com")),
]
NOT_ASKED = [
    ok(Stage.METADATA, BROKER),
    ok(Stage.CONNECT, BROKER, 4),
    ok(Stage.CONNECT, BROKER, 0),
    ok(Stage.API, BROKER, 2),
    ok(Stage.CONNECT, msgspec.structs.replace(BROKER, name="b-9.example.com")),
    ok(Stage.CONNECT, msgspec.structs.replace(BROKER, port=443)),
    ok(Stage.RESOLVE, BROKER),
    ok(Stage.RESOLVE, Target(role=Role.BROKER, name="b-9.example.com")),
    ok(Stage.PATH_SIZE, Target(role=Role.BOOTSTRAP, name="boot.example.com", address="10.0.0.2", port=9094)),
    ok(Stage.PRODUCE, Target(role=Role.BOOTSTRAP, name="boot.example.com", port=9094)),
    ok(Stage.CONNECT, Target(role=Role.BOOTSTRAP, name=B1.name, address="10.0.0.1", port=9094)),
    ok(Stage.CONNECT, CLUSTER),
    ok(Stage.GROUP, msgspec.structs.replace(CLUSTER, name="x")),
    ok(Stage.CONNECT, Target(role=Role.FORBIDDEN, address="10.0.0.9", port=23)),
    ok(Stage.API, Target(role=Role.FORBIDDEN, address="10.0.0.9", port=22)),
    ok(Stage.RESOLVE, Target(role=Role.OTHER, name="other.example.com")),
    ok(Stage.CONNECT, Target(role=Role.OTHER, name="kafka.us-east-1.amazonaws.com")),
    ok(Stage.PATH_SIZE, Target(role=Role.ADVERTISED, name="b-2.elsewhere", address="10.0.0.3", port=443)),
    ok(Stage.THROUGHPUT, CLUSTER),
]


@given(st.permutations(ASKED))
def test_what_the_plan_asks_for_is_taken_in_any_order(outcomes: list[Outcome]) -> None:
    answers = Answering(PLAN)
    assert [fault for each in outcomes if (fault := answers.fault(each))] == []


@pytest.mark.parametrize("outcome", NOT_ASKED, ids=lambda o: f"{o.target.role}-{o.stage}-{o.attempt}")
def test_what_the_plan_does_not_ask_for_is_named(outcome: Outcome) -> None:
    fault = Answering(PLAN).fault(outcome)
    assert fault.startswith(f"sent {outcome.stage} of {outcome.target.role}")
    assert fault.endswith("which the plan does not ask for")


def test_nothing_is_asked_for_twice() -> None:
    answers = Answering(PLAN)
    for outcome in ASKED:
        assert answers.fault(outcome) == ""
    assert answers.fault(ASKED[1]) == "sent connect of broker b-1.example.com 10.0.0.1 port 9094, attempt 3 twice"


def test_advertised_endpoints_and_all_outcomes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "MAX_ADVERTISED", 2)
    monkeypatch.setattr(answering, "MAX_ADDRESSES", 3)
    answers = Answering(PLAN)
    elsewhere = [Target(role=Role.ADVERTISED, name=f"b-{n}.x", address="10.0.0.3", port=9094) for n in range(3)]
    assert [answers.fault(ok(Stage.API, target)) for target in elsewhere] == [
        "",
        "",
        "sent outcomes of more than 2 advertised endpoints",
    ]
    many = [msgspec.structs.replace(BROKER, address=f"10.0.{n // 256}.{n % 256}") for n in range(1000)]
    faults = [answers.fault(ok(Stage.API, target)) for target in many]
    assert faults[0] == ""
    assert faults[-1].startswith("sent more than ")
    assert faults.index(faults[-1]) < 200


@given(before=st.integers(0, len(ASKED)), wrong=st.sampled_from(NOT_ASKED))
def test_an_answer_to_another_question_ends_the_run_and_loses_nothing(before: int, wrong: Outcome) -> None:
    conversation = Conversation(PLAN, said=Tail())
    lines: list[Line] = [started(PLAN), *ASKED[:before], wrong, *ASKED[before:], closing(PLAN, len(ASKED))]
    for line in lines:
        conversation.hear(encode_line(line).rstrip(b"\n"))
    run = conversation.result()
    assert run.outcomes == tuple(ASKED[:before])
    assert run.error.endswith("which the plan does not ask for")
    assert not conversation.trusted


def test_the_fault_is_printable() -> None:
    hostile = msgspec.structs.replace(BROKER, name="b-1\x1b]0;owned\x07\n\u202eexample")
    conversation = Conversation(PLAN, said=Tail())
    lines: list[Line] = [started(PLAN), ok(Stage.CONNECT, hostile)]
    for line in lines:
        conversation.hear(encode_line(line).rstrip(b"\n"))
    assert not {"\x1b", "\x07", "\u202e"} & set(conversation.result().error)
