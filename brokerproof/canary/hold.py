"""A hold: alerts of some watched things are kept back while somebody works on them. Pure."""

from __future__ import annotations

from brokerproof.canary.watched import Watched
from brokerproof.probes.outcome.base import Value


class Hold(Value, frozen=True, kw_only=True):
    """Since when, until when, by whom and why. Empty ``client`` or ``broker`` is every one."""

    number: int = 0
    since: float
    until: float
    who: str
    why: str = ""
    client: str = ""
    broker: str = ""

    def covers(self, thing: Watched, now: float) -> bool:
        """Whether it keeps back alerts of this thing now."""
        here = self.client in {"", thing.client} and self.broker in {"", thing.broker}
        return here and self.since <= now < self.until


def is_held(holds: tuple[Hold, ...], thing: Watched, now: float) -> bool:
    """Whether any hold keeps back alerts of this thing now."""
    return any(hold.covers(thing, now) for hold in holds)
