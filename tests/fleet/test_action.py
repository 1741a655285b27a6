"""The GitHub action: its script run as a runner runs it, on a target one of whose paths is broken."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.installed.stand_in import write_target

FOLDER = Path(__file__).parents[2] / "deploy" / "github"


def loaded(name: str) -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe", pure=True).load(FOLDER / name)
    return found


def step(name: str) -> dict[str, Any]:
    return next(each for each in loaded("action.yml")["runs"]["steps"] if each["name"] == name)


def test_the_example_gives_inputs_that_there_are() -> None:
    action = loaded("action.yml")
    used = next(
        each
        for each in loaded("example-workflow.yml")["jobs"]["paths"]["steps"]
        if each.get("uses") == "./deploy/github"
    )
    assert set(used["with"]) <= set(action["inputs"])
    needed = {name for name, each in action["inputs"].items() if each.get("required")}
    assert needed <= set(used["with"])


def test_no_input_is_put_into_a_script_as_text() -> None:
    assert not [each["name"] for each in loaded("action.yml")["runs"]["steps"] if "${{" in each["run"]]


@pytest.mark.installed
@pytest.mark.parametrize(("dead", "code"), [("nobody=0", 0), ("peered=1", 1)])
def test_a_broken_path_fails_the_job_with_its_finding_as_an_annotation(tmp_path: Path, dead: str, code: int) -> None:
    target = write_target(tmp_path / "target.yaml", "peering", dead=dead)
    (tmp_path / "brokerproof").mkdir()
    (tmp_path / "brokerproof/bin").symlink_to(Path(sys.executable).parent)
    given = {
        "COMMAND": "verify",
        "TARGET": target.name,
        "ARGUMENTS": "-m peering -k own_path",
        "RUN_DIR": "run",
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
    }
    done = subprocess.run(
        ["bash", "-e", "-c", step("Run")["run"]],
        cwd=tmp_path,
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert (tmp_path / "output").read_text(encoding="utf-8") == f"exit-code={code}\n"
    assert ("::error title=" in done.stdout) is bool(code)
    assert (tmp_path / "summary").stat().st_size > 100
