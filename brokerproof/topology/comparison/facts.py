"""What is documented of each pattern: bandwidth, scale, benefits and limits, each statement with its source.

Statements are AWS's, in few words; where only a secondary source is known, the source says so. No prices: those
are an input (:mod:`brokerproof.topology.comparison.pricing`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec


class Row(StrEnum):
    """The rows of the table, in its order."""

    BANDWIDTH = "bandwidth"
    LATENCY = "latency"
    SCALE = "scale"
    PRICE = "price"
    BENEFITS = "benefits"
    LIMITS = "limits"


class Basis(StrEnum):
    """Where a cell's statement comes from."""

    MEASURED = "measured"
    DERIVED = "derived"
    """From the topology, by counting."""
    DOCUMENTED = "documented"


class Statement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One statement of a cell; ``source`` names the run, the topology, or the document.

    Raises:
        ValueError: without a source it is an opinion.
    """

    text: str
    basis: Basis
    source: str

    def __post_init__(self) -> None:
        if not self.text or not self.source:
            raise ValueError("a statement says something, and where it comes from")


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

_Facts = dict[Row, tuple[tuple[str, str], ...]]

_PRIVATELINK: Final[_Facts] = {
    Row.BANDWIDTH: (("10 Gbps a zone of the endpoint, scaling by itself to 100 Gbps", ENDPOINT_QUOTAS),),
    Row.BENEFITS: (
        ("one way only: nothing in the cluster's VPC can open a connection to the client's", POST),
        ("both VPCs may have the same addresses", POST),
    ),
    Row.LIMITS: (
        ("brokers see the load balancer's address in place of the client's", NLB_GUIDE),
        ("55,000 connections at once, or new in a minute, to each target by PrivateLink", NLB_GUIDE),
        ("an idle connection ends after 350 s, if the listener does not say otherwise", NLB_GUIDE),
    ),
}

FACTS: Final[dict[str, _Facts]] = {
    "in_vpc": {
        Row.BANDWIDTH: (("what the instances and a flow between them have", POST),),
        Row.BENEFITS: (("nothing lies between client and brokers", POST),),
    },
    "peering": {
        Row.BANDWIDTH: (("no limit of its own: what the instances and a flow between them have", POST),),
        Row.SCALE: (("for fewer than about 10 VPCs: each pair of VPCs has a peering and routes of its own", POST),),
        Row.BENEFITS: (
            ("no hop of its own, and nothing to pay by the hour", POST),
            ("both ways, for every port that security groups admit", PEERING_GUIDE),
        ),
        Row.LIMITS: (
            ("not transitive", PEERING_GUIDE),
            ("VPCs of overlapping addresses cannot be peered", PEERING_GUIDE),
        ),
    },
    "transit_gateway": {
        Row.BANDWIDTH: (
            ("up to 50 Gbps a zone and VPC attachment, as of 2021", POST),
            ("up to 100 Gbps a zone and attachment today", GATEWAY_SECONDARY),
        ),
        Row.SCALE: (("any number of VPCs: 5,000 attachments a gateway", GATEWAY_GUIDE),),
        Row.BENEFITS: (("one place of routes for many VPCs and, with gateways peered, Regions", POST),),
        Row.LIMITS: (
            ("one hop more than peering, so more latency", POST),
            ("VPCs of overlapping addresses cannot reach each other", POST),
            ("routes to a peered gateway are static, and routing through several gateways is not transitive", POST),
        ),
    },
    "privatelink_single_nlb": {
        **_PRIVATELINK,
        Row.SCALE: (
            ("any number of VPCs", POST),
            ("50 listeners a load balancer: one a broker and one to start from, so 49 brokers", NLB_QUOTAS),
        ),
        Row.LIMITS: (("each broker must advertise a port of its own", POST), *_PRIVATELINK[Row.LIMITS]),
    },
    "privatelink_multi_nlb": {
        **_PRIVATELINK,
        Row.SCALE: (
            ("any number of VPCs", POST),
            ("50 load balancers a Region by default, and it takes one a broker", NLB_QUOTAS),
            ("50 interface endpoints a VPC by default, and it takes one a broker", ENDPOINT_QUOTAS),
        ),
        Row.BENEFITS: (("brokers advertise what they did before", POST), *_PRIVATELINK[Row.BENEFITS]),
    },
    "multi_vpc": {
        Row.BANDWIDTH: (("that of the endpoints MSK makes, which are PrivateLink's", MSK_GUIDE),),
        Row.SCALE: (("clients of other accounts and VPCs of the cluster's own Region", MSK_GUIDE),),
        Row.BENEFITS: (
            ("MSK runs load balancers, endpoints and names", MSK_GUIDE),
            ("both VPCs may have the same addresses", MSK_GUIDE),
        ),
        Row.LIMITS: (
            ("Kafka 2.7.1 or newer, no plaintext, the same Region and the same zone ids", MSK_GUIDE),
            ("one connection serves one way of authenticating", MSK_GUIDE),
        ),
    },
}
"""By pattern; a pattern that is built of others has the facts of those (:data:`SAME_AS`)."""

SAME_AS: Final = {
    "privatelink_cross_region": "privatelink_multi_nlb",
    "privatelink_single_nlb_no_zone": "privatelink_single_nlb",
}
EXTRA: Final[dict[str, _Facts]] = {
    "privatelink_cross_region": {
        Row.BENEFITS: (("the endpoint is in the client's own Region", CROSS_REGION),),
    },
}


def documented(pattern: str, row: Row) -> tuple[Statement, ...]:
    """What documents say of a pattern; empty where nothing is known, which is not to be filled in."""
    facts = EXTRA.get(pattern, {}).get(row, ()) + FACTS.get(SAME_AS.get(pattern, pattern), {}).get(row, ())
    return tuple(Statement(text=text, basis=Basis.DOCUMENTED, source=source) for text, source in facts)
