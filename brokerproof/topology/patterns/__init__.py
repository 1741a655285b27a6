"""The registry of patterns: one :class:`PatternSpec` a pattern, in a file of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from brokerproof.topology.models.pattern_name import CLIENT_PATTERNS, PatternName
from brokerproof.topology.patterns import (
    combination,
    in_vpc,
    local_without_zone,
    multi_vpc,
    observer,
    peering,
    privatelink_cross_region,
    privatelink_multi_nlb,
    privatelink_single_nlb,
    transit_gateway,
    unknown,
)
from brokerproof.topology.patterns.options import PatternOptions
from brokerproof.topology.patterns.spec import PatternSpec

_SPECS: Final = (
    in_vpc.SPEC,
    peering.SPEC,
    transit_gateway.SPEC,
    privatelink_single_nlb.SPEC,
    privatelink_multi_nlb.SPEC,
    privatelink_cross_region.SPEC,
    multi_vpc.SPEC,
    local_without_zone.SPEC,
    combination.SPEC,
    observer.SPEC,
    unknown.SPEC,
)
_BY_NAME: Final[dict[str, PatternSpec]] = {str(spec.name): spec for spec in _SPECS}
PATTERNS: Final[dict[str, PatternSpec]] = {str(spec.name): spec for spec in _SPECS if spec.builder is not None}
"""Every pattern that has a topology of its own, by name."""

WITH_SCENARIOS: Final[dict[str, PatternSpec]] = {**PATTERNS, str(PatternName.UNKNOWN): unknown.SPEC}
"""Those, and the clients of files of which nobody says by which they come."""


def spec_of(name: PatternName | None) -> PatternSpec:
    """The declaration of a client's pattern; None is an observer's."""
    return _BY_NAME[PatternName.OBSERVER if name is None else name]


def patterns_where(holds: Callable[[PatternSpec], bool]) -> tuple[PatternName, ...]:
    """The patterns that have a topology of their own and of which this holds, in the order of the registry."""
    return tuple(spec.name for spec in PATTERNS.values() if holds(spec))


__all__ = [
    "CLIENT_PATTERNS",
    "PATTERNS",
    "WITH_SCENARIOS",
    "PatternName",
    "PatternOptions",
    "PatternSpec",
    "patterns_where",
    "spec_of",
]
