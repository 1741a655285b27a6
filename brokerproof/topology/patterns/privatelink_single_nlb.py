"""PrivateLink with one NLB: a listener and a target group of one a broker, and a bootstrap listener with all of them.

Brokers advertise their own name with their own port. The client in the cluster VPC is sent to the NLB by a private
zone of its own, since the advertised ports are not at the broker ENIs.
"""

from __future__ import annotations

from brokerproof.topology.expectation.sights import through_load_balancer
from brokerproof.topology.expectation.view import Way
from brokerproof.topology.files import checked
from brokerproof.topology.models import Topology
from brokerproof.topology.models.pattern_name import PatternName
from brokerproof.topology.patterns.dimensions import Dimension
from brokerproof.topology.patterns.dual_stack import with_ipv6
from brokerproof.topology.patterns.options import PatternOptions, client_vpcs
from brokerproof.topology.patterns.privatelink import (
    DIMENSIONS,
    MARKER,
    ONE_NLB_FACTS,
    REMOTE_DIMENSIONS,
    broker_ports,
    one_balancer,
    privatelink,
)
from brokerproof.topology.patterns.spec import Balancing, PatternSpec


def build(options: PatternOptions) -> Topology:
    """One NLB and one endpoint service for all brokers.

    Raises:
        TopologyError: the options ask for what AWS refuses (50 brokers, a port used twice, ...).
    """
    topology = privatelink(
        PatternName.PRIVATELINK_SINGLE_NLB,
        options,
        shapes=(one_balancer(options),),
        sides=client_vpcs(options.overlap),
        local_pattern=PatternName.PRIVATELINK_SINGLE_NLB if options.local_zone else PatternName.LOCAL_WITHOUT_ZONE,
        local_zone=options.local_zone,
        advertised_ports=None if options.advertised_unchanged else broker_ports(options),
    )
    return checked(with_ipv6(topology)) if options.dual_stack else topology


SPEC = PatternSpec(
    name=PatternName.PRIVATELINK_SINGLE_NLB,
    title="PrivateLink with one NLB for all brokers",
    suits="many VPCs, also overlapping ones; one way only; one NLB to pay for",
    sees=through_load_balancer,
    builder=build,
    marker=MARKER,
    balancing=Balancing.OWN,
    has_port_per_broker=True,
    carried_by=frozenset({Way.PEERING, Way.TRANSIT_GATEWAY}),
    facts=ONE_NLB_FACTS,
    dimensions=(Dimension.CROSS_ZONE_GB, *REMOTE_DIMENSIONS, *DIMENSIONS),
)
