"""Kafka clients made while the path is still being verified: used where that ends well, closed where not."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from confluent_kafka import KafkaException

import brokerproof.probes.exchange
import brokerproof.probes.path_stages
from brokerproof.probes.endpoints import ProbedEndpoint, Verified
from brokerproof.probes.exchange import Exchange
from brokerproof.probes.kafka_client.messages import Making, Prepare
from brokerproof.probes.kafka_clients import KafkaClients
from brokerproof.probes.librdkafka import Settings
from brokerproof.probes.outcome import MetadataFacts, Reason, Role, Stage, Status
from brokerproof.probes.plan import Endpoint, Limits, Plan, Tls
from brokerproof.probes.stages.connect import connect
from brokerproof.probes.wire.stream import BrokenStreamError
from tests.probes.fake_cluster import (
    CREATE_TOPICS,
    FIND_COORDINATOR,
    JOIN_GROUP,
    PRODUCE,
    FakeCluster,
    fake_cluster,
)
from tests.probes.peers import peer, run, silent
from tests.probes.running import TO_IDENTITY, Result, plan, probe, waiting

JOINS_WITHIN_S = 4.0
"""The mock waits for more members for 3 s."""
TO_GROUP = (*TO_IDENTITY, Stage.PRODUCE, Stage.CONSUME, Stage.GROUP)


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


def test_one_pair_of_clients_serves_the_whole_run(distance: str, prepared: list[Prepare]) -> None:
    result, cluster = probed()
    assert result.all_ok(), (distance, result.verdicts())
    assert [each.making for each in prepared] == [Making.NOW if distance == "far" else Making.NEEDED]
    assert len(cluster.created) == len(cluster.deleted) == len(cluster.deleted_groups) == 1
    assert result.closing.left_behind == ()


@pytest.mark.parametrize("distance", ["far"], indirect=True)
@pytest.mark.usefixtures("distance")
def test_clients_that_started_from_what_proves_wrong_are_closed_unused(
    prepared: list[Prepare], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> tuple[Result, str, str]:
        async with fake_cluster(1) as cluster, peer(silent) as stranger:

            async def slowly(address: str, port: int, *, limit_ms: int) -> Any:
                # So that the stranger is the first to accept a connection.
                await asyncio.sleep(0 if port == stranger else 0.05)
                return await connect(address, port, limit_ms=limit_ms)

            monkeypatch.setattr(brokerproof.probes.path_stages, "connect", slowly)
            bootstrap = (Endpoint(name="127.0.0.1", port=stranger),)
            result = await probe(planned(cluster, bootstrap=bootstrap, limits=waiting(request_ms=1000)))
            return result, f"127.0.0.1:{stranger}", f"127.0.0.1:{cluster.ports[1]}"

    result, stranger, right = run(work())
    assert result.one(Stage.API, role=Role.BOOTSTRAP).status is Status.FAILED
    for stage in (Stage.PRODUCE, Stage.CONSUME, Stage.GROUP):
        assert result.one(stage).status is Status.OK, result.verdicts()
    assert [each.settings.bootstrap for each in prepared] == [stranger, right]


def verified(endpoint: ProbedEndpoint, cluster_id: str) -> Verified:
    metadata = MetadataFacts(cluster_id=cluster_id, controller_id=1, brokers=())
    return Verified(endpoint, "127.0.0.1", None, metadata, 1)  # type: ignore[arg-type]  # nothing is asked over it


@pytest.mark.parametrize(("known", "used"), [({}, False), ({1: "theirs"}, False), ({1: "ours"}, True)])
def test_clients_that_started_from_another_cluster_are_not_used(known: dict[int, str], used: bool) -> None:
    start, right = (ProbedEndpoint(Role.BROKER, name, 9094, 1) for name in ("b-1", "b-2"))
    start.verified = {broker_id: verified(start, cluster_id) for broker_id, cluster_id in known.items()}
    assert Exchange._is_of(start, verified(right, "ours")) is used


def test_a_produce_that_fails_leaves_no_group(distance: str) -> None:
    """Far away, the group has been joined meanwhile, in both looks; nothing is said of it."""
    result, cluster = probed(lambda cluster: cluster.silent_on.add(PRODUCE), limits=waiting(produce_ms=1500))
    produce = result.one(Stage.PRODUCE)
    assert (produce.status, produce.reason) == (Status.FAILED, Reason.TIMED_OUT)
    for stage in (Stage.CONSUME, Stage.GROUP):
        assert result.one(stage).reason is Reason.WAITS_FOR
    assert cluster.deleted == cluster.created
    assert len(cluster.deleted_groups) == (2 if distance == "far" else 0)
    assert result.closing.left_behind == ()


@pytest.mark.usefixtures("distance")
def test_a_coordinator_that_no_path_leads_to_is_not_joined() -> None:
    """Far away too: where a broker is not verified, it is asked first who coordinates the group."""
    asked: set[int] = set()

    async def work() -> Result:
        async with fake_cluster(1) as cluster:
            cluster.silent_on.add(FIND_COORDINATOR)
            missing = Endpoint(name="127.0.0.1", port=1, broker_id=9)
            planned_ = planned(cluster, limits=waiting(group_ms=1500))
            result = await probe(msgspec.structs.replace(planned_, brokers=(*planned_.brokers, missing)))
            asked.update(cluster.asked)
            return result

    result = run(work())
    assert result.one(Stage.GROUP).reason is Reason.COORDINATOR_UNAVAILABLE, result.verdicts()
    assert JOIN_GROUP not in asked


@pytest.mark.parametrize(("distance", "found"), [("near", False), ("far", True)], indirect=["distance"])
@pytest.mark.usefixtures("distance")
def test_far_away_the_group_is_joined_before_its_records_are_there(found: bool) -> None:
    result, cluster = probed(lambda cluster: cluster.silent_on.add(PRODUCE), limits=waiting(produce_ms=1500))
    assert (JOIN_GROUP in cluster.asked) is found, result.verdicts()


@pytest.mark.parametrize("distance", ["far"], indirect=True)
@pytest.mark.usefixtures("distance")
def test_a_group_that_the_client_joined_is_removed_though_nobody_told_the_probe_where(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def find_coordinator(*_asked: Any) -> Any:
        raise BrokenStreamError(Reason.CLOSED, "here")

    def slowly(cluster: FakeCluster) -> None:
        cluster.held_up_s[0] = JOINS_WITHIN_S

    monkeypatch.setattr(brokerproof.probes.exchange, "find_coordinator", find_coordinator)
    result, cluster = probed(slowly, look_again=False)
    assert result.one(Stage.CONSUME).status is Status.OK, result.verdicts()
    assert (result.one(Stage.GROUP).reason, result.one(Stage.GROUP).detail) == (
        Reason.TRANSPORT,
        "FindCoordinator: here",
    )
    assert set(cluster.deleted_groups) == set(cluster.created)
    assert result.closing.left_behind == ()


@pytest.mark.usefixtures("distance")
def test_the_plans_deadline_with_clients_nobody_took() -> None:
    result, _ = probed(lambda cluster: cluster.silent_on.add(CREATE_TOPICS), limits=waiting(plan_ms=2000))
    assert not result.closing.complete
    assert result.one(Stage.GROUP).reason is Reason.DEADLINE_OF_PLAN


@pytest.mark.usefixtures("distance")
def test_the_plans_deadline_in_the_middle_of_a_group() -> None:
    result, cluster = probed(lambda cluster: cluster.silent_on.add(JOIN_GROUP), limits=waiting(plan_ms=5000))
    assert result.one(Stage.GROUP).reason is Reason.DEADLINE_OF_PLAN
    assert cluster.deleted == cluster.created
    assert len(cluster.deleted_groups) == 1
    assert result.closing.left_behind == ()


@pytest.mark.usefixtures("distance")
def test_a_client_that_cannot_be_made_says_so_where_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Exchange._settings

    def wrong(exchange: Exchange, endpoint: ProbedEndpoint) -> Settings:
        return msgspec.structs.replace(real(exchange, endpoint), tls=Tls(ca_file="/no/such/file"))

    monkeypatch.setattr(Exchange, "_settings", wrong)
    result, cluster = probed()
    produce = result.one(Stage.PRODUCE)
    assert (produce.status, produce.reason) == (Status.FAILED, Reason.KAFKA_ERROR)
    assert "ssl.ca.location" in produce.detail
    assert result.one(Stage.GROUP).reason is Reason.WAITS_FOR
    assert cluster.deleted == cluster.created


def test_closed_clients_are_not_made_ahead_any_more() -> None:
    clients = KafkaClients(Settings("127.0.0.1:1", None, Limits()), "g", reads=True)
    clients.close()
    clients.make()
    assert (clients._producer, clients._consumer) == (None, None)


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
