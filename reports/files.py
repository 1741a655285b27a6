"""Files that appear whole or not at all. Nothing here knows what is in them."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from pathlib import Path


def write_beside(path: Path, content: bytes | Iterable[bytes]) -> Path:
    """Write a new hidden file in the folder of ``path``, synced to disk, and return it.

    Raises:
        OSError: the folder cannot be written; nothing is left behind then.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with beside.open("xb") as file:
            file.writelines((content,) if isinstance(content, bytes) else content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return beside


def write_atomically(path: Path, content: bytes | Iterable[bytes]) -> None:
    """Write beside ``path``, then rename over it: a reader sees the old file or the new one.

    Raises:
        OSError: the folder cannot be written; ``path`` is as it was then.
    """
    beside = write_beside(path, content)
    try:
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def create_atomically(path: Path, content: bytes) -> None:
    """Create ``path`` with its content; it never exists without.

    Raises:
        FileExistsError: there is such a file already.
        OSError: the folder cannot be written.
    """
    beside = write_beside(path, content)
    try:
        path.hardlink_to(beside)
    finally:
        beside.unlink(missing_ok=True)
