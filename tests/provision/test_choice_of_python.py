"""``setup.sh``: which Python set-up is handed over to."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.provision.machine import ROOT, script
from tools.provision import environment


def fake_python(path: Path, version: str) -> Path:
    """A Python that says its version, and who it is when set-up is handed over to it."""
    major, minor = version.split(".")
    return script(path, f'[ "$1" = -c ] && echo {major}{int(minor):02} || echo "{version} at $0 runs: $*"')


class TestTheChoiceOfPython:
    @pytest.fixture
    def checkout(self, tmp_path: Path) -> Path:
        checkout = tmp_path / "check out"
        (checkout / "tools").mkdir(parents=True)
        shutil.copy(ROOT / "tools" / "setup.sh", checkout / "tools")
        return checkout

    @staticmethod
    def run(checkout: Path, path: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [checkout / "tools" / "setup.sh", *arguments],
            env={"PATH": path, **environ},
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )

    @pytest.mark.parametrize(
        ("pythons", "chosen"),
        [
            (["python3:3.11"], "python3"),
            (["python3:3.11", "python3.12:3.12"], "python3.12"),
            (["python3:3.13", "python3.11:3.11", "python3.12:3.12"], "python3"),
            (["python3:3.9", "python3.11:3.11"], "python3.11"),
            (["python3:3.12", "python3.15:3.15"], "python3"),
        ],
    )
    def test_the_newest_that_will_do(
        self, checkout: Path, bin_directory: Path, pythons: list[str], chosen: str
    ) -> None:
        for python in pythons:
            name, version = python.split(":")
            fake_python(bin_directory / name, version)
        ran = self.run(checkout, str(bin_directory), "--bench")
        assert f"at {bin_directory / chosen} runs: -m tools.provision --bench" in ran.stdout

    def test_a_python_that_does_not_run_is_passed_over(self, checkout: Path, bin_directory: Path) -> None:
        script(bin_directory / "python3.13", "echo 'python3.13: command not found' >&2; exit 127")
        script(bin_directory / "python3.14", "echo nonsense")
        fake_python(bin_directory / "python3", "3.11")
        assert self.run(checkout, str(bin_directory)).stdout.startswith("3.11 at ")

    def test_every_directory_of_path_is_searched(self, checkout: Path, bin_directory: Path) -> None:
        fake_python(bin_directory / "python3", "3.11")
        newer = fake_python(checkout.parent / "a b" / "python3.12", "3.12")
        ran = self.run(checkout, f"{bin_directory}:{newer.parent}")
        assert ran.stdout.startswith(f"3.12 at {newer} runs")

    @pytest.mark.parametrize("there", [None, "3.10"])
    def test_none_is_said_with_what_to_install(self, checkout: Path, bin_directory: Path, there: str | None) -> None:
        if there:
            fake_python(bin_directory / "python3", there)
        ran = self.run(checkout, str(bin_directory))
        assert ran.returncode == 1
        assert "setup: there is no Python 3.11 to 3.14 on PATH" in ran.stderr
        assert (f"(the newest is {bin_directory / 'python3'})" in ran.stderr) is (there is not None)
        assert "make setup PYTHON=/path/to/python3" in ran.stderr

    def test_a_named_python_is_used(self, checkout: Path, bin_directory: Path) -> None:
        fake_python(bin_directory / "python3.13", "3.13")
        named = fake_python(checkout.parent / "opt" / "python", "3.11")
        ran = self.run(checkout, str(bin_directory), PYTHON=str(named))
        assert ran.stdout.startswith(f"3.11 at {named} runs")

    def test_a_named_python_that_is_too_old_is_not_replaced(self, checkout: Path, bin_directory: Path) -> None:
        fake_python(bin_directory / "python3", "3.12")
        fake_python(bin_directory / "python3.9", "3.9")
        ran = self.run(checkout, str(bin_directory), PYTHON="python3.9")
        assert ran.returncode == 1
        assert "PYTHON=python3.9 is not a Python 3.11 or newer" in ran.stderr

    def test_a_finished_environment_keeps_its_python(self, checkout: Path, bin_directory: Path) -> None:
        fake_python(bin_directory / "python3.13", "3.13")
        made_with = fake_python(checkout.parent / "opt" / "python3.11", "3.11")
        venv = checkout / ".venv"
        venv.mkdir()
        (venv / "pyvenv.cfg").write_text(f"home = /opt\nexecutable = {made_with}\n")
        unfinished = self.run(checkout, str(bin_directory))
        (venv / environment.STAMP).write_text("{}")
        finished = self.run(checkout, str(bin_directory))
        made_with.unlink()
        gone = self.run(checkout, str(bin_directory))
        assert [ran.stdout[:4] for ran in (unfinished, finished, gone)] == ["3.13", "3.11", "3.13"]
