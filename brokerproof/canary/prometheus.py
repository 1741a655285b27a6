"""A scrape endpoint for Prometheus, with TLS and a bearer token where they are wanted. Needs prometheus_client."""

from __future__ import annotations

import hmac
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import (
    Metric as Family,
)
from prometheus_client.registry import Collector

from brokerproof.canary.metrics import STAGE_DURATION, Measurements, MetricType
from brokerproof.canary.timing import BUCKETS
from brokerproof.canary.totals import Totals
from brokerproof.canary.watch import Snapshot
from brokerproof.errors import CouldNotError

PATH: Final = "/metrics"
HEALTH: Final = "/-/healthy"
_CLIENT_S: Final = 10.0


class Exported(Collector):
    """All metrics at the moment of a scrape."""

    def __init__(self, measurements: Measurements, snapshot: Callable[[], Snapshot], totals: Totals) -> None:
        self._measurements = measurements
        self._snapshot = snapshot
        self._totals = totals

    def collect(self) -> Iterable[Family]:
        """Every family with its samples."""
        families: dict[MetricType, type[Any]] = {
            MetricType.GAUGE: GaugeMetricFamily,
            MetricType.COUNTER: CounterMetricFamily,
        }
        for metric, samples in self._measurements.values(self._snapshot(), self._totals):
            family = families[metric.type](metric.full_name, metric.help, labels=metric.labels)
            for sample in samples:
                family.add_metric(sample.labels, sample.value)
            yield family
        yield self._times()

    def _times(self) -> Family:
        family = HistogramMetricFamily(STAGE_DURATION.full_name, STAGE_DURATION.help, labels=STAGE_DURATION.labels)
        for labels, histogram in self._measurements.histograms(self._totals):
            reached, buckets = 0, []
            for bound, count in zip((*map(str, BUCKETS), "+Inf"), histogram.counts, strict=True):
                reached += count
                buckets.append((bound, float(reached)))
            family.add_metric(labels, buckets=buckets, sum_value=histogram.sum_s)
        return family


def registry_of(exported: Exported) -> CollectorRegistry:
    """A registry of this and nothing else."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(exported)
    return registry


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of peers that hang up or speak no TLS."""


class _ServerV6(_Server):
    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    timeout = _CLIENT_S

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name is the library's
        """Write no line a scrape."""


class Endpoint:
    """The endpoint, until it is closed.

    Raises:
        CouldNotError: the address is taken, or the certificate cannot be used.
    """

    def __init__(
        self,
        exported: Exported,
        *,
        host: str,
        port: int,
        token: str = "",
        certificate: Path | None = None,
        key: Path | None = None,
    ) -> None:
        app = _guarded(make_wsgi_app(registry_of(exported)), token)
        try:
            server = _ServerV6 if ":" in host else _Server
            self._server = make_server(host, port, app, server_class=server, handler_class=_Quiet)
        except OSError as problem:
            raise CouldNotError(f"the scrape endpoint cannot listen on {host}:{port}: {problem.strerror}") from None
        try:
            if certificate is not None:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(certificate, key)
                self._server.socket = context.wrap_socket(
                    self._server.socket, server_side=True, do_handshake_on_connect=False
                )
        except (OSError, ssl.SSLError) as problem:
            self._server.server_close()
            raise CouldNotError(f"{certificate}: cannot be used as the endpoint's certificate: {problem}") from None
        self._thread = threading.Thread(target=self._server.serve_forever, name="scrapes", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_port)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


Application = Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]


def _guarded(metrics: Application, token: str) -> Application:
    """Metrics for who shows the token, at :data:`PATH`; nothing else but a sign of life."""

    def app(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == HEALTH:
            return _plain(start, "200 OK", "ok\n")
        if path not in {PATH, "/"}:
            return _plain(start, "404 Not Found", f"metrics are at {PATH}\n")
        shown = environ.get("HTTP_AUTHORIZATION", "")
        if token and not hmac.compare_digest(shown.encode(), f"Bearer {token}".encode()):
            return _plain(start, "401 Unauthorized", "a bearer token is needed\n")
        return metrics(environ, start)

    return app


def _plain(start: StartResponse, status: str, text: str) -> Iterator[bytes]:
    start(status, [("Content-Type", "text/plain; charset=utf-8")])
    return iter([text.encode()])
