"""``produce``: records to each leader, acknowledged by all in-sync replicas."""

from __future__ import annotations

from typing import Final

from brokerproof.probes.outcome.permissions import Permission
from brokerproof.probes.outcome.spec import Per, StageFacts, StageSpec
from brokerproof.probes.outcome.stages import CLIENT, Reason, Stage


class TopicFacts(StageFacts, frozen=True, tag="topic"):
    """The topic for records, where a broker refused to create or to describe it."""

    topic: str
    error_code: int = 0
    """Of the answer to CreateTopics or Metadata (Kafka protocol guide, error codes); 0 where there was none."""
    asked_broker_id: int | None = None
    """The broker that was asked; None where it is not known."""
    denied: Permission | None = None
    """What the client lacks, where the broker refused for that."""


class ProduceFacts(StageFacts, frozen=True, tag="produce"):
    """Records to one partition, so to one leader; ``first_ack_ns`` is from send to acknowledgement."""

    topic: str
    partition: int
    leader_id: int
    records: int = 0
    acknowledged: int = 0
    first_ack_ns: int = 0
    error_name: str = ""
    denied: Permission | None = None
    client_log: tuple[str, ...] = ()


SPEC: Final = StageSpec(
    stage=Stage.PRODUCE,
    # A broker past which large packets do not pass fails records for that reason.
    after=(Stage.PATH_SIZE,),
    needs=(Stage.IDENTITY,),
    may_follow=frozenset({Stage.PATH_SIZE}),
    per=Per.BROKER,
    title="broker {broker_id} as leader acknowledges the probe's records",
    reasons=CLIENT | {Reason.NOT_LEADER, Reason.NOT_ENOUGH_REPLICAS, Reason.NO_LEADER},
    facts=(ProduceFacts, TopicFacts),
)
