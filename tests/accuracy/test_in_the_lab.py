"""A quick proof in a real lab: three faults of three layers, two clean runs, and Ctrl-C in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from brokerproof.accuracy.campaign import Progress, run
from brokerproof.accuracy.cases import cases_of
from brokerproof.accuracy.matrix import matrix_of
from brokerproof.accuracy.prover import Prover
from brokerproof.accuracy.score import score
from brokerproof.accuracy.trial import Selection, Trial, TrialKind
from brokerproof.accuracy.trial_journal import NAME, read
from brokerproof.lab.life.lab_socket import running_labs
from brokerproof.running.planning import LIMITS, VERDICT_MS
from tests.accuracy.made import HEADER

pytestmark = pytest.mark.lab

ROOT = Path(__file__).parents[2]
SELECTION = Selection(
    patterns=("peering",),
    faults=("route-missing-client", "broker-security-group-closed", "certificate-expired"),
    clean=2,
)


@pytest.fixture(scope="module")
def trials() -> list[Trial]:
    heard: list[Progress] = []
    run(
        cases_of(SELECTION),
        workers=1,
        carrier=lambda: Prover(which=SELECTION.clients, limits=LIMITS, progress=print),
        on_trial=heard.append,
    )
    return [progress.trial for progress in heard]


def test_all_are_carried_out_and_undone(trials: list[Trial]) -> None:
    assert [
        (trial.case_id, trial.problem, trial.not_undone) for trial in trials if trial.problem or trial.not_undone
    ] == []
    assert len(trials) == 5


def test_a_lab_with_nothing_wrong_is_found_so(trials: list[Trial]) -> None:
    clean = [trial for trial in trials if trial.kind is TrialKind.CLEAN]
    assert [(trial.answer, trial.named) for trial in clean] == [("nothing_wrong", ())] * 2


def test_each_cause_is_named(trials: list[Trial]) -> None:
    matrix = matrix_of(HEADER, trials)
    assert all(score(trial).good for trial in trials), [
        (trial.case_id, trial.named, trial.injected) for trial in trials if not score(trial).good
    ]
    assert matrix.good


def test_silence_is_a_verdict_within_its_time(trials: list[Trial]) -> None:
    silent = [t for t in trials for cause in t.injected if cause.fault.startswith(("route-", "broker-security"))]
    assert len(silent) == 2
    worst = matrix_of(HEADER, silent).parts[0].times.worst_ms
    assert worst is not None
    assert worst <= VERDICT_MS


def test_ctrl_c_ends_the_lab_and_loses_nothing(tmp_path: Path) -> None:
    its_labs: list[str] = []
    command = ["lab", "prove", "--pattern", "in_vpc", "--no-singles", "--clean", "50", "-o", str(tmp_path / "out")]
    process = subprocess.Popen(
        [sys.executable, "-m", "brokerproof", *command],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=os.environ,
        start_new_session=True,
    )
    assert process.stderr is not None
    with process, process.stderr:
        for line in process.stderr:
            if line.startswith("[2/50"):
                its_labs = _labs_of(process.pid)
                os.killpg(process.pid, signal.SIGINT)
                break
        rest = process.stderr.read()
        assert process.wait(timeout=30) == 130, rest
    assert "--resume" in rest
    _, kept = read(tmp_path / "out" / NAME)
    assert len(kept) >= 2
    assert [trial.problem for trial in kept if trial.problem] == []
    assert its_labs != []
    assert _labs_of(process.pid) == []


def _labs_of(pid: int) -> list[str]:
    """Running labs that process made: other tests' labs come and go meanwhile."""
    return [name for name in running_labs() if name.startswith(f"run-{pid}-")]
