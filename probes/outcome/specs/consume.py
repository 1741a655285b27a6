"""``consume``: the same records read back from each leader."""

from __future__ import annotations

from typing import Final

from brokerproof.probes.outcome.permissions import Permission
from brokerproof.probes.outcome.spec import Per, StageFacts, StageSpec
from brokerproof.probes.outcome.stages import CLIENT, Reason, Stage


class ConsumeFacts(StageFacts, frozen=True, tag="consume"):
    """What came back of the produced nonces from one partition."""

    topic: str
    partition: int
    leader_id: int
    expected: int = 0
    received: int = 0
    lost: int = 0
    duplicated: int = 0
    altered: int = 0
    error_name: str = ""
    denied: Permission | None = None
    """What the client lacks, where a broker refused for that."""
    client_log: tuple[str, ...] = ()


SPEC: Final = StageSpec(
    stage=Stage.CONSUME,
    after=(Stage.PRODUCE,),
    may_follow=frozenset({Stage.PATH_SIZE}),
    per=Per.BROKER,
    title="broker {broker_id} as leader returns the probe's records",
    reasons=CLIENT | {Reason.NOT_LEADER, Reason.RECORDS_LOST, Reason.RECORDS_DUPLICATED, Reason.RECORDS_ALTERED},
    facts=(ConsumeFacts,),
)
