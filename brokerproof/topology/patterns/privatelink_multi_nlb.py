"""PrivateLink with an NLB, an endpoint service and an endpoint a broker; brokers advertise as MSK creates them."""

from __future__ import annotations

from brokerproof.topology.expectation.sights import through_endpoints
from brokerproof.topology.expectation.view import Way
from brokerproof.topology.files import checked
from brokerproof.topology.models import Topology
from brokerproof.topology.models.pattern_name import PatternName
from brokerproof.topology.patterns.dimensions import Dimension
from brokerproof.topology.patterns.dual_stack import with_ipv6
from brokerproof.topology.patterns.facts import ENDPOINT_QUOTAS, NLB_QUOTAS, POST, Row
from brokerproof.topology.patterns.options import PatternOptions, client_vpcs
from brokerproof.topology.patterns.privatelink import (
    BENEFITS,
    DIMENSIONS,
    FACTS,
    MARKER,
    REMOTE_DIMENSIONS,
    broker_balancers,
    privatelink,
)
from brokerproof.topology.patterns.spec import Balancing, PatternSpec


def build(options: PatternOptions) -> Topology:
    """One NLB a broker.

    Raises:
        TopologyError: the options ask for what AWS refuses.
    """
    topology = privatelink(
        PatternName.PRIVATELINK_MULTI_NLB,
        options,
        shapes=broker_balancers(options),
        sides=client_vpcs(options.overlap),
        local_pattern=PatternName.PRIVATELINK_MULTI_NLB,
        local_zone=False,
    )
    return checked(with_ipv6(topology)) if options.dual_stack else topology


SPEC = PatternSpec(
    name=PatternName.PRIVATELINK_MULTI_NLB,
    title="PrivateLink with an NLB for each broker",
    suits="the same, without changing advertised.listeners",
    sees=through_endpoints,
    builder=build,
    marker=MARKER,
    balancing=Balancing.OWN,
    has_endpoint_per_broker=True,
    carried_by=frozenset({Way.PEERING, Way.TRANSIT_GATEWAY}),
    facts={
        **FACTS,
        Row.SCALE: (
            *FACTS[Row.SCALE],
            ("50 load balancers a Region by default, and it takes one a broker", NLB_QUOTAS),
            ("50 interface endpoints a VPC by default, and it takes one a broker", ENDPOINT_QUOTAS),
        ),
        Row.BENEFITS: (("brokers advertise what they did before", POST), *BENEFITS),
    },
    dimensions=(Dimension.CROSS_ZONE_GB, *REMOTE_DIMENSIONS, *DIMENSIONS),
)
