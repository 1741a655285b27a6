"""Synthetic results written down as a run would have written them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from brokerproof.reports.document import ClientResult, TestResult
from brokerproof.reports.journal import OWNER, Journal
from tests.reports.builder import RUN


def write_client(journal: Journal, result: ClientResult) -> None:
    client = journal.client(result.view, label=result.label, topology_digest=result.topology_digest)
    if result.started is not None:
        client.line(result.started)
    for outcome in result.outcomes:
        client.line(outcome)
    if result.closing is not None:
        client.line(result.closing)
    if result.vantage_error:
        client.vantage_failed(result.vantage_error)
    client.checks(result.checks)


def record(
    run_dir: Path, results: Iterable[ClientResult], *, tests: Iterable[TestResult] = (), writer: str = OWNER
) -> None:
    """One whole journal: the owner ends the run, a worker only its own part of it."""
    with Journal.open(run_dir, RUN, writer=writer) as journal:
        for result in results:
            write_client(journal, result)
        for test in tests:
            journal.test(test)
        if writer == OWNER:
            journal.finish_run()
        else:
            journal.close_complete()
