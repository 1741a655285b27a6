"""The load of a busy machine: it is there, and it ends whatever happens to who started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from brokerproof.accuracy import busy
from brokerproof.accuracy.busy import LOOPS, busy_machine

HOLDER = """
from brokerproof.accuracy.busy import busy_machine
import time
with busy_machine():
    print("on", flush=True)
    time.sleep(60)
"""


def loads_of(parent: int) -> list[int]:
    """The processes of a load that this process started; the kernel's list may miss one while others come (proc(5))."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii")
    return [int(pid) for pid in children.split() if b"brokerproof.accuracy.busy" in command_of(int(pid))]


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""


def until(holds: Callable[[], bool], within_s: float = 10) -> bool:
    end = time.monotonic() + within_s
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)
    return holds()


def test_processors_and_disk_are_at_work_until_the_end_of_the_block() -> None:
    with busy_machine():
        assert until(lambda: len(loads_of(os.getpid())) == LOOPS + 1)
        pids = loads_of(os.getpid())
        assert until(lambda: b"disk" in b"".join(map(command_of, pids)))
    assert loads_of(os.getpid()) == []


def test_it_ends_with_an_error() -> None:
    with pytest.raises(KeyboardInterrupt), busy_machine():
        raise KeyboardInterrupt
    assert loads_of(os.getpid()) == []


def test_it_ends_with_who_started_it_be_that_by_kill_9() -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "on\n"
        assert until(lambda: len(loads_of(holder.pid)) == LOOPS + 1)
        pids = loads_of(holder.pid)
        assert until(lambda: all(b"busy" in command_of(pid) for pid in pids))
        os.kill(holder.pid, signal.SIGKILL)
        assert until(lambda: not any(b"brokerproof.accuracy.busy" in command_of(pid) for pid in pids))


def test_it_ends_by_itself_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    with os.fdopen(read) as held, os.fdopen(write, "w"):
        monkeypatch.setattr(busy, "_LONGEST_S", 0.1)
        monkeypatch.setattr(sys, "stdin", held)
        began = time.monotonic()
        busy._loop()
        assert time.monotonic() - began < 5
