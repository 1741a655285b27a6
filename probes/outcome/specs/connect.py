"""``connect``: a TCP connection to each address."""

from __future__ import annotations

from typing import Final

from brokerproof.probes.outcome.spec import Per, StageFacts, StageSpec
from brokerproof.probes.outcome.stages import NETWORK, Stage
from brokerproof.probes.outcome.tcp_info import TcpInfo


class ConnectFacts(StageFacts, frozen=True, tag="connect"):
    """One TCP connect: both socket addresses as the kernel reports them."""

    local_address: str = ""
    local_port: int = 0
    remote_address: str = ""
    remote_port: int = 0
    errno: str = ""
    tcp: TcpInfo | None = None
    """None where the kernel does not say."""


SPEC: Final = StageSpec(
    stage=Stage.CONNECT,
    after=(Stage.RESOLVE,),
    per=Per.ADDRESS,
    title="{address}:{port} ({owner}, {zone_id}) accepts a TCP connection",
    reasons=NETWORK,
    limit="connect_ms",
    facts=(ConnectFacts,),
)
