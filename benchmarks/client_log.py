"""What librdkafka's ``debug: broker`` costs the latency that is measured beside it: with and without, by turns.

The probe counts connections and logins of its Kafka client by that log. One producer and one consumer of each kind
send a record, wait for its acknowledgement and read it back, in blocks that take turns; medians of both, and lines of
log while records went through.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Final

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from brokerproof.lab.life.handle import Lab  # noqa: E402
from brokerproof.probes.librdkafka import ClientLog, Settings  # noqa: E402
from brokerproof.probes.plan import Limits, Tls  # noqa: E402
from brokerproof.topology.expectation.expect import expect  # noqa: E402
from brokerproof.topology.patterns import PATTERNS, PatternOptions  # noqa: E402

CLIENT: Final = "cluster_vpc"
LIMIT_MS: Final = 30_000
BLOCK: Final = 50
WITH, WITHOUT = "with the log", "without it"


class CountingLog(ClientLog):
    """As the probe's, and it counts the lines."""

    lines = 0

    def log(self, level: int, words: str, *values: object) -> None:
        """Called by the client."""
        self.lines += 1
        super().log(level, words, *values)


class Side:
    """A producer and a consumer that are set as the probe's; one kind has no log of connections."""

    def __init__(self, settings: Settings, topic: str, *, told: bool) -> None:
        self.log = CountingLog()
        group = f"{topic}-{told}"
        producer = settings.producer(self.log, limit_ms=LIMIT_MS)
        consumer = settings.consumer(self.log, group, limit_ms=LIMIT_MS)
        if not told:
            for config in (producer, consumer):
                del config["debug"], config["log_level"]
        self._producer, self._consumer = Producer(producer), Consumer(consumer)
        self._topic = topic
        self._acknowledged_ns = self.end = 0
        self.acknowledged_ms: list[float] = []
        self.read_ms: list[float] = []
        self.cpu_ms = 0.0
        self.send()
        self._consumer.assign([TopicPartition(topic, 0, self.end + 1)])

    def _note(self, failure: object, message: object) -> None:
        if failure is not None:
            raise SystemExit(f"a record was refused: {failure}")
        self._acknowledged_ns = time.perf_counter_ns()
        self.end = message.offset()  # type: ignore[attr-defined]

    def send(self) -> int:
        """Send a record and wait for its acknowledgement; when it was sent."""
        sent_ns, self._acknowledged_ns = time.perf_counter_ns(), 0
        self._producer.produce(self._topic, b"x" * 256, partition=0, on_delivery=self._note)
        while not self._acknowledged_ns:
            self._producer.poll(0.1)
        return sent_ns

    def skip(self) -> None:
        """Read what the other side wrote."""
        self._consumer.seek(TopicPartition(self._topic, 0, self.end + 1))

    def block(self, records: int, *, counts: bool) -> int:
        """Some records, one after another; the last one's offset."""
        used = time.process_time()
        for _ in range(records):
            sent_ns = self.send()
            while (message := self._consumer.poll(1.0)) is None or message.error() or message.offset() != self.end:
                pass
            if counts:
                self.acknowledged_ms.append((self._acknowledged_ns - sent_ns) / 1e6)
                self.read_ms.append((time.perf_counter_ns() - sent_ns) / 1e6)
        self.cpu_ms += 1000 * (time.process_time() - used) if counts else 0
        return self.end

    def follow(self, end: int) -> None:
        """Go on behind a record of the other side."""
        self.end = end
        self.skip()


def measure(bootstrap: str, ca_file: str, blocks: int) -> None:
    """In the client's VPC."""
    topic = f"brokerproof-log-{uuid.uuid4().hex[:8]}"
    settings = Settings(bootstrap=bootstrap, tls=Tls(ca_file=ca_file), limits=Limits())
    admin = AdminClient({k: v for k, v in settings.common(ClientLog(), limit_ms=LIMIT_MS).items() if k != "debug"})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)
    sides = {WITH: Side(settings, topic, told=True), WITHOUT: Side(settings, topic, told=False)}
    ratios: dict[str, list[float]] = {"acknowledged": [], "read back": [], "processor time": []}
    before = 0
    for number in range(-2, blocks):
        order = list(sides.values())[:: 1 if number % 2 else -1]
        marks = {id(side): (len(side.read_ms), side.cpu_ms) for side in order}
        end = order[1].end
        before = before if number else sides[WITH].log.lines
        for side in order:
            side.follow(end)
            end = side.block(BLOCK, counts=number >= 0)
        order[0].follow(end)
        if number < 0:
            continue
        told, silent = sides[WITH], sides[WITHOUT]
        for name, of in (("acknowledged", "acknowledged_ms"), ("read back", "read_ms")):
            one, other = (getattr(side, of)[marks[id(side)][0] :] for side in (told, silent))
            ratios[name].append(statistics.median(one) / statistics.median(other))
        one_ms, other_ms = (side.cpu_ms - marks[id(side)][1] for side in (told, silent))
        ratios["processor time"].append(one_ms / other_ms)
    for name, side in sides.items():
        acknowledged, read = statistics.median(side.acknowledged_ms), statistics.median(side.read_ms)
        used, records = side.cpu_ms / len(side.read_ms), len(side.read_ms)
        print(
            f"{name:<14} acknowledged p50 {acknowledged:.3f} ms, read back p50 {read:.3f} ms, {used:.3f} ms of "
            f"processor a record, {records:,} records"
        )
    print(f"lines of log while those went through: {sides[WITH].log.lines - before}")
    for name, each in ratios.items():
        low, middle, high = min(each), statistics.median(each), max(each)
        print(f"{name}: with / without {middle:.3f} ({low:.3f}-{high:.3f}) over {len(each)} pairs of blocks")
    admin.delete_topics([topic])[topic].result(30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help=f"pairs of blocks of {BLOCK} records")
    parser.add_argument("--there", nargs=2, metavar=("BOOTSTRAP", "CA"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.there:
        measure(*chosen.there, chosen.rounds)
        return
    topology = PATTERNS["in_vpc"].build(PatternOptions(brokers=1))
    [broker] = expect(topology, CLIENT).brokers
    with Lab.start(topology) as lab:
        there = ["--there", f"{broker.name}:{broker.port}", str(topology.client(CLIENT).ca_file)]
        words = [sys.executable, str(Path(__file__).resolve()), "--rounds", str(chosen.rounds), *there]
        print(f"{topology.name} with one broker, TLS", flush=True)
        raise SystemExit(subprocess.run([*lab.command_prefix(CLIENT), *words], check=False).returncode)


if __name__ == "__main__":
    main()
