"""Tests of one's own: the very code of docs/own-tests.md, in a folder elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from brokerproof.reports.document import ResultDocument, TestOutcome, decode_document
from tests.installed.stand_in import write_target

pytestmark = pytest.mark.installed

PAGE = Path(__file__).parents[2] / "docs" / "own-tests.md"
NAMES = [
    "test_paths.py::test_every_broker_accepts_connections[peered]",
    "test_paths.py::test_every_broker_accepts_connections[remote_by_peering]",
    "test_paths.py::test_names_resolve_within_a_fifth_of_a_second[peered]",
    "test_paths.py::test_names_resolve_within_a_fifth_of_a_second[remote_by_peering]",
    "test_paths.py::test_nothing_is_wrong_with_any_client",
    "test_paths.py::test_the_peered_client_goes_by_its_peering",
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    conftest, tests = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "conftest.py").write_text(conftest)
    (tmp_path / "test_paths.py").write_text(tests)
    (tmp_path / "test_other.py").write_text("PATTERN = 'x.*'\n\ndef test_of_something_else():\n    assert PATTERN\n")
    return tmp_path


def run_pytest(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, timeout=120)


def result(project: Path) -> ResultDocument:
    return decode_document((project / "run" / "result.json").read_bytes())


def outcomes(document: ResultDocument) -> dict[str, TestOutcome]:
    return {test.node_id: test.outcome for test in document.tests}


def only_peering(target: Path) -> None:
    """The baseline's client goes, so that all clients are those the page names."""
    target.write_text(target.read_text().replace("pattern: in_vpc\n", "pattern: null\n"))


def test_the_page_s_tests_pass_where_every_path_works(project: Path) -> None:
    only_peering(write_target(project / "mine.yaml", "peering"))
    done = run_pytest(project, "--target=mine.yaml", "--run-dir=run")
    assert done.returncode == 0, done.stdout + done.stderr
    document = result(project)
    assert outcomes(document) == dict.fromkeys(NAMES, TestOutcome.PASSED)
    assert [client.name for client in document.clients] == ["peering.peered", "peering.remote_by_peering"]
    assert document.complete


def test_they_share_a_client_s_run_with_the_scenarios_and_fail_with_them(project: Path) -> None:
    only_peering(write_target(project / "mine.yaml", "peering", dead="peered=2"))
    scenarios = ("--pyargs", "brokerproof.scenarios", "test_paths.py", "-m", "not performance", "-k", "connect")
    done = run_pytest(project, "--target=mine.yaml", "--run-dir=run", *scenarios)
    assert done.returncode == 1, done.stdout + done.stderr
    document = result(project)
    assert [client.name for client in document.clients] == ["peering.peered", "peering.remote_by_peering"]
    said = outcomes(document)
    assert said["test_paths.py::test_every_broker_accepts_connections[peered]"] is TestOutcome.FAILED
    assert said["test_paths.py::test_every_broker_accepts_connections[remote_by_peering]"] is TestOutcome.PASSED
    of_the_scenario = "scenarios/test_peering.py::TestClients::test_every_address_connects"
    assert said[f"{of_the_scenario}[peered-broker-2]"] is TestOutcome.FAILED
    assert said[f"{of_the_scenario}[remote_by_peering-broker-2]"] is TestOutcome.PASSED


def test_without_a_target_they_are_skipped_and_say_what_is_missing(project: Path) -> None:
    done = run_pytest(project, "-rs", "test_paths.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "there is nothing to probe: give --target FILE" in done.stdout
    assert not (project / "results").exists()


def test_a_pattern_that_there_is_not_is_named(project: Path) -> None:
    tests = project / "test_paths.py"
    tests.write_text("PATTERN = 'peerng'\n" + tests.read_text())
    done = run_pytest(project, "test_paths.py")
    assert "PATTERN is 'peerng', which is no pattern; there are: in_vpc, peering" in done.stdout
    assert "Traceback" not in done.stdout
