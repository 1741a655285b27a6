"""Lists as words. A leaf that every room may import; the standard library alone."""

from __future__ import annotations

from collections.abc import Iterable


def listed(items: Iterable[object]) -> str:
    """Join items as a sentence has them: ``a``, ``a and b``, ``a, b and c``; ``nothing`` for none."""
    words = [str(item) for item in items]
    if len(words) <= 1:
        return words[0] if words else "nothing"
    return f"{', '.join(words[:-1])} and {words[-1]}"
