"""What every vantage owes, whatever its far side does: an error in its words and no verdict, and nothing left there."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from brokerproof.probes.outcome import Outcome
from brokerproof.topology.models import ClientVantage, VantageKind
from brokerproof.vantages import installing
from brokerproof.vantages.bundle import Bundle, bundle_for, this_platform
from brokerproof.vantages.exec import ExecVantage, Patience
from brokerproof.vantages.protocol import VantageRun
from brokerproof.vantages.registry import open_vantage
from tests.vantages.far_sides import FAR_SIDES, KINDS, Opened
from tests.vantages.owner import owner_of
from tests.vantages.test_exec import alive, eventually
from tests.vantages.test_real_probe import closed_port, connects, plan, silent_port

__all__ = ["closed_port", "silent_port"]  # fixtures

pytestmark = pytest.mark.installed

SOON = Patience(first_line_ms=15_000, grace_ms=300, terminate_ms=500)


@pytest.fixture(params=KINDS)
def far(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opened]:
    with FAR_SIDES[request.param](tmp_path) as opened:
        yield opened


def run_of(settings: ClientVantage, port: int, patience: Patience = SOON) -> VantageRun:
    with opened(settings, patience) as vantage:
        return vantage.run(plan(port))


def opened(settings: ClientVantage, patience: Patience = SOON) -> ExecVantage:
    vantage = open_vantage(settings.kind, "app", settings)
    assert isinstance(vantage, ExecVantage)
    vantage._patience = patience
    return vantage


def python_that(folder: Path, first: str) -> str:
    """An interpreter there that does something else first."""
    there = folder / "python-there"
    there.write_text(f'#!/bin/sh\n{first}\nexec {sys.executable} "$@"\n')
    there.chmod(0o755)
    return str(there)


def no_verdict(run: VantageRun) -> str:
    assert run.error.startswith("vantage app: ")
    assert run.closing is None
    return run.error


def running(words: str) -> list[str]:
    """The processes that have these words in their environment or command line."""
    listed = subprocess.run(["ps", "eww", "-eo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if words in line and "ps eww" not in line]


def test_a_bare_far_side_answers_and_nothing_runs_there_afterwards(
    far: Opened, tmp_path: Path, closed_port: int
) -> None:
    run = run_of(far(), closed_port)
    assert run.error == "", run.said
    assert [status for status, _ in connects(run.outcomes)] == ["failed"]
    assert eventually(lambda: not [line for line in running(str(tmp_path)) if "brokerproof.probes" in line])


def test_a_clock_that_is_ten_minutes_off_changes_no_verdict(far: Opened, tmp_path: Path, closed_port: int) -> None:
    venv.create(tmp_path / "late", symlinks=True)
    [packages] = (tmp_path / "late" / "lib").glob("python*/site-packages")
    (packages / "sitecustomize.py").write_text(
        "import time\nreal, real_ns = time.time, time.time_ns\n"
        "time.time = lambda: real() - 600\ntime.time_ns = lambda: real_ns() - 600 * 10**9\n"
    )
    run = run_of(far(python=str(tmp_path / "late" / "bin" / "python")), closed_port)
    assert run.error == "", run.said
    assert [status for status, _ in connects(run.outcomes)] == ["failed"]


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ("echo '\033[31mrubbish'; echo more >&2; exit 7", "did not begin: ended with exit status"),
        ("kill -9 $$", "did not begin: "),
        ("ulimit -f 100", "the probe cannot be put here: "),
        ("exit 0", "did not begin: ended with exit status 0"),
    ],
    ids=["rubbish", "killed", "full disk", "nothing"],
)
def test_a_far_side_that_cannot_is_an_error_in_its_words(
    far: Opened, tmp_path: Path, closed_port: int, first: str, said: str
) -> None:
    run = run_of(far(python=python_that(tmp_path, first)), closed_port)
    assert said in no_verdict(run)
    assert not run.outcomes
    assert "\033" not in run.error + run.said


def test_a_far_side_that_hangs_is_given_up(far: Opened, tmp_path: Path, closed_port: int) -> None:
    patience = Patience(first_line_ms=3000, grace_ms=300, terminate_ms=500)
    began = time.monotonic()
    run = run_of(far(python=python_that(tmp_path, "sleep 600")), closed_port, patience)
    assert "did not begin within 3000 ms" in no_verdict(run)
    assert time.monotonic() - began < 60


def test_half_a_bundle_is_not_run(far: Opened, closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real = bundle_for(this_platform())

    class Half(Bundle):
        def read(self) -> bytes:
            return super().read()[:1000] + bytes(self.size - 1000)

    monkeypatch.setattr(installing, "bundle_for", lambda _: Half(real.path, real.sha256, real.size))
    run = run_of(far(), closed_port)
    assert "the bundle arrived damaged" in no_verdict(run)


def test_a_far_side_that_is_killed_amid_a_plan_is_an_error(far: Opened, silent_port: int) -> None:
    with opened(far()) as vantage:

        def kill(_: Outcome) -> None:
            if vantage.pid is not None and alive(vantage.pid):
                os.kill(vantage.pid, 9)

        run = vantage.run(plan(silent_port), kill)
        assert "was killed by SIGKILL" in no_verdict(run)
        assert run.outcomes, "what had arrived is kept"


def test_an_interrupt_ends_what_runs_there(far: Opened, tmp_path: Path, silent_port: int) -> None:
    with opened(far()) as vantage:

        def interrupt(_: Outcome) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            vantage.run(plan(silent_port), interrupt)
    assert eventually(lambda: not [line for line in running(str(tmp_path)) if "brokerproof.probes" in line])


def test_what_runs_there_ends_with_an_owner_that_is_killed(far: Opened, tmp_path: Path, silent_port: int) -> None:
    with owner_of(far(), silent_port) as owner:
        assert owner.stdout
        assert owner.stdout.readline() == "amid\n"
        owner.kill()
    assert eventually(lambda: not [line for line in running(str(tmp_path)) if "brokerproof.probes" in line])


def test_each_kind_has_a_far_side() -> None:
    """But for this process's own host, and for ssm, which keeps no process there: it has tests of its own."""
    assert set(FAR_SIDES) == {kind.value for kind in VantageKind} - {"lab", "local", "ssm"}
