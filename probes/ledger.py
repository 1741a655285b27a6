"""The outcomes of one run: each planned target and stage once an attempt, in the order they happen.

The ledger numbers outcomes, times them and hands them on, their texts made printable and bounded. It measures nothing.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TypeVar

from brokerproof.probes.observation import Observation, crashed
from brokerproof.probes.outcome import Outcome, Reason, SampleBlock, Stage, Status, Target, WaitedFor
from brokerproof.probes.outcome.foreign_text import ours, printable

T = TypeVar("T")


class Ledger:
    """Makes outcomes of what stages saw and hands each to ``emit`` once.

    ``zero_ns`` is the monotonic clock at the beginning of the run.
    """

    def __init__(self, emit: Callable[[Outcome | SampleBlock], None], *, first: Ledger | None = None) -> None:
        """``first`` is the ledger of the first look, whose clock a second look goes on with."""
        self._look = 1 if first is None else 2
        self.zero_ns: int = time.monotonic_ns() if first is None else first.zero_ns
        self.sample_blocks = 0
        self._emit = emit
        self._outcomes: dict[tuple[Stage, Target, int], Outcome] = {}
        self._sealed = False

    def __len__(self) -> int:
        return len(self._outcomes)

    def get(self, stage: Stage, target: Target) -> Outcome | None:
        """The outcome of a stage on a target, of the first attempt, once there is one."""
        return self._outcomes.get((stage, target, 1))

    def again(self) -> Ledger:
        """A ledger of the same run, for the second look."""
        return Ledger(self._emit, first=self)

    def __iter__(self) -> Iterator[Outcome]:
        return iter(tuple(self._outcomes.values()))

    def seal(self) -> None:
        """Take no more outcomes: what a thread still reports comes too late."""
        self._sealed = True

    def samples(self, blocks: Iterable[SampleBlock]) -> None:
        """Hand raw samples on; none once sealed."""
        for block in blocks if not self._sealed else ():
            self.sample_blocks += 1
            self._emit(block)

    def record(
        self,
        stage: Stage,
        target: Target,
        seen: Observation,
        *,
        started_ns: int,
        ended_ns: int,
        waited_for: WaitedFor | None = None,
        attempt: int = 1,
    ) -> Outcome:
        """Make the outcome and emit it; a second one for the same stage, target and attempt is dropped.

        Args:
            stage: The stage.
            target: What it is about.
            seen: What the stage saw.
            started_ns: Monotonic clock, as read.
            ended_ns: Monotonic clock, as read.
            waited_for: For a skipped outcome: the outcome it depends on.
            attempt: Which of several at the same, from 1.
        """
        key = (stage, target, attempt)
        known = self._outcomes.get(key)
        if known is not None:
            return known
        outcome = Outcome(
            stage=stage,
            target=target,
            status=seen.status,
            reason=seen.reason,
            detail=printable(seen.detail),
            facts=ours(seen.facts),
            started_ns=max(0, started_ns - self.zero_ns),
            duration_ns=max(0, ended_ns - started_ns),
            waited_for=waited_for,
            attempt=attempt,
            look=self._look,
        )
        if not self._sealed:
            self._outcomes[key] = outcome
            self._emit(outcome)
        return outcome

    async def measure(
        self, stage: Stage, target: Target, work: Awaitable[tuple[Observation, T | None]], *, attempt: int = 1
    ) -> tuple[Outcome, T | None]:
        """Run a stage and record it; an exception in it is the probe's own error."""
        started_ns = time.monotonic_ns()
        value: T | None = None
        try:
            seen, value = await work
        except Exception as defect:  # noqa: BLE001  any defect must become an outcome
            seen = crashed(defect)
        ended_ns = seen.ended_ns or time.monotonic_ns()
        outcome = self.record(stage, target, seen, started_ns=started_ns, ended_ns=ended_ns, attempt=attempt)
        return outcome, value

    def settle(self, stage: Stage, target: Target, seen: Observation, waited_for: WaitedFor | None = None) -> Outcome:
        """Record what needed no time: a skip, or what was not reached."""
        now_ns = time.monotonic_ns()
        return self.record(stage, target, seen, started_ns=now_ns, ended_ns=now_ns, waited_for=waited_for)

    def settle_missing(self, expected: Iterable[tuple[Stage, Target]], seen: Observation) -> None:
        """Settle what is expected and has no outcome."""
        for stage, target in expected:
            if self.get(stage, target) is None:
                self.settle(stage, target, seen)

    def skip(self, stage: Stage, target: Target, reason: Reason, waited_for: WaitedFor) -> Outcome:
        """Record that a stage was not tried, and what it waited for."""
        words = {
            Reason.WAITS_FOR: f"{waited_for.stage} of {describe(waited_for.target)} is not ok",
            Reason.NOT_PLANNED: f"needs {waited_for.stage}, which the plan leaves out",
        }[reason]
        return self.settle(stage, target, Observation(Status.SKIPPED, reason, words), waited_for)


def describe(target: Target) -> str:
    """A target in words, for people."""
    endpoint = f"{target.name}:{target.port}" if target.port else target.name
    place = f"{endpoint} ({target.address})" if target.name and target.address else endpoint or target.address
    return place or str(target.role)
