"""Set-up: what it finds missing, what it says, and that half a set-up is never taken for a whole one.

The machine around it is a directory of small scripts; nothing is installed or downloaded.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Final

import pytest

from brokerproof.provision import __main__ as provision
from brokerproof.provision import environment, packages
from brokerproof.provision.environment import State
from brokerproof.provision.packages import Missing
from brokerproof.provision.step import Runner, SetupError, Stop
from lab import preflight
from lab.kafka_dist import DEFAULT_VERSION

ROOT: Final = Path(__file__).resolve().parents[1]
SHELL_TOOLS: Final = ("sh", "dirname", "sed", "grep", "mv", "rm", "cat", "chmod", "env", "sleep")


@pytest.fixture
def bin_directory(tmp_path: Path) -> Path:
    """The only directory on PATH: the shell's own tools, and what a test puts there."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for tool in SHELL_TOOLS:
        found = shutil.which(tool)
        assert found
        (directory / tool).symlink_to(found)
    return directory


def script(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def fake_python(path: Path, version: str) -> Path:
    """A Python that says its version, and who it is when set-up is handed over to it."""
    major, minor = version.split(".")
    return script(path, f'[ "$1" = -c ] && echo {major}{int(minor):02} || echo "{version} at $0 runs: $*"')


class TestTheChoiceOfPython:
    @pytest.fixture
    def checkout(self, tmp_path: Path) -> Path:
        checkout = tmp_path / "check out"
        checkout.mkdir()
        shutil.copy(ROOT / "setup.sh", checkout)
        return checkout

    @staticmethod
    def run(checkout: Path, path: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [checkout / "setup.sh", *arguments],
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
        assert f"at {bin_directory / chosen} runs: -m brokerproof.provision --bench" in ran.stdout

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


class TestWhatIsMissing:
    @pytest.fixture(autouse=True)
    def bare_machine(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(preflight, "_SYSTEM_DIRECTORIES", str(tmp_path / "sbin"))
        monkeypatch.setattr(preflight, "_JVM", tmp_path / "jvm")

    @staticmethod
    def found(bin_directory: Path, *, maven: bool = True, venv: bool = True, bench: bool = False) -> set[str]:
        things = packages.missing({"PATH": str(bin_directory)}, maven=maven, venv=venv, bench=bench)
        return {thing.package for thing in things}

    def test_a_bare_machine_lacks_everything(self, bin_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
        monkeypatch.setattr(sys, "executable", "/usr/bin/true")
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        assert self.found(bin_directory, bench=True) == {
            *("iproute2", "nftables", "unbound", "util-linux", preflight.java_package()),
            *("procps", "bind9-dnsutils", "openssl", "maven", "kcat", f"python{version}-venv"),
        }

    def test_only_what_is_wanted_is_asked_for(self, bin_directory: Path) -> None:
        everything = self.found(bin_directory, bench=True)
        assert everything - self.found(bin_directory) == {"kcat"}
        assert everything - self.found(bin_directory, bench=True, maven=False) == {"maven"}

    def test_what_is_there_is_not_asked_for(self, bin_directory: Path) -> None:
        for tool in ("nft", "unbound", "mvn", "java", "ps"):
            script(bin_directory / tool, "echo 'openjdk version \"21\"' >&2")
        assert self.found(bin_directory) == {"iproute2", "util-linux", "bind9-dnsutils", "openssl"}

    def test_a_python_that_is_not_debians_cannot_be_mended_by_a_package(
        self, bin_directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
        monkeypatch.setattr(sys, "executable", "/opt/python/bin/python3")
        with pytest.raises(SetupError, match=r"/opt/python/bin/python3 has no ensurepip.*PYTHON="):
            self.found(bin_directory)
        assert self.found(bin_directory, venv=False)


LACKING: Final = (Missing("nft", "nftables"), Missing("unbound", "unbound"), Missing("ip", "iproute2"))


class TestWhoMayInstall:
    @pytest.fixture
    def runner(self, tmp_path: Path, bin_directory: Path) -> Runner:
        script(bin_directory / "apt-get", "exit 0")
        return Runner(tmp_path, tmp_path / "build" / "setup.log", {"PATH": str(bin_directory)})

    @pytest.fixture
    def installed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Where the stand-in for install.sh writes how it was called."""
        called = tmp_path / "called"
        monkeypatch.setattr(packages, "_INSTALL", script(tmp_path / "install.sh", f'echo "$@" >> {called}'))
        monkeypatch.setattr("os.geteuid", lambda: 1000)
        return called

    def test_root_installs(self, runner: Runner, installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("os.geteuid", lambda: 0)
        packages.install(LACKING, runner)
        assert installed.read_text() == "iproute2 nftables unbound\n"

    def test_sudo_without_a_password_installs(self, runner: Runner, installed: Path, bin_directory: Path) -> None:
        script(bin_directory / "sudo", f'echo "sudo $*" >> {installed}; shift; exec "$@"')
        script(bin_directory / "true", "exit 0")
        packages.install(LACKING, runner)
        script_path = installed.parent / "install.sh"
        assert installed.read_text().splitlines() == [
            "sudo -n true",
            f"sudo -n sh {script_path} iproute2 nftables unbound",
            "iproute2 nftables unbound",
        ]

    @pytest.mark.parametrize("sudo", [None, "echo 'sudo: a password is required' >&2; exit 1"])
    def test_who_may_not_is_given_one_command_to_copy(
        self, runner: Runner, installed: Path, bin_directory: Path, sudo: str | None
    ) -> None:
        if sudo:
            script(bin_directory / "sudo", sudo)
        with pytest.raises(SetupError) as caught:
            packages.install(LACKING, runner)
        said = str(caught.value)
        assert "missing: nft, unbound, ip. This user may install nothing" in said
        command = "apt-get update && apt-get install -y --no-install-recommends iproute2 nftables unbound"
        assert f"    {command}" in said.splitlines()
        assert "    systemctl disable --now unbound" in said.splitlines()
        assert not installed.exists()

    def test_a_machine_without_apt_is_told_what_debian_calls_them(
        self, runner: Runner, installed: Path, bin_directory: Path
    ) -> None:
        (bin_directory / "apt-get").unlink()
        with pytest.raises(SetupError, match=r"There is no apt-get.*calls the packages iproute2 nftables unb"):
            packages.install(LACKING, runner)
        assert not installed.exists()


class TestInstallingPackages:
    """install.sh with stand-ins for apt, against a policy-rc.d of the test's own."""

    @pytest.fixture
    def policy(self, tmp_path: Path) -> Path:
        return tmp_path / "policy-rc.d"

    @pytest.fixture
    def apt(self, bin_directory: Path) -> Path:
        """apt-get that asks policy-rc.d whether two services may start, as their packages do."""
        log = bin_directory.parent / "apt.log"
        for name, body in {
            "apt-get": (
                f'echo "apt-get $*" >> {log}\ncase "$*" in\n'
                '*" update"*) exit "${UPDATE_FAILS:-0}" ;;\n*" install "*)\n'
                'for unit in unbound unbound.service ssh; do "$POLICY_RC_D" $unit start; '
                f'echo "$unit $?" >> {log}; done\n'
                'if [ -n "${HANG:-}" ]; then echo hanging; exec sleep 20; fi\n'
                "touch_unbound\n"
                'exit "${INSTALL_FAILS:-0}" ;;\nesac'
            ),
            "touch_unbound": f"cat /dev/null > {bin_directory}/unbound; chmod 755 {bin_directory}/unbound",
            "dpkg": f'echo "dpkg $*" >> {log}',
            "dpkg-query": '[ -n "${WAS:-}" ] && printf "$WAS"',
            "update-rc.d": f'echo "update-rc.d $*" >> {log}',
        }.items():
            script(bin_directory / name, body)
        return log

    @staticmethod
    def command(bin_directory: Path, policy: Path, **environ: str) -> tuple[list[str], dict[str, str]]:
        install = ROOT / "brokerproof" / "provision" / "install.sh"
        return (
            ["/bin/sh", str(install), "unbound", "nftables"],
            {"PATH": str(bin_directory), "POLICY_RC_D": str(policy), **environ},
        )

    def run(self, bin_directory: Path, policy: Path, **environ: str) -> int:
        command, environment_ = self.command(bin_directory, policy, **environ)
        return subprocess.run(command, env=environment_, check=False, timeout=20, capture_output=True).returncode

    def test_unbounds_service_is_refused_and_switched_off(self, bin_directory: Path, policy: Path, apt: Path) -> None:
        assert self.run(bin_directory, policy) == 0
        lines = apt.read_text().splitlines()
        assert lines[0] == "dpkg --configure -a"
        assert lines[1].endswith(" update")
        assert lines[2].endswith(" install unbound nftables")
        assert lines[3:] == ["unbound 101", "unbound.service 101", "ssh 0", "update-rc.d unbound disable"]
        assert not policy.exists()

    def test_an_unbound_that_was_there_keeps_its_service(self, bin_directory: Path, policy: Path, apt: Path) -> None:
        assert self.run(bin_directory, policy, WAS="installed") == 0
        assert "update-rc.d" not in apt.read_text()

    def test_a_policy_of_the_machine_still_rules_and_comes_back(
        self, bin_directory: Path, policy: Path, apt: Path
    ) -> None:
        own = script(policy, "exit 102").read_text()
        assert self.run(bin_directory, policy) == 0
        assert "unbound 101\nunbound.service 101\nssh 102\n" in apt.read_text()
        assert policy.read_text() == own
        assert os.access(policy, os.X_OK)

    @pytest.mark.parametrize("own", [None, "exit 102"])
    def test_a_failure_is_a_failure_and_leaves_no_policy(
        self, bin_directory: Path, policy: Path, apt: Path, own: str | None
    ) -> None:
        if own:
            script(policy, own)
        assert self.run(bin_directory, policy, INSTALL_FAILS="100") == 100
        assert apt.exists()
        assert self.policies(policy) == ({policy.name} if own else set())
        assert own is None or own in policy.read_text()

    def test_old_package_lists_are_better_than_none(self, bin_directory: Path, policy: Path, apt: Path) -> None:
        assert self.run(bin_directory, policy, UPDATE_FAILS="100") == 0
        assert " install unbound nftables" in apt.read_text()

    @pytest.mark.parametrize("own", [None, "exit 102"])
    def test_the_run_after_a_killed_one_puts_the_policy_right(
        self, bin_directory: Path, policy: Path, apt: Path, own: str | None
    ) -> None:
        if own:
            script(policy, own)
        command, environ = self.command(bin_directory, policy, HANG="1")
        killed = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True, start_new_session=True)
        assert killed.stdout is not None
        with killed.stdout:
            assert killed.stdout.readline() == "hanging\n"
            os.killpg(killed.pid, signal.SIGKILL)
            killed.wait()
        assert "brokerproof" in policy.read_text()
        assert self.run(bin_directory, policy) == 0
        assert apt.exists()
        assert self.policies(policy) == ({policy.name} if own else set())
        assert own is None or own in policy.read_text()

    @staticmethod
    def policies(policy: Path) -> set[str]:
        return {path.name for path in policy.parent.glob("policy-rc.d*")}


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
        words = {"venv": "venv", "--require-hashes": "lock", "--editable": "project", "check": "check"}
        return [
            next(step for word, step in words.items() if re.search(rf"(^| ){word}\b", line))
            for line in text.splitlines()
        ]

    def test_made_once_it_is_complete(self, checkout: Path, runner: Runner) -> None:
        assert environment.state(checkout) is State.ABSENT
        environment.make(checkout, runner)
        assert environment.state(checkout) is State.COMPLETE
        assert self.steps(checkout) == ["venv", "lock", "project", "check"]
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
        assert self.steps(checkout) == ["venv", "lock", "project", "check"]


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
        monkeypatch.setattr("brokerproof.provision.step.BEAT_S", 0.1)
        monkeypatch.setattr("brokerproof.provision.step.WORTH_A_WORD_S", 0.1)
        Runner(tmp_path, tmp_path / "build" / "log", os.environ).run("x", ["sh", "-c", "echo half; sleep 0.5"])
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == "setup: x"
        assert "setup:   still at it after 0 s: half" in lines
        assert lines[-1] == "setup:   done in 1 s"


class TestTheWhole:
    """``python -m brokerproof.provision`` in a copy of the checkout, with stand-ins for what it calls."""

    @pytest.fixture
    def checkout(self, tmp_path: Path) -> Path:
        checkout = tmp_path / "checkout"
        ignore = shutil.ignore_patterns("__pycache__")
        for package in ("brokerproof/provision", "lab/kafka"):
            shutil.copytree(ROOT / package, checkout / package, ignore=ignore)
        for file in (
            *("brokerproof/__init__.py", "lab/__init__.py", "lab/kafka_dist.py", "lab/preflight.py"),
            *("pyproject.toml", "requirements.lock"),
        ):
            shutil.copy(ROOT / file, checkout / file)
        return checkout

    @pytest.fixture
    def environ(self, bin_directory: Path, tmp_path: Path) -> dict[str, str]:
        for tool in ("ip", "nft", "unbound", "nsenter", "unshare", "ps", "dig", "openssl"):
            script(bin_directory / tool, "exit 0")
        script(bin_directory / "java", "echo 'openjdk version \"17.0.1\"' >&2")
        # Hangs, as a fetch over a slow line would, and says so.
        script(bin_directory / "mvn", f"echo mvn > {tmp_path}/mvn.started; exec sleep 60")
        return {
            "PATH": str(bin_directory),
            "HOME": str(tmp_path / "home"),
        }

    @pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGTERM])
    def test_interrupted_it_ends_what_it_started_and_is_not_complete(
        self, checkout: Path, environ: dict[str, str], tmp_path: Path, signal_: signal.Signals
    ) -> None:
        setting_up = subprocess.Popen(
            [sys.executable, "-m", "brokerproof.provision"],
            cwd=checkout,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert setting_up.stdout is not None
        with setting_up.stdout:
            ends_at = time.monotonic() + 20
            while not (tmp_path / "mvn.started").exists():
                assert time.monotonic() < ends_at
                time.sleep(0.02)
            setting_up.send_signal(signal_)  # to set-up alone: what it started must not outlive it
            said = setting_up.stdout.read()
            assert setting_up.wait(30) == 130, said
        assert "setup: interrupted; run it again to finish" in said
        assert not (checkout / ".venv" / environment.STAMP).exists()
        assert not list((tmp_path / "home/.cache/brokerproof/kafka").glob(f"*{DEFAULT_VERSION}*/"))
        assert not processes_of_session(setting_up.pid)

    def test_with_everything_there_it_is_quick_and_changes_nothing(
        self, checkout: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(environment, "state", lambda _root: State.COMPLETE)
        monkeypatch.setattr(provision, "_kafka_is_here", lambda _environ: True)
        before = time.monotonic()
        assert provision.set_up(checkout, environ, bench=False, stop=Stop()) is False
        assert time.monotonic() - before < 1
        assert not (checkout / "build").exists()

    def test_what_is_still_missing_after_installing_is_said(
        self, checkout: Path, environ: dict[str, str], bin_directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (bin_directory / "nft").unlink()
        monkeypatch.setattr(preflight, "_SYSTEM_DIRECTORIES", str(bin_directory))
        monkeypatch.setattr(packages, "install", lambda _things, _runner: None)
        with pytest.raises(SetupError, match=r"installed, and yet there is no nft \(package nftables\)"):
            provision.set_up(checkout, environ, bench=False, stop=Stop())

    def test_somebodys_own_broken_kafka_is_not_fetched_over(
        self, checkout: Path, environ: dict[str, str], tmp_path: Path
    ) -> None:
        ran = subprocess.run(
            [sys.executable, "-m", "brokerproof.provision"],
            cwd=checkout,
            env=environ | {"KAFKA_HOME": "/nowhere"},
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
        assert ran.returncode == 1
        assert "setup: KAFKA_HOME=/nowhere has no libs/*.jar" in ran.stdout
        assert "Traceback" not in ran.stderr
        assert not (tmp_path / "mvn.started").exists()


def processes_of_session(session: int) -> list[str]:
    """Command lines of the processes still alive in a session."""
    alive = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            state, _parent, _group, its_session = (directory / "stat").read_text().rpartition(") ")[2].split()[:4]
            command = (directory / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        if int(its_session) == session and state != "Z":
            alive.append(command)
    return alive


class TestTheLock:
    LOCK: Final = (ROOT / "requirements.lock").read_text()

    def test_it_names_no_address_and_no_path(self) -> None:
        assert not re.findall(r"//|--index|--extra-index|--find-links|# +via|file:|^/", self.LOCK, re.MULTILINE)

    def test_every_package_is_pinned_and_hashed(self) -> None:
        entries = re.split(r"\n(?=\S)", re.sub(r"^#.*\n", "", self.LOCK, flags=re.MULTILINE).strip())
        assert len(entries) > 40
        for entry in entries:
            assert re.match(r"[a-z0-9-]+==\S+", entry)
            assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry)

    def test_it_is_the_lock_of_this_project(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
        locked = set(re.findall(r"^([a-z0-9-]+==[^\s;]+)", self.LOCK, re.MULTILINE))
        assert {line.replace(".", "-", line.split("==")[0].count(".")) for line in wanted} <= locked


def test_make_help_names_every_target() -> None:
    said = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True)
    targets = re.findall(r"^  make (\S+) +\S", said.stdout, re.MULTILINE)
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    assert targets == phony[1].split()
    assert {"demo", "test", "setup", "gates", "lock", "schema", "bench", "clean"} <= set(targets)


def test_the_stamp_holds_nothing_but_what_it_was_made_from() -> None:
    assert json.dumps(environment._stamp(ROOT)).count('"') == 2 * 2 * 4
