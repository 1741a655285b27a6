"""What a round says of one watched thing, and what its state is after many rounds. Pure; the caller has the clock.

States are never mixed: that a path failed, that nobody looked, and that the prober broke are three things.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from itertools import pairwise
from typing import Final

from brokerproof.probes.outcome.base import Value

KEPT: Final = 32
"""Readings that a standing keeps; no rule may need more."""
MOST_MISSED: Final = 8
"""Missed rounds that are told one by one; more of them say the same."""


class Reading(StrEnum):
    """What one round says of one watched thing."""

    OK = "ok"
    FAILED = "failed"
    NOT_SEEN = "not_seen"
    """The round ran, and this was not looked at: it waits for something that failed before it."""
    DID_NOT_RUN = "did_not_run"
    BROKEN = "broken"
    """The prober failed; nothing is known about the path."""

    @property
    def is_of_the_path(self) -> bool:
        """Whether it says something of the path."""
        return self in {Reading.OK, Reading.FAILED}


class State(StrEnum):
    """What a watched thing is. Each is its own: none stands for another."""

    NOT_YET = "not_yet"
    """No round has said enough so far."""
    OK = "ok"
    FAILED = "failed"
    FLAPPING = "flapping"
    DID_NOT_RUN = "did_not_run"
    """Rounds that were due did not take place."""
    NOT_SEEN = "not_seen"
    """Rounds took place, and this was not looked at."""
    PROBER_BROKEN = "prober_broken"
    HELD = "held"
    """Somebody said that it is being worked on: no alert."""

    @property
    def alerts(self) -> bool:
        """Whether somebody is told."""
        return self not in {State.NOT_YET, State.OK, State.HELD}


class Rules(Value, frozen=True, kw_only=True):
    """When readings become a state. Rounds without a reading of the path are left out of ``of`` and ``among``.

    Raises:
        ValueError: a number is out of range, or needs more readings than are kept.
    """

    failures: int = 2
    of: int = 5
    """Failed: so many failures among so many readings, also with successes between."""
    clear: int = 3
    """Ok again: so many successes in a row."""
    changes: int = 4
    among: int = 10
    """Flapping: so many changes among so many readings."""
    unknown: int = 2
    """Did not run, not seen, prober broken: so many such rounds in a row."""

    def __post_init__(self) -> None:
        for field in self.__struct_fields__:
            if not 1 <= getattr(self, field) <= KEPT:
                raise ValueError(f"{field} {getattr(self, field)} is not in 1..{KEPT}")
        if self.failures > self.of:
            raise ValueError(f"failures {self.failures} is more than of {self.of}: it could never be reached")
        if self.changes >= self.among:
            raise ValueError(f"changes {self.changes} is not less than among {self.among}: it could never be reached")


class Standing(Value, frozen=True, kw_only=True):
    """What is known of one watched thing after the rounds so far. Times are Unix seconds; 0 is never."""

    state: State = State.NOT_YET
    since: float = 0.0
    recent: tuple[Reading, ...] = ()
    """The newest last."""
    last_run: float = 0.0
    """When the last round began that looked, whatever it saw."""
    last_ok: float = 0.0


_OF_UNKNOWN: Final = {
    Reading.DID_NOT_RUN: State.DID_NOT_RUN,
    Reading.NOT_SEEN: State.NOT_SEEN,
    Reading.BROKEN: State.PROBER_BROKEN,
}


def begun(at: float) -> Standing:
    """A thing that is watched from now on; also after a hold, which nothing that was before survives."""
    return Standing(since=at)


def step(standing: Standing, reading: Reading, at: float, rules: Rules) -> Standing:
    """The standing after one more round, which began at ``at``."""
    recent = (*standing.recent, reading)[-KEPT:]
    state = _state(standing.state, recent, rules)
    ran = reading is not Reading.DID_NOT_RUN
    return Standing(
        state=state,
        since=standing.since if state is standing.state else at,
        recent=recent,
        last_run=at if ran else standing.last_run,
        last_ok=at if reading is Reading.OK else standing.last_ok,
    )


def _state(before: State, recent: Sequence[Reading], rules: Rules) -> State:
    last = recent[-1]
    if not last.is_of_the_path:
        tail = recent[-rules.unknown :]
        unknown = len(tail) == rules.unknown and not any(each.is_of_the_path for each in tail)
        # One round without a word changes nothing.
        return _OF_UNKNOWN[last] if unknown else before
    seen = [each for each in recent if each.is_of_the_path]
    window = seen[-rules.among :]
    if sum(earlier is not later for earlier, later in pairwise(window)) >= rules.changes:
        return State.FLAPPING
    cleared = len(seen) >= rules.clear and all(each is Reading.OK for each in seen[-rules.clear :])
    if cleared:
        return State.OK
    if seen[-rules.of :].count(Reading.FAILED) >= rules.failures:
        return State.FAILED
    if before in {State.FAILED, State.FLAPPING}:
        return State.FAILED
    # Less than what pages, and nothing that has to be cleared. A failure alone makes nothing well.
    return State.OK if last is Reading.OK or before is State.OK else State.NOT_YET


def missed(last_start: float, now: float, every_s: float) -> int:
    """Rounds that were due between the last one and now, and did not begin; a round is due ``every_s``."""
    if last_start <= 0 or now <= last_start:
        return 0
    # Half a slot of grace: a start has jitter, and waits its turn.
    return max(0, int((now - last_start) / every_s - 0.5))


def is_overdue(standing: Standing, now: float, every_s: float) -> bool:
    """Whether two rounds are missing by now, whoever should have run them."""
    return now - max(standing.last_run, standing.since if standing.state is State.NOT_YET else 0.0) > 2 * every_s


def shown(standing: Standing, now: float, *, every_s: float, held: bool) -> State:
    """The state as it is told at ``now``: a hold hides the rest, and silence is not what was before it."""
    if held:
        return State.HELD
    return State.DID_NOT_RUN if is_overdue(standing, now, every_s) else standing.state
