"""What vantages have in common that run plans one after another, of any thread, until they are closed."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

import msgspec

from brokerproof.probes.plan import Plan
from brokerproof.vantages.protocol import OnOutcome, VantageRun


class OneAtATime(ABC):
    """Its name, its turns, and its end; how a plan is run is the vantage's own."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._closed = False
        self._one_at_a_time = threading.Lock()

    @property
    def name(self) -> str:
        """What reports call this vantage."""
        return self._name

    def run(self, plan: Plan, on_outcome: OnOutcome | None = None) -> VantageRun:
        """Run one plan to its end, which is bounded.

        Raises:
            RuntimeError: the vantage is closed.
        """
        with self._one_at_a_time:
            if self._closed:
                raise RuntimeError(f"vantage {self._name} is closed")
            run = self._run(plan, on_outcome)
        if not run.error:
            return run
        return msgspec.structs.replace(run, error=f"vantage {self._name}: {run.error}")

    def close(self) -> None:
        """Take no further plan, and end what is kept running."""
        with self._one_at_a_time:
            self._closed = True
            self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @abstractmethod
    def _run(self, plan: Plan, on_outcome: OnOutcome | None) -> VantageRun:
        """Run one plan; an error is about the far side, without the vantage's name."""

    def _end(self) -> None:  # noqa: B027  nothing is kept by most
        """End what is kept running."""
