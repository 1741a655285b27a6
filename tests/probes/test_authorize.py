"""The stage ``authorize`` against brokers that allow, refuse, do not offer, and do not answer."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from kio.schema.api_versions.v0 import ApiVersionsRequest
from kio.schema.end_txn.v0 import EndTxnRequest, EndTxnResponse
from kio.schema.errors import ErrorCode
from kio.schema.find_coordinator.v1 import FindCoordinatorRequest, FindCoordinatorResponse
from kio.schema.init_producer_id.v0 import InitProducerIdRequest, InitProducerIdResponse
from kio.schema.metadata.v8 import MetadataRequest, MetadataResponse
from kio.schema.types import BrokerId, ProducerId
from kio.static.primitive import i16, i32, i32Timedelta

from brokerproof.probes.observation import Observation
from brokerproof.probes.outcome import AuthorizeFacts, Reason, Status
from brokerproof.probes.outcome.permissions import ASKED_WITHOUT_EFFECT, GRANTS, Permission
from brokerproof.probes.stages.api import ask_versions
from brokerproof.probes.stages.authorize import ASKED, ask_permissions
from tests.probes.fake_kafka import CLOSE, Handler, api_versions, broker
from tests.probes.peers import PATIENT_MS, limit_ms, run
from tests.probes.test_kafka_stages import connection_to

NO_THROTTLE = i32Timedelta.parse(timedelta())
ALL = {3: (0, 13), 10: (0, 6), 18: (0, 3), 22: (0, 4), 26: (0, 5)}
EVERYTHING = 0x1FFC


def cluster(operations: int = EVERYTHING) -> Handler:
    def handle(request: MetadataRequest) -> MetadataResponse:
        assert request.include_cluster_authorized_operations
        return MetadataResponse(
            throttle_time=NO_THROTTLE,
            brokers=(),
            cluster_id="c",
            controller_id=BrokerId(1),
            topics=(),
            cluster_authorized_operations=i32(operations),
        )

    return handle


def producer_id(code: ErrorCode = ErrorCode.none) -> Handler:
    def handle(request: InitProducerIdRequest) -> InitProducerIdResponse:
        assert request.transactional_id is None, "it would fence who uses that id"
        return InitProducerIdResponse(
            throttle_time=NO_THROTTLE, error_code=code, producer_id=ProducerId(7), producer_epoch=i16(0)
        )

    return handle


def coordinator(code: ErrorCode = ErrorCode.none) -> Handler:
    def handle(request: FindCoordinatorRequest) -> FindCoordinatorResponse:
        assert (request.key, int(request.key_type)) == ("orders", 1)
        return FindCoordinatorResponse(
            throttle_time=NO_THROTTLE,
            error_code=code,
            error_message=None,
            node_id=BrokerId(1),
            host="b-1",
            port=i32(9098),
        )

    return handle


def end(code: ErrorCode = ErrorCode.invalid_producer_id_mapping) -> Handler:
    def handle(request: EndTxnRequest) -> EndTxnResponse:
        assert int(request.producer_id) == -1, "nobody's producer"
        return EndTxnResponse(throttle_time=NO_THROTTLE, error_code=code)

    return handle


def asked(
    *,
    offered: dict[int, tuple[int, int]] | None = None,
    wanted: Sequence[Permission] = ASKED_WITHOUT_EFFECT,
    transactional_id: str = "orders",
    limit_ms: int = PATIENT_MS,
    **handlers: Handler,
) -> Observation:
    answering: dict[type, Handler] = {
        ApiVersionsRequest: lambda _request: api_versions(ALL if offered is None else offered),
        MetadataRequest: handlers.get("cluster", cluster()),
        InitProducerIdRequest: handlers.get("producer_id", producer_id()),
        FindCoordinatorRequest: handlers.get("coordinator", coordinator()),
        EndTxnRequest: handlers.get("end", end()),
    }

    async def work() -> Observation:
        async with connection_to(broker(answering)) as connection:
            assert (await ask_versions(connection, limit_ms=PATIENT_MS)).is_ok
            return await ask_permissions(
                connection, wanted, transactional_id=transactional_id, answered_by=1, limit_ms=limit_ms
            )

    return run(work())


def facts_of(seen: Observation) -> AuthorizeFacts:
    assert isinstance(seen.facts, AuthorizeFacts)
    return seen.facts


def test_who_may_do_everything_is_told_so_question_by_question() -> None:
    seen = asked()
    assert seen.status is Status.OK, seen
    assert [(each.permission, each.granted) for each in facts_of(seen).asked] == [(each, True) for each in ASKED]
    assert facts_of(seen).answered_by == 1


@pytest.mark.parametrize(
    ("refusing", "permission", "words"),
    [
        (
            {"cluster": cluster(0)},
            Permission.DESCRIBE_CLUSTER,
            "lacks Describe on Cluster kafka-cluster (kafka-cluster:DescribeCluster)",
        ),
        (
            {"producer_id": producer_id(ErrorCode.cluster_authorization_failed)},
            Permission.WRITE_IDEMPOTENTLY,
            "lacks IdempotentWrite on Cluster kafka-cluster (kafka-cluster:WriteDataIdempotently)",
        ),
        (
            {"coordinator": coordinator(ErrorCode.transactional_id_authorization_failed)},
            Permission.DESCRIBE_TRANSACTIONAL_ID,
            "lacks Describe on TransactionalId orders (kafka-cluster:DescribeTransactionalId)",
        ),
        (
            {"end": end(ErrorCode.transactional_id_authorization_failed)},
            Permission.WRITE_TRANSACTIONAL_ID,
            "lacks Write on TransactionalId orders (kafka-cluster:AlterTransactionalId)",
        ),
    ],
)
def test_a_refusal_names_what_is_lacking_and_on_what(
    refusing: dict[str, Any], permission: Permission, words: str
) -> None:
    seen = asked(**refusing)
    assert seen.reason is Reason.NOT_AUTHORIZED
    assert words in seen.detail
    assert facts_of(seen).denied == (permission,)


def test_two_refusals_are_told_in_one_outcome() -> None:
    seen = asked(cluster=cluster(0), producer_id=producer_id(ErrorCode.cluster_authorization_failed))
    assert facts_of(seen).denied == ASKED_WITHOUT_EFFECT


def test_what_the_client_does_without_is_not_asked() -> None:
    seen = asked(
        wanted=(Permission.DESCRIBE_CLUSTER,),
        transactional_id="",
        producer_id=producer_id(ErrorCode.cluster_authorization_failed),
    )
    assert seen.status is Status.OK
    assert [each.permission for each in facts_of(seen).asked] == [Permission.DESCRIBE_CLUSTER]


@pytest.mark.parametrize("code", [ErrorCode.coordinator_not_available, ErrorCode.not_coordinator])
def test_an_answer_other_than_a_refusal_is_a_grant(code: ErrorCode) -> None:
    """Brokers look at the permission first."""
    assert asked(coordinator=coordinator(code), end=end(code)).status is Status.OK


def test_what_a_broker_does_not_offer_or_tell_is_not_known() -> None:
    seen = asked(offered={3: (0, 13), 18: (0, 3)}, cluster=cluster(-(1 << 31)))
    assert seen.status is Status.OK
    assert {each.granted for each in facts_of(seen).asked} == {None}


@pytest.mark.parametrize(
    ("handler", "reason"),
    [(lambda _request: CLOSE, Reason.CLOSED), (lambda _request: None, Reason.TIMED_OUT)],
    ids=["closes", "silent"],
)
def test_an_ending_keeps_what_was_answered_before(handler: Handler, reason: Reason) -> None:
    seen = asked(producer_id=handler, limit_ms=limit_ms(reason))
    assert seen.reason is reason
    assert [each.granted for each in facts_of(seen).asked] == [True]


def test_each_question_has_the_limit_of_a_request() -> None:
    """A broker that makes something ready for a first producer, and for a first transaction, is not silent."""

    def slowly(handler: Handler) -> Handler:
        def handle(request: Any) -> Any:
            time.sleep(0.4)
            return handler(request)

        return handle

    seen = asked(
        cluster=slowly(cluster()),
        producer_id=slowly(producer_id()),
        coordinator=slowly(coordinator()),
        end=slowly(end()),
        limit_ms=1_000,
    )
    assert seen.status is Status.OK, seen


def test_every_permission_has_its_words_in_both_languages() -> None:
    assert set(GRANTS) == set(Permission)
    assert all(each.iam_action.startswith("kafka-cluster:") for each in GRANTS.values())
