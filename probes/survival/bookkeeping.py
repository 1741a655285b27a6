"""What survivors count: acknowledgements and their gaps, records received, stalls of this process. No I/O."""

from __future__ import annotations

import statistics
import threading
from collections import Counter, deque
from collections.abc import Sequence
from typing import Final

from brokerproof.probes.survival.values import NOTED_MS, Gap, LeaderSurvival
from brokerproof.probes.wire.tcp_info import SentAgain

MOST_GAPS: Final = 2000
_PACES: Final = 4000


class Stalls:
    """When this process itself did not get to run; noted by a thread that does nothing else."""

    def __init__(self) -> None:
        self._noted: deque[tuple[float, float]] = deque(maxlen=20_000)
        self._alone = threading.Lock()

    def note(self, ended: float, late_ms: float) -> None:
        """It came ``late_ms`` late at ``ended``."""
        with self._alone:
            self._noted.append((ended, late_ms))

    def longest_ms(self, began: float, ended: float) -> float:
        """The longest that reaches into this time."""
        with self._alone:
            noted = tuple(self._noted)
        return max((late for end, late in noted if end >= began and end - late / 1000 <= ended), default=0.0)

    def within_ms(self, began: float, ended: float) -> float:
        """All that falls into this time."""
        with self._alone:
            noted = tuple(self._noted)
        return sum(max(0.0, min(end, ended) - max(end - late / 1000, began)) * 1000 for end, late in noted)


class Resent:
    """Segments that were sent again, by broker: a running count whose past is known."""

    def __init__(self) -> None:
        self._noted: dict[int, deque[tuple[float, SentAgain]]] = {}
        self._alone = threading.Lock()

    def note(self, at: float, broker_id: int, more: SentAgain) -> None:
        """So many more were sent again since the last look."""
        if any(more):
            with self._alone:
                self._noted.setdefault(broker_id, deque(maxlen=20_000)).append((at, more))

    def between(self, broker_id: int, began: float, ended: float) -> SentAgain:
        """How many were noted in this time."""
        with self._alone:
            noted = tuple(self._noted.get(broker_id, ()))
        mine = [more for at, more in noted if began <= at <= ended]
        return SentAgain(sum(more.segments for more in mine), sum(more.unneeded for more in mine))


class Acknowledged:
    """The acknowledgements of one leader, as they come."""

    def __init__(self, broker_id: int, every_ms: int) -> None:
        self.broker_id = broker_id
        self.sequences: set[int] = set()
        self.errors: Counter[str] = Counter()
        self.asked = 0
        """Records that it was to acknowledge, where they are counted."""
        self.last = 0.0
        self._lasts = False
        self._start = -1
        self._least_ms = max(NOTED_MS, 4 * every_ms)
        self._paces: deque[float] = deque(maxlen=_PACES)
        self._gaps: list[tuple[float, float]] = []

    def take(self, sequence: int, at: float) -> None:
        """Record ``sequence`` was acknowledged."""
        if self.last:
            lasted_ms = (at - self.last) * 1000
            self._paces.append(lasted_ms)
            if lasted_ms >= self._least_ms and len(self._gaps) < MOST_GAPS:
                self._gaps.append((self.last, lasted_ms))
        self.last = at
        self.sequences.add(sequence)

    def settle(self) -> None:
        """What was so far was the start: a consumer that begins at the end of a topic may not have seen it."""
        self._start = max(self.sequences, default=-1)

    @property
    def since_start(self) -> set[int]:
        """The records that must come."""
        return {sequence for sequence in tuple(self.sequences) if sequence > self._start}

    @property
    def owes(self) -> bool:
        """Whether there are records of which nothing is known."""
        return self.asked > len(self.sequences) + sum(self.errors.values())

    def end(self, at: float, *, lasts: bool) -> None:
        """Silence up to here is a gap as well; ``lasts`` where an acknowledgement is still owed then."""
        if self.last and (at - self.last) * 1000 >= self._least_ms:
            self._gaps.append((self.last, (at - self.last) * 1000))
            self._lasts = lasts

    def survival(self, stalls: Stalls, resent: Resent, *, look_back_s: float) -> LeaderSurvival:
        """What to say of it; ``look_back_s`` is how late a repeated segment may be noted."""
        return LeaderSurvival(
            broker_id=self.broker_id,
            acknowledged=len(self.sequences),
            failed=sum(self.errors.values()),
            usual_ms=round(statistics.median(self._paces), 3) if self._paces else 0.0,
            gaps=tuple(self._gap(*each, stalls, resent, look_back_s) for each in enumerate(self._gaps, 1)),
            errors=dict(self.errors),
        )

    def _gap(self, number: int, gap: tuple[float, float], stalls: Stalls, resent: Resent, look_back_s: float) -> Gap:
        began, lasted_ms = gap
        ended = began + lasted_ms / 1000
        again = resent.between(self.broker_id, began, ended + look_back_s)
        return Gap(
            broker_id=self.broker_id,
            began=began,
            lasted_ms=round(lasted_ms, 1),
            retransmitted=again.segments,
            unneeded=again.unneeded,
            host_late_ms=round(stalls.within_ms(began, ended), 1),
            lasts=self._lasts and number == len(self._gaps),
        )


class Received:
    """The records that came back, of one partition."""

    def __init__(self) -> None:
        self.sequences: set[int] = set()
        self.duplicated = 0
        self.out_of_order = 0
        self._highest = -1

    def take(self, sequence: int) -> None:
        """Record ``sequence`` came."""
        if sequence in self.sequences:
            self.duplicated += 1
            return
        self.sequences.add(sequence)
        self.out_of_order += sequence < self._highest
        self._highest = max(self._highest, sequence)


def lost(acknowledged: Sequence[Acknowledged], received: dict[int, Received]) -> int:
    """Records that were acknowledged since the start was over, and did not come."""
    nothing = Received()
    return sum(len(each.since_start - received.get(each.broker_id, nothing).sequences) for each in acknowledged)
