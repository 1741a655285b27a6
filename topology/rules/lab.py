"""Settings that only the lab reads."""

from __future__ import annotations

from collections.abc import Iterator

from topology.models import Topology
from topology.rules.problem import Path, Problem


def links(topology: Topology) -> Iterator[Problem]:
    """One distance a pair of Regions, and only Regions that something is in."""
    known = {v.region_name for v in topology.vpcs} | {g.region_name for g in topology.transit_gateways}
    given: dict[tuple[str, ...], int] = {}
    for i, link in enumerate(topology.lab.links):
        path: Path = ("lab", "links", i)
        pair = tuple(sorted(link.regions))
        if pair in given:
            yield Problem(path, f"lab.links[{given[pair]}] already says what lies between {' and '.join(link.regions)}")
        given.setdefault(pair, i)
        for region in sorted(set(pair) - known):
            yield Problem(
                (*path, "regions"), f"nothing is in Region {region!r}; the topology has {', '.join(sorted(known))}"
            )
