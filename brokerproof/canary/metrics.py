"""The metrics of the canary: their definitions, once, and their values at one moment. Pure.

Exporters, the Grafana dashboard and the page of docs are made of the definitions; nothing names a metric elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

from brokerproof.canary.state import State
from brokerproof.canary.totals import Histogram, Totals
from brokerproof.canary.watch import Snapshot
from brokerproof.probes.outcome.base import Value

PREFIX: Final = "brokerproof_"


class MetricType(StrEnum):
    """As Prometheus has them."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Metric(Value, frozen=True, kw_only=True):
    """One metric; ``name`` as it is scraped, without the prefix."""

    name: str
    type: MetricType
    help: str
    labels: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """As it is scraped."""
        return PREFIX + self.name


CHECK_SUCCESS: Final = Metric(
    name="check_success",
    type=MetricType.GAUGE,
    help="Whether a stage of a broker was well in the last round that looked: 1 or 0.",
    labels=("client", "broker", "stage"),
)
CHECK_TOTAL: Final = Metric(
    name="check_total",
    type=MetricType.COUNTER,
    help="Outcomes by status and closed reason; reason is empty where all is well.",
    labels=("client", "broker", "stage", "status", "reason"),
)
STAGE_DURATION: Final = Metric(
    name="stage_duration_seconds",
    type=MetricType.HISTOGRAM,
    help="How long a stage took where it was well.",
    labels=("client", "broker", "stage"),
)
ENDPOINT_SUCCESS: Final = Metric(
    name="endpoint_success",
    type=MetricType.GAUGE,
    help="Whether the last round that looked was well at one address of a broker: 1 or 0.",
    labels=("client", "broker", "address"),
)
STATE: Final = Metric(
    name="state",
    type=MetricType.GAUGE,
    help="The state of a watched thing: 1 for the one that it has. An empty address is the broker as a whole.",
    labels=("client", "broker", "address", "state"),
)
FINDING_ACTIVE: Final = Metric(
    name="finding_active",
    type=MetricType.GAUGE,
    help="1 while a cause is named for what a client sees, 0 once it no longer is. code is one code or a set.",
    labels=("code", "client"),
)
NAMED: Final = Metric(
    name="named_info",
    type=MetricType.GAUGE,
    help="1 while a cause is named for a watched thing: what is wrong, and what to change.",
    labels=("client", "broker", "address", "code", "wrong", "change"),
)
RUNS_TOTAL: Final = Metric(
    name="runs_total",
    type=MetricType.COUNTER,
    help="Rounds by the worst that they read.",
    labels=("client", "depth", "outcome"),
)
LAST_RUN: Final = Metric(
    name="last_run_timestamp_seconds",
    type=MetricType.GAUGE,
    help="When the last round began that ran; 0 where none did.",
    labels=("client",),
)
LAST_SUCCESS: Final = Metric(
    name="last_success_timestamp_seconds",
    type=MetricType.GAUGE,
    help="When the last round began of which everything was well; 0 where there was none.",
    labels=("client",),
)
CERTIFICATE: Final = Metric(
    name="certificate_not_after_seconds",
    type=MetricType.GAUGE,
    help="When the broker's certificate ends.",
    labels=("client", "broker"),
)
INTERVAL: Final = Metric(
    name="canary_interval_seconds", type=MetricType.GAUGE, help="How often a round of each client is due."
)
CONNECTIONS: Final = Metric(
    name="connections_total", type=MetricType.COUNTER, help="Connections that rounds made, failed ones included."
)
AUTHENTICATIONS: Final = Metric(
    name="authentications_total",
    type=MetricType.COUNTER,
    help="Authentications that rounds made, failed ones included.",
)
INFO: Final = Metric(name="run_info", type=MetricType.GAUGE, help="1; what watches what.", labels=("version", "target"))
METRICS: Final = (
    CHECK_SUCCESS,
    CHECK_TOTAL,
    STAGE_DURATION,
    ENDPOINT_SUCCESS,
    STATE,
    FINDING_ACTIVE,
    NAMED,
    RUNS_TOTAL,
    LAST_RUN,
    LAST_SUCCESS,
    CERTIFICATE,
    INTERVAL,
    CONNECTIONS,
    AUTHENTICATIONS,
    INFO,
)


class Sample(Value, frozen=True, kw_only=True):
    """One value of a gauge or counter."""

    labels: tuple[str, ...]
    value: float


class Measurements:
    """The values of every metric. Codes that were named once stay, at 0, so that no series ends while it is 1."""

    def __init__(self, *, version: str, target: str, every_s: float) -> None:
        self._info = (version, target)
        self._every_s = every_s
        self._codes: set[tuple[str, str]] = set()

    def values(self, snapshot: Snapshot, totals: Totals) -> Iterator[tuple[Metric, tuple[Sample, ...]]]:
        """Every gauge and counter with its samples."""
        yield CHECK_SUCCESS, _samples({(k.client, k.broker, k.stage.value): ok for k, ok in totals.success.items()})
        yield (
            CHECK_TOTAL,
            _samples(
                {(k.client, k.broker, k.stage.value, k.status.value, k.reason): n for k, n in totals.checks.items()}
            ),
        )
        yield ENDPOINT_SUCCESS, tuple(_endpoints(snapshot))
        yield STATE, tuple(_states(snapshot))
        active = {(found.known_as, client) for client, each in snapshot.findings.items() for found in each}
        self._codes |= active
        yield FINDING_ACTIVE, _samples({key: key in active for key in sorted(self._codes)})
        yield (
            NAMED,
            _samples(
                {
                    (thing.client, thing.broker, thing.address, found.known_as, found.wrong, found.change): 1
                    for thing, found in snapshot.named.items()
                }
            ),
        )
        yield (
            RUNS_TOTAL,
            _samples({(k.client, k.depth.value, k.outcome.value): n for k, n in totals.runs.items()}),
        )
        yield LAST_RUN, _samples({(client,): at for client, at in _last_runs(snapshot).items()})
        yield LAST_SUCCESS, _samples({(client,): times.ok for client, times in snapshot.clients.items()})
        yield CERTIFICATE, _samples(totals.not_after)
        yield INTERVAL, _samples({(): self._every_s})
        yield CONNECTIONS, _samples({(): totals.used.connections})
        yield AUTHENTICATIONS, _samples({(): totals.used.authentications})
        yield INFO, _samples({self._info: 1})

    @staticmethod
    def histograms(totals: Totals) -> Iterator[tuple[tuple[str, ...], Histogram]]:
        """The histograms of :data:`STAGE_DURATION`, by their labels."""
        for key, histogram in totals.times.items():
            yield (key.client, key.broker, key.stage.value), histogram


def _samples(values: Mapping[Any, float]) -> tuple[Sample, ...]:
    return tuple(Sample(labels=labels, value=float(value)) for labels, value in values.items())


def _endpoints(snapshot: Snapshot) -> Iterator[Sample]:
    for thing, standing in snapshot.standings.items():
        seen = [each for each in standing.recent if each.is_of_the_path]
        if thing.address and seen:
            yield Sample(labels=(thing.client, thing.broker, thing.address), value=float(seen[-1].value == "ok"))


def _states(snapshot: Snapshot) -> Iterator[Sample]:
    for thing, now_is in snapshot.states.items():
        for state in State:
            labels = (thing.client, thing.broker, thing.address, state.value)
            yield Sample(labels=labels, value=float(state is now_is))


def _last_runs(snapshot: Snapshot) -> dict[str, float]:
    last = dict.fromkeys(snapshot.clients, 0.0)
    for thing, standing in snapshot.standings.items():
        last[thing.client] = max(last[thing.client], standing.last_run)
    return last
