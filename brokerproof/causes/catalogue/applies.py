"""Which patterns an entry can occur in, and where its facts are from: words that many entries share."""

from __future__ import annotations

from typing import Final

from brokerproof.topology.expectation.view import Way
from brokerproof.topology.patterns import patterns_where
from brokerproof.topology.patterns.spec import Balancing

EVERY: Final = patterns_where(lambda spec: spec.name.is_of_clients)
ENDPOINT: Final = patterns_where(lambda spec: spec.balancing is Balancing.OWN)
ONE_NLB: Final = patterns_where(lambda spec: spec.balancing is Balancing.OWN and not spec.has_endpoint_per_broker)
MANAGED: Final = patterns_where(lambda spec: spec.is_managed)
THROUGH_LOAD_BALANCER: Final = patterns_where(lambda spec: spec.is_one_way)
"""Patterns with a load balancer between client and broker."""
SHARED_ENDPOINT: Final = patterns_where(lambda spec: spec.is_one_way and not spec.has_endpoint_per_broker)
STRAIGHT: Final = patterns_where(lambda spec: spec.name.is_of_clients and not spec.is_one_way)
"""Patterns that lead to the broker ENIs themselves."""
NOT_OWN_ENDPOINT: Final = patterns_where(lambda spec: spec.name.is_of_clients and spec.balancing is not Balancing.OWN)
ROUTED: Final = patterns_where(lambda spec: spec.is_routed)
PEERED: Final = patterns_where(lambda spec: spec.is_routed and Way.PEERING in spec.carried_by)
GATEWAY: Final = patterns_where(lambda spec: spec.is_routed and Way.TRANSIT_GATEWAY in spec.carried_by)
JOINED: Final = patterns_where(lambda spec: bool(spec.carried_by))
"""Patterns in which a peering or a gateway carries some client's packets."""
BY_PEERING: Final = patterns_where(lambda spec: Way.PEERING in spec.carried_by)
BY_GATEWAY: Final = patterns_where(lambda spec: Way.TRANSIT_GATEWAY in spec.carried_by)

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
