"""One builder a pattern; :data:`PATTERNS` is the list of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from brokerproof.topology.models import Topology
from brokerproof.topology.patterns import combination, in_vpc, multi_vpc, peering, privatelink, transit_gateway
from brokerproof.topology.patterns.options import PatternOptions

PATTERNS: Final[dict[str, Callable[[PatternOptions | None], Topology]]] = {
    in_vpc.NAME: in_vpc.build,
    peering.NAME: peering.build,
    transit_gateway.NAME: transit_gateway.build,
    privatelink.SINGLE: privatelink.build_single,
    privatelink.MULTI: privatelink.build_multi,
    privatelink.CROSS_REGION: privatelink.build_cross_region,
    multi_vpc.NAME: multi_vpc.build,
    combination.NAME: combination.build,
}
"""Builder by pattern name."""

__all__ = ["PATTERNS", "PatternOptions"]
