"""What of a picture belongs to which client's way, by the names in its DOT text, so that pieces can be marked. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from brokerproof.probes.outcome.base import Value
from brokerproof.topology.models import Topology
from brokerproof.topology.picture.links import cluster_frame, stretch_lines, vpc_anchor, vpc_frame
from brokerproof.topology.picture.palette import Ink
from brokerproof.topology.picture.places import Boxes, node_name
from brokerproof.topology.picture.way import Place, PlaceKind, Stretch, Way


class DrawnPiece(Value, frozen=True):
    """A place on a way, and the box it is shown by."""

    kind: PlaceKind
    box: str


class DrawnLine(Value, frozen=True):
    """A line of the picture, by the boxes at its ends."""

    tail: str
    head: str


class DrawnStretch(Value, frozen=True):
    """A client's way to one broker; ``lines`` has what leaves each piece but the last, None where no line is drawn."""

    broker_id: int | None
    pieces: tuple[DrawnPiece, ...]
    lines: tuple[DrawnLine | None, ...]


class DrawnWay(Value, frozen=True, kw_only=True):
    """Everything of a picture that belongs to one client."""

    client: str
    ink: str
    """The colour of its lines, as in the DOT text."""
    vpc: str
    """The frame of its VPC."""
    routes: str
    """The box of its VPC's route tables; where there is none, the frame of the VPC."""
    far_routes: str
    """The same of the cluster's VPC."""
    cluster: str
    """The frame of its cluster."""
    zones: tuple[str, ...]
    """The boxes of the private hosted zones that answer in its VPC."""
    stretches: tuple[DrawnStretch, ...]


def drawn_ways(topology: Topology, ways: Sequence[Way], boxes: Boxes, inks: Mapping[str, Ink]) -> tuple[DrawnWay, ...]:
    """Those of all clients that are meant to reach brokers."""
    return tuple(_drawn(topology, way, boxes, inks) for way in ways if way.client.name in inks)


def _drawn(topology: Topology, way: Way, boxes: Boxes, inks: Mapping[str, Ink]) -> DrawnWay:
    client = way.client
    return DrawnWay(
        client=client.name,
        ink=inks[client.name].value,
        vpc=vpc_frame(client.vpc_id),
        routes=_routes(topology, client.vpc_id),
        far_routes=_routes(topology, topology.cluster(client.cluster_name).vpc_id),
        cluster=cluster_frame(client.cluster_name),
        zones=tuple(node_name("zone", zone.hosted_zone_id) for zone in topology.zones_in(client.vpc_id)),
        stretches=tuple(_stretches(topology, way, boxes)),
    )


def _routes(topology: Topology, vpc_id: str) -> str:
    anchor = vpc_anchor(topology, vpc_id)
    return anchor if anchor == node_name(PlaceKind.ROUTES.value, vpc_id) else vpc_frame(vpc_id)


def _stretches(topology: Topology, way: Way, boxes: Boxes) -> Iterator[DrawnStretch]:
    for stretch, links in stretch_lines(topology, way, boxes):
        pieces = tuple(DrawnPiece(kind=place.kind, box=node) for place, node in _shown(topology, stretch, boxes))
        lines = tuple(None if link is None else DrawnLine(tail=link.tail, head=link.head) for link in links)
        yield DrawnStretch(broker_id=_broker_id(stretch), pieces=pieces, lines=lines)


def _shown(topology: Topology, stretch: Stretch, boxes: Boxes) -> Iterator[tuple[Place, str]]:
    for place in stretch.places:
        routes = place.kind is PlaceKind.ROUTES
        yield place, vpc_anchor(topology, place.key) if routes else boxes.node(place)


def _broker_id(stretch: Stretch) -> int | None:
    last = stretch.places[-1]
    return int(last.key.rsplit("/", 1)[1]) if last.kind is PlaceKind.BROKER else None
