"""Where survivors can be started, and what is said where they cannot."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from brokerproof.change.session import ChangeError, carry_out, watched_clients
from brokerproof.cli.change import Begun, _noticed
from brokerproof.errors import WrongUseError
from brokerproof.running.survivors import survivors_command
from brokerproof.topology.models import ClientVantage, VantageKind
from tests.canary.made import CLIENT, TOPOLOGY
from tests.change.test_judgement import BEFORE


def command(**vantage: object) -> tuple[str, ...]:
    client = TOPOLOGY.client(CLIENT).model_copy(update={"vantage": ClientVantage.model_validate(vantage)})
    return survivors_command(client, None)


def test_survivors_are_started_where_the_probe_is_present() -> None:
    assert command(kind="local")[-2:] == ("-m", "brokerproof.probes.survival")
    prefixed = command(kind="exec", command=("docker", "exec", "-i", "x"), environment={"PYTHONPATH": "/srv"})
    assert prefixed == (
        "docker",
        "exec",
        "-i",
        "x",
        "env",
        "PYTHONPATH=/srv",
        "python3",
        "-m",
        "brokerproof.probes.survival",
    )


@pytest.mark.parametrize("vantage", [{"kind": "exec", "command": ("x",)}, {"kind": VantageKind.LAB}])
def test_elsewhere_it_is_said_before_anything_is_changed(vantage: dict[str, object]) -> None:
    with pytest.raises(WrongUseError, match=f"client {CLIENT}: survivors are started by kinds local and exec"):
        command(**vantage)


def test_clients_are_those_of_a_pattern_or_those_that_are_named() -> None:
    assert {client.pattern is not None for client in watched_clients(TOPOLOGY, ())} == {True}
    assert [client.name for client in watched_clients(TOPOLOGY, (CLIENT,))] == [CLIENT]
    with pytest.raises(WrongUseError, match="has no client nobody; it has: "):
        watched_clients(TOPOLOGY, ("nobody",))


def test_a_command_says_how_it_ended() -> None:
    assert not carry_out([sys.executable, "-c", ""])
    assert carry_out([sys.executable, "-c", "raise SystemExit(7)"]) == "it ended with exit code 7"
    assert "signal 9" in carry_out([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"])
    with pytest.raises(ChangeError, match="Nothing was changed"):
        carry_out(["no-such-command"])


def test_a_number_that_is_somebody_elses_by_now_gets_no_signal(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        try:
            begun = Begun(target="t", clients=(), keeper=other.pid, at=0.0, before=BEFORE)
            assert _noticed(tmp_path, begun).troubles == ("the clients that were to live through the change are gone",)
            time.sleep(0.1)
            assert other.poll() is None
        finally:
            other.kill()


def test_who_keeps_them_is_told_to_end(tmp_path: Path) -> None:
    keeps = "import sys, time; from pathlib import Path; from brokerproof.cli.change import _keeping\n"
    keeps += "with _keeping(Path(sys.argv[1])):\n  print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", keeps, str(tmp_path)], stdout=subprocess.PIPE) as keeper:
        assert keeper.stdout is not None
        keeper.stdout.readline()
        begun = Begun(target="t", clients=(), keeper=keeper.pid, at=0.0, before=BEFORE)
        assert _noticed(tmp_path, begun).troubles
        assert keeper.wait(30) == -signal.SIGTERM
