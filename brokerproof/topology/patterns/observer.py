"""A client without a pattern: it only proves what must not be reachable from where it is."""

from __future__ import annotations

from brokerproof.topology.expectation.sights import nothing
from brokerproof.topology.models.pattern_name import PatternName
from brokerproof.topology.patterns.spec import PatternSpec

SPEC = PatternSpec(
    name=PatternName.OBSERVER,
    title="a client that must reach no broker",
    sees=nothing,
)
