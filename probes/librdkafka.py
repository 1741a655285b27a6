"""How the probe uses the Kafka client (librdkafka): its settings, its log, its errors as reasons.

The client is set to show one attempt as it is: no retries, no batching, no waiting for more.
Nothing here connects.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from math import ceil
from typing import Any, Final

import msgspec
from confluent_kafka import KafkaError, ThrottleEvent

from brokerproof.probes.client_login import client_settings
from brokerproof.probes.observation import Observation
from brokerproof.probes.outcome import Reason, Target
from brokerproof.probes.outcome.bounds import CLIENT_MESSAGE_BYTES
from brokerproof.probes.plan import Authentication, Limits, Plan, Tls
from brokerproof.probes.spending import Used
from brokerproof.probes.wire.client_id import CLIENT_ID

DEBUG_LEVEL: Final = 7
"""syslog(3) LOG_DEBUG: with ``debug: broker`` librdkafka then tells each connection that it makes, about twenty lines a
broker and none a record. Those lines are counted and not kept: above INFO a log line says why a connection ended."""
_INFO: Final = logging.INFO
_CONNECTING: Final = ": Connecting to "
_LOGGING_IN: Final = "-> AUTH_REQ"
LOAD_BYTES: Final = {
    "receive.message.max.bytes": 100_000_000,
    "fetch.max.bytes": 52_428_800,
    "queued.max.messages.kbytes": 65_536,
}
"""librdkafka's own defaults, for who reads a load."""
LOG_LINES: Final = 20
LOG_LINE_CHARACTERS: Final = 300
MIN_SETUP_TIMEOUT_MS: Final = 1000
"""librdkafka's lowest ``socket.connection.setup.timeout.ms``."""

_REASONS: Final = {
    KafkaError.NOT_LEADER_FOR_PARTITION: Reason.NOT_LEADER,
    KafkaError.NOT_ENOUGH_REPLICAS: Reason.NOT_ENOUGH_REPLICAS,
    KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND: Reason.NOT_ENOUGH_REPLICAS,
    KafkaError.LEADER_NOT_AVAILABLE: Reason.NO_LEADER,
    KafkaError.TOPIC_AUTHORIZATION_FAILED: Reason.NOT_AUTHORIZED,
    KafkaError.GROUP_AUTHORIZATION_FAILED: Reason.NOT_AUTHORIZED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: Reason.NOT_AUTHORIZED,
    KafkaError.UNKNOWN_TOPIC_OR_PART: Reason.TOPIC_NOT_FOUND,
    KafkaError._UNKNOWN_TOPIC: Reason.TOPIC_NOT_FOUND,  # noqa: SLF001  the client's public constants
    KafkaError._UNKNOWN_PARTITION: Reason.TOPIC_NOT_FOUND,  # noqa: SLF001
    KafkaError._TRANSPORT: Reason.TRANSPORT,  # noqa: SLF001
    KafkaError._RESOLVE: Reason.TRANSPORT,  # noqa: SLF001
    KafkaError._SSL: Reason.TRANSPORT,  # noqa: SLF001
    KafkaError._ALL_BROKERS_DOWN: Reason.TRANSPORT,  # noqa: SLF001
    KafkaError._TIMED_OUT: Reason.TIMED_OUT,  # noqa: SLF001
    KafkaError._TIMED_OUT_QUEUE: Reason.TIMED_OUT,  # noqa: SLF001
    KafkaError._MSG_TIMED_OUT: Reason.TIMED_OUT,  # noqa: SLF001
    KafkaError.REQUEST_TIMED_OUT: Reason.TIMED_OUT,
    KafkaError._WAIT_COORD: Reason.COORDINATOR_UNAVAILABLE,  # noqa: SLF001
    KafkaError.COORDINATOR_NOT_AVAILABLE: Reason.COORDINATOR_UNAVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS: Reason.COORDINATOR_UNAVAILABLE,
    KafkaError.NOT_COORDINATOR: Reason.COORDINATOR_UNAVAILABLE,
}


def reason_of(failure: KafkaError, allowed: frozenset[Reason]) -> Reason:
    """The reason a client error stands for, ``kafka_error`` where the stage has no other."""
    reason = _REASONS.get(failure.code(), Reason.KAFKA_ERROR)
    return reason if reason in allowed else Reason.KAFKA_ERROR


class ClientLog:
    """The last lines and errors of one client instance; given to it as its ``logger``."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=LOG_LINES)
        self.used = Used()
        """By all clients that log here; those of a load are polled by several threads."""
        self._one_at_a_time = threading.Lock()

    def log(self, level: int, words: str, *values: object) -> None:
        """Called by the client from within its ``poll``."""
        said = words % values if values else words
        if level >= _INFO:
            self._lines.append(said[:LOG_LINE_CHARACTERS])
            return
        with self._one_at_a_time:
            self.used.connections += _CONNECTING in said
            self.used.authentications += _LOGGING_IN in said

    def note_connection(self) -> None:
        """A connection was made beside the clients."""
        with self._one_at_a_time:
            self.used.connections += 1

    def note_records(self, count: int, record_bytes: int) -> None:
        """Records were handed to the client."""
        self.used.records += count
        self.used.record_bytes += count * record_bytes

    def note_error(self, failure: KafkaError) -> None:
        """The client's ``error_cb``: errors that belong to no record."""
        self._lines.append(f"{failure.name()}: {failure.str()}"[:LOG_LINE_CHARACTERS])

    def note_throttle(self, event: ThrottleEvent) -> None:
        """The client's ``throttle_cb``: a broker holds this client back by a quota."""
        held_ms = event.throttle_time * 1000
        words = f"{event.broker_name} (broker {event.broker_id}) holds this client back for {held_ms:.0f} ms by a quota"
        self._lines.append(words[:LOG_LINE_CHARACTERS])

    def about(self, target: Target) -> tuple[str, ...]:
        """Lines that name the target's endpoint, or no endpoint at all."""
        endpoint = f"{target.name}:{target.port}"
        return tuple(line for line in self._lines if endpoint in line or "://" not in line)

    def all(self) -> tuple[str, ...]:
        """Every line that is kept."""
        return tuple(self._lines)


class Settings(msgspec.Struct, frozen=True):
    """What all clients of one run have in common."""

    bootstrap: str
    tls: Tls | None
    limits: Limits
    authentication: Authentication | None = None

    @classmethod
    def at(cls, plan: Plan, name: str, port: int) -> Settings:
        """Of clients that start at this endpoint."""
        bootstrap = f"[{name}]:{port}" if ":" in name else f"{name}:{port}"
        return cls(bootstrap=bootstrap, tls=plan.tls, limits=plan.limits, authentication=plan.authentication)

    def common(self, log: ClientLog, *, limit_ms: int) -> dict[str, Any]:
        """Configuration of librdkafka for any client of the run."""
        config: dict[str, Any] = {
            "bootstrap.servers": self.bootstrap,
            "client.id": CLIENT_ID,
            "security.protocol": self._protocol,
            "logger": log,
            "log_level": DEBUG_LEVEL,
            "debug": "broker",
            "error_cb": log.note_error,
            "throttle_cb": log.note_throttle,
            "socket.timeout.ms": max(limit_ms, MIN_SETUP_TIMEOUT_MS),
            # A name may have addresses that cannot work; the client must get past each of them.
            "socket.connection.setup.timeout.ms": max(self.limits.connect_ms, MIN_SETUP_TIMEOUT_MS),
            # Kept for the whole run; which address is tried next is drawn anew, so the pauses between are short.
            "broker.address.ttl": 60_000,
            "socket.nagle.disable": True,
            # Every broker leads a partition here: connect to all of them at once, not to each when it is first needed.
            "enable.sparse.connections": False,
            "reconnect.backoff.ms": 20,
            "reconnect.backoff.max.ms": 100,
            # Where the first address of every leader is dead, all brokers are "down" for a moment; starting over
            # (KIP-899, librdkafka's default) would forget them and their next addresses, for 2 s a time.
            "metadata.recovery.strategy": "none",
            "topic.metadata.refresh.fast.interval.ms": 20,
            "allow.auto.create.topics": False,
            "enable.metrics.push": False,
            "receive.message.max.bytes": CLIENT_MESSAGE_BYTES,
        }
        if self.tls is not None and self.tls.ca_file is not None:
            config["ssl.ca.location"] = self.tls.ca_file
        if self.authentication is not None:
            # A broker that refuses a login is asked again no sooner than the pace allows.
            pause_ms = ceil(1000 / self.authentication.most_per_s)
            config |= {"reconnect.backoff.ms": pause_ms, "reconnect.backoff.max.ms": 2 * pause_ms}
            # Here it ends with the login, which brokers and this host compute for.
            config["socket.connection.setup.timeout.ms"] += self.limits.request_ms
            config |= client_settings(self.authentication, self.bootstrap.rpartition(":")[0])
        return config

    @property
    def _protocol(self) -> str:
        sasl = self.authentication is not None and self.authentication.scheme.mechanism
        return f"{'sasl_' if sasl else ''}{'plaintext' if self.tls is None else 'ssl'}"

    def producer(self, log: ClientLog, *, limit_ms: int) -> dict[str, Any]:
        """A producer that sends each record at once, once, to all replicas."""
        return self.common(log, limit_ms=limit_ms) | {
            "acks": "all",
            "retries": 0,
            "enable.idempotence": False,
            "linger.ms": 0,
            "compression.type": "none",
            "message.timeout.ms": limit_ms,
        }

    def consumer(self, log: ClientLog, group: str, *, limit_ms: int) -> dict[str, Any]:
        """A consumer that commits only when told to and fetches as soon as there is a record."""
        return self.common(log, limit_ms=limit_ms) | {
            "group.id": group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "latest",
            "fetch.min.bytes": 1,
            # Less than a response may have, and no less than a record.
            "fetch.max.bytes": CLIENT_MESSAGE_BYTES // 2,
            "queued.max.messages.kbytes": CLIENT_MESSAGE_BYTES // 1024,
            "fetch.wait.max.ms": 10,
            "fetch.queue.backoff.ms": 1,
            "fetch.error.backoff.ms": 20,
        }


class Leader(msgspec.Struct, frozen=True):
    """A broker records are sent to: the target of its outcomes, and a partition it leads."""

    target: Target
    broker_id: int
    partition: int
    start_offset: int
    """Where the partition's log ended before the probe's first record."""
    more_partitions: tuple[int, ...] = ()
    """That it leads too, for a load."""


class Delivery(msgspec.Struct, frozen=True):
    """The acknowledged records of one leader: value by offset."""

    values: dict[int, bytes] = msgspec.field(default_factory=dict)
    complete: bool = False
    """Every record was acknowledged."""


class Timed(msgspec.Struct, frozen=True):
    """What a stage saw in a client thread, with the thread's own times."""

    seen: Observation
    started_ns: int
    ended_ns: int


Report = Callable[[Leader, Timed], None]
"""Called from a client thread as soon as one leader's stage is done."""


def since(started_ns: int, seen: Observation) -> Timed:
    """``seen``, ended now."""
    return Timed(seen, started_ns, time.monotonic_ns())
