"""``python -m reports RUN_DIR``: write the reports of a recorded run again, and print its summary."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from reports.journal import JournalError
from reports.render import render_all
from reports.terminal import print_summary

SUCCESS = 0
NOT_PASSED = 1
UNUSABLE = 2


def main(arguments: list[str] | None = None) -> int:
    """0 when the run passed, 1 when it did not, 2 when there is no run to read."""
    parser = argparse.ArgumentParser(prog="python -m reports", description=__doc__)
    parser.add_argument("run_dir", type=Path, help="the directory the run was recorded in")
    run_dir: Path = parser.parse_args(arguments).run_dir
    try:
        rendered = render_all(run_dir)
    except (JournalError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return UNUSABLE
    print_summary(rendered.document, Console(), reports=rendered.named())
    return SUCCESS if rendered.judgement.overall.is_success else NOT_PASSED


if __name__ == "__main__":
    sys.exit(main())
