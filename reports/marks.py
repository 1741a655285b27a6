"""Where findings sit on the picture of a topology: boxes that are marked, and lines behind which no way goes on. Pure.

Every cause's entry states the kind of piece it sits at; here those of the clients and brokers that a finding is about
are looked up among what was drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import unquote

import msgspec

from brokerproof.causes.catalogue import CATALOGUE, Layer
from brokerproof.causes.pieces import Piece
from brokerproof.diagnosis.finding import Finding
from brokerproof.topology.picture import DrawnLine, DrawnStretch, DrawnWay, PlaceKind
from brokerproof.wording import listed


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A box or frame that findings name, by their numbers."""

    box: str
    numbers: tuple[int, ...]
    sure: bool
    """Whether one of them names it as the one cause."""


class MarkedLine(msgspec.Struct, frozen=True, kw_only=True):
    """A client's line that is beyond where its way ends, or on which the cause is somewhere."""

    line: DrawnLine
    ink: str
    sure: bool


class Marks(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of one picture that findings name."""

    boxes: tuple[Mark, ...] = ()
    beyond: tuple[MarkedLine, ...] = ()
    """Lines of a client whose way ends before."""
    along: tuple[MarkedLine, ...] = ()
    """Lines of a client where the cause is anywhere on its way."""

    def __bool__(self) -> bool:
        return bool(self.boxes or self.along)

    @property
    def words(self) -> tuple[str, ...]:
        """What is marked, a sentence a finding: the picture for whoever does not see it."""
        numbers = sorted({number for mark in self.boxes for number in mark.numbers})
        at = {number: [_called(mark.box) for mark in self.boxes if number in mark.numbers] for number in numbers}
        return tuple(f"Finding {number} is marked at {listed(at[number])}" for number in numbers)


_PLACES: Final = {
    Piece.PEERING: PlaceKind.PEERING,
    Piece.GATEWAY: PlaceKind.GATEWAY,
    Piece.ENDPOINT: PlaceKind.ENDPOINT,
    Piece.SERVICE: PlaceKind.SERVICE,
    Piece.BALANCER: PlaceKind.BALANCER,
    Piece.LISTENER: PlaceKind.BALANCER,
    Piece.TARGET: PlaceKind.BALANCER,
    Piece.BROKER: PlaceKind.BROKER,
    Piece.CLIENT: PlaceKind.CLIENT,
}
"""Pieces that are a place on a way; the others are beside it, or everywhere."""
_PASSED: Final = frozenset({Layer.ISOLATION, Layer.PERFORMANCE})
"""What findings of these layers are about is passed: nobody's way ends there."""


class _Found:
    """What is gathered while findings are looked up one after another."""

    def __init__(self) -> None:
        self.numbers: dict[str, set[int]] = {}
        self.sure: set[str] = set()
        self.along: dict[tuple[DrawnLine, str], bool] = {}
        self.ends: dict[tuple[str, DrawnStretch], tuple[int, bool]] = {}

    def mark(self, box: str, number: int, *, sure: bool) -> None:
        self.numbers.setdefault(box, set()).add(number)
        if sure:
            self.sure.add(box)

    def end(self, way: DrawnWay, stretch: DrawnStretch, index: int, *, sure: bool) -> None:
        key = (way.client, stretch)
        before = self.ends.get(key, (len(stretch.pieces), False))
        self.ends[key] = min(before, (index, sure), key=lambda end: end[0])


def marks_of(ways: Sequence[DrawnWay], findings: Sequence[tuple[int, Finding]]) -> Marks:
    """The marks of numbered findings on the picture these ways are drawn in."""
    found = _Found()
    for number, finding in findings:
        for way in ways:
            if way.client in finding.clients:
                _look(found, way, number, finding)
    return Marks(
        boxes=tuple(
            Mark(box=box, numbers=tuple(sorted(numbers)), sure=box in found.sure)
            for box, numbers in sorted(found.numbers.items())
        ),
        beyond=tuple(_beyond(ways, found)),
        along=tuple(MarkedLine(line=line, ink=ink, sure=sure) for (line, ink), sure in found.along.items()),
    )


def _look(found: _Found, way: DrawnWay, number: int, finding: Finding) -> None:
    entries = [CATALOGUE[code] for code in finding.codes]
    about = [s for s in way.stretches if not finding.broker_ids or s.broker_id in {None, *finding.broker_ids}]
    ends = not any(entry.layer in _PASSED for entry in entries)
    for stretch in about:
        indexes = []
        for entry in entries:
            if entry.sits is Piece.WAY:
                for line in filter(None, stretch.lines):
                    key = (line, way.ink)
                    found.along[key] = found.along.get(key, False) or finding.sure
            for index, box in _places(entry.sits, way, stretch):
                found.mark(box, number, sure=finding.sure)
                indexes.append(index)
        if indexes and ends:
            found.end(way, stretch, min(indexes), sure=finding.sure)


def _places(piece: Piece, way: DrawnWay, stretch: DrawnStretch) -> Iterator[tuple[int, str]]:
    """The boxes of a piece on or beside one way, each with the place on the way from which on nothing goes."""
    last = len(stretch.pieces) - 1
    routes = [(i, each.box) for i, each in enumerate(stretch.pieces) if each.kind is PlaceKind.ROUTES]
    match piece:
        case Piece.WAY | Piece.ACCOUNT:
            return
        case Piece.RESOLVER:
            yield 0, way.vpc
        case Piece.ZONE:
            yield from ((0, box) for box in way.zones)
        case Piece.CLUSTER:
            yield last, way.cluster
        case Piece.CLIENT_ROUTES:
            yield routes[0] if routes else (0, way.routes)
        case Piece.CLUSTER_ROUTES:
            yield routes[-1] if routes else (last, way.far_routes)
        case Piece.SUBNETS:
            yield 0, way.routes
            yield last, way.far_routes
        case _:
            kind = _PLACES[piece]
            yield from ((i, each.box) for i, each in enumerate(stretch.pieces) if each.kind is kind)


def _beyond(ways: Sequence[DrawnWay], found: _Found) -> Iterator[MarkedLine]:
    """Lines that no stretch of the client reaches any more; one that another broker's still uses stays as it is."""
    for way in ways:
        reached: dict[DrawnLine, bool] = {}
        sure: dict[DrawnLine, bool] = {}
        for stretch in way.stretches:
            end, is_sure = found.ends.get((way.client, stretch), (len(stretch.pieces), False))
            for index, line in enumerate(stretch.lines):
                if line is not None:
                    reached[line] = reached.get(line, False) or index < end
                    sure[line] = sure.get(line, False) or is_sure
        beyond = [line for line, is_reached in reached.items() if not is_reached]
        yield from (MarkedLine(line=line, ink=way.ink, sure=sure[line]) for line in beyond)


_KINDS: Final = {
    "routes": "the route tables of ",
    "kafka": "cluster ",
    "broker": "broker ",
    "zone": "private zone ",
    "client": "host ",
}
"""What is written before the name of a box; ids of other resources say it themselves."""


def _called(box: str) -> str:
    """A box or frame by what it shows."""
    kind, _, name = box.removeprefix("cluster/").partition("/")
    named = unquote(name)
    return f"{_KINDS.get(kind, '')}{named.rpartition('/')[2] if kind == 'broker' else named}"
