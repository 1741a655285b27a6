"""``idle``: a connection on which nothing is sent for a while, then one request."""

from __future__ import annotations

from typing import Final

from brokerproof.probes.outcome.spec import Per, StageFacts, StageSpec
from brokerproof.probes.outcome.stages import KAFKA, NETWORK, TLS, Stage
from brokerproof.probes.outcome.tcp_info import TcpInfo


class IdleFacts(StageFacts, frozen=True, tag="idle"):
    """A connection on which nothing was sent for a while."""

    silent_ms: int
    """Until it ended, or until the request."""
    asked: bool = False
    """Whether the silence passed and a request was sent; what is wrong then is the first packet's."""
    works_anew: bool | None = None
    """Where it failed: whether the same request is answered on a new connection right after; None where not asked."""
    tcp: TcpInfo | None = None


SPEC: Final = StageSpec(
    stage=Stage.IDLE,
    # It ends last; what failed of the same broker before explains it.
    after=(Stage.THROUGHPUT,),
    needs=(Stage.IDENTITY,),
    per=Per.ADDRESS,
    brokers_only=True,
    measurement=True,
    title="{address}:{port} still answers on a connection that was silent for as long as was asked",
    reasons=NETWORK | TLS | KAFKA,
    facts=(IdleFacts,),
)
