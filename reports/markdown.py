"""The report as Markdown: for a pull request, and for the summary of a GitHub job.

Content and order are those of the HTML page. Places that take Markdown limit its size, so the report is made of blocks,
the most important first. It is shortened by whole blocks or lines, and a sentence states that. Text from outside stays
text: it is neither formatted nor linked, and mentions nobody.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any, Final

import jinja2
from markupsafe import Markup

from brokerproof.reports import words
from brokerproof.reports.document import ResultDocument
from brokerproof.reports.formats import ReportFormat
from brokerproof.reports.page import page
from brokerproof.reports.templating import environment, is_text

COMMENT_BYTES: Final = 65_536
"""What GitHub takes as a comment or the text of a pull request, in characters; none has less than a byte."""
SUMMARY_BYTES: Final = 1024 * 1024
"""What GitHub takes as the summary of one step (GitHub Docs, Workflow commands, step isolation and limits)."""
SUMMARY_VARIABLE: Final = "GITHUB_STEP_SUMMARY"
FOLDED: Final = "<details"

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]|~$])")
_AT_THE_START: Final = re.compile(r"^(\s*)([#+\-=]|\d(?=\d*[.)](?:\s|$)))", re.MULTILINE)
_AT_THE_END: Final = re.compile(r"(?<=\s)#")
"""Signs after a space close a heading, and do not show (CommonMark 4.2)."""
_LINKED: Final = re.compile(r"(?<=:)//|(?<=www)\.", re.IGNORECASE)


def text(value: str) -> str:
    """The text as Markdown that shows just that, on one line."""
    safe = _SPECIAL.sub(r"\\\1", words.printable(value))
    safe = _AT_THE_START.sub(lambda found: f"{found[1]}&#{ord(found[2])};", escape(safe, quote=False))
    safe = _AT_THE_END.sub("&#35;", safe)
    safe = _LINKED.sub(lambda found: "".join(f"&#{ord(one)};" for one in found[0]), safe)
    # A comment stands between the sign and the name, so that nobody is called.
    return "<br>".join(safe.replace("@", "@<!-- -->").splitlines())


def in_html(value: str) -> Markup:
    """The text for inside an HTML block, where nothing is read as Markdown; on one line, which a block ends with."""
    return Markup(escape(" ".join(words.printable(value).split())))  # noqa: S704


@functools.cache
def _environment() -> jinja2.Environment:
    made = environment(lambda value: Markup(text(value)) if is_text(value) else value)  # noqa: S704  escaped by text()
    made.filters["in_html"] = in_html
    return made


def blocks(document: ResultDocument) -> Iterator[str]:
    """The report in blocks, each whole in itself."""
    arranged = page(document)
    template: Any = _environment().get_template("report.md.j2").make_module({"page": arranged})
    named = ("head", "wrong", "advice", "tests", "clients", "environment")
    made = [getattr(template, name)() for name in named]
    yield from (_tidy(str(block)) for block in made if block.strip())
    for section in arranged.sections:
        yield _tidy(str(template.client(section)))


def _tidy(block: str) -> str:
    """Without the empty lines that templates leave: one at most, and none at the end."""
    return re.sub(r"\n{3,}", "\n\n", block).strip("\n") + "\n"


def render_markdown(document: ResultDocument, *, limit_bytes: int = COMMENT_BYTES) -> bytes:
    """The report, UTF-8, in no more than ``limit_bytes``, or the one sentence that it is shortened."""
    made = [block.encode() for block in blocks(document)]
    whole = b"\n".join(made)
    if len(whole) <= limit_bytes:
        return whole
    left = limit_bytes - len(_shortened(limit_bytes, len(made), len(made)))
    fitting: list[bytes] = []
    for block in made:
        if len(block) + 1 > left:
            if FOLDED.encode() not in block:  # what is folded would be left open
                fitting.append(_lines_that_fit(block, left - 1))
            break
        fitting.append(block)
        left -= len(block) + 1
    return b"\n".join([*(one for one in fitting if one), _shortened(limit_bytes, len(made) - len(fitting), len(made))])


FORMAT: Final = ReportFormat(file="report.md", render=render_markdown)


def _lines_that_fit(block: bytes, room: int) -> bytes:
    fit: list[bytes] = []
    for line in block.splitlines(keepends=True):
        room -= len(line)
        if room < 0:
            break
        fit.append(line)
    return b"".join(fit)


def _shortened(limit_bytes: int, missing: int, total: int) -> bytes:
    left_out = f", {missing:,} of its {total:,} parts left out" if missing else ""
    where = "All of it is in report.html and result.json."
    return f"\n**This is shortened to {limit_bytes:,} bytes{left_out}. {where}**\n".encode()


def append_job_summary(document: ResultDocument, environ: Mapping[str, str]) -> Path | None:
    """Append the report to the summary of the GitHub job that this runs in; where that is, None outside of one.

    What the step has written there already counts towards the limit.

    Raises:
        OSError: the file cannot be written.
    """
    named = environ.get(SUMMARY_VARIABLE, "")
    if not named:
        return None
    path = Path(named)
    taken = path.stat().st_size if path.exists() else 0
    room = SUMMARY_BYTES - taken - 1
    made = render_markdown(document, limit_bytes=room)
    if len(made) <= room:  # else there is not even room to say that it is shortened, and GitHub would drop all of it
        with path.open("ab") as summary:
            summary.write(b"\n" * bool(taken) + made)
    return path
