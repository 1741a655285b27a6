"""How true the lab's distance is, and how much it lets through.

A client in us-west-2 and a host in the cluster VPC of us-east-1, peered; between them two routers with
their filters, and the link that is as long as asked. For each RTT asked for, many fresh TCP connections
and many small messages that are sent back, and by how much they took longer than asked. Two clocks:
the client's own, which counts its waking, and the kernel's (TCP_INFO of the handshake), which does not.
Then what iperf3 gets through, in turns with plain interfaces, in the same lab.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from brokerproof.lab.life.handle import Lab
from brokerproof.lab.network.distance import distance_text
from brokerproof.probes.wire.tcp_info import read_tcp_info
from brokerproof.topology.models import Client, RegionLink, Topology
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from brokerproof.topology.patterns.options import CLUSTER_NAME, CLUSTER_VPC, host

EAST, WEST = "us-east-1", "us-west-2"
RTTS_MS = (0.5, 5.0, 20.0, 60.0)
PAUSE_S = 0.01
PORT = 5000
MESSAGE = b"x" * 100
LEAST_MS = 0.002
"""As good as no delay, and not a plain link."""


def ahead_of_others() -> None:
    """What is measured is the path, not what else this machine does; only root may."""
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def serve() -> None:
    """Send back what comes, one connection after another, until standard input ends."""
    ahead_of_others()

    def send_back(listener: socket.socket) -> None:
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection:
                while message := connection.recv(4096):
                    connection.sendall(message)

    with socket.create_server(("", PORT), backlog=64) as listener:
        threading.Thread(target=send_back, args=(listener,), daemon=True).start()
        print("ready", flush=True)
        sys.stdin.read()


def measure(address: str, samples: int) -> None:
    """Prints ``{"connect": [ms], "kernel": [ms], "echo": [ms]}``."""
    ahead_of_others()
    taken: dict[str, list[float]] = {"connect": [], "kernel": [], "echo": []}
    for _ in range(samples):
        time.sleep(PAUSE_S)
        began = time.perf_counter_ns()
        with socket.create_connection((address, PORT), timeout=10) as connection:
            taken["connect"].append((time.perf_counter_ns() - began) / 1e6)
            known = read_tcp_info(connection)
            taken["kernel"].append(known.rtt_us / 1e3 if known is not None else math.nan)
    with socket.create_connection((address, PORT), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(samples):
            time.sleep(PAUSE_S)
            began = time.perf_counter_ns()
            connection.sendall(MESSAGE)
            left = len(MESSAGE)
            while left:
                left -= len(connection.recv(left))
            taken["echo"].append((time.perf_counter_ns() - began) / 1e6)
    print(json.dumps(taken))


def topology_of() -> Topology:
    """Peering, with a host ``s`` in the cluster VPC that any port of is open."""
    topology = PATTERNS["peering"].build(PatternOptions(brokers=1))
    subnet = next(s for s in topology.subnets if s.vpc_id == CLUSTER_VPC)
    server = Client(
        name="s",
        vpc_id=CLUSTER_VPC,
        subnet_id=subnet.subnet_id,
        private_ip_address=host(subnet.cidr_block, 220),
        cluster_name=CLUSTER_NAME,
    )
    return topology.model_copy(update={"clients": (*topology.clients, server)})


def set_rtt(lab: Lab, rtt_ms: float) -> None:
    link = RegionLink(regions=(EAST, WEST), one_way_delay_ms=rtt_ms / 2)
    lab.apply(lab.topology.model_copy(update={"lab": lab.topology.lab.model_copy(update={"links": (link,)})}))


@contextmanager
def server(lab: Lab, command: Sequence[str]) -> Iterator[None]:
    """A server on host ``s`` that ends by itself, after one client or when its input ends."""
    with subprocess.Popen(
        [*lab.command_prefix("s"), *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise SystemExit("no pipe")
        process.stdout.readline()  # both say a first line when they listen
        yield
        process.stdin.close()
        process.wait(timeout=30)


def output(lab: Lab, command: Sequence[str]) -> str:
    return subprocess.run(
        [*lab.command_prefix("remote_by_peering"), *command], capture_output=True, text=True, check=True
    ).stdout


def accuracy(lab: Lab, address: str, samples: int) -> None:
    me = [sys.executable, __file__, "--measure", address, "--samples", str(samples)]
    print(f"what {samples} round trips took longer than asked for, in ms: p50, p99")
    print("asked      connect, kernel's clock   connect, client's clock   100 bytes and back, client's clock")
    with server(lab, [sys.executable, __file__, "--serve"]):
        for rtt_ms in (0.0, *RTTS_MS):
            set_rtt(lab, rtt_ms)
            taken = json.loads(output(lab, me))
            cells = []
            for name in ("kernel", "connect", "echo"):
                cut = statistics.quantiles(taken[name], n=100)
                cells.append(f"{cut[49] - rtt_ms:+7.3f} {cut[98] - rtt_ms:+8.3f}")
            print(f"{f'{rtt_ms:g} ms' if rtt_ms else 'plain':8}   {cells[0]:25} {cells[1]:25} {cells[2]}", flush=True)


def gbit_per_s(lab: Lab, address: str, seconds: int) -> float:
    with server(lab, ["iperf3", "-s", "--one-off", "--forceflush"]):
        command = ["iperf3", "-c", address, "-t", str(seconds), "-O", "2", "-J"]
        done = subprocess.run(
            [*lab.command_prefix("remote_by_peering"), *command], capture_output=True, text=True, check=False
        )
    said = json.loads(done.stdout or "{}")
    if "sum_received" not in said.get("end", {}):
        raise SystemExit(f"iperf3 failed: {said.get('error', done.stderr or said)}")
    return float(said["end"]["sum_received"]["bits_per_second"]) / 1e9


def throughput(lab: Lab, address: str, rounds: int, seconds: int) -> None:
    kinds = {"plain": 0.0, "0 ms": LEAST_MS, "20 ms": 20.0, "60 ms": 60.0}
    got: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind, rtt_ms in kinds.items():
            set_rtt(lab, rtt_ms)
            got[kind].append(gbit_per_s(lab, address, seconds))
    print(f"one TCP connection, {seconds} s after 2 s to open its window, {rounds} rounds in turns: Gbit/s")
    for kind, values in got.items():
        print(f"{kind:8}   {statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=300, help="of each kind, at each RTT")
    parser.add_argument("--rounds", type=int, default=3, help="of the throughput")
    parser.add_argument("--seconds", type=int, default=5, help="of each of iperf3's runs")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--measure", metavar="ADDRESS", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        serve()
    elif chosen.measure:
        measure(chosen.measure, chosen.samples)
    else:
        topology = topology_of()
        address = str(topology.client("s").private_ip_address)
        with Lab.start(topology) as lab:
            print(f"distance: {distance_text(lab.status()['distance'])}")
            accuracy(lab, address, chosen.samples)
            throughput(lab, address, chosen.rounds, chosen.seconds)


if __name__ == "__main__":
    main()
