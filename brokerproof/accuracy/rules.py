"""Which rules made a figure: a digest of their sources, kept with the trials they diagnosed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Final

from brokerproof import causes, diagnosis
from brokerproof.aws import audit

_ROOMS: Final[tuple[ModuleType, ...]] = (audit, causes, diagnosis)
"""Everything between what clients observed and what is said of it."""


def digest() -> str:
    """SHA-256 of the sources of diagnosis and of the causes it may name, by their names and contents."""
    known = hashlib.sha256()
    for name, content in sorted(_sources()):
        known.update(f"{name} {len(content)}\n".encode() + content)
    return known.hexdigest()


def _sources() -> Iterator[tuple[str, bytes]]:
    for room in _ROOMS:
        for folder in map(Path, room.__path__):
            for path in folder.rglob("*.py"):
                yield f"{room.__name__}/{path.relative_to(folder).as_posix()}", path.read_bytes()
