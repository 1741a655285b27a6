"""The template engine of the reports, with one set of filters for HTML and Markdown."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import jinja2
from markupsafe import Markup

from brokerproof.diagnosis import finding_text
from brokerproof.diagnosis.advice.text import told as told_advice
from brokerproof.reports import verdict, words

TEMPLATES: Final = Path(__file__).parent / "templates"


def engine(finalize: Callable[[Any], Any], *folders: Path) -> jinja2.Environment:
    """Templates of these folders, whose values pass ``finalize``, then the escaping of HTML unless they are markup."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def environment(finalize: Callable[[Any], Any]) -> jinja2.Environment:
    """The templates of reports, with the words of reports as filters."""
    made = engine(finalize, TEMPLATES)
    made.filters.update(
        clock=_clock,
        duration=words.duration,
        reason=words.reason,
        mark=words.verdict_symbol,
        word=words.verdict_word,
        listed=words.listed,
        spent=words.spent,
        not_judged=words.not_judged,
        observed=words.observed,
        overall_mark=verdict.symbol,
        overall_title=verdict.title,
        told=finding_text.told,
        codes=finding_text.codes_of,
        evidence=finding_text.evidence_of,
        told_advice=told_advice,
        capitalize_first=lambda text: text[:1].upper() + text[1:],
    )
    made.globals["count"] = words.count
    return made


def finalized(value: Any) -> Any:
    """Free text without control characters, on its way into a page; markup the templates made stays."""
    return words.printable(value) if is_text(value) else value


def second_of(epoch_s: float) -> str:
    """A moment of Unix time to the second, in UTC."""
    return f"{datetime.fromtimestamp(epoch_s, UTC):%Y-%m-%d %H:%M:%S}"


def spaced(text: object) -> str:
    """A name of a state or a kind, as words."""
    return str(text).replace("_", " ")


def is_text(value: Any) -> bool:
    """Whether a value is text that may come from outside, and not markup a template made."""
    return isinstance(value, str) and not isinstance(value, Markup)


def _clock(at: datetime | None) -> str:
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
