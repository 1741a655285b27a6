"""The plan: what to probe, from one client, within which deadlines.

A plan says what to look at and never what to find; comparing is the caller's work. Plans travel
as JSON with a version, so that a probe on another host refuses what it does not understand.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

import msgspec

from brokerproof.probes.outcome import Acks, Compression, Stage
from brokerproof.probes.outcome.base import Value
from brokerproof.probes.outcome.permissions import ASKED_WITHOUT_EFFECT, Permission
from brokerproof.probes.outcome.registry import SPECS

PLAN_VERSION: Final = 1
MAX_PORT: Final = 65535
MAX_CONNECT_ATTEMPTS: Final = 100
"""MSK takes 100 new connections a second and broker of clients that authenticate by IAM, small brokers 4 (quotas)."""

VERIFY_STAGES: Final = tuple(stage for stage, spec in SPECS.items() if not spec.measurement)
"""All stages but the measurements."""


class Endpoint(Value, frozen=True):
    """A name and port to probe. ``broker_id`` is None where any broker may answer (bootstrap)."""

    name: str
    port: int
    broker_id: int | None = None

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("name is empty")
        if not 1 <= self.port <= MAX_PORT:
            raise ValueError(f"port {self.port} is not in 1..{MAX_PORT}")


class AdvertisedScope(StrEnum):
    """Which brokers that the cluster advertises, beside those of the plan, are connected to."""

    PLAN_ONLY = "plan_only"
    """Those at a port of the plan and below one of its domains: see :class:`brokerproof.probes.scope.PlanScope`."""
    ANY = "any"
    """All, wherever the cluster says they are."""
    NONE = "none"
    """None: it is asked which there are, and no more."""


class ForbiddenConnect(Value, frozen=True):
    """An address and port that must not accept a connection, and why it must not."""

    address: str
    port: int
    why: str


class ControlConnect(Value, frozen=True):
    """An address that nobody has, and a port of the cluster's: what accepts or refuses is not the cluster."""

    address: str
    port: int


class Tls(Value, frozen=True):
    """``ca_file`` is a PEM bundle on the probe's host; None is the host's own trust store."""

    ca_file: str | None = None


class AuthenticationScheme(StrEnum):
    """How a client proves to a cluster who it is (ClientAuthentication of MSK's CreateCluster)."""

    NONE = "none"
    MTLS = "mtls"
    """A client certificate in the TLS handshake."""
    SCRAM_SHA_512 = "scram_sha_512"
    """A user and a password of Secrets Manager (RFC 5802; MSK takes SHA-512 alone)."""
    IAM = "iam"
    """A token signed with AWS credentials, by the mechanism OAUTHBEARER."""

    @property
    def mechanism(self) -> str:
        """The SASL mechanism; empty where there is none."""
        return {"scram_sha_512": "SCRAM-SHA-512", "iam": "OAUTHBEARER"}.get(self.value, "")


REFERENCE: Final = r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:/.+)$"
"""Where a secret is: a variable of the environment, or a file, of the host that the probe runs on."""


class Authentication(Value, frozen=True):
    """How the probe logs in, and where its credentials are; never what they are.

    ``username`` to ``key_password`` are references as :data:`REFERENCE` has them. What AWS credentials are not named
    is found by botocore's chain: environment, shared files, container or instance role.
    """

    scheme: AuthenticationScheme
    username: str = ""
    password: str = ""
    certificate: str = ""
    """PEM: the client's certificate, and behind it the intermediates that signed it."""
    key: str = ""
    key_password: str = ""
    credentials_file: str = ""
    """An AWS shared credentials file, where it is not the host's usual one."""
    profile: str = ""
    role_arn: str = ""
    """A role to assume with those credentials."""
    role_session_name: str = ""
    region_name: str = ""
    """What tokens are signed for; empty is the Region in the broker's name."""
    most_per_s: float = 2.0
    """Authentications a broker and second: MSK takes 100 new IAM connections of all clients, small ones 4 (quotas)."""
    checks_nonce: bool = True
    """Whether one SCRAM login of the run is tried again, on a connection of its own, as librdkafka before 2.6.1 did."""
    asks_sts: bool = True
    """Whether STS is asked, once in the run, who the client is, where a broker refuses its IAM token."""

    def __post_init__(self) -> None:
        if not 0 < self.most_per_s <= MAX_AUTHENTICATIONS_PER_S:
            raise ValueError(f"most_per_s {self.most_per_s} is not in 0..{MAX_AUTHENTICATIONS_PER_S}")
        for field in _REFERENCES:
            text = getattr(self, field)
            if text and re.fullmatch(REFERENCE, text) is None:
                # The text itself may be the secret.
                raise ValueError(f"{field} is not a reference: it takes env:NAME or file:/path")
        missing = [field for field in _NEEDED.get(self.scheme, ()) if not getattr(self, field)]
        if missing:
            raise ValueError(f"{self.scheme} needs {' and '.join(missing)}")


MAX_AUTHENTICATIONS_PER_S: Final = 100
_REFERENCES: Final = ("username", "password", "certificate", "key", "key_password")
_NEEDED: Final = {
    AuthenticationScheme.SCRAM_SHA_512: ("username", "password"),
    AuthenticationScheme.MTLS: ("certificate", "key"),
}


class TopicMode(StrEnum):
    """Whether the probe makes its own topic or uses one that is there."""

    CREATE = "create"
    EXISTING = "existing"


class TopicPlan(Value, frozen=True):
    """The topic produce and consume use.

    ``create``: a topic of the probe's own, one partition led by each broker, removed afterwards;
    ``name`` is its prefix. ``existing``: the topic called ``name``; nothing is created or removed
    but the group.
    """

    mode: TopicMode = TopicMode.CREATE
    name: str = "brokerproof"
    replication_factor: int = 1
    records_per_leader: int = 5
    record_bytes: int = 256


class Limits(Value, frozen=True):
    """Deadlines. Each stage honours its own and the plan's, also when a peer falls silent."""

    resolve_ms: int = 3500
    connect_ms: int = 2000
    handshake_ms: int = 3000
    request_ms: int = 3000
    """api, metadata, identity: one request and its response."""
    produce_ms: int = 8000
    consume_ms: int = 8000
    group_ms: int = 12000
    sts_ms: int = 3000
    """For STS to say who the client is, where a token was refused: once a run, all in all."""
    plan_ms: int = 60000
    concurrency: int = 64

    def __post_init__(self) -> None:
        for field in self.__struct_fields__:
            if getattr(self, field) <= 0:
                raise ValueError(f"{field} must be positive")


class LatencyPlan(Value, frozen=True):
    """``samples`` records in all, spread over the leaders, at a fixed rate, after the warm-up.

    The rate is less where the path is too long for it: see :mod:`brokerproof.probes.load.path_latency`.
    """

    samples: int = 1000
    warm_up: int = 50
    rate_per_s: int = 500
    record_bytes: int = 100


class PathLatencyPlan(Value, frozen=True):
    """``samples`` fresh connections in all, in turn to every address that works, at a fixed rate, after the warm-up."""

    samples: int = 300
    warm_up: int = 30
    rate_per_s: int = 100
    max_ms: int = 15_000
    """Fewer samples are planned where the path's rate would make them last longer, at least one an address."""


class RampPlan(Value, frozen=True):
    """Rates offered one after another, each half as much again as the one before, until the path no longer follows.

    Bounded in bytes and in time, whichever ends first.
    """

    total_bytes: int = 256 * 1024 * 1024
    max_ms: int = 12_000
    step_ms: int = 400
    """How long each rate is offered."""

    def __post_init__(self) -> None:
        for field, (least, most) in _RAMP_BOUNDS.items():
            _within(field, getattr(self, field), least, most)


class ThroughputPlan(Value, frozen=True):
    """As fast as it goes, bounded in bytes and in time, whichever ends first; then, where asked for, a ramp."""

    total_bytes: int = 32 * 1024 * 1024
    max_ms: int = 3000
    record_bytes: int = 1024
    """Letters drawn at random, as Kafka's own performance tool sends them: compression makes them a good third less."""
    acks: Acks = Acks.ALL
    compression: Compression = Compression.NONE
    partitions_per_broker: int = 1
    """For an existing topic this is the most: no more are used than the broker leads."""
    connections_per_broker: int = 1
    """Producers at once. A partition is read over one connection, so consumers are no more than partitions a broker."""
    ramp: RampPlan | None = None

    def __post_init__(self) -> None:
        for field, (least, most) in _THROUGHPUT_BOUNDS.items():
            _within(field, getattr(self, field), least, most)


_RAMP_BOUNDS: Final = {
    "total_bytes": (1, 1 << 40),
    "max_ms": (100, 600_000),
    "step_ms": (100, 60_000),
}
_THROUGHPUT_BOUNDS: Final = {
    "total_bytes": (1, 1 << 40),
    "max_ms": (1, 600_000),
    # An index, and no more than a producer takes unless told to (message.max.bytes).
    "record_bytes": (8, 1_000_000),
    "partitions_per_broker": (1, 100),
    "connections_per_broker": (1, 32),
}


def _within(field: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ValueError(f"{field} {value} is not in {least}..{most}")


class Plan(Value, frozen=True):
    """One client's work.

    ``resolver`` None: the nameservers the host is configured with, in their order. ``tls`` None: plaintext.
    """

    plan_id: str
    client: str
    bootstrap: tuple[Endpoint, ...]
    brokers: tuple[Endpoint, ...] = ()
    version: int = PLAN_VERSION
    stages: tuple[Stage, ...] = VERIFY_STAGES
    tls: Tls | None = None
    authentication: Authentication | None = None
    """None: the client does not say who it is."""
    resolver: str | None = None
    topic: TopicPlan = TopicPlan()
    permissions: tuple[Permission, ...] = (Permission.DESCRIBE_CLUSTER, Permission.WRITE_IDEMPOTENTLY)
    """What the stage ``authorize`` asks for."""
    transactional_id: str = ""
    """What the client's transactional producers are called; ``authorize`` asks whether the client may use it."""
    limits: Limits = Limits()
    latency: LatencyPlan | None = None
    path_latency: PathLatencyPlan | None = None
    throughput: ThroughputPlan | None = None
    forbidden: tuple[ForbiddenConnect, ...] = ()
    connect_attempts: int = 1
    """Connections to each address of a broker, in quick succession: the first is used, each is an outcome.

    Several show whether something fails now and then: one of the targets behind a listener, a packet.
    """
    idle_hold_ms: int = 0
    """How long the stage ``idle`` is silent, on a connection of its own to each broker address; 0 is without it."""
    other_names: tuple[str, ...] = ()
    """Names that are not of the cluster, to be resolved and no more."""
    control_names: tuple[str, ...] = ()
    """Names that nobody has: what answers for them answers for everything."""
    control_connects: tuple[ControlConnect, ...] = ()
    """Tried once each, and no byte is sent."""
    follow_advertised: AdvertisedScope = AdvertisedScope.PLAN_ONLY
    """What the cluster may make the probe connect to; the rest is reported and left alone."""
    look_again: bool = True
    """Look once more, before the run ends, at what failed: what is over by then is told from what lasts."""
    without_sni: bool = False
    """Whether one handshake of the run is done again without a server name: many clients send none."""
    names_by_host: bool = False
    """Whether a name may be the host's own (a hosts file): its answer is right where DNS does not have the name."""
    raw_samples: bool = False
    """Hand over every latency sample, not only the distributions."""

    def __post_init__(self) -> None:
        if self.version != PLAN_VERSION:
            raise ValueError(f"plan version {self.version}; this probe understands {PLAN_VERSION}")
        if not self.bootstrap and not self.forbidden and not self.other_names:
            raise ValueError("bootstrap is empty: there is nothing to probe")
        if others := set(self.permissions) - set(ASKED_WITHOUT_EFFECT):
            raise ValueError(f"permissions: {', '.join(sorted(others))} cannot be asked for without an effect")
        if (self.idle_hold_ms > 0) is not (Stage.IDLE in self.stages):
            raise ValueError(f"idle_hold_ms is {self.idle_hold_ms}: it is positive with the stage idle, else 0")
        if self.idle_hold_ms >= self.limits.plan_ms:
            raise ValueError(f"idle_hold_ms {self.idle_hold_ms} is not within limits.plan_ms {self.limits.plan_ms}")
        if not 1 <= self.connect_attempts <= MAX_CONNECT_ATTEMPTS:
            raise ValueError(f"connect_attempts {self.connect_attempts} is not in 1..{MAX_CONNECT_ATTEMPTS}")


_encoder: Final = msgspec.json.Encoder()  # noqa: TID251  read by a probe alone
_decoder: Final = msgspec.json.Decoder(Plan)


def encode_plan(plan: Plan) -> bytes:
    """One JSON line, newline included."""
    return _encoder.encode(plan) + b"\n"


def decode_plan(text: bytes | str) -> Plan:
    """Decode a plan.

    Raises:
        msgspec.DecodeError: not JSON, an unknown field, or a field out of range; the message
            names the path.
    """
    return _decoder.decode(text)
