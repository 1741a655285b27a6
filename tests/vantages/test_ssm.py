"""The vantage ``ssm`` over a double of Run Command that runs the scripts: the probe there, and outcomes back."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from brokerproof.topology.models import ClientVantage, VantageKind
from brokerproof.topology.models.client import ProbeMode
from brokerproof.vantages import run_command, ssm
from brokerproof.vantages.bundle import Bundle
from brokerproof.vantages.exec import Patience
from brokerproof.vantages.local import this_probe
from brokerproof.vantages.ssm import SsmVantage
from tests.vantages.ssm import INSTANCE, RefusedError, Systems
from tests.vantages.test_exec import eventually, prefix
from tests.vantages.test_exec import plan as plan_of_brokers
from tests.vantages.test_real_probe import closed_port, connects, plan
from tests.vantages.test_ssh import running

__all__ = ["closed_port"]  # a fixture

PATH = os.environ["PATH"]


def there(**more: object) -> ClientVantage:
    given = {"kind": VantageKind.SSM, "instance_id": INSTANCE, "python": sys.executable, "probe": ProbeMode.INSTALL}
    return ClientVantage.model_validate({**given, **more})


def present() -> ClientVantage:
    """An instance that has the probe."""
    return there(probe=ProbeMode.PRESENT, environment=this_probe())


@pytest.fixture
def systems(tmp_path: Path) -> Iterator[Systems]:
    """An instance whose folder for temporary files is empty again after each test, whatever became of its commands."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = {"PATH": PATH, "XDG_CACHE_HOME": str(tmp_path / "cache"), "TMPDIR": str(temporary)}
    with Systems(tmp_path, environment=environment) as made:
        yield made
    assert eventually(lambda: not list(temporary.iterdir()))
    assert eventually(lambda: not running(str(temporary)))


def test_a_plan_is_one_command_and_its_outcomes_come_back(systems: Systems, closed_port: int) -> None:
    heard: list[object] = []
    with SsmVantage("app", present(), clients=systems.clients) as vantage:
        run = vantage.run(plan(closed_port), heard.append)
    assert run.error == "", run.said
    assert [status for status, _ in connects(run.outcomes)] == ["failed"]
    assert len(heard) == len(run.outcomes)
    assert systems.sent() == 1


@pytest.mark.installed
def test_a_fresh_instance_gets_the_probe_by_the_bucket_and_keeps_it(systems: Systems, closed_port: int) -> None:
    with SsmVantage("app", there(bucket="probes"), clients=systems.clients) as vantage:
        for plan_id in ("one", "two"):
            run = vantage.run(plan(closed_port, plan_id))
            assert run.error == "", run.said
    assert systems.sent() == 4, "asked, installed, and run twice"
    assert [name for name, _ in systems.calls].count("PutObject") == 1
    assert not [key for _, key in systems.objects if "bundles" in key], "the bucket keeps no probe"
    with SsmVantage("app", there(bucket="probes"), clients=systems.clients) as again:
        assert again.run(plan(closed_port)).error == ""
        assert systems.sent() == 6, "it was there"
        assert str(systems.folder / "cache") in again.forget()


def test_without_a_bucket_it_comes_in_chunks(
    systems: Systems, tmp_path: Path, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = os.urandom(100_000)
    path = tmp_path / "bundle.zip"
    path.write_bytes(data)
    monkeypatch.setattr(ssm, "bundle_for", lambda _: Bundle(path, "0" * 64, len(data)))
    with SsmVantage("app", there(), clients=systems.clients) as vantage:
        error = vantage.run(plan(closed_port)).error
    assert "the bundle arrived damaged: its SHA-256 is" in error, "all of it arrived, and is not what it was called"
    scripts = [asked["Parameters"]["commands"][0] for name, asked in systems.calls if name == "SendCommand"]
    assert sum("base64 -d >>" in script for script in scripts) == 3
    assert max(map(len, scripts)) <= run_command.SCRIPT_CHARS
    assert scripts[-1].startswith("rm -rf /")
    assert not list(Path(scripts[-1].split()[-1]).parent.glob(Path(scripts[-1].split()[-1]).name)), "nothing is left"


def test_chunks_of_who_was_killed_are_removed(
    systems: Systems, tmp_path: Path, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bundle.zip"
    path.write_bytes(os.urandom(100_000))
    monkeypatch.setattr(ssm, "bundle_for", lambda _: Bundle(path, "0" * 64, 100_000))
    monkeypatch.setattr(ssm, "_GATHERED_MINUTES", 0)
    carried_out = systems._send_command

    def last(asked: Mapping[str, Any]) -> dict[str, Any]:
        if asked["Parameters"]["commands"][0].startswith("rm "):
            raise RefusedError("ExpiredTokenException", "nobody is there any more")
        return carried_out(asked)

    monkeypatch.setattr(systems, "_send_command", last)
    with SsmVantage("app", there(), clients=systems.clients) as vantage:
        assert vantage.run(plan(closed_port)).error


def test_what_is_more_than_run_command_hands_over_comes_by_the_bucket(
    systems: Systems, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SsmVantage, "_becomes", lambda _: " ".join(prefix("many_outcomes")))
    many = there(probe=ProbeMode.PRESENT, bucket="outputs")
    with SsmVantage("app", many, clients=systems.clients) as vantage:
        run = vantage.run(plan_of_brokers("many"))
    assert run.error == ""
    assert len(run.outcomes) == 5000
    assert [name for name, _ in systems.calls].count("GetObject") == 1
    assert systems.objects == {}, "the outcomes are removed"
    with SsmVantage("app", there(probe=ProbeMode.PRESENT), clients=systems.clients) as bare:
        error = bare.run(plan_of_brokers("many")).error
    assert "more than the 24,000 characters that Run Command hands over; name a bucket for them" in error


def test_a_bucket_that_the_instance_does_not_reach_is_said(systems: Systems, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SsmVantage, "_becomes", lambda _: " ".join(prefix("many_outcomes")))
    monkeypatch.setattr(run_command.RunCommand, "link", lambda *_: "http://127.0.0.1:1/outputs/x")
    with SsmVantage("app", there(probe=ProbeMode.PRESENT, bucket="outputs"), clients=systems.clients) as vantage:
        error = vantage.run(plan_of_brokers("many")).error
    assert (
        "something else than outcomes: urllib.error.URLError: <urlopen error [Errno 111] Connection refused>" in error
    )


def test_an_agent_that_does_not_run_is_an_error_of_delivery(tmp_path: Path, closed_port: int) -> None:
    with Systems(tmp_path, offline=True) as systems:
        error = SsmVantage("app", present(), clients=systems.clients).run(plan(closed_port)).error
    assert "vantage app: SSM's agent at i-0abc1234 did not take the command in time; is it running?" in error


def test_an_instance_that_ssm_does_not_know_is_an_error(tmp_path: Path, closed_port: int) -> None:
    with Systems(tmp_path, registered=False) as systems:
        error = SsmVantage("app", present(), clients=systems.clients).run(plan(closed_port)).error
    assert "SSM cannot reach the instance" in error
    assert "AmazonSSMManagedInstanceCore" in error


@pytest.mark.slow
@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("dies_mid_run", "ended with exit status 3 after 2 outcomes: MemoryError"),
        ("dies_at_once", "ended with exit status 255 before the probe's first line: ssh: connect"),
        ("only_rubbish", "ended as ExecutionTimedOut"),
        ("hangs_mid_run", "ended as ExecutionTimedOut"),
        ("other_plan", "ended as ExecutionTimedOut"),
    ],
)
def test_a_far_side_that_breaks_off_is_an_error_and_no_failure(
    systems: Systems, behaviour: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SsmVantage, "_becomes", lambda _: " ".join(prefix(behaviour)))
    soon = Patience(first_line_ms=500 if words.endswith("ExecutionTimedOut") else 30_000, grace_ms=500)
    with SsmVantage("app", there(probe=ProbeMode.PRESENT), clients=systems.clients, patience=soon) as vantage:
        run = vantage.run(plan_of_brokers("one", plan_ms=1000))
    assert words in run.error


def test_ctrl_c_cancels_the_command(systems: Systems, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SsmVantage, "_becomes", lambda _: " ".join(prefix("hangs_mid_run")))
    rest = time.sleep

    def interrupted(pause_s: float) -> None:
        rest(pause_s)
        if systems.commands:
            raise KeyboardInterrupt

    monkeypatch.setattr("brokerproof.vantages.run_command.time.sleep", interrupted)
    with (
        SsmVantage("app", there(probe=ProbeMode.PRESENT), clients=systems.clients) as vantage,
        pytest.raises(KeyboardInterrupt),
    ):
        vantage.run(plan_of_brokers("one"))
    assert [name for name, _ in systems.calls][-1] == "CancelCommand"


def test_a_vantage_without_an_instance_is_refused() -> None:
    with pytest.raises(ValueError, match="without an instance_id"):
        SsmVantage("app", ClientVantage(kind=VantageKind.SSM))
