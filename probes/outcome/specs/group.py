"""``group``: a consumer group from joining to its committed offsets."""

from __future__ import annotations

from typing import Final

from brokerproof.probes.outcome.base import Value
from brokerproof.probes.outcome.permissions import Permission
from brokerproof.probes.outcome.spec import Per, StageFacts, StageSpec
from brokerproof.probes.outcome.stages import CLIENT, Reason, Stage


class OffsetsPartition(Value, frozen=True):
    """The partition of ``__consumer_offsets`` that keeps the group: its leader is the group's coordinator.

    A coordinator that cannot write there with ``acks=all`` answers COORDINATOR_NOT_AVAILABLE (GroupCoordinator and
    GroupMetadataManager in Apache Kafka), whatever keeps it from writing.
    """

    partition: int
    leader_id: int
    """Below 0: nobody leads it."""
    replicas: int
    in_sync: int
    min_in_sync: int | None = None
    """``min.insync.replicas`` of the topic; None where the broker does not say."""

    @property
    def is_below_minimum(self) -> bool:
        """Whether it takes no writes of the coordinator.

        Of more replicas than there are none is asked for (Partition.effectiveMinIsr in Apache Kafka).
        """
        return self.in_sync < min(self.min_in_sync or 0, self.replicas)


class GroupFacts(StageFacts, frozen=True, tag="group"):
    """A consumer group: join, assignment, consumption, commit."""

    group: str
    coordinator_id: int | None = None
    assigned_partitions: int = 0
    received: int = 0
    committed: int = 0
    client_host: str = ""
    """This client's address as the coordinator sees it (DescribeGroups); empty where it was not said."""
    client_host_unknown: str = ""
    """Why it was not."""
    join_ns: int = 0
    group_state: str = ""
    """Where the group was not joined: its state as its coordinator says (DescribeGroups); empty where it said none."""
    offsets: OffsetsPartition | None = None
    """Where the group failed: how its offsets are kept; None where that was not asked or not answered."""
    error_name: str = ""
    denied: Permission | None = None
    """What the client lacks, where a broker refused for that."""
    client_log: tuple[str, ...] = ()


SPEC: Final = StageSpec(
    stage=Stage.GROUP,
    after=(Stage.CONSUME,),
    may_follow=frozenset({Stage.PATH_SIZE}),
    per=Per.CLUSTER,
    title="a consumer group is joined, consumes every partition and commits",
    reasons=CLIENT | {Reason.COORDINATOR_UNAVAILABLE, Reason.NOT_ASSIGNED, Reason.COMMIT_FAILED, Reason.RECORDS_LOST},
    facts=(GroupFacts,),
)
