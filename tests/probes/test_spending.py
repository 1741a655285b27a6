"""What a run says that it spent is what the brokers counted: connections, logins, records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from brokerproof.probes.outcome import Spent, Stage, Status
from brokerproof.probes.plan import (
    VERIFY_STAGES,
    Authentication,
    AuthenticationScheme,
    LatencyPlan,
    Limits,
    PathLatencyPlan,
    ThroughputPlan,
    TopicPlan,
)
from tests.probes.fake_cluster import FakeCluster, fake_cluster
from tests.probes.peers import run
from tests.probes.running import Result, plan, probe

LIMITS = Limits(plan_ms=60_000)
RECORDS, RECORD_BYTES = 4, 100


def spent_on(cluster_login: tuple[str, str] | None, **fields: Any) -> tuple[Spent, FakeCluster, Result]:
    async def work() -> tuple[FakeCluster, Result]:
        async with fake_cluster(1) as cluster:
            cluster.login = cluster_login
            topic = TopicPlan(records_per_leader=RECORDS, record_bytes=RECORD_BYTES)
            stages = tuple(stage for stage in VERIFY_STAGES if stage is not Stage.HANDSHAKE)
            defaults: dict[str, Any] = {"stages": stages, "topic": topic, "limits": LIMITS}
            planned = plan(*cluster.ports.values(), **defaults | fields)
            return cluster, await probe(planned)

    cluster, result = run(work())
    wrong = [each for each in result.outcomes if each.status in {Status.FAILED, Status.ERROR}]
    assert wrong == []
    assert result.closing.spent is not None
    return result.closing.spent, cluster, result


def test_a_plaintext_run_spends_what_its_brokers_counted() -> None:
    spent, cluster, _ = spent_on(None, connect_attempts=3)
    assert spent.connections == cluster.connections
    assert spent.client_connections > 0
    assert (spent.authentications, spent.client_authentications) == (0, 0)
    assert (spent.records, spent.record_bytes) == (RECORDS, RECORDS * RECORD_BYTES)


def test_a_run_that_logs_in_spends_what_its_brokers_counted(tmp_path: Path) -> None:
    (tmp_path / "user").write_text("alice")
    (tmp_path / "password").write_text("correct-horse")
    settings = Authentication(
        scheme=AuthenticationScheme.SCRAM_SHA_512,
        username=f"file:{tmp_path}/user",
        password=f"file:{tmp_path}/password",
        most_per_s=20,
    )
    spent, cluster, _ = spent_on(("alice", "correct-horse"), connect_attempts=3, authentication=settings)
    assert (spent.connections, spent.authentications) == (cluster.connections, cluster.logins)
    assert 0 < spent.client_authentications == spent.client_connections
    assert spent.authentications < spent.connections, "further connects stop before the login"


def test_measurements_are_counted_too() -> None:
    stages = (*(stage for stage in VERIFY_STAGES if stage is not Stage.HANDSHAKE), Stage.LATENCY, Stage.THROUGHPUT)
    spent, cluster, _ = spent_on(
        None,
        stages=stages,
        latency=LatencyPlan(samples=20, warm_up=4, rate_per_s=100, record_bytes=50),
        path_latency=PathLatencyPlan(samples=6, warm_up=2, rate_per_s=50),
        throughput=ThroughputPlan(total_bytes=20_000, max_ms=1000, record_bytes=1000),
    )
    assert spent.connections == cluster.connections
    records = RECORDS + 24
    assert spent.records >= records + 20
    assert spent.record_bytes >= RECORDS * RECORD_BYTES + 24 * 50 + 20_000


@pytest.mark.parametrize("stages", [(Stage.RESOLVE, Stage.CONNECT)])
def test_a_run_without_records_spends_connections_alone(stages: tuple[Stage, ...]) -> None:
    spent, cluster, _ = spent_on(None, stages=stages)
    assert spent == Spent(
        connections=cluster.connections,
        client_connections=0,
        authentications=0,
        client_authentications=0,
        records=0,
        record_bytes=0,
    )
