"""Several patterns on one cluster; each client goes by its own, and is proved to.

Proved at both ends: the addresses that broker names resolve to and connect at, and the address that the
cluster sees the client at. ``peered`` comes by a peering, ``by_gateway`` by a Transit Gateway, ``remote_by_gateway``
by two from another Region; ``overlapping`` has the cluster VPC's CIDR and comes by an NLB a broker. The VPC of
``two_paths`` is peered *and* has the endpoints, which it is meant to use; the peering would connect as well, so that
it does connect proves nothing.
"""

from __future__ import annotations

from brokerproof.scenarios.contract import ClientContract
from brokerproof.topology.patterns import PatternName

PATTERN = PatternName.COMBINATION


class TestPeering(ClientContract):
    """``peered``: straight to the broker ENIs."""

    CLIENTS = PatternName.PEERING


class TestTransitGateway(ClientContract):
    """``by_gateway`` and ``remote_by_gateway``: straight to the broker ENIs, from this Region and another."""

    CLIENTS = PatternName.TRANSIT_GATEWAY


class TestPrivateLink(ClientContract):
    """``overlapping`` and ``two_paths``: by the endpoints, also where a second path leads to the same brokers."""

    CLIENTS = PatternName.PRIVATELINK_MULTI_NLB
