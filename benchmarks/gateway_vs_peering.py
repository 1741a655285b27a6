"""Transit Gateway against peering, on one cluster: two clients of one Region, in turns, drawn at random.

Client ``b`` is peered with the cluster VPC, client ``g`` attached to its gateway. Each sample is a fresh TCP
connection to the same broker; the interval is a percentile bootstrap of the difference of the medians.
Once with the lab's distance (each link between VPCs is as long as asked, and by a gateway there are two),
once with none, where only the forwarding of one more router is left.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from lab.handle import Lab
from topology.models import RegionLink
from topology.patterns import PATTERNS
from topology.patterns.options import REGION

CLIENTS = {"peering": "b", "transit gateway": "g"}
DRAWS = 2000

ASKED = """
import socket, sys, time
address, port = sys.argv[1], int(sys.argv[2])
print("ready", flush=True)
for _ in sys.stdin:
    began = time.perf_counter_ns()
    socket.create_connection((address, port), timeout=10).close()
    print(time.perf_counter_ns() - began, flush=True)
"""


@contextmanager
def asking(lab: Lab, client: str, address: str) -> Iterator[subprocess.Popen[str]]:
    """A process on the client's host that connects once for each line it is given."""
    command = [*lab.command_prefix(client), sys.executable, "-c", ASKED, address, "9094"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            sample_ms(process, first=True)
            yield process
        finally:
            process.kill()


def sample_ms(process: subprocess.Popen[str], *, first: bool = False) -> float:
    if process.stdin is None or process.stdout is None:
        raise SystemExit("no pipe")
    if first:
        process.stdout.readline()
        return 0.0
    process.stdin.write("\n")
    process.stdin.flush()
    return int(process.stdout.readline()) / 1e6


def compared(lab: Lab, samples: int, seed: int) -> str:
    """Medians, their difference with its interval, and what it allows to say."""
    address = str(lab.topology.clusters[0].brokers[0].client_vpc_ip_address)
    draw = random.Random(seed)
    turns = [name for name in CLIENTS for _ in range(samples)]
    draw.shuffle(turns)
    taken: dict[str, list[float]] = {name: [] for name in CLIENTS}
    with asking(lab, CLIENTS["peering"], address) as one, asking(lab, CLIENTS["transit gateway"], address) as other:
        processes = dict(zip(CLIENTS, (one, other), strict=True))
        for process in processes.values():
            for _ in range(20):
                sample_ms(process)
        for name in turns:
            taken[name].append(sample_ms(processes[name]))
    peering, gateway = taken.values()
    differences = sorted(
        statistics.median(draw.choices(gateway, k=samples)) - statistics.median(draw.choices(peering, k=samples))
        for _ in range(DRAWS)
    )
    low, high = differences[int(0.025 * DRAWS)], differences[int(0.975 * DRAWS) - 1]
    middle = statistics.median(gateway) - statistics.median(peering)
    found = "the extra hop is visible" if low > 0 else "the two cannot be told apart at this number of samples"
    medians = ", ".join(f"{name} {statistics.median(values):.3f} ms" for name, values in taken.items())
    return f"{medians}; the gateway adds {middle:.3f} ms (95 % interval {low:.3f} to {high:.3f}): {found}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=500, help="connections a client (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    topology = PATTERNS["combination"](None)
    none = topology.lab.model_copy(update={"links": (RegionLink(regions=(REGION, REGION), one_way_delay_ms=0),)})
    print(f"{chosen.samples} connections to broker 1 from each of two clients, in random turns, seed {chosen.seed}")
    with Lab.start(topology) as lab:
        link = topology.lab.link(REGION, REGION)
        print(
            f"links of {2 * link.one_way_delay_ms:g} ms RTT: {compared(lab, chosen.samples, chosen.seed)}", flush=True
        )
        lab.apply(topology.model_copy(update={"lab": none}))
        print(f"links of no length: {compared(lab, chosen.samples, chosen.seed)}")


if __name__ == "__main__":
    main()
