"""A run as its Regions have it: each has a hub, since no engine reaches the probes of another Region."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from brokerproof.fleet.engine import Engine, Execution
from brokerproof.fleet.hub import FleetError, Hub
from brokerproof.fleet.items import FleetSet
from brokerproof.fleet.store import Store
from brokerproof.topology.models import Topology
from brokerproof.wording import listed


@dataclass(frozen=True, slots=True)
class OpenHub:
    """A hub that can be asked."""

    hub: Hub
    store: Store
    engine: Engine


@dataclass(frozen=True, slots=True)
class Part:
    """What of a run is at one hub."""

    at: OpenHub
    made: FleetSet
    run: str
    """The name of its execution there."""

    @property
    def region_name(self) -> str:
        """The hub's."""
        return self.at.hub.region_name

    @property
    def clients(self) -> frozenset[str]:
        """Whose probes it runs."""
        return frozenset(item.client for item in self.made.items)

    def look(self) -> Execution | None:
        """How the execution is; None where the engine knows none of that name.

        Raises:
            EngineError: it does not say.
        """
        return self.at.engine.look(self.made.name, self.run)

    def answered(self) -> frozenset[str]:
        """Which of its clients' objects are there; what a bucket has of other hubs' clients counts for nothing.

        Raises:
            StoreError: S3 refused.
        """
        return self.at.store.answered(self.made.name, self.run) & self.clients


def the_one_topology(parts: Sequence[Part]) -> Topology:
    """The topology that all parts are of.

    Raises:
        FleetError: they are of several, or a client is in none of them.
    """
    first = parts[0]
    for part in parts[1:]:
        if part.made.topology != first.made.topology:
            raise FleetError(
                f"set {first.made.name} is another one in {part.region_name} than in {first.region_name}: publish it "
                "anew, to all hubs at once"
            )
    reached = frozenset[str]().union(*(part.clients for part in parts))
    lost = [client.name for client in first.made.topology.clients if client.name not in reached]
    if lost:
        raise FleetError(
            f"set {first.made.name} has clients of which no item is in {_regions(p.region_name for p in parts)}: "
            f"{listed(lost)}; give the hub of each of its Regions"
        )
    return first.made.topology


def check_regions(hubs: Sequence[Hub]) -> None:
    """One hub a Region.

    Raises:
        FleetError: two are in one.
    """
    seen: set[str] = set()
    for hub in hubs:
        if hub.region_name in seen:
            raise FleetError(f"two hubs are in {hub.region_name}; a run takes one a Region")
        seen.add(hub.region_name)


def shared_out(at_once: int, sizes: Mapping[str, int]) -> dict[str, int]:
    """How many clients of each Region run at a time, so that all of them together are no more.

    Args:
        at_once: Clients at a time.
        sizes: How many clients each Region has, one at least.

    Raises:
        FleetError: there are more Regions than clients that may run at a time.
    """
    if at_once < len(sizes):
        raise FleetError(
            f"{at_once} at a time is less than one in each of {len(sizes)} Regions; run one Region after another, each "
            "with its own hub and --only-region"
        )
    given = dict.fromkeys(sizes, 1)
    for _ in range(at_once - len(sizes)):
        given[max(sizes, key=lambda region: sizes[region] / given[region])] += 1
    return given


def _regions(names: Iterable[str]) -> str:
    return listed(sorted(names))
