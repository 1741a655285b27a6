"""``--baseline``: a run is compared with an earlier one, and does not end green over a change that was not declared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from rich.console import Console
from rich.text import Text

from brokerproof.change.baseline import against, is_accepted
from brokerproof.change.declaration import NOTHING, Declaration, DeclarationError, load_declaration
from brokerproof.change.judgement import Judgement
from brokerproof.change.report import lines_of
from brokerproof.reports.document import RESULT_FILE, DocumentError, ResultDocument, decode_document


@dataclass(slots=True)
class Baseline:
    """What is compared with, and what was said of it."""

    document: ResultDocument
    declared: Declaration
    judgement: Judgement | None = None


BASELINE: Final = pytest.StashKey[Baseline | None]()


def baseline_of(config: pytest.Config) -> Baseline | None:
    """The baseline that was asked for.

    Raises:
        pytest.UsageError: it cannot be read, or the declaration is wrong.
    """
    path, declare = config.getoption("--baseline"), config.getoption("--declare")
    if path is None:
        if declare is not None:
            raise pytest.UsageError("--declare says what may differ from a baseline: give --baseline RUN too")
        return None
    try:
        return Baseline(_document(path), NOTHING if declare is None else load_declaration(declare))
    except DeclarationError as error:
        raise pytest.UsageError(str(error)) from None


def _document(path: Path) -> ResultDocument:
    path = path / RESULT_FILE if path.is_dir() else path
    try:
        return decode_document(path.read_bytes())
    except OSError as error:
        raise pytest.UsageError(f"{path}: cannot be read: {error.strerror or error}") from None
    except DocumentError as error:
        raise pytest.UsageError(f"{path}: {error}") from None


def refuse_changes(session: pytest.Session, document: ResultDocument) -> None:
    """A run that was green is not, where it is not as its baseline."""
    baseline = session.config.stash.get(BASELINE, None)
    if baseline is None:
        return
    baseline.judgement = against(baseline.document, document, baseline.declared)
    if session.exitstatus == pytest.ExitCode.OK and not is_accepted(baseline.judgement):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def tell_changes(config: pytest.Config, console: Console) -> None:
    """The comparison in words."""
    baseline = config.stash.get(BASELINE, None)
    if baseline is not None and baseline.judgement is not None:
        console.print(Text(f"\nagainst the baseline {baseline.document.run.run_id}"))
        for line in lines_of(baseline.judgement):
            console.print(Text(line))
