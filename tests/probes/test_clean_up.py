"""What a run made is removed, also where the connection that made it, or its broker, does not answer any more."""

from __future__ import annotations

import asyncio
import gc

import pytest
from kio.schema.errors import ErrorCode

from brokerproof.probes.clean_up import remove
from brokerproof.probes.outcome import Reason, Stage, Status
from brokerproof.probes.topic import TopicError
from brokerproof.probes.whole_run import MAX_CLEAN_UP_S
from tests.probes.fake_cluster import CREATE_TOPICS, DELETE_GROUPS, DELETE_TOPICS, FakeCluster
from tests.probes.running import waiting
from tests.probes.test_records import TO_CONSUME, TO_GROUP, probed


@pytest.mark.parametrize("key", [DELETE_TOPICS, DELETE_GROUPS], ids=["topic", "group"])
def test_a_connection_that_was_forgotten_without_a_word(key: int) -> None:
    """As after idling: nothing comes back on the one that was kept, and new ones work."""
    result, cluster = probed(1, lambda cluster: cluster.deaf_on.add(key), stages=TO_GROUP)
    assert result.all_ok(), result.verdicts()
    assert cluster.deleted == cluster.created
    assert len(cluster.deleted_groups) == 1
    assert result.closing.left_behind == ()


def test_a_broker_that_is_unwell_by_then_is_not_the_only_one_to_ask() -> None:
    result, cluster = probed(
        2, lambda cluster: setattr(cluster, "falls_ill", True), stages=TO_CONSUME, limits=waiting(produce_ms=1500)
    )
    assert len(cluster.unwell) == 1
    assert cluster.deleted == cluster.created
    assert len(cluster.created) == 1
    assert result.closing.left_behind == ()


def test_a_topic_that_comes_into_being_after_nobody_answered_is_removed() -> None:
    def prepare(cluster: FakeCluster) -> None:
        cluster.knows_topics = True
        cluster.creates_late_s = 2.8

    result, cluster = probed(1, prepare, stages=TO_CONSUME, limits=waiting(produce_ms=1000))
    produce = result.one(Stage.PRODUCE)
    assert (produce.status, produce.reason) == (Status.FAILED, Reason.TOPIC_NOT_CREATED)
    assert len(cluster.created) == 1
    assert cluster.deleted == cluster.created
    assert result.closing.left_behind == ()


def test_a_topic_that_may_yet_come_is_named() -> None:
    def prepare(cluster: FakeCluster) -> None:
        cluster.knows_topics = True
        cluster.silent_on.add(CREATE_TOPICS)

    result, _ = probed(1, prepare, stages=TO_CONSUME, limits=waiting(produce_ms=1000))
    [left] = result.closing.left_behind
    assert left.startswith("topic brokerproof-")
    assert left.endswith("it is not there, and may come into being yet: nobody answered its creation")


def test_what_was_refused_leaves_nothing_to_wait_for() -> None:
    def prepare(cluster: FakeCluster) -> None:
        cluster.knows_topics = True
        cluster.create_code = ErrorCode.policy_violation

    result, cluster = probed(1, prepare, stages=TO_CONSUME)
    assert cluster.created == []
    assert result.closing.left_behind == ()
    assert result.wall_s < MAX_CLEAN_UP_S


def test_what_another_request_deletes_at_the_same_time_is_gone() -> None:
    result, _ = probed(
        1, lambda cluster: setattr(cluster, "delete_code", ErrorCode.unknown_topic_id), stages=TO_CONSUME
    )
    assert result.closing.left_behind == ()


def test_a_way_that_fails_while_another_succeeds_is_not_told_to_anybody() -> None:
    told: list[object] = []

    async def work() -> str:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context["message"]))
        second_began = asyncio.Event()

        async def first() -> bool:
            await second_began.wait()
            return True

        async def second() -> bool:
            second_began.set()
            raise TopicError(Reason.KAFKA_ERROR, "refused")

        left = await remove("topic t", [first, second], 10.0)
        gc.collect()
        return left

    assert asyncio.run(work()) == ""
    assert told == []
