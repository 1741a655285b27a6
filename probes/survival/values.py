"""What survivors are asked for and what they say, as values that travel as lines of JSON. Plain types only."""

from __future__ import annotations

from typing import Final

import msgspec

from brokerproof.probes.outcome import Reason
from brokerproof.probes.outcome.base import Value
from brokerproof.probes.outcome.foreign_text import encode_json
from brokerproof.probes.plan import Authentication, Endpoint, Tls

EVERY_MS: Final = 25
"""Between two records of one leader: an outage of 200 ms holds several of them."""
SLOWEST_MS: Final = 1000
MOST_S: Final = 4 * 3600
"""How long survivors live where nothing else is said."""
NOTED_MS: Final = 100.0
"""A pause between two acknowledgements that is longer than this, and than four intervals, is noted."""

SMALL_JVM: Final = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""Options of a Java process that is to start quickly and take little."""


class SurvivalPlan(Value, frozen=True, kw_only=True):
    """What clients of one VPC do until they are told to stop."""

    client: str
    brokers: tuple[Endpoint, ...]
    tls: Tls | None = None
    authentication: Authentication | None = None
    topic: str = ""
    """An existing topic; empty is one of its own, a partition led by each broker, removed at the end."""
    every_ms: int = EVERY_MS
    java: tuple[str, ...] = ()
    """The words that run a class of Kafka's on the client's host, class path included; empty is by its KAFKA_HOME."""
    most_s: int = MOST_S
    """It stops by itself after so long."""

    def __post_init__(self) -> None:
        if not self.brokers or any(broker.broker_id is None for broker in self.brokers):
            raise ValueError("brokers: each has to be named, with its id")
        if not 1 <= self.every_ms <= SLOWEST_MS:
            raise ValueError(f"every_ms {self.every_ms} is not in 1..{SLOWEST_MS}")


class Removal(Value, frozen=True, kw_only=True):
    """What survivors made and no longer need; no topic where it is not theirs."""

    plan: SurvivalPlan
    topic: str
    groups: tuple[str, ...]


class Gap(Value, frozen=True, kw_only=True):
    """A pause between two things that should have come at a steady pace."""

    broker_id: int
    began: float
    """Unix time of the last one before it."""
    lasted_ms: float
    retransmitted: int = 0
    """Segments that this host's connections to the broker sent again meanwhile."""
    unneeded: int = 0
    """Of these, those that the broker's host said it had already: they came late, and were not lost."""
    host_late_ms: float = 0.0
    """For how long in all this process itself was held up meanwhile."""
    lasts: bool = False
    """Whether it still went on when nothing more was waited for, so that its whole length is not known."""


class LeaderSurvival(Value, frozen=True, kw_only=True):
    """Records of one leader."""

    broker_id: int
    acknowledged: int
    failed: int
    usual_ms: float
    """The median between two acknowledgements."""
    gaps: tuple[Gap, ...] = ()
    """Those that are noted, in their order."""
    errors: dict[str, int] = msgspec.field(default_factory=dict)
    """What the application was told of records that were not delivered, by the client's name for it."""


class Attempt(Value, frozen=True, kw_only=True):
    """A fresh connection that failed."""

    at: float
    broker_id: int
    address: str
    why: str
    lasted_ms: float = 0.0
    host_late_ms: float = 0.0
    """For how long in all this process itself was held up meanwhile."""


class FreshSurvival(Value, frozen=True, kw_only=True):
    """Fresh connections to one address of a broker, one a second."""

    broker_id: int
    address: str
    attempts: int
    failed: tuple[Attempt, ...] = ()


class NameSeen(Value, frozen=True, kw_only=True):
    """What a name resolved to, from a time on."""

    at: float
    name: str
    addresses: tuple[str, ...]
    why_not: str = ""


class IdleSurvival(Value, frozen=True, kw_only=True):
    """A connection on which nothing was said."""

    broker_id: int
    address: str
    ended_at: float = 0.0
    how: str = ""
    """How it ended; empty where it still stood at the end."""


class Client(Value, frozen=True, kw_only=True):
    """What one client library saw as a whole."""

    library: str
    connects: dict[int, int] = msgspec.field(default_factory=dict)
    """Connections that were made to each broker since the start was over."""
    retries: int = 0
    errors: dict[str, int] = msgspec.field(default_factory=dict)
    """Errors that the application was told of beside its records."""


class Steady(Value, frozen=True, kw_only=True, tag="steady", tag_field="type"):
    """All leaders acknowledge, and records come back."""

    at: float


class Refused(Value, frozen=True, kw_only=True, tag="refused", tag_field="type"):
    """It could not begin."""

    why: str


class SurvivalReport(Value, frozen=True, kw_only=True, tag="survived", tag_field="type"):
    """What was noticed between the start and the end. Times are Unix seconds of this host."""

    client: str
    began: float
    ended: float
    leaders: tuple[LeaderSurvival, ...]
    fresh: tuple[FreshSurvival, ...]
    idle: tuple[IdleSurvival, ...]
    names: tuple[NameSeen, ...]
    """First what each name resolved to, then every change."""
    producer: Client
    consumer: Client
    sent: int
    acknowledged: int
    received: int
    lost: int
    """Acknowledged, and not received by the group by the end."""
    duplicated: int
    out_of_order: int
    rebalances: int
    host_late_ms: float
    """The longest that this process itself was held up."""
    left_behind: tuple[str, ...] = ()
    trouble: str = ""
    """Why these clients did not live as long as they were meant to."""
    beside: SurvivalReport | None = None
    """Of another client library, which did the same beside it."""


class Flow(Value, frozen=True, kw_only=True):
    """Records of one leader over connections that were made long ago, since the last look."""

    broker_id: int
    acknowledged: int = 0
    received: int = 0
    failed: int = 0
    unacknowledged_ms: float = 0.0
    """The longest without an acknowledgement, up to the look."""
    unread_ms: float = 0.0
    """The longest without a record that came back."""
    connects: int = 0
    """Connections that the producer and the consumer had to make to it anew."""
    errors: dict[str, int] = msgspec.field(default_factory=dict)
    """What the application was told of records that were not delivered, by the client's name for it."""


class LoginRefused(Value, frozen=True, kw_only=True):
    """What a client library told of logins that failed, also of a second one on a connection that was in use."""

    broker_id: int | None
    """None where it named none, as where it had no token to come with."""
    reason: Reason
    said: str
    count: int = 1


class Lived(Value, frozen=True, kw_only=True, tag="lived", tag_field="type"):
    """What long-lived clients noticed between two looks. Times are Unix seconds of this host."""

    since: float
    at: float
    flows: tuple[Flow, ...]
    """Of each broker that leads a partition of the topic."""
    refused: tuple[LoginRefused, ...] = ()
    host_late_ms: float = 0.0
    """The longest that this process itself was held up."""


Said = Steady | Refused | SurvivalReport | Lived
_decoder: Final[msgspec.json.Decoder[Said]] = msgspec.json.Decoder(Said)


def encode(said: Said | SurvivalPlan) -> bytes:
    """One JSON line, newline included."""
    return encode_json(said) + b"\n"


def decode_said(line: bytes) -> Said:
    """What survivors said.

    Raises:
        msgspec.DecodeError: it is none of their lines.
    """
    return _decoder.decode(line)
