"""The baseline: a client in the cluster's own VPC connects straight to the broker ENIs.

Names resolve to the brokers' private addresses by their public records, ports and
advertised.listeners are as MSK creates them, and the brokers' security group admits the VPC to the
client ports and to nothing else.
"""

from __future__ import annotations

from brokerproof.scenarios.contract import MeasuredContract
from brokerproof.topology.patterns import PatternName

PATTERN = PatternName.IN_VPC


class TestClient(MeasuredContract):
    """The client in the cluster VPC."""
