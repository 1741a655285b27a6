"""``topology from`` on every pattern's lab, from inside its clients: the file is green there, and red under faults."""

from __future__ import annotations

import sys

import pytest

from brokerproof.diagnosis.check import Verdict
from brokerproof.lab.faults import FAULTS
from brokerproof.lab.life.handle import Lab
from brokerproof.probes.plan import Endpoint
from brokerproof.running.amount import Amount
from brokerproof.running.bootstrap import Wanted, ask, topology_from
from brokerproof.running.lab_pool import LabPool
from brokerproof.running.planning import ClientRun
from brokerproof.running.site import Site, lab_vantage
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.files import loads
from brokerproof.topology.models import ClientVantage, Topology, VantageKind
from brokerproof.topology.patterns import PATTERNS, PatternName
from brokerproof.topology.started import started
from brokerproof.vantages.local import this_probe

pytestmark = pytest.mark.lab

CLIENTS = {
    "in_vpc": ("cluster_vpc",),
    "peering": ("cluster_vpc", "peered", "remote_by_peering"),
    "transit_gateway": ("by_gateway", "remote_by_gateway"),
    "privatelink_multi_nlb": ("account_b", "remote_by_peering"),
    "privatelink_single_nlb": ("cluster_vpc", "account_b", "overlapping"),
    "privatelink_cross_region": ("remote", "overlapping"),
    "multi_vpc": ("account_b", "overlapping"),
}
"""Those that are asked, by pattern; patterns with the same brokers one after another."""
BREAKS = ("client-security-group-egress", "record-missing", "target-of-another-broker", "broker-frozen")
"""Told by what a client sees alone; where the pattern has it."""


@pytest.fixture(scope="module", params=CLIENTS)
def lab(request: pytest.FixtureRequest, labs: LabPool) -> Lab:
    return labs.lab(PATTERNS[request.param].build())


def wanted(lab: Lab, client: str) -> Wanted:
    view = expect(lab.topology, client)
    entry = view.bootstrap[0]
    prefix = ClientVantage(
        kind=VantageKind.EXEC,
        command=tuple(lab.command_prefix(client)),
        python=sys.executable,
        environment=this_probe(),
    )
    ca_file = lab.topology.client(client).ca_file
    endpoints = (Endpoint(name=entry.name, port=entry.port),)
    return Wanted(endpoints=endpoints, ca_file=ca_file, tls=view.tls, name=client, vantage=prefix)


def found(lab: Lab, client: str) -> Topology:
    asked_for = wanted(lab, client)
    with lab_vantage(lab, client) as vantage:
        asked = ask(asked_for, vantage)
    assert asked.brokers, asked.run.error
    return loads(started(topology_from(asked)), source=client)


def verified(topology: Topology, client: str) -> ClientRun:
    with Site(topology, lab=None, journal=None, amount=Amount.BRIEF) as site:
        return site.run(client, measure=False)


def red(run: ClientRun) -> dict[str, str]:
    return {c.check_id: c.observed for c in run.checks if c.verdict is not Verdict.PASSED}


def test_the_file_is_green_from_every_client_and_red_under_faults(lab: Lab) -> None:
    files = {client: found(lab, client) for client in CLIENTS[lab.topology.name]}
    for client, topology in files.items():
        assert topology.clients[0].pattern is PatternName.UNKNOWN
        run = verified(topology, client)
        assert run.run.error == ""
        assert red(run) == {}, client
    whole = lab.topology
    tried = 0
    for name in BREAKS:
        fault = FAULTS.get(name)
        if fault is None or whole.name not in fault.patterns:
            continue
        lab.apply(fault.edit(whole))
        try:
            reds = {client: red(verified(topology, client)) for client, topology in files.items()}
        finally:
            lab.apply(whole)
        assert any(reds.values()), name
        tried += 1
    assert tried
