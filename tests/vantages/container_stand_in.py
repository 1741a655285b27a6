"""A stand-in for docker and podman where neither is: the four commands a vantage uses. It isolates nothing.

A container is a file below ``STAND_IN``; what is executed in one runs on this host, and ends with it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

STATE = Path(os.environ.get("STAND_IN", "/nonexistent"))


def fail(words: str) -> None:
    sys.stderr.write(f"Error: {words}\n")
    sys.exit(125)


def run(words: list[str]) -> None:
    name = words[words.index("--name") + 1]
    if "no-such-image" in words:
        fail("no-such-image: image not known")
    (STATE / name).write_text(json.dumps({"words": words, "pids": []}))
    sys.stdout.write(f"{name}\n")


def execute(words: list[str]) -> None:
    _, name, *command = words
    there = STATE / name
    if not there.exists():
        fail(f'no container with name or ID "{name}" found: no such container')
    known = json.loads(there.read_text())
    there.write_text(json.dumps({**known, "pids": [*known["pids"], os.getpid()]}))
    environment = {"PATH": os.environ["PATH"], "HOME": str(STATE / f"{name}.home")}
    os.execvpe(command[0], command, environment)


def ps(words: list[str]) -> None:
    name = words[-1].removeprefix("name=^").removesuffix("$")
    sys.stdout.write(f"{name}\n" if (STATE / name).exists() else "")


def rm(words: list[str]) -> None:
    there = STATE / words[-1]
    pids = json.loads(there.read_text())["pids"] if there.exists() else []
    there.unlink(missing_ok=True)
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    {"run": run, "exec": execute, "ps": ps, "rm": rm}[sys.argv[1]](sys.argv[2:])
