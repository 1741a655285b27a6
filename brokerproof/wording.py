"""Lists as words, and words from outside made safe to print. A leaf that every room may import; standard library."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable


def listed(items: Iterable[object]) -> str:
    """Join items as a sentence has them: ``a``, ``a and b``, ``a, b and c``; ``nothing`` for none."""
    words = [str(item) for item in items]
    if len(words) <= 1:
        return words[0] if words else "nothing"
    return f"{', '.join(words[:-1])} and {words[-1]}"


def printable(text: str) -> str:
    r"""The text with control, format and unassigned characters spelt out (``\x1b``).

    A broker's error message must not move the cursor, colour the terminal, reverse the reading
    direction, or make an XML document invalid. Line breaks and tabs stay.
    """
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or character in "\n\t" or unicodedata.category(character) == "Zs"
        else character.encode("unicode_escape").decode()
        for character in text
    )


def one_line(text: str) -> str:
    """As :func:`printable`, on one line: a line of its own in a CI log may be a command to it (``::error::``)."""
    return text if text.isprintable() else printable(text).replace("\n", "\\n")
