"""How many connections a plan asks for, and what it asks of names and addresses that nobody has."""

from __future__ import annotations

import pytest

from brokerproof.running.planning import LEAST_ATTEMPTS, LEAST_CONNECTS, make_plan
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.patterns import PATTERNS, PatternOptions


@pytest.mark.parametrize(
    ("pattern", "client", "brokers", "attempts"),
    [
        ("peering", "peered", 3, 8),
        ("in_vpc", "cluster_vpc", 5, 5),
        ("privatelink_multi_nlb", "account_b", 3, 3),
        ("peering", "peered", 30, 3),
    ],
)
def test_the_fewer_addresses_the_more_connections_to_each(
    pattern: str, client: str, brokers: int, attempts: int
) -> None:
    topology = PATTERNS[pattern].build(PatternOptions(brokers=brokers))
    view = expect(topology, client)
    addresses = sum(address.must_connect for broker in view.brokers for address in broker.addresses)
    plan = make_plan(view, topology.client(client), measure=False)
    assert plan.connect_attempts == attempts >= LEAST_ATTEMPTS
    assert plan.connect_attempts * addresses >= LEAST_CONNECTS


def test_a_name_that_nobody_has_is_asked_for_below_the_brokers_domain_and_outside() -> None:
    topology = PATTERNS["peering"].build()
    plan = make_plan(expect(topology, "peered"), topology.client("peered"), measure=False)
    [below, outside] = plan.control_names
    label, _, domain = below.partition(".")
    assert domain == "demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com"
    assert outside == f"{label}.example.com"
    assert label not in {broker.name.partition(".")[0] for broker in plan.brokers}


@pytest.mark.parametrize(
    ("pattern", "client", "ports"), [("peering", "peered", 1), ("privatelink_single_nlb", "account_b", 3)]
)
def test_nobodys_addresses_are_tried_at_the_brokers_ports(pattern: str, client: str, ports: int) -> None:
    topology = PATTERNS[pattern].build()
    view = expect(topology, client)
    plan = make_plan(view, topology.client(client), measure=False)
    assert len(plan.control_connects) == 2 * ports
    assert {control.address for control in plan.control_connects} == set(view.free_addresses)
    assert {control.port for control in plan.control_connects} == {broker.port for broker in view.brokers}


def test_nobodys_addresses_are_few_packets_however_many_ports_there_are() -> None:
    topology = PATTERNS["privatelink_single_nlb"].build(PatternOptions(brokers=30))
    plan = make_plan(expect(topology, "account_b"), topology.client("account_b"), measure=False)
    assert len(plan.control_connects) == 8
