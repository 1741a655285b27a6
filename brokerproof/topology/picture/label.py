"""Labels of a picture: small tables in Graphviz's HTML-like notation, with all text escaped.

Ids and names come from files that anybody may have written, so nothing reaches a label but through
:func:`text`.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from brokerproof.topology.picture.palette import Ink

LONGEST: Final = 64
"""Characters of one piece of text; AWS's own ids are far shorter."""
LISTED: Final = 8
"""Lines of a list, and resources of one kind, that are spelt out; more are counted or put in one box."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a box. ``port`` is where an edge may end, empty for the box as a whole."""

    words: str
    bold: bool = False
    quiet: bool = False
    alarm: bool = False
    port: str = ""


def text(words: str, *, longest: int = LONGEST) -> str:
    """Escaped, without control or direction characters, cut where it is absurdly long."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in words)
    return html.escape(shown if len(shown) <= longest else shown[: longest - 1] + "…")


def box(rows: Sequence[Row], *, border: Ink = Ink.LINE, width: int = 1, paper: Ink = Ink.PAPER) -> str:
    """A framed table with a line a row."""
    cells = "".join(f"<TR>{_cell(row)}</TR>" for row in rows)
    return (
        f'<<TABLE BORDER="{width}" CELLBORDER="0" CELLSPACING="0" CELLPADDING="2" STYLE="ROUNDED" '
        f'COLOR="{border}" BGCOLOR="{paper}">{cells}</TABLE>>'
    )


def _cell(row: Row) -> str:
    port = f' PORT="{row.port}"' if row.port else ""
    return f'<TD ALIGN="LEFT"{port}>&#160;{_words(row)}&#160;</TD>'


def _words(row: Row) -> str:
    longest = 3 * LONGEST if row.alarm else LONGEST
    shown = text(row.words, longest=longest)
    if row.alarm:
        lines = [text(line, longest=longest) for line in wrapped(row.words)]
        # Without a break at its end, Graphviz would centre the last line below the others.
        shown = lines[0] if len(lines) == 1 else "".join(f'{line}<BR ALIGN="LEFT"/>' for line in lines)
        shown = f'<FONT COLOR="{Ink.MUST_NOT}">{shown}</FONT>'
    if row.bold:
        shown = f"<B>{shown}</B>"
    if row.quiet:
        shown = f'<FONT COLOR="{Ink.QUIET}">{shown}</FONT>'
    return shown


def frame_label(name: str, detail: str = "") -> str:
    """The heading of a frame: a name, and what it is in quiet words."""
    quiet = f' <FONT COLOR="{Ink.QUIET}">{text(detail)}</FONT>' if detail else ""
    return f"<<B>{text(name)}</B>{quiet}>"


def legend(title: str, rows: Iterable[tuple[str, str, str]]) -> str:
    """The heading of the picture: a row a way, as (colour, sample, words)."""
    lines = "".join(
        f'<TR><TD ALIGN="LEFT"><FONT COLOR="{ink}"><B>{text(sample)}</B></FONT></TD>'
        f'<TD ALIGN="LEFT">{_lines(words)}</TD></TR>'
        for ink, sample, words in rows
    )
    return (
        '<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="2">'
        f'<TR><TD ALIGN="LEFT" COLSPAN="2"><B>{text(title)}</B></TD></TR>{lines}</TABLE>>'
    )


def _lines(words: str) -> str:
    return "".join(f'{text(line, longest=200)}<BR ALIGN="LEFT"/>' for line in wrapped(words, width=150))


def wrapped(words: str, *, width: int = 44) -> list[str]:
    """Lines of about ``width`` characters, at most as many as :data:`LISTED`."""
    lines: list[str] = []
    for word in words.split(" "):
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines if len(lines) <= LISTED else [*lines[: LISTED - 1], "…"]


def ranges(numbers: Iterable[int]) -> str:
    """``1-3, 5`` for 1, 2, 3 and 5."""
    parts: list[list[int]] = []
    for number in sorted(set(numbers)):
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)


def listed(lines: Sequence[str]) -> list[str]:
    """The lines, or the first of them and how many more there are."""
    if len(lines) <= LISTED:
        return list(lines)
    return [*lines[: LISTED - 1], f"and {len(lines) - LISTED + 1} more"]
