"""The shape of what does not connect: which clients, which brokers, which addresses. Pure.

A cause shows as a shape. One client that reaches nothing, one broker that nobody reaches, one zone:
the rules of this room's neighbours name causes by shapes, and never by one address alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from brokerproof.diagnosis.rules.case import Access, Case, Cell, Red, kind
from brokerproof.probes.outcome import Reason
from brokerproof.topology.expectation.view import ClientView

REFUSALS = frozenset({Reason.REFUSED, Reason.RESET})
SILENCE = frozenset({Reason.TIMED_OUT})


@dataclass(frozen=True, slots=True)
class Met:
    """How one client met one broker (None: the bootstrap listener): its cells that were tried."""

    view: ClientView
    broker_id: int | None
    cells: tuple[Cell, ...]
    left: frozenset[str]
    """Keys of the reds that no earlier rule has explained."""

    @property
    def open(self) -> tuple[Red, ...]:
        """The reds of it that are left to explain."""
        return tuple(cell.red for cell in self.cells if not cell.passed and cell.red.key in self.left)

    @property
    def failed(self) -> tuple[Cell, ...]:
        """Those that did not connect."""
        return tuple(cell for cell in self.cells if not cell.passed)

    @property
    def whole(self) -> bool:
        """Whether every address failed."""
        return bool(self.cells) and len(self.failed) == len(self.cells)

    @property
    def partial(self) -> bool:
        """Whether some failed and some did not."""
        return bool(self.failed) and not self.whole

    @property
    def silent(self) -> bool:
        """Whether what failed timed out."""
        return bool(self.failed) and all(cell.reason in SILENCE for cell in self.failed)

    @property
    def refused(self) -> bool:
        """Whether what failed was refused or reset."""
        return bool(self.failed) and all(cell.reason in REFUSALS for cell in self.failed)

    @property
    def zone_id(self) -> str:
        """The zone of the broker itself."""
        return next((b.zone_id for b in self.view.brokers if b.broker_id == self.broker_id), "")


def is_ipv6(view: ClientView) -> bool:
    """Whether the client comes by IPv6: what is open to one family is not open to the other."""
    return any(":" in a.address for b in view.brokers for a in b.addresses if a.must_connect)


class Shape:
    """Everything that was tried to connect, and what of it is left to explain."""

    def __init__(self, case: Case, left: Sequence[Red]) -> None:
        self.case = case
        self._left = frozenset(red.key for red in left)
        self.met: tuple[Met, ...] = tuple(self._met(case.cells))

    def _met(self, cells: Sequence[Cell]) -> Iterator[Met]:
        groups: dict[tuple[str, int | None], list[Cell]] = {}
        for cell in cells:
            groups.setdefault((cell.view.client, cell.check.broker_id), []).append(cell)
        for (_, broker_id), found in sorted(groups.items(), key=lambda g: (g[0][0], g[0][1] or 0)):
            yield Met(found[0].view, broker_id, tuple(found), self._left)

    def of(self, view: ClientView) -> list[Met]:
        """What one client met."""
        return [met for met in self.met if met.view is view]

    def wide(self, view: ClientView) -> bool:
        """Whether everything the client tried was silent."""
        mine = self.of(view)
        return any(met.open for met in mine) and all(met.whole and met.silent for met in mine)

    def connects(self, view: ClientView) -> bool:
        """Whether anything connected, or was refused: packets go both ways then."""
        return any(cell.passed or cell.reason in REFUSALS for met in self.of(view) for cell in met.cells)

    def tried(self, *kinds: Access) -> list[ClientView]:
        """The clients of these kinds that tried anything."""
        tried = {met.view.client for met in self.met}
        return [view for view in self.case.views if view.client in tried and kind(view) in kinds]

    def reds(self, views: Sequence[ClientView]) -> tuple[Red, ...]:
        """The reds of these clients that are left."""
        chosen = {view.client for view in views}
        return tuple(red for met in self.met if met.view.client in chosen for red in met.open)
