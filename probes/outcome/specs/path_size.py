"""``path_size``: which sizes of packets pass, each way."""

from __future__ import annotations

from typing import Final

from brokerproof.probes.outcome.spec import Per, StageFacts, StageSpec
from brokerproof.probes.outcome.stages import KAFKA, NETWORK, TLS, Stage
from brokerproof.probes.outcome.tcp_info import TcpInfo


class PathSizeFacts(StageFacts, frozen=True, tag="path_size"):
    """Sizes of packets, IP and TCP headers included: the largest that passed, the smallest that did not."""

    to_broker_passed_bytes: int = 0
    to_broker_stopped_bytes: int | None = None
    """None where all sizes passed."""
    to_client_passed_bytes: int = 0
    """As large as the kernel saw one."""
    to_client_stopped_bytes: int | None = None
    """As large as the broker may send one; where requests did not pass, no large answer was tried."""
    answer_bytes: int | None = None
    """Of the large answer, over all its packets; None where it did not come."""
    sent_again_segments: int = 0
    """Since the requests under way were sent. What vanishes for its size is among them, and never acknowledged."""
    unreadable_segments: int = 0
    """That came since the requests under way were sent, where no byte of them can be read: one before is missing."""
    tcp: TcpInfo | None = None


SPEC: Final = StageSpec(
    stage=Stage.PATH_SIZE,
    after=(Stage.IDENTITY,),
    per=Per.ADDRESS,
    brokers_only=True,
    title="{address}:{port} takes and gives packets as large as this host's",
    # On a connection of its own, which may end as any other.
    reasons=NETWORK | TLS | KAFKA,
    asks="a large request",
    facts=(PathSizeFacts,),
)
