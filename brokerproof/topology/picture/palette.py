"""The colours of a picture, each for light and for dark surroundings.

DOT text has the light ones; whoever makes SVG of it adds a rule a colour that gives the dark one.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Ink(StrEnum):
    """What a colour is for; its value is the light colour, unique so that a dark one can replace it."""

    TEXT = "#1b1f24"
    QUIET = "#57606a"
    LINE = "#8c959f"
    FRAME = "#afb8c1"
    PAPER = "#fefefe"
    VPC = "#f3f6f9"
    CLUSTER = "#e6edf4"
    MUST_NOT = "#b42318"
    BLUE = "#0a58ca"
    ORANGE = "#b35900"
    GREEN = "#1a7037"
    PURPLE = "#8a3ffc"
    TEAL = "#007d8a"
    MAGENTA = "#b5179e"
    OLIVE = "#757000"
    SLATE = "#4b5a8a"


DARK: Final[dict[Ink, str]] = {
    Ink.TEXT: "#e4e7ea",
    Ink.QUIET: "#9aa4ae",
    Ink.LINE: "#768390",
    Ink.FRAME: "#4d5761",
    Ink.PAPER: "#14171a",
    Ink.VPC: "#1c2127",
    Ink.CLUSTER: "#27303a",
    Ink.MUST_NOT: "#ff8f85",
    Ink.BLUE: "#79b8ff",
    Ink.ORANGE: "#ffab57",
    Ink.GREEN: "#6fcf8d",
    Ink.PURPLE: "#c8a2ff",
    Ink.TEAL: "#4fd1dd",
    Ink.MAGENTA: "#ff8ce6",
    Ink.OLIVE: "#d8d04a",
    Ink.SLATE: "#a9b8ee",
}
"""The dark colour for each light one."""

WAYS: Final = (Ink.BLUE, Ink.ORANGE, Ink.GREEN, Ink.PURPLE, Ink.TEAL, Ink.MAGENTA, Ink.OLIVE, Ink.SLATE)
"""Colours of clients, in the order of the file; from the ninth client on they come round again."""


def way_ink(index: int) -> Ink:
    """The colour of the index-th client's way."""
    return WAYS[index % len(WAYS)]
