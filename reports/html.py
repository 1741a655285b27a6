"""The HTML report: one file with everything in it, that loads nothing and runs nothing.

All text is escaped by the template engine and freed of control characters; which text stands
where is decided in :mod:`reports.page`, how it looks in ``templates/``.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import jinja2
from markupsafe import Markup

from diagnosis import telling
from reports import verdict, words
from reports.document import Drawing, ResultDocument
from reports.drawing import DrawError, can_draw, inline_svg, style
from reports.page import page

TEMPLATES: Final = Path(__file__).parent / "templates"
_CHUNK: Final = 64
"""Template pieces joined before they are written; single pieces are a few bytes each."""


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
        capitalize_first=lambda text: text[:1].upper() + text[1:],
    )
    environment.filters["picture"] = _inline
    environment.globals["count"] = words.count
    environment.globals["picture_style"] = Markup(style())  # noqa: S704
    return environment


def render_html(document: ResultDocument) -> Iterator[bytes]:
    """The page in pieces, UTF-8, so that a large run need not stand in memory as text."""
    stream = _environment().get_template("report.html.j2").stream(page=page(document), can_draw=can_draw())
    stream.enable_buffering(_CHUNK)
    for piece in stream:
        yield piece.encode()
