"""Half an environment is never taken for a whole one."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from tests.provision.machine import script
from tools.provision import environment
from tools.provision.environment import State
from tools.provision.step import Runner, SetupError


class TestTheEnvironment:
    @pytest.fixture
    def checkout(self, tmp_path: Path) -> Path:
        (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\ndependencies = []\n')
        (tmp_path / "requirements.lock").write_text("x==1 --hash=sha256:00\n")
        return tmp_path

    @pytest.fixture
    def runner(self, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
        """Makes .venv with a stand-in for Python that writes down what it is asked."""
        fake = script(
            checkout / "fake" / "python3.11",
            'echo "$*" >> "$CALLS"\n'
            'for word in "$@"; do case ${FAIL_AT:-none} in "$word") exit 7 ;; esac; done\n'
            'if [ "$2" = venv ]; then mkdir -p "$4/bin"; ln -sf "$0" "$4/bin/python"; fi',
        )
        monkeypatch.setattr(sys, "executable", str(fake))
        return self.with_environ(checkout)

    @staticmethod
    def with_environ(checkout: Path, **environ: str) -> Runner:
        calls = {"CALLS": str(checkout / "calls"), "PATH": os.environ["PATH"]}
        return Runner(checkout, checkout / "build" / "setup.log", calls | environ)

    @staticmethod
    def steps(checkout: Path) -> list[str]:
        """What was asked of Python since the last look, in short."""
        calls = checkout / "calls"
        text = calls.read_text() if calls.exists() else ""
        calls.unlink(missing_ok=True)
        words = {"venv": "venv", "--require-hashes": "lock", "tools.provision.compiled": "compile"}
        words |= {"--editable": "project", "check": "check"}
        return [
            next(step for word, step in words.items() if re.search(rf"(^| ){word}\b", line))
            for line in text.splitlines()
        ]

    def test_made_once_it_is_complete(self, checkout: Path, runner: Runner) -> None:
        assert environment.state(checkout) is State.ABSENT
        environment.make(checkout, runner)
        assert environment.state(checkout) is State.COMPLETE
        assert self.steps(checkout) == ["venv", "lock", "compile", "project", "check"]
        environment.make(checkout, runner)
        assert self.steps(checkout) == []

    def test_packages_come_from_the_lock_alone(self, checkout: Path, runner: Runner) -> None:
        environment.make(checkout, runner)
        (lock,) = [line for line in (checkout / "calls").read_text().splitlines() if "requirement=" in line]
        assert {"--require-hashes", "--no-deps", "--only-binary=:all:"} <= set(lock.split())

    @pytest.mark.parametrize(
        ("changed", "text"),
        [
            ("requirements.lock", "x==2 --hash=sha256:00\n"),
            (".venv/brokerproof-stamp.json", "{"),
            (".venv/brokerproof-stamp.json", "[]"),
            (".venv/brokerproof-stamp.json", "{}"),
        ],
    )
    def test_another_lock_or_a_broken_stamp_makes_it_anew(
        self, checkout: Path, runner: Runner, changed: str, text: str
    ) -> None:
        environment.make(checkout, runner)
        (checkout / changed).write_text(text)
        assert environment.state(checkout) is State.ABSENT

    def test_another_python_makes_it_anew(
        self, checkout: Path, runner: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        environment.make(checkout, runner)
        monkeypatch.setattr(sys, "executable", str(script(checkout / "other" / "python3.11", "exit 0")))
        assert environment.state(checkout) is State.ABSENT

    def test_an_environment_whose_python_is_gone_is_absent(self, checkout: Path, runner: Runner) -> None:
        environment.make(checkout, runner)
        (checkout / ".venv" / "bin" / "python").unlink()
        (checkout / ".venv" / "bin" / "python").symlink_to("/nowhere/python3")
        assert environment.state(checkout) is State.ABSENT

    def test_a_moved_checkout_makes_it_anew(self, checkout: Path, runner: Runner) -> None:
        environment.make(checkout, runner)
        moved = checkout / "moved"
        moved.mkdir()
        for name in ("pyproject.toml", "requirements.lock", ".venv"):
            (checkout / name).rename(moved / name)
        assert environment.state(moved) is State.ABSENT

    @pytest.mark.parametrize(
        ("text", "expected", "steps"),
        [
            (
                '[project]\nname = "x"\ndependencies = ["y==1"]\n',
                State.PROJECT_STALE,
                ["project", "check"],
            ),
            (
                '[project]\nname = "x"\ndependencies = []\n[tool.setuptools]\npackages = ["z"]\n',
                State.PROJECT_STALE,
                ["project", "check"],
            ),
            ('[project]\nname = "x"\ndependencies = []\n[tool.ruff]\nline-length = 9\n', State.COMPLETE, []),
        ],
    )
    def test_a_changed_project_table_installs_the_project_alone(
        self, checkout: Path, runner: Runner, text: str, expected: State, steps: list[str]
    ) -> None:
        environment.make(checkout, runner)
        self.steps(checkout)
        (checkout / "pyproject.toml").write_text(text)
        assert environment.state(checkout) is expected
        environment.make(checkout, runner)
        assert environment.state(checkout) is State.COMPLETE
        assert self.steps(checkout) == steps

    @pytest.mark.parametrize("step", ["venv", "--require-hashes", "--no-build-isolation", "check"])
    @pytest.mark.parametrize("before", ["nothing", "an older one"])
    def test_a_failed_step_is_not_taken_for_done(self, checkout: Path, runner: Runner, step: str, before: str) -> None:
        if before == "an older one":
            environment.make(checkout, runner)
            (checkout / "requirements.lock").write_text("x==2 --hash=sha256:00\n")
        with pytest.raises(SetupError, match=r"failed \(7\)"):
            environment.make(checkout, self.with_environ(checkout, FAIL_AT=step))
        assert environment.state(checkout) is State.ABSENT
        self.steps(checkout)
        environment.make(checkout, runner)
        assert self.steps(checkout) == ["venv", "lock", "compile", "project", "check"]

    @pytest.mark.parametrize("file", ["requirements.lock", "pyproject.toml"])
    def test_what_failed_halfway_is_not_complete_when_its_cause_is_taken_back(
        self, checkout: Path, runner: Runner, file: str
    ) -> None:
        environment.make(checkout, runner)
        before = (checkout / file).read_text()
        (checkout / file).write_text(before.replace("x", "y"))
        with pytest.raises(SetupError):
            environment.make(checkout, self.with_environ(checkout, FAIL_AT="check"))
        (checkout / file).write_text(before)
        assert environment.state(checkout) is State.ABSENT


class TestAStep:
    def test_a_failure_quotes_its_own_end(self, tmp_path: Path) -> None:
        runner = Runner(tmp_path, tmp_path / "build" / "log", os.environ)
        runner.run("first", ["sh", "-c", "echo of the first"])
        with pytest.raises(SetupError) as caught:
            runner.run("second", ["sh", "-c", "echo of the second; exit 3"])
        assert "failed (3)" in str(caught.value)
        assert str(caught.value).endswith("of the second")
        assert "of the first" not in str(caught.value)

    def test_a_command_that_is_not_there_is_a_sentence(self, tmp_path: Path) -> None:
        with pytest.raises(SetupError, match="/nowhere/python could not be run"):
            Runner(tmp_path, tmp_path / "build" / "log", {}).run("x", ["/nowhere/python"])

    def test_a_long_one_says_that_it_goes_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr("tools.provision.step.BEAT_S", 0.1)
        monkeypatch.setattr("tools.provision.step.WORTH_A_WORD_S", 0.1)
        Runner(tmp_path, tmp_path / "build" / "log", os.environ).run("x", ["sh", "-c", "echo half; sleep 0.5"])
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == "setup: x"
        assert "setup:   still at it after 0 s: half" in lines
        assert lines[-1] == "setup:   done in 1 s"
