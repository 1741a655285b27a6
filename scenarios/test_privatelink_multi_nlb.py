"""PrivateLink with an NLB, an endpoint service and an endpoint for each broker.

A private zone in the client VPC sends each broker name to that broker's own endpoint; ports and
advertised.listeners stay as MSK creates them. ``account_b`` has a CIDR of its own; ``overlapping`` has the cluster
VPC's, which PrivateLink allows. ``remote_by_peering`` and ``remote_by_gateway`` are in another Region and use the
endpoints of ``account_b``'s VPC. ``cluster_vpc`` needs nothing to be set up. Nothing in the cluster VPC can open a
connection to a client.
"""

from __future__ import annotations

from brokerproof.scenarios.contract import ClientContract, MeasuredContract
from brokerproof.topology.models import Unserved
from brokerproof.topology.patterns import PatternName, PatternOptions
from brokerproof.topology.patterns.options import Overlap

PATTERN = PatternName.PRIVATELINK_MULTI_NLB


class TestClients(MeasuredContract):
    """Every client behind the endpoints, cross-zone load balancing on."""


class TestCrossZoneOff(ClientContract):
    """AWS's default: an NLB node only uses targets of its own zone, so one address of each name is alive.

    Not measured: a client first has to get past the dead addresses. They answer with a reset here, so
    that this takes a client milliseconds; where they are silent it takes seconds an address.
    """

    VARIANT = "cross-zone-off"
    OPTIONS = PatternOptions(cross_zone=False, unserved=Unserved.RESET)


class TestDualStack(ClientContract):
    """Endpoints, NLBs and target groups of both families: each client once more, by AAAA, port 20094 and IPv6 nodes.

    ``account_b_ipv6`` resolves each ``bi6-`` name to the IPv6 addresses of that broker's endpoint, and brokers see it
    at the IPv6 addresses of the NLB's nodes. The post of 2021 had IPv4 only.
    """

    VARIANT = "dual-stack"
    OPTIONS = PatternOptions(dual_stack=True, overlap=Overlap.OFF)
