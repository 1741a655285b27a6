"""A run of a fleet from its start to its last object: looked at, collected as it goes, and stopped when it must be."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from brokerproof.fleet.collect import Collector
from brokerproof.fleet.engine import Engine, Execution
from brokerproof.fleet.hub import FleetError
from brokerproof.fleet.items import FleetSet
from brokerproof.fleet.store import Store

LOOK_S: Final = 2.0
"""Between two looks: two calls each, and S3 answers a listing of 1,000 names with one."""


@dataclass(frozen=True, slots=True)
class Count:
    """How far a run is."""

    clients: int
    answered: int
    """Whose object is there."""
    execution: Execution | None
    """None: the engine knows none of that name."""

    @property
    def words(self) -> str:
        """For people."""
        state = "unknown to the engine" if self.execution is None else self.execution.state.value.lower()
        return f"{self.answered:,} of {self.clients:,} clients answered; the execution is {state}"


Told = Callable[[Count], None]


def count(engine: Engine, store: Store, made: FleetSet, run: str) -> Count:
    """How far a run is.

    Raises:
        EngineError: the engine does not say.
        StoreError: S3 does not.
    """
    execution = engine.look(run)
    names = {item.client for item in made.items}
    return Count(len(names), len(store.answered(made.name, run) & names), execution)


def follow(
    engine: Engine, store: Store, made: FleetSet, run: str, *, collector: Collector, told: Told, look_s: float = LOOK_S
) -> tuple[str, ...]:
    """Collect a run until the engine has ended it; returns the clients that did not run.

    Raises:
        FleetError: the engine knows no such run, and S3 has nothing of it.
        EngineError: the engine does not say how it is.
        StoreError: S3 refused.
    """
    total = len(made.items)
    while True:
        execution = engine.look(run)
        # Looked at after the engine: what was there when it ended is seen.
        collector.take(store.answered(made.name, run))
        told(Count(total, total - len(collector.left), execution))
        if execution is None and len(collector.left) == total:
            raise FleetError(f"there is no run {run} of {made.name}: the engine knows none, and S3 has no object of it")
        if not collector.left or execution is None or execution.state.is_over:
            break
        time.sleep(look_s)
    reasons = engine.reasons(run, collector.left.values()) if execution is not None else {}
    return collector.did_not_run(_or_of_all(reasons, execution, collector))


def _or_of_all(reasons: dict[str, str], execution: Execution | None, collector: Collector) -> dict[str, str]:
    """Of clients that the engine says nothing of, why all of them may not have run."""
    if execution is None or not execution.why:
        return reasons
    return dict.fromkeys(collector.left, f"the execution ended: {execution.why}") | reasons
