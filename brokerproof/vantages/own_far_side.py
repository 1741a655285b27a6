"""A far side that a vantage starts for itself and takes away again, as a pod or a container: what all of these share.

It is taken away by :meth:`OwnFarSide.close`. Where nobody gets to that (a kill -9 here, a lost connection), its only
process ends by itself: see :data:`KEEPS`.
"""

from __future__ import annotations

import secrets
import subprocess
from abc import abstractmethod
from collections.abc import Sequence
from typing import Final

from brokerproof.errors import CouldNotError
from brokerproof.vantages.exec import ExecSettings, ExecVantage, Patience, installs
from brokerproof.vantages.tail import printable
from brokerproof.wording import one_line

IDLE_S: Final = 60
"""How long it outlives the last process that was run in it."""
KEEPS: Final = f"""\
import os, time
left = {IDLE_S}
while left > 0:
    time.sleep(2)
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
    busy = sum(name.isdigit() for name in os.listdir('/proc')) > 1
    left = {IDLE_S} if busy else left - 2
"""
"""The first process there (``python3 -c``): it ends once no other has run beside it for :data:`IDLE_S`."""
NOBODY: Final = 65532
"""The user that the probe runs as there: it needs no rights."""
HOME: Final = "/tmp"  # noqa: S108  of a far side that nobody else is on
CALL_S: Final = 30.0
"""For one call of a tool that starts nothing."""
_LAST_WORDS: Final = 300


class FarSideError(CouldNotError):
    """The far side cannot be started; one sentence."""


class OwnFarSide(ExecVantage):
    """Runs plans through one probe process where something runs already, or in what it starts for itself.

    What is its own is started before the probe, and anew where it has ended.
    """

    def __init__(
        self, name: str, command: Sequence[str], settings: ExecSettings, *, own: str, patience: Patience | None
    ) -> None:
        """``own`` is what its own far side is called; empty where it has none."""
        self._own = own
        self._made = False
        super().__init__(
            name,
            command,
            python=settings.python,
            environment=settings.environment,
            install=installs(settings),
            patience=patience,
        )

    @abstractmethod
    def _start(self) -> None:
        """Start what is its own, and wait until a process can be run in it.

        Raises:
            FarSideError: it cannot be.
        """

    @abstractmethod
    def _runs(self) -> bool:
        """Whether what was started still runs."""

    @abstractmethod
    def _take_away(self) -> None:
        """Remove it; nothing is said where that fails."""

    def _prepare(self) -> None:
        if not self._own or (self._made and self._runs()):
            return
        if self._made:
            self._take_away()
        self._made = True
        self._start()

    def close(self) -> None:
        """End the probe, and take away what is its own."""
        super().close()
        if self._made:
            self._made = False
            self._take_away()


def drawn_name() -> str:
    """What a pod or container is called: nobody else's name, and told by it whose it is."""
    return f"brokerproof-{secrets.token_hex(5)}"


def called(command: Sequence[str], *, what: str, sent: str = "", limit_s: float = CALL_S) -> str:
    """What a tool prints.

    Args:
        command: The tool and its words. A Ctrl-C in this terminal does not reach it.
        what: What is being done, for the error.
        sent: Its standard input.
        limit_s: It is killed then.

    Raises:
        FarSideError: the tool is not there, fails, or does not end.
    """
    try:
        done = subprocess.run(
            command,
            input=sent.encode(),
            capture_output=True,
            check=False,
            timeout=limit_s,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        raise FarSideError(f"{what}: {command[0]} did not answer within {limit_s:.0f} s") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise FarSideError(f"{what}: cannot start {command[0]!r}: {why}") from None
    if done.returncode:
        said = printable(done.stderr).strip().splitlines() or printable(done.stdout).strip().splitlines()
        words = f": {said[-1][-_LAST_WORDS:]}" if said else ""
        raise FarSideError(one_line(f"{what}: {command[0]} ended with exit status {done.returncode}{words}"))
    return done.stdout.decode(errors="replace")
