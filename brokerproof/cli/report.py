"""``brokerproof report``: write the reports of a recorded run again."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from brokerproof.reports.__main__ import written_again
from brokerproof.reports.formats import ON_REQUEST


@click.command("report")
@click.argument("run_dir", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option(
    "--report",
    "also",
    multiple=True,
    type=click.Choice(ON_REQUEST),
    help="Also write this report, beside report.html, junit.xml and result.json.",
)
def report(run_dir: Path, also: tuple[str, ...]) -> None:
    """Write the reports of a recorded run again, and print its summary.

    In a GitHub job the report is also appended to the job's summary.
    """
    sys.exit(written_again(run_dir, also))
