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
                for line in lines_of(event, self._snapshot(event.ended), target=self._target):
                    self._out.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        self._out.flush()

    def close(self) -> None:
        """There is nothing left to write."""


def lines_of(event: RoundEnded, snapshot: Snapshot, *, target: str) -> Iterator[dict[str, Any]]:
    """The lines of one round."""
    at_ms = int(event.ended * 1000)
    ran = not event.readings.get(Reading.DID_NOT_RUN)
    yield _line(
        at_ms,
        {"Target": target, "Client": event.client},
        {HEARTBEAT: (float(ran), "Count"), "RoundSeconds": (event.ended - event.began, "Seconds")},
        [["Target", "Client"], ["Target"]],
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
        yield _line(
            at_ms,
            {"Target": target, "Client": event.client, "Broker": broker},
            metrics,
            [["Target", "Client", "Broker"]],
            Causes=codes,
        )


def _brokers(snapshot: Snapshot, client: str) -> list[str]:
    return list(dict.fromkeys(thing.broker for thing in snapshot.states if thing.client == client))


def _last(snapshot: Snapshot, thing: Watched) -> bool | None:
    recent = snapshot.standings[thing].recent
    return recent[-1] is Reading.OK if recent and recent[-1].is_of_the_path else None


def _line(
    at_ms: int,
    dimensions: dict[str, str],
    metrics: dict[str, tuple[float, str]],
    sets: list[list[str]],
    **properties: object,
) -> dict[str, Any]:
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": sets,
        "Metrics": [{"Name": name, "Unit": unit} for name, (_, unit) in metrics.items()],
    }
    return {
        "_aws": {"Timestamp": at_ms, "CloudWatchMetrics": [directive]},
        **dimensions,
        **{name: round(value, 6) for name, (value, _) in metrics.items()},
        **properties,
    }
