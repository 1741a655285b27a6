"""What others see of the canary: names, series from the start, a guarded endpoint, EMF as CloudWatch specifies it."""

from __future__ import annotations

import io
import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import trustme
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from brokerproof.canary import otlp
from brokerproof.canary.emf import HEARTBEAT, EmfLines, line_of, measured_of
from brokerproof.canary.metrics import METRICS, Measurements, MetricType
from brokerproof.canary.prometheus import Endpoint, Exported, registry_of
from brokerproof.canary.rounds import PATH, RECORDS, Depth
from brokerproof.canary.store import Store
from brokerproof.canary.totals import Totals
from brokerproof.canary.watch import RoundDone, Snapshot, Watch
from brokerproof.canary.watched import CLUSTER
from brokerproof.probes.outcome import Stage
from brokerproof.probes.outcome.registry import SPECS
from brokerproof.running.planning import ClientRun
from tests.canary.made import BEGAN, CLIENT, EVERY_S, VIEW, dead_address, done, run_of, well

ADDRESS = VIEW.brokers[0].addresses[0].address
Values = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class Exporting:
    """A canary that is fed by hand, and its scrapes."""

    def __init__(self, folder: Path) -> None:
        self.watch = Watch((VIEW,), Store(folder, watch=True), every_s=EVERY_S, now=BEGAN)
        self.totals = Totals((VIEW,), (*PATH, *RECORDS))
        self.now = BEGAN
        measurements = Measurements(version="1", target="mine.yaml", every_s=EVERY_S)
        self.exported = Exported(measurements, self.snapshot, self.totals)

    def snapshot(self) -> Snapshot:
        return self.watch.snapshot(self.now)

    def round(self, run: ClientRun, depth: Depth = Depth.LIGHT) -> RoundDone:
        self.now += EVERY_S
        taken = done(run, self.now, depth)
        ended, _ = self.watch.took(taken)
        self.totals.add(taken, ended.readings)
        return taken

    def scrape(self) -> Values:
        registry = registry_of(self.exported)
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in registry.collect()
            for sample in family.samples
        }


@pytest.fixture
def exporting(tmp_path: Path) -> Exporting:
    return Exporting(tmp_path)


def of(values: Values, name: str, **labels: str) -> list[float]:
    wanted = set(labels.items())
    return [value for (found, has), value in values.items() if found == name and wanted <= set(has)]


def test_series_are_there_before_the_first_round(exporting: Exporting) -> None:
    values = exporting.scrape()
    assert of(values, "brokerproof_state", broker="broker-1", address=ADDRESS, state="failed") == [0]
    assert of(values, "brokerproof_state", broker="broker-1", address=ADDRESS, state="not_yet") == [1]
    assert of(values, "brokerproof_check_total", broker="broker-2", stage="connect", status="ok") == [0]
    for reason in SPECS[Stage.CONNECT].reasons:
        failed = of(values, "brokerproof_check_total", broker="broker-2", stage="connect", reason=reason.value)
        assert failed == [0], "the rate of a series that begins at 1 does not have the first failure"
    assert of(values, "brokerproof_runs_total", depth="light", outcome="did_not_run") == [0]
    assert of(values, "brokerproof_last_run_timestamp_seconds", client=CLIENT) == [0]
    assert of(values, "brokerproof_stage_duration_seconds_count", broker="broker-1", stage="handshake") == [0]


def test_what_is_of_the_cluster_has_no_series_of_a_broker(exporting: Exporting) -> None:
    wanted = {key.stage for key in exporting.totals.checks if key.broker == CLUSTER}
    assert wanted == {Stage.AUTHORIZE, Stage.GROUP}
    assert not [key for key in exporting.totals.checks if key.stage in wanted and key.broker != CLUSTER]


def test_names_are_those_that_are_declared(exporting: Exporting) -> None:
    for _ in range(3):
        exporting.round(run_of(dead_address(ADDRESS)(well())))
    declared = {
        metric.full_name + suffix
        for metric in METRICS
        for suffix in (("_bucket", "_sum", "_count") if metric.type is MetricType.HISTOGRAM else ("",))
    }
    found = {name for name, _ in exporting.scrape()}
    assert found <= declared
    assert {"brokerproof_check_success", "brokerproof_endpoint_success", "brokerproof_finding_active"} <= found
    labels = {metric.full_name: set(metric.labels) for metric in METRICS}
    assert all({key for key, _ in has} == labels[name] for name, has in exporting.scrape() if name in labels)


def test_a_dead_address_is_seen_in_every_metric_it_is_of(exporting: Exporting) -> None:
    exporting.round(run_of(well()))
    for _ in range(2):
        exporting.round(run_of(dead_address(ADDRESS)(well())))
    values = exporting.scrape()
    assert of(values, "brokerproof_endpoint_success", broker="broker-1", address=ADDRESS) == [0]
    assert set(of(values, "brokerproof_endpoint_success", broker="broker-2")) == {1}
    assert of(values, "brokerproof_state", broker="broker-1", address=ADDRESS, state="failed") == [1]
    assert of(values, "brokerproof_check_success", broker="broker-1", stage="connect") == [0]
    assert of(values, "brokerproof_check_success", broker="broker-2", stage="connect") == [1]
    assert of(values, "brokerproof_check_total", broker="broker-1", stage="connect", reason="timed_out") == [2]
    assert of(values, "brokerproof_runs_total", depth="light", outcome="failed") == [2]
    assert of(values, "brokerproof_last_run_timestamp_seconds") == [BEGAN + 3 * EVERY_S]
    assert of(values, "brokerproof_last_success_timestamp_seconds") == [BEGAN + EVERY_S]
    assert of(values, "brokerproof_finding_active") == [1]
    [(_, named)] = [key for key in values if key[0] == "brokerproof_named_info"]
    assert dict(named)["change"]
    exporting.round(run_of(well()))
    values = exporting.scrape()
    assert of(values, "brokerproof_finding_active") == [0], "a series that was 1 ends at 0"
    assert not of(values, "brokerproof_named_info")


def test_the_number_of_series_does_not_grow(exporting: Exporting) -> None:
    for number in range(4):
        exporting.round(run_of(dead_address(ADDRESS)(well()) if number % 2 else well()))
    before = len(exporting.scrape())
    for number in range(40):
        exporting.round(run_of(dead_address(ADDRESS)(well()) if number % 2 else well()))
    assert len(exporting.scrape()) == before


def _get(url: str, token: str = "", context: ssl.SSLContext | None = None) -> tuple[int, str]:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, context=context, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_the_endpoint_asks_for_its_token_and_speaks_tls(exporting: Exporting, tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    certificate = tmp_path / "server.pem"
    issued.private_key_and_cert_chain_pem.write_to_path(str(certificate))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    endpoint = Endpoint(exporting.exported, host="127.0.0.1", port=0, token="secret", certificate=certificate)
    try:
        url = f"https://localhost:{endpoint.port}"
        assert _get(f"{url}/metrics", context=context)[0] == 401
        assert _get(f"{url}/metrics", "wrong", context)[0] == 401
        status, text = _get(f"{url}/metrics", "secret", context)
        assert status == 200
        assert "# TYPE brokerproof_state gauge" in text
        assert _get(f"{url}/other", "secret", context)[0] == 404
        assert _get(f"{url}/-/healthy", context=context) == (200, "ok\n")
    finally:
        endpoint.close()


UNITS = {"Count", "Seconds", "Percent", "Milliseconds", "Bytes", "None"}


def _is_emf(line: dict[str, Any]) -> None:
    """As CloudWatch's specification of the embedded metric format has it."""
    meta = line["_aws"]
    assert isinstance(meta["Timestamp"], int)
    for directive in meta["CloudWatchMetrics"]:
        assert 0 < len(directive["Namespace"]) <= 255
        assert len(directive["Metrics"]) <= 100
        for metric in directive["Metrics"]:
            assert metric["Unit"] in UNITS
            assert isinstance(line[metric["Name"]], float)
        for dimensions in directive["Dimensions"]:
            assert len(dimensions) <= 30
            assert all(isinstance(line[name], str) and line[name] for name in dimensions)


def test_emf_lines_are_as_cloudwatch_specifies_and_have_a_heartbeat(exporting: Exporting) -> None:
    out = io.BytesIO()
    sink = EmfLines(out, exporting.watch.snapshot, target="mine.yaml")
    for run in (run_of(well()), run_of(dead_address(ADDRESS)(well())), run_of(dead_address(ADDRESS)(well()))):
        exporting.now += EVERY_S
        ended, changes = exporting.watch.took(done(run, exporting.now))
        sink.told((ended, *changes))
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    for line in lines:
        _is_emf(line)
    assert sum(line.get(HEARTBEAT, 0) for line in lines) == 3
    last = [line for line in lines if line.get("Broker") == "broker-1"][-1]
    assert last["Alerting"] == 1
    assert last["Success"] == pytest.approx(75)
    assert last["Causes"]


def test_a_round_that_did_not_run_has_no_heartbeat(exporting: Exporting) -> None:
    ended, _ = exporting.watch.took(done(run_of((), started=None, closing=None, error="gone"), BEGAN + 60))
    heartbeat, *_ = measured_of(ended, exporting.snapshot(), target="t")
    assert line_of(heartbeat, 1)[HEARTBEAT] == 0


def test_otlp_has_the_conventions_names_and_closed_reasons(exporting: Exporting) -> None:
    reader = InMemoryMetricReader()
    sink = otlp.Otlp("", exporting.snapshot, target="mine.yaml", version="1", reader=reader)
    for run in (run_of(well(Depth.DEEP), Depth.DEEP), run_of(dead_address(ADDRESS)(well(Depth.DEEP)), Depth.DEEP)):
        sink.told((), exporting.round(run, Depth.DEEP))
    data = reader.get_metrics_data()
    assert data is not None
    found: dict[str, list[Any]] = {}
    for resource in data.resource_metrics:
        assert resource.resource.attributes["service.name"] == "brokerproof-canary"
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                found[metric.name] = list(metric.data.data_points)
    assert {otlp.DNS, otlp.OPERATION, otlp.STAGE, otlp.CHECKS, "brokerproof.state"} <= set(found)
    assert all("error.type" not in dict(point.attributes) for point in found[otlp.DNS])
    assert {dict(point.attributes).get("error.type") for point in found[otlp.CHECKS]} == {None, "timed_out"}
    sent = {dict(point.attributes)["messaging.operation.name"] for point in found[otlp.OPERATION]}
    assert sent == {"send", "receive"}
    sink.close()


def test_the_page_of_docs_has_every_metric_as_it_is_declared() -> None:
    text = (Path(__file__).parents[2] / "docs" / "canary.md").read_text()
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "none"
        assert f"| `{metric.full_name}` | {metric.type.value} | {labels} | {metric.help} |" in text
