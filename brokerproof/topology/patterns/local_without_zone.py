"""A client in the cluster VPC behind one NLB, without the private zone: what must then fail is its pattern.

It is built as ``privatelink_single_nlb`` without ``local_zone``.
"""

from __future__ import annotations

from brokerproof.topology.expectation.sights import without_zone
from brokerproof.topology.models.pattern_name import PatternName
from brokerproof.topology.patterns.spec import PatternSpec

SPEC = PatternSpec(
    name=PatternName.LOCAL_WITHOUT_ZONE,
    title="a client in the cluster VPC that lacks the private zone of one NLB",
    sees=without_zone,
)
