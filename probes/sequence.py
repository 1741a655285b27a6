"""One address on its way through the stages: each needs the one before it, and names what it waited for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from brokerproof.probes.ledger import Ledger
from brokerproof.probes.observation import Observation
from brokerproof.probes.outcome import Outcome, Reason, Stage, Target, WaitedFor
from brokerproof.probes.plan import Plan

T = TypeVar("T")


class StageSequence:
    """One address on its way through the stages."""

    def __init__(self, plan: Plan, ledger: Ledger, target: Target) -> None:
        self._plan = plan
        self._ledger = ledger
        self._target = target
        self._blocked: tuple[Reason, WaitedFor] | None = None
        self._left_out: Stage | None = None
        self.role = target.role
        self.root: Outcome | None = None

    def block(self, reason: Reason, stage: Stage, target: Target) -> None:
        """Let everything that follows wait for ``stage`` of ``target``."""
        self._blocked = self._blocked or (reason, WaitedFor(stage=stage, target=target))

    @property
    def goes_on(self) -> bool:
        """Whether the next stage is to be run."""
        return self._blocked is None

    def leave_out(self, stage: Stage, seen: Observation) -> None:
        """Record why a stage is not run at all; everything that follows waits for it."""
        if stage in self._plan.stages:
            self.root = self._ledger.settle(stage, self._target, seen)
            self._left_out = stage
            self.block(Reason.WAITS_FOR, stage, self._target)

    async def step(self, stage: Stage, work: Callable[[], Awaitable[tuple[Observation, T | None]]]) -> T | None:
        """Run a stage, or record why not; its value where it is ok."""
        if stage not in self._plan.stages:
            self.block(Reason.NOT_PLANNED, stage, self._target)
            return None
        if stage is self._left_out:
            return None
        if self._blocked is not None:
            self._ledger.skip(stage, self._target, *self._blocked)
            return None
        outcome, value = await self._ledger.measure(stage, self._target, work())
        if outcome.reason is None:
            return value
        self.root = outcome
        self.block(Reason.WAITS_FOR, stage, self._target)
        return None
