"""Which box stands for which resource: one each, or one for many of a kind in the same place."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

from brokerproof.topology.models import Topology
from brokerproof.topology.picture.label import LISTED
from brokerproof.topology.picture.way import Place, PlaceKind, broker_place


@lru_cache(maxsize=4096)
def node_name(*parts: str) -> str:
    """A name in DOT text: every id fits, and none can be taken for a port (``:``).

    One picture asks for a name hundreds of times.
    """
    return "/".join(quote(part, safe="@.-_") for part in parts)


def frame_name(*parts: str) -> str:
    """The name of a frame; Graphviz draws subgraphs whose names begin so."""
    return f"cluster/{node_name(*parts)}"


@dataclass(frozen=True, slots=True)
class Boxes:
    """The box of every place that may share one."""

    _names: dict[Place, str]

    @classmethod
    def of(cls, topology: Topology) -> Boxes:
        """Resources above :data:`brokerproof.topology.picture.label.LISTED` of a kind in one place share a box."""
        names: dict[Place, str] = {}
        vpc_of_balancer = {b.load_balancer_name: b.vpc_id for b in topology.load_balancers}
        _share(
            names,
            (
                (broker_place(c.cluster_name, b.broker_id), (c.cluster_name,))
                for c in topology.clusters
                for b in c.brokers
            ),
        )
        _share(names, ((Place(PlaceKind.BALANCER, name), (vpc_id,)) for name, vpc_id in vpc_of_balancer.items()))
        _share(
            names,
            (
                (Place(PlaceKind.SERVICE, s.service_name), (vpc_of_balancer.get(s.network_load_balancer_name, ""),))
                for s in topology.endpoint_services
            ),
        )
        _share(names, ((Place(PlaceKind.ENDPOINT, e.vpc_endpoint_id), (e.vpc_id,)) for e in topology.vpc_endpoints))
        return cls(names)

    def node(self, place: Place) -> str:
        """The name of the box a place is shown by."""
        return self._names.get(place) or node_name(place.kind.value, place.key)

    def shared(self, place: Place) -> bool:
        """Whether the box stands for others too."""
        return place in self._names


def _share(names: dict[Place, str], found: Iterable[tuple[Place, tuple[str, ...]]]) -> None:
    groups: dict[Hashable, list[tuple[Place, tuple[str, ...]]]] = {}
    for place, where in found:
        groups.setdefault(where, []).append((place, where))
    for members in groups.values():
        if len(members) > LISTED:
            for place, where in members:
                names[place] = node_name(f"{place.kind.value}s", *where)
