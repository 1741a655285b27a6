"""All reports of a run, written beside its journals."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from brokerproof.extras import Extra, lacking
from brokerproof.reports.document import ResultDocument
from brokerproof.reports.files import write_atomically
from brokerproof.reports.formats import FORMATS, report_format
from brokerproof.reports.merge import Block, recorded
from brokerproof.reports.verdict import Judgement, judge

SAMPLES: Final = "samples"
SAMPLES_FILE: Final = "samples.parquet"


@dataclass(frozen=True, slots=True)
class Rendered:
    """What was written, and the judgement in it."""

    document: ResultDocument
    judgement: Judgement
    files: Mapping[str, Path]
    """By format, the one for people first; the samples last, where anything was timed sample by sample."""
    notes: tuple[str, ...] = ()
    """What was not written, and why: a sentence each."""

    def named(self) -> tuple[tuple[str, str], ...]:
        """The files with what each is, the one for people first."""
        return tuple((what, str(path)) for what, path in self.files.items())


def render_all(run_dir: Path, *, also: Collection[str] = ()) -> Rendered:
    """Merge the journals of ``run_dir``; write the formats of every run and samples.parquet into it.

    ``also`` names formats that are written on request.
    May be called again, also while the run goes on: each file is replaced whole.

    Raises:
        JournalError: no journal is there, or not of one run.
        OSError: the folder cannot be read or written.
        comparison.errors.SamplesError: the samples cannot be written; everything else is.
    """
    read = recorded(run_dir)
    files: dict[str, Path] = {}
    # Facts first, drawings last: should one of them fail, the rest is there.
    for name in reversed(FORMATS):
        if not FORMATS[name].on_request or name in also:
            made = report_format(name)
            files[name] = run_dir / made.file
            write_atomically(files[name], made.render(read.document))
    files = dict(reversed(files.items()))
    note = ""
    if read.samples:
        note = lacking(Extra.COMPARE, SAMPLES_FILE)
        if not note:
            files[SAMPLES] = run_dir / SAMPLES_FILE
            _write_samples(read.samples, files[SAMPLES])
    notes = (f"{note}; until then the journal alone keeps the samples",) if note else ()
    return Rendered(document=read.document, judgement=judge(read.document), files=files, notes=notes)


def _write_samples(blocks: Collection[Block], path: Path) -> None:
    from brokerproof.comparison.series import series_of, write_samples  # noqa: PLC0415  slow to import, and few runs measure

    write_samples([series_of(one.block, one.whose, one.started) for one in blocks], path)
