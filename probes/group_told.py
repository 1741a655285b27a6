"""What a coordinator tells of a group, as values: they go to the client process, which asks no coordinator itself."""

from __future__ import annotations

from typing import NamedTuple

from brokerproof.probes.outcome import OffsetsPartition


class SeenFrom(NamedTuple):
    """Where a coordinator sees a group's members, or why that is not known."""

    addresses: str = ""
    unknown: str = ""
    coordinator_id: int | None = None
    """Who was asked; None where nobody was."""


class GroupTold(NamedTuple):
    """What is known of a group that failed, beyond what its member saw."""

    state: str = ""
    unknown: str = ""
    """Why its coordinator says no state."""
    offsets: OffsetsPartition | None = None
