"""The account on this machine: discovered, built, verified green, and planned changes tried on it first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from brokerproof.cli.main import main
from brokerproof.diagnosis.finding import Answer
from brokerproof.lab.life.handle import Lab
from brokerproof.lab.twin import as_twin
from brokerproof.running.client_runs import ClientRuns
from brokerproof.running.site import Site
from brokerproof.topology.edit import with_changed
from brokerproof.topology.files import dumps
from brokerproof.topology.models import RouteTable, SecurityGroup, Topology
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from tests.aws.accounts import discovered

pytestmark = pytest.mark.lab

NAME = "tried"


def account() -> Topology:
    """As it is read: without the lab's certificate authority, which no account has."""
    found = discovered(PATTERNS["peering"].build(PatternOptions(brokers=1))).topology
    bare = tuple(client.model_copy(update={"ca_file": None}) for client in found.clients)
    return found.model_copy(update={"clients": bare})


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.start(as_twin(account()), name=NAME) as built:
        yield built


def tried(changed: Topology, folder: Path) -> Result:
    file = folder / "changed.yaml"
    file.write_text(dumps(changed))
    return CliRunner().invoke(main, ["lab", "try", str(file), "--name", NAME])


def test_the_twin_of_an_account_is_green(lab: Lab) -> None:
    topology = lab.topology
    assert [b.client_vpc_ip_address for b in topology.clusters[0].brokers] == [
        b.client_vpc_ip_address for b in account().clusters[0].brokers
    ]
    with Site(topology, lab=lab, journal=None) as site:
        runs = ClientRuns({c.name: site.run(c.name, measure=False) for c in topology.clients})
    assert runs.diagnosis.answer is Answer.NOTHING_WRONG, runs.findings


def test_a_change_that_breaks_is_named_and_taken_out_again(lab: Lab, tmp_path: Path) -> None:
    def routes(table: RouteTable) -> tuple[()]:
        return ()

    changed = with_changed(account(), "route_tables", lambda table: table.vpc_id == "vpc-c", routes=routes)
    before = lab.status()["topology"]
    found = tried(changed, tmp_path)
    assert found.exit_code == 1, found.output
    assert "BREAKS       remote_by_peering: broker-1" in found.output
    assert "leave one cause: route.missing_client" in found.output
    assert "peered: broker-1" not in found.output
    assert lab.status()["topology"] == before


def test_a_change_that_breaks_nothing(lab: Lab, tmp_path: Path) -> None:
    def egress(group: SecurityGroup) -> tuple[object, ...]:
        return tuple(rule.model_copy(update={"description": "reviewed"}) for rule in group.egress)

    changed = with_changed(account(), "security_groups", lambda _: True, egress=egress)
    found = tried(changed, tmp_path)
    assert found.exit_code == 0, found.output
    assert "the change breaks nothing" in found.output


def test_other_clients_are_refused(lab: Lab, tmp_path: Path) -> None:
    changed = account()
    found = tried(changed.model_copy(update={"clients": changed.clients[:-1]}), tmp_path)
    assert found.exit_code == 2
    assert "it lacks" in found.output
