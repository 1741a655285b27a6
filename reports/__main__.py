"""``python -m brokerproof.reports RUN_DIR``: write the reports of a recorded run again, and print its summary."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Collection
from pathlib import Path

from rich.console import Console

from brokerproof.reports.formats import ON_REQUEST
from brokerproof.reports.journal import JournalError
from brokerproof.reports.markdown import append_job_summary
from brokerproof.reports.render import render_all
from brokerproof.reports.terminal import print_summary
from brokerproof.wording import printable

SUCCESS = 0
NOT_PASSED = 1
UNUSABLE = 2


def main(arguments: list[str] | None = None) -> int:
    """0 when the run passed, 1 when it did not, 2 when there is no run to read."""
    parser = argparse.ArgumentParser(prog="python -m brokerproof.reports", description=__doc__)
    parser.add_argument("run_dir", type=Path, help="the directory the run was recorded in")
    parser.add_argument("--report", action="append", default=[], choices=ON_REQUEST, help="also write this report")
    chosen = parser.parse_args(arguments)
    return written_again(chosen.run_dir, chosen.report)


def written_again(run_dir: Path, also: Collection[str]) -> int:
    """Write the reports and print the summary; the exit code."""
    try:
        rendered = render_all(run_dir, also=also)
        append_job_summary(rendered.document, os.environ)
    except (JournalError, OSError) as error:
        sys.stderr.write(printable(f"{error}\n"))
        return UNUSABLE
    print_summary(rendered.document, Console(), reports=rendered.named(), notes=rendered.notes)
    return SUCCESS if rendered.judgement.overall.is_success else NOT_PASSED


if __name__ == "__main__":
    sys.exit(main())
