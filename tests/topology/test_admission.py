"""What must not work follows from the security groups that a topology states, and from nothing that it does not."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from brokerproof.topology.edit import with_added, with_changed, with_each
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.expectation.view import NotJudged
from brokerproof.topology.models import ClientVantage, IpPermission, SecurityGroup, Topology, VantageKind
from brokerproof.topology.patterns import PATTERNS

BROKERS = ("10.0.0.10", "10.0.16.10", "10.0.32.10")
CLOSED = {(address, port) for address in BROKERS for port in (22, 2181, 9092, 9096, 9098)}
IN_LAB = PATTERNS["in_vpc"].build()
"""One client of the cluster's own VPC, at 10.0.0.200."""
REAL = with_each(IN_LAB, "clients", vantage=ClientVantage(kind=VantageKind.LOCAL))
STATED = with_each(
    with_added(REAL, "security_groups", SecurityGroup(group_id="sg-client", vpc_id="vpc-cluster")),
    "clients",
    security_groups=("sg-client",),
)


def admitting(topology: Topology, *rules: IpPermission) -> Topology:
    """The topology, whose brokers' group has these rules as well."""
    brokers = topology.clusters[0].brokers[0].security_groups
    return with_changed(
        topology, "security_groups", lambda g: g.group_id in brokers, ingress=lambda g: (*g.ingress, *rules)
    )


def without_groups_of_brokers(topology: Topology) -> Topology:
    [cluster] = topology.clusters
    brokers = tuple(broker.model_copy(update={"security_groups": ()}) for broker in cluster.brokers)
    return topology.model_copy(update={"clusters": (cluster.model_copy(update={"brokers": brokers}),)})


def closed(topology: Topology) -> set[tuple[str, int]]:
    return {(one.address, one.port) for one in expect(topology, "cluster_vpc").forbidden}


def ssh(**peer: object) -> IpPermission:
    return IpPermission.model_validate({"from_port": 22, "to_port": 22, **peer})


OTHER_PORTS = {(address, port) for address, port in CLOSED if port != 22}


@pytest.mark.parametrize(
    ("topology", "expected"),
    [
        (STATED, CLOSED),
        (admitting(STATED, ssh(cidr_ipv4=IPv4Network("10.0.0.0/16"))), OTHER_PORTS),
        (admitting(STATED, ssh(cidr_ipv4=IPv4Network("10.9.0.0/16"))), CLOSED),
        (admitting(STATED, ssh(referenced_group_id="sg-client")), OTHER_PORTS),
        (admitting(STATED, IpPermission(ip_protocol="-1", cidr_ipv4=IPv4Network("10.0.0.200/32"))), set()),
        (admitting(STATED, ssh(ip_protocol="udp", cidr_ipv4=IPv4Network("10.0.0.0/16"))), CLOSED),
    ],
    ids=[
        "no rule admits them",
        "a rule admits the client's address to one",
        "a rule admits others",
        "a rule names the client's group",
        "a rule admits the client to everything",
        "a rule of another protocol",
    ],
)
def test_a_port_must_be_silent_where_the_stated_groups_deny_it(
    topology: Topology, expected: set[tuple[str, int]]
) -> None:
    assert closed(topology) == expected
    assert expect(topology, "cluster_vpc").not_judged == ()


def test_nothing_is_said_where_the_brokers_groups_are_not_stated() -> None:
    view = expect(without_groups_of_brokers(STATED), "cluster_vpc")
    assert view.forbidden == ()
    assert view.not_judged == (
        NotJudged(
            "ports 22, 2181, 9092, 9096 and 9098 of brokers 1, 2 and 3",
            "the topology states no security group of brokers 1, 2 and 3",
            15,
        ),
    )


def test_nothing_is_said_where_a_rule_names_a_group_and_those_of_the_client_are_not_stated() -> None:
    view = expect(admitting(REAL, ssh(referenced_group_id="sg-brokers")), "cluster_vpc")
    assert view.forbidden == ()
    assert view.not_judged == (
        NotJudged(
            "ports 22, 2181, 9092, 9096 and 9098 of brokers 1, 2 and 3",
            "a rule there names a security group, and the topology states none of client cluster_vpc",
            15,
        ),
    )


def test_what_the_clients_own_group_keeps_in_is_silent_whatever_the_brokers_admit() -> None:
    https = IpPermission(from_port=443, to_port=443, cidr_ipv4=IPv4Network("0.0.0.0/0"))
    kept_in = with_changed(STATED, "security_groups", lambda g: g.group_id == "sg-client", egress=(https,))
    assert closed(admitting(kept_in, ssh(cidr_ipv4=IPv4Network("10.0.0.0/16")))) == CLOSED
    assert closed(without_groups_of_brokers(kept_in)) == CLOSED


def test_in_a_lab_what_is_not_stated_is_not_there() -> None:
    assert closed(IN_LAB) == CLOSED
    assert expect(without_groups_of_brokers(IN_LAB), "cluster_vpc").forbidden == ()
    assert expect(without_groups_of_brokers(IN_LAB), "cluster_vpc").not_judged == ()


def test_a_host_beside_the_brokers_is_judged_by_its_own_group() -> None:
    peering = PATTERNS["peering"].build()
    real = with_each(peering, "clients", vantage=ClientVantage(kind=VantageKind.LOCAL))
    [beside] = [client for client in real.clients if client.name == "cluster_vpc"]
    host = (str(beside.private_ip_address), beside.witness_port)
    assert host in {(one.address, one.port) for one in expect(real, "peered").forbidden}
    opened = with_changed(
        real,
        "security_groups",
        lambda g: g.group_id in beside.security_groups,
        ingress=lambda g: (*g.ingress, IpPermission(cidr_ipv4=IPv4Network("10.1.0.0/16"))),
    )
    assert host not in {(one.address, one.port) for one in expect(opened, "peered").forbidden}
    unstated = with_each(real, "clients", security_groups=())
    view = expect(unstated, "peered")
    assert host not in {(one.address, one.port) for one in view.forbidden}
    assert NotJudged(
        "port 7777 of host cluster_vpc", "the topology states no security group of host cluster_vpc", 1
    ) in (view.not_judged)


def test_an_observer_must_reach_nothing_whatever_the_groups_say() -> None:
    peering = PATTERNS["peering"].build()
    everybody = IpPermission(ip_protocol="-1", cidr_ipv4=IPv4Network("10.0.0.0/8"))
    for topology, why in (
        (peering, "the brokers' security group does not admit host ungrouped"),
        (admitting(peering, everybody), "host ungrouped is an observer, which must reach no broker"),
    ):
        assert {one.why for one in expect(topology, "ungrouped").forbidden} == {why}
