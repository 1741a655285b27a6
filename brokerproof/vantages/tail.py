"""The last output of a far side: bounded, and safe to print and to put into a report."""

from __future__ import annotations

from typing import Final

SAID_BYTES: Final = 4096
"""How much of the far side's output is kept, from the end."""


def printable(text: bytes) -> str:
    """Decode as UTF-8; what cannot be decoded or printed becomes U+FFFD.

    A terminal escape or a NUL from a far side would otherwise reach a terminal or an XML report.
    """
    decoded = text.replace(b"\r\n", b"\n").decode("utf-8", errors="replace")
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in decoded)


class Tail:
    """Keeps the last :data:`SAID_BYTES` of what it is fed."""

    def __init__(self) -> None:
        self._end = bytearray()
        self._cut = False

    def feed(self, text: bytes) -> None:
        """Add to the end, forget from the start."""
        self._end += text[-SAID_BYTES:]
        excess = len(self._end) - SAID_BYTES
        if excess > 0 or len(text) > SAID_BYTES:
            self._cut = True
        if excess > 0:
            del self._end[:excess]

    def feed_line(self, line: bytes) -> None:
        """Add one line, on a line of its own."""
        if self._end and not self._end.endswith(b"\n"):
            self.feed(b"\n")
        self.feed(line + b"\n")

    def text(self) -> str:
        """What is kept; starts with ``[...]`` where something before it was forgotten."""
        text = printable(bytes(self._end)).strip()
        return f"[...]{text}" if self._cut else text
