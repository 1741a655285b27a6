"""A topology that does not know everything: what is said of it, and what is not."""

from __future__ import annotations

import pytest

from brokerproof.lab.errors import LabError
from brokerproof.lab.network.blueprint import compile_topology
from brokerproof.running.planning import make_plan
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.expectation.view import AddressKind, Way
from brokerproof.topology.files import TopologyError, dumps, loads
from brokerproof.topology.models import UNKNOWN, Topology
from brokerproof.topology.patterns import PATTERNS, PatternName
from brokerproof.topology.picture import picture
from brokerproof.topology.unknown import unknowns

LEAST = """\
version: 1
name: least
clusters:
- cluster_name: demo
  brokers:
  - {broker_id: 0, endpoint: b-1.demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com}
  - {broker_id: 1001, endpoint: 10.0.0.7}
clients:
- {name: here, cluster_name: demo, pattern: unknown, vantage: {kind: local}}
"""


def without_places(topology: Topology, client: str) -> Topology:
    """The same clients and brokers, of which nothing is known but names and ports."""
    clusters = tuple(
        c.model_copy(
            update={
                "vpc_id": UNKNOWN,
                "vpc_connectivity": (),
                "brokers": tuple(
                    b.model_copy(
                        update={"client_vpc_ip_address": None, "client_subnet": UNKNOWN, "security_groups": ()}
                    )
                    for b in c.brokers
                ),
            }
        )
        for c in topology.clusters
    )
    stripped: dict[str, object] = {"vpc_id": UNKNOWN, "subnet_id": UNKNOWN, "private_ip_address": None}
    stripped |= {"pattern": PatternName.UNKNOWN, "endpoint_vpc_id": None, "security_groups": ()}
    one = topology.client(client).model_copy(update=stripped)
    return Topology(name="stripped", clusters=clusters, clients=(one,))


def test_ten_lines_are_enough() -> None:
    assert len(LEAST.splitlines()) <= 10
    topology = loads(LEAST, source="least.yaml")
    view = expect(topology, "here")
    assert [(b.broker_id, b.port, b.addresses, b.found_as) for b in view.brokers] == [
        (0, 9094, (), AddressKind.UNKNOWN),
        (1001, 9094, (), AddressKind.UNKNOWN),
    ]
    assert (view.forbidden, view.free_addresses, view.resolvers, view.zone_names) == ((), (), (), ())
    assert not any(b.sources for b in view.brokers)
    assert [each.statements for each in view.not_judged] == [10], "what must not work is counted, and not judged"
    plan = make_plan(view, topology.client("here"), measure=True)
    assert [e.name for e in plan.brokers] == [b.name for b in view.brokers]
    assert not plan.forbidden
    assert not plan.control_connects
    assert plan.names_by_host


def test_the_word_unknown_is_the_same_as_nothing() -> None:
    said = LEAST.replace(
        "endpoint: 10.0.0.7}", "endpoint: 10.0.0.7, client_vpc_ip_address: unknown, client_subnet: unknown}"
    ).replace(
        "pattern: unknown,", "pattern: unknown, vpc_id: unknown, subnet_id: unknown, private_ip_address: unknown,"
    )
    assert loads(said, source="said.yaml") == loads(LEAST, source="least.yaml")
    assert loads(dumps(loads(LEAST, source="least.yaml")), source="again") == loads(LEAST, source="least.yaml")


def test_each_unknown_is_named_with_what_it_would_verify() -> None:
    found = [".".join(map(str, each.path)) for each in unknowns(loads(LEAST, source="least.yaml"))]
    assert found[0] == "clusters.0.vpc_id"
    assert "clusters.0.brokers.1.client_vpc_ip_address" in found
    assert "clients.0.private_ip_address" in found
    assert list(unknowns(PATTERNS["peering"].build())) == []


def test_a_lab_refuses_what_is_unknown() -> None:
    topology = without_places(PATTERNS["in_vpc"].build(), "cluster_vpc")
    with pytest.raises(LabError, match=r"a lab needs what is unknown: clusters\[0\]\.vpc_id"):
        compile_topology(topology)


def test_a_picture_shows_that_vpcs_are_unknown() -> None:
    drawn = picture(loads(LEAST, source="least.yaml"))
    assert "VPCs that are unknown" in drawn.dot
    assert drawn.ways == ("here: brokers 0, 1001",)
    assert "None" not in drawn.dot


@pytest.mark.parametrize(
    ("wrong", "line", "words"),
    [
        (LEAST.replace("pattern: unknown, ", ""), 9, "which makes an observer"),
        (LEAST.replace("endpoint: 10.0.0.7", "endpoint: 'what is this'"), 7, "is not a DNS name"),
        (LEAST.replace("endpoint: 10.0.0.7", "endpoint: 'fe80::1%eth0'"), 7, "is not an IP address"),
        (LEAST.replace("pattern: unknown,", "pattern: unknown, vpc_id: vpc-a,"), 9, "no vpcs entry has vpc_id 'vpc-a'"),
        (LEAST.replace("endpoint: 10.0.0.7", "endpoint: x, client_vpc_ip_address: no"), 7, "client_vpc_ip_address"),
    ],
)
def test_what_is_wrong_is_still_said(wrong: str, line: int, words: str) -> None:
    with pytest.raises(TopologyError, match=rf"least\.yaml:{line}: .*{words}"):
        loads(wrong, source="least.yaml")


@pytest.mark.parametrize(
    ("pattern", "kind", "way"),
    [
        ("peering", AddressKind.BROKER_ENI, Way.PEERING),
        ("transit_gateway", AddressKind.BROKER_ENI, Way.TRANSIT_GATEWAY),
        ("in_vpc", AddressKind.BROKER_ENI, Way.LOCAL),
        ("privatelink_multi_nlb", AddressKind.ENDPOINT_ENI, Way.LOCAL),
    ],
)
def test_a_pattern_says_what_its_addresses_are(pattern: str, kind: AddressKind, way: Way) -> None:
    topology = loads(LEAST.replace("pattern: unknown", f"pattern: {pattern}"), source="least.yaml")
    view = expect(topology, "here")
    assert {b.found_as for b in view.brokers} == {kind}
    assert view.way is way
    assert not make_plan(view, topology.client("here"), measure=False).names_by_host


def test_without_its_own_address_a_client_has_no_expected_source_and_all_else() -> None:
    topology = PATTERNS["peering"].build()
    index = [c.name for c in topology.clients].index("peered")
    client = topology.clients[index].model_copy(update={"private_ip_address": None})
    unknown = topology.model_copy(
        update={"clients": (*topology.clients[:index], client, *topology.clients[index + 1 :])}
    )
    before, after = expect(topology, "peered"), expect(unknown, "peered")
    assert [b.addresses for b in after.brokers] == [b.addresses for b in before.brokers]
    assert {b.sources for b in after.brokers} == {()}
    assert {(f.address, f.port) for f in after.forbidden} <= {(f.address, f.port) for f in before.forbidden}
    assert after.free_addresses
