"""What survivors count, and how they are talked to. Whether they notice what they should is shown in the lab."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerproof.probes.plan import Endpoint
from brokerproof.probes.survival import path
from brokerproof.probes.survival.bookkeeping import Acknowledged, Received, Resent, Stalls, lost
from brokerproof.probes.survival.path import Fresh, LaterFresh, Names, Segments
from brokerproof.probes.survival.values import NameSeen, SurvivalPlan, encode
from brokerproof.probes.wire.tcp_info import SentAgain
from brokerproof.vantages import survivors
from brokerproof.vantages.survivors import Survivors, SurvivorsError
from tests.change.test_judgement import CALM

AT = 1_000.0
PLAN = SurvivalPlan(client="app", brokers=(Endpoint(name="b-1", port=9094, broker_id=1),))


def acknowledged(*times: float) -> Acknowledged:
    made = Acknowledged(1, every_ms=25)
    for number, at in enumerate(times):
        made.take(number, AT + at)
    return made


def test_a_pause_is_noted_with_what_was_sent_again_in_it_and_how_late_the_host_was() -> None:
    stalls, resent = Stalls(), Resent()
    resent.note(AT + 0.15, 1, SentAgain(2, 0))
    resent.note(AT + 0.2, 1, SentAgain(1, 1))
    resent.note(AT + 0.15, 2, SentAgain(9, 0))
    resent.note(AT + 2.0, 1, SentAgain(7, 0))
    stalls.note(AT + 0.2, 50.0)
    stalls.note(AT + 9.0, 900.0)
    survival = acknowledged(0, 0.025, 0.05, 0.25, 0.275).survival(stalls, resent, look_back_s=0.25)
    [gap] = survival.gaps
    assert (gap.began, gap.lasted_ms, gap.host_late_ms) == (AT + 0.05, 200.0, 50.0)
    assert (gap.retransmitted, gap.unneeded) == (3, 1)
    assert survival.usual_ms == pytest.approx(25, abs=0.1)


def test_a_steady_pace_has_no_pause_and_silence_at_the_end_is_one() -> None:
    steady = acknowledged(*(number * 0.025 for number in range(100)))
    assert not steady.survival(Stalls(), Resent(), look_back_s=0).gaps
    steady.end(AT + 99 * 0.025 + 3, lasts=True)
    [gap] = steady.survival(Stalls(), Resent(), look_back_s=0).gaps
    assert (gap.lasted_ms, gap.lasts) == (3000.0, True)


def test_only_the_gap_at_the_end_lasts() -> None:
    made = acknowledged(0, 0.5, 0.525)
    made.end(AT + 0.54, lasts=True)
    assert [gap.lasts for gap in made.survival(Stalls(), Resent(), look_back_s=0).gaps] == [False]


def test_a_leader_owes_what_was_neither_acknowledged_nor_failed() -> None:
    made = acknowledged(0, 0.025)
    made.asked = 3
    assert made.owes
    made.errors["_MSG_TIMED_OUT"] += 1
    assert not made.owes


def test_short_stalls_add_up_as_far_as_they_fall_into_the_gap() -> None:
    """On a busy host a process waits often, and never long."""
    stalls = Stalls()
    for ended, late_ms in ((0.1, 400.0), (0.6, 200.0), (1.0, 300.0), (1.4, 200.0), (5.0, 900.0)):
        stalls.note(AT + ended, late_ms)
    assert stalls.within_ms(AT, AT + 1.3) == pytest.approx(100 + 200 + 300 + 100)


STOPPED_S = 1.0
WATCHER = """
import sys, time
from brokerproof.probes.survival.bookkeeping import Stalls
from brokerproof.probes.survival.path import Every, beat
stalls = Stalls()
beating = Every(0, beat(stalls), "beat")
began = time.time()
print(flush=True)
sys.stdin.readline()
beating.stop()
print(stalls.within_ms(began, time.time()))
"""


def test_a_process_that_is_stopped_knows_for_how_long() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WATCHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as watcher:
        assert watcher.stdin
        assert watcher.stdout
        watcher.stdout.readline()
        watcher.send_signal(signal.SIGSTOP)
        time.sleep(STOPPED_S)
        watcher.send_signal(signal.SIGCONT)
        watcher.stdin.write("\n")
        watcher.stdin.flush()
        assert float(watcher.stdout.readline()) >= 900 * STOPPED_S


def test_fresh_connections_go_where_the_name_leads() -> None:
    with socket.create_server(("127.0.0.2", 0)) as there:
        broker = Endpoint(name="b-1", port=there.getsockname()[1], broker_id=1)
        names = Names((broker,))
        first = Fresh(broker, "127.0.0.1", None, names, Stalls())
        later = LaterFresh((broker,), ((broker, "127.0.0.1"),), None, names, Stalls())
        for current in (("127.0.0.1",), ("127.0.0.2",), ()):
            names.current["b-1"] = current
            first.attempt()
            later.attempt()
        assert first.survival().attempts == 2, "at first, and while the name leads nowhere"
        assert len(first.survival().failed) == 2
        assert [(each.address, each.attempts, each.failed) for each in later.survivals()] == [("127.0.0.2", 1, ())]


def test_a_segment_that_goes_to_an_address_a_name_has_left_is_still_its_brokers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counts = iter((SentAgain(0, 0), SentAgain(4, 1)))
    monkeypatch.setattr(path, "resent_by_peer", lambda: [(40_000, ("10.0.0.9", 9094), next(counts))])
    names, resent = Names(PLAN.brokers), Resent()
    for address in ("10.0.0.9", "10.0.0.10"):
        names.seen.append(NameSeen(at=AT, name="b-1", addresses=(address,)))
    segments = Segments(names, PLAN.brokers, resent)
    segments.look()
    segments.look()
    assert resent.between(1, 0, time.time() + 1) == SentAgain(4, 1)


@given(order=st.permutations(range(8)), twice=st.sets(st.integers(0, 7)), missing=st.sets(st.integers(0, 7)))
def test_records_are_lost_twice_or_out_of_order_and_nothing_else(
    order: list[int], twice: set[int], missing: set[int]
) -> None:
    sent = acknowledged(*(0.01 * number for number in range(8)))
    received = Received()
    came = [number for number in order if number not in missing]
    for number in came:
        received.take(number)
    for number in twice - missing:
        received.take(number)
    assert lost((sent,), {1: received}) == len(missing)
    assert received.duplicated == len(twice - missing)
    assert (received.out_of_order == 0) is (came == sorted(came))


def test_what_nobody_received_is_lost() -> None:
    assert lost((acknowledged(0, 0.1),), {}) == 2


# How they are talked to


def far_side(script: str) -> tuple[str, ...]:
    return (sys.executable, "-c", f"import sys\nsys.stdin.readline()\n{script}")


STEADY = 'print(\'{"type":"steady","at":1.0}\', flush=True)\n'


def test_they_are_steady_and_report_once_they_are_told_to_stop() -> None:
    said = encode(CALM).decode().strip()
    script = f"{STEADY}assert sys.stdin.readline() == 'stop\\n'\nprint({said!r}, flush=True)"
    alive = Survivors("app", far_side(script), PLAN)
    try:
        assert alive.steady().at == 1.0
        assert alive.report() == CALM
    finally:
        alive.close()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ('print(\'{"type":"refused","why":"no topic"}\', flush=True)', "app: no topic"),
        ("sys.exit(3)", "ended without a word"),
        ("sys.stderr.write('no module\\n'); sys.exit(1)", "no module"),
        ("print('hello'); sys.stdin.readline()", "did not become steady"),
    ],
    ids=["refuses", "dies", "says why it dies", "says something else and hangs"],
)
def test_survivors_that_do_not_live_are_one_sentence(monkeypatch: pytest.MonkeyPatch, script: str, words: str) -> None:
    monkeypatch.setattr(survivors, "STEADY_S", 5.0)
    alive = Survivors("app", far_side(script), PLAN)
    try:
        with pytest.raises(SurvivorsError, match=words):
            alive.steady()
    finally:
        alive.close()


def test_a_command_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(SurvivorsError, match="cannot start 'no-such-command'"):
        Survivors("app", ("no-such-command",), PLAN)


@pytest.mark.parametrize("wrong", [{"brokers": ()}, {"every_ms": 0}, {"brokers": (Endpoint(name="b", port=1),)}])
def test_a_plan_that_cannot_be_lived_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"brokers|every_ms"):
        SurvivalPlan(**({"client": "app", "brokers": PLAN.brokers} | wrong))  # type: ignore[arg-type]
