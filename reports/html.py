"""The HTML report: one file with everything in it, which loads nothing and runs only its own small script.

The page's policy names that script by its digest, so a browser runs no other. All text is escaped by the
template engine and freed of control characters; which text stands where is decided in
:mod:`brokerproof.reports.page`, how it looks in ``templates/``.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Callable, Iterator
from typing import Final

import jinja2
from markupsafe import Markup

from brokerproof.extras import Extra, lacking
from brokerproof.reports import plots, words
from brokerproof.reports.document import Drawing, ResultDocument
from brokerproof.reports.drawing import DrawError, can_draw, inline_svg, style
from brokerproof.reports.formats import ReportFormat
from brokerproof.reports.grid import WORST_FIRST, Cell
from brokerproof.reports.marks import Marks
from brokerproof.reports.page import GRAVITY, page
from brokerproof.reports.templating import TEMPLATES, environment, finalized

_CHUNK: Final = 64
"""Template pieces joined before they are written; single pieces are a few bytes each."""
_LONGER_THAN_ANY_NS: Final = 10**13
"""Longer than any run: 10,000 s."""


@functools.lru_cache(maxsize=64)
def _inline(drawing: Drawing, marks: Marks) -> Markup:
    """The picture as an element, or a line that states why there is none. Escaped where it is made."""
    described = " ".join((drawing.description, *(f"{words}." for words in marks.words)))
    try:
        drawn = inline_svg(drawing.dot, title=drawing.title, description=described, marks=marks)
    except DrawError as error:
        return Markup('<p class="quiet">{}</p>').format(words.printable(f"The picture could not be made: {error}"))
    return Markup(drawn)  # noqa: S704


def _plotted(draw: Callable[..., str]) -> Callable[..., Markup]:
    """A plot as an element. Escaped where it is made."""
    return lambda *values, **said: Markup(draw(*values, **said))  # noqa: S704


def _order(cell: Cell) -> int | str:
    """By what a column of cells is sorted: the verdict, then how long the slowest took."""
    if cell.verdict is None:
        return ""
    return (len(WORST_FIRST) - WORST_FIRST.index(cell.verdict)) * _LONGER_THAN_ANY_NS + cell.slowest_ns


def _script() -> tuple[Markup, str]:
    """The page's script, and the source that its Content-Security-Policy allows (CSP 3, 6.7.2)."""
    text = (TEMPLATES / "report.js").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Markup(text), f"'sha256-{digest}'"  # noqa: S704


@functools.cache
def _environment() -> jinja2.Environment:
    made = environment(finalized)
    made.filters.update(
        picture=_inline,
        order=_order,
        gravity=GRAVITY.index,
        curves=_plotted(plots.curves_svg),
        spans=_plotted(plots.spans_svg),
        rates=_plotted(plots.rates_svg),
    )
    made.globals["script"], made.globals["script_source"] = _script()
    made.globals["picture_style"] = Markup(style() + plots.style())  # noqa: S704
    return made


def render_html(document: ResultDocument) -> Iterator[bytes]:
    """The page in pieces, UTF-8, so that a large run need not stand in memory as text."""
    stream = (
        _environment()
        .get_template("report.html.j2")
        .stream(page=page(document), can_draw=can_draw(), no_plots=lacking(Extra.REPORT, "A plot"))
    )
    stream.enable_buffering(_CHUNK)
    for piece in stream:
        yield piece.encode()


FORMAT: Final = ReportFormat(file="report.html", render=render_html)
