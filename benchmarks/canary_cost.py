"""``python -m benchmarks.canary_cost``: what a round of the canary costs, beside blackbox_exporter's, and its memory.

what each side does, to the same brokers of the lab, in turns
  canary    a light round: names by DNS and by the operating system, two connects to every address, TLS (chain, name and
            dates judged apart), ApiVersions, Metadata, and which broker answers at every address. The probe's process
            and what the canary makes of its outcomes (checks, states, store, series) are counted apart.
  blackbox  Debian's blackbox_exporter: one connect and TLS handshake to every address, the name and chain verified
            (tcp prober, a module a broker), asked for over loopback. It resolves no name, speaks no Kafka, judges and
            keeps nothing.
  kminion   with --kminion PROGRAM, and after the turns: a scrape of its metrics, for which it asks the cluster for
            topics, offsets, groups and log directories over connections that stay. It looks at no address and moves no
            record. Ten are taken at a time: one is less than the clock's tick.

Processor time is user and system time of the processes (/proc). Connections and bytes are those of the client's
namespace beside loopback (/proc/net), all packets counted whole.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from ruamel.yaml import YAML

from benchmarks.processes import below
from brokerproof.canary.metrics import Measurements
from brokerproof.canary.rounds import PATH, RECORDS, Depth, round_plan
from brokerproof.canary.store import Store
from brokerproof.canary.totals import Totals
from brokerproof.canary.watch import RoundDone, Watch
from brokerproof.diagnosis.check import Verdict
from brokerproof.lab.life.handle import Lab
from brokerproof.probes.plan import Limits
from brokerproof.running.planning import conclude
from brokerproof.running.site import lab_vantage
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.expectation.view import ClientView
from brokerproof.topology.patterns import PATTERNS
from brokerproof.vantages.protocol import Vantage
from tests.canary.made import BEGAN, EVERY_S, VIEW, dead_address, done, run_of, well

PATTERN, CLIENT = "privatelink_multi_nlb", "account_b"
BLACKBOX, PORT = "prometheus-blackbox-exporter", 9115
KMINION_PORT, KMINION_STARTS_S = 9116, 15
HERTZ: Final = os.sysconf("SC_CLK_TCK")
PATIENT: Final = Limits(resolve_ms=15_000, connect_ms=15_000, handshake_ms=30_000, request_ms=30_000, plan_ms=120_000)
"""On a machine that is busy a round takes long, and costs the same processor time."""
SIMULATED: Final = (100, 1_000, 10_000)
ASK = """
import sys
from urllib.request import urlopen
for line in sys.stdin:
    good = 0
    for url in line.split():
        with urlopen(url, timeout=60) as answer:
            good += b"\\nprobe_success 1" in answer.read()
    print(good, flush=True)
"""


SCRAPES: Final = 10
SCRAPE = """
from urllib.request import urlopen
for _ in range({times}):
    with urlopen("http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        assert b"kminion_kafka_cluster_info" in answer.read()
"""


class Cost(NamedTuple):
    """Of one round."""

    processor_ms: float
    connections: int
    bytes_moved: int
    seconds: float


def processor_ms(pid: int) -> float:
    """User and system time of a process, of all below it, and of those below that have ended."""
    total = 0
    for each in below(pid):
        with suppress(OSError):
            words = Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
            total += sum(map(int, words[11:15]))
    return 1000 * total / HERTZ


def network(prefix: tuple[str, ...]) -> tuple[int, int]:
    """Connections that were begun in the client's namespace so far, and bytes beside loopback."""
    words = [*prefix, "cat", "/proc/net/snmp", "/proc/net/dev"]
    lines = subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()
    names, values = [line.split() for line in lines if line.startswith("Tcp:")]
    moved = 0
    for line in lines:
        name, colon, counts = line.partition(":")
        fields = counts.split()
        if colon and len(fields) == 16 and fields[0].isdigit() and name.strip() != "lo":
            moved += int(fields[0]) + int(fields[8])
    return int(values[names.index("ActiveOpens")]), moved


def cost_of(work: Callable[[], None], pid: int, prefix: tuple[str, ...], *, asked_by: int = 0) -> Cost:
    """What ``work`` costs; ``asked_by`` connections of it are made over loopback, to ask."""
    connections, moved = network(prefix)
    spent, began = processor_ms(pid), time.monotonic()
    work()
    seconds = time.monotonic() - began
    spent = processor_ms(pid) - spent
    opened, moved_since = network(prefix)
    return Cost(spent, opened - connections - asked_by, moved_since - moved, seconds)


@contextmanager
def blackbox(
    view: ClientView, prefix: tuple[str, ...], ca_file: str, folder: Path
) -> Iterator[tuple[int, Callable[[], None]]]:
    """The exporter in the client's namespace: its process, and a round of it."""
    program = shutil.which(BLACKBOX)
    if program is None:
        raise SystemExit(f"{BLACKBOX} is not installed: tools/setup.sh --bench installs it")
    modules = {
        f"b{broker.broker_id}": {
            "prober": "tcp",
            "timeout": "30s",
            "tcp": {"tls": True, "tls_config": {"ca_file": ca_file, "server_name": broker.name}},
        }
        for broker in view.brokers
    }
    config = folder / "blackbox.yaml"
    YAML(typ="safe", pure=True).dump({"modules": modules}, config)
    urls = [
        f"http://127.0.0.1:{PORT}/probe?module=b{broker.broker_id}&target={address.address}:{broker.port}"
        for broker in view.brokers
        for address in broker.addresses
    ]
    command = [*prefix, program, f"--config.file={config}", f"--web.listen-address=127.0.0.1:{PORT}"]
    with (
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as exporter,
        subprocess.Popen(
            [*prefix, sys.executable, "-c", ASK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as asking,
    ):
        assert asking.stdin
        assert asking.stdout
        given, answers = asking.stdin, asking.stdout

        def round_of_it() -> None:
            given.write(" ".join(urls) + "\n")
            given.flush()
            good = answers.readline().strip()
            if good != str(len(urls)):
                raise SystemExit(f"blackbox_exporter found {good or 'no'} of {len(urls)} addresses well")

        try:
            time.sleep(2)
            yield exporter.pid, round_of_it
        finally:
            given.close()
            for each in below(exporter.pid):
                with suppress(ProcessLookupError):
                    os.kill(each, 15)


@contextmanager
def kminion(
    program: str, view: ClientView, prefix: tuple[str, ...], ca_file: str, folder: Path
) -> Iterator[tuple[int, Callable[[], None]]]:
    """The exporter in the client's namespace: its process, and ten scrapes of it."""
    config = folder / "kminion.yaml"
    settings = {
        "kafka": {
            "brokers": [f"{broker.name}:{broker.port}" for broker in view.brokers],
            "tls": {"enabled": True, "caFilepath": ca_file},
        },
        "exporter": {"host": "127.0.0.1", "port": KMINION_PORT},
    }
    YAML(typ="safe", pure=True).dump(settings, config)
    command = [*prefix, "env", f"CONFIG_FILEPATH={config}", program]
    asking = [*prefix, sys.executable, "-c", SCRAPE.format(port=KMINION_PORT, times=SCRAPES)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            time.sleep(KMINION_STARTS_S)
            if process.poll() is not None:
                raise SystemExit(f"{program} ended by itself ({process.returncode})")
            yield process.pid, lambda: subprocess.run(asking, check=True).check_returncode()
        finally:
            for each in below(process.pid):
                with suppress(ProcessLookupError):
                    os.kill(each, 15)


class Rounds:
    """Light rounds of the canary, its own work timed apart."""

    def __init__(self, view: ClientView, vantage: Vantage, watch: Watch, lab: Lab) -> None:
        self.own_ms: list[float] = []
        self._plan = round_plan(view, lab.topology.client(CLIENT), Depth.LIGHT, limits=PATIENT)
        self._vantage = vantage
        self._watch = watch
        self._totals = Totals((view,), (*PATH, *RECORDS))

    def __call__(self) -> None:
        plan = msgspec.structs.replace(self._plan.plan)
        began = time.time()
        before = time.process_time()
        run = self._vantage.run(plan)
        concluded = conclude(self._plan.view, plan, run)
        taken = RoundDone(run=concluded, depth=Depth.LIGHT, began=began, ended=time.time())
        ended, _ = self._watch.took(taken)
        self._totals.add(taken, ended.readings)
        self.own_ms.append(1000 * (time.process_time() - before))
        red = [each for each in concluded.checks if each.verdict is Verdict.FAILED]
        if red:
            raise SystemExit(f"the lab was not well: {red[0].client}/{red[0].check_id}: {red[0].observed}")


def beside(rounds: int, kminion_program: str) -> None:
    """All sides in turns."""
    topology = PATTERNS[PATTERN].build()
    view = expect(topology, CLIENT)
    ca_file = topology.client(CLIENT).ca_file
    assert ca_file is not None
    addresses = sum(len(broker.addresses) for broker in view.brokers)
    costs: dict[str, list[Cost]] = {"canary": [], "blackbox": []}
    with tempfile.TemporaryDirectory(prefix="canary-cost-") as name, Lab.start(topology) as lab:
        folder, prefix = Path(name), lab.command_prefix(CLIENT)
        store = Store(folder / "state", watch=True)
        watch = Watch((view,), store, every_s=EVERY_S, now=time.time())
        with (
            lab_vantage(lab, CLIENT) as vantage,
            blackbox(view, prefix, ca_file, folder) as (pid, of_blackbox),
        ):
            of_canary = Rounds(view, vantage, watch, lab)
            of_canary()
            of_blackbox()
            of_canary.own_ms.clear()
            for _ in range(rounds):
                probe = getattr(vantage, "pid", None)
                if probe is None:
                    raise SystemExit("the probe's process has ended")
                costs["canary"].append(cost_of(of_canary, probe, prefix))
                costs["blackbox"].append(cost_of(of_blackbox, pid, prefix, asked_by=addresses))
        store.close()
        if kminion_program:
            with kminion(kminion_program, view, prefix, ca_file, folder) as (pid, of_kminion):
                tens = (cost_of(of_kminion, pid, prefix, asked_by=SCRAPES) for _ in range(rounds))
                costs["kminion"] = [
                    Cost(ten.processor_ms / SCRAPES, ten.connections, ten.bytes_moved // SCRAPES, ten.seconds / SCRAPES)
                    for ten in tens
                ]
    print(f"{rounds} rounds of {len(view.brokers)} brokers at {addresses} addresses, in turns; medians of a round\n")
    print(f"{'':<22} {'processor ms':>12} {'connections':>11} {'bytes':>8} {'s':>6}")
    own = statistics.median(of_canary.own_ms)
    for side, each in costs.items():
        middle = [statistics.median(column) for column in zip(*each, strict=True)]
        print(f"{side:<22} {middle[0]:>12.0f} {middle[1]:>11.0f} {middle[2]:>8,.0f} {middle[3]:>6.2f}")
    print(f"{'canary, its own work':<22} {own:>12.1f}")
    a_round = statistics.fmean(cost.processor_ms for cost in costs["canary"]) + statistics.fmean(of_canary.own_ms)
    a_pair = a_round / len(view.brokers)
    print(f"\n{a_pair:.1f} ms of processor time a (client, broker) pair, its own work included:", end=" ")
    print(f"{60_000 / a_pair:,.0f} pairs a minute of one core")


def memory() -> None:
    """Rounds on a simulated clock, every tenth with a dead address: resident memory of this process as they go on."""
    runs = run_of(well()), run_of(dead_address(VIEW.brokers[0].addresses[0].address)(well()))
    with tempfile.TemporaryDirectory(prefix="canary-memory-") as name:
        store = Store(Path(name), watch=True)
        watch = Watch((VIEW,), store, every_s=EVERY_S, now=BEGAN)
        totals = Totals((VIEW,), (*PATH, *RECORDS))
        measurements = Measurements(version="1", target="t", every_s=EVERY_S)
        print("\nrounds on a simulated clock, one in ten red: this process's resident memory, processor time and store")
        began = time.process_time()
        for number in range(1, SIMULATED[-1] + 1):
            at = BEGAN + number * EVERY_S
            taken = done(runs[number % 10 == 0], at)
            ended, _ = watch.took(taken)
            totals.add(taken, ended.readings)
            if number in SIMULATED:
                series = sum(len(samples) for _, samples in measurements.values(watch.snapshot(at), totals))
                spent_ms = 1000 * (time.process_time() - began) / number
                size = sum(path.stat().st_size for path in Path(name).rglob("*")) / 1e6
                print(f"{number:>8,} {resident_mb():>8.1f} MB {spent_ms:>7.1f} ms a round {size:>6.1f} MB", end=" ")
                print(f"{series:>6,} series")
        store.close()


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="of each side (default: %(default)s)")
    parser.add_argument("--kminion", default="", metavar="PROGRAM", help="also time this build of kminion")
    chosen = parser.parse_args()
    print("what each side does: --help\n")
    beside(chosen.rounds, chosen.kminion)
    memory()


if __name__ == "__main__":
    main()
