"""All reports of a run, written beside its journals."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reports.document import ResultDocument, write_document
from reports.files import write_atomically
from reports.html import render_html
from reports.junit import render_junit
from reports.merge import merge
from reports.verdict import Judgement, judge

RESULT_FILE: Final = "result.json"
JUNIT_FILE: Final = "junit.xml"
HTML_FILE: Final = "report.html"


@dataclass(frozen=True, slots=True)
class Rendered:
    """What was written, and what it says."""

    document: ResultDocument
    judgement: Judgement
    result: Path
    junit: Path
    html: Path

    def named(self) -> tuple[tuple[str, str], ...]:
        """The files with what each is, the one for people first."""
        return ("report", str(self.html)), ("result", str(self.result)), ("junit", str(self.junit))


def render_all(run_dir: Path) -> Rendered:
    """Merge the journals of ``run_dir`` and write result.json, junit.xml and report.html into it.

    May be called again, also while the run goes on: each file is replaced whole.

    Raises:
        reports.journal.JournalError: no journal is there, or not of one run.
        OSError: the folder cannot be read or written.
    """
    document = merge(run_dir)
    rendered = Rendered(
        document=document,
        judgement=judge(document),
        result=run_dir / RESULT_FILE,
        junit=run_dir / JUNIT_FILE,
        html=run_dir / HTML_FILE,
    )
    # Facts first, drawings last: should one of them fail, the rest is there.
    write_document(document, rendered.result)
    write_atomically(rendered.junit, render_junit(document))
    write_atomically(rendered.html, render_html(document))
    return rendered
