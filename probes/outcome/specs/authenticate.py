"""``authenticate``: the client proves to a broker who it is, by SASL or by the certificate it came with."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from brokerproof.probes.outcome.base import Value
from brokerproof.probes.outcome.spec import Per, StageFacts, StageSpec
from brokerproof.probes.outcome.stages import KAFKA, Reason, Stage
from brokerproof.probes.outcome.tcp_info import TcpInfo


class TokenFlaw(StrEnum):
    """What is known to be wrong with a token before it is sent."""

    OTHER_REGION = "other_region"
    """It is signed for another Region than the one in the broker's name."""
    CREDENTIALS_ENDED = "credentials_ended"
    CREDENTIALS_END_SOON = "credentials_end_soon"


class TokenFacts(Value, frozen=True):
    """A token for MSK's IAM listener, without what would let anybody use it."""

    region_name: str = ""
    """It is signed for."""
    broker_region_name: str = ""
    """In the broker's name, at its place; empty where the name is not MSK's own."""
    service: str = ""
    issued: str = ""
    expires: str = ""
    credentials_end: str = ""
    """When the credentials end that signed it; empty where they do not, or do not say."""
    access_key_id: str = ""
    """Its first and last characters."""
    provider: str = ""
    """Where botocore found the credentials."""
    role_arn: str = ""
    """The role that was assumed, where the plan names one."""
    caller_arn: str = ""
    """Who the credentials are: of a session of an assumed role it follows from the role's ARN; empty where only STS
    would say."""
    flaws: tuple[TokenFlaw, ...] = ()


class StsAnswer(StrEnum):
    """What STS says of the credentials that a client has, by its error code."""

    ACCEPTED = "accepted"
    SIGNATURE_REFUSED = "signature_refused"
    """SignatureDoesNotMatch: another secret, or another time than STS's own by more than it takes."""
    KEY_UNKNOWN = "key_unknown"
    """InvalidClientTokenId."""
    SESSION_ENDED = "session_ended"
    """ExpiredToken."""
    REQUEST_EXPIRED = "request_expired"
    """RequestExpired: the time alone."""
    OTHER_ERROR = "other_error"
    NOT_REACHED = "not_reached"


class CallerFacts(Value, frozen=True):
    """What came of asking STS who the client is (GetCallerIdentity), after a broker refused it."""

    answer: StsAnswer
    error_code: str = ""
    """As STS has it; empty where it is accepted or not reached."""
    caller_arn: str = ""
    """Who the credentials are; empty unless they are accepted."""
    clock_ahead_s: int | None = None
    """How far the client's clock is ahead of the answer's Date; negative is behind, None is without a Date."""


class NonceFacts(Value, frozen=True):
    """How a SCRAM login ended, on a connection of its own, that repeated its nonce as librdkafka before 2.6.1 does."""

    accepted: bool
    detail: str = ""


class AgainFacts(Value, frozen=True):
    """How a second authentication on the same connection ended, as clients do before their session is over."""

    accepted: bool
    detail: str = ""


class AuthenticateFacts(StageFacts, frozen=True, tag="authenticate"):
    """What was said until the client was known, or refused; never what it proved itself by."""

    mechanism: str = ""
    """Of SASL; empty with a client certificate."""
    offered: tuple[str, ...] = ()
    """The mechanisms of this listener, where the broker named them."""
    error_code: int = 0
    """Kafka's, of the answer that ended it."""
    error_message: str = ""
    """The broker's own words."""
    messages: int = 0
    """The client's messages that were taken, before one was refused or all was said.

    SCRAM names the user in the first and proves the password in the second (RFC 5802, 3): Kafka refuses a user that it
    does not know at the first (ScramSaslServer).
    """
    principal: str = ""
    """Who the client is to the cluster, as far as it knows itself."""
    session_lifetime_ms: int = 0
    """After this the broker wants the client to authenticate again (KIP-368); 0 is never."""
    handshake_ns: int = 0
    """SaslHandshake: the mechanism is agreed on."""
    exchange_ns: int = 0
    """SaslAuthenticate: all of its messages."""
    token: TokenFacts | None = None
    """What IAM was asked with."""
    caller: CallerFacts | None = None
    """None where STS was not asked: it is where a token is refused in which the client knows no flaw, once a run."""
    again: AgainFacts | None = None
    """None where that was not tried; once a run it is, where the session has a lifetime."""
    repeated_nonce: NonceFacts | None = None
    """None where that was not tried; once a run it is."""
    tcp: TcpInfo | None = None


SPEC: Final = StageSpec(
    stage=Stage.AUTHENTICATE,
    after=(Stage.API,),
    per=Per.ADDRESS,
    logged_in_only=True,
    title="{address}:{port} accepts who the client is",
    reasons=KAFKA
    | {
        Reason.MECHANISM_NOT_OFFERED,
        Reason.CREDENTIALS_REFUSED,
        Reason.CONNECTION_RATE,
        Reason.SESSION_TOO_SHORT,
        Reason.PRINCIPAL_CHANGED,
        Reason.SERVER_NOT_PROVED,
        Reason.NO_CREDENTIALS,
        Reason.STS_UNREACHABLE,
        Reason.CERTIFICATE_NOT_REQUESTED,
    },
    facts=(AuthenticateFacts,),
)
