"""Ways in words: for the legend, and for whoever cannot see the picture."""

from __future__ import annotations

from brokerproof.topology.models import UNKNOWN, Topology
from brokerproof.topology.models.pattern_name import PatternName
from brokerproof.topology.picture.boxes import short
from brokerproof.topology.picture.distance import rtt_words
from brokerproof.topology.picture.label import ranges
from brokerproof.topology.picture.way import Place, PlaceKind, Way


def way_words(topology: Topology, way: Way) -> str:
    """``b in vpc-b through peering: pcx-cluster-b, brokers 1-3``."""
    client = way.client
    name = client.name if client.vpc_id == UNKNOWN else f"{client.name} in {client.vpc_id}"
    if client.pattern is None:
        targets = _merged(way.must_not)
        return f"{name} must not reach {targets}" if targets else f"{name} observes; nothing to keep from it"
    name = name if client.pattern is PatternName.UNKNOWN else f"{name} through {client.pattern}"
    if way.trouble:
        return f"{name}: {way.trouble}"
    groups: dict[tuple[PlaceKind, ...], list[tuple[Place, ...]]] = {}
    for stretch in way.stretches:
        groups.setdefault(tuple(p.kind for p in stretch.places), []).append(stretch.places)
    said = []
    for stretches in groups.values():
        steps = [tuple(dict.fromkeys(column)) for column in zip(*stretches, strict=True)]
        said.append(
            " → ".join(_merged(step) for step in steps if step[0].kind not in {PlaceKind.CLIENT, PlaceKind.ROUTES})
        )
    alone = " for bootstrap alone; nothing after it works" if way.bootstrap_alone else ""
    rtt = rtt_words(topology, way)
    distance = f"; {rtt} in the lab" if rtt else ""
    beside = f"; must not reach {_merged(way.must_not)}" if way.must_not else ""
    return f"{name}: {'; '.join(said)}{alone}{distance}{beside}"


def _merged(places: tuple[Place, ...]) -> str:
    brokers = [int(p.key.rsplit("/", 1)[1]) for p in places if p.kind is PlaceKind.BROKER]
    clients = [p.key for p in places if p.kind is PlaceKind.CLIENT]
    others = [short(p.key) for p in places if p.kind not in {PlaceKind.BROKER, PlaceKind.CLIENT}]
    parts = [_short(others)] if others else []
    if brokers:
        parts.append(f"broker{'' if len(brokers) == 1 else 's'} {ranges(brokers)}")
    if clients:
        parts.append(f"host{'' if len(clients) == 1 else 's'} {', '.join(clients)}")
    return " and ".join(parts)


def _short(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 2 else f"{names[0]} … {names[-1]}"  # noqa: PLR2004
