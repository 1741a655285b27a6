"""How many connections a plan asks for: enough in all, and several to each address."""

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
