"""The lines of a picture: the ways of clients, what connects resources beside them, and what must not be reached."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise
from typing import Final

from brokerproof.topology.expectation.isolation import address_of, by_ipv6
from brokerproof.topology.models import LoadBalancer, Topology
from brokerproof.topology.picture.boxes import SHARED_ROW, listener_port, routes_rows
from brokerproof.topology.picture.distance import far_joins, in_lab
from brokerproof.topology.picture.palette import Ink
from brokerproof.topology.picture.places import Boxes, frame_name, node_name
from brokerproof.topology.picture.way import Place, PlaceKind, Stretch, Way, brokers_of

DRAWN_HOSTS: Final = 1
"""Hosts that get a line of their own from whoever must not reach them; more are named in a box beside it."""


class LinkKind(StrEnum):
    """What a line means."""

    WAY = "way"
    CONNECTED = "connected"
    ASSOCIATED = "associated"
    MUST_NOT = "must_not"


@dataclass(frozen=True, slots=True)
class Link:
    """One line between two boxes. ``inks``: a parallel line each; a frame's name makes it end at that frame."""

    kind: LinkKind
    tail: str
    head: str
    tail_port: str = ""
    head_frame: str = ""
    inks: tuple[Ink, ...] = ()
    words: str = ""
    back: bool = False
    """Drawn from head to tail, so that the layout keeps its order."""


def vpc_anchor(topology: Topology, vpc_id: str) -> str:
    """The box inside a VPC's frame that lines to the VPC as a whole end at."""
    if routes_rows(topology, topology.vpc(vpc_id)):
        return node_name(PlaceKind.ROUTES.value, vpc_id)
    inside = [node_name(PlaceKind.CLIENT.value, c.name) for c in topology.clients if c.vpc_id == vpc_id]
    return inside[0] if inside else node_name("vpc", vpc_id)


def must_not_note(way: Way) -> str:
    """The box that names the hosts a client must not reach, where they are too many for a line each."""
    return node_name("must-not", way.client.name)


def vpc_frame(vpc_id: str) -> str:
    """The frame of a VPC."""
    return frame_name("vpc", vpc_id)


def cluster_frame(cluster_name: str) -> str:
    """The frame around a cluster's brokers."""
    return frame_name("kafka", cluster_name)


def links_of(topology: Topology, ways: Sequence[Way], boxes: Boxes, inks: Mapping[str, Ink]) -> Iterator[Link]:
    """Every line once: first the ways, then what no way uses, then zones, then what must not be."""
    drawn: dict[tuple[str, str, str, str], Link] = {}
    for way in ways:
        for link in _way_links(topology, way, boxes):
            key = (link.tail, link.tail_port, link.head, link.head_frame)
            known = drawn.get(key, link)
            ink = inks[way.client.name]
            drawn[key] = known if ink in known.inks else replace(known, inks=(*known.inks, ink))
    yield from drawn.values()
    used = {frozenset((link.tail, link.head)) for link in drawn.values()}
    for link in _connections(topology, boxes):
        pair = frozenset((link.tail, link.head))
        if pair not in used:
            used.add(pair)
            yield link
    for zone in topology.hosted_zones:
        for vpc_id in zone.vpc_ids:
            yield Link(
                LinkKind.ASSOCIATED,
                tail=node_name("zone", zone.hosted_zone_id),
                head=vpc_anchor(topology, vpc_id),
                head_frame=vpc_frame(vpc_id),
            )
    for way in ways:
        yield from _must_not_links(topology, way, boxes)


def _way_links(topology: Topology, way: Way, boxes: Boxes) -> Iterator[Link]:
    for _, links in stretch_lines(topology, way, boxes):
        yield from (link for link in links if link is not None)


def stretch_lines(topology: Topology, way: Way, boxes: Boxes) -> Iterator[tuple[Stretch, tuple[Link | None, ...]]]:
    """Each stretch of a way with the line from each of its places to the next; None where both are one box."""
    brokers = brokers_of(topology)
    clusters = {c.cluster_name: c for c in topology.clusters}
    cluster = clusters[way.client.cluster_name]
    reached = [s for s in way.stretches if not s.trouble]
    # The same way to every broker is one line to the cluster's frame, not a line a broker.
    alike = (
        len({s.places[:-1] for s in reached}) == 1
        and len(reached) == len(cluster.brokers)
        and reached[0].places[-2].kind is not PlaceKind.BALANCER
    )
    for stretch in way.stretches:
        far = far_joins(topology, stretch.places) if in_lab(way) else {}
        links: list[Link | None] = []
        for index, (tail, head) in enumerate(pairwise(stretch.places)):
            tail_box, head_box = _node(topology, tail, boxes), _node(topology, head, boxes)
            link = Link(LinkKind.WAY, tail=tail_box, head=head_box, words=far.get(index, ""))
            if head.kind is PlaceKind.BROKER and tail.kind is PlaceKind.BALANCER:
                port = _port(topology, tail.key, address_of(brokers[head], ipv6=by_ipv6(way.client)))
                link = replace(link, tail_port=SHARED_ROW if boxes.shared(tail) else port)
            elif head.kind is PlaceKind.BROKER and alike:
                link = _to_frame(topology, link, cluster.cluster_name, boxes)
            links.append(link if link.tail != link.head else None)
        yield stretch, tuple(links)


def _node(topology: Topology, place: Place, boxes: Boxes) -> str:
    return vpc_anchor(topology, place.key) if place.kind is PlaceKind.ROUTES else boxes.node(place)


def _to_frame(topology: Topology, link: Link, cluster_name: str, boxes: Boxes) -> Link:
    cluster = topology.cluster(cluster_name)
    middle = cluster.brokers[len(cluster.brokers) // 2]
    head = boxes.node(Place(PlaceKind.BROKER, f"{cluster_name}/{middle.broker_id}"))
    return replace(link, head=head, head_frame=cluster_frame(cluster_name))


def _port(topology: Topology, balancer_name: str, address: IPv4Address | IPv6Address) -> str:
    """The listener whose only target is the broker; else one that has it among its targets."""
    balancer = topology.load_balancer(balancer_name)
    fitting = [
        (len(group.targets), i, listener)
        for i, listener in enumerate(balancer.listeners)
        for group in (topology.target_group(listener.target_group_name),)
        if any(target.id == address for target in group.targets)
    ]
    return listener_port(topology, balancer, min(fitting)[2]) if fitting else ""


def _connections(topology: Topology, boxes: Boxes) -> Iterator[Link]:
    """What is connected, in the direction of the cluster, whether or not a client's way leads there."""
    far = _distances(topology)
    for one, other, words in _joins(topology):
        yield replace(_toward(topology, one, other, boxes, far), words=words)
    for endpoint in topology.vpc_endpoints:
        tail, head = (
            Place(PlaceKind.ENDPOINT, endpoint.vpc_endpoint_id),
            Place(PlaceKind.SERVICE, endpoint.service_name),
        )
        yield Link(LinkKind.CONNECTED, boxes.node(tail), boxes.node(head))
    for service in topology.endpoint_services:
        tail = Place(PlaceKind.SERVICE, service.service_name)
        head = Place(PlaceKind.BALANCER, service.network_load_balancer_name)
        yield Link(LinkKind.CONNECTED, boxes.node(tail), boxes.node(head))
    for balancer in topology.load_balancers:
        yield from _targets(topology, balancer, boxes)


def _targets(topology: Topology, balancer: LoadBalancer, boxes: Boxes) -> Iterator[Link]:
    addresses = {
        str(address): place
        for place, broker in brokers_of(topology).items()
        for address in (broker.client_vpc_ip_address, broker.ipv6_address)
    }
    tail = Place(PlaceKind.BALANCER, balancer.load_balancer_name)
    for listener in balancer.listeners:
        port = SHARED_ROW if boxes.shared(tail) else listener_port(topology, balancer, listener)
        for target in topology.target_group(listener.target_group_name).targets:
            if str(target.id) in addresses:
                head = boxes.node(addresses[str(target.id)])
                yield Link(LinkKind.CONNECTED, boxes.node(tail), head, tail_port=port)


def _joins(topology: Topology) -> Iterator[tuple[Place, Place, str]]:
    """What peering connections and gateways join, and what there is to say about it."""
    for connection in topology.vpc_peering_connections:
        here = Place(PlaceKind.PEERING, connection.vpc_peering_connection_id)
        for vpc_id in connection.sides:
            yield here, Place(PlaceKind.ROUTES, vpc_id), ""
    gateway_of = {a.transit_gateway_attachment_id: a.transit_gateway_id for a in topology.transit_gateway_attachments}
    for attachment in topology.transit_gateway_attachments:
        here = Place(PlaceKind.GATEWAY, attachment.transit_gateway_id)
        words = "" if attachment.association else "not associated"
        if attachment.vpc_id is not None:
            yield here, Place(PlaceKind.ROUTES, attachment.vpc_id), words
        elif attachment.peer_attachment_id in gateway_of:
            yield here, Place(PlaceKind.GATEWAY, gateway_of[attachment.peer_attachment_id]), words


def _toward(topology: Topology, one: Place, other: Place, boxes: Boxes, far: Mapping[Place, int]) -> Link:
    """A line in the direction of the cluster, so that the layout runs from clients to brokers."""
    tail, head = (one, other) if far.get(one, 0) >= far.get(other, 0) else (other, one)
    return Link(LinkKind.CONNECTED, _node(topology, tail, boxes), _node(topology, head, boxes))


def _distances(topology: Topology) -> dict[Place, int]:
    """Steps from the cluster VPCs over peerings and gateways."""
    near: dict[Place, list[Place]] = {}
    for one, other, _ in _joins(topology):
        near.setdefault(one, []).append(other)
        near.setdefault(other, []).append(one)
    far = {Place(PlaceKind.ROUTES, c.vpc_id): 0 for c in topology.clusters}
    queue = deque(far)
    while queue:
        place = queue.popleft()
        for beside in near.get(place, []):
            if beside not in far:
                far[beside] = far[place] + 1
                queue.append(beside)
    return far


def _must_not_links(topology: Topology, way: Way, boxes: Boxes) -> Iterator[Link]:
    observer = boxes.node(Place(PlaceKind.CLIENT, way.client.name))
    every = brokers_of(topology)
    whole = [
        c.cluster_name
        for c in topology.clusters
        if c.brokers and {p for p in every if p.key.rsplit("/", 1)[0] == c.cluster_name} <= set(way.must_not)
    ]
    for name in whole:
        yield _to_frame(topology, Link(LinkKind.MUST_NOT, observer, ""), name, boxes)
    hosts = [place for place in way.must_not if place.kind is PlaceKind.CLIENT]
    if len(hosts) > DRAWN_HOSTS:
        yield Link(LinkKind.MUST_NOT, observer, must_not_note(way))
    for place in way.must_not:
        if place.kind is PlaceKind.CLIENT and len(hosts) > DRAWN_HOSTS:
            continue
        if place.kind is PlaceKind.BROKER and place.key.rsplit("/", 1)[0] in whole:
            continue
        yield (
            Link(LinkKind.MUST_NOT, boxes.node(place), observer, back=True)
            if place.kind is PlaceKind.CLIENT
            else Link(LinkKind.MUST_NOT, observer, boxes.node(place))
        )
