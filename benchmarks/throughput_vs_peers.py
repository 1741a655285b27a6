"""Throughput and latency of the probe's stages against Kafka's own performance tools and kcat.

On a lab of its own: the same client, path, brokers and settings, sides in turns. Each round has a new topic with a
partition led by each broker. The figures are those that each tool reports; kcat reports none, so its whole process is
timed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import msgspec  # noqa: E402

from benchmarks.peers import without  # noqa: E402
from benchmarks.verify_vs_by_hand import Broker, Setting, topic_command  # noqa: E402
from brokerproof.lab.daemons import kafka_dist  # noqa: E402
from brokerproof.lab.life import preflight  # noqa: E402
from brokerproof.lab.life.handle import Lab  # noqa: E402
from brokerproof.probes.load.producers import BATCHING, QUEUE_BYTES  # noqa: E402
from brokerproof.probes.outcome import LatencyFacts, Outcome, Role, Stage, Status, ThroughputFacts, decode_line  # noqa: E402
from brokerproof.probes.plan import LatencyPlan, Limits, Plan, ThroughputPlan, TopicMode, encode_plan  # noqa: E402
from brokerproof.running.planning import make_plan  # noqa: E402
from brokerproof.topology.expectation.expect import expect  # noqa: E402
from brokerproof.topology.models import RegionLink, Topology  # noqa: E402
from brokerproof.topology.patterns import PATTERNS  # noqa: E402
from brokerproof.topology.patterns.options import REGION  # noqa: E402

SIDES = """\
what each side does
  probe      stage throughput: N records, a partition at a time in turn, TLS, acks=all, no compression,
             no idempotence, linger.ms {linger}, batch.size {batch}, a queue of 64 MiB; from the first record after
             one that each leader acknowledged to the last acknowledgement. Then all of them are read back, each is
             looked at, lost and duplicate ones are counted.
  Kafka      kafka-producer-perf-test (ProducerPerformance) with the same properties, its own partitioner and 512 MB
             of heap as its script gives it: records a second as it says; kafka-consumer-perf-test
             (ConsumerPerformance): fetch.MB.sec, which leaves its joining of a group out. Neither looks at records.
  kcat       kcat -P -l of a file with N lines, with the same properties of librdkafka; kcat -C -o beginning of
             as many, printing nothing. The whole process is timed.
  latency    stage latency at {rate} records a second, 100 bytes, end to end, against Kafka's EndToEndLatency with
             acks=all and 100 bytes, which sends the next record when the last has come back."""
RECORD_BYTES = 1024
CLIENT = "peered"
RATE_PER_S = 200
WAIT_S = 180
PERF_JVM = ("-Xmx512M", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35")
"""As kafka-producer-perf-test.sh and kafka-run-class.sh start it."""
DELETED_MS = "1000"
"""How long brokers keep a removed topic's files: the lab's are in memory."""


T = TypeVar("T")


class SideError(Exception):
    """A side did not do its work, so its figure means nothing."""


class Bench(NamedTuple):
    """What every side is told."""

    setting: Setting
    plan: Plan
    java: tuple[str, ...]
    properties: Path
    """Of a Java client: TLS."""
    lines: Path
    records: int

    @property
    def bootstrap(self) -> str:
        return ",".join(f"{name}:{port}" for name, port in self.setting.bootstrap)


class Speed(NamedTuple):
    """MB/s (10^6 bytes)."""

    produce: float
    consume: float


def run(bench: Bench, command: Sequence[str], *, feed: bytes | None = None) -> tuple[bytes, float]:
    """In the client's VPC; what it printed, and how long it took."""
    began = time.monotonic()
    whole = [*bench.setting.prefix, *command]
    try:
        done = subprocess.run(whole, input=feed, capture_output=True, check=False, timeout=WAIT_S)
    except subprocess.TimeoutExpired:
        raise SideError(f"{command[0]} did not end within {WAIT_S} s") from None
    took_s = time.monotonic() - began
    if done.returncode:
        raise SideError(f"{' '.join(command)[:200]}: {(done.stderr or done.stdout).decode(errors='replace')[-500:]}")
    return done.stdout, took_s


def probed(bench: Bench, plan: Plan, stage: Stage) -> Outcome:
    command = ["env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "brokerproof.probes"]
    said, _ = run(bench, command, feed=encode_plan(plan))
    outcomes = [line for line in map(decode_line, said.splitlines()) if isinstance(line, Outcome)]
    bad = [outcome for outcome in outcomes if outcome.status is not Status.OK]
    if bad:
        raise SideError(f"probe: {bad[0].stage} {bad[0].detail}")
    return next(each for each in outcomes if each.stage is stage and each.target.role is Role.CLUSTER)


def with_topic(plan: Plan, topic: str) -> Plan:
    return msgspec.structs.replace(plan, topic=msgspec.structs.replace(plan.topic, mode=TopicMode.EXISTING, name=topic))


def throughput_of(bench: Bench, topic: str) -> ThroughputFacts:
    """What the stage reports of N records, all of which came back."""
    plan = with_topic(bench.plan, topic)
    wanted = ThroughputPlan(
        total_bytes=bench.records * RECORD_BYTES, max_ms=1000 * WAIT_S // 2, record_bytes=RECORD_BYTES
    )
    plan = msgspec.structs.replace(plan, stages=(*plan.stages, Stage.THROUGHPUT), throughput=wanted)
    facts = probed(bench, plan, Stage.THROUGHPUT).facts
    if not isinstance(facts, ThroughputFacts) or facts.records_consumed != bench.records:
        raise SideError(f"probe: {facts}")
    return facts


def by_probe(bench: Bench, topic: str) -> Speed:
    facts = throughput_of(bench, topic)
    return Speed(facts.produce_bytes_per_s / 1e6, facts.consume_bytes_per_s / 1e6)


def by_kafka(bench: Bench, topic: str) -> Speed:
    properties = {
        "bootstrap.servers": bench.bootstrap,
        "acks": "all",
        "enable.idempotence": "false",
        "linger.ms": BATCHING["linger.ms"],
        "batch.size": BATCHING["batch.size"],
        "buffer.memory": QUEUE_BYTES,
    }
    words = ["--topic", topic, "--num-records", str(bench.records), "--record-size", str(RECORD_BYTES)]
    words += ["--throughput", "-1", "--producer.config", str(bench.properties), "--producer-props"]
    words += [f"{key}={value}" for key, value in properties.items()]
    said, _ = run(bench, [*bench.java, "org.apache.kafka.tools.ProducerPerformance", *words])
    # 100000 records sent, 52328.6 records/sec (51.10 MB/sec), 12.3 ms avg latency, ...
    last = said.decode().strip().splitlines()[-1]
    try:
        sent, per_s = int(last.split()[0]), float(last.split(",", 1)[1].split()[0])
    except (IndexError, ValueError):
        raise SideError(f"ProducerPerformance said {last!r}") from None
    if sent != bench.records:
        raise SideError(f"ProducerPerformance sent {sent} of {bench.records} records")
    words = ["--bootstrap-server", bench.bootstrap, "--topic", topic, "--messages", str(bench.records)]
    words += ["--consumer.config", str(bench.properties), "--hide-header", "--timeout", "20000"]
    said, _ = run(bench, [*bench.java, "org.apache.kafka.tools.ConsumerPerformance", *words])
    # start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms,
    # fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec
    last = said.decode().strip().splitlines()[-1]
    cells = [cell.strip() for cell in last.split(",")]
    if len(cells) != 10 or int(cells[4]) < bench.records:
        raise SideError(f"ConsumerPerformance said {last!r}")
    return Speed(per_s * RECORD_BYTES / 1e6, float(cells[8]) * 1048576 / 1e6)


def by_kcat(bench: Bench, topic: str) -> Speed:
    common = ["kcat", "-b", bench.bootstrap, "-t", topic, "-q", "-X", "security.protocol=SSL"]
    common += ["-X", f"ssl.ca.location={bench.setting.ca_file}"]
    told = [word for key, value in {**BATCHING, "acks": "all"}.items() for word in ("-X", f"{key}={value}")]
    size = bench.records * RECORD_BYTES / 1e6
    _, produce_s = run(bench, [*common, *told, "-P", "-l", str(bench.lines)])
    _, consume_s = run(bench, [*common, "-C", "-o", "beginning", "-c", str(bench.records), "-f", ""])
    return Speed(size / produce_s, size / consume_s)


def latency_by_probe(bench: Bench, topic: str, samples: int) -> tuple[float, float]:
    """End to end, p50 and p99 in ms."""
    plan = with_topic(bench.plan, topic)
    wanted = LatencyPlan(samples=samples, warm_up=samples // 5, rate_per_s=RATE_PER_S, record_bytes=100)
    plan = msgspec.structs.replace(plan, stages=(*plan.stages, Stage.LATENCY), latency=wanted)
    facts = probed(bench, plan, Stage.LATENCY).facts
    if not isinstance(facts, LatencyFacts):
        raise SideError(f"probe: {facts}")
    return (facts.end_to_end.p50_ns or 0) / 1e6, (facts.end_to_end.p99_ns or 0) / 1e6


def latency_by_kafka(bench: Bench, topic: str, samples: int) -> tuple[float, float]:
    words = [bench.bootstrap, topic, str(samples), "all", "100", str(bench.properties)]
    said, _ = run(bench, [*bench.java, "org.apache.kafka.tools.EndToEndLatency", *words])
    # Percentiles: 50th = 1, 99th = 5, 99.9th = 12
    line = next((each for each in said.decode().splitlines() if each.startswith("Percentiles:")), "")
    try:
        found = [float(part.partition("=")[2]) for part in line.split(",")]
        return found[0], found[1]
    except (IndexError, ValueError):
        raise SideError(f"EndToEndLatency said {said.decode()[-200:]!r}") from None


def compare(bench: Bench, rounds: int, samples: int, warm_up: int) -> None:
    sides: dict[str, Callable[[Bench, str], Speed]] = {"probe": by_probe, "Kafka": by_kafka}
    if shutil.which("kcat"):
        sides["kcat"] = by_kcat
    else:
        without("kcat", "it is not installed (Debian package kcat)")
    taken: dict[str, list[Speed]] = {side: [] for side in sides}
    for number in range(1 - warm_up, rounds + 1):
        for side in list(sides)[:: 1 if number % 2 else -1]:
            speed = in_topic(bench, lambda topic, side=side: sides[side](bench, topic))  # type: ignore[misc]
            if number > 0:
                taken[side].append(speed)
            words = f"{side} produce {speed.produce:.1f} MB/s, consume {speed.consume:.1f} MB/s"
            print(f"round {number}: {words}", file=sys.stderr, flush=True)
    size = bench.records * RECORD_BYTES / 1e6
    print(f"{bench.records} records of {RECORD_BYTES} bytes ({size:.0f} MB) each, {rounds} rounds in turns: MB/s")
    for what in ("produce", "consume"):
        for side, speeds in taken.items():
            values = [getattr(speed, what) for speed in speeds]
            line = f"{what} {side:6} {statistics.median(values):7.1f} ({min(values):.1f}-{max(values):.1f})"
            if side != "probe":
                ours = [getattr(speed, what) for speed in taken["probe"]]
                ratios = [a / b for a, b in zip(ours, values, strict=True)]
                line += f"; probe / {side}: {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
            print(line, flush=True)
    if samples:
        latency(bench, rounds, samples)


def latency(bench: Bench, rounds: int, samples: int) -> None:
    sides = {"probe": latency_by_probe, "Kafka": latency_by_kafka}
    taken: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
    for number in range(rounds):
        for side in list(sides)[:: 1 if number % 2 else -1]:
            found = in_topic(bench, lambda topic, side=side: sides[side](bench, topic, samples))  # type: ignore[misc]
            taken[side].append(found)
    print(f"{samples} records of 100 bytes, {rounds} rounds in turns: end to end in ms, medians of p50 and of p99")
    for side, found in taken.items():
        p50, p99 = (statistics.median(each[i] for each in found) for i in (0, 1))
        print(f"latency {side:6} {p50:.2f} {p99:.2f}")


def in_topic(bench: Bench, side: Callable[[str], T]) -> T:
    """With a topic of its own, made before the clock runs and removed after it."""
    topic = f"brokerproof-throughput-{uuid.uuid4().hex[:8]}"
    topic_command(bench.setting, "create", topic)
    try:
        return side(topic)
    finally:
        topic_command(bench.setting, "delete", topic)


def topology_of(pattern: str) -> Topology:
    """The pattern inside one Region without distance, so that what is compared is the clients."""
    topology = PATTERNS[pattern].build()
    links = (RegionLink(regions=(REGION, REGION), one_way_delay_ms=0),)
    clusters = tuple(
        c.model_copy(update={"server_properties": {**c.server_properties, "log.segment.delete.delay.ms": DELETED_MS}})
        for c in topology.clusters
    )
    return topology.model_copy(update={"clusters": clusters, "lab": topology.lab.model_copy(update={"links": links})})


def bench_of(lab: Lab, name: str, directory: Path, records: int) -> Bench:
    topology = lab.topology
    view, client = expect(topology, name), topology.client(name)
    setting = Setting(
        brokers=tuple(Broker(b.broker_id or 0, b.name, b.port) for b in view.brokers),
        bootstrap=tuple((b.name, b.port) for b in view.bootstrap),
        ca_file=str(client.ca_file),
        prefix=lab.command_prefix(name),
        python=sys.executable,
        resolver=None,
        replication_factor=1,
    )
    java = preflight.find_java(os.environ)
    if java is None:
        raise SystemExit("no Java")
    kafka = kafka_dist.locate(topology.clusters[0].kafka_version, environ=os.environ)
    properties = directory / "client.properties"
    tls = {"security.protocol": "SSL", "ssl.truststore.type": "PEM", "ssl.truststore.location": client.ca_file}
    properties.write_text("".join(f"{key}={value}\n" for key, value in tls.items()))
    lines = directory / "lines"
    lines.write_text(("." * RECORD_BYTES + "\n") * records)
    stages = (Stage.RESOLVE, Stage.CONNECT, Stage.HANDSHAKE, Stage.API, Stage.METADATA, Stage.IDENTITY)
    limits = Limits(produce_ms=60_000, consume_ms=60_000, plan_ms=1000 * WAIT_S)
    plan = make_plan(view, client, measure=False, stages=(*stages, Stage.PRODUCE, Stage.CONSUME), limits=limits)
    return Bench(
        setting=setting,
        plan=msgspec.structs.replace(plan, forbidden=(), other_names=()),
        java=(str(java.path), *PERF_JVM, *kafka.logging_options, "-cp", kafka.classpath),
        properties=properties,
        lines=lines,
        records=records,
    )


def main() -> None:
    said = SIDES.format(linger=BATCHING["linger.ms"], batch=BATCHING["batch.size"], rate=RATE_PER_S)
    parser = argparse.ArgumentParser(
        description=f"{__doc__}\n{said}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pattern", choices=sorted(PATTERNS), default="peering", help="default: %(default)s")
    parser.add_argument("--megabytes", type=int, default=256, help="MiB each time (default: %(default)s)")
    parser.add_argument(
        "--samples",
        type=int,
        default=1000,
        help="of the latency, at least 1000; 0 is without it (default: %(default)s)",
    )
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--warm-up", type=int, default=1, help="rounds not counted (default: %(default)s)")
    chosen = parser.parse_args()
    if min(chosen.megabytes, chosen.rounds, chosen.warm_up + 1) < 1 or 0 != chosen.samples < 1000:
        parser.error("at least one round, one MiB and, for a p99, 1000 samples")
    print(said, end="\n\n", flush=True)
    records = chosen.megabytes * 1024 * 1024 // RECORD_BYTES
    with tempfile.TemporaryDirectory(prefix="throughput-") as directory, Lab.start(topology_of(chosen.pattern)) as lab:
        try:
            compare(bench_of(lab, CLIENT, Path(directory), records), chosen.rounds, chosen.samples, chosen.warm_up)
        except SideError as error:
            raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
