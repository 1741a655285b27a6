"""The contract of a vantage, for every kind that is listed: it runs plans one after another, and ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import nullcontext
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
from tests.vantages.far_sides import FAR_SIDES, KINDS
from tests.vantages.ssm import INSTANCE, Systems
from tests.vantages.test_exec import plan as plan_of_brokers
from tests.vantages.test_exec import prefix
from tests.vantages.test_real_probe import closed_port, plan

__all__ = ["closed_port"]  # a fixture

EXAMPLES = {
    "docker": ClientVantage(kind=VantageKind.DOCKER, container="app"),
    "exec": ClientVantage(kind=VantageKind.EXEC, command=prefix("well_behaved"), probe=ProbeMode.PRESENT),
    "kubernetes": ClientVantage(kind=VantageKind.KUBERNETES, pod="app"),
    "local": ClientVantage(kind=VantageKind.LOCAL),
    "podman": ClientVantage(kind=VantageKind.PODMAN, image="python"),
    "ssh": ClientVantage(kind=VantageKind.SSH, host="far"),
    "ssm": ClientVantage(
        kind=VantageKind.SSM,
        instance_id=INSTANCE,
        python=sys.executable,
        environment=this_probe(),
        probe=ProbeMode.PRESENT,
    ),
}


_HERE = ("exec", "local", "ssm")
"""Opened as they are; of the others a far side is made."""


@pytest.fixture(params=[*_HERE, *(kind for kind in KINDS if kind.values[0] not in _HERE)])
def vantage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vantage]:
    kind = request.param

    def as_it_is(**_: object) -> ClientVantage:
        return EXAMPLES[kind]

    there = nullcontext(as_it_is) if kind in _HERE else FAR_SIDES[kind](tmp_path)
    with Systems(tmp_path, environment={"PATH": os.environ["PATH"]}) as systems, there as example:
        monkeypatch.setattr(ssm, "clients_of", lambda _: systems.clients)
        with open_vantage(kind, "app", example()) as opened:
            yield opened


def test_every_kind_that_a_topology_file_may_name_is_listed() -> None:
    assert set(VANTAGES) == {kind.value for kind in VantageKind} - {VantageKind.LAB}


@pytest.mark.slow
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
