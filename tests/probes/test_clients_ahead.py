"""Kafka clients made while the path is still being verified: used where that ends well, closed where not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from confluent_kafka import KafkaException

import brokerproof.probes.paths
from brokerproof.probes.exchange import Exchange
from brokerproof.probes.host import Asked
from brokerproof.probes.kafka_clients import KafkaClients
from brokerproof.probes.ledger import Ledger
from brokerproof.probes.librdkafka import Settings
from brokerproof.probes.outcome import MetadataFacts, Reason, Role, Stage, Status
from brokerproof.probes.paths import Paths, ProbedEndpoint, Verified
from brokerproof.probes.plan import Endpoint, Limits, Plan, Tls
from brokerproof.probes.stages.connect import connect
from tests.probes.fake_cluster import CREATE_TOPICS, PRODUCE, FakeCluster, fake_cluster
from tests.probes.peers import peer, run, silent
from tests.probes.running import TO_IDENTITY, Result, plan, probe

TO_GROUP = (*TO_IDENTITY, Stage.PRODUCE, Stage.CONSUME, Stage.GROUP)


@pytest.fixture(params=["near", "far"])
def distance(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Near, the clients are made when they are needed; far, with the first connection."""
    monkeypatch.setattr(brokerproof.probes.paths, "FAR_NS", 0 if request.param == "far" else 60_000_000_000)
    return str(request.param)


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> list[KafkaClients]:
    """All that a run makes, ahead or not."""
    made: list[KafkaClients] = []
    real = Exchange._clients

    def noted(exchange: Exchange, endpoint: ProbedEndpoint) -> KafkaClients:
        made.append(real(exchange, endpoint))
        return made[-1]

    monkeypatch.setattr(Exchange, "_clients", noted)
    return made


def probed(prepare: Any = None, **fields: Any) -> tuple[Result, FakeCluster]:
    async def work() -> tuple[Result, FakeCluster]:
        async with fake_cluster(1) as cluster:
            if prepare is not None:
                prepare(cluster)
            return await probe(planned(cluster, **fields)), cluster

    return run(work())


def planned(cluster: FakeCluster, **fields: Any) -> Plan:
    ports = [cluster.ports[broker_id] for broker_id in sorted(cluster.ports)]
    return plan(*ports, **{"stages": TO_GROUP} | fields)


def assert_nothing_open(clients: list[KafkaClients]) -> None:
    assert [(each._producer, each._consumer) for each in clients] == [(None, None)] * len(clients)


def test_one_pair_of_clients_serves_the_whole_run(distance: str, clients: list[KafkaClients]) -> None:
    result, cluster = probed()
    assert result.all_ok(), (distance, result.verdicts())
    assert len(clients) == 1
    assert_nothing_open(clients)
    assert len(cluster.created) == len(cluster.deleted) == len(cluster.deleted_groups) == 1
    assert result.closing.left_behind == ()


@pytest.mark.parametrize("distance", ["far"], indirect=True)
@pytest.mark.usefixtures("distance")
def test_clients_that_started_from_what_proves_wrong_are_closed_unused(
    clients: list[KafkaClients], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> tuple[Result, str, str]:
        async with fake_cluster(1) as cluster, peer(silent) as stranger:

            async def slowly(address: str, port: int, *, limit_ms: int) -> Any:
                # So that the stranger is the first to accept a connection.
                await asyncio.sleep(0 if port == stranger else 0.05)
                return await connect(address, port, limit_ms=limit_ms)

            monkeypatch.setattr(brokerproof.probes.paths, "connect", slowly)
            bootstrap = (Endpoint(name="127.0.0.1", port=stranger),)
            result = await probe(planned(cluster, bootstrap=bootstrap))
            return result, f"127.0.0.1:{stranger}", f"127.0.0.1:{cluster.ports[1]}"

    result, stranger, right = run(work())
    assert result.one(Stage.API, role=Role.BOOTSTRAP).status is Status.FAILED
    for stage in (Stage.PRODUCE, Stage.CONSUME, Stage.GROUP):
        assert result.one(stage).status is Status.OK, result.verdicts()
    assert [each.settings.bootstrap for each in clients] == [stranger, right]
    assert_nothing_open(clients)


def verified(endpoint: ProbedEndpoint, cluster_id: str) -> Verified:
    metadata = MetadataFacts(cluster_id=cluster_id, controller_id=1, brokers=())
    return Verified(endpoint, "127.0.0.1", None, metadata, 1)  # type: ignore[arg-type]  # nothing is asked over it


def test_clients_that_started_from_another_cluster_are_not_used() -> None:
    async def work() -> list[bool]:
        here = plan(1)
        ledger = Ledger(lambda _outcome: None)
        exchange = Exchange(here, ledger, Paths(here, ledger, Asked(()), asyncio.Semaphore(1)))
        start, right = (ProbedEndpoint(Role.BROKER, name, 9094, 1) for name in ("b-1", "b-2"))
        control = verified(right, "ours")
        used = []
        for known in ({}, {1: verified(start, "theirs")}, {1: verified(start, "ours")}):
            start.verified = known
            ahead = exchange._clients(start)
            exchange._ahead = start, ahead
            used.append(exchange._clients_of(control) is ahead)
        return used

    assert run(work()) == [False, False, True]


@pytest.mark.usefixtures("distance")
def test_a_produce_that_fails_leaves_no_group(clients: list[KafkaClients]) -> None:
    result, cluster = probed(lambda cluster: cluster.silent_on.add(PRODUCE))
    produce = result.one(Stage.PRODUCE)
    assert (produce.status, produce.reason) == (Status.FAILED, Reason.TIMED_OUT)
    for stage in (Stage.CONSUME, Stage.GROUP):
        assert result.one(stage).reason is Reason.WAITS_FOR
    assert cluster.deleted == cluster.created
    assert cluster.deleted_groups == []
    assert_nothing_open(clients)


@pytest.mark.usefixtures("distance")
def test_the_plans_deadline_with_clients_nobody_took(clients: list[KafkaClients]) -> None:
    result, _ = probed(lambda cluster: cluster.silent_on.add(CREATE_TOPICS), limits=Limits(plan_ms=1000))
    assert not result.closing.complete
    assert result.one(Stage.GROUP).reason is Reason.DEADLINE_OF_PLAN
    assert_nothing_open(clients)


@pytest.mark.usefixtures("distance")
def test_the_plans_deadline_in_the_middle_of_a_group(clients: list[KafkaClients]) -> None:
    result, cluster = probed(limits=Limits(plan_ms=2000))
    assert result.one(Stage.GROUP).reason is Reason.DEADLINE_OF_PLAN
    assert cluster.deleted == cluster.created
    assert len(cluster.deleted_groups) == 1
    assert result.closing.left_behind == ()
    assert_nothing_open(clients)


@pytest.mark.usefixtures("distance")
def test_a_client_that_cannot_be_made_says_so_where_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Settings.producer

    def wrong(settings: Settings, *arguments: Any, **limits: Any) -> dict[str, Any]:
        return real(settings, *arguments, **limits) | {"no.such.option": True}

    monkeypatch.setattr(Settings, "producer", wrong)
    result, cluster = probed()
    produce = result.one(Stage.PRODUCE)
    assert (produce.status, produce.reason) == (Status.FAILED, Reason.KAFKA_ERROR)
    assert "no.such.option" in produce.detail
    assert result.one(Stage.GROUP).reason is Reason.WAITS_FOR
    assert cluster.deleted == cluster.created


def test_closed_clients_are_not_made_ahead_any_more() -> None:
    clients = KafkaClients(Settings("127.0.0.1:1", None, Limits()), "g", reads=True)
    clients.close()
    clients.make()
    assert_nothing_open([clients])


def test_a_pair_that_is_taken_is_not_closed_again() -> None:
    clients = KafkaClients(Settings("127.0.0.1:1", None, Limits()), "g", reads=True)
    clients.make()
    consumer = clients.take_consumer()
    clients.close()
    consumer.assign([])
    consumer.close()


def test_a_consumer_is_made_only_for_who_reads() -> None:
    clients = KafkaClients(Settings("127.0.0.1:1", None, Limits()), "g", reads=False)
    clients.make()
    assert clients._consumer is None
    assert clients._producer is not None
    clients.close()


def test_a_refused_configuration_is_told_to_who_takes_the_client() -> None:
    clients = KafkaClients(Settings("127.0.0.1:1", Tls(ca_file="/no/such/file"), Limits()), "g", reads=True)
    clients.make()
    with pytest.raises(KafkaException):
        clients.take_consumer()
