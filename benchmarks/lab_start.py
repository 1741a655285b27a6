"""Time until a lab is ready, against the same brokers started bare, in the same run.

Bare: the same Kafka, JVM options and server.properties, in one namespace with every broker address
on its loopback; no VPCs, no filters, no resolvers, no certificates made (they are there before the
clock starts). Both wait for the same log line. Runs alternate; medians and ratios are printed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from brokerproof.lab.daemons import jvm, kafka_dist
from brokerproof.lab.daemons.jvm import STATE_DIR
from brokerproof.lab.daemons.processes import Daemons
from brokerproof.lab.life import preflight
from brokerproof.lab.life.handle import Lab
from brokerproof.lab.network import kernel
from brokerproof.lab.network.blueprint import compile_topology
from brokerproof.topology.patterns import PATTERNS, PatternOptions


def bare_child(pattern: str, brokers: int) -> None:
    """Inside fresh namespaces: start the brokers and print the seconds it took."""
    blueprint = compile_topology(PATTERNS[pattern].build(PatternOptions(brokers=brokers)))
    kernel.run(["mount", "--make-rprivate", "/"])
    kernel.run(["mount", "-t", "tmpfs", "bare", "/run"])
    for directory in ("tls", "kafka", "log", "tmp"):
        Path(STATE_DIR, directory).mkdir(parents=True)
    kernel.NETNS_DIR.mkdir()
    lines = ["link set lo up"]
    for broker in blueprint.brokers:
        bound = dict(broker.properties)["listeners"].split("//")[1].split(":")[0]
        lines.append(f"addr add {bound}/32 dev lo")
        here = kernel.NETNS_DIR / broker.namespace
        here.touch()
        kernel.run(["mount", "--bind", "/proc/self/ns/net", str(here)])
    kernel.run(["ip", "-batch", "-"], feed="\n".join(lines) + "\n")
    version = blueprint.kafka_version
    java = preflight.find_java(os.environ)
    if java is None:
        raise SystemExit("no Java")
    daemons = Daemons(
        java=str(java.path), jvm=jvm.arguments(kafka_dist.locate(version, environ=os.environ), java, os.environ)
    )
    daemons.write_certificates(blueprint.certificates)
    began = time.monotonic()
    daemons.start_brokers(blueprint.brokers)
    daemons.wait_for_brokers(blueprint.brokers, lambda _: None)
    print(time.monotonic() - began, flush=True)
    os._exit(0)


def bare(pattern: str, brokers: int) -> float:
    done = subprocess.run(
        [
            "unshare",
            *preflight.namespace_options(),
            sys.executable,
            __file__,
            "--bare-child",
            "--pattern",
            pattern,
            "--brokers",
            str(brokers),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def whole(pattern: str, brokers: int) -> float:
    began = time.monotonic()
    with Lab.start(PATTERNS[pattern].build(PatternOptions(brokers=brokers))):
        return time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pattern", default="privatelink_single_nlb", choices=sorted(PATTERNS))
    parser.add_argument("--brokers", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bare-child", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.bare_child:
        bare_child(chosen.pattern, chosen.brokers)
    labs, bares = [], []
    for number in range(chosen.rounds):
        bares.append(bare(chosen.pattern, chosen.brokers))
        labs.append(whole(chosen.pattern, chosen.brokers))
        print(f"round {number + 1}: bare {bares[-1]:.2f} s, lab {labs[-1]:.2f} s, ratio {labs[-1] / bares[-1]:.2f}")
    ratio = statistics.median(labs) / statistics.median(bares)
    print(
        f"{chosen.brokers} brokers, {chosen.pattern}, {chosen.rounds} rounds: bare {statistics.median(bares):.2f} s, "
        f"lab {statistics.median(labs):.2f} s, ratio {ratio:.2f} (medians)"
    )


if __name__ == "__main__":
    main()
