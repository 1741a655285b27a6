"""pytest as a user runs it: against a lab started elsewhere, with a fault, with workers, with bad input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from brokerproof.cli.main import main
from brokerproof.lab.faults import FAULTS
from brokerproof.lab.life.handle import Lab
from brokerproof.reports.document import ResultDocument, decode_document
from brokerproof.topology.files import dumps
from brokerproof.topology.patterns import PATTERNS

pytestmark = pytest.mark.lab

ROOT = Path(__file__).parents[2]
NAME = f"target-{os.getpid()}"
QUICK = ["-m", "privatelink and not performance", "-q", "-p", "no:cacheprovider"]


def run_pytest(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    words = list(map(str, arguments))
    where = [] if any(word.startswith("scenarios/") for word in words) else ["scenarios"]  # to collect no other tests
    command = [sys.executable, "-m", "pytest", *words, *where]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


def result(run_dir: Path) -> ResultDocument:
    return decode_document((run_dir / "result.json").read_bytes())


def verdicts(run_dir: Path) -> dict[str, str]:
    return {f"{c.name}/{k.check_id}": k.verdict.value for c in result(run_dir).clients for k in c.checks}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A lab started by the command line, and the file that describes it."""
    path = tmp_path_factory.mktemp("target") / "lab.yaml"
    done = CliRunner().invoke(main, ["lab", "up", "privatelink_multi_nlb", "--name", NAME, "--write-target", str(path)])
    assert done.exit_code == 0, done.output
    yield path
    assert CliRunner().invoke(main, ["lab", "down", "--name", NAME]).exit_code == 0


@pytest.fixture(scope="module")
def alone(target: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of a session with nothing wrong and without workers."""
    run_dir = tmp_path_factory.mktemp("alone") / "run"
    done = run_pytest(*QUICK, f"--target={target}", "--run-dir", run_dir)
    assert done.returncode == 0, done.stdout
    return run_dir


def test_a_target_file_is_probed_like_the_lab(alone: Path) -> None:
    document = result(alone)
    assert document.complete
    assert document.run.target == "lab.yaml"
    assert {c.name for c in document.clients} == {
        f"privatelink_multi_nlb.{name}"
        for name in ("cluster_vpc", "account_b", "overlapping", "remote_by_peering", "remote_by_gateway")
    }
    assert (alone / "report.html").stat().st_size > 10_000
    assert (alone / "junit.xml").exists()
    assert str(ROOT) not in (alone / "result.json").read_text(), "a path of this machine"


def test_with_workers_the_verdicts_are_the_same(target: Path, alone: Path, tmp_path: Path) -> None:
    workers = run_pytest(*QUICK, "-n", "2", f"--target={target}", "--run-dir", tmp_path / "run")
    assert workers.returncode == 0, workers.stdout
    assert verdicts(alone) == verdicts(tmp_path / "run") != {}


def test_a_fault_fails_the_right_test_with_the_finding_first(target: Path, tmp_path: Path) -> None:
    with_fault = FAULTS["target-of-another-broker"]
    lab = Lab.attach(NAME)
    lab.apply(with_fault.edit(lab.intended))
    try:
        done = run_pytest(*QUICK, f"--target={target}", "--run-dir", tmp_path / "run", "-k", "TestClients")
        elsewhere = run_pytest(
            *QUICK,
            f"--target={target}",
            "--run-dir",
            tmp_path / "other",
            "-k",
            "test_leader_takes_records and account_b-broker-1",
        )
    finally:
        lab.apply(lab.intended)
        lab.close()
    failed = sorted(
        line.split(" - ")[0].split("::")[-1]
        for line in done.stdout.splitlines()
        if line.startswith("FAILED scenarios/")
    )
    assert failed == [
        "test_is_the_broker_it_names[account_b-broker-2]",
        "test_is_the_broker_it_names[overlapping-broker-2]",
        "test_is_the_broker_it_names[remote_by_gateway-broker-2]",
        "test_is_the_broker_it_names[remote_by_peering-broker-2]",
    ], done.stdout
    assert "broker-2: identity failed (other_broker), client account_b\n  observed: " in done.stdout
    assert "change:   correct the target of the listener behind 10.1." in done.stdout
    assert done.returncode == 1
    # The selected test passes, but the run it comes from has a red check.
    assert elsewhere.returncode == 1, elsewhere.stdout
    assert "red beyond the selected tests: privatelink_multi_nlb/account_b/broker-2/identity" in elsewhere.stderr


def test_nothing_to_probe_is_a_failure_in_words(target: Path) -> None:
    done = run_pytest("-q", "-m", "in_vpc", f"--target={target}")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "nothing to probe: no selected scenario fits" in done.stderr
    assert "privatelink_multi_nlb" in done.stderr


def test_a_wrong_target_file_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(dumps(PATTERNS["in_vpc"].build()).replace("broker_id: 2", "broker_id: two"))
    done = run_pytest("-q", f"--target={path}")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "brokers[1].broker_id: input should be a valid integer" in done.stderr
    path.write_text(dumps(PATTERNS["in_vpc"].build()))
    assert "client cluster_vpc has no vantage; state how to run a command" in run_pytest(f"--target={path}").stderr


ONE_TEST = "scenarios/test_privatelink_multi_nlb.py::TestClients::test_consumer_group_works[cluster_vpc]"


def test_an_unreachable_vantage_is_an_error_not_a_failed_path(target: Path, tmp_path: Path) -> None:
    text = target.read_text().replace(sys.executable, "/no/such/python", 1)
    path = tmp_path / "unreachable.yaml"
    path.write_text(text)
    assert "/no/such/python" in text
    done = run_pytest(*QUICK, f"--target={path}", "--run-dir", tmp_path / "run", ONE_TEST)
    assert done.returncode == 1
    assert "the probe failed, nothing is known about the path" in done.stdout
    [client] = result(tmp_path / "run").clients
    assert client.vantage_error
    assert {c.verdict.value for c in client.checks} == {"error"}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["lab", "up", "nonsense"], 2, "'nonsense' is neither a file nor a pattern; patterns: in_vpc"),
        (["lab", "up", "in_vpc", "--brokers", "99"], 2, "--brokers: Input should be less than or equal to 60"),
        (
            ["lab", "up", "privatelink_single_nlb", "--brokers", "5", "--first-listener-port", "9092"],
            2,
            "already taken",
        ),
        (["lab", "up", "in_vpc", "--name", "Not A Name"], 3, "use lower-case letters, digits and hyphens"),
        (["lab", "exec", "--name", "nobody", "account_b", "--", "true"], 3, "no lab named 'nobody'"),
        (["lab", "down", "--name", "nobody"], 3, "no lab named 'nobody'"),
        (["topology", "check", "missing.yaml"], 2, "missing.yaml: cannot be read"),
        (["lab", "break", "no-such-fault"], 2, "'no-such-fault' is not one of"),
    ],
    ids=lambda value: "-".join(value)[:40] if isinstance(value, list) else "",
)
def test_bad_input_is_a_sentence(arguments: list[str], code: int, words: str) -> None:
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == code, done.output
    assert words in done.output
    assert "Traceback" not in done.output


def test_show_gives_a_file_that_check_accepts(tmp_path: Path) -> None:
    for pattern in PATTERNS:
        shown = CliRunner().invoke(main, ["topology", "show", pattern, "--overlap", "off"])
        path = tmp_path / f"{pattern}.yaml"
        path.write_text(shown.output)
        assert CliRunner().invoke(main, ["topology", "check", str(path)]).output.endswith("nothing wrong\n")
    assert json.loads(CliRunner().invoke(main, ["topology", "schema"]).output)["title"] == "brokerproof topology"


def test_break_and_heal(target: Path) -> None:
    del target
    broken = CliRunner().invoke(main, ["lab", "break", "record-missing", "--name", NAME])
    assert "lacks the record of broker 2" in broken.output
    state = Lab.attach(NAME)
    assert state.topology != state.intended
    state.close()
    refused = CliRunner().invoke(main, ["lab", "break", "advertised-listeners-unchanged", "--name", NAME])
    assert (refused.exit_code, "is not of pattern privatelink_multi_nlb" in refused.output) == (3, True)
    assert CliRunner().invoke(main, ["lab", "heal", "--name", NAME]).exit_code == 0
    state = Lab.attach(NAME)
    assert state.topology == state.intended
    state.close()
