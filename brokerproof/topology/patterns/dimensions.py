"""What AWS charges for on the way to a cluster: the dimensions of its pricing pages."""

from __future__ import annotations

from enum import StrEnum


class Dimension(StrEnum):
    """What is charged for, as a price file calls it."""

    CROSS_ZONE_GB = "cross_zone_gb"
    CROSS_REGION_GB = "cross_region_gb"
    TRANSIT_GATEWAY_ATTACHMENT_HOUR = "transit_gateway_attachment_hour"
    TRANSIT_GATEWAY_GB = "transit_gateway_gb"
    ENDPOINT_ZONE_HOUR = "endpoint_zone_hour"
    """An interface endpoint, for each zone it has an ENI in."""
    ENDPOINT_GB = "endpoint_gb"
    NLB_HOUR = "nlb_hour"
    NLCU_HOUR = "nlcu_hour"
    """Load balancer capacity units: of connections and bytes, so they cannot be counted in a topology."""
    VPC_CONNECTION_HOUR = "vpc_connection_hour"
    """A managed VPC connection of MSK, each for one way of authenticating."""
    VPC_CONNECTION_GB = "vpc_connection_gb"
