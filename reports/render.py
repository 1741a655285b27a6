"""All reports of a run, written beside its journals."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reports.document import ResultDocument, write_document
from reports.files import write_atomically
from reports.html import render_html
from reports.junit import render_junit
from reports.merge import recorded
from reports.verdict import Judgement, judge

RESULT_FILE: Final = "result.json"
JUNIT_FILE: Final = "junit.xml"
HTML_FILE: Final = "report.html"
SAMPLES_FILE: Final = "samples.parquet"


@dataclass(frozen=True, slots=True)
class Rendered:
    """What was written, and what it says."""

    document: ResultDocument
    judgement: Judgement
    result: Path
    junit: Path
    html: Path
    samples: Path | None = None
    """None where nothing was timed sample by sample."""

    def named(self) -> tuple[tuple[str, str], ...]:
        """The files with what each is, the one for people first."""
        files = (("report", self.html), ("result", self.result), ("junit", self.junit), ("samples", self.samples))
        return tuple((what, str(path)) for what, path in files if path is not None)


def render_all(run_dir: Path) -> Rendered:
    """Merge the journals of ``run_dir`` and write result.json, junit.xml, report.html and samples.parquet into it.

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
        samples=run_dir / SAMPLES_FILE if read.samples else None,
    )
    # Facts first, drawings last: should one of them fail, the rest is there.
    write_document(document, rendered.result)
    if rendered.samples is not None:
        from comparison.series import write_samples  # noqa: PLC0415  numpy is slow to import, and few runs measure

        write_samples(read.samples, rendered.samples)
    write_atomically(rendered.junit, render_junit(document))
    write_atomically(rendered.html, render_html(document))
    return rendered
