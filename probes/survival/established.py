"""Clients of months: a producer and a consumer whose connections stay, beside the fresh ones of every round.

What holds state for a connection (a firewall, a NAT, a load balancer's target) can lose it: then what was established
passes nothing while everything new works, and an application waits for its time-outs. One record a leader and second
at most, into a topic that is there; no group is made, and no offset is kept.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

import msgspec
from confluent_kafka import OFFSET_END, Consumer, KafkaError, Message, Producer, TopicPartition

from brokerproof.probes.outcome import Reason
from brokerproof.probes.outcome.foreign_text import printable
from brokerproof.probes.plan import Endpoint
from brokerproof.probes.survival.bookkeeping import Stalls
from brokerproof.probes.survival.path import Every, beat
from brokerproof.probes.survival.records import CannotBeginError, Topic, common, connects_of
from brokerproof.probes.survival.values import Flow, Lived, LoginRefused, Said, Steady, SurvivalPlan
from brokerproof.probes.wire.refusals import reason_of_refusal

MOST_UNDER_WAY: Final = 1000
"""Records that may wait for an acknowledgement: of a path that is silent for long more would say nothing new."""
_TICK_S: Final = 0.05
_NAMED: Final = re.compile(r"(?:\w+://|GroupCoordinator: )([^:/\s]+):(\d+)(?:/\w+)?: ", re.ASCII)
"""How librdkafka's words on a broker begin: its protocol or role, name, port, and id where it knows that."""
_LACKS: Final = "Failed to acquire SASL OAUTHBEARER token"
_OF_A_LOGIN: Final = frozenset(
    {KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED}  # noqa: SLF001  the client's public constants
)


class Pace:
    """How long nothing came, between looks. Not made for two threads at once."""

    def __init__(self, now: float) -> None:
        self._last = now
        self._longest_s = 0.0
        self._count = 0

    def came(self, now: float) -> None:
        """Something came."""
        self._longest_s = max(self._longest_s, now - self._last)
        self._last = now
        self._count += 1

    def look(self, now: float) -> tuple[int, float]:
        """How much came since the last look, and the longest without, in milliseconds."""
        found = self._count, round(1000 * max(self._longest_s, now - self._last), 1)
        self._longest_s, self._count = 0.0, 0
        return found


class FlowSeen:
    """What is noticed of one leader."""

    def __init__(self, broker_id: int, now: float) -> None:
        self._broker_id = broker_id
        self._acknowledged, self._received = Pace(now), Pace(now)
        self._errors: Counter[str] = Counter()
        self._alone = threading.Lock()

    def acknowledged(self, now: float) -> None:
        """A record was."""
        with self._alone:
            self._acknowledged.came(now)

    def received(self, now: float) -> None:
        """One came back."""
        with self._alone:
            self._received.came(now)

    def failed(self, name: str) -> None:
        """The application was told that a record is not delivered."""
        with self._alone:
            self._errors[name] += 1

    def look(self, now: float, connects: int) -> Flow:
        """What is new since the last look."""
        with self._alone:
            acknowledged, unacknowledged_ms = self._acknowledged.look(now)
            received, unread_ms = self._received.look(now)
            errors, self._errors = self._errors, Counter()
        return Flow(
            broker_id=self._broker_id,
            acknowledged=acknowledged,
            received=received,
            failed=sum(errors.values()),
            unacknowledged_ms=unacknowledged_ms,
            unread_ms=unread_ms,
            connects=connects,
            errors=dict(errors),
        )


class Refusals:
    """Logins that failed, as client libraries tell of them. A library tries again by itself, and goes on."""

    def __init__(self, brokers: tuple[Endpoint, ...]) -> None:
        self._ids = {(broker.name.lower(), broker.port): broker.broker_id for broker in brokers}
        self._noted: dict[tuple[int | None, Reason], LoginRefused] = {}
        self._alone = threading.Lock()

    def error(self, failure: KafkaError) -> None:
        """The client's ``error_cb``."""
        if failure.code() not in _OF_A_LOGIN:
            return
        words = printable(failure.str())
        named = _NAMED.match(words)
        broker = self._ids.get((named[1].lower(), int(named[2]))) if named else None
        reason = Reason.NO_CREDENTIALS if words.startswith(_LACKS) else reason_of_refusal(words)
        with self._alone:
            # What a broker says may name a session, which is another one each time: the first stands for all.
            first = self._noted.get((broker, reason))
            said = words[named.end() :] if named else words
            self._noted[broker, reason] = (
                LoginRefused(broker_id=broker, reason=reason, said=said)
                if first is None
                else msgspec.structs.replace(first, count=first.count + 1)
            )

    def look(self) -> tuple[LoginRefused, ...]:
        """What is new since the last look."""
        with self._alone:
            noted, self._noted = self._noted, {}
        return tuple(noted.values())


class Statistics:
    """Of one client library: connections that it made to each broker, and who leads a topic's partitions."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._connects: dict[int, int] = {}
        self._told: dict[int, int] = {}
        self.leaders: dict[int, int] = {}
        """By partition."""

    def take(self, text: str) -> None:
        """The client's ``stats_cb``."""
        told = json.loads(text)
        self._connects = connects_of(told)
        partitions = told.get("topics", {}).get(self._topic, {}).get("partitions", {})
        self.leaders = {
            int(number): int(each["leader"])
            for number, each in partitions.items()
            if int(number) >= 0 and int(each.get("leader", -1)) >= 0
        }

    def new_connects(self, broker_id: int) -> int:
        """How many it made since this was asked last; the first answer is of the start, and 0."""
        now = self._connects.get(broker_id, 0)
        before, self._told[broker_id] = self._told.get(broker_id, now), now
        # What a library counts for a coordinator goes to another broker with it.
        return max(0, now - before)


class Established:
    """A producer and a consumer that stay.

    Raises:
        CannotBeginError: the topic is not there, or no broker of the plan leads a partition of it.
        KafkaException: a client could not be made.
    """

    def __init__(self, plan: SurvivalPlan) -> None:
        if not plan.topic:
            raise CannotBeginError("clients that stay need a topic that is there")
        self._plan = plan
        self._led = dict(Topic(plan).partitions)
        if not self._led:
            raise CannotBeginError(f"no broker of the plan leads a partition of topic {plan.topic}")
        self._since = time.time()
        self._flows = {broker: FlowSeen(broker, self._since) for broker in self._led}
        self._stalls, self._refusals = Stalls(), Refusals(plan.brokers)
        self._producing, self._consuming = Statistics(plan.topic), Statistics(plan.topic)
        self._producer = Producer(
            common(plan)
            | {
                "acks": "all",
                "linger.ms": 0,
                "queue.buffering.max.messages": MOST_UNDER_WAY,
                "stats_cb": self._producing.take,
                "error_cb": self._refusals.error,
            }
        )
        self._consumer = Consumer(
            common(plan)
            | {
                "group.id": "brokerproof-canary",  # the library wants one; nothing is subscribed or committed
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "stats_cb": self._consuming.take,
                "error_cb": self._refusals.error,
            }
        )
        self._assign()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._produce, self._consume)]
        self._loops = [Every(0, beat(self._stalls), "beat")]
        for thread in self._threads:
            thread.start()

    def look(self) -> Lived:
        """What is new since the last look."""
        now = time.time()
        flows = tuple(
            self._flows[broker].look(now, self._producing.new_connects(broker) + self._consuming.new_connects(broker))
            for broker in sorted(self._led)
        )
        lived = Lived(
            since=self._since,
            at=now,
            flows=flows,
            refused=self._refusals.look(),
            host_late_ms=round(self._stalls.longest_ms(self._since, now), 1),
        )
        self._since = now
        self._follow_leaders(now)
        return lived

    def stop(self) -> None:
        """End them; records under way are given up."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        for loop in self._loops:
            loop.stop()
        self._producer.purge()
        self._producer.flush(1)
        self._consumer.close()

    def _follow_leaders(self, now: float) -> None:
        """Where a partition went to another leader, its records say nothing of the one before: choose anew."""
        leaders = self._producing.leaders
        if not leaders or all(leaders.get(partition) == broker for broker, partition in self._led.items()):
            return
        brokers = {broker.broker_id or 0 for broker in self._plan.brokers}
        led = {leader: number for number, leader in sorted(leaders.items(), reverse=True) if leader in brokers}
        stay = {broker for broker, partition in led.items() if self._led.get(broker) == partition}
        self._flows = {broker: self._flows[broker] if broker in stay else FlowSeen(broker, now) for broker in led}
        self._led = led
        self._assign()

    def _assign(self) -> None:
        self._consumer.assign([TopicPartition(self._plan.topic, number, OFFSET_END) for number in self._led.values()])

    def _produce(self) -> None:
        every_s = self._plan.every_ms / 1000
        due = time.monotonic()
        while not self._stop.is_set():
            self._producer.poll(_TICK_S)
            now = time.monotonic()
            if now < due:
                continue
            # What could not be sent in time is not made up for: a burst would be another load.
            due = max(due + every_s, now)
            flows = self._flows
            for broker, partition in self._led.items():
                if broker in flows:
                    # A full queue is silence like any other: its records are under way.
                    with suppress(BufferError):
                        self._producer.produce(
                            self._plan.topic,
                            value=b"brokerproof canary",
                            partition=partition,
                            on_delivery=partial(_delivered, flows[broker]),
                        )

    def _consume(self) -> None:
        while not self._stop.is_set():
            for message in self._consumer.consume(100, timeout=_TICK_S):
                if message.error() is None:
                    owner = next((b for b, number in self._led.items() if number == message.partition()), None)
                    flow = self._flows.get(owner) if owner is not None else None
                    if flow is not None:
                        flow.received(time.time())


def _delivered(flow: FlowSeen, failure: KafkaError | None, _message: Message) -> None:
    if failure is None:
        flow.acknowledged(time.time())
    else:
        flow.failed(failure.name())


def live(plan: SurvivalPlan, asked: threading.Semaphore, stop: threading.Event, say: Callable[[Said], None]) -> None:
    """Live until told to stop, and say at each look what is new.

    Raises:
        CannotBeginError: see :class:`Established`.
        KafkaException: likewise.
    """
    clients = Established(plan)
    try:
        say(Steady(at=time.time()))
        while asked.acquire(timeout=plan.most_s) and not stop.is_set():
            say(clients.look())
    finally:
        clients.stop()
