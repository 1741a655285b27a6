"""Finding a group's coordinator and removing the group: what is waited for, and what is final."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from kio.schema.delete_groups.v1 import DeleteGroupsRequest, DeleteGroupsResponse
from kio.schema.delete_groups.v1.response import DeletableGroupResult
from kio.schema.errors import ErrorCode
from kio.schema.find_coordinator.v1 import FindCoordinatorRequest, FindCoordinatorResponse
from kio.schema.leave_group.v1 import LeaveGroupRequest, LeaveGroupResponse

from brokerproof.probes.coordinator import Coordinator, CoordinatorError, delete_group, find_coordinator
from brokerproof.probes.outcome import Reason
from tests.probes.fake_kafka import NO_THROTTLE, broker
from tests.probes.peers import run
from tests.probes.test_kafka_stages import connection_to


def found(codes: list[ErrorCode]) -> Coordinator:
    answers: Iterator[ErrorCode] = iter(codes)

    def handle(_request: FindCoordinatorRequest) -> FindCoordinatorResponse:
        code = next(answers)
        return FindCoordinatorResponse(
            throttle_time=NO_THROTTLE,
            error_code=code,
            error_message=None,
            node_id=2 if code is ErrorCode.none else -1,  # type: ignore[arg-type]
            host="b-2",
            port=9094,  # type: ignore[arg-type]
        )

    async def work() -> Coordinator:
        async with connection_to(broker({FindCoordinatorRequest: handle})) as connection:
            return await find_coordinator(connection, "g")

    return run(work())


def test_a_cluster_may_take_its_time_to_have_a_coordinator() -> None:
    codes = [ErrorCode.coordinator_not_available, ErrorCode.coordinator_load_in_progress, ErrorCode.none]
    assert found(codes) == Coordinator(2, "b-2", 9094)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (ErrorCode.group_authorization_failed, Reason.NOT_AUTHORIZED),
        (ErrorCode.invalid_request, Reason.COORDINATOR_UNAVAILABLE),
    ],
)
def test_a_refusal_is_final(code: ErrorCode, reason: Reason) -> None:
    with pytest.raises(CoordinatorError, match=code.name) as refusal:
        found([code])
    assert refusal.value.reason is reason


def deleted(
    codes: list[ErrorCode], member_id: str = "", versions: dict[int, tuple[int, int]] | None = None
) -> list[str]:
    """The requests that were made."""
    answers: Iterator[ErrorCode] = iter(codes)
    asked = []

    def leave(request: LeaveGroupRequest) -> LeaveGroupResponse:
        asked.append(f"leave {request.member_id}")
        return LeaveGroupResponse(throttle_time=NO_THROTTLE, error_code=ErrorCode.unknown_member_id)

    def handle(_request: DeleteGroupsRequest) -> DeleteGroupsResponse:
        asked.append("delete")
        result: Any = DeletableGroupResult(group_id="g", error_code=next(answers))  # type: ignore[arg-type]
        return DeleteGroupsResponse(throttle_time=NO_THROTTLE, results=(result,))

    async def work() -> None:
        handlers: dict[type, Any] = {LeaveGroupRequest: leave, DeleteGroupsRequest: handle}
        async with connection_to(broker(handlers)) as connection:
            connection.versions.update(versions or {})
            await asyncio.wait_for(delete_group(connection, "g", member_id), 5)

    run(work())
    return asked


@pytest.mark.parametrize(
    "codes",
    [
        [ErrorCode.none],
        [ErrorCode.group_id_not_found],
        [ErrorCode.non_empty_group, ErrorCode.non_empty_group, ErrorCode.none],
    ],
    ids=["gone", "never there", "its member is leaving"],
)
def test_a_group_is_removed(codes: list[ErrorCode]) -> None:
    assert deleted(codes) == ["delete"] * len(codes)


@pytest.mark.parametrize(
    ("versions", "codes", "asked"),
    [
        ({13: (0, 5), 42: (0, 2)}, [ErrorCode.none], ["leave m", "delete"]),
        ({13: (0, 5), 42: (0, 2)}, [ErrorCode.non_empty_group, ErrorCode.none], ["leave m", "delete", "delete"]),
        ({13: (2, 5), 42: (0, 2)}, [ErrorCode.none], ["delete"]),
    ],
    ids=["at once", "another one is still there", "not offered"],
)
def test_a_member_is_taken_out_of_its_group(
    versions: dict[int, tuple[int, int]], codes: list[ErrorCode], asked: list[str]
) -> None:
    assert deleted(codes, "m", versions) == asked


def test_a_group_that_may_not_be_removed() -> None:
    with pytest.raises(CoordinatorError, match="group_authorization_failed"):
        deleted([ErrorCode.group_authorization_failed])
