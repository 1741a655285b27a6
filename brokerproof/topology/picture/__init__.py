"""A topology as a picture: Graphviz DOT text, and the same in words.

Making an SVG or PNG of it runs a program and is done by whoever shows the picture.
"""

from __future__ import annotations

from brokerproof.topology.picture.draw import FONT, Picture, picture
from brokerproof.topology.picture.drawn import DrawnLine, DrawnPiece, DrawnStretch, DrawnWay
from brokerproof.topology.picture.palette import DARK, Ink
from brokerproof.topology.picture.way import PlaceKind

__all__ = [
    "DARK",
    "FONT",
    "DrawnLine",
    "DrawnPiece",
    "DrawnStretch",
    "DrawnWay",
    "Ink",
    "Picture",
    "PlaceKind",
    "picture",
]
