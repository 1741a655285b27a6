"""Metrics by OTLP, under the names of OpenTelemetry's semantic conventions where it has some. Needs its SDK.

``error.type`` is the closed reason of a stage, and is not set on success.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from brokerproof.canary.events import Event
from brokerproof.canary.state import State
from brokerproof.canary.timing import BUCKETS, brokers_of
from brokerproof.canary.watch import RoundDone, Snapshot
from brokerproof.canary.watched import is_frozen
from brokerproof.probes.outcome import Outcome, Stage, Status

EXPORT_MS: Final = 15_000
DNS: Final = "dns.lookup.duration"
OPERATION: Final = "messaging.client.operation.duration"
STAGE: Final = "brokerproof.stage.duration"
CHECKS: Final = "brokerproof.checks"
_OPERATIONS: Final = {Stage.PRODUCE: "send", Stage.CONSUME: "receive"}


class Otlp:
    """Records rounds, and exports every :data:`EXPORT_MS`.

    ``reader`` None is OTLP over HTTP to ``endpoint``, whose headers and TLS the SDK takes from its own variables
    (``OTEL_EXPORTER_OTLP_HEADERS`` and others).
    """

    def __init__(
        self,
        endpoint: str,
        snapshot: Callable[[], Snapshot],
        *,
        target: str,
        version: str,
        reader: MetricReader | None = None,
    ) -> None:
        chosen = reader or PeriodicExportingMetricReader(
            OTLPMetricExporter(endpoint=endpoint), export_interval_millis=EXPORT_MS
        )
        self._snapshot = snapshot
        self._provider = MeterProvider(
            metric_readers=[chosen],
            resource=Resource.create(
                {"service.name": "brokerproof-canary", "service.version": version, "brokerproof.target": target}
            ),
            shutdown_on_exit=False,
        )
        meter = self._provider.get_meter("brokerproof", version)
        bounds = list(BUCKETS)
        self._dns = meter.create_histogram(DNS, unit="s", explicit_bucket_boundaries_advisory=bounds)
        self._operation = meter.create_histogram(OPERATION, unit="s", explicit_bucket_boundaries_advisory=bounds)
        self._stage = meter.create_histogram(STAGE, unit="s", explicit_bucket_boundaries_advisory=bounds)
        self._checks = meter.create_counter(CHECKS, unit="{check}")
        meter.create_observable_gauge("brokerproof.state", [self._states])
        meter.create_observable_gauge("brokerproof.last_run", [self._last_runs], unit="s")
        meter.create_observable_gauge("brokerproof.finding.active", [self._findings])

    def told(self, events: Sequence[Event], done: RoundDone | None = None) -> None:  # noqa: ARG002  as every sink
        """Record the outcomes of a round; what its host slept through is none of the path."""
        if done is None or is_frozen(done.run.plan, done.run.run):
            return
        for outcome in done.run.run.outcomes:
            if outcome.look == 1 and outcome.status is not Status.SKIPPED:
                self._record(done, outcome)

    def _record(self, done: RoundDone, outcome: Outcome) -> None:
        took_s = outcome.duration_ns / 1e9
        error = {} if outcome.reason is None else {"error.type": outcome.reason.value}
        client = {"brokerproof.client": done.run.view.client}
        match outcome.stage:
            case Stage.RESOLVE:
                self._dns.record(took_s, {"dns.question.name": outcome.target.name, **client, **error})
            case Stage.PRODUCE | Stage.CONSUME:
                operation = _OPERATIONS[outcome.stage]
                self._operation.record(
                    took_s,
                    {
                        "messaging.system": "kafka",
                        "messaging.operation.name": operation,
                        "server.address": outcome.target.name,
                        "server.port": outcome.target.port,
                        **client,
                        **error,
                    },
                )
            case _:
                pass
        for broker in brokers_of(done.run, outcome):
            labels = {**client, "brokerproof.broker": broker, "brokerproof.stage": outcome.stage.value, **error}
            self._stage.record(took_s, labels)
            self._checks.add(1, labels)

    def _states(self, _options: CallbackOptions) -> Iterable[Observation]:
        for thing, now_is in self._snapshot().states.items():
            for state in State:
                yield Observation(
                    int(state is now_is),
                    {
                        "brokerproof.client": thing.client,
                        "brokerproof.broker": thing.broker,
                        "network.peer.address": thing.address,
                        "brokerproof.state": state.value,
                    },
                )

    def _last_runs(self, _options: CallbackOptions) -> Iterable[Observation]:
        for client, times in self._snapshot().clients.items():
            yield Observation(times.began, {"brokerproof.client": client})

    def _findings(self, _options: CallbackOptions) -> Iterable[Observation]:
        for client, findings in self._snapshot().findings.items():
            for found in findings:
                yield Observation(1, {"brokerproof.client": client, "brokerproof.code": found.known_as})

    def flush(self) -> bool:
        """Export now; whether it was taken."""
        return bool(self._provider.force_flush())

    def close(self) -> None:
        """Export what is left."""
        self._provider.shutdown()
