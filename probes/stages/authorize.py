"""Stage ``authorize``: what a client may do, by requests that have no effect.

InitProducerId without a transactional id draws a number from the broker and no more. EndTxn is asked for a producer
that nobody is (id -1): Kafka looks at the permission first (KafkaApis.handleEndTxnRequest) and then finds no such
transaction. InitProducerId with a transactional id is not asked: it would fence who uses that id (KIP-98).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, Final

from kio.schema.end_txn.v0 import EndTxnRequest, EndTxnResponse
from kio.schema.errors import ErrorCode
from kio.schema.find_coordinator.v1 import FindCoordinatorRequest, FindCoordinatorResponse
from kio.schema.init_producer_id.v0 import InitProducerIdRequest, InitProducerIdResponse
from kio.schema.metadata.v8 import MetadataRequest, MetadataResponse
from kio.schema.types import ProducerId, TransactionalId
from kio.static.primitive import i8, i16, i32Timedelta

from brokerproof.probes.observation import Observation, failed, ok
from brokerproof.probes.outcome import AuthorizeFacts, PermissionAsked, Reason
from brokerproof.probes.outcome.permissions import CLUSTER_NAME, Permission, lacking
from brokerproof.probes.wire.kafka_connection import KafkaConnection
from brokerproof.probes.wire.stream import BrokenStreamError

REFUSALS: Final = frozenset(
    {
        ErrorCode.topic_authorization_failed,
        ErrorCode.group_authorization_failed,
        ErrorCode.cluster_authorization_failed,
        ErrorCode.transactional_id_authorization_failed,
    }
)
_TRANSACTION: Final = i8(1)
_UNKNOWN_OPERATIONS: Final = -(1 << 31)
"""``cluster_authorized_operations`` of a broker that does not say (KIP-430)."""
_DESCRIBE: Final = 1 << 8
"""AclOperation.DESCRIBE."""

_Ask = Callable[[KafkaConnection, str], Awaitable[PermissionAsked]]


async def ask_permissions(
    connection: KafkaConnection,
    wanted: Sequence[Permission],
    *,
    transactional_id: str = "",
    answered_by: int | None = None,
    limit_ms: int,
) -> Observation:
    """Ask for each permission by the request that needs it; what the broker does not offer is not known.

    Args:
        connection: Verified, of any broker.
        wanted: Those that :data:`ASKED` has a request for are asked.
        transactional_id: Asked about as well; empty is none.
        answered_by: The broker at the other end.
        limit_ms: For each of them. What a silent broker costs is this once: nothing is asked after silence.
    """
    more = (Permission.DESCRIBE_TRANSACTIONAL_ID, Permission.WRITE_TRANSACTIONAL_ID) if transactional_id else ()
    asked: list[PermissionAsked] = []
    try:
        for permission in (*wanted, *more):
            async with asyncio.timeout(limit_ms / 1000):
                answer = await ASKED[permission](connection, transactional_id)
            asked.append(answer)  # one by one: what was answered counts where the next is not
    except TimeoutError:
        words = f"no answer within {limit_ms} ms, after {len(asked)} of {len(wanted) + len(more)} questions"
        return failed(Reason.TIMED_OUT, words, AuthorizeFacts(asked=tuple(asked), answered_by=answered_by))
    except BrokenStreamError as failure:
        return failed(failure.reason, failure.detail, AuthorizeFacts(asked=tuple(asked), answered_by=answered_by))
    denied = [each for each in asked if each.granted is False]
    facts = AuthorizeFacts(
        asked=tuple(asked), answered_by=answered_by, denied=tuple(each.permission for each in denied)
    )
    if denied:
        lacks = (f"{each.request}: {lacking(each.permission, each.resource_name)}" for each in denied)
        return failed(Reason.NOT_AUTHORIZED, "; ".join(lacks), facts)
    return ok(facts)


def _answer(permission: Permission, name: str, request: str, code: ErrorCode, *, granted: bool) -> PermissionAsked:
    return PermissionAsked(
        permission=permission, resource_name=name, request=request, error_code=int(code), granted=granted
    )


def _not_offered(permission: Permission, name: str, request: str) -> PermissionAsked:
    return PermissionAsked(permission=permission, resource_name=name, request=request)


async def _describe_cluster(connection: KafkaConnection, _transactional_id: str) -> PermissionAsked:
    """No broker refuses this; it says in bits what is allowed, and none where Describe is not (KIP-430)."""
    what = Permission.DESCRIBE_CLUSTER, CLUSTER_NAME, "Metadata"
    request = MetadataRequest(
        topics=(),
        allow_auto_topic_creation=False,
        include_cluster_authorized_operations=True,
        include_topic_authorized_operations=False,
    )
    if not connection.offers(request):
        return _not_offered(*what)
    answer = await connection.call(request, MetadataResponse)
    operations = int(answer.cluster_authorized_operations)
    if operations == _UNKNOWN_OPERATIONS:
        return _not_offered(*what)
    return _answer(*what, ErrorCode.none, granted=bool(operations & _DESCRIBE))


async def _put(
    connection: KafkaConnection, permission: Permission, name: str, request: Any, response: type[Any]
) -> PermissionAsked:
    """What a request says that is refused by its error code, or granted; kio's classes end in what they are."""
    called = type(request).__name__.removesuffix("Request")
    if not connection.offers(request):
        return _not_offered(permission, name, called)
    code = (await connection.call(request, response)).error_code
    return _answer(permission, name, called, code, granted=code not in REFUSALS)


async def _write_idempotently(connection: KafkaConnection, _transactional_id: str) -> PermissionAsked:
    request = InitProducerIdRequest(transactional_id=None, transaction_timeout=i32Timedelta.parse(timedelta(minutes=1)))
    return await _put(connection, Permission.WRITE_IDEMPOTENTLY, CLUSTER_NAME, request, InitProducerIdResponse)


async def _describe_transactional_id(connection: KafkaConnection, transactional_id: str) -> PermissionAsked:
    request = FindCoordinatorRequest(key=transactional_id, key_type=_TRANSACTION)
    what = Permission.DESCRIBE_TRANSACTIONAL_ID, transactional_id
    return await _put(connection, *what, request, FindCoordinatorResponse)


async def _write_transactional_id(connection: KafkaConnection, transactional_id: str) -> PermissionAsked:
    request = EndTxnRequest(
        transactional_id=TransactionalId(transactional_id),
        producer_id=ProducerId(-1),
        producer_epoch=i16(-1),
        committed=False,
    )
    return await _put(connection, Permission.WRITE_TRANSACTIONAL_ID, transactional_id, request, EndTxnResponse)


ASKED: Final[dict[Permission, _Ask]] = {
    Permission.DESCRIBE_CLUSTER: _describe_cluster,
    Permission.WRITE_IDEMPOTENTLY: _write_idempotently,
    Permission.DESCRIBE_TRANSACTIONAL_ID: _describe_transactional_id,
    Permission.WRITE_TRANSACTIONAL_ID: _write_transactional_id,
}
