"""When two DNS names are the same. Plain words, no logic beyond that."""

from __future__ import annotations


def canonical(name: str) -> str:
    """The name as it is compared: without case and without a final dot (RFC 4343; RFC 1034, 3.1)."""
    return name.lower().rstrip(".")
