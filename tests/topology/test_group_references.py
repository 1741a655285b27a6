"""Security groups that name groups of other VPCs: where AWS knows them, and where it says InvalidGroup.NotFound."""

from __future__ import annotations

from brokerproof.topology.models import IpPermission, PeeringStatus, SecurityGroup, Topology
from brokerproof.topology.patterns import PATTERNS
from brokerproof.topology.rules import problems


def naming(pattern: str, vpc_id: str, *, egress: bool = False) -> Topology:
    """The brokers' VPC has a group that names a group of ``vpc_id``."""
    topology = PATTERNS[pattern].build()
    far = SecurityGroup(group_id="sg-far", vpc_id=vpc_id)
    rule = IpPermission(from_port=9094, to_port=9094, referenced_group_id="sg-far")
    near = SecurityGroup(group_id="sg-near", vpc_id="vpc-cluster", **{"egress" if egress else "ingress": (rule,)})
    return topology.model_copy(update={"security_groups": (*topology.security_groups, far, near)})


def words(topology: Topology) -> str:
    return " ".join(str(p) for p in problems(topology))


def test_over_an_active_peering_of_one_region_also_between_accounts() -> None:
    topology = naming("peering", "vpc-b")
    assert topology.vpc("vpc-b").owner_id != topology.vpc("vpc-cluster").owner_id
    assert not problems(topology)
    assert not problems(naming("peering", "vpc-b", egress=True))


def test_not_of_another_region() -> None:
    said = words(naming("peering", "vpc-c"))
    assert "referenced_group_id: the group is in vpc-c in us-west-2" in said
    assert said.endswith("(AWS: InvalidGroup.NotFound)")


def test_not_of_a_vpc_that_nothing_joins() -> None:
    assert "neither a peering nor a transit gateway joins to vpc-cluster (AWS: InvalidGroup.NotFound)" in words(
        naming("peering", "vpc-d")
    )


def test_not_over_a_peering_that_is_not_active() -> None:
    topology = naming("peering", "vpc-b")
    pending = tuple(
        p.model_copy(update={"status": PeeringStatus.PENDING_ACCEPTANCE}) for p in topology.vpc_peering_connections
    )
    assert "whose peering is pending-acceptance; it must be active (AWS: InvalidGroup.NotFound)" in words(
        topology.model_copy(update={"vpc_peering_connections": pending})
    )


def test_through_a_transit_gateway_ingress_only() -> None:
    assert not problems(naming("transit_gateway", "vpc-b"))
    assert "only ingress rules may name a group" in words(naming("transit_gateway", "vpc-b", egress=True))
    assert "another Region" in words(naming("transit_gateway", "vpc-c"))
