"""What documents say of a pattern, each statement with its source; and the documents.

Statements are AWS's, in few words; where only a secondary source is known, the source says so. No prices: those
are an input (:mod:`brokerproof.topology.comparison.pricing`).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Row(StrEnum):
    """The rows of the table, in its order."""

    BANDWIDTH = "bandwidth"
    LATENCY = "latency"
    SCALE = "scale"
    PRICE = "price"
    BENEFITS = "benefits"
    LIMITS = "limits"


POST: Final = (
    "https://aws.amazon.com/blogs/big-data/secure-connectivity-patterns-to-access-amazon-msk-across-aws-regions/"
)
ENDPOINT_QUOTAS: Final = "AWS PrivateLink guide, quotas"
NLB_GUIDE: Final = "Elastic Load Balancing guide, Network Load Balancers"
NLB_QUOTAS: Final = "Elastic Load Balancing guide, quotas of Network Load Balancers"
PEERING_GUIDE: Final = "Amazon VPC peering guide"
GATEWAY_GUIDE: Final = "Amazon VPC Transit Gateways guide"
GATEWAY_SECONDARY: Final = "an AWS re:Post answer quoting the quotas page; the page itself was not seen"
MSK_GUIDE: Final = "Amazon MSK developer guide, multi-VPC private connectivity"
CROSS_REGION: Final = "AWS networking blog on cross-Region endpoint services, 2024"

CROSS_REGION_GUIDE: Final = "AWS PrivateLink guide, cross-Region access"
PRIVATELINK_PRICING: Final = "AWS PrivateLink pricing"

Facts = Mapping[Row, tuple[tuple[str, str], ...]]
"""Statements by row, each with its source."""
