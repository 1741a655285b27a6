"""Where the lab's processes write, and the end of what they wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from brokerproof.lab.daemons.jvm import STATE_DIR

_TAIL_LINES: Final = 15


def log_of(name: str) -> Path:
    """The log of a process."""
    return Path(STATE_DIR, "log", f"{name}.log")


def tail(text: str) -> str:
    """The last lines of a log."""
    return "\n".join(text.splitlines()[-_TAIL_LINES:])
