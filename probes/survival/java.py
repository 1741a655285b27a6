"""Kafka's own VerifiableProducer and VerifiableConsumer as clients that survive beside librdkafka's.

They reconnect, retry and rebalance at the pace of Kafka's Java library, which most applications use. Each is a process
that writes a line of JSON for each event to standard output; a line that is none of those is trouble, and is told.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

import msgspec

from brokerproof.probes.survival.bookkeeping import Acknowledged, Received, Resent, Stalls
from brokerproof.probes.survival.records import DELIVERY_MS, FLUSH_S, STEADY_RECORDS, CannotBeginError, Topic
from brokerproof.probes.survival.values import NOTED_MS, SMALL_JVM, Client, SurvivalPlan, SurvivalReport

LIBRARY: Final = "Kafka's Java client"
HOME_VARIABLE: Final = "KAFKA_HOME"
KEYS: Final = 16
"""Of a partition: a key's hash decides on its partition, and each partition needs some."""
MEMORY_MB: Final = 96
LONGEST_LINE: Final = 200
_TOOLS: Final = "org.apache.kafka.tools"
# The tool ends with its standard input, however this process ends. Its own is empty; its output ends with it.
_TIED: Final = '"$@" </dev/null & child=$!; exec >/dev/null; cat; kill "$child"; wait "$child"'


class _Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="name"):
    timestamp: int
    """Milliseconds of Unix time, by the host's clock."""


class _Partition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    topic: str
    partition: int


class _Read(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    topic: str
    partition: int
    count: int
    min_offset: int
    max_offset: int


class _Offset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    topic: str
    partition: int
    offset: int


class _Started(_Event, frozen=True, tag="startup_complete"):
    pass


class _Ended(_Event, frozen=True, tag="shutdown_complete"):
    pass


class _Sent(_Event, frozen=True, tag="producer_send_success"):
    key: str | None
    value: str
    topic: str
    partition: int
    offset: int


class _NotSent(_Event, frozen=True, tag="producer_send_error"):
    exception: str
    message: str | None
    topic: str
    key: str | None
    value: str


class _Summary(_Event, frozen=True, tag="tool_data"):
    sent: int
    acked: int
    target_throughput: int
    avg_throughput: float


class _Assigned(_Event, frozen=True, tag="partitions_assigned"):
    partitions: tuple[_Partition, ...]


class _Revoked(_Event, frozen=True, tag="partitions_revoked"):
    partitions: tuple[_Partition, ...]


class _Record(_Event, frozen=True, tag="record_data"):
    key: str | None
    value: str | None
    topic: str
    partition: int
    offset: int


class _Records(_Event, frozen=True, tag="records_consumed"):
    count: int
    partitions: tuple[_Read, ...]


class _Committed(_Event, frozen=True, tag="offsets_committed"):
    offsets: tuple[_Offset, ...]
    success: bool
    error: str | None = None


_OfProducer = _Started | _Ended | _Sent | _NotSent | _Summary
_OfConsumer = _Started | _Ended | _Assigned | _Revoked | _Record | _Records | _Committed
_producer_lines: Final[msgspec.json.Decoder[_OfProducer]] = msgspec.json.Decoder(_OfProducer)
_consumer_lines: Final[msgspec.json.Decoder[_OfConsumer]] = msgspec.json.Decoder(_OfConsumer)


def java_words(plan: SurvivalPlan, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The words that run a class of Kafka's here: as the plan has them, else by KAFKA_HOME.

    None where there is no Java, and where clients log in: Kafka's tools are given no secret.
    """
    if plan.java or plan.authentication is not None:
        return plan.java if plan.authentication is None else ()
    home = environ.get(HOME_VARIABLE)
    java = shutil.which("java", path=environ.get("PATH"))
    if not home or java is None or not Path(home, "libs").is_dir():
        return ()
    return (java, *SMALL_JVM, "-cp", f"{Path(home, 'libs')}/*")


def settings_of(plan: SurvivalPlan) -> bytes:
    """What both are set to, as a properties file has it."""
    settings = {"security.protocol": "PLAINTEXT" if plan.tls is None else "SSL", "client.id": "brokerproof-survivor"}
    if plan.tls is not None and plan.tls.ca_file is not None:
        settings |= {"ssl.truststore.type": "PEM", "ssl.truststore.location": plan.tls.ca_file}
    return "".join(f"{key}={value}\n" for key, value in settings.items()).encode()


class _Tool:
    """One of Kafka's tools, its lines taken by a thread of its own."""

    def __init__(self, words: Sequence[str], name: str, settings: bytes, option: str, arguments: Sequence[str]) -> None:
        self.trouble = ""
        self.ended = False
        """Whether it said that it is over."""
        self._name = name
        self._told_to_stop = False
        # Kafka's tools read their settings from a file; this one has no name, and is gone with its last reader.
        held = os.memfd_create("settings")
        try:
            os.write(held, settings)
            command = [*words, f"-Xmx{MEMORY_MB}m", "-Dlog4j2.level=OFF", f"{_TOOLS}.{name}", *arguments]
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _TIED, "sh", *command, option, f"/dev/fd/{held}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=(held,),
                start_new_session=True,
            )
        except OSError as problem:
            raise CannotBeginError(f"{name}: {problem}") from problem
        finally:
            os.close(held)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def take(self, line: bytes) -> None:
        """Take one line.

        Raises:
            msgspec.ValidationError: it is none that this version knows.
            msgspec.DecodeError: it is no JSON.
        """
        raise NotImplementedError

    def _run(self) -> None:
        out: IO[bytes] | None = self._process.stdout
        for line in out or ():
            try:
                self.take(line)
            except msgspec.DecodeError as problem:
                said = line[:LONGEST_LINE].decode(errors="replace").strip()
                self.trouble = self.trouble or f"{self._name} said what is no event of its own ({problem}): {said}"
        if not self.ended and not self._told_to_stop:
            self.trouble = self.trouble or f"{self._name} ended by itself"

    def stop(self) -> None:
        """Have it end as it does when it is told to, and harder after a while."""
        self._told_to_stop = True
        with suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        # What is under way then, to a broker that does not answer, is waited for no longer: its leader has a gap.
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(FLUSH_S)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._thread.join()
        if self._process.stdout is not None:
            self._process.stdout.close()


class _JavaProducer(_Tool):
    """A record per leader at a steady pace."""

    def __init__(self, words: Sequence[str], plan: SurvivalPlan, topic: Topic, mark: int) -> None:
        self.sent = 0
        self.leaders = {broker: Acknowledged(broker, plan.every_ms) for broker in topic.partitions}
        self._leads = topic.leads
        # Keys are not spread evenly: at twice the pace each partition gets as much as is asked for, or more.
        rate = 2 * len(topic.leads) * 1000 // plan.every_ms
        settings = settings_of(plan) + (
            f"enable.idempotence=true\nretries=2147483647\ndelivery.timeout.ms={DELIVERY_MS}\nlinger.ms=0\n".encode()
        )
        keys = f"--repeating-keys={KEYS * len(topic.leads)}"
        arguments = (*_at(plan, topic), "--acks=-1", f"--throughput={rate}", keys, f"--value-prefix={mark}")
        super().__init__(words, "VerifiableProducer", settings, "--producer.config", arguments)

    def take(self, line: bytes) -> None:
        """Take one line, as :meth:`_Tool.take`."""
        match _producer_lines.decode(line):
            case _Started():
                pass
            case _Sent() as sent:
                leader = self.leaders.get(self._leads.get(sent.partition, -1))
                if leader is not None:
                    leader.take(_number(sent.value), sent.timestamp / 1000)
            case _NotSent() as failed:
                # Which leader it was for is not said.
                first = next(iter(self.leaders.values()))
                first.errors[failed.exception.rpartition(".")[2]] += 1
            case _Summary() as summary:
                self.sent = summary.sent
            case _Ended():
                self.ended = True


class _JavaConsumer(_Tool):
    """A member of a group that reads everything."""

    def __init__(self, words: Sequence[str], plan: SurvivalPlan, topic: Topic, mark: int) -> None:
        self.group = f"{topic.name}-java-{mark}"
        self.received: dict[int, Received] = {}
        self.count = 0
        self.assignments = 0
        self._mark = f"{mark}."
        self._leads = topic.leads
        reset = "latest" if plan.topic else "earliest"
        arguments = (*_at(plan, topic), f"--group-id={self.group}", "--verbose", "--enable-autocommit")
        arguments = (*arguments, f"--reset-policy={reset}")
        super().__init__(words, "VerifiableConsumer", settings_of(plan), "--consumer.config", arguments)

    @property
    def leaders(self) -> set[int]:
        """The brokers of which a record came."""
        return {self._leads.get(partition, -1) for partition in tuple(self.received)}

    def take(self, line: bytes) -> None:
        """Take one line, as :meth:`_Tool.take`."""
        match _consumer_lines.decode(line):
            case _Record(value=str(value)) as record if value.startswith(self._mark):
                self.count += 1
                self.received.setdefault(record.partition, Received()).take(_number(value))
            case _Assigned():
                self.assignments += 1
            case _Ended():
                self.ended = True
            case _Started() | _Revoked() | _Record() | _Records() | _Committed() | _Summary():
                pass


def _at(plan: SurvivalPlan, topic: Topic) -> tuple[str, ...]:
    servers = ",".join(f"{broker.name}:{broker.port}" for broker in plan.brokers)
    return (f"--bootstrap-server={servers}", f"--topic={topic.name}")


def _number(value: str) -> int:
    """The number of a record of this producer: what follows its mark."""
    number = value.rpartition(".")[2]
    if not number.isdecimal():
        raise msgspec.ValidationError(f"the value {value!r} has no number")
    return int(number)


class JavaClients:
    """The producer and the consumer of Kafka's Java library, until stopped.

    Raises:
        CannotBeginError: they cannot be started.
    """

    def __init__(self, words: Sequence[str], plan: SurvivalPlan, topic: Topic) -> None:
        mark = random.randrange(1, 2**31)  # noqa: S311  it tells two runs apart, and keeps nothing secret
        self._plan = plan
        self._assignments = 0
        self._consumer = _JavaConsumer(words, plan, topic, mark)
        try:
            self._producer = _JavaProducer(words, plan, topic, mark)
        except BaseException:
            self._consumer.stop()
            raise

    @property
    def group(self) -> str:
        """The group of its consumer."""
        return self._consumer.group

    @property
    def missing(self) -> str:
        """What they still lack to be steady; empty once they are."""
        if self._trouble:
            return self._trouble
        silent = [
            str(each.broker_id) for each in self._producer.leaders.values() if len(each.sequences) < STEADY_RECORDS
        ]
        if silent:
            return f"brokers {', '.join(silent)} acknowledge nothing to {LIBRARY}"
        return "" if self._consumer.count else f"no record comes back to {LIBRARY}"

    @property
    def has_ended(self) -> bool:
        """Whether they cannot become steady any more."""
        return bool(self._trouble)

    @property
    def _trouble(self) -> str:
        return self._producer.trouble or self._consumer.trouble

    def settle(self) -> None:
        """What was so far was the start."""
        self._assignments = self._consumer.assignments
        for each in self._producer.leaders.values():
            each.settle()

    def stop_producing(self) -> None:
        """Send no more, and wait for what is under way."""
        told = time.time()
        self._producer.stop()
        # A Java process takes its time to end, in which nothing is sent; one that did not end waited for a broker.
        waited = not self._producer.ended
        until = time.time() if waited else told
        for each in self._producer.leaders.values():
            # Which broker was waited for is not said: one that answered to the last, until it was told.
            silent = waited and (told - each.last) * 1000 >= NOTED_MS
            each.end(until if silent else told, lasts=silent)

    @property
    def lost(self) -> int:
        """Records that were acknowledged, and did not come."""
        came = set[int]().union(*(each.sequences for each in tuple(self._consumer.received.values())))
        return sum(len(each.since_start - came) for each in self._producer.leaders.values())

    def stop(self) -> None:
        """Read no more, and leave the group."""
        self._consumer.stop()

    def report(
        self, began: float, ended: float, stalls: Stalls, resent: Resent, *, look_back_s: float
    ) -> SurvivalReport:
        """What they noticed, once they are stopped."""
        leaders = tuple(self._producer.leaders.values())
        received = self._consumer.received.values()
        acknowledged = sum(len(each.sequences) for each in leaders)
        return SurvivalReport(
            client=f"{self._plan.client} by Java",
            began=began,
            ended=ended,
            leaders=tuple(each.survival(stalls, resent, look_back_s=look_back_s) for each in leaders),
            fresh=(),
            idle=(),
            names=(),
            producer=Client(library=LIBRARY),
            consumer=Client(library=LIBRARY),
            sent=max(self._producer.sent, acknowledged),
            acknowledged=acknowledged,
            received=self._consumer.count,
            lost=self.lost,
            duplicated=sum(each.duplicated for each in received),
            out_of_order=sum(each.out_of_order for each in received),
            rebalances=self._consumer.assignments - self._assignments,
            host_late_ms=round(stalls.longest_ms(began, ended), 1),
            trouble=self._trouble,
        )
