"""A client of which nobody says by which pattern it comes: its names lead somewhere, and that is judged."""

from __future__ import annotations

from brokerproof.topology.expectation.sights import by_names
from brokerproof.topology.models.pattern_name import PatternName
from brokerproof.topology.patterns.spec import PatternSpec

SPEC = PatternSpec(
    name=PatternName.UNKNOWN,
    title="a client of which only the names it uses are known",
    sees=by_names,
)
