"""A client VPC with the cluster VPC's CIDR and a peering between them, which AWS does not let become active.

Where such a route exists all the same, the VPC's local route wins and the client's packets never leave it.
A VPC that differs in its CIDR alone is the control: from there the same brokers connect.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from ipaddress import IPv4Network

import pytest

from brokerproof.diagnosis.check import Verdict
from brokerproof.lab.life.handle import Lab
from brokerproof.probes.outcome import Reason, Stage, Status
from brokerproof.probes.plan import Limits
from brokerproof.running.planning import ClientRun, conclude, make_plan
from brokerproof.running.site import lab_vantage
from brokerproof.topology.edit import with_changes
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.models import IpPermission, Route, RouteTable, Topology, Vpc, VpcPeeringConnection
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from brokerproof.topology.patterns.options import CLUSTER_CIDR, CLUSTER_VPC, client_host, subnets
from brokerproof.topology.rules import problems

OVERLAPPING, APART = CLUSTER_CIDR, IPv4Network("10.9.0.0/16")
EVERYWHERE = IpPermission(from_port=9094, to_port=9094, cidr_ipv4=IPv4Network("10.0.0.0/8"))


def forced() -> Topology:
    """Clients ``overlapping`` (the cluster's CIDR) and ``apart`` (another), peered and routed by force; not checked."""
    topology = PATTERNS["peering"].build(PatternOptions(brokers=1, zones=1))
    brokers = topology.security_groups[0]
    topology = with_changes(topology, "security_groups", 0, ingress=(*brokers.ingress, EVERYWHERE))
    for key, cidr in (("overlapping", OVERLAPPING), ("apart", APART)):
        vpc_id, connection = f"vpc-{key}", f"pcx-cluster-{key}"
        [subnet] = subnets(vpc_id, cidr, 1)
        there = Route(destination_cidr_block=CLUSTER_CIDR, vpc_peering_connection_id=connection)
        back = Route(destination_cidr_block=cidr, vpc_peering_connection_id=connection)
        home = topology.route_tables[0]
        topology = with_changes(topology, "route_tables", 0, routes=(*home.routes, back))
        peering = VpcPeeringConnection(
            vpc_peering_connection_id=connection, requester_vpc_id=vpc_id, accepter_vpc_id=CLUSTER_VPC
        )
        table = RouteTable(route_table_id=f"rtb-{key}", vpc_id=vpc_id, subnet_ids=(subnet.subnet_id,), routes=(there,))
        topology = topology.model_copy(
            update={
                "vpcs": (*topology.vpcs, Vpc(vpc_id=vpc_id, cidr_blocks=(cidr,))),
                "subnets": (*topology.subnets, subnet),
                "route_tables": (*topology.route_tables, table),
                "vpc_peering_connections": (*topology.vpc_peering_connections, peering),
                "clients": (*topology.clients, client_host(key, subnet)),
            }
        )
    return topology


def test_validation_refuses_it() -> None:
    said = [str(p) for p in problems(forced())]
    assert any(
        "vpc-overlapping 10.0.0.0/16 overlaps vpc-cluster 10.0.0.0/16 (AWS: the connection's status" in s for s in said
    )
    assert not any("vpc-apart" in s for s in said)


def test_the_reason_is_the_local_route() -> None:
    [why] = {f.why for f in expect(forced(), "overlapping").forbidden}
    assert why.startswith(
        "vpc-overlapping overlaps the cluster VPC: its local route to 10.0.0.0/16 wins over every other"
    )


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.start(forced()) as built:
        yield built


def run(lab: Lab, client: str) -> ClientRun:
    view = expect(lab.topology, client)
    plan = make_plan(view, lab.topology.client(client), measure=False, limits=Limits(connect_ms=600))
    with lab_vantage(lab, client) as vantage:
        return conclude(view, plan, vantage.run(plan))


def forwarded(lab: Lab, client: str) -> int:
    """IPv4 packets that the router of the client's VPC has sent on, to the peering or to another ENI."""
    into_the_lab = lab.command_prefix(client)[:-3]  # without the script that enters a client host
    command = [*into_the_lab, "nsenter", f"--net=/run/netns/r-vpc-{client}", "--", "cat", "/proc/net/snmp"]
    text = subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout
    names, values = (line.split() for line in text.splitlines() if line.startswith("Ip:"))
    return int(dict(zip(names, values, strict=True))["ForwDatagrams"])


@pytest.mark.lab
def test_its_packets_never_leave_its_vpc(lab: Lab) -> None:
    before = forwarded(lab, "overlapping")
    result = run(lab, "overlapping")
    [check] = [c for c in result.checks if c.isolation]
    assert check.verdict is Verdict.PASSED, check.observed
    [outcome] = result.outcomes(Stage.CONNECT)
    assert (outcome.status, outcome.reason) == (Status.FAILED, Reason.TIMED_OUT)
    assert forwarded(lab, "overlapping") == before


@pytest.mark.lab
def test_the_same_vpc_with_a_cidr_of_its_own_connects(lab: Lab) -> None:
    before = forwarded(lab, "apart")
    result = run(lab, "apart")
    [check] = [c for c in result.checks if c.isolation]
    assert check.verdict is Verdict.FAILED, "the control must get through what the observer must not"
    [outcome] = result.outcomes(Stage.CONNECT)
    assert outcome.status is Status.OK
    assert forwarded(lab, "apart") > before
