"""What clients observed, as snapshots that can be compared, and how one fault changes them. Pure.

Two snapshots of one state differ a little: a certificate was made anew, a broker that stands still has been fenced, a
throttled resolver left out another question. What changes by itself is no sign of a fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Place = tuple[str, ...]
"""A client, a stage and a target."""
Snapshot = Mapping[Place, frozenset[tuple[str, ...]]]
"""What was observed at each place, without times, nonces and ephemeral ports."""


def told_apart(one: Sequence[Snapshot], other: Sequence[Snapshot]) -> frozenset[Place]:
    """Where all snapshots at one state are alike, and all at the other, and the two are not.

    Raises:
        ValueError: there is no snapshot at one of the two.
    """
    if not one or not other:
        raise ValueError("states are told apart by snapshots at both")
    places = {place for snapshot in (*one, *other) for place in snapshot}
    return frozenset(place for place in places if _is_other(_seen_at(place, one), _seen_at(place, other)))


def seen_only_in(one: Sequence[Snapshot], other: Sequence[Snapshot]) -> frozenset[Place]:
    """Where something was seen in the first at some time that was never seen in the other."""
    places = {place for snapshot in one for place in snapshot}
    return frozenset(place for place in places if _ever_seen_at(place, one) - _ever_seen_at(place, other))


def _ever_seen_at(place: Place, snapshots: Sequence[Snapshot]) -> frozenset[tuple[str, ...]]:
    return frozenset(seen for snapshot in snapshots for seen in snapshot.get(place, ()))


def _seen_at(place: Place, snapshots: Sequence[Snapshot]) -> set[frozenset[tuple[str, ...]]]:
    return {snapshot.get(place, frozenset()) for snapshot in snapshots}


def _is_other(one: set[frozenset[tuple[str, ...]]], other: set[frozenset[tuple[str, ...]]]) -> bool:
    return len(one) == len(other) == 1 and one != other
