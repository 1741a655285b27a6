"""What 200 hosts at once cost the one process that asks them: memory, threads and time.

Each host is a network namespace of its own with a real probe behind the vantage ``exec``, and nothing listens there:
every plan ends with refused connections. The first plan starts the probes, the second finds them running. The time of
the first is mostly that of 200 probes that start on one machine, which real hosts spend each for itself; what this
process spends is ``own_cpu_s``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from brokerproof.probes.outcome import Stage
from brokerproof.probes.plan import Endpoint, Limits, Plan
from brokerproof.vantages.exec import ExecVantage, Patience
from brokerproof.vantages.local import this_probe

APART: Final = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
PATIENCE: Final = Patience(first_line_ms=600_000, grace_ms=60_000, terminate_ms=5_000)
PORT: Final = 9098


def main(words: list[str] | None = None) -> int:
    """Print a line for each of two plans; 0 where every host answered both."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_hosts", description=__doc__)
    parser.add_argument("--hosts", type=int, default=200)
    hosts = parser.parse_args(words).hosts
    print(json.dumps({"hosts": hosts, "load": round(os.getloadavg()[0], 1), **so_far()}), flush=True)
    whole = True
    with ExitStack() as stack, ThreadPoolExecutor(max_workers=hosts) as threads:
        vantages = [
            stack.enter_context(
                ExecVantage(f"host-{number}", APART, python=sys.executable, environment=this_probe(), patience=PATIENCE)
            )
            for number in range(hosts)
        ]
        for turn in ("first", "second"):
            began, cpu = time.monotonic(), time.process_time()
            runs = list(threads.map(lambda vantage, turn=turn: vantage.run(plan(turn)), vantages))
            answered = sum(not run.error for run in runs)
            refused = sum(outcome.stage is Stage.CONNECT for run in runs for outcome in run.outcomes)
            took = {"wall_s": round(time.monotonic() - began, 1), "own_cpu_s": round(time.process_time() - cpu, 2)}
            print(json.dumps({"plan": turn, "answered": answered, "connects": refused, **took, **so_far()}), flush=True)
            whole = whole and answered == hosts
    return 0 if whole else 1


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
    }


if __name__ == "__main__":
    sys.exit(main())
