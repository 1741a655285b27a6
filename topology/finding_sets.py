"""Causes that clients alone cannot tell apart, as named sets. Plain values, shared by rules and faults."""

from __future__ import annotations

from topology.finding_codes import Code

CodeSet = tuple[Code, ...]


def joined(cause: Code, *sets: CodeSet) -> CodeSet:
    """The cause first, then whatever the sets add; what a fault expects where patterns differ."""
    others = sorted({code for codes in sets for code in codes} - {cause})
    return (cause, *others)
