"""Outcomes: what a probe saw, as values.

An outcome is never an exception. ``failed`` is about the path, ``error`` is about the probe
itself, ``skipped`` names what it waited for. Every stage has a closed list of reasons; a reason
outside it cannot be constructed.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import Final

import msgspec


class Stage(StrEnum):
    """The stages in the order they depend on each other, then the measurements."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    HANDSHAKE = "handshake"
    API = "api"
    METADATA = "metadata"
    IDENTITY = "identity"
    PRODUCE = "produce"
    CONSUME = "consume"
    GROUP = "group"
    LATENCY = "latency"
    THROUGHPUT = "throughput"


class Status(StrEnum):
    """``failed`` blames the path, ``error`` blames the probe or its host."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"
    ERROR = "error"


class Role(StrEnum):
    """Why a target was probed."""

    BOOTSTRAP = "bootstrap"
    """In the plan's bootstrap list; which broker answers is not fixed."""
    BROKER = "broker"
    """A broker the plan expects at this name and port."""
    ADVERTISED = "advertised"
    """Advertised by the cluster's metadata, but not in the plan."""
    FORBIDDEN = "forbidden"
    """Must not answer; only ``connect`` is tried."""
    CLUSTER = "cluster"
    """The cluster as a whole (group, throughput)."""


class Reason(StrEnum):
    """Every reason any stage may give; :data:`STAGE_REASONS` says which stage may give which."""

    # resolve
    NXDOMAIN = "nxdomain"
    NO_DATA = "no_data"
    SERVFAIL = "servfail"
    BAD_RCODE = "bad_rcode"
    MALFORMED_ANSWER = "malformed_answer"
    OS_RESOLUTION_FAILED = "os_resolution_failed"
    OS_ANSWER_DIFFERS = "os_answer_differs"
    # network
    TIMED_OUT = "timed_out"
    REFUSED = "refused"
    RESET = "reset"
    CLOSED = "closed"
    HOST_UNREACHABLE = "host_unreachable"
    NETWORK_UNREACHABLE = "network_unreachable"
    SOCKET_ERROR = "socket_error"
    # handshake
    CHAIN_UNTRUSTED = "chain_untrusted"
    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_NOT_YET_VALID = "certificate_not_yet_valid"
    NAME_MISMATCH = "name_mismatch"
    NOT_TLS = "not_tls"
    ALERT = "alert"
    PROTOCOL_ERROR = "protocol_error"
    # kafka
    NOT_KAFKA = "not_kafka"
    UNSUPPORTED_VERSION = "unsupported_version"
    KAFKA_ERROR = "kafka_error"
    NO_BROKERS = "no_brokers"
    NOT_AUTHORIZED = "not_authorized"
    OTHER_BROKER = "other_broker"
    NOT_LEADER = "not_leader"
    NOT_ENOUGH_REPLICAS = "not_enough_replicas"
    NO_LEADER = "no_leader"
    TOPIC_NOT_CREATED = "topic_not_created"
    TOPIC_NOT_FOUND = "topic_not_found"
    TRANSPORT = "transport"
    RECORDS_LOST = "records_lost"
    RECORDS_DUPLICATED = "records_duplicated"
    RECORDS_ALTERED = "records_altered"
    COORDINATOR_UNAVAILABLE = "coordinator_unavailable"
    NOT_ASSIGNED = "not_assigned"
    COMMIT_FAILED = "commit_failed"
    INTERMITTENT = "intermittent"
    # status skipped
    WAITS_FOR = "waits_for"
    NOT_PLANNED = "not_planned"
    # status error, any stage
    PROBE_CRASHED = "probe_crashed"
    NO_RESOLVER = "no_resolver"
    BAD_CA_FILE = "bad_ca_file"
    OUT_OF_SOCKETS = "out_of_sockets"
    DEADLINE_OF_PLAN = "deadline_of_plan"


_NETWORK: Final = frozenset(
    {
        Reason.TIMED_OUT,
        Reason.REFUSED,
        Reason.RESET,
        Reason.HOST_UNREACHABLE,
        Reason.NETWORK_UNREACHABLE,
        Reason.SOCKET_ERROR,
        Reason.INTERMITTENT,
    }
)
_CONVERSATION: Final = frozenset({Reason.TIMED_OUT, Reason.RESET, Reason.CLOSED, Reason.SOCKET_ERROR})
_KAFKA: Final = _CONVERSATION | {
    Reason.NOT_KAFKA,
    Reason.UNSUPPORTED_VERSION,
    Reason.KAFKA_ERROR,
    Reason.NOT_AUTHORIZED,
}
_CLIENT: Final = frozenset(
    {
        Reason.TIMED_OUT,
        Reason.TRANSPORT,
        Reason.KAFKA_ERROR,
        Reason.NOT_AUTHORIZED,
        Reason.TOPIC_NOT_CREATED,
        Reason.TOPIC_NOT_FOUND,
    }
)

STAGE_REASONS: Final[dict[Stage, frozenset[Reason]]] = {
    Stage.RESOLVE: frozenset(
        {
            Reason.NXDOMAIN,
            Reason.NO_DATA,
            Reason.SERVFAIL,
            Reason.BAD_RCODE,
            Reason.MALFORMED_ANSWER,
            Reason.OS_RESOLUTION_FAILED,
            Reason.OS_ANSWER_DIFFERS,
            Reason.TIMED_OUT,
            Reason.REFUSED,
            Reason.SOCKET_ERROR,
        }
    ),
    Stage.CONNECT: _NETWORK,
    Stage.HANDSHAKE: _CONVERSATION
    | {
        Reason.CHAIN_UNTRUSTED,
        Reason.CERTIFICATE_EXPIRED,
        Reason.CERTIFICATE_NOT_YET_VALID,
        Reason.NAME_MISMATCH,
        Reason.NOT_TLS,
        Reason.ALERT,
        Reason.PROTOCOL_ERROR,
    },
    Stage.API: _KAFKA,
    Stage.METADATA: _KAFKA | {Reason.NO_BROKERS},
    Stage.IDENTITY: _KAFKA | {Reason.OTHER_BROKER},
    Stage.PRODUCE: _CLIENT | {Reason.NOT_LEADER, Reason.NOT_ENOUGH_REPLICAS, Reason.NO_LEADER},
    Stage.CONSUME: _CLIENT
    | {Reason.NOT_LEADER, Reason.RECORDS_LOST, Reason.RECORDS_DUPLICATED, Reason.RECORDS_ALTERED},
    Stage.GROUP: _CLIENT
    | {Reason.COORDINATOR_UNAVAILABLE, Reason.NOT_ASSIGNED, Reason.COMMIT_FAILED, Reason.RECORDS_LOST},
    Stage.LATENCY: _CLIENT | {Reason.RECORDS_LOST},
    Stage.THROUGHPUT: _CLIENT | {Reason.RECORDS_LOST, Reason.RECORDS_DUPLICATED},
}
"""The closed list of reasons a ``failed`` outcome of each stage may carry."""

SKIP_REASONS: Final = frozenset({Reason.WAITS_FOR, Reason.NOT_PLANNED})
ERROR_REASONS: Final = frozenset(
    {
        Reason.PROBE_CRASHED,
        Reason.NO_RESOLVER,
        Reason.BAD_CA_FILE,
        Reason.OUT_OF_SOCKETS,
        Reason.DEADLINE_OF_PLAN,
    }
)


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A frozen value that refuses unknown fields when decoded."""


class Target(_Value, frozen=True):
    """What one outcome is about.

    ``address`` is empty for stages that are about a name (``resolve``) or the cluster;
    ``broker_id`` is the broker *expected* there, None where any broker may answer.
    """

    role: Role
    name: str = ""
    address: str = ""
    port: int = 0
    broker_id: int | None = None


class ResolveFacts(_Value, frozen=True, tag="resolve"):
    """The raw answer of the client's resolver, and what the operating system makes of the name."""

    resolver: str
    rcode: str
    a: tuple[str, ...] = ()
    aaaa: tuple[str, ...] = ()
    ttl_s: int | None = None
    cname_chain: tuple[str, ...] = ()
    soa: str = ""
    """Owner of the SOA in a negative answer: names the zone that answered (RFC 2308)."""
    aaaa_rcode: str = ""
    truncated: bool = False
    """True when the answer had to be fetched over TCP (RFC 7766)."""
    os_addresses: tuple[str, ...] = ()
    os_error: str = ""
    query_ns: int = 0
    os_ns: int = 0


class ConnectFacts(_Value, frozen=True, tag="connect"):
    """One TCP connect: both socket addresses as the kernel reports them."""

    local_address: str = ""
    local_port: int = 0
    remote_address: str = ""
    remote_port: int = 0
    errno: str = ""


class HandshakeFacts(_Value, frozen=True, tag="handshake"):
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
    chain: tuple[str, ...] = ()
    """Subjects of the presented chain, leaf first."""
    alert: str = ""
    client_certificate_requested: bool = False
    bytes_received: int = 0


class ApiFacts(_Value, frozen=True, tag="api"):
    """ApiVersions as answered on this connection."""

    error_code: int = 0
    api_count: int = 0
    produce_max_version: int = -1
    fetch_max_version: int = -1


class AdvertisedBroker(_Value, frozen=True):
    """A broker as Metadata lists it."""

    broker_id: int
    name: str
    port: int
    rack: str | None = None


class MetadataFacts(_Value, frozen=True, tag="metadata"):
    """Metadata as answered on this connection (the listener the request came in on)."""

    cluster_id: str = ""
    controller_id: int = -1
    brokers: tuple[AdvertisedBroker, ...] = ()


class IdentityFacts(_Value, frozen=True, tag="identity"):
    """Which broker answered: proved by DescribeConfigs for ``BROKER:<id>``.

    Only that broker answers for its own id; any other says ``Unexpected broker id, expected X``.
    """

    answered_by: int | None = None
    error_code: int = 0
    error_message: str = ""
    advertised_listeners: str = ""
    """``advertised.listeners`` of the answering broker, empty where not allowed to read it."""


class ProduceFacts(_Value, frozen=True, tag="produce"):
    """Records to one partition, so to one leader; ``first_ack_ns`` is from send to acknowledgement."""

    topic: str
    partition: int
    leader_id: int
    records: int = 0
    acknowledged: int = 0
    first_ack_ns: int = 0
    error_name: str = ""
    client_log: tuple[str, ...] = ()


class ConsumeFacts(_Value, frozen=True, tag="consume"):
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
    client_log: tuple[str, ...] = ()


class GroupFacts(_Value, frozen=True, tag="group"):
    """A consumer group: join, assignment, consumption, commit."""

    group: str
    coordinator_id: int | None = None
    assigned_partitions: int = 0
    received: int = 0
    committed: int = 0
    client_host: str = ""
    """This client's address as the coordinator sees it (DescribeGroups); empty where it was not said."""
    join_ns: int = 0
    error_name: str = ""
    client_log: tuple[str, ...] = ()


class Distribution(_Value, frozen=True):
    """A latency distribution in nanoseconds. A percentile is None where ``samples`` cannot say it.

    A percentile q is said only with at least ten samples beyond it: 20 for p50, 200 for p95,
    1,000 for p99.
    """

    samples: int
    min_ns: int
    max_ns: int
    mean_ns: int
    p50_ns: int | None = None
    p95_ns: int | None = None
    p99_ns: int | None = None
    hdr: str = ""
    """The whole histogram, HdrHistogram V2 compressed, base64; values are nanoseconds / 1000."""


class HostLoad(_Value, frozen=True):
    """How busy the probe's host was meanwhile, all cores together, and how late its samples began."""

    busy_share: float
    """0 to 1; the probe's own work is in it."""
    steal_share: float
    """0 to 1: time the host wanted to run and its hypervisor gave to others."""
    late_mean_ns: int
    late_max_ns: int


class LatencyFacts(_Value, frozen=True, tag="latency"):
    """Records, measured after the warm-up at a fixed arrival rate, whether or not earlier ones came back.

    ``produce_ack`` and ``end_to_end`` are from the send. Those ``scheduled`` are from when the record had to be
    sent, so that what a stall held up is counted in full (coordinated omission is corrected).
    """

    record_bytes: int
    warm_up_samples: int
    produce_ack: Distribution
    end_to_end: Distribution
    lost: int = 0
    produce_ack_scheduled: Distribution | None = None
    end_to_end_scheduled: Distribution | None = None
    warm_up: Distribution | None = None
    """Acknowledgements of the warm-up alone."""
    host: HostLoad | None = None


class PathLatencyFacts(_Value, frozen=True, tag="path_latency"):
    """Fresh connections to one address at a fixed arrival rate, after a warm-up; ``scheduled`` as for records.

    ``resolve`` is of the name, so it is the same for all addresses of one endpoint; None for an address that
    stands in place of a name. ``handshake`` is None in plaintext.
    """

    warm_up_samples: int
    connect: Distribution
    connect_scheduled: Distribution
    handshake: Distribution | None = None
    handshake_scheduled: Distribution | None = None
    resolve: Distribution | None = None
    resolve_scheduled: Distribution | None = None
    warm_up: Distribution | None = None
    """Connects of the warm-up alone."""
    failed: int = 0
    """Samples that came to nothing; they are in no distribution."""
    host: HostLoad | None = None


class ProduceLimits(_Value, frozen=True):
    """What was seen of the client, its host and its connections while it produced as fast as it could.

    Shares of connections are of the time in which they had data under way, weighted by it; see TCP_INFO.
    """

    sender_cpu_share: float
    """Of one core: the thread that hands records to the client."""
    process_cpu_share: float
    """Of one core: all threads of the probe, so it may be above 1."""
    throttled_ms: int = 0
    """The longest that a broker asked the client to wait for a quota."""
    connections: int = 0
    """Those that carried the records; 0 where the kernel does not say, and then what follows is 0 too."""
    busy_share: float = 0.0
    """Of the time it took: the busiest connection had data under way."""
    rwnd_limited_share: float = 0.0
    sndbuf_limited_share: float = 0.0
    retransmitted: int = 0
    rtt_ns: int = 0
    """Smoothed, of the connection where it was longest, at the end."""
    min_rtt_ns: int = 0
    host: HostLoad | None = None


class ThroughputFacts(_Value, frozen=True, tag="throughput"):
    """Bounded produce, then consume of the same records, over all leaders."""

    record_bytes: int
    records_produced: int
    produce_bytes_per_s: float
    produce_duration_ns: int
    records_consumed: int
    consume_bytes_per_s: float
    consume_duration_ns: int
    lost: int = 0
    duplicated: int = 0
    limits: ProduceLimits | None = None


Facts = (
    ResolveFacts
    | ConnectFacts
    | HandshakeFacts
    | ApiFacts
    | MetadataFacts
    | IdentityFacts
    | ProduceFacts
    | ConsumeFacts
    | GroupFacts
    | LatencyFacts
    | PathLatencyFacts
    | ThroughputFacts
)


class WaitedFor(_Value, frozen=True):
    """The earlier outcome a skipped one depends on."""

    stage: Stage
    target: Target


class Outcome(_Value, frozen=True, tag="outcome", tag_field="type"):
    """One stage on one target, once.

    ``started_ns`` is the probe host's monotonic clock since the plan began. ``detail`` holds the
    words seen (an error message), for people; decisions use ``reason`` and ``facts``.

    Raises:
        ValueError: when the reason does not belong to the stage and status.
    """

    stage: Stage
    target: Target
    status: Status
    started_ns: int
    duration_ns: int
    reason: Reason | None = None
    detail: str = ""
    facts: Facts | None = None
    waited_for: WaitedFor | None = None
    attempt: int = 1

    def __post_init__(self) -> None:
        match self.status:
            case Status.OK:
                allowed: frozenset[Reason | None] = frozenset({None})
            case Status.FAILED:
                allowed = frozenset[Reason | None](STAGE_REASONS[self.stage])
            case Status.SKIPPED:
                allowed = frozenset[Reason | None](SKIP_REASONS)
            case Status.ERROR:
                allowed = frozenset[Reason | None](ERROR_REASONS)
        if self.reason not in allowed:
            message = f"reason {self.reason!r} is not one of stage {self.stage}, status {self.status}"
            raise ValueError(message)


class Measured(StrEnum):
    """What a latency sample is the time of, in the order of a connection's life."""

    RESOLVE = "resolve"
    """The client's resolver, from the question to its answer."""
    CONNECT = "connect"
    """A TCP connect to one address, from the SYN on."""
    HANDSHAKE = "handshake"
    """TLS on an accepted connection."""
    PRODUCE_ACK = "produce_ack"
    """A record, from the send to the acknowledgement of all in-sync replicas."""
    END_TO_END = "end_to_end"
    """A record, from the send to its arrival at a consumer in the same process."""


class SampleBlock(_Value, frozen=True, tag="samples", tag_field="type"):
    """Raw samples of one target, packed by :mod:`probes.samples`; before the closing line, in any order."""

    what: Measured
    target: Target
    warm_up: bool
    """Taken before the measurement counted."""
    samples: int
    columns: str
    """Base64 of zlib of signed 64-bit little-endian integers: all ``scheduled_ns`` (when each had to begin,
    since the plan began), then all ``started_ns`` (when it did), then all ``duration_ns``."""


class Started(_Value, frozen=True, tag="started", tag_field="type"):
    """First line of a run: who is probing."""

    plan_id: str
    client: str
    probe_version: str
    host: str
    python: str
    libraries: dict[str, str] = {}
    wall_clock: str = ""
    """ISO 8601, UTC, at monotonic zero of this run."""


class Closing(_Value, frozen=True, tag="closing", tag_field="type"):
    """Last line of a run. No closing line means the run was cut short."""

    plan_id: str
    outcomes: int
    complete: bool
    """False when the plan's deadline ended it; what was not probed is in the outcomes as errors."""
    duration_ns: int
    left_behind: tuple[str, ...] = ()
    """Topics and groups that could not be removed, with the reason."""
    sample_blocks: int = 0
    """How many lines of raw samples there were."""


class Refused(_Value, frozen=True, tag="refused", tag_field="type"):
    """The plan could not be used; nothing was probed."""

    why: str


Line = Started | Outcome | SampleBlock | Closing | Refused

_encoder: Final = msgspec.json.Encoder()


@cache
def _line_decoder() -> msgspec.json.Decoder[Line]:
    # Made when first used: the probe itself never decodes lines, and its start is measured.
    return msgspec.json.Decoder(Line)


def encode_line(line: Line) -> bytes:
    """One JSON line, newline included."""
    return _encoder.encode(line) + b"\n"


def decode_line(text: bytes | str) -> Line:
    """Decode one line.

    Raises:
        msgspec.DecodeError: the text is not one of the five lines (this includes
            :class:`msgspec.ValidationError`, which names the path of the wrong field).
    """
    return _line_decoder().decode(text)
