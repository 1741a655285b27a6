"""Kafka clients that begin while the probe imports: where the cluster is far away, and for what they may be used."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from brokerproof.probes import engine, kafka_clients, path_stages
from brokerproof.probes.kafka_client.messages import Began, Making, Prepare, Report
from brokerproof.probes.kafka_client.serving import _Serving
from brokerproof.probes.librdkafka import Settings
from brokerproof.probes.outcome import Role, Stage
from brokerproof.probes.plan import Authentication, AuthenticationScheme, Endpoint, Limits
from brokerproof.probes.stages.connect import connect
from tests.probes.fake_cluster import FakeCluster, fake_cluster
from tests.probes.peers import PATIENT_MS, peer, run, silent
from tests.probes.running import TO_IDENTITY, Result, plan, probe, waiting

TO_GROUP = (*TO_IDENTITY, Stage.PRODUCE, Stage.CONSUME, Stage.GROUP)
CONNECTS_LATE_S = 0.05
"""The probe's own connects, so that what the client process told is heard before."""

pytestmark = pytest.mark.usefixtures("client_in_this_process")


@pytest.fixture
def first_run(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A process's first run: it imports for as long as the client process needs to begin."""
    monkeypatch.delitem(sys.modules, "brokerproof.probes.whole_run", raising=False)
    looked = threading.Event()
    tell, is_far = _Serving.tell, kafka_clients.KafkaClients.is_far

    def telling(serving: _Serving, report: Report) -> None:
        tell(serving, report)
        if isinstance(report, Began):
            looked.set()

    def looking(clients: kafka_clients.KafkaClients) -> bool:
        far = is_far(clients)
        if not far:
            looked.set()
        return far

    async def slowly(address: str, port: int, *, limit_ms: int) -> Any:
        await asyncio.sleep(CONNECTS_LATE_S)
        return await connect(address, port, limit_ms=limit_ms)

    @contextmanager
    def importing() -> Iterator[None]:
        yield
        looked.wait(PATIENT_MS / 1000)

    monkeypatch.setattr(_Serving, "tell", telling)
    monkeypatch.setattr(kafka_clients.KafkaClients, "is_far", looking)
    monkeypatch.setattr(path_stages, "connect", slowly)
    return importing


def far_away(monkeypatch: pytest.MonkeyPatch, *, far: bool) -> None:
    for where in (path_stages, kafka_clients):
        monkeypatch.setattr(where, "FAR_NS", 0 if far else 60_000_000_000)


def probed(first_run: Any, bootstrap: int | None = None, **fields: Any) -> tuple[Result, FakeCluster]:
    async def work() -> tuple[Result, FakeCluster]:
        async with fake_cluster(1) as cluster:
            start = () if bootstrap is None else (Endpoint(name="127.0.0.1", port=bootstrap),)
            there = (*start, Endpoint(name="127.0.0.1", port=cluster.ports[1]))
            planned = plan(cluster.ports[1], **{"stages": TO_GROUP, "bootstrap": there} | fields)
            return await probe(planned, server=engine.server_beside(), importing=first_run), cluster

    return run(work())


@pytest.mark.parametrize("far", [False, True])
def test_clients_begin_while_the_probe_imports_where_the_cluster_is_far_away(
    far: bool, first_run: Any, prepared: list[Prepare], monkeypatch: pytest.MonkeyPatch
) -> None:
    far_away(monkeypatch, far=far)
    result, cluster = probed(first_run)
    assert result.all_ok(), result.verdicts()
    assert [each.making for each in prepared] == [Making.WHERE_FAR, *(() if far else (Making.NEEDED,))]
    assert result.closing.left_behind == ()
    assert result.closing.spent is not None
    assert result.closing.spent.connections == cluster.connections


def test_clients_that_began_at_what_proves_wrong_are_closed_unused(
    first_run: Any, prepared: list[Prepare], monkeypatch: pytest.MonkeyPatch
) -> None:
    far_away(monkeypatch, far=True)

    async def work() -> tuple[Result, int, int]:
        async with fake_cluster(1) as cluster, peer(silent) as stranger:
            there = tuple(Endpoint(name="127.0.0.1", port=port) for port in (stranger, cluster.ports[1]))
            planned = plan(cluster.ports[1], stages=TO_GROUP, bootstrap=there, limits=waiting(request_ms=1000))
            result = await probe(planned, server=engine.server_beside(), importing=first_run)
            return result, stranger, cluster.ports[1]

    result, stranger, right = run(work())
    assert result.one(Stage.API, role=Role.BOOTSTRAP).reason is not None
    assert result.one(Stage.GROUP).reason is None, result.verdicts()
    assert [(each.settings.bootstrap, each.making) for each in prepared] == [
        (f"127.0.0.1:{stranger}", Making.WHERE_FAR),
        (f"127.0.0.1:{right}", Making.NEEDED),
    ]


def test_where_nobody_accepts_a_connection_nothing_begins(
    first_run: Any, prepared: list[Prepare], monkeypatch: pytest.MonkeyPatch
) -> None:
    far_away(monkeypatch, far=True)
    result, _ = probed(first_run, bootstrap=1)
    assert result.one(Stage.GROUP).reason is None, result.verdicts()
    assert [each.making for each in prepared] == [Making.WHERE_FAR, Making.NOW]


LOGIN = Authentication(scheme=AuthenticationScheme.SCRAM_SHA_512, username="env:NOBODY", password="env:NOTHING")


@pytest.mark.parametrize(
    "fields",
    [{"stages": TO_IDENTITY}, {"authentication": LOGIN}],
    ids=["no records", "logins"],
)
@pytest.mark.usefixtures("first_run")
def test_nothing_begins_where_no_clients_are_made_ahead(fields: dict[str, Any], prepared: list[Prepare]) -> None:
    defaults: dict[str, Any] = {"stages": TO_GROUP, "limits": waiting(connect_ms=500)}
    run(probe(plan(1, **defaults | fields), server=engine.server_beside()))
    assert Making.WHERE_FAR not in [each.making for each in prepared]


@pytest.mark.parametrize(
    "bootstrap", ["no-such-name.example:9092", "127.0.0.1:1", "[::1]:1", f"{'a' * 70}.example:9092"]
)
def test_what_cannot_be_reached_is_not_far(bootstrap: str) -> None:
    assert not kafka_clients.KafkaClients(Settings(bootstrap, None, Limits()), "g", reads=True).is_far()
