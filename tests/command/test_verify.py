"""``brokerproof verify``: what is run, what is refused, and what the exit code says. No lab is started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from brokerproof.cli.endings import Said
from brokerproof.cli.main import main
from brokerproof.cli.verify import exit_code, scenarios_of
from brokerproof.reports.document import ResultDocument, TestOutcome, decode_document
from brokerproof.topology.patterns import PATTERNS
from tests.installed.stand_in import write_target

pytestmark = pytest.mark.installed

ROOT = Path(__file__).parents[2]
SOME = ("-m", "peering and not performance", "-k", "own_path or certificate")


def verify(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "brokerproof", "verify", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=600)


def result(folder: Path) -> ResultDocument:
    return decode_document((folder / "result.json").read_bytes())


def test_a_target_whose_paths_work_is_verified(tmp_path: Path) -> None:
    write_target(tmp_path / "mine.yaml", "peering")
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\naddopts = "--no-such-option"\n')
    done = verify(tmp_path, "mine.yaml", *SOME, "-n", "2", "--run-dir", "run", "--report", "markdown")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in done.stdout
    document = result(tmp_path / "run")
    assert document.complete
    assert [client.name for client in document.clients] == ["peering.peered", "peering.remote_by_peering"]
    assert {test.outcome for test in document.tests} == {TestOutcome.PASSED}
    assert document.tests[0].node_id.startswith(
        "scenarios/test_peering.py::TestClients::test_certificate_is_valid_for_the_name["
    )
    assert {path.name for path in (tmp_path / "run").iterdir()} >= {"report.html", "report.md", "junit.xml"}


def test_a_path_that_does_not_work_is_1_and_a_host_that_is_not_reached_is_3(tmp_path: Path) -> None:
    write_target(tmp_path / "dead.yaml", "peering", dead="peered=2")
    dead = verify(tmp_path, "dead.yaml", *SOME, "-x", "-n", "2")
    assert dead.returncode == 1, dead.stdout + dead.stderr
    away = write_target(tmp_path / "away.yaml", "peering")
    away.write_text(away.read_text().replace(sys.executable, "/no/such/command"))
    unknown = verify(tmp_path, "away.yaml", *SOME)
    assert unknown.returncode == 3, unknown.stdout + unknown.stderr
    assert "/no/such/command" in unknown.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("mine.yaml", "-m", "privatelink"), "nothing to probe: no selected scenario fits the clients of mine.yaml"),
        (("mine.yaml", "--run-dir", "used"), "used holds an earlier run: give each run a folder of its own"),
        (("mine.yaml", "--run-dir", "mine.yaml"), "mine.yaml is no folder"),
        (("mine.yaml", "--load", "nothing=1"), "'nothing' is no setting of the load"),
        (("wrong.yaml",), "wrong.yaml:2: nam: unknown key"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_use_is_a_sentence(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    mine = write_target(tmp_path / "mine.yaml", "peering")
    (tmp_path / "wrong.yaml").write_text(mine.read_text().replace("name: peering", "nam: peering", 1))
    journal = tmp_path / "used" / "journal" / "run.jsonl"
    journal.parent.mkdir(parents=True)
    journal.write_bytes(b"{}\n")
    done = verify(tmp_path, *arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "INTERNALERROR" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["nonsense"],
            "'nonsense' is not a file, not a pattern and not a bootstrap string (HOST:PORT); give a topology file, a ",
        ),
        (["-x", "mine.yaml"], "-x stands where the target belongs: write the target first"),
    ],
)
def test_what_is_no_target_is_a_sentence(arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(main, ["verify", *arguments])
    assert (done.exit_code, words in done.output) == (2, True), done.output


def test_a_run_directory_that_holds_a_run_is_wrong_use_of_pytest_too(tmp_path: Path) -> None:
    journal = tmp_path / "used" / "journal" / "run.jsonl"
    journal.parent.mkdir(parents=True)
    journal.write_bytes(b"{}\n")
    command = [sys.executable, "-m", "pytest", "-q", "-m", "in_vpc", f"--run-dir={tmp_path / 'used'}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    [said] = [line for line in done.stderr.splitlines() if line]
    assert said == (
        f"ERROR: {tmp_path / 'used'} holds an earlier run: give each run a folder of its own, or remove that one"
    )


def test_ctrl_c_ends_the_run_and_keeps_what_there_is(tmp_path: Path) -> None:
    mine = write_target(tmp_path / "mine.yaml", "peering")
    slow = tmp_path / "sleeps"
    slow.write_text("#!/bin/sh\necho begun > begun\nsleep 60\n")
    slow.chmod(0o755)
    mine.write_text(mine.read_text().replace(sys.executable, str(slow)))
    command = [sys.executable, "-m", "brokerproof", "verify", "mine.yaml", *SOME, "--run-dir", "run"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "begun").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert not result(tmp_path / "run").complete


def test_a_pattern_is_its_own_file_of_scenarios_in_the_lab() -> None:
    for pattern in PATTERNS:
        module, target = scenarios_of(pattern)
        assert target == "--target=lab"
        assert (ROOT / "scenarios" / f"{module.rpartition('.')[2]}.py").exists(), pattern
    assert scenarios_of("lab") == ("brokerproof.scenarios", "--target=lab")
    with pytest.raises(Said, match="is not a file, not a pattern and not a bootstrap string"):
        scenarios_of("b-1.example.com:9094")


@pytest.mark.parametrize(
    ("of_pytest", "interrupted", "code"),
    [
        (pytest.ExitCode.OK, False, 0),
        (pytest.ExitCode.TESTS_FAILED, False, 3),
        (pytest.ExitCode.INTERRUPTED, False, 3),
        (pytest.ExitCode.INTERRUPTED, True, 130),
        (pytest.ExitCode.INTERNAL_ERROR, False, 3),
        (pytest.ExitCode.USAGE_ERROR, False, 2),
        (pytest.ExitCode.NO_TESTS_COLLECTED, False, 2),
    ],
)
def test_without_a_document_nothing_is_known_about_a_path(
    of_pytest: pytest.ExitCode, *, interrupted: bool, code: int
) -> None:
    assert exit_code(of_pytest, None, interrupted=interrupted) == code
