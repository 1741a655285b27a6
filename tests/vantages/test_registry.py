"""The contract of a vantage, for every kind that is listed: it runs plans one after another, and ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from brokerproof.running.site import open_client
from brokerproof.topology.models import ClientVantage, VantageKind
from brokerproof.topology.models.client import ProbeMode
from brokerproof.topology.patterns import PATTERNS
from brokerproof.vantages import ssm
from brokerproof.vantages.local import this_probe
from brokerproof.vantages.protocol import Vantage
from brokerproof.vantages.registry import VANTAGES, open_vantage
from tests.vantages.sshd import SshHost, needs_sshd, separation
from tests.vantages.ssm import INSTANCE, Systems
from tests.vantages.test_exec import plan as plan_of_brokers
from tests.vantages.test_exec import prefix
from tests.vantages.test_real_probe import closed_port, plan

__all__ = ["closed_port"]  # a fixture

EXAMPLES = {
    "exec": ClientVantage(kind=VantageKind.EXEC, command=prefix("well_behaved"), probe=ProbeMode.PRESENT),
    "local": ClientVantage(kind=VantageKind.LOCAL),
    "ssh": ClientVantage(kind=VantageKind.SSH, host="far"),
    "ssm": ClientVantage(
        kind=VantageKind.SSM,
        instance_id=INSTANCE,
        python=sys.executable,
        environment=this_probe(),
        probe=ProbeMode.PRESENT,
    ),
}


@pytest.fixture(params=[pytest.param(kind, marks=[needs_sshd] if kind == "ssh" else []) for kind in VANTAGES])
def vantage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vantage]:
    with separation(), Systems(tmp_path, environment={"PATH": os.environ["PATH"]}) as systems:
        monkeypatch.setattr(ssm, "clients_of", lambda _: systems.clients)
        example = SshHost(tmp_path).vantage() if request.param == "ssh" else EXAMPLES[request.param]
        with open_vantage(request.param, "app", example) as opened:
            yield opened


def test_every_kind_that_a_topology_file_may_name_is_listed() -> None:
    assert set(VANTAGES) == {kind.value for kind in VantageKind} - {VantageKind.LAB}


def test_a_plan_is_run_to_its_end_and_another_after_it(
    request: pytest.FixtureRequest, vantage: Vantage, closed_port: int
) -> None:
    real = request.node.callspec.params["vantage"] != "exec"
    for plan_id in ("one", "two"):
        # The stand-in behind a command answers for brokers of its own.
        run = vantage.run(plan(closed_port, plan_id) if real else plan_of_brokers(plan_id))

        assert run.error == ""
        assert run.started is not None
        assert run.started.plan_id == plan_id
        assert run.closing is not None
        assert run.closing.outcomes == len(run.outcomes)


def test_it_is_called_as_its_client_and_ends_once_and_for_all(vantage: Vantage) -> None:
    assert vantage.name == "app"

    vantage.close()
    vantage.close()

    with pytest.raises(RuntimeError, match="closed"):
        vantage.run(plan(1))


@pytest.mark.parametrize("kind", VANTAGES)
def test_a_client_of_a_file_is_opened_as_its_kind_says(kind: str) -> None:
    client = PATTERNS["peering"].build().clients[0].model_copy(update={"vantage": EXAMPLES[kind]})

    with open_client(client, lab=None) as opened:
        assert opened.name == client.name
        assert type(opened) is type(open_vantage(kind, client.name, EXAMPLES[kind]))
