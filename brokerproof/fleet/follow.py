"""A run of a fleet from its start to its last object: looked at, collected as it goes, and stopped when it must be."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from brokerproof.fleet.collect import Collector
from brokerproof.fleet.engine import Execution
from brokerproof.fleet.hub import FleetError
from brokerproof.fleet.parts import Part, the_one_topology
from brokerproof.wording import listed

LOOK_S: Final = 2.0
"""Between two looks: two calls each, and S3 answers a listing of 1,000 names with one."""


@dataclass(frozen=True, slots=True)
class Count:
    """How far a run is."""

    clients: int
    answered: int
    """Whose object is there."""
    executions: Mapping[str, Execution | None]
    """By Region; None: the engine knows none of that name."""

    @property
    def words(self) -> str:
        """For people."""
        each = {
            region: "unknown to the engine" if one is None else one.state for region, one in self.executions.items()
        }
        how = (
            f"the execution is {next(iter(each.values()))}"
            if len(each) == 1
            else f"the executions: {listed([f'{region} {state}' for region, state in each.items()])}"
        )
        return f"{self.answered:,} of {self.clients:,} clients answered; {how}"


Told = Callable[[Count], None]


def count(parts: Sequence[Part]) -> Count:
    """How far a run is.

    Raises:
        FleetError: the parts are of several topologies, or a client is in none.
        EngineError: an engine does not say.
        StoreError: S3 does not.
    """
    the_one_topology(parts)
    executions = {part.region_name: part.look() for part in parts}
    answered = sum(len(part.answered()) for part in parts)
    return Count(sum(len(part.clients) for part in parts), answered, executions)


def follow(
    parts: Sequence[Part],
    *,
    collector: Collector,
    told: Told,
    look_s: float = LOOK_S,
    not_started: Mapping[str, str] | None = None,
) -> tuple[str, ...]:
    """Collect a run until every engine has ended its part; returns the clients that did not run.

    ``not_started``: why nothing was started, by Region.

    Raises:
        FleetError: no engine knows such a run, and S3 has nothing of it.
        EngineError: an engine does not say how it is.
        StoreError: S3 refused.
    """
    total = len(collector.left)
    while True:
        executions = {part.region_name: part.look() for part in parts}
        # Looked at after the engines: what was there when one ended is seen.
        for part in parts:
            collector.take(part.answered())
        told(Count(total, total - len(collector.left), executions))
        if not any(executions.values()) and len(collector.left) == total:
            run, name = parts[0].run, parts[0].made.name
            raise FleetError(f"there is no run {run} of {name}: the engine knows none, and S3 has no object of it")
        if not any(_goes_on(part, executions[part.region_name], collector) for part in parts):
            break
        time.sleep(look_s)
    reasons: dict[str, str] = {}
    for part in parts:
        reasons |= _reasons(part, executions[part.region_name], collector, (not_started or {}).get(part.region_name))
    return collector.did_not_run(reasons)


def _goes_on(part: Part, execution: Execution | None, collector: Collector) -> bool:
    """Whether an object may still come."""
    return execution is not None and not execution.is_over and not part.clients.isdisjoint(collector.left)


def _reasons(part: Part, execution: Execution | None, collector: Collector, not_started: str | None) -> dict[str, str]:
    """Why clients of a part did not run, as far as its engine says; else why all of them may not have."""
    missing = [item for client, item in collector.left.items() if client in part.clients]
    names = [item.client for item in missing]
    if execution is None:
        why = not_started or f"the engine knows no execution {part.run} in {part.region_name}"
        return dict.fromkeys(names, why)
    of_all = dict.fromkeys(names, f"the execution ended: {execution.why}") if execution.why else {}
    return of_all | part.at.engine.reasons(part.made.name, part.run, missing)
