"""The virtual environment: it is made whole from the lock, or does not count as made.

A stamp that is written last names what it was made from. A changed lock, interpreter or place makes it anew; a
changed project table installs only the project again.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tomllib
from enum import Enum, auto
from pathlib import Path
from typing import Final

from tools.provision.step import Runner

DIRECTORY: Final = ".venv"
LOCK: Final = "requirements.lock"
STAMP: Final = "brokerproof-stamp.json"

_PIP: Final = ("-m", "pip", "--disable-pip-version-check", "--no-input")


class State(Enum):
    """How much of the environment is there."""

    COMPLETE = auto()
    PROJECT_STALE = auto()
    """The packages are the lock's; the project's own table has changed since it was installed."""
    ABSENT = auto()
    """Never made, half made, or made from another lock, interpreter or place."""


def state(root: Path) -> State:
    """Judge ``.venv`` by its stamp."""
    try:
        stamp = json.loads((root / DIRECTORY / STAMP).read_text("utf-8"))
    except (OSError, ValueError):
        return State.ABSENT
    wanted = _stamp(root)
    python = root / DIRECTORY / "bin" / "python"
    if not isinstance(stamp, dict) or not os.access(python, os.X_OK):
        return State.ABSENT
    if any(stamp.get(key) != wanted[key] for key in ("lock", "python", "place")):
        return State.ABSENT
    return State.COMPLETE if stamp.get("project") == wanted["project"] else State.PROJECT_STALE


def make(root: Path, runner: Runner) -> None:
    """Bring ``.venv`` up to date.

    Raises:
        SetupError: a step failed; the next run starts from the beginning.
    """
    before = state(root)
    if before is State.COMPLETE:
        return
    stamp = root / DIRECTORY / STAMP
    stamp.unlink(missing_ok=True)
    python = root / DIRECTORY / "bin" / "python"
    if before is State.ABSENT:
        version = ".".join(map(str, sys.version_info[:3]))
        runner.run(
            f"making {DIRECTORY} with Python {version} ({sys.executable})",
            [sys.executable, "-m", "venv", "--clear", root / DIRECTORY],
        )
        runner.run(
            f"installing the Python packages of {LOCK}",
            [
                *(python, *_PIP, "install", "--progress-bar=off", "--only-binary=:all:"),
                # The lock is whole: looking for what each package asks for only takes time.
                *("--no-deps", "--no-compile", "--require-hashes", f"--requirement={root / LOCK}"),
            ],
        )
        # With every core, where pip has one.
        runner.run("compiling them", [python, "-m", "tools.provision.compiled"])
    runner.run(
        "installing the project",
        [python, *_PIP, "install", "--no-deps", "--no-build-isolation", f"--editable={root}"],
    )
    runner.run("checking that the lock fits the project", [python, *_PIP, "check"])
    partial = stamp.with_suffix(".partial")
    partial.write_text(json.dumps(_stamp(root), indent=1), "utf-8")
    partial.replace(stamp)


def _stamp(root: Path) -> dict[str, str]:
    """What an environment made now would be made from."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    shaping = [project.get("build-system"), project.get("project"), project.get("tool", {}).get("setuptools")]
    return {
        "lock": hashlib.sha256((root / LOCK).read_bytes()).hexdigest(),
        "python": f"{sys.version_info.major}.{sys.version_info.minor} {Path(sys.executable).resolve()}",
        "place": str(root),
        "project": hashlib.sha256(json.dumps(shaping, sort_keys=True).encode()).hexdigest(),
    }
