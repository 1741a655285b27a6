"""The HTML report: one file with everything in it, that loads nothing and runs its own small script alone.

The page's policy names that script by its digest, so a browser runs no other. All text is escaped by the
template engine and freed of control characters; which text stands where is decided in
:mod:`reports.page`, how it looks in ``templates/``.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import jinja2
from markupsafe import Markup

from diagnosis import telling
from reports import findings, plots, verdict, words
from reports.document import Drawing, ResultDocument
from reports.drawing import DrawError, can_draw, inline_svg, style
from reports.grid import WORST_FIRST, Cell
from reports.page import GRAVITY, page

TEMPLATES: Final = Path(__file__).parent / "templates"
_CHUNK: Final = 64
"""Template pieces joined before they are written; single pieces are a few bytes each."""
_LONGER_THAN_ANY_NS: Final = 10**13
"""Longer than any run: 10,000 s."""


def _finalize(value: Any) -> Any:
    """Free text of control characters on its way into the page; markup the templates made stays."""
    return words.printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@functools.lru_cache(maxsize=64)
def _inline(drawing: Drawing) -> Markup:
    """The picture as an element, or a line that says why there is none. Escaped where it is made."""
    try:
        drawn = inline_svg(drawing.dot, title=drawing.title, description=drawing.description)
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


def _clock(at: datetime | None) -> str:
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        clock=_clock,
        duration=words.duration,
        reason=words.reason,
        mark=words.verdict_symbol,
        word=words.verdict_word,
        overall_mark=verdict.symbol,
        overall_title=verdict.title,
        told=telling.told,
        codes=telling.codes_of,
        causes=findings.causes,
        besides=findings.besides,
        evidence=telling.evidence_of,
        capitalize_first=lambda text: text[:1].upper() + text[1:],
    )
    environment.filters.update(
        picture=_inline,
        order=_order,
        gravity=GRAVITY.index,
        curves=_plotted(plots.curves_svg),
        spans=_plotted(plots.spans_svg),
        rates=_plotted(plots.rates_svg),
    )
    environment.globals["script"], environment.globals["script_source"] = _script()
    environment.globals["count"] = words.count
    environment.globals["picture_style"] = Markup(style() + plots.style())  # noqa: S704
    return environment


def render_html(document: ResultDocument) -> Iterator[bytes]:
    """The page in pieces, UTF-8, so that a large run need not stand in memory as text."""
    stream = _environment().get_template("report.html.j2").stream(page=page(document), can_draw=can_draw())
    stream.enable_buffering(_CHUNK)
    for piece in stream:
        yield piece.encode()
