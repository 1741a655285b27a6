"""The two Kafka clients of a run; far from the cluster they are made while the path is still being verified.

Until it can produce or join a group, a client needs about eight round trips, one after another: to
the endpoint it is given, then to each broker and the group's coordinator. They need nothing that the
probe learns meanwhile. This module sends no record, joins no group and judges nothing.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import Final

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from brokerproof.probes.librdkafka import ClientLog, Settings
from brokerproof.probes.plan import Limits
from brokerproof.probes.stages.connect import FAR_NS, round_trip_ns

LEARNING_S: Final = 0.25
"""The longest that whoever takes a client waits for what it asks ahead."""
CONNECTIONS_EACH: Final = 2
"""Of one client to one broker at once: as a leader, and as where it began or as the coordinator."""


class Commits(msgspec.Struct):
    """What the coordinator answered to commits; filled from within the consumer's ``poll``."""

    answers: list[tuple[KafkaError | None, list[TopicPartition]]] = msgspec.field(default_factory=list)

    def note(self, failure: KafkaError | None, partitions: list[TopicPartition]) -> None:
        """The client's ``on_commit``."""
        self.answers.append((failure, partitions))


class KafkaClients(msgspec.Struct, eq=False):
    """A producer and a consumer, made once; who takes one closes it.

    Every method may be called from any thread, and waits where another is making or closing.
    """

    settings: Settings
    group: str
    reads: bool
    """A consumer will be needed."""
    producer_log: ClientLog = msgspec.field(default_factory=ClientLog)
    consumer_log: ClientLog = msgspec.field(default_factory=ClientLog)
    commits: Commits = msgspec.field(default_factory=Commits)
    _producer: Producer | None = None
    _consumer: Consumer | None = None
    _closed: bool = False
    _next_at_s: float = 0.0
    _learning: list[threading.Thread] = msgspec.field(default_factory=list)
    _one_at_a_time: threading.Lock = msgspec.field(default_factory=threading.Lock)

    def is_far(self) -> bool:
        """Whether the cluster is far away, by a connection that carries nothing; not where there is none."""
        host, _, port = self.settings.bootstrap.rpartition(":")
        try:
            found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
            family, kind, protocol, _, address = found[0]
            with socket.socket(family, kind, protocol) as sock:
                sock.settimeout(self._limits.connect_ms / 1000)
                self.consumer_log.note_connection()
                sock.connect(address)
                return round_trip_ns(sock) >= FAR_NS
        except (OSError, ValueError, OverflowError):
            return False

    def make(self) -> None:
        """Make both now, so that they connect on their own.

        One that cannot be made is left to whoever takes it: only there is a stage to say so.
        """
        with self._one_at_a_time:
            if self._closed:
                return
            try:
                # The consumer first: it has the longer way.
                self._consumer = self._new_consumer() if self.reads else None
                self._producer = self._new_producer()
            except KafkaException:
                return

    def learn(self, topic: str) -> None:
        """Have what was made ahead ask who leads the topic, beside everything else.

        What cannot be learnt here, a client asks again when it needs it.
        """

        def ask(client: Producer | Consumer) -> None:
            with suppress(KafkaException, UnicodeDecodeError, MemoryError):
                client.list_topics(topic, timeout=LEARNING_S)

        with self._one_at_a_time:
            for made in (self._consumer, self._producer):
                if made is not None:
                    thread = threading.Thread(target=ask, args=(made,), name="learn", daemon=True)
                    self._learning.append(thread)
                    thread.start()

    def take_producer(self) -> Producer:
        """The producer, made here where it is not there yet.

        Raises:
            KafkaException: the client refuses its configuration.
        """
        with self._one_at_a_time:
            self._learnt()
            taken, self._producer = self._producer, None
            return taken if taken is not None else self._new_producer()

    def take_consumer(self) -> Consumer:
        """The consumer, made here where it is not there yet.

        Raises:
            KafkaException: the client refuses its configuration.
        """
        with self._one_at_a_time:
            self._learnt()
            taken, self._consumer = self._consumer, None
            return taken if taken is not None else self._new_consumer()

    def close(self) -> None:
        """Close what nobody took; afterwards nothing is made ahead any more."""
        with self._one_at_a_time:
            self._closed = True
            self._learnt()
            consumer, self._consumer = self._consumer, None
            for made in (consumer, self._producer):
                if made is not None:
                    made.poll(0)  # what it has done so far is in its log
            # The producer has nothing in its queues: its destructor closes it, here, without waiting for records.
            self._producer = None
            if consumer is not None:
                consumer.close()

    def _learnt(self) -> None:
        """Nobody closes a client that is asking yet."""
        while self._learning:
            self._learning.pop().join()

    def _keep_pace(self) -> None:
        """Where clients log in: one after another, each a connection to every broker and up to one more to one."""
        if self.settings.authentication is not None:
            time.sleep(max(0.0, self._next_at_s - time.monotonic()))
            self._next_at_s = time.monotonic() + CONNECTIONS_EACH / self.settings.authentication.most_per_s

    def _new_producer(self) -> Producer:
        self._keep_pace()
        return Producer(self.settings.producer(self.producer_log, limit_ms=self._limits.produce_ms))

    def _new_consumer(self) -> Consumer:
        self._keep_pace()
        limit_ms = max(self._limits.consume_ms, self._limits.group_ms)
        config = self.settings.consumer(self.consumer_log, self.group, limit_ms=limit_ms)
        return Consumer(config | {"on_commit": self.commits.note})

    @property
    def _limits(self) -> Limits:
        return self.settings.limits
