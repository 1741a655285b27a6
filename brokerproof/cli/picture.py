"""``brokerproof topology draw``: a topology as DOT, SVG or PNG."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final, assert_never

import click

from brokerproof.reports.drawing import Shape, png, svg
from brokerproof.topology.models import Topology
from brokerproof.topology.picture import picture

_BY_SUFFIX: Final = {".svg": Shape.SVG, ".png": Shape.PNG, ".dot": Shape.DOT, ".gv": Shape.DOT}


def is_terminal() -> bool:
    """Whether standard output is a person's screen."""
    return sys.stdout.isatty()


def shape_of(output: Path | None, named: str | None) -> Shape:
    """Choose the format: as named, else by the file's suffix, else SVG.

    Raises:
        click.UsageError: the suffix names no format, or a PNG would go to a terminal.
    """
    if named is None and output is not None and output.suffix.lower() not in _BY_SUFFIX:
        raise click.UsageError(f"{output}: the suffix names no format: end it in .svg, .png or .dot, or give --format")
    by_name = Shape.SVG if output is None else _BY_SUFFIX.get(output.suffix.lower(), Shape.SVG)
    shape = by_name if named is None else Shape(named)
    if shape is Shape.PNG and output is None and is_terminal():
        raise click.UsageError("a PNG cannot be shown in a terminal: give a file with -o, or redirect")
    return shape


def written(topology: Topology, shape: Shape) -> bytes:
    """The picture of a topology.

    Raises:
        DrawError: Graphviz is missing or failed; never for DOT.
    """
    made = picture(topology)
    match shape:
        case Shape.DOT:
            return made.dot.encode()
        case Shape.SVG:
            return svg(made.dot, title=made.title, description=made.description).encode()
        case Shape.PNG:
            return png(made.dot)
        case _:
            assert_never(shape)
