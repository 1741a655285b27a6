"""The producer and the consumer of survivors, as applications run them: retries, idempotence, a group.

Everything else of the probe shows one attempt as it is; this is what an application makes of many.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from brokerproof.probes.client_login import client_settings
from brokerproof.probes.outcome.foreign_text import encode_json
from brokerproof.probes.survival.bookkeeping import Acknowledged, Received
from brokerproof.probes.survival.values import Client, Removal, SurvivalPlan
from brokerproof.probes.topic import RETENTION_MS, spread

REPLICAS: Final = 3
STATISTICS_MS: Final = 1000
DELIVERY_MS: Final = 60_000
"""As MSK advises for maintenance: 60 s or more."""
FLUSH_S: Final = 20.0
DRAIN_S: Final = 75.0
"""For which records may still come: a consumer whose connection was cut off waits for 60 s (socket.timeout.ms)."""
MADE_S: Final = 30.0
STEADY_RECORDS: Final = 6
_TICK_S: Final = 0.005


class CannotBeginError(Exception):
    """The clients could not be made, or the topic; the message says why."""


def common(plan: SurvivalPlan) -> dict[str, Any]:
    """What both clients are set to."""
    sasl = plan.authentication is not None and plan.authentication.scheme.mechanism
    config: dict[str, Any] = {
        "bootstrap.servers": ",".join(f"{broker.name}:{broker.port}" for broker in plan.brokers),
        "client.id": "brokerproof-survivor",
        "security.protocol": f"{'sasl_' if sasl else ''}{'plaintext' if plan.tls is None else 'ssl'}",
        "statistics.interval.ms": STATISTICS_MS,
        "socket.nagle.disable": True,
        "allow.auto.create.topics": False,
        "enable.metrics.push": False,
        "log_level": 0,
    }
    if plan.tls is not None and plan.tls.ca_file is not None:
        config["ssl.ca.location"] = plan.tls.ca_file
    if plan.authentication is not None:
        config |= client_settings(plan.authentication, plan.brokers[0].name)
    return config


def connects_of(statistics: Mapping[str, Any]) -> dict[int, int]:
    """Connections that a client made so far, by broker (librdkafka, STATISTICS.md)."""
    connects: Counter[int] = Counter()
    for each in statistics.get("brokers", {}).values():
        if int(each.get("nodeid", -1)) >= 0:
            connects[int(each["nodeid"])] += int(each.get("connects", 0))
    return dict(connects)


class Noticed:
    """What one client library tells the application beside its records."""

    def __init__(self, library: str) -> None:
        self._library = library
        self._errors: Counter[str] = Counter()
        self._connects: dict[int, int] = {}
        self._at_start: dict[int, int] = {}
        self._retries = 0

    def error(self, failure: KafkaError) -> None:
        """The client's ``error_cb``."""
        self._errors[failure.name()] += 1

    def statistics(self, text: str) -> None:
        """The client's ``stats_cb``."""
        told = json.loads(text)
        self._retries = sum(int(each.get("txretries", 0)) for each in told.get("brokers", {}).values())
        self._connects = connects_of(told)

    def settle(self) -> None:
        """What was so far was the start."""
        self._at_start = dict(self._connects)
        self._errors.clear()

    def client(self) -> Client:
        """What to say of it."""
        return Client(
            library=self._library,
            connects={
                broker: count - self._at_start.get(broker, 0)
                for broker, count in sorted(self._connects.items())
                if count > self._at_start.get(broker, 0)
            },
            retries=self._retries,
            errors=dict(self._errors),
        )


class Topic:
    """The topic that survivors use: made for them, or there already.

    Raises:
        CannotBeginError: it could not be made, or is not there.
    """

    def __init__(self, plan: SurvivalPlan) -> None:
        self._plan = plan
        admin = AdminClient(common(plan))
        self._own = not plan.topic
        self.name = plan.topic or f"brokerproof-survivor-{uuid.uuid4().hex[:12]}"
        self.mark = uuid.uuid4().hex[:8]
        """Before each record: others may use the same topic."""
        brokers = [int(broker.broker_id or 0) for broker in plan.brokers]
        try:
            if self._own:
                assignment = [list(replicas) for replicas in spread(brokers, REPLICAS)]
                topic = NewTopic(
                    self.name,
                    num_partitions=len(brokers),
                    replica_assignment=assignment,
                    config={"retention.ms": str(RETENTION_MS), "min.insync.replicas": "1"},
                )
                admin.create_topics([topic], operation_timeout=MADE_S)[self.name].result(MADE_S)
            self.leads = self._leaders(admin, brokers)
        except (KafkaException, TimeoutError) as problem:
            raise CannotBeginError(f"topic {self.name}: {problem}") from problem
        led = {broker: number for number, broker in sorted(self.leads.items(), reverse=True)}
        self.partitions = {broker: led[broker] for broker in brokers if broker in led}
        """A partition of each leader."""

    def _leaders(self, admin: AdminClient, brokers: list[int]) -> dict[int, int]:
        """The leader of each partition."""
        until = time.monotonic() + MADE_S
        while True:
            found = admin.list_topics(self.name, timeout=MADE_S).topics[self.name]
            leads = {int(number): int(each.leader) for number, each in found.partitions.items()}
            if set(brokers) <= set(leads.values()) or time.monotonic() > until or not self._own:
                return leads
            time.sleep(0.05)

    def remove(self, *groups: str) -> tuple[str, ...]:
        """Remove what was made, in a process of its own; what could not be removed, and why.

        librdkafka ends its whole process where an answer comes amid a broken connection, which a change is full of.
        """
        asked = Removal(plan=self._plan, topic=self.name if self._own else "", groups=groups)
        try:
            done = subprocess.run(
                [sys.executable, "-m", "brokerproof.probes.survival", "--remove"],
                input=encode_json(asked),
                capture_output=True,
                check=False,
                timeout=3 * MADE_S,
            )
            return msgspec.json.decode(done.stdout, type=tuple[str, ...])
        except (OSError, subprocess.TimeoutExpired, msgspec.DecodeError):
            what = f"group {' and '.join(groups)}" + (f" and topic {self.name}" if self._own else "")
            return (f"{what}: the Kafka client that was to remove them ended",)


def remove(asked: Removal) -> tuple[str, ...]:
    """Remove groups and, where one is named, a topic; what could not be removed, and why."""
    admin = AdminClient(common(asked.plan))
    left = []
    for group in asked.groups:
        try:
            admin.delete_consumer_groups([group], request_timeout=MADE_S)[group].result(MADE_S)
        except (KafkaException, TimeoutError) as problem:
            left.append(f"group {group}: {problem}")
    if asked.topic:
        try:
            admin.delete_topics([asked.topic], operation_timeout=MADE_S)[asked.topic].result(MADE_S)
        except (KafkaException, TimeoutError) as problem:
            left.append(f"topic {asked.topic}: {problem}")
    return tuple(left)


class Producing:
    """A record per leader at a steady pace, until stopped."""

    def __init__(self, plan: SurvivalPlan, topic: Topic) -> None:
        self.noticed = Noticed("librdkafka")
        self.sent = 0
        self.leaders = {broker: Acknowledged(broker, plan.every_ms) for broker in topic.partitions}
        self._topic = topic
        self._every_s = plan.every_ms / 1000
        self._stop = threading.Event()
        self._producer = Producer(
            common(plan)
            | {
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 0,
                "delivery.timeout.ms": DELIVERY_MS,
                "error_cb": self.noticed.error,
                "stats_cb": self.noticed.statistics,
            }
        )
        self._thread = threading.Thread(target=self._run, name="producer", daemon=True)
        self._thread.start()

    @property
    def all_acknowledge(self) -> bool:
        """Whether every leader has acknowledged some records."""
        return all(len(each.sequences) >= STEADY_RECORDS for each in self.leaders.values())

    def stop(self) -> None:
        """Send no more, and wait for what is under way."""
        self._stop.set()
        self._thread.join()
        told = time.time()
        self._producer.flush(FLUSH_S)
        now = time.time()
        for each in self.leaders.values():
            # One that owes nothing was sent nothing since: its silence is no gap.
            each.end(now if each.owes else told, lasts=each.owes)

    def _run(self) -> None:
        due, number = time.monotonic(), 0
        while not self._stop.is_set():
            self._producer.poll(_TICK_S)
            now = time.monotonic()
            if now < due:
                continue
            # What could not be sent in time is not made up for: a burst would be another load.
            due = max(due + self._every_s, now)
            number += 1
            for broker, partition in self._topic.partitions.items():
                self.leaders[broker].asked += 1
                try:
                    self._producer.produce(
                        self._topic.name,
                        value=f"{self._topic.mark}:{broker}:{number}".encode(),
                        partition=partition,
                        on_delivery=partial(self._delivered, broker, number),
                    )
                    self.sent += 1
                except BufferError:
                    self.leaders[broker].errors["queue full"] += 1

    def _delivered(self, broker: int, number: int, failure: KafkaError | None, _message: Message) -> None:
        if failure is None:
            self.leaders[broker].take(number, time.time())
        else:
            self.leaders[broker].errors[failure.name()] += 1


class Consuming:
    """A member of a group that reads everything, until all that was acknowledged came or time is over."""

    def __init__(self, plan: SurvivalPlan, topic: Topic) -> None:
        self.noticed = Noticed("librdkafka")
        self.group = f"{topic.name}-{uuid.uuid4().hex[:6]}"
        self.received: dict[int, Received] = {}
        self.count = 0
        self.assignments = 0
        self._mark = f"{topic.mark}:"
        self._stop = threading.Event()
        self._consumer = Consumer(
            common(plan)
            | {
                "group.id": self.group,
                "auto.offset.reset": "latest" if plan.topic else "earliest",
                "enable.auto.commit": True,
                "error_cb": self.noticed.error,
                "stats_cb": self.noticed.statistics,
            }
        )
        self._consumer.subscribe([topic.name], on_assign=self._assigned)
        self._thread = threading.Thread(target=self._run, name="consumer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Read no more, and leave the group."""
        self._stop.set()
        self._thread.join()
        self._consumer.close()

    def _assigned(self, _consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        self.assignments += 1

    def _run(self) -> None:
        while not self._stop.is_set():
            for message in self._consumer.consume(500, timeout=0.05):
                if message.error() is not None:
                    continue
                value = (message.value() or b"").decode(errors="replace")
                broker, _, number = value.removeprefix(self._mark).partition(":")
                if value.startswith(self._mark) and broker.isdecimal() and number.isdecimal():
                    self.count += 1
                    self.received.setdefault(int(broker), Received()).take(int(number))
