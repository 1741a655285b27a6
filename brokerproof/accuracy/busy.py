"""A machine kept busy while clean labs are verified: what is late there is not wrong.

The load is processes of this module's own, ``python -m brokerproof.accuracy.busy``. Each ends when its standard input
does, which the kernel closes with the process that holds the other end: after Ctrl-C, after ``kill -9``, and in
order. ``PR_SET_PDEATHSIG`` is not used: it fires when the *thread* that started the process ends.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

LOOPS: Final = 4
"""Processes that do nothing but count."""
_LONGEST_S: Final = 4 * 3600
"""After which the load ends by itself, whatever else happens."""
_LOOK_S: Final = 0.05
_CHUNK: Final = bytes(1 << 20)
_FILE_BYTES: Final = 64 << 20
"""The file that is written over and over; it has no name, so nothing is left of it."""


@contextmanager
def busy_machine() -> Iterator[None]:
    """Keep the processors and the disk at work until the end of the block."""
    with ExitStack() as running:
        for work in (*["loop"] * LOOPS, "disk"):
            running.enter_context(_process(work))
        yield


@contextmanager
def _process(work: str) -> Iterator[None]:
    command = [sys.executable, "-m", "brokerproof.accuracy.busy", work]
    # A session of its own: Ctrl-C in a terminal is for the proof, which ends the load when it has ended its labs.
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as process:
        try:
            yield
        finally:
            process.kill()
            process.wait()  # Popen itself waits a quarter of a second at most where the block ends by Ctrl-C


def _until_end() -> Iterator[None]:
    """Go on for as long as somebody holds the other end of standard input."""
    began = time.monotonic()
    while time.monotonic() - began < _LONGEST_S and not select.select([sys.stdin], [], [], 0)[0]:
        yield


def _loop() -> None:
    for _ in _until_end():
        end = time.monotonic() + _LOOK_S
        while time.monotonic() < end:
            pass


def _disk() -> None:
    with tempfile.TemporaryFile(dir="/var/tmp") as file:  # kept over reboots (FHS), so no memory but a disk
        for _ in _until_end():
            if file.tell() >= _FILE_BYTES:
                file.seek(0)
            file.write(_CHUNK)
            file.flush()
            os.fsync(file.fileno())


if __name__ == "__main__":
    {"loop": _loop, "disk": _disk}[sys.argv[1]]()
