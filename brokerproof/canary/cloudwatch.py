"""Rounds as CloudWatch metrics by its API, for hosts where no agent turns EMF lines into metrics.

The names and dimensions are those of the EMF lines, so that the same alarms read both. How long stages took goes as
distributions. Calls are made by a thread of their own: a round never waits for CloudWatch.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from brokerproof.canary.emf import NAMESPACE, Measured, measured_of
from brokerproof.canary.events import Event, RoundEnded
from brokerproof.canary.timing import brokers_of
from brokerproof.canary.watch import RoundDone, Snapshot
from brokerproof.canary.watched import is_frozen
from brokerproof.errors import CouldNotError
from brokerproof.probes.outcome import Status
from brokerproof.wording import one_line

STAGE: Final = "StageSeconds"
MOST_DATA: Final = 1000
"""Of one call, and :data:`MOST_VALUES` different ones of one metric (API reference, PutMetricData)."""
MOST_VALUES: Final = 150
DIGITS: Final = 3
"""Of a second: values that are alike travel as one with a count."""
MOST_WAITING: Final = 200
"""Rounds that wait for CloudWatch; further ones are dropped, and that is said."""
ENDING_S: Final = 15.0
QUIET_S: Final = 300.0
"""What goes wrong is said so often at most."""
CONFIG: Final = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3})

Datum = dict[str, Any]


class CloudWatch:
    """Sends what a round says once it is over.

    Args:
        session: Makes a boto3 session.
        snapshot: All states at a moment.
        target: The name of the topology file.
        say: Takes a sentence about what CloudWatch did not take.

    Raises:
        CouldNotError: there is no Region, or no client can be made.
    """

    def __init__(
        self,
        session: Callable[[], Any],
        snapshot: Callable[[float], Snapshot],
        *,
        target: str,
        say: Callable[[str], None] = lambda text: print(text, file=sys.stderr),
    ) -> None:
        try:
            self._client = session().client("cloudwatch", config=CONFIG)
        except BotoCoreError as problem:
            raise CouldNotError(f"CloudWatch cannot be called: {problem}") from None
        self._snapshot = snapshot
        self._target = target
        self._say = say
        self._said = -QUIET_S
        self._waiting: queue.Queue[list[Datum] | None] = queue.Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name="cloudwatch", daemon=True)
        self._thread.start()

    def told(self, events: Sequence[Event], done: RoundDone | None = None) -> None:
        """Have every round among the events sent."""
        for event in events:
            if isinstance(event, RoundEnded):
                measured = measured_of(event, self._snapshot(event.ended), target=self._target)
                data = [datum for each in measured for datum in data_of(each, event.ended)]
                if done is not None:
                    data += distributions_of(done, self._target)
                try:
                    self._waiting.put_nowait(data)
                except queue.Full:
                    self._tell(f"{MOST_WAITING} rounds wait for it; this one is dropped")

    def close(self) -> None:
        """Send what waits, for a while."""
        try:
            self._waiting.put(None, timeout=ENDING_S)
        except queue.Full:
            return
        self._thread.join(ENDING_S)

    def _run(self) -> None:
        while (data := self._waiting.get()) is not None:
            for first in range(0, len(data), MOST_DATA):
                try:
                    self._client.put_metric_data(Namespace=NAMESPACE, MetricData=data[first : first + MOST_DATA])
                except (BotoCoreError, ClientError) as problem:
                    self._tell(str(problem))

    def _tell(self, problem: str) -> None:
        now = time.monotonic()
        if now - self._said >= QUIET_S:
            self._said = now
            self._say(one_line(f"canary: CloudWatch did not take a round's metrics: {problem}"))


def data_of(measured: Measured, at: float) -> Iterator[Datum]:
    """A datum for each metric and each set of dimensions."""
    for names in measured.sets:
        for name, (value, unit) in measured.metrics.items():
            yield {
                "MetricName": name,
                "Dimensions": _dimensions({each: measured.dimensions[each] for each in names}),
                "Timestamp": at,
                "Value": round(value, 6),
                "Unit": unit,
            }


def distributions_of(done: RoundDone, target: str) -> Iterator[Datum]:
    """How long each stage of each broker took where it was well; nothing of a round that its host slept through."""
    if is_frozen(done.run.plan, done.run.run):
        return
    found: dict[tuple[str, str], Counter[float]] = {}
    for outcome in done.run.run.outcomes:
        if outcome.look == 1 and outcome.status is Status.OK:
            for broker in brokers_of(done.run, outcome):
                took_s = round(outcome.duration_ns / 1e9, DIGITS)
                found.setdefault((broker, outcome.stage.value), Counter())[took_s] += 1
    for (broker, stage), counts in sorted(found.items()):
        values = sorted(counts)
        for first in range(0, len(values), MOST_VALUES):
            some = values[first : first + MOST_VALUES]
            labels = {"Target": target, "Client": done.run.view.client, "Broker": broker, "Stage": stage}
            yield {
                "MetricName": STAGE,
                "Dimensions": _dimensions(labels),
                "Timestamp": done.ended,
                "Values": some,
                "Counts": [float(counts[value]) for value in some],
                "Unit": "Seconds",
            }


def _dimensions(labels: dict[str, str]) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in labels.items()]
