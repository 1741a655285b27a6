"""The names of the patterns a client may be meant to use."""

from __future__ import annotations

from typing import Final

IN_VPC: Final = "in_vpc"
PEERING: Final = "peering"
TRANSIT_GATEWAY: Final = "transit_gateway"
SINGLE: Final = "privatelink_single_nlb"
MULTI: Final = "privatelink_multi_nlb"
CROSS_REGION: Final = "privatelink_cross_region"
MULTI_VPC: Final = "multi_vpc"
LOCAL_WITHOUT_ZONE: Final = "local_without_zone"
"""A client in the cluster VPC behind one NLB, without the private zone: what must then fail is its pattern."""
COMBINATION: Final = "combination"
"""Several patterns on one cluster; its clients carry the names of their own."""

DIRECT: Final = frozenset({IN_VPC, PEERING, TRANSIT_GATEWAY})
"""Patterns that lead to the broker ENIs themselves."""
BY_ENDPOINT: Final = frozenset({SINGLE, MULTI, CROSS_REGION})
"""Patterns that lead through an interface endpoint and an NLB of the user's own."""
ONE_WAY: Final = BY_ENDPOINT | {MULTI_VPC}
"""Patterns in which only the client can open connections."""
CLIENT_PATTERNS: Final = (IN_VPC, PEERING, TRANSIT_GATEWAY, SINGLE, MULTI, CROSS_REGION, MULTI_VPC, LOCAL_WITHOUT_ZONE)
"""Every value that a client's ``pattern`` may have."""
