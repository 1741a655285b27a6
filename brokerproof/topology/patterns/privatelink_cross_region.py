"""PrivateLink with one NLB, and the client VPCs and their endpoints in another Region than the endpoint service.

The client in the cluster VPC only looks the other way. There is no IPv6: AWS does not document whether such an endpoint
takes it.
"""

from __future__ import annotations

from ipaddress import IPv4Network

from brokerproof.topology.expectation.sights import through_load_balancer
from brokerproof.topology.models import Topology
from brokerproof.topology.models.pattern_name import PatternName
from brokerproof.topology.patterns import client_names
from brokerproof.topology.patterns.dimensions import Dimension
from brokerproof.topology.patterns.facts import CROSS_REGION, CROSS_REGION_GUIDE, PRIVATELINK_PRICING, Row
from brokerproof.topology.patterns.options import FAR_REGION, PatternOptions, client_vpcs
from brokerproof.topology.patterns.privatelink import (
    DIMENSIONS,
    MARKER,
    ONE_NLB_FACTS,
    broker_ports,
    one_balancer,
    privatelink,
)
from brokerproof.topology.patterns.spec import Balancing, PatternSpec

_FAR_CIDR = IPv4Network("10.2.0.0/16")


def build(options: PatternOptions) -> Topology:
    """One NLB; the service supports the clients' Region, and each endpoint names the service's.

    Raises:
        TopologyError: the options ask for what AWS refuses.
    """
    remote = {"key": "c", "client": client_names.REMOTE, "cidr": _FAR_CIDR}
    return privatelink(
        PatternName.PRIVATELINK_CROSS_REGION,
        options.model_copy(update={"remote": False}),
        shapes=(one_balancer(options),),
        sides=[
            vpc.model_copy(
                update={"region_name": FAR_REGION} | (remote if vpc.client == client_names.ACCOUNT_B else {})
            )
            for vpc in client_vpcs(options.overlap)
        ],
        local_pattern=None,
        local_zone=options.local_zone,
        advertised_ports=None if options.advertised_unchanged else broker_ports(options),
    )


SPEC = PatternSpec(
    name=PatternName.PRIVATELINK_CROSS_REGION,
    title="PrivateLink with one NLB, and the endpoint in another Region than the service",
    suits="the same as one NLB, with the endpoint in another Region",
    sees=through_load_balancer,
    builder=build,
    marker=MARKER,
    balancing=Balancing.OWN,
    has_port_per_broker=True,
    facts={
        **ONE_NLB_FACTS,
        Row.PRICE: (("data between the Regions is charged beside the endpoint's hours and data", PRIVATELINK_PRICING),),
        Row.BENEFITS: (
            (
                "the endpoint is in the client's own Region, so no peering or gateway to another is needed",
                CROSS_REGION,
            ),
            *ONE_NLB_FACTS[Row.BENEFITS],
        ),
        Row.LIMITS: (
            (
                "the service must support the client's Region, and the endpoint name the service's",
                CROSS_REGION_GUIDE,
            ),
            *ONE_NLB_FACTS[Row.LIMITS],
        ),
    },
    dimensions=(Dimension.CROSS_REGION_GB, *DIMENSIONS),
)
