"""Pictures as SVG and PNG, by Graphviz's ``dot``; the DOT text comes from :mod:`brokerproof.topology.picture`.

An SVG made here refers to nothing outside, runs nothing, and keeps readable on dark pages: each
colour of the picture has a rule for them.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import xml.etree.ElementTree as ET
from enum import StrEnum
from html import escape
from shutil import which
from typing import Final

from brokerproof.errors import CouldNotError
from brokerproof.reports import words
from brokerproof.reports.marks import Mark, MarkedLine, Marks
from brokerproof.topology.picture import DARK, FONT, Ink

PACKAGE: Final = "graphviz"
"""The Debian package that has ``dot``."""
LONGEST_S: Final = 60
"""A picture of 49 brokers takes well under a second; this only ends what will not."""
PX_PER_PT: Final = 4 / 3
SMALLEST: Final = 0.6
"""How far a picture may shrink: its 10 pt text is then 8 px high."""
DIGEST_ATTRIBUTE: Final = "data-dot-sha256"

_ELEMENTS: Final = frozenset({"g", "path", "polygon", "polyline", "ellipse", "text"})
_ATTRIBUTES: Final = (
    *("transform", "d", "points", "x", "y", "cx", "cy", "rx", "ry", "text-anchor"),
    *("font-weight", "font-size", "fill", "fill-opacity"),
    *("stroke", "stroke-width", "stroke-dasharray", "stroke-opacity"),
)
_CLASS: Final = "brokerproof-picture"
_SVG: Final = "{http://www.w3.org/2000/svg}"
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?")
MARK: Final = Ink.MUST_NOT.value
"""The colour of what is marked."""
_MARGIN: Final = 3.5
_BADGE: Final = 13.0
"""Height of a finding's number at a mark, in points."""
_PALE: Final = {True: "0.15", False: "0.4"}
"""How much is left of a line beyond the end of a way: less where it is sure."""
NO_MARKS: Final = Marks()


class DrawError(CouldNotError):
    """The picture could not be made; one sentence states why."""


class DotMissingError(DrawError):
    """There is no ``dot`` on this machine."""

    def __init__(self) -> None:
        super().__init__(
            f"a picture needs dot, which is not on this machine: install Debian package {PACKAGE} "
            f"(apt-get install {PACKAGE})"
        )


class Shape(StrEnum):
    """What a picture can be made into."""

    SVG = "svg"
    PNG = "png"
    DOT = "dot"


def dot_digest(dot: str) -> str:
    """SHA-256 of DOT text, hexadecimal: an SVG carries it, which shows whether it is current."""
    return hashlib.sha256(dot.encode()).hexdigest()


def can_draw() -> bool:
    """Whether there is a ``dot`` here."""
    return which("dot") is not None


def style() -> str:
    """CSS that gives every picture of a page its colours for dark surroundings; paper stays light."""
    rules = "".join(
        f'.{_CLASS} [{what}="{light.value}"]{{{what}:{dark}}}'
        for light, dark in DARK.items()
        for what in ("fill", "stroke")
    )
    return (
        f"@media screen and (prefers-color-scheme:dark){{{rules}}}"
        f"@media print{{.{_CLASS}{{min-width:0 !important;max-height:220mm}}"
        f"details:has(.{_CLASS}){{break-inside:avoid}}}}"
    )


def png(dot: str) -> bytes:
    """The picture as PNG, on white.

    Raises:
        DotMissingError: no ``dot`` here.
        DrawError: ``dot`` failed or did not end.
    """
    return _run(dot, "-Tpng", "-Gbgcolor=white", "-Gdpi=144")


def svg(dot: str, *, title: str, description: str) -> str:
    """The picture as an SVG file of its own.

    Raises:
        DotMissingError: no ``dot`` here.
        DrawError: ``dot`` failed or did not end.
    """
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{_svg(dot, title, description, inline=False)}\n'


def inline_svg(dot: str, *, title: str, description: str, marks: Marks = NO_MARKS) -> str:
    """The picture as an element of a page that has :func:`style`; shrinks with the page as far as text is legible.

    What ``marks`` name is framed and numbered in it, and lines beyond the end of a way are pale.

    Raises:
        DotMissingError: no ``dot`` here.
        DrawError: ``dot`` failed or did not end.
    """
    return _svg(dot, title, description, inline=True, marks=marks)


def _run(dot: str, *arguments: str) -> bytes:
    program = which("dot")
    if program is None:
        raise DotMissingError
    # Not graphviz's own pipe(): it waits for ever.
    try:
        done = subprocess.run(
            [program, *arguments], input=dot.encode(), capture_output=True, timeout=LONGEST_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise DrawError(f"dot did not finish the picture within {LONGEST_S} s") from None
    except OSError as error:
        raise DrawError(f"{program} cannot be run: {error.strerror or error}") from None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise DrawError(f"dot ended with {done.returncode}: {said[0] if said else 'it printed nothing'}")
    return done.stdout


def _svg(dot: str, title: str, description: str, *, inline: bool, marks: Marks = NO_MARKS) -> str:
    try:
        root = ET.fromstring(_run(dot, "-Tsvg"))  # noqa: S314 - from the program run a moment ago, its text escaped
    except ET.ParseError as error:
        raise DrawError(f"dot wrote no SVG: {error}") from None
    _mark(root, marks)
    width, height = (float(root.get(side, "0").removesuffix("pt")) * PX_PER_PT for side in ("width", "height"))
    size = (
        f'style="width:{width:.0f}px;max-width:100%;min-width:{width * SMALLEST:.0f}px;height:auto"'
        if inline
        else f'width="{width:.0f}" height="{height:.0f}"'
    )
    return "".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="{_CLASS}" role="img" {size} font-family="{FONT}" ',
            f'viewBox="{escape(root.get("viewBox", ""))}" {DIGEST_ATTRIBUTE}="{dot_digest(dot)}">',
            f"<title>{_text(title)}</title><desc>{_text(description)}</desc>",
            "" if inline else f"<style>{style()}</style>",
            *(_element(child) for child in root),
            "</svg>",
        )
    )


def _mark(root: ET.Element, marks: Marks) -> None:
    """Frame boxes and frames that are named, and make lines pale that no way takes any more."""
    boxes = {mark.box: mark for mark in marks.boxes}
    beyond = {(one.line.tail, one.line.head, one.ink): one for one in marks.beyond}
    along = {(one.line.tail, one.line.head, one.ink): one for one in marks.along}
    for group in root.iter(f"{_SVG}g"):
        name = group.findtext(f"{_SVG}title", "")
        if group.get("class") == "edge":
            tail, _, head = name.partition("->")
            for drawn in list(group):
                key = (tail.partition(":")[0], head.partition(":")[0], drawn.get("stroke", ""))
                if key in beyond:
                    _make_pale(drawn, beyond[key])
                elif key in along:
                    drawn.set("stroke-dasharray", "7,4")
        elif name in boxes:
            _frame(group, boxes[name])


def _make_pale(drawn: ET.Element, line: MarkedLine) -> None:
    drawn.set("stroke-opacity", _PALE[line.sure])
    if drawn.get("fill") != "none":
        drawn.set("fill-opacity", _PALE[line.sure])


def _frame(group: ET.Element, mark: Mark) -> None:
    """A frame around a box, with the numbers of the findings at its corner: solid where it is the one cause."""
    drawn = next((data for one in group if (data := one.get("d") or one.get("points"))), None)
    if drawn is None:
        return
    figures = [float(one) for one in _NUMBER.findall(drawn)]
    left, right = min(figures[::2]) - _MARGIN, max(figures[::2]) + _MARGIN
    top, bottom = min(figures[1::2]) - _MARGIN, max(figures[1::2]) + _MARGIN
    look = {"stroke-width": "3"} if mark.sure else {"stroke-width": "1.8", "stroke-dasharray": "5,3"}
    outline = _rounded(left, top, right - left, bottom - top, 8)
    ET.SubElement(group, f"{_SVG}path", {"fill": "none", "stroke": MARK, "d": outline, **look})
    numbers = ", ".join(map(str, mark.numbers))
    width = _BADGE + 5.5 * (len(numbers) - 1)
    badge = _rounded(left - _BADGE / 2, top - _BADGE * 3 / 4, width, _BADGE, _BADGE / 2)
    paper = Ink.PAPER.value
    fill, text = (MARK, paper) if mark.sure else (paper, MARK)
    ET.SubElement(group, f"{_SVG}path", {"fill": fill, "stroke": MARK, "stroke-width": "1.2", "d": badge})
    place = {"x": f"{left - _BADGE / 2 + width / 2:.2f}", "y": f"{top + 0.2:.2f}"}
    said = ET.SubElement(
        group,
        f"{_SVG}text",
        {"text-anchor": "middle", "font-size": "9.5", "font-weight": "bold", "fill": text, **place},
    )
    said.text = numbers


def _rounded(x: float, y: float, width: float, height: float, radius: float) -> str:
    """A rectangle with round corners, as the data of a path."""
    radius = min(radius, width / 2, height / 2)
    level, upright = width - 2 * radius, height - 2 * radius
    corner = f"a{radius:.2f},{radius:.2f} 0 0 1"
    return (
        f"M{x + radius:.2f},{y:.2f} h{level:.2f} {corner} {radius:.2f},{radius:.2f} v{upright:.2f} "
        f"{corner} -{radius:.2f},{radius:.2f} h-{level:.2f} {corner} -{radius:.2f},-{radius:.2f} v-{upright:.2f} "
        f"{corner} {radius:.2f},-{radius:.2f} z"
    )


def _text(said: str) -> str:
    return escape(words.printable(said))


def _element(element: ET.Element) -> str:
    """The element and what is in it, as far as it is drawing; names, comments and links are left out."""
    tag = str(element.tag).rpartition("}")[2]
    if tag not in _ELEMENTS:
        return ""
    attributes = "".join(f' {name}="{escape(element.attrib[name])}"' for name in _ATTRIBUTES if name in element.attrib)
    inside = "".join(_element(child) for child in element)
    said = _text(element.text) if tag == "text" and element.text else ""
    return f"<{tag}{attributes}>{said}{inside}</{tag}>" if said or inside else f"<{tag}{attributes}/>"
