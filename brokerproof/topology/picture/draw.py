"""A topology as Graphviz DOT: frames for Regions, accounts and VPCs, boxes for resources, coloured ways.

The same topology always gives the same text. Resources above :data:`brokerproof.topology.picture.label.LISTED`
of a kind in one place share a box, so that 49 brokers are still a picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import graphviz

from brokerproof.topology.managed import with_managed
from brokerproof.topology.models import UNKNOWN, Cluster, Topology, Vpc, VpcPeeringConnection
from brokerproof.topology.picture import boxes
from brokerproof.topology.picture.drawn import DrawnWay, drawn_ways
from brokerproof.topology.picture.label import Row, box, frame_label, legend, text
from brokerproof.topology.picture.links import (
    DRAWN_HOSTS,
    Link,
    LinkKind,
    cluster_frame,
    links_of,
    must_not_note,
    vpc_anchor,
    vpc_frame,
)
from brokerproof.topology.picture.palette import Ink, way_ink
from brokerproof.topology.picture.places import Boxes, frame_name, node_name
from brokerproof.topology.picture.way import Place, PlaceKind, broker_place, way_of
from brokerproof.topology.picture.words import way_words

FONT: Final = "Helvetica,Arial,sans-serif"
_GRAPH: Final = {
    "rankdir": "LR",
    "compound": "true",
    "bgcolor": "transparent",
    "fontname": FONT,
    "fontsize": "11",
    "fontcolor": Ink.TEXT,
    "labelloc": "t",
    "labeljust": "l",
    "nodesep": "0.18",
    "ranksep": "0.45",
    "pad": "0.1",
}
_NODE: Final = {"shape": "plain", "fontname": FONT, "fontsize": "10", "fontcolor": Ink.TEXT}
_EDGE: Final = {"fontname": FONT, "fontsize": "9", "fontcolor": Ink.QUIET, "color": Ink.LINE, "arrowsize": "0.7"}
_FRAME: Final = {"fontname": FONT, "fontsize": "11", "labeljust": "l", "labelloc": "t", "color": Ink.FRAME}
CROSS: Final = "\N{MULTIPLICATION SIGN}"
_UNKNOWN_VPCS: Final = "VPCs that are unknown"
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture: its name, what it shows, and its DOT text."""

    title: str
    ways: tuple[str, ...]
    """Each client's way in words, in the order of the file."""
    dot: str
    drawn: tuple[DrawnWay, ...] = ()
    """Which of its boxes and lines belong to which client."""

    @property
    def description(self) -> str:
        """What the picture shows, in words."""
        return ". ".join(self.ways) + "."


def picture(topology: Topology) -> Picture:
    """The picture of any topology that passes the rules, also where a client's pattern cannot work in it."""
    drawing = _Drawing(topology)
    return Picture(
        title=f"Topology {topology.name}",
        ways=tuple(way_words(drawing.whole, way) for way in drawing.ways),
        dot=drawing.source(),
        drawn=drawing.drawn(),
    )


class _Drawing:
    def __init__(self, topology: Topology) -> None:
        self.whole = whole = with_managed(topology)
        self.ways = tuple(way_of(topology, client, whole) for client in topology.clients)
        self._boxes = Boxes.of(whole)
        users = [client.name for client in topology.clients if client.pattern is not None]
        self._inks = {name: way_ink(i) for i, name in enumerate(users)}

    def source(self) -> str:
        topology = self.whole
        graph = graphviz.Digraph(graph_attr=_GRAPH, node_attr=_NODE, edge_attr=_EDGE)
        graph.attr(label=legend(f"Topology {topology.name}", self._legend()))
        regions = [v.region_name for v in topology.vpcs] + [g.region_name for g in topology.transit_gateways]
        for region in dict.fromkeys(regions):
            self._region(graph, region)
        if UNKNOWN in {*(each.vpc_id for each in topology.clients), *(each.vpc_id for each in topology.clusters)}:
            self._vpc(graph, topology.vpc(UNKNOWN))
        for connection in topology.vpc_peering_connections:
            if self._one_region(connection) is None:
                self._peering(graph, connection)
        for zone in topology.hosted_zones:
            if not zone.vpc_ids:
                graph.node(node_name("zone", zone.hosted_zone_id), box(boxes.zone_rows(zone)))
        for link in links_of(topology, self.ways, self._boxes, self._inks):
            _edge(graph, link)
        return str(graph.source)

    def drawn(self) -> tuple[DrawnWay, ...]:
        return drawn_ways(self.whole, self.ways, self._boxes, self._inks)

    def _legend(self) -> list[tuple[str, str, str]]:
        rows: list[tuple[str, str, str]] = []
        for way in self.ways:
            observer = way.client.pattern is None
            ink = Ink.MUST_NOT if observer else self._inks[way.client.name]
            rows.append((ink, f"- {CROSS} -" if observer else "——▸", way_words(self.whole, way)))
        if self.whole.hosted_zones:
            rows.append((Ink.LINE, "- - -", "a private zone and the VPCs it is associated with"))
        return rows

    def _region(self, graph: Any, region: str) -> None:
        topology = self.whole
        owners = [v.owner_id for v in topology.vpcs if v.region_name == region]
        owners += [g.owner_id for g in topology.transit_gateways if g.region_name == region]
        with graph.subgraph(name=frame_name("region", region)) as frame:
            frame.attr(**_FRAME, label=frame_label(region), style="rounded,dashed")
            for owner in dict.fromkeys(owners):
                self._account(frame, region, owner)
            for connection in topology.vpc_peering_connections:
                if self._one_region(connection) == region:
                    self._peering(frame, connection)

    def _one_region(self, connection: VpcPeeringConnection) -> str | None:
        """The Region of a peering that does not leave it."""
        regions = {self.whole.vpc(vpc_id).region_name for vpc_id in connection.sides}
        return regions.pop() if len(regions) == 1 else None

    def _peering(self, graph: Any, connection: VpcPeeringConnection) -> None:
        place = Place(PlaceKind.PEERING, connection.vpc_peering_connection_id)
        graph.node(self._boxes.node(place), box(boxes.peering_rows(connection)))

    def _account(self, graph: Any, region: str, owner: str) -> None:
        topology = self.whole
        vpcs = [v for v in topology.vpcs if (v.region_name, v.owner_id) == (region, owner)]
        ids = {v.vpc_id for v in vpcs}
        with graph.subgraph(name=frame_name("account", region, owner)) as frame:
            frame.attr(**_FRAME, label=frame_label(f"account {owner}"), style="rounded,dotted")
            for vpc in vpcs:
                self._vpc(frame, vpc)
            for gateway in topology.transit_gateways:
                if (gateway.region_name, gateway.owner_id) == (region, owner):
                    place = Place(PlaceKind.GATEWAY, gateway.transit_gateway_id)
                    frame.node(self._boxes.node(place), box(boxes.gateway_rows(topology, gateway)))
            vpc_of = {b.load_balancer_name: b.vpc_id for b in topology.load_balancers}
            services = [s for s in topology.endpoint_services if vpc_of[s.network_load_balancer_name] in ids]
            for node, group in self._grouped(services, lambda s: Place(PlaceKind.SERVICE, s.service_name)):
                frame.node(node, box(boxes.service_rows(group)))
            for zone in topology.hosted_zones:
                if zone.vpc_ids and zone.vpc_ids[0] in ids:
                    frame.node(node_name("zone", zone.hosted_zone_id), box(boxes.zone_rows(zone)))

    def _vpc(self, graph: Any, vpc: Vpc) -> None:
        topology = self.whole
        with graph.subgraph(name=vpc_frame(vpc.vpc_id)) as frame:
            frame.attr(
                **_FRAME,
                label=frame_label(_UNKNOWN_VPCS if vpc.vpc_id == UNKNOWN else vpc.vpc_id, boxes.vpc_words(vpc)),
                style="rounded,filled",
                fillcolor=Ink.VPC,
            )
            anchor = vpc_anchor(topology, vpc.vpc_id)
            routes = boxes.routes_rows(topology, vpc)
            if routes:
                frame.node(anchor, box(routes))
            elif anchor == node_name("vpc", vpc.vpc_id):
                frame.node(anchor, box([Row("no client here", quiet=True)]))
            for way in self.ways:
                if way.client.vpc_id == vpc.vpc_id:
                    ink = self._inks.get(way.client.name, Ink.MUST_NOT)
                    rows = boxes.client_rows(topology, way.client, way.trouble)
                    frame.node(
                        self._boxes.node(Place(PlaceKind.CLIENT, way.client.name)), box(rows, border=ink, width=2)
                    )
                    hosts = [place.key for place in way.must_not if place.kind is PlaceKind.CLIENT]
                    if len(hosts) > DRAWN_HOSTS:
                        note = Row(f"no way to hosts {', '.join(hosts)}", alarm=True)
                        frame.node(must_not_note(way), box([note], border=Ink.MUST_NOT))
            endpoints = [e for e in topology.vpc_endpoints if e.vpc_id == vpc.vpc_id]
            for node, ends in self._grouped(endpoints, lambda e: Place(PlaceKind.ENDPOINT, e.vpc_endpoint_id)):
                frame.node(node, box(boxes.endpoint_rows(topology, ends)))
            balancers = [b for b in topology.load_balancers if b.vpc_id == vpc.vpc_id]
            for node, nlbs in self._grouped(balancers, lambda b: Place(PlaceKind.BALANCER, b.load_balancer_name)):
                frame.node(node, box(boxes.balancer_rows(topology, nlbs)))
            for cluster in topology.clusters:
                if cluster.vpc_id == vpc.vpc_id:
                    self._cluster(frame, cluster)

    def _cluster(self, graph: Any, cluster: Cluster) -> None:
        topology = self.whole
        with graph.subgraph(name=cluster_frame(cluster.cluster_name)) as frame:
            label = frame_label(f"cluster {cluster.cluster_name}", boxes.cluster_words(cluster))
            frame.attr(**_FRAME, label=label, style="rounded,filled", fillcolor=Ink.CLUSTER)
            grouped = self._grouped(cluster.brokers, lambda b: broker_place(cluster.cluster_name, b.broker_id))
            for node, brokers in grouped:
                rows = (
                    boxes.broker_rows(topology, brokers[0])
                    if len(brokers) == 1
                    else boxes.brokers_rows(topology, cluster)
                )
                frame.node(node, box(rows))

    def _grouped(self, resources: Sequence[R], place_of: Callable[[R], Place]) -> list[tuple[str, list[R]]]:
        """Resources by the box they are shown in, in the order of the file."""
        found: dict[str, list[R]] = {}
        for resource in resources:
            found.setdefault(self._boxes.node(place_of(resource)), []).append(resource)
        return list(found.items())


def _edge(graph: Any, link: Link) -> None:
    more: dict[str, str] = {}
    if link.head_frame:
        more["lhead"] = link.head_frame
    if link.words:
        more["label"] = f"<{text(link.words)}>"
    match link.kind:
        case LinkKind.WAY:
            more |= {"color": ":".join(link.inks), "penwidth": "1.6", "weight": "4"}
        case LinkKind.CONNECTED:
            more |= {"arrowhead": "none"}
        case LinkKind.ASSOCIATED:
            more |= {"style": "dashed", "arrowhead": "none"}
        case LinkKind.MUST_NOT:
            more |= {
                "color": Ink.MUST_NOT,
                "style": "dashed",
                "weight": "0",
                "label": f'<<FONT COLOR="{Ink.MUST_NOT}" POINT-SIZE="16"><B>{CROSS}</B></FONT>>',
            }
            if link.back:
                more |= {"dir": "back", "constraint": "false"}
    tail = f"{link.tail}:{link.tail_port}:e" if link.tail_port else link.tail
    graph.edge(tail, link.head, **more)
