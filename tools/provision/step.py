"""One step of set-up: a command that may take long, with its output in a log and progress on the terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

BEAT_S: Final = 10.0
POLL_S: Final = 0.1
WORTH_A_WORD_S: Final = 2.0
_ENDING_S: Final = 60.0
_TAIL_LINES: Final = 15
_WIDTH: Final = 70


class SetupError(Exception):
    """Set-up cannot go on; the message states what happened and what to do."""


class StoppedError(Exception):
    """A person, or a signal, wants set-up to end."""


@dataclass
class Stop:
    """Set by a signal handler, which may take no lock; so no :class:`threading.Event`."""

    wanted: bool = False


def say(line: str) -> None:
    """One line for the person who waits."""
    print(f"setup: {line}", flush=True)


@dataclass(frozen=True)
class Runner:
    """Runs the commands of set-up in one directory and environment, with all output in one log.

    ``stop`` is looked at several times a second. Signals set it and raise nothing: an exception
    between a command's start and the wait for it would leave the command behind.
    """

    directory: Path
    log: Path
    environ: Mapping[str, str]
    stop: Stop = field(default_factory=Stop)

    def run(self, what: str, command: Sequence[str | Path], *, as_root: bool = False) -> None:
        """Say what is done, do it, and say now and then that it is still being done.

        Args:
            what: in words, e.g. ``installing the project``.
            command: the command and its arguments.
            as_root: it may run as another user, whom only the terminal's Ctrl-C reaches.

        Raises:
            SetupError: the command failed; with the tail of its output.
            StoppedError: it, and all it started, was ended.
        """
        if self.stop.wanted:
            raise StoppedError
        say(what)
        started = time.monotonic()
        self.log.parent.mkdir(exist_ok=True)
        with self.log.open("ab") as output:
            output.write(f"\n$ {' '.join(map(str, command))}\n".encode())
            output.flush()
            begin = output.tell()
            try:
                child = subprocess.Popen(
                    command,
                    cwd=self.directory,
                    env=dict(self.environ),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    # A group of its own, so that what the command starts can be ended with it.
                    process_group=None if as_root else 0,
                )
            except OSError as error:
                raise SetupError(f"{command[0]} could not be run: {error}") from error
            with child:
                code = self._wait(child, started, begin)
        took_s = time.monotonic() - started
        if code != 0:
            raise SetupError(
                f"`{' '.join(map(str, command))}` failed ({code}). "
                f"All of its output is in {self.log}; the end of it:\n{self._tail(begin)}"
            )
        if took_s > WORTH_A_WORD_S:
            say(f"  done in {took_s:.0f} s")

    def _wait(self, child: subprocess.Popen[bytes], started: float, begin: int) -> int:
        last_word = started
        while not self.stop.wanted:
            with suppress(subprocess.TimeoutExpired):
                return child.wait(POLL_S)
            now = time.monotonic()
            if now - last_word >= BEAT_S:
                last_word = now
                last = self._tail(begin).rpartition("\n")[2].strip()[:_WIDTH]
                say(f"  still at it after {now - started:.0f} s: {last}")
        say("  ending it in good order")
        # Asked first: a package manager cut short leaves more work than it saves.
        _signal(child, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.wait(_ENDING_S)
        _signal(child, signal.SIGKILL)
        raise StoppedError

    def _tail(self, begin: int) -> str:
        with self.log.open("rb") as text:
            text.seek(begin)
            lines = text.read().decode(errors="replace").splitlines()
        return "\n".join([line.rstrip() for line in lines if line.strip()][-_TAIL_LINES:])


def _signal(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal a command, and all that it started where that is its own group."""
    with suppress(ProcessLookupError, PermissionError):
        if os.getpgid(0) == os.getpgid(child.pid):
            child.send_signal(number)
        else:
            os.killpg(child.pid, number)
