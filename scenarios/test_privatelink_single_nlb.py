"""PrivateLink with one NLB for all brokers.

The client VPC has one interface endpoint, an ENI a zone. A private zone sends every broker name to
it; what tells brokers apart is the port: the NLB has a listener a broker, each with that broker as
its only target, and brokers advertise their own name with their own port. One more listener has
all brokers as targets, for bootstrap. Client ``b`` has a CIDR of its own; client ``o`` has the
cluster VPC's, which PrivateLink allows.
"""

from __future__ import annotations

import pytest

from scenarios.contract import ClientContract, MeasuredContract, ObserverContract
from topology.models import Unserved
from topology.patterns import PatternOptions, privatelink

PATTERN = privatelink.SINGLE
pytestmark = [pytest.mark.privatelink]


class TestClients(MeasuredContract):
    """Every client behind the endpoint, cross-zone load balancing on."""


class TestCrossZoneOff(ClientContract):
    """AWS's default: an NLB node only uses targets of its own zone, so one address of each name is alive.

    Not measured: a client first has to get past the dead addresses. They answer with a reset here, so
    that this takes a client milliseconds; where they are silent it takes seconds an address.
    """

    VARIANT = "cross-zone-off"
    OPTIONS = PatternOptions(cross_zone=False, unserved=Unserved.RESET)


class TestClusterVpc(ObserverContract):
    """The other direction: nothing in the cluster VPC can open a connection to a client."""
