"""Resources are found by id through an index: as a search from the start would, and never an old one."""

from __future__ import annotations

import copy

import pytest

from brokerproof.topology.models import Topology
from brokerproof.topology.patterns import PATTERNS


def looked_up(topology: Topology) -> None:
    for vpc in topology.vpcs:
        assert topology.vpc(vpc.vpc_id) is vpc
        assert topology.zones_in(vpc.vpc_id) == tuple(z for z in topology.hosted_zones if vpc.vpc_id in z.vpc_ids)
        assert topology.endpoints_in(vpc.vpc_id) == tuple(e for e in topology.vpc_endpoints if e.vpc_id == vpc.vpc_id)
    for subnet in topology.subnets:
        assert topology.zone_of(subnet.subnet_id) == subnet.availability_zone_id
    for group in topology.target_groups:
        assert topology.target_group(group.target_group_name) is group
    for balancer in topology.load_balancers:
        assert topology.load_balancer(balancer.load_balancer_name) is balancer
    for service in topology.endpoint_services:
        assert topology.service(service.service_name) is service
    for client in topology.clients:
        assert topology.client(client.name) is client
        hosts = [
            c
            for c in topology.clients
            if (c.vpc_id, c.private_ip_address) == (client.vpc_id, client.private_ip_address)
        ]
        assert topology.host_of(client) is hosts[0]


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_what_is_found_is_what_is_there(pattern: str) -> None:
    looked_up(PATTERNS[pattern].build())


def test_a_changed_copy_finds_its_own() -> None:
    topology = PATTERNS["privatelink_multi_nlb"].build()
    looked_up(topology)
    renamed = tuple(c.model_copy(update={"name": f"{c.name}-2"}) for c in topology.clients)
    for deep in (False, True):
        changed = topology.model_copy(update={"clients": renamed, "hosted_zones": ()}, deep=deep)
        looked_up(changed)
        with pytest.raises(KeyError, match=r"it has: cluster_vpc-2, account_b-2"):
            changed.client("account_b")
    looked_up(copy.copy(topology))
    looked_up(copy.deepcopy(topology))


def test_being_looked_up_changes_nothing_of_a_topology() -> None:
    topology, other = PATTERNS["in_vpc"].build(), PATTERNS["in_vpc"].build()
    looked_up(topology)
    assert topology == other
    assert topology.model_dump() == other.model_dump()
