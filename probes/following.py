"""How much of what a cluster and its names say one look follows: within the bounds of the one table.

A cluster that lists new brokers in each answer, or names with ever more addresses, would keep the probe busy beyond any
deadline. What goes beyond a bound fails the stage that said it, and nothing of that answer is followed.
"""

from __future__ import annotations

from brokerproof.probes.observation import Observation, failed
from brokerproof.probes.outcome import MetadataFacts, Reason
from brokerproof.probes.outcome.bounds import ADDRESSES, BROKERS
from brokerproof.probes.outcome.names import canonical


class Following:
    """What one look follows so far."""

    def __init__(self) -> None:
        self._brokers: set[tuple[str, int, int]] = set()
        self._addresses = 0

    def take_brokers(self, seen: Observation, found: MetadataFacts | None) -> tuple[Observation, MetadataFacts | None]:
        """The same, where these brokers may be followed as well."""
        if found is None:
            return seen, None
        together = self._brokers | {(canonical(each.name), each.port, each.broker_id) for each in found.brokers}
        if len(together) > BROKERS:
            words = f"with it {len(together)} brokers are advertised in all; {BROKERS} are followed at most"
            return failed(Reason.TOO_MUCH, words, found), None
        self._brokers = together
        return seen, found

    def take_addresses(self, seen: Observation, found: tuple[str, ...]) -> tuple[Observation, tuple[str, ...]]:
        """The same, where these addresses may be connected to as well."""
        if self._addresses + len(found) > ADDRESSES:
            words = f"with it {self._addresses + len(found)} addresses in all; {ADDRESSES} are connected to at most"
            return failed(Reason.TOO_MUCH, words, seen.facts), ()
        self._addresses += len(found)
        return seen, found
