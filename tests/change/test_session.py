"""Where survivors can be started, and what is said where they cannot."""

from __future__ import annotations

import sys

import pytest

from brokerproof.change.session import ChangeError, carry_out, watched_clients
from brokerproof.errors import WrongUseError
from brokerproof.running.survivors import survivors_command
from brokerproof.topology.models import ClientVantage, VantageKind
from tests.canary.made import CLIENT, TOPOLOGY


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
