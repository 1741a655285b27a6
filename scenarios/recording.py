"""Which tests are of the run, and their results on their way into its journal."""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

import pytest

from brokerproof.reports.document import TestOutcome, TestPhase, TestResult
from brokerproof.scenarios.selection import is_scenario, is_shipped
from brokerproof.scenarios.session import ScenarioSession

_NODE_ID: Final = "brokerproof_node_id"
"""A report's attribute: what the run calls the test. Reports of workers carry it to the process that started them."""


class Recorder:
    """Keeps each test's result with the run; workers write their own."""

    def __init__(self, session: ScenarioSession) -> None:
        self._session = session

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Mark the reports of tests that belong to the run."""
        report = yield
        if is_scenario(item) and self._session.topology_of(item) is not None:
            setattr(report, _NODE_ID, node_id_of(item))
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write a result down, or who writes it."""
        session, node_id = self._session, getattr(report, _NODE_ID, "")
        if not node_id:
            return
        if session.workers:
            session.writers.add(str(getattr(report, "worker_id", "")))
            return
        if report.when != "call" and report.outcome == "passed":
            return
        outcome = {"passed": TestOutcome.PASSED, "skipped": TestOutcome.SKIPPED}.get(
            report.outcome, TestOutcome.FAILED if report.when == "call" else TestOutcome.ERROR
        )
        session.journal.test(
            TestResult(
                node_id=node_id,
                outcome=outcome,
                duration_ns=int(report.duration * 1e9),
                phase=TestPhase(report.when),
                message="" if report.outcome == "passed" else _first_line(report),
            )
        )


def node_id_of(item: pytest.Item) -> str:
    """Pytest's own, but for the scenarios shipped here: theirs is the same wherever they are installed."""
    if not is_shipped(item):
        return item.nodeid
    return "::".join([f"scenarios/{item.path.name}", *item.nodeid.split("::")[1:]])


def _first_line(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):  # a skip: (file, line, reason)
        return str(report.longrepr[2]).removeprefix("Skipped: ").splitlines()[0]
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(report.longrepr if crash is None else crash.message).strip()
    return text.splitlines()[0] if text else ""
