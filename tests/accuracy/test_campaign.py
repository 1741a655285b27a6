"""Trials shared out among workers: each once, in any number of sittings, whatever ends one."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest

from brokerproof.accuracy.campaign import CarrierError, Progress, run
from brokerproof.accuracy.cases import Case
from brokerproof.accuracy.trial import Trial, TrialKind


def cases(many: int) -> tuple[Case, ...]:
    return tuple(Case(f"clean/p{i % 3}/{i}", TrialKind.CLEAN, f"p{i % 3}") for i in range(many))


def quick(case: Case) -> Trial:
    return Trial(case_id=case.case_id, kind=case.kind, pattern=case.pattern, answer="nothing_wrong", verdict_ms=1)


def slow(case: Case) -> Trial:
    time.sleep(0.01)
    return quick(case)


def never(progress: Progress) -> None:
    raise AssertionError(progress)


class Hand:
    """A carrier without a lab."""

    def __init__(self, does: Callable[[Case], Trial] = quick) -> None:
        self.does = does
        self.carried_out: list[str] = []
        self.closed = 0
        self.abandoned = threading.Event()

    def carry_out(self, case: Case) -> Trial:
        self.carried_out.append(case.case_id)
        return self.does(case)

    def abandon(self) -> None:
        self.abandoned.set()

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_every_case_once(workers: int) -> None:
    hands: list[Hand] = []
    heard: list[Progress] = []

    def hand() -> Hand:
        hands.append(Hand())
        return hands[-1]

    run(cases(11), workers=workers, carrier=hand, on_trial=heard.append)
    assert Counter(p.trial.case_id for p in heard) == Counter(case.case_id for case in cases(11))
    assert [p.done for p in heard] == list(range(1, 12))
    assert heard[-1].left_s == 0
    assert [hand.closed for hand in hands] == [1] * workers
    assert not any(hand.abandoned.is_set() for hand in hands)


def test_what_is_done_is_not_done_again() -> None:
    every = cases(6)
    hand = Hand()
    heard: list[Progress] = []
    run(every, workers=1, carrier=lambda: hand, on_trial=heard.append, done=[quick(every[0]), quick(every[4])])
    assert sorted(hand.carried_out) == sorted(case.case_id for case in every if case not in {every[0], every[4]})
    assert [(p.done, p.cases) for p in heard] == [(3, 6), (4, 6), (5, 6), (6, 6)]


def test_nothing_left_to_do() -> None:
    every = cases(2)
    run(every, workers=2, carrier=Hand, on_trial=never, done=[quick(case) for case in every])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_what_is_being_done_and_keeps_what_is(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    heard: list[Progress] = []
    hand = Hand()

    def waits(case: Case) -> Trial:
        if len(hand.carried_out) == 3:
            os.kill(os.getpid(), number)
            assert hand.abandoned.wait(10)
        return quick(case)

    hand.does = waits
    with pytest.raises(KeyboardInterrupt):
        run(cases(6), workers=1, carrier=lambda: hand, on_trial=heard.append)
    assert len(hand.carried_out) == 3
    assert len(heard) == 2
    assert hand.closed == 1
    assert signal.getsignal(number) is before


def test_what_ends_while_ctrl_c_is_typed_is_kept_too() -> None:
    heard: list[str] = []
    typed = threading.Event()
    hand = Hand()

    def waits(case: Case) -> Trial:
        if len(hand.carried_out) == 2:
            assert typed.wait(10)
        if len(hand.carried_out) == 3:
            assert hand.abandoned.wait(10)
        return quick(case)

    def types_ctrl_c(progress: Progress) -> None:
        heard.append(progress.trial.case_id)
        if len(heard) == 1:
            os.kill(os.getpid(), signal.SIGINT)
            typed.set()
            while len(hand.carried_out) < 3:
                time.sleep(0.001)

    hand.does = waits
    with pytest.raises(KeyboardInterrupt):
        run(cases(6), workers=1, carrier=lambda: hand, on_trial=types_ctrl_c)
    assert heard == hand.carried_out[:2]


def test_ctrl_c_after_one_of_two_workers_has_ended() -> None:
    hands: list[Hand] = []
    heard: list[Progress] = []

    def waits(case: Case) -> Trial:
        if case.pattern == "p0":
            while not any(hand.closed for hand in hands):
                time.sleep(0.001)
            os.kill(os.getpid(), signal.SIGINT)
            assert all(hand.abandoned.wait(10) for hand in hands)
        return quick(case)

    def hand() -> Hand:
        hands.append(Hand(waits))
        return hands[-1]

    with pytest.raises(KeyboardInterrupt):
        run(cases(2), workers=2, carrier=hand, on_trial=heard.append)
    assert [p.trial.case_id for p in heard] == ["clean/p1/1"]


def test_a_journal_that_cannot_be_written_ends_the_proof() -> None:
    hand = Hand(slow)

    def full(_progress: Progress) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        run(cases(50), workers=1, carrier=lambda: hand, on_trial=full)
    assert len(hand.carried_out) < 50
    assert hand.closed == 1


def test_a_defect_of_a_worker_is_no_trial() -> None:
    def breaks(_case: Case) -> Trial:
        raise ZeroDivisionError("by zero")

    with pytest.raises(CarrierError, match="ZeroDivisionError: by zero"):
        run(cases(3), workers=2, carrier=lambda: Hand(breaks), on_trial=never)
