"""The laws of one run's lines, and what is kept of what a far side said."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerproof.probes.outcome import Line, Measured, Outcome, Role, SampleBlock, Target, encode_line
from brokerproof.probes.plan import Endpoint, Plan
from brokerproof.vantages import conversation as conversation_module
from brokerproof.vantages.conversation import Conversation
from brokerproof.vantages.tail import SAID_BYTES, Tail, printable
from tests.vantages.far_side import closing, outcome, started

PLAN = Plan(
    plan_id="p",
    client="app",
    bootstrap=(Endpoint(name="b-1.example", port=9094),),
    brokers=tuple(Endpoint(name=f"b-{number}.example", port=9094, broker_id=number) for number in range(30)),
)

AT_ONCE = """
import sys
from concurrent.futures import ThreadPoolExecutor
from brokerproof.probes.outcome import decode_line
sys.setswitchinterval(1e-6)
line = sys.stdin.buffer.read()
with ThreadPoolExecutor(100) as threads:
    print(len({*threads.map(decode_line, [line] * 100)}))
"""
rubbish = st.one_of(
    st.binary(max_size=40).map(lambda text: text.replace(b"\n", b"")),
    st.sampled_from([b"{}", b"null", b'{"type":"outcome"}', b'{"type":"started","plan_id":3}', b"[" * 5000]),
).filter(lambda line: line.strip() != b"")


def talk(lines: list[bytes]) -> tuple[Conversation, list[Outcome]]:
    heard: list[Outcome] = []
    conversation = Conversation(PLAN, said=Tail(), on_outcome=heard.append)
    for line in lines:
        conversation.hear(line)
    return conversation, heard


def good(outcomes: int) -> list[bytes]:
    lines: list[Line] = [started(PLAN), *(outcome(number) for number in range(outcomes)), closing(PLAN, outcomes)]
    return [encode_line(line).rstrip(b"\n") for line in lines]


def test_the_first_lines_of_many_far_sides_are_read_at_once() -> None:
    """A decoder of msgspec that two threads make at once ends the process."""
    line = encode_line(outcome(0))
    done = subprocess.run([sys.executable, "-c", AT_ONCE], input=line, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"1\n"), done.stderr


@given(outcomes=st.integers(0, 20), banner=st.lists(rubbish, max_size=5))
def test_a_whole_run_is_whole_whatever_was_printed_before_it(outcomes: int, banner: list[bytes]) -> None:
    conversation, heard = talk([*banner, b"", *good(outcomes)])
    run = conversation.result()
    assert run.error == ""
    assert len(run.outcomes) == outcomes
    assert tuple(heard) == run.outcomes
    assert conversation.over
    assert conversation.trusted


@given(outcomes=st.integers(0, 10), data=st.data())
def test_a_run_cut_anywhere_keeps_what_came_before_and_is_an_error(outcomes: int, data: st.DataObject) -> None:
    lines = good(outcomes)
    cut = data.draw(st.integers(0, len(lines) - 1))
    run = talk(lines[:cut])[0].result()
    assert run.error == "sent no closing line"
    assert len(run.outcomes) == max(0, cut - 1)
    assert run.closing is None


@given(outcomes=st.integers(1, 10), line=rubbish, data=st.data())
def test_one_foreign_line_amid_a_run_is_an_error_and_loses_nothing(
    outcomes: int, line: bytes, data: st.DataObject
) -> None:
    lines = good(outcomes)
    lines.insert(data.draw(st.integers(1, len(lines) - 1)), line)
    conversation, _ = talk(lines)
    run = conversation.result()
    assert run.error.startswith("printed a line that is not the probe's: ")
    assert len(run.outcomes) == outcomes
    assert run.closing is not None
    assert not conversation.trusted


BLOCK = SampleBlock(
    what=Measured.CONNECT, target=Target(role=Role.BROKER, name="b-1"), warm_up=False, samples=0, columns=""
)


@pytest.mark.parametrize(
    ("sent", "counted", "error"),
    [(2, 2, ""), (1, 2, "its closing line counts 2 blocks of samples, 1 arrived")],
    ids=["all", "one lost"],
)
def test_samples_are_kept_and_counted(sent: int, counted: int, error: str) -> None:
    end: Line = msgspec.structs.replace(closing(PLAN, 0), sample_blocks=counted)
    run = talk([encode_line(line).rstrip(b"\n") for line in (started(PLAN), *[BLOCK] * sent, end)])[0].result()
    assert run.samples == (BLOCK,) * sent
    assert run.error == error


def test_samples_before_the_first_line_are_nobodys() -> None:
    run = talk([encode_line(BLOCK).rstrip(b"\n")])[0].result()
    assert (run.samples, run.error) == ((), "sent samples before its first line")


@given(outcomes=st.integers(1, 10), data=st.data())
def test_a_lost_or_doubled_outcome_never_passes(outcomes: int, data: st.DataObject) -> None:
    lines = good(outcomes)
    at = data.draw(st.integers(1, outcomes))
    lost = talk(lines[:at] + lines[at + 1 :])[0].result()
    doubled = talk(lines[: at + 1] + lines[at:])[0].result()
    assert lost.error == f"its closing line counts {outcomes} outcomes, {outcomes - 1} arrived"
    assert doubled.error == f"sent connect of broker b-{at - 1}.example 127.0.0.1 port 9094 twice"
    assert len(doubled.outcomes) == at


@given(st.lists(st.one_of(rubbish, st.sampled_from(good(2))), max_size=12))
def test_no_lines_in_any_order_raise_or_pass_for_a_whole_run_without_one(lines: list[bytes]) -> None:
    conversation, heard = talk(lines)
    run = conversation.result()
    assert tuple(heard) == run.outcomes
    if not run.error:
        assert run.started is not None
        assert run.closing is not None
        assert run.closing.outcomes == len(run.outcomes)


def test_a_closing_line_must_be_this_plans_and_come_after_the_first() -> None:
    other = encode_line(closing(msgspec.structs.replace(PLAN, plan_id="other"), 1))
    assert talk([*good(1)[:2], other])[0].result().error == "closed plan 'other', asked for 'p'"
    assert talk(good(0)[1:])[0].result().error == "sent a closing line before its first line"


def test_lines_after_the_closing_line_are_no_part_of_the_run_and_end_the_trust() -> None:
    late = encode_line(outcome(9)).rstrip(b"\n")
    conversation, heard = talk([*good(1), late])
    run = conversation.result()
    assert run.error == ""
    assert len(run.outcomes) == len(heard) == 1
    assert '"started_ns":9' in run.said
    assert not conversation.trusted


def test_a_run_of_too_many_bytes_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation_module, "MAX_RUN_BYTES", 1 << 20)
    lines = [*good(1)[:2], *[b"y" * 1000] * 2000]
    conversation, _ = talk(lines)
    assert conversation.over
    run = conversation.result()
    assert run.error.startswith("printed more than 1 MiB in one run; printed 1047 lines")
    assert len(run.outcomes) == 1


@given(st.lists(st.binary(max_size=3000)))
def test_a_tail_is_the_end_of_what_was_fed(chunks: list[bytes]) -> None:
    tail = Tail()
    for chunk in chunks:
        tail.feed(chunk)
    whole = b"".join(chunks)
    text = tail.text()
    assert text.startswith("[...]") == (len(whole) > SAID_BYTES)
    assert text.removeprefix("[...]") == printable(whole[-SAID_BYTES:]).strip()


@given(st.binary())
def test_printable_text_holds_nothing_a_terminal_or_xml_would_obey(text: bytes) -> None:
    assert all(c.isprintable() or c in "\n\t" for c in printable(text))
