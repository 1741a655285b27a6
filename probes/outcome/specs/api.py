"""``api``: ApiVersions on the same connection; the peer speaks Kafka."""

from __future__ import annotations

from typing import Final

from brokerproof.probes.outcome.spec import Per, StageFacts, StageSpec
from brokerproof.probes.outcome.stages import KAFKA, Stage
from brokerproof.probes.outcome.tcp_info import TcpInfo


class ApiFacts(StageFacts, frozen=True, tag="api"):
    """ApiVersions as answered on this connection."""

    error_code: int = 0
    api_count: int = 0
    produce_min_version: int = -1
    """As advertised; Kafka 4.0 and later advertise 0 and understand 3 and later (KAFKA-18659)."""
    list_offsets_min_version: int = -1
    """Above 0 where the versions before Kafka 2.1 are gone (KIP-896), as from Kafka 4.0 on."""
    produce_max_version: int = -1
    fetch_max_version: int = -1
    first_bytes: str = ""
    """What the peer said where that is no Kafka, clipped; what is not printable ASCII is escaped."""
    answers_tls: bool | None = None
    """Whether TLS answers there, on a connection of its own; asked only in plaintext, where the request was ended
    before the peer said anything."""
    alert_number: int | None = None
    """Of the TLS alert that came instead of an answer: TLS 1.3 judges a client's certificate after the handshake."""
    tcp: TcpInfo | None = None


SPEC: Final = StageSpec(
    stage=Stage.API,
    after=(Stage.HANDSHAKE,),
    per=Per.ADDRESS,
    title="{address}:{port} answers ApiVersions",
    reasons=KAFKA,
    limit="request_ms",
    facts=(ApiFacts,),
)
