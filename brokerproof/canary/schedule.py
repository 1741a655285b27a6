"""When each client's next round is due: slots with jitter, never two at once, never two of one client. Pure."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from brokerproof.probes.outcome.base import Value

JITTER: Final = 0.1
"""Of an interval: how far a round may lie from the middle of its slot, so that canaries do not march in step."""
DEEP_EVERY_S: Final = 900.0


class Schedule(Value, frozen=True, kw_only=True):
    """Slots of one client. ``share`` of an interval is where they lie, so that clients do not begin together."""

    every_s: float
    share: float = 0.0
    seed: str = ""
    deep_every_s: float = DEEP_EVERY_S

    def __post_init__(self) -> None:
        if self.every_s <= 0:
            raise ValueError(f"every_s {self.every_s} is not positive")
        if not 0 <= self.share < 1:
            raise ValueError(f"share {self.share} is not in 0..1")

    def due(self, slot: int) -> float:
        """When the round of a slot is due, in Unix seconds."""
        drawn = int.from_bytes(sha256(f"{self.seed} {slot}".encode()).digest()[:4], "big") / 2**32
        return (slot + self.share + (drawn - 0.5) * 2 * JITTER) * self.every_s

    def next_slot(self, now: float) -> int:
        """The first slot that is due after ``now``: what is past is missed, and not made up for."""
        slot = int(now / self.every_s) - 2
        while self.due(slot) <= now:
            slot += 1
        return slot

    def is_deep(self, last_deep: float, now: float) -> bool:
        """Whether the round at ``now`` looks at everything; also where the last one is of a clock that was set back."""
        return last_deep > now or now - last_deep >= self.deep_every_s - self.every_s / 2


def shares(clients: int) -> tuple[float, ...]:
    """Where the slots of each of so many clients lie: one after another over the interval."""
    return tuple(place / max(1, clients) for place in range(clients))


class Budget(Value, frozen=True, kw_only=True):
    """What all clients of one cluster together may ask of one broker."""

    connections_per_s: float = 20.0
    authentications_per_s: float = 2.0
    """MSK takes 100 new IAM connections a second of everybody, its smallest brokers 4 (quotas)."""

    def takes_s(self, connections: int, authentications: int) -> float:
        """How long a round has the budget to itself that makes so many at one broker."""
        return max(connections / self.connections_per_s, authentications / self.authentications_per_s)
