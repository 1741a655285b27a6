"""How busy the probe's own host was while something was timed: a figure may owe to the host and not to the path.

The source is ``/proc/stat`` (proc(5)); where there is none, nothing is reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from brokerproof.probes.outcome import HostLoad

_IDLE: Final = (3, 4)
"""Columns of the ``cpu`` line: idle and iowait."""
_STEAL: Final = 7
_COLUMNS: Final = 8
"""user, nice, system, idle, iowait, irq, softirq, steal; guest times are in user and nice already."""


class HostTicks(msgspec.Struct, frozen=True):
    """Processor time of all cores since the host started, in ticks."""

    total: int
    idle: int
    steal: int

    @classmethod
    def read(cls, stat: Path = Path("/proc/stat")) -> HostTicks | None:
        """As it is now; None where the host does not say."""
        try:
            words = stat.read_text(encoding="ascii").partition("\n")[0].split()
            ticks = [int(word) for word in words[1 : 1 + _COLUMNS]]
        except (OSError, ValueError):
            return None
        if not words or words[0] != "cpu" or len(ticks) < _COLUMNS:
            return None
        return cls(total=sum(ticks), idle=sum(ticks[index] for index in _IDLE), steal=ticks[_STEAL])

    def until(self, later: HostTicks, late_ns: Sequence[int]) -> HostLoad:
        """What happened between; ``late_ns`` is by how much each sample began after it was due."""
        total = max(1, later.total - self.total)
        return HostLoad(
            busy_share=min(1.0, max(0.0, 1 - (later.idle - self.idle) / total)),
            steal_share=min(1.0, max(0.0, (later.steal - self.steal) / total)),
            late_max_ns=max(late_ns, default=0),
            late_mean_ns=sum(late_ns) // len(late_ns) if late_ns else 0,
        )
