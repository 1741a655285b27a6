"""VPC peering: clients in peered VPCs go straight to the broker ENIs.

``peered`` is in another account of the same Region, ``remote_by_peering`` in another Region; both VPCs are peered
with the cluster VPC and routed both ways in every subnet's table. The brokers' security group admits ``peered`` by
its own group, which the same Region allows also between accounts, and ``remote_by_peering`` by its subnets, since a
group of another Region cannot be named. ``ungrouped`` sits in the VPC of ``peered`` and is in no such group.
``not_peered`` is in a VPC peered with that of ``peered`` only: peering is not transitive.
"""

from __future__ import annotations

from ipaddress import IPv4Network

from brokerproof.topology.expectation.sights import peered
from brokerproof.topology.expectation.view import Way
from brokerproof.topology.files import checked
from brokerproof.topology.models import (
    IpPermission,
    Model,
    Route,
    RouteTable,
    SecurityGroup,
    Subnet,
    Topology,
    Vpc,
    VpcPeeringConnection,
)
from brokerproof.topology.models.pattern_name import PatternName
from brokerproof.topology.patterns import client_names
from brokerproof.topology.patterns.dimensions import Dimension
from brokerproof.topology.patterns.dual_stack import with_ipv6
from brokerproof.topology.patterns.facts import PEERING_GUIDE, POST, Row
from brokerproof.topology.patterns.options import (
    CLUSTER_CIDR,
    CLUSTER_VPC,
    REGION,
    WITNESS_PORT,
    PatternOptions,
    client_host,
    cluster_parts,
    lab_settings,
    subnets,
)
from brokerproof.topology.patterns.route_tables import own_table
from brokerproof.topology.patterns.spec import PatternSpec

_LOCAL_GROUP = "sg-client-a"
_PEER_GROUP = "sg-client-b"


class _Peer(Model):
    key: str
    cidr: IPv4Network
    region_name: str
    owner_id: str

    @property
    def vpc_id(self) -> str:
        return f"vpc-{self.key}"


_PEERS = (
    _Peer(key="b", cidr=IPv4Network("10.1.0.0/16"), region_name=REGION, owner_id="222222222222"),
    _Peer(key="c", cidr=IPv4Network("10.2.0.0/16"), region_name="us-west-2", owner_id="333333333333"),
    _Peer(key="d", cidr=IPv4Network("10.3.0.0/16"), region_name=REGION, owner_id="444444444444"),
)
_CIDRS = {CLUSTER_VPC: CLUSTER_CIDR} | {p.vpc_id: p.cidr for p in _PEERS}
_PAIRS = ((CLUSTER_VPC, "vpc-b"), (CLUSTER_VPC, "vpc-c"), ("vpc-b", "vpc-d"))


def _connection(one: str, other: str) -> str:
    first, second = (one, other) if (one, other) in _PAIRS else (other, one)
    return f"pcx-{first.removeprefix('vpc-')}-{second.removeprefix('vpc-')}"


def build(options: PatternOptions) -> Topology:
    """The cluster VPC peered with two client VPCs, and what must not get through.

    Raises:
        TopologyError: the options ask for what AWS refuses.
    """
    nets = {p.key: subnets(p.vpc_id, p.cidr, options.zones, region_name=p.region_name) for p in _PEERS}
    outside = Subnet(
        subnet_id="subnet-b-outside",
        vpc_id="vpc-b",
        cidr_block=IPv4Network("10.1.240.0/20"),
        availability_zone_id=nets["b"][0].availability_zone_id,
    )
    admitted = (CLUSTER_CIDR, *(s.cidr_block for s in nets["c"]), _CIDRS["vpc-d"])
    parts = cluster_parts(options, admitted=admitted, client_pattern=None, admitted_groups=(_PEER_GROUP,))
    local = SecurityGroup(
        group_id=_LOCAL_GROUP,
        vpc_id=CLUSTER_VPC,
        ingress=(IpPermission(ip_protocol="-1", cidr_ipv4=CLUSTER_CIDR),),
    )
    named = SecurityGroup(
        group_id=_PEER_GROUP,
        vpc_id="vpc-b",
        # Open, so that only the want of a path keeps others away.
        ingress=(IpPermission(ip_protocol="-1", cidr_ipv4=IPv4Network("10.0.0.0/8")),),
    )
    beside = {"security_groups": (_LOCAL_GROUP,), "witness_port": WITNESS_PORT, "pattern": PatternName.IN_VPC}
    everything = (*parts.subnets, *nets["b"], outside, *nets["c"], *nets["d"])
    topology = Topology(
        name=PatternName.PEERING,
        vpcs=(
            parts.vpc,
            *(
                Vpc(vpc_id=p.vpc_id, owner_id=p.owner_id, region_name=p.region_name, cidr_blocks=(p.cidr,))
                for p in _PEERS
            ),
        ),
        subnets=everything,
        route_tables=tuple(_table(s) for s in everything),
        vpc_peering_connections=tuple(
            VpcPeeringConnection(
                vpc_peering_connection_id=_connection(one, other), requester_vpc_id=other, accepter_vpc_id=one
            )
            for one, other in _PAIRS
        ),
        security_groups=(*parts.security_groups, local, named),
        clusters=(parts.cluster,),
        clients=(
            parts.client.model_copy(update=beside),
            client_host(
                client_names.PEERED,
                nets["b"][0],
                pattern=PatternName.PEERING,
                witness_port=WITNESS_PORT,
                security_groups=(_PEER_GROUP,),
            ),
            client_host(
                client_names.REMOTE_BY_PEERING, nets["c"][0], pattern=PatternName.PEERING, witness_port=WITNESS_PORT
            ),
            client_host(client_names.UNGROUPED, outside),
            client_host(client_names.NOT_PEERED, nets["d"][0]),
        ),
        lab=lab_settings(options, (REGION, *(p.region_name for p in _PEERS))),
    )
    return checked(with_ipv6(topology) if options.dual_stack else topology)


def _table(subnet: Subnet) -> RouteTable:
    others = [other for pair in _PAIRS if subnet.vpc_id in pair for other in pair if other != subnet.vpc_id]
    return own_table(
        subnet,
        tuple(
            Route(destination_cidr_block=_CIDRS[other], vpc_peering_connection_id=_connection(subnet.vpc_id, other))
            for other in others
        ),
    )


SPEC = PatternSpec(
    name=PatternName.PEERING,
    title="VPC peering, same Region and another",
    suits="a few VPCs, without overlapping addresses",
    sees=peered,
    builder=build,
    carried_by=frozenset({Way.PEERING}),
    facts={
        Row.BANDWIDTH: (("no limit of its own: what the instances and a flow between them have", POST),),
        Row.SCALE: (("for fewer than about 10 VPCs: each pair of VPCs has a peering and routes of its own", POST),),
        Row.BENEFITS: (
            ("no hop of its own, and nothing to pay by the hour", POST),
            ("both ways, for every port that security groups admit", PEERING_GUIDE),
        ),
        Row.LIMITS: (
            ("not transitive", PEERING_GUIDE),
            ("VPCs of overlapping addresses cannot be peered", PEERING_GUIDE),
        ),
    },
    dimensions=(Dimension.CROSS_ZONE_GB, Dimension.CROSS_REGION_GB),
)
