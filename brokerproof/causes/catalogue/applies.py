"""Which patterns an entry can occur in, and where its facts are from: words that many entries share."""

from __future__ import annotations

from typing import Final

from brokerproof.topology.patterns import names

ENDPOINT: Final = (names.SINGLE, names.MULTI, names.CROSS_REGION)
ONE_NLB: Final = (names.SINGLE, names.CROSS_REGION)
MANAGED: Final = (names.MULTI_VPC,)
THROUGH_LOAD_BALANCER: Final = (*ENDPOINT, *MANAGED)
"""Patterns with a load balancer between client and broker."""
ROUTED: Final = (names.PEERING, names.TRANSIT_GATEWAY)
GATEWAY: Final = (names.TRANSIT_GATEWAY,)
JOINED: Final = (*ROUTED, names.SINGLE, names.MULTI)
"""Patterns in which a peering or a gateway carries some client's packets."""
EVERY: Final = (names.IN_VPC, *ROUTED, *THROUGH_LOAD_BALANCER)

MSK: Final = "Amazon MSK developer guide"
VPC: Final = "Amazon VPC user guide"
PEERING: Final = "Amazon VPC peering guide"
TGW: Final = "AWS Transit Gateway guide"
PRIVATELINK: Final = "AWS PrivateLink guide"
NLB: Final = "Elastic Load Balancing, Network Load Balancer guide"
ROUTE53: Final = "Amazon Route 53 developer guide"
EC2: Final = "Amazon EC2 user guide"
KAFKA: Final = "Apache Kafka documentation and source"
MEASURED: Final = "measured in the lab"
OPENSSL: Final = "OpenSSL X.509 verification errors, measured in the lab"
