"""Pictures as SVG and PNG, by Graphviz's ``dot``; the DOT text comes from :mod:`brokerproof.topology.picture`.

An SVG made here refers to nothing outside, runs nothing, and keeps readable on dark pages: each
colour of the picture has a rule for them.
"""

from __future__ import annotations

import hashlib
import subprocess
import xml.etree.ElementTree as ET
from enum import StrEnum
from html import escape
from shutil import which
from typing import Final

from brokerproof.errors import CouldNotError
from brokerproof.reports import words
from brokerproof.topology.picture import DARK, FONT

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


def inline_svg(dot: str, *, title: str, description: str) -> str:
    """The picture as an element of a page that has :func:`style`; shrinks with the page as far as text is legible.

    Raises:
        DotMissingError: no ``dot`` here.
        DrawError: ``dot`` failed or did not end.
    """
    return _svg(dot, title, description, inline=True)


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


def _svg(dot: str, title: str, description: str, *, inline: bool) -> str:
    try:
        root = ET.fromstring(_run(dot, "-Tsvg"))  # noqa: S314 - from the program run a moment ago, its text escaped
    except ET.ParseError as error:
        raise DrawError(f"dot wrote no SVG: {error}") from None
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
