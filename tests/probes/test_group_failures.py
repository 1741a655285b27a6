"""Stage ``group`` where it fails: what the coordinator says of the group then, and how its offsets are kept."""

from __future__ import annotations

import pytest

from brokerproof.probes.coordinator import OFFSETS_TOPIC, _java_hash
from brokerproof.probes.outcome import GroupFacts, Reason, Stage, Status
from tests.probes.fake_cluster import DESCRIBE_GROUPS, JOIN_GROUP, FakeCluster
from tests.probes.running import waiting
from tests.probes.test_records import TO_GROUP, probed

LIMITS = waiting(request_ms=1000, group_ms=1500)


def failed_group(*silent: int, min_in_sync: int = 1) -> GroupFacts:
    def prepare(cluster: FakeCluster) -> None:
        cluster.silent_on |= set(silent)
        cluster.group_state = "Dead"
        cluster.min_in_sync = min_in_sync
        cluster.leaders(OFFSETS_TOPIC)

    result, _ = probed(1, prepare, stages=TO_GROUP, limits=LIMITS)
    group = result.one(Stage.GROUP)
    assert (group.status, group.reason) == (Status.FAILED, Reason.NOT_ASSIGNED), group
    assert isinstance(group.facts, GroupFacts)
    assert (group.facts.coordinator_id, group.facts.assigned_partitions) == (1, 0)
    return group.facts


def test_a_coordinator_that_answers_all_but_join_group() -> None:
    facts = failed_group(JOIN_GROUP, min_in_sync=2)
    assert (facts.group_state, facts.client_host_unknown) == ("Dead", "")
    assert facts.offsets is not None
    assert (facts.offsets.in_sync, facts.offsets.min_in_sync) == (1, 2)


def test_a_coordinator_that_is_silent_from_join_group_on() -> None:
    facts = failed_group(JOIN_GROUP, DESCRIBE_GROUPS)
    assert (facts.group_state, facts.client_host_unknown) == ("", "no DescribeGroups response within 900 ms")


@pytest.mark.parametrize(
    ("text", "value"),
    [("", 0), ("a", 97), ("hello", 99_162_322), ("polygenelubricants", 0)],
)
def test_the_hash_is_javas(text: str, value: int) -> None:
    """The last one's hash is the smallest int, which has no absolute value; ``Utils.abs`` makes it 0."""
    assert _java_hash(text) == value
