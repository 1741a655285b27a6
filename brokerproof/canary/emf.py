"""Rounds as lines in CloudWatch's embedded metric format: the log agent, Lambda or ECS turns them into metrics.

No API is called. A line is written for each broker of a client, and one heartbeat a round: an alarm on the heartbeat
treats missing data as breaching, because a canary that does not run writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO, Final

from brokerproof.canary.events import Event, RoundEnded
from brokerproof.canary.state import Reading
from brokerproof.canary.watch import RoundDone, Snapshot
from brokerproof.canary.watched import Watched
from brokerproof.probes.outcome.base import Value

NAMESPACE: Final = "Brokerproof"
HEARTBEAT: Final = "CanaryHeartbeat"


class EmfLines:
    """One line a broker and a heartbeat a round."""

    def __init__(self, out: BinaryIO, snapshot: Callable[[float], Snapshot], *, target: str) -> None:
        self._out = out
        self._snapshot = snapshot
        self._target = target

    def told(self, events: Sequence[Event], done: RoundDone | None = None) -> None:  # noqa: ARG002  as every sink
        """Write the lines of every round among the events."""
        for event in events:
            if isinstance(event, RoundEnded):
                for each in measured_of(event, self._snapshot(event.ended), target=self._target):
                    line = line_of(each, int(event.ended * 1000))
                    self._out.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        self._out.flush()

    def close(self) -> None:
        """There is nothing left to write."""


class Measured(Value, frozen=True, kw_only=True):
    """Metrics that have their dimensions in common; ``sets`` names the dimensions that each is counted by."""

    dimensions: dict[str, str]
    metrics: dict[str, tuple[float, str]]
    """Value and unit by name."""
    sets: tuple[tuple[str, ...], ...]
    causes: tuple[str, ...] | None = None
    """What is named of a broker; None where it is of none."""


def measured_of(event: RoundEnded, snapshot: Snapshot, *, target: str) -> Iterator[Measured]:
    """What one round says: a heartbeat, and each broker."""
    ran = not event.readings.get(Reading.DID_NOT_RUN)
    yield Measured(
        dimensions={"Target": target, "Client": event.client},
        metrics={HEARTBEAT: (float(ran), "Count"), "RoundSeconds": (event.ended - event.began, "Seconds")},
        sets=(("Target", "Client"), ("Target",)),
    )
    for broker in _brokers(snapshot, event.client):
        things = [thing for thing in snapshot.states if (thing.client, thing.broker) == (event.client, broker)]
        alerting = sum(snapshot.states[thing].alerts for thing in things)
        read = [_last(snapshot, thing) for thing in things]
        seen = [each for each in read if each is not None]
        metrics = {"Alerting": (float(alerting > 0), "Count")}
        if seen:
            metrics["Success"] = (sum(seen) / len(seen) * 100, "Percent")
        codes = sorted({snapshot.named[thing].known_as for thing in things if thing in snapshot.named})
        yield Measured(
            dimensions={"Target": target, "Client": event.client, "Broker": broker},
            metrics=metrics,
            sets=(("Target", "Client", "Broker"),),
            causes=tuple(codes),
        )


def _brokers(snapshot: Snapshot, client: str) -> list[str]:
    return list(dict.fromkeys(thing.broker for thing in snapshot.states if thing.client == client))


def _last(snapshot: Snapshot, thing: Watched) -> bool | None:
    recent = snapshot.standings[thing].recent
    return recent[-1] is Reading.OK if recent and recent[-1].is_of_the_path else None


def line_of(measured: Measured, at_ms: int) -> dict[str, Any]:
    """The line."""
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [list(names) for names in measured.sets],
        "Metrics": [{"Name": name, "Unit": unit} for name, (_, unit) in measured.metrics.items()],
    }
    return {
        "_aws": {"Timestamp": at_ms, "CloudWatchMetrics": [directive]},
        **measured.dimensions,
        **{name: round(value, 6) for name, (value, _) in measured.metrics.items()},
        **({} if measured.causes is None else {"Causes": list(measured.causes)}),
    }
