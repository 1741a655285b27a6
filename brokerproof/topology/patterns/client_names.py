"""The names of the clients that builders make: a client of one kind has one name in every pattern."""

from __future__ import annotations

from typing import Final

CLUSTER_VPC: Final = "cluster_vpc"
"""In the cluster's own VPC."""
PLAINTEXT: Final = "plaintext"
"""Beside it, on the plaintext listener."""
PEERED: Final = "peered"
"""In a VPC of the same Region, peered with the cluster VPC."""
UNGROUPED: Final = "ungrouped"
"""In the same VPC as :data:`PEERED`, and in no security group that the brokers admit."""
NOT_PEERED: Final = "not_peered"
"""In a VPC that is peered with that of :data:`PEERED` alone."""
BY_GATEWAY: Final = "by_gateway"
"""In a VPC of the same Region, attached to the cluster VPC's Transit Gateway."""
UNROUTED: Final = "unrouted"
"""Attached to that gateway, and its attachment has no route table."""
ACCOUNT_B: Final = "account_b"
"""In another account and the same Region, by endpoints of its own VPC; the VPC has a CIDR of its own."""
OVERLAPPING: Final = "overlapping"
"""By endpoints of its own VPC, which has the cluster VPC's CIDR."""
TWO_PATHS: Final = "two_paths"
"""By endpoints of its own VPC, which is also peered with the cluster VPC."""
REMOTE: Final = "remote"
"""In another Region, by endpoints of its own VPC; the VPC has a CIDR of its own."""
REMOTE_BY_PEERING: Final = "remote_by_peering"
"""In another Region, in a VPC peered with the one it goes to: the cluster's, or that of the endpoints."""
REMOTE_BY_GATEWAY: Final = "remote_by_gateway"
"""In another Region, by two peered Transit Gateways."""
REMOTE_BY_GATEWAY_2: Final = "remote_by_gateway_2"
"""The same in another account."""


def of_ipv6(name: str) -> str:
    """The name of the same host's client of the IPv6 listener."""
    return f"{name}_ipv6"
