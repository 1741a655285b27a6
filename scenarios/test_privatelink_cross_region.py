"""PrivateLink with one NLB, and the endpoint in another Region than the service.

The service lists the client's Region among those it supports, and the endpoint names the service's. All
else is as behind one NLB in one Region: a port a broker, and a private zone in the client VPC. ``remote`` has a CIDR
of its own; ``overlapping`` has the cluster VPC's.
"""

from __future__ import annotations

from brokerproof.scenarios.contract import MeasuredContract, ObserverContract
from brokerproof.topology.patterns import PatternName

PATTERN = PatternName.PRIVATELINK_CROSS_REGION


class TestClients(MeasuredContract):
    """Clients behind an endpoint of their own Region."""


class TestClusterVpc(ObserverContract):
    """The other direction: nothing in the cluster VPC can open a connection to a client."""
