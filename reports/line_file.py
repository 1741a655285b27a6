"""Files that only grow, by whole lines: what journals are written to. Nothing here knows what a line is about."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from brokerproof.reports.files import create_atomically


class LineFile:
    """An open file to which lines are appended; threads may do so at once.

    A line reaches the kernel before :meth:`append` returns, so that it outlives this process; with ``synced`` it
    reaches the disk, so that it outlives the machine's power.
    """

    def __init__(self, path: Path, *, synced: bool = False) -> None:
        """Open a file that is there.

        Raises:
            OSError: it cannot be opened to be written.
        """
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self._synced = synced
        self._writing = threading.Lock()

    @classmethod
    def create(cls, path: Path, first: bytes, *, synced: bool = False) -> Self:
        """A new file with its first line, without which it never exists.

        Raises:
            FileExistsError: there is such a file.
            OSError: it cannot be written.
        """
        create_atomically(path, first + b"\n")
        return cls(path, synced=synced)

    def append(self, line: bytes) -> None:
        """Write one more line, without its line end.

        Raises:
            OSError: the disk is full or gone.
        """
        unwritten = memoryview(line + b"\n")
        with self._writing:  # a line may take several writes
            while unwritten:
                unwritten = unwritten[os.write(self._descriptor, unwritten) :]
            if self._synced:
                os.fsync(self._descriptor)

    def cut(self, size_bytes: int) -> None:
        """Drop what is behind so many bytes, such as a line that was cut short."""
        os.ftruncate(self._descriptor, size_bytes)

    def close(self) -> None:
        """Close the file. Harmless when closed."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
