"""Transit Gateway: clients go to the broker ENIs through a gateway, or two peered ones.

Names, ports and advertised.listeners are as MSK creates them. ``by_gateway`` is attached to the cluster's own
gateway, ``remote_by_gateway`` and ``remote_by_gateway_2`` (another account on the same gateway) to the one of another
Region, which is peered with it and needs static routes both ways. ``unrouted`` is attached but associated with no
route table, and must reach nothing.
"""

from __future__ import annotations

from brokerproof.scenarios.contract import MeasuredContract, ObserverContract
from brokerproof.topology.patterns import PatternName

PATTERN = PatternName.TRANSIT_GATEWAY


class TestClients(MeasuredContract):
    """Clients behind the gateways."""


class TestNotAssociated(ObserverContract):
    """A VPC that is attached and no more."""
