"""``handshake``: TLS with SNI; chain, name and dates are judged separately."""

from __future__ import annotations

from typing import Final

from brokerproof.probes.outcome.base import Value
from brokerproof.probes.outcome.spec import Per, StageFacts, StageSpec
from brokerproof.probes.outcome.stages import TLS, Reason, Stage
from brokerproof.probes.outcome.tcp_info import TcpInfo


class WithoutSni(Value, frozen=True):
    """How a second handshake with the same peer ended that sent no server name."""

    reason: Reason | None = None
    """Why it is not as good as the first; None where it is."""
    detail: str = ""
    sha256: str = ""
    """Of the certificate that was presented; empty where none was."""


class ClientCertificateFacts(Value, frozen=True):
    """The certificate that the client came with, and whom the listener takes them from."""

    subject: str = ""
    issuer: str = ""
    """Of the last certificate of the chain that the client has."""
    not_before: str = ""
    not_after: str = ""
    dates_ok: bool = True
    """Whether it is valid now, by this host's clock."""
    chain_length: int = 1
    authorities: tuple[str, ...] = ()
    """The authorities that the listener names (RFC 8446, 4.2.4); none where it names none."""
    authority_named: bool | None = None
    """Whether one of these issued the chain; None where none is named."""


class HandshakeFacts(StageFacts, frozen=True, tag="handshake"):
    """Chain, name and dates judged separately; the certificate as presented."""

    sni: str
    tls_version: str = ""
    cipher: str = ""
    chain_ok: bool | None = None
    name_ok: bool | None = None
    dates_ok: bool | None = None
    """None where the handshake ended before that could be judged."""
    problems: tuple[Reason, ...] = ()
    verify_errors: tuple[str, ...] = ()
    """OpenSSL's words and depth for each verification error, e.g. ``20@0 unable to get ...``."""
    subject: str = ""
    issuer: str = ""
    dns_names: tuple[str, ...] = ()
    not_before: str = ""
    not_after: str = ""
    """ISO 8601, UTC."""
    sha256: str = ""
    unreadable: tuple[str, ...] = ()
    """What of the certificate cannot be read, each part with the reason; what OpenSSL judges of it stands all the same.
    """
    chain: tuple[str, ...] = ()
    """Subjects of the presented chain, leaf first."""
    alert: str = ""
    """Number and name."""
    alert_number: int | None = None
    """Of the alert the peer sent (RFC 8446, 6); None where it sent none."""
    no_common_version: bool = False
    """True where OpenSSL found no protocol version, or no cipher suite, that both sides speak."""
    client_certificate_requested: bool = False
    client_certificate: ClientCertificateFacts | None = None
    """What the client had to come with; None where that is nothing."""
    bytes_received: int = 0
    first_bytes: str = ""
    """What the peer said where that is no TLS, clipped; what is not printable ASCII is escaped."""
    answers_plaintext: bool | None = None
    """Whether Kafka answers there without TLS, on a connection of its own; asked only where the handshake was ended
    before the peer said anything."""
    without_sni: WithoutSni | None = None
    """None where that was not asked."""
    tcp: TcpInfo | None = None


SPEC: Final = StageSpec(
    stage=Stage.HANDSHAKE,
    after=(Stage.CONNECT,),
    per=Per.ADDRESS,
    tls_only=True,
    title="{address}:{port} presents a valid certificate for {name}",
    reasons=TLS | {Reason.NO_CREDENTIALS, Reason.CLIENT_KEY_UNUSABLE},
    limit="handshake_ms",
    facts=(HandshakeFacts,),
)
