"""How much of a link's rate the probe's produce gets through, against iperf3 on the same path, in turns.

A client in us-west-2 and one broker in us-east-1, peered, with a host for iperf3 beside the broker; the link between
has a rate and a length. Both send as many bytes over one connection: iperf3's are TCP payload, the probe's the values
of its records, so that TLS, Kafka's framing and acknowledgements are its cost. Slow start is in both. The broker's
receive buffer is as the kernel sees fit, like iperf3's; Kafka's default of 102400 bytes would be the limit far away.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.distance import EAST, WEST, server, topology_of  # noqa: E402
from benchmarks.throughput_vs_peers import RECORD_BYTES, Bench, SideError, bench_of, in_topic, throughput_of  # noqa: E402
from brokerproof.lab.life.handle import Lab  # noqa: E402
from brokerproof.lab.network.distance import distance_text  # noqa: E402
from brokerproof.topology.models import RegionLink, Topology  # noqa: E402

CLIENT = "remote_by_peering"


def shape(lab: Lab, rtt_ms: float, rate_mbit_per_s: int) -> None:
    link = RegionLink(regions=(EAST, WEST), one_way_delay_ms=rtt_ms / 2, rate_bits_per_s=rate_mbit_per_s * 1_000_000)
    lab.apply(lab.topology.model_copy(update={"lab": lab.topology.lab.model_copy(update={"links": (link,)})}))


def with_receive_buffer(topology: Topology, size: int) -> Topology:
    """``size``: socket.receive.buffer.bytes of the brokers; -1 leaves it to the kernel (Kafka's documentation)."""
    clusters = (
        c.model_copy(update={"server_properties": {**c.server_properties, "socket.receive.buffer.bytes": str(size)}})
        for c in topology.clusters
    )
    return topology.model_copy(update={"clusters": tuple(clusters)})


def by_iperf3(lab: Lab, address: str, size: int) -> float:
    """Mbit/s as received."""
    with server(lab, ["iperf3", "-s", "--one-off", "--forceflush"]):
        command = [*lab.command_prefix(CLIENT), "iperf3", "-c", address, "-n", str(size), "-J"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)
    said = json.loads(done.stdout or "{}")
    if "sum_received" not in said.get("end", {}):
        raise SideError(f"iperf3 failed: {said.get('error', done.stderr or said)}")
    return float(said["end"]["sum_received"]["bits_per_second"]) / 1e6


def by_probe(bench: Bench) -> float:
    """Mbit/s as acknowledged."""
    return in_topic(bench, lambda topic: throughput_of(bench, topic)).produce_bytes_per_s * 8 / 1e6


def compare(lab: Lab, chosen: argparse.Namespace, bench: Bench, address: str) -> None:
    size = bench.records * RECORD_BYTES
    for rtt_ms in chosen.rtt_ms:
        shape(lab, rtt_ms, chosen.rate)
        taken: list[tuple[float, float]] = []
        for number in range(chosen.rounds):
            if number % 2:
                ours = by_probe(bench)
                taken.append((ours, by_iperf3(lab, address, size)))
            else:
                theirs = by_iperf3(lab, address, size)
                taken.append((by_probe(bench), theirs))
        for side, values in zip(("probe", "iperf3"), zip(*taken, strict=True), strict=True):
            print(
                f"{chosen.rate} Mbit/s, RTT {rtt_ms:g} ms, {size / 1e6:.0f} MB: "
                f"{side:6} {statistics.median(values):6.2f} Mbit/s ({min(values):.2f}-{max(values):.2f})"
            )
        ratios = [ours / theirs for ours, theirs in taken]
        print(f"probe / iperf3: {statistics.median(ratios):.3f} ({min(ratios):.3f}-{max(ratios):.3f})", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=100, help="of the link, Mbit/s (default: %(default)s)")
    parser.add_argument("--rtt-ms", type=float, nargs="+", default=[1.0, 60.0], help="default: 1 and 60")
    parser.add_argument("--megabytes", type=int, default=128, help="MiB each time (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="at each length (default: %(default)s)")
    parser.add_argument(
        "--receive-buffer", type=int, default=-1, help="of the broker, bytes; -1: the kernel's (default: %(default)s)"
    )
    chosen = parser.parse_args()
    if min(chosen.rate, chosen.megabytes, chosen.rounds) < 1:
        parser.error("at least 1 Mbit/s, one MiB, one round")
    if shutil.which("iperf3") is None:
        raise SystemExit("without iperf3 there is nothing to compare with: it is not installed (Debian package iperf3)")
    topology = with_receive_buffer(topology_of(), chosen.receive_buffer)
    address = str(topology.client("s").private_ip_address)
    records = chosen.megabytes * 1024 * 1024 // RECORD_BYTES
    with tempfile.TemporaryDirectory(prefix="iperf3-") as directory, Lab.start(topology) as lab:
        print(f"the link: {distance_text(lab.status()['distance'])}; {chosen.rounds} rounds in turns", flush=True)
        try:
            compare(lab, chosen, bench_of(lab, CLIENT, Path(directory), records), address)
        except SideError as error:
            raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
