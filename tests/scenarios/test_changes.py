"""One running lab changed from pattern to pattern: no broker notices, and every client sees its own pattern alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from brokerproof.diagnosis.check import Verdict
from brokerproof.lab.errors import LabError
from brokerproof.lab.life.handle import Lab
from brokerproof.probes.plan import Limits
from brokerproof.running.planning import conclude, make_plan
from brokerproof.running.site import lab_vantage
from brokerproof.topology.edit import with_changes
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.models import Topology
from brokerproof.topology.patterns import PATTERNS
from brokerproof.topology.unknown import known

pytestmark = pytest.mark.lab

LIMITS = Limits(connect_ms=1000, plan_ms=30_000)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.start(PATTERNS["in_vpc"].build()) as built:
        yield built


def red(lab: Lab, client: str) -> list[tuple[str, str, str]]:
    """What is not as it must be for a client, isolation included."""
    view = expect(lab.intended, client)
    plan = make_plan(view, lab.intended.client(client), measure=False, limits=LIMITS)
    with lab_vantage(lab, client) as vantage:
        result = conclude(view, plan, vantage.run(plan))
    assert result.checks
    return [(c.check_id, c.verdict, c.observed) for c in result.checks if c.verdict is not Verdict.PASSED]


@pytest.mark.parametrize(
    "names",
    [["peering", "transit_gateway", "privatelink_multi_nlb", "in_vpc"], ["combination", "peering", "combination"]],
    ids="-then-".join,
)
def test_no_broker_is_restarted_and_every_client_is_green(lab: Lab, names: list[str]) -> None:
    before = lab.status()["broker_pids"]
    assert len(before) == 3
    for name in names:
        topology = PATTERNS[name].build()
        lab.rebuild(topology)
        assert lab.topology == lab.intended == topology
        assert set(lab.clients) == {c.name for c in topology.clients}
        assert {c.name: red(lab, c.name) for c in topology.clients} == {c.name: [] for c in topology.clients}
        assert lab.status()["broker_pids"] == before


def without_client(topology: Topology, name: str) -> Topology:
    return topology.model_copy(update={"clients": tuple(c for c in topology.clients if c.name != name)})


def test_a_client_goes_moves_and_comes_back(lab: Lab) -> None:
    topology = PATTERNS["peering"].build()
    lab.rebuild(topology)
    lab.apply(without_client(topology, "remote_by_peering"))
    assert "remote_by_peering" not in lab.clients
    assert lab.intended == topology, "what is intended is still the measure"
    with pytest.raises(LabError, match="has no client 'remote_by_peering'"):
        lab.command_prefix("remote_by_peering")
    assert red(lab, "peered") == []
    index = [c.name for c in topology.clients].index("remote_by_peering")
    address = known(topology.client("remote_by_peering").private_ip_address) + 5
    lab.apply(with_changes(topology, "clients", index, private_ip_address=address))
    assert red(lab, "remote_by_peering") == [("cluster/source", Verdict.FAILED, f"it sees it at {address}")]
    lab.apply(topology)
    assert red(lab, "remote_by_peering") == []
