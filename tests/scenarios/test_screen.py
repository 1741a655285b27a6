"""What a terminal shows while clients are probed, and what is left of it."""

from __future__ import annotations

import io
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import msgspec
import pytest

from brokerproof.probes.outcome import Outcome, Reason, Role, Stage, Status, Target
from brokerproof.running.screen import Screen

SHOWN_WITHIN_S = 30
_SHOW_CURSOR = "\x1b[?25h"
_HIDE_CURSOR = "\x1b[?25l"


NOBODY = Target(role=Role.CONTROL, address="10.0.0.9", port=9094)
"""That nothing answers there is as it must be."""


def outcome(stage: Stage, status: Status = Status.OK, name: str = "b-1.demo.test") -> Outcome:
    return Outcome(
        stage=stage,
        target=Target(role=Role.BROKER, name=name, address="127.0.0.1", port=9094, broker_id=1),
        status=status,
        reason=None if status is Status.OK else Reason.TIMED_OUT,
        started_ns=0,
        duration_ns=1,
    )


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """Standard error as a terminal; what it shows so far."""
    ours, theirs = os.openpty()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    shown = bytearray()

    def so_far() -> str:
        os.set_blocking(ours, False)
        while True:
            try:
                shown.extend(os.read(ours, 65536))
            except BlockingIOError:
                return shown.decode()

    with os.fdopen(theirs, "w") as stream, monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", stream)
        yield so_far
    os.close(ours)


def eventually(so_far: Callable[[], str], words: str) -> None:
    end = time.monotonic() + SHOWN_WITHIN_S
    while not re.search(words, so_far()):
        assert time.monotonic() < end, so_far()
        time.sleep(0.05)


def test_every_client_has_a_row_that_says_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as so_far, Screen() as screen:
        screen.awaits(["account_b", "peered"])
        screen.begins("account_b", "from far by ssh")
        screen.begins("overlapping", f"from {'far' * 60} by ssh")
        screen.heard("account_b", outcome(Stage.CONNECT))
        screen.heard("account_b", outcome(Stage.HANDSHAKE, Status.FAILED))
        screen.heard("account_b", msgspec.structs.replace(outcome(Stage.CONNECT, Status.FAILED), target=NOBODY))
        eventually(so_far, r"account_b +3 +1 .*connect of control at 10.0.0.9, from far by ssh")
        eventually(so_far, r"peered .*waiting")
        headings = re.sub(r"\x1b\[[0-9;]*m", "", so_far())
        assert re.search(r"client +outcomes +failed +time +where it is", headings), headings
        screen.ends("account_b")
        eventually(so_far, r"account_b .*done")


def test_nothing_is_left_of_it_after_an_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as so_far:
        with suppress(KeyboardInterrupt), Screen() as screen:
            screen.begins("account_b", "")
            screen.heard("account_b", outcome(Stage.CONNECT))
            eventually(so_far, "account_b")
            raise KeyboardInterrupt
        assert so_far().rindex(_SHOW_CURSOR) > so_far().rindex(_HIDE_CURSOR)
        assert so_far().rindex("\x1b[2K") > so_far().rindex("account_b")


def test_what_is_said_meanwhile_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as so_far:
        with Screen() as screen:
            screen.begins("account_b", "")
            screen.heard("account_b", outcome(Stage.CONNECT))
            screen.say("the other step")
            eventually(so_far, "the other step")
        assert "s  the other step" in so_far()


def test_who_has_left_a_line_unfinished_ends_it_first(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    with terminal(monkeypatch), Screen(opening=lambda: opened.append("newline")) as screen:
        screen.begins("account_b", "")
        screen.heard("account_b", outcome(Stage.CONNECT))
        screen.heard("account_b", outcome(Stage.HANDSHAKE))
        assert opened == ["newline"]


def test_names_of_a_cluster_do_not_move_the_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as so_far, Screen() as screen:
        screen.begins("account_b", "")
        screen.heard("account_b", outcome(Stage.CONNECT, name="b-1\x1b[31m\n[bold]evil"))
        eventually(so_far, r"b-1\\x1b\[31m\\n\[bold\]evil")


def test_where_nobody_looks_it_is_a_line_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    with Screen() as screen:
        screen.begins("account_b", "")
        screen.heard("account_b", outcome(Stage.CONNECT))
        screen.show("1 of 3")
        screen.show("2 of 3")
        screen.say("done")
    assert re.fullmatch(r" *\d\.\d s  1 of 3\n *\d\.\d s  done\n", written.getvalue())
