"""What 200 hosts at once cost the one process that asks them: memory, threads and time.

Each host is a network namespace of its own with a real probe behind the vantage ``exec``, or, with ``--by ssh``, behind
OpenSSH and a sshd of its own, which puts the probe there first. Nothing listens in the namespace: every plan ends with
refused connections. The first plan starts the probes, the second finds them running. The time of the first is mostly
that of 200 probes that start on one machine, which real hosts spend each for itself; what this process spends is
``own_cpu_s``, and ``children_mb`` is what the ssh clients hold that it started.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from brokerproof.probes.outcome import Stage
from brokerproof.probes.plan import Endpoint, Limits, Plan
from brokerproof.vantages.exec import ExecVantage, Patience
from brokerproof.vantages.local import this_probe
from brokerproof.vantages.protocol import Vantage
from brokerproof.vantages.registry import open_vantage
from tests.vantages.sshd import SshHost, separation

APART: Final = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
PATIENCE: Final = Patience(first_line_ms=600_000, grace_ms=60_000, terminate_ms=5_000)
PORT: Final = 9098


def main(words: list[str] | None = None) -> int:
    """Print a line for each of two plans; 0 where every host answered both."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_hosts", description=__doc__)
    parser.add_argument("--hosts", type=int, default=200)
    parser.add_argument("--by", choices=("exec", "ssh"), default="exec", help="the vantage")
    chosen = parser.parse_args(words)
    hosts: int = chosen.hosts
    print(json.dumps({"hosts": hosts, "by": chosen.by, "load": round(os.getloadavg()[0], 1), **so_far()}), flush=True)
    whole = True
    with ExitStack() as stack, ThreadPoolExecutor(max_workers=hosts) as threads:
        opened = by_exec(hosts) if chosen.by == "exec" else by_ssh(hosts, stack)
        vantages = [stack.enter_context(vantage) for vantage in opened]
        for turn in ("first", "second"):
            began, cpu = time.monotonic(), time.process_time()
            runs = list(threads.map(lambda vantage, turn=turn: vantage.run(plan(turn)), vantages))
            answered = sum(not run.error for run in runs)
            refused = sum(outcome.stage is Stage.CONNECT for run in runs for outcome in run.outcomes)
            took = {"wall_s": round(time.monotonic() - began, 1), "own_cpu_s": round(time.process_time() - cpu, 2)}
            print(json.dumps({"plan": turn, "answered": answered, "connects": refused, **took, **so_far()}), flush=True)
            whole = whole and answered == hosts
    return 0 if whole else 1


def by_exec(hosts: int) -> Iterator[Vantage]:
    """A probe of this checkout for each host, beside this process."""
    for number in range(hosts):
        yield ExecVantage(f"host-{number}", APART, python=sys.executable, environment=this_probe(), patience=PATIENCE)


def by_ssh(hosts: int, stack: ExitStack) -> Iterator[Vantage]:
    """A sshd for each connection, in a namespace of its own; each host has a cache of its own for the probe."""
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="many-hosts-")))
    stack.enter_context(separation())
    host = SshHost(folder, APART)
    for number in range(hosts):
        cache = {"XDG_CACHE_HOME": str(folder / "caches" / str(number))}
        yield open_vantage("ssh", f"host-{number}", host.vantage(environment=cache))


def plan(plan_id: str) -> Plan:
    """One that is refused at three ports of the host itself."""
    bootstrap = tuple(Endpoint(name="127.0.0.1", port=PORT + broker) for broker in range(3))
    return Plan(
        plan_id=plan_id,
        client="app",
        bootstrap=bootstrap,
        resolver="127.0.0.1:53",
        limits=Limits(plan_ms=300_000, handshake_ms=60_000, request_ms=60_000),
    )


def so_far() -> dict[str, float]:
    """Memory of this process alone, now and at most, and what else it holds."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return {
        "resident_mb": round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1),
        "most_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6, 1),
        "threads": len([*Path("/proc/self/task").iterdir()]),
        "descriptors": len([*Path("/proc/self/fd").iterdir()]),
        "children_mb": children_mb(),
    }


def children_mb() -> float:
    """What this process's own children hold for themselves alone (Private pages of proc_pid_smaps_rollup(5))."""
    kilobytes = 0
    children = [one for task in Path("/proc/self/task").iterdir() for one in (task / "children").read_text().split()]
    for number in children:
        with suppress(OSError):  # it ended meanwhile
            rollup = Path(f"/proc/{number}/smaps_rollup").read_text(encoding="ascii")
            kilobytes += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_"))
    return round(kilobytes / 1000, 1)


if __name__ == "__main__":
    sys.exit(main())
