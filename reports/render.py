"""All reports of a run, written beside its journals."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from brokerproof.reports.document import ResultDocument, write_document
from brokerproof.reports.files import write_atomically
from brokerproof.reports.html import render_html
from brokerproof.reports.junit import render_junit
from brokerproof.reports.markdown import render_markdown
from brokerproof.reports.merge import recorded
from brokerproof.reports.verdict import Judgement, judge

RESULT_FILE: Final = "result.json"
JUNIT_FILE: Final = "junit.xml"
HTML_FILE: Final = "report.html"
SAMPLES_FILE: Final = "samples.parquet"
MARKDOWN_FILE: Final = "report.md"


class Extra(StrEnum):
    """A report that is written where it is asked for, beside those of every run."""

    MARKDOWN = "markdown"
    """Short enough for a pull request."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What was written, and what it says."""

    document: ResultDocument
    judgement: Judgement
    result: Path
    junit: Path
    html: Path
    markdown: Path | None = None
    samples: Path | None = None
    """None where nothing was timed sample by sample."""

    def named(self) -> tuple[tuple[str, str], ...]:
        """The files with what each is, the one for people first."""
        named = (
            ("report", self.html),
            ("markdown", self.markdown),
            ("result", self.result),
            ("junit", self.junit),
            ("samples", self.samples),
        )
        return tuple((what, str(path)) for what, path in named if path is not None)


def render_all(run_dir: Path, *, also: Collection[Extra] = ()) -> Rendered:
    """Merge the journals of ``run_dir``; write result.json, junit.xml, report.html and samples.parquet into it.

    ``also`` names what is written beside them.
    May be called again, also while the run goes on: each file is replaced whole.

    Raises:
        reports.journal.JournalError: no journal is there, or not of one run.
        OSError: the folder cannot be read or written.
        comparison.series.SamplesError: the samples cannot be written.
    """
    read = recorded(run_dir)
    document = read.document
    rendered = Rendered(
        document=document,
        judgement=judge(document),
        result=run_dir / RESULT_FILE,
        junit=run_dir / JUNIT_FILE,
        html=run_dir / HTML_FILE,
        markdown=run_dir / MARKDOWN_FILE if Extra.MARKDOWN in also else None,
        samples=run_dir / SAMPLES_FILE if read.samples else None,
    )
    # Facts first, drawings last: should one of them fail, the rest is there.
    write_document(document, rendered.result)
    if rendered.samples is not None:
        from brokerproof.comparison.series import write_samples  # noqa: PLC0415  numpy is slow to import, and few runs measure

        write_samples(read.samples, rendered.samples)
    write_atomically(rendered.junit, render_junit(document))
    if rendered.markdown is not None:
        write_atomically(rendered.markdown, render_markdown(document))
    write_atomically(rendered.html, render_html(document))
    return rendered
