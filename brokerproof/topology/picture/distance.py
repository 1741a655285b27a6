"""How far it is along a way, as the lab's links say. Pure.

Distance lies where VPCs and gateways are joined; inside a VPC there is none. It is a setting of the lab: for
a real cluster nothing is known here, and nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import assert_never

from brokerproof.topology.models import RegionLink, Topology, VantageKind
from brokerproof.topology.picture.way import Place, PlaceKind, Way


def rtt_words(topology: Topology, way: Way) -> str:
    """``60.5 ms RTT``: there and back on the longest of the client's stretches; empty where there is no distance."""
    rtt_ms = max(
        (sum(link.rtt_ms for _, link in joins(topology, s.places)) for s in way.stretches if not s.trouble), default=0.0
    )
    return f"{rtt_ms:g} ms RTT" if rtt_ms and in_lab(way) else ""


def in_lab(way: Way) -> bool:
    """Whether the client is one of the lab's, so that the lab's distances are its own."""
    return way.client.vantage.kind is VantageKind.LAB


def joins(topology: Topology, places: Sequence[Place]) -> Iterator[tuple[int, RegionLink]]:
    """Where on a stretch the distance lies: the index of the place before it, and what lies there."""
    before: tuple[int, str, str] | None = None
    for index, place in enumerate(places):
        network = _network(topology, place)
        if network is None:
            continue
        name, region = network
        if before is not None and before[1] != name:
            yield before[0], topology.lab.link(before[2], region)
        before = (index, name, region)


def far_joins(topology: Topology, places: Sequence[Place]) -> dict[int, str]:
    """Of these, in words, those between Regions and those that are slow or lossy."""
    shown: dict[int, str] = {}
    for index, link in joins(topology, places):
        words = [f"{link.rtt_ms:g} ms RTT"] if link.rtt_ms else []
        if link.rate_bits_per_s is not None:
            words.append(f"{link.rate_bits_per_s / 1e6:g} Mbit/s")
        if link.loss:
            words.append(f"{link.loss:.3%} lost")
        if len(set(link.regions)) > 1 or link.rate_bits_per_s is not None or link.loss:
            shown[index] = ", ".join(words)
    return shown


def _network(topology: Topology, place: Place) -> tuple[str, str] | None:
    """The VPC or gateway a place is in, and its Region; None for what lies between networks."""
    match place.kind:
        case PlaceKind.CLIENT:
            vpc_id = topology.client(place.key).vpc_id
        case PlaceKind.ROUTES:
            vpc_id = place.key
        case PlaceKind.ENDPOINT:
            vpc_id = next(e.vpc_id for e in topology.vpc_endpoints if e.vpc_endpoint_id == place.key)
        case PlaceKind.BALANCER:
            vpc_id = topology.load_balancer(place.key).vpc_id
        case PlaceKind.BROKER:
            vpc_id = topology.cluster(place.key.rsplit("/", 1)[0]).vpc_id
        case PlaceKind.GATEWAY:
            gateways = topology.transit_gateways
            return place.key, next(g.region_name for g in gateways if g.transit_gateway_id == place.key)
        case PlaceKind.PEERING | PlaceKind.SERVICE:
            return None
        case _:
            assert_never(place.kind)
    return vpc_id, topology.vpc(vpc_id).region_name
