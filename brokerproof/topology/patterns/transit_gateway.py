"""Transit Gateway: one gateway a Region, peered, with static routes between them.

The cluster VPC and the VPC of ``by_gateway`` (another account) are attached to the gateway of us-east-1; those of
``remote_by_gateway`` and ``remote_by_gateway_2`` (two more accounts) to the gateway of us-west-2. That of ``unrouted``
is attached to the first gateway, but its attachment is associated with no table and propagates to none, so it
reaches nothing.
"""

from __future__ import annotations

from ipaddress import IPv4Network

from brokerproof.topology.expectation.sights import direct
from brokerproof.topology.expectation.view import Way
from brokerproof.topology.files import checked
from brokerproof.topology.models import Model, Route, RouteTable, Subnet, Topology, Vpc
from brokerproof.topology.models.pattern_name import PatternName
from brokerproof.topology.patterns import client_names
from brokerproof.topology.patterns.dimensions import Dimension
from brokerproof.topology.patterns.dual_stack import with_ipv6
from brokerproof.topology.patterns.facts import GATEWAY_GUIDE, GATEWAY_SECONDARY, POST, Row
from brokerproof.topology.patterns.gateways import GATEWAYS, attachment, gateway_peering, gateway_table, gateways
from brokerproof.topology.patterns.options import (
    CLUSTER_CIDR,
    CLUSTER_VPC,
    FAR_REGION,
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

_EVERYTHING = IPv4Network("10.0.0.0/8")


class _Member(Model):
    """A VPC attached to its Region's gateway."""

    vpc_id: str
    cidr: IPv4Network
    region_name: str = REGION
    owner_id: str = "111111111111"
    routed: bool = True

    @property
    def gateway(self) -> str:
        return GATEWAYS[self.region_name]

    @property
    def key(self) -> str:
        return self.vpc_id.removeprefix("vpc-")


_MEMBERS = (
    _Member(vpc_id="vpc-b", cidr=IPv4Network("10.1.0.0/16"), owner_id="222222222222"),
    _Member(vpc_id="vpc-c", cidr=IPv4Network("10.2.0.0/16"), region_name=FAR_REGION, owner_id="333333333333"),
    _Member(vpc_id="vpc-d", cidr=IPv4Network("10.3.0.0/16"), region_name=FAR_REGION, owner_id="444444444444"),
    _Member(vpc_id="vpc-n", cidr=IPv4Network("10.4.0.0/16"), owner_id="555555555555", routed=False),
)
_CLUSTER = _Member(vpc_id=CLUSTER_VPC, cidr=CLUSTER_CIDR)


def build(options: PatternOptions) -> Topology:
    """Two peered gateways, with clients behind both.

    Raises:
        TopologyError: the options ask for what AWS refuses.
    """
    nets = {m.key: subnets(m.vpc_id, m.cidr, options.zones, region_name=m.region_name) for m in _MEMBERS}
    admitted = (CLUSTER_CIDR, *(m.cidr for m in _MEMBERS))
    parts = cluster_parts(options, admitted=admitted, client_pattern=PatternName.IN_VPC)
    everything = (*parts.subnets, *(subnet for key in nets for subnet in nets[key]))
    gateway_of = {m.vpc_id: m.gateway for m in (_CLUSTER, *_MEMBERS)}
    topology = Topology(
        name=PatternName.TRANSIT_GATEWAY,
        vpcs=(
            parts.vpc,
            *(
                Vpc(vpc_id=m.vpc_id, owner_id=m.owner_id, region_name=m.region_name, cidr_blocks=(m.cidr,))
                for m in _MEMBERS
            ),
        ),
        subnets=everything,
        route_tables=tuple(_table(subnet, gateway_of[subnet.vpc_id]) for subnet in everything),
        transit_gateways=gateways(),
        transit_gateway_attachments=(
            attachment(CLUSTER_VPC, _CLUSTER.gateway, parts.subnets),
            *(attachment(m.vpc_id, m.gateway, nets[m.key], routed=m.routed) for m in _MEMBERS),
            *gateway_peering(),
        ),
        transit_gateway_route_tables=tuple(
            gateway_table(gateway, far=[m.cidr for m in (_CLUSTER, *_MEMBERS) if m.gateway != gateway and m.routed])
            for gateway in GATEWAYS.values()
        ),
        security_groups=parts.security_groups,
        clusters=(parts.cluster,),
        clients=(
            parts.client,
            client_host(
                client_names.BY_GATEWAY, nets["b"][0], pattern=PatternName.TRANSIT_GATEWAY, witness_port=WITNESS_PORT
            ),
            client_host(
                client_names.REMOTE_BY_GATEWAY,
                nets["c"][0],
                pattern=PatternName.TRANSIT_GATEWAY,
                witness_port=WITNESS_PORT,
            ),
            client_host(
                client_names.REMOTE_BY_GATEWAY_2,
                nets["d"][0],
                pattern=PatternName.TRANSIT_GATEWAY,
                witness_port=WITNESS_PORT,
            ),
            client_host(client_names.UNROUTED, nets["n"][0]),
        ),
        lab=lab_settings(options, GATEWAYS),
    )
    return checked(with_ipv6(topology) if options.dual_stack else topology)


def _table(subnet: Subnet, gateway: str) -> RouteTable:
    return own_table(subnet, (Route(destination_cidr_block=_EVERYTHING, transit_gateway_id=gateway),))


SPEC = PatternSpec(
    name=PatternName.TRANSIT_GATEWAY,
    title="Transit Gateway, one Region and two peered ones",
    suits="many VPCs and Regions, without overlapping addresses",
    sees=direct,
    builder=build,
    carried_by=frozenset({Way.TRANSIT_GATEWAY}),
    facts={
        Row.BANDWIDTH: (
            ("up to 50 Gbps a zone and VPC attachment, as of 2021", POST),
            ("up to 100 Gbps a zone and attachment today", GATEWAY_SECONDARY),
        ),
        Row.SCALE: (("any number of VPCs: 5,000 attachments a gateway", GATEWAY_GUIDE),),
        Row.BENEFITS: (("one place of routes for many VPCs and, with gateways peered, Regions", POST),),
        Row.LIMITS: (
            ("one hop more than peering, so more latency", POST),
            ("VPCs of overlapping addresses cannot reach each other", POST),
            ("routes to a peered gateway are static, and routing through several gateways is not transitive", POST),
        ),
    },
    dimensions=(
        Dimension.CROSS_ZONE_GB,
        Dimension.CROSS_REGION_GB,
        Dimension.TRANSIT_GATEWAY_ATTACHMENT_HOUR,
        Dimension.TRANSIT_GATEWAY_GB,
    ),
)
