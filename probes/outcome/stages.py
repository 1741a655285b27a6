"""The names of stages, statuses, roles and reasons. Plain words, no logic.

What else there is to say of a stage is declared in its own file in :mod:`brokerproof.probes.outcome.specs`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Stage(StrEnum):
    """A stage has one line here and one file of the same name in :mod:`brokerproof.probes.outcome.specs`.

    Their order here means nothing: see :mod:`brokerproof.probes.outcome.registry`.
    """

    RESOLVE = "resolve"
    CONNECT = "connect"
    HANDSHAKE = "handshake"
    API = "api"
    AUTHENTICATE = "authenticate"
    METADATA = "metadata"
    IDENTITY = "identity"
    AUTHORIZE = "authorize"
    PATH_SIZE = "path_size"
    PRODUCE = "produce"
    CONSUME = "consume"
    GROUP = "group"
    LATENCY = "latency"
    THROUGHPUT = "throughput"
    IDLE = "idle"


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
    OTHER = "other"
    """A name that is not of the cluster; only ``resolve`` is tried."""
    CONTROL = "control"
    """A name or an address that nobody has: what answers there is on the probe's host or beside it."""
    CLUSTER = "cluster"
    """The cluster as a whole (group, throughput)."""


class Reason(StrEnum):
    """Every reason any stage may give; each stage's spec says which it may give."""

    # resolve
    NXDOMAIN = "nxdomain"
    NO_DATA = "no_data"
    SERVFAIL = "servfail"
    BAD_RCODE = "bad_rcode"
    MALFORMED_ANSWER = "malformed_answer"
    OS_RESOLUTION_FAILED = "os_resolution_failed"
    OS_ANSWER_DIFFERS = "os_answer_differs"
    TRUNCATED = "truncated"
    ANSWERS_ROTATE = "answers_rotate"
    NAMESERVER_UNUSABLE = "nameserver_unusable"
    SLOW = "slow"
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
    # authenticate
    MECHANISM_NOT_OFFERED = "mechanism_not_offered"
    """This listener has other mechanisms, or none."""
    CREDENTIALS_REFUSED = "credentials_refused"
    CONNECTION_RATE = "connection_rate"
    SESSION_TOO_SHORT = "session_too_short"
    PRINCIPAL_CHANGED = "principal_changed"
    SERVER_NOT_PROVED = "server_not_proved"
    """The server does not know what a broker knows of the user."""
    NO_CREDENTIALS = "no_credentials"
    """The client has nothing to log in with: nothing was sent."""
    STS_UNREACHABLE = "sts_unreachable"
    """What the client logs in with is to be had of STS, which does not answer: nothing was sent."""
    CLIENT_KEY_UNUSABLE = "client_key_unusable"
    """The client's key and certificate do not go together, or cannot be read: nothing was sent."""
    CERTIFICATE_NOT_REQUESTED = "certificate_not_requested"
    """The listener took no notice of the client's certificate."""
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
    TOO_MUCH = "too_much"
    """A bound of :mod:`brokerproof.probes.outcome.bounds` was met: what a peer said is not read, or not followed."""
    CLIENT_DIED = "client_died"
    """The Kafka client (librdkafka) crashed; with status error: it was ended from outside, or could not be started."""
    # status skipped
    WAITS_FOR = "waits_for"
    NOT_PLANNED = "not_planned"
    OUTSIDE_PLAN = "outside_plan"
    NOT_COVERED = "not_covered"
    # status error, any stage
    PROBE_CRASHED = "probe_crashed"
    NO_RESOLVER = "no_resolver"
    BAD_CA_FILE = "bad_ca_file"
    OUT_OF_SOCKETS = "out_of_sockets"
    DEADLINE_OF_PLAN = "deadline_of_plan"


# What several stages may fail with.

NETWORK: Final = frozenset(
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
CONVERSATION: Final = frozenset({Reason.TIMED_OUT, Reason.RESET, Reason.CLOSED, Reason.SOCKET_ERROR})
TLS: Final = CONVERSATION | {
    Reason.TOO_MUCH,
    Reason.CHAIN_UNTRUSTED,
    Reason.CERTIFICATE_EXPIRED,
    Reason.CERTIFICATE_NOT_YET_VALID,
    Reason.NAME_MISMATCH,
    Reason.NOT_TLS,
    Reason.ALERT,
    Reason.PROTOCOL_ERROR,
}
KAFKA: Final = CONVERSATION | {
    Reason.TOO_MUCH,
    Reason.NOT_KAFKA,
    Reason.UNSUPPORTED_VERSION,
    Reason.KAFKA_ERROR,
    Reason.NOT_AUTHORIZED,
}
CLIENT: Final = frozenset(
    {
        Reason.TIMED_OUT,
        Reason.TRANSPORT,
        Reason.KAFKA_ERROR,
        Reason.NOT_AUTHORIZED,
        Reason.TOPIC_NOT_CREATED,
        Reason.TOPIC_NOT_FOUND,
        Reason.CLIENT_DIED,
        Reason.TOO_MUCH,
    }
)

SKIP_REASONS: Final = frozenset({Reason.WAITS_FOR, Reason.NOT_PLANNED, Reason.OUTSIDE_PLAN, Reason.NOT_COVERED})
"""``not_covered``: nothing is wrong, and nothing can be shown; a topic that is there already has no partition at it."""
ERROR_REASONS: Final = frozenset(
    {
        Reason.PROBE_CRASHED,
        Reason.NO_RESOLVER,
        Reason.BAD_CA_FILE,
        Reason.OUT_OF_SOCKETS,
        Reason.DEADLINE_OF_PLAN,
        Reason.CLIENT_DIED,
    }
)
