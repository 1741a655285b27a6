"""VPC peering: clients go straight to the broker ENIs.

Names resolve by the brokers' public records to their private addresses; ports and
advertised.listeners are as MSK creates them. ``peered`` is in another account of the same Region,
``remote_by_peering`` in another Region. What must not get through: any port but the brokers', a host that the security
group does not admit (``ungrouped``), a VPC that is peered with that of ``peered`` alone (``not_peered``), and from
``remote_by_peering`` to ``peered`` through the cluster VPC, since peering is not transitive.
"""

from __future__ import annotations

from brokerproof.scenarios.contract import ClientContract, MeasuredContract, ObserverContract
from brokerproof.topology.patterns import PatternName, PatternOptions

PATTERN = PatternName.PEERING


class TestClients(MeasuredContract):
    """Clients in the peered VPCs."""


class TestOutsiders(ObserverContract):
    """Hosts that must reach no broker: outside the security group, and a peering further away."""


class TestDualStack(ClientContract):
    """The network type DUAL: each client once more (``peered_ipv6``, ...), by the IPv6 names and port 20094."""

    VARIANT = "dual-stack"
    OPTIONS = PatternOptions(dual_stack=True)


class TestDualStackOutsiders(ObserverContract):
    """The same hosts that must reach no broker, over IPv4 and over IPv6."""

    VARIANT = "dual-stack"
    OPTIONS = PatternOptions(dual_stack=True)
