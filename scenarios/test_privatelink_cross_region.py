"""PrivateLink with one NLB, and the endpoint in another Region than the service.

The service lists the client's Region among those it supports, and the endpoint names the service's. All
else is as behind one NLB in one Region: a port a broker, and a private zone in the client VPC. ``remote`` has a CIDR
of its own; ``overlapping`` has the cluster VPC's.
"""

from __future__ import annotations

import pytest

from brokerproof.scenarios.contract import MeasuredContract, ObserverContract
from brokerproof.topology.patterns import privatelink

PATTERN = privatelink.CROSS_REGION
pytestmark = [pytest.mark.privatelink]


class TestClients(MeasuredContract):
    """Clients behind an endpoint of their own Region."""


class TestClusterVpc(ObserverContract):
    """The other direction: nothing in the cluster VPC can open a connection to a client."""
