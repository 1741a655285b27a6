"""The order of set-up, its exit codes, and what an interruption leaves."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from brokerproof.lab.daemons.kafka_dist import DEFAULT_VERSION, KafkaMissingError
from brokerproof.lab.life import preflight
from tests.provision.machine import ROOT, script
from tools.provision import __main__ as provision
from tools.provision import environment, packages
from tools.provision.environment import State
from tools.provision.step import SetupError, Stop


class TestTheWhole:
    """``python -m tools.provision`` in a copy of the checkout, with stand-ins for what it calls."""

    @pytest.fixture
    def checkout(self, tmp_path: Path) -> Path:
        checkout = tmp_path / "checkout"
        ignore = shutil.ignore_patterns("__pycache__")
        for package in ("tools/provision", "brokerproof/lab"):
            shutil.copytree(ROOT / package, checkout / package, ignore=ignore)
        for file in ("brokerproof/__init__.py", "tools/__init__.py", "pyproject.toml", "requirements.lock"):
            shutil.copy(ROOT / file, checkout / file)
        return checkout

    @pytest.fixture
    def environ(self, bin_directory: Path, tmp_path: Path) -> dict[str, str]:
        for tool in ("ip", "nft", "unbound", "nsenter", "unshare", "ps", "dig", "openssl", "dot"):
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
            [sys.executable, "-m", "tools.provision"],
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
        monkeypatch.setattr(provision, "_archive_classes", lambda _root, _environ, _stop: None)
        monkeypatch.setattr(provision, "_fetch_crypto", lambda _environ, _stop: None)
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
            [sys.executable, "-m", "tools.provision"],
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


class TestTheExitCode:
    @pytest.fixture(autouse=True)
    def elsewhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.setattr(provision, "ROOT", tmp_path)
        monkeypatch.setattr(sys, "argv", ["setup.sh"])
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        yield
        for number, handler in before.items():
            signal.signal(number, handler)

    @pytest.mark.parametrize(
        ("ends", "code", "says"),
        [
            (True, 0, "setup: ready ("),
            (False, 0, "setup: nothing is missing ("),
            (SetupError("pip failed"), 1, "setup: pip failed"),
            (KafkaMissingError("no Maven"), 1, "setup: no Maven"),
            (PermissionError(13, "Permission denied", ".venv"), 1, "Permission denied: '.venv'"),
        ],
    )
    def test_is_zero_only_when_everything_is_there(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        ends: bool | Exception,
        code: int,
        says: str,
    ) -> None:
        def set_up(*_: object, **__: object) -> bool:
            if isinstance(ends, Exception):
                raise ends
            return ends

        monkeypatch.setattr(provision, "set_up", set_up)
        assert provision.main() == code
        said = capsys.readouterr().out
        assert says in said
        assert ("ready" in said or "nothing is missing" in said) is (code == 0)

    def test_whatever_failed_because_of_a_signal_is_an_interruption(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def set_up(*_: object, **__: object) -> bool:
            os.kill(os.getpid(), signal.SIGTERM)
            raise KafkaMissingError("Maven did not fetch Kafka in the time it was given")

        monkeypatch.setattr(provision, "set_up", set_up)
        assert provision.main() == 130
        assert capsys.readouterr().out == "setup: interrupted; run it again to finish\n"

    def test_two_at_once_wait_for_each_other(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "build").mkdir()
        held = (tmp_path / "build" / "setup.lock").open("w")
        fcntl.flock(held, fcntl.LOCK_EX)
        release = threading.Timer(0.4, held.close)
        monkeypatch.setattr(provision, "set_up", lambda *_, **__: held.closed)
        release.start()
        assert provision.main() == 0
        release.join()
        waiting, ready = capsys.readouterr().out.splitlines()
        assert waiting == "setup: waiting for another set-up of this checkout"
        assert ready.startswith("setup: ready")

    @pytest.mark.parametrize("slow", ["environment", "Kafka"])
    def test_the_environment_and_kafka_are_made_side_by_side_and_either_may_fail(
        self, monkeypatch: pytest.MonkeyPatch, slow: str
    ) -> None:
        stopped_in_time: list[str] = []

        def fetch(_version: str, _say: object, *, environ: object, stopped: Callable[[], bool]) -> None:
            assert environ == {}
            ends_at = time.monotonic() + 5
            while slow == "Kafka" and not stopped():
                if time.monotonic() > ends_at:
                    raise TimeoutError("nobody stopped the fetch")
                time.sleep(0.01)
            stopped_in_time.append(slow)
            raise KafkaMissingError("Kafka failed")

        monkeypatch.setattr("brokerproof.lab.daemons.kafka_dist.fetch", fetch)
        expected = "the environment failed" if slow == "Kafka" else "Kafka failed"

        def make_both() -> None:
            with provision._fetching({}, Stop()):
                if slow == "Kafka":
                    raise SetupError("the environment failed")

        with pytest.raises((SetupError, KafkaMissingError), match=expected):
            make_both()
        assert stopped_in_time == [slow]


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
