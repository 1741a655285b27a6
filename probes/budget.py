"""What a run spends on somebody's cluster: authentications, at a pace that its brokers bear, counted.

MSK admits 100 new IAM connections a broker and second of all clients together, 4 on small brokers (quotas); a probe
that takes them would be the fault that it finds.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Hashable


class Budget:
    """The authentications of a run. Every method may be called from any thread.

    Args:
        most_per_s: Authentications a broker and second.
    """

    def __init__(self, most_per_s: float) -> None:
        self._apart_s = 1 / most_per_s
        self._free_at: dict[Hashable, float] = {}
        self._one_at_a_time = threading.Lock()
        self.authentications = 0

    def reserve(self, *brokers: Hashable) -> float:
        """Count one authentication at each of these, a broker as often as it is named.

        Returns:
            How many seconds from now they are within the pace.
        """
        with self._one_at_a_time:
            now = time.monotonic()
            begins = max((self._free_at.get(broker, now) for broker in brokers), default=now)
            for broker in brokers:
                self._free_at[broker] = max(self._free_at.get(broker, now), begins) + self._apart_s
            self.authentications += len(brokers)
            return max(0.0, begins - now)

    async def take(self, *brokers: Hashable) -> None:
        """The same, and wait for it."""
        await asyncio.sleep(self.reserve(*brokers))
