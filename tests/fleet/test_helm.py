"""The Helm chart: renders in each mode, by Kubernetes' own schemas, with words that the command understands."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
from ruamel.yaml import YAML

from brokerproof.cli.late import LateCommand
from brokerproof.cli.main import main
from tests.kubernetes.program import PROGRAM

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "brokerproof"
KINDS = {
    "job": ["ConfigMap", "Job"],
    "cronjob": ["ConfigMap", "CronJob"],
    "canary": ["ConfigMap", "PersistentVolumeClaim", "Deployment"],
}


def helm(*words: str) -> subprocess.CompletedProcess[str]:
    found = shutil.which("helm")
    if found is None and PROGRAM is None:
        pytest.skip("helm is not on PATH, and `make kubernetes` has not built its templates")
    command = [found] if found else [str(PROGRAM), "helm"]
    return subprocess.run([*command, *words], capture_output=True, text=True, check=False)


def rendered(tmp_path: Path, mode: str, *more: str) -> list[dict[str, Any]]:
    target = tmp_path / "target.yaml"
    target.write_text("version: 1\nname: x\n", encoding="utf-8")
    done = helm("template", "paths", str(CHART), "--set", f"mode={mode}", "--set-file", f"target={target}", *more)
    assert done.returncode == 0, done.stderr
    return list(YAML(typ="safe", pure=True).load_all(done.stdout))


def container(resources: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = pod_of(resources)["containers"][0]
    return found


def pod_of(resources: list[dict[str, Any]]) -> dict[str, Any]:
    spec = resources[-1]["spec"]
    found: dict[str, Any] = spec.get("jobTemplate", {"spec": spec})["spec"]["template"]["spec"]
    return found


def options_of(words: list[str]) -> set[str]:
    command: click.Command = main
    for word in words:
        if not isinstance(command, click.Group) or word not in command.commands:
            break
        command = command.commands[word]
        command = command.command if isinstance(command, LateCommand) else command
    return {option for parameter in command.params for option in parameter.opts}


@pytest.mark.parametrize("mode", KINDS)
def test_a_mode_renders_what_kubernetes_takes(tmp_path: Path, mode: str) -> None:
    resources = rendered(tmp_path, mode)
    assert [each["kind"] for each in resources] == KINDS[mode]
    validator = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    for each in resources:
        validator.validate(each, validator.latest_version(), strict=True)


@pytest.mark.parametrize("mode", KINDS)
def test_its_words_are_the_commands(tmp_path: Path, mode: str) -> None:
    words = container(rendered(tmp_path, mode))["args"]
    assert {word for word in words if word.startswith("--")} <= options_of(words)


def test_nothing_of_a_run_is_run_again(tmp_path: Path) -> None:
    assert rendered(tmp_path, "job")[-1]["spec"]["backoffLimit"] == 0
    cron = rendered(tmp_path, "cronjob")[-1]["spec"]
    assert (cron["concurrencyPolicy"], cron["jobTemplate"]["spec"]["backoffLimit"]) == ("Forbid", 0)
    assert rendered(tmp_path, "canary")[-1]["spec"]["replicas"] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [(("--set", "mode=job"), "target"), (("--set", "mode=cron", "--set", "target=x"), "mode must be one of")],
)
def test_values_that_cannot_be_are_refused(words: tuple[str, ...], said: str) -> None:
    done = helm("template", "paths", str(CHART), *words)
    assert done.returncode != 0
    assert said in done.stderr
