"""One step of set-up: a command that may take long, with its output in a log and a word now and then."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BEAT_S: Final = 10.0
WORTH_A_WORD_S: Final = 2.0
_ENDING_S: Final = 60.0
_TAIL_LINES: Final = 15
_WIDTH: Final = 70


class SetupError(Exception):
    """Set-up cannot go on; the message says what happened and what to do."""


def say(line: str) -> None:
    """One line for the person who waits."""
    print(f"setup: {line}", flush=True)


@dataclass(frozen=True)
class Runner:
    """Runs the commands of set-up in one directory and environment, with all output in one log."""

    directory: Path
    log: Path
    environ: Mapping[str, str]

    def run(self, what: str, command: Sequence[str | Path]) -> None:
        """Say what is done, do it, and say now and then that it is still being done.

        Raises:
            SetupError: the command failed; with the tail of its output.
        """
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
        try:
            while True:
                try:
                    return child.wait(BEAT_S)
                except subprocess.TimeoutExpired:
                    last = self._tail(begin).rpartition("\n")[2][:_WIDTH]
                    say(f"  still at it after {time.monotonic() - started:.0f} s: {last}")
        except KeyboardInterrupt:
            # Ended in good order: a package manager cut short leaves more work than it saves.
            with suppress(PermissionError):
                child.terminate()
            with suppress(subprocess.TimeoutExpired):
                child.wait(_ENDING_S)
            raise
        finally:
            if child.poll() is None:
                with suppress(PermissionError):
                    child.kill()

    def _tail(self, begin: int) -> str:
        with self.log.open("rb") as text:
            text.seek(begin)
            lines = text.read().decode(errors="replace").splitlines()
        return "\n".join([line.rstrip() for line in lines if line.strip()][-_TAIL_LINES:])
