"""Processes of this room that stand in a namespace and are told what to do by one line. Runs as the lab's PID 1."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Generic, TypeVar

from brokerproof.lab.daemons.jvm import STATE_DIR
from brokerproof.lab.errors import LabError
from brokerproof.lab.network import kernel

T = TypeVar("T")

_TAIL_LINES = 15


class Told(Generic[T]):
    """The processes of one module, ``brokerproof.lab.daemons.<what>``: one for each value that is wanted."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._running: dict[T, subprocess.Popen[bytes]] = {}

    def keep(self, wanted: Collection[T], namespace: Callable[[T], str], asked: Callable[[T], object]) -> None:
        """Start those that are not there yet, each in its namespace and told what is asked, and end the others.

        Raises:
            LabError: one does not start.
        """
        for value in [v for v in self._running if v not in wanted]:
            process = self._running.pop(value)
            process.kill()
            process.communicate()
        for value in [v for v in wanted if v not in self._running]:
            self._running[value] = self._start(namespace(value), asked(value))

    def _start(self, namespace: str, asked: object) -> subprocess.Popen[bytes]:
        path = Path(STATE_DIR, "log", f"{self._what}-{namespace}.log")
        with path.open("wb") as log:
            process = subprocess.Popen(
                kernel.inside(namespace, sys.executable, "-m", f"brokerproof.lab.daemons.{self._what}"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        if process.stdin is None or process.stdout is None:
            raise LabError(f"a {self._what} without pipes")
        process.stdin.write(json.dumps(asked).encode() + b"\n")
        process.stdin.flush()
        if process.stdout.readline() != b"ready\n":
            words = "\n".join(path.read_text(errors="replace").splitlines()[-_TAIL_LINES:])
            raise LabError(f"the {self._what} of {namespace} does not start:\n{words}")
        return process
