"""What every vantage is: a place in a client VPC that takes a plan and hands back its outcomes.

This module has the protocol and the value that one run ends as. The module of each vantage knows how
a plan travels; ``diagnosis`` knows what the outcomes mean.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

import msgspec

from brokerproof.probes.outcome import Closing, Outcome, SampleBlock, Started
from brokerproof.probes.plan import Plan

OnOutcome = Callable[[Outcome], None]
"""Called with each outcome as it arrives, in the thread that called ``run``."""


class VantageRun(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One plan, run once from one vantage.

    Every outcome that arrived is kept, also when the run ended badly. ``error`` is about the
    vantage (unreachable, died, hung, printed something else), never about the path: with an
    error, what is missing from ``outcomes`` is unknown, not failed.
    """

    started: Started | None = None
    outcomes: tuple[Outcome, ...] = ()
    samples: tuple[SampleBlock, ...] = ()
    closing: Closing | None = None
    error: str = ""
    """One sentence; empty when the run is whole: first line, outcomes, and a closing line that counts them."""
    said: str = ""
    """The last few KB of stderr and of anything on stdout that is not the probe's, printable."""


class Vantage(Protocol):
    """A place that plans are run from."""

    @property
    def name(self) -> str:
        """What reports call this vantage; usually the client's name."""
        ...

    def run(self, plan: Plan, on_outcome: OnOutcome | None = None) -> VantageRun:
        """Run one plan to its end.

        Never raises for anything the far side does: that is ``VantageRun.error``. An exception
        of ``on_outcome`` is the caller's own; it ends the probe and is passed on.

        Raises:
            RuntimeError: the vantage is closed.
        """
        ...

    def close(self) -> None:
        """End whatever the vantage keeps running. May be called twice."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


@runtime_checkable
class PutsProbe(Protocol):
    """A vantage that puts the probe on its far side."""

    def forget(self) -> str:
        """Remove every probe that was put there; returns where they were.

        Raises:
            InstallError: it cannot be.
        """
        ...
