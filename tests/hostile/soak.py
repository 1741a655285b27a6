"""A soak: one probe serves thousands of plans, and has as much memory and as many descriptors at the end as before.

    python -m tests.hostile.soak [--plans 10000]

Every hundredth plan moves records, so that client processes come and go; every tenth meets a peer that hangs up.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

from brokerproof.probes.outcome import Stage
from tests.hostile import network
from tests.hostile.served import Served, served
from tests.probes.fake_cluster import fake_cluster
from tests.probes.fake_kafka import alone, broker
from tests.probes.peers import closing, peer
from tests.probes.running import TO_IDENTITY, plan

SETTLED = 2000
"""Plans after which caches are full."""
TOLD_EVERY = 500
MOST_GROWTH = 0.03
"""From then on. Where garbage was left until there were 50,000 objects of it, it was 9 % in 8,000 plans."""
MORE_DESCRIPTORS = 2


def resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmRSS:"))


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def seen(probe: Served) -> tuple[int, int, int, int]:
    """Memory and descriptors of the probe, and of its fork server."""
    pid = probe.process.pid
    (server,) = (int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return resident_bytes(pid), descriptors(pid), resident_bytes(server), descriptors(server)


async def soak(plans: int) -> list[str]:
    ports: list[int] = []
    problems: list[str] = []
    async with (
        fake_cluster(1) as cluster,
        peer(broker(alone(1, lambda: ports[0]))) as port,
        peer(closing) as rude,
        served() as probe,
    ):
        ports.append(port)
        begin = time.monotonic()
        settled = (0, 0, 0, 0)
        for number in range(1, plans + 1):
            if number % 100 == 0:
                planned = plan(cluster.ports[1], stages=(*TO_IDENTITY, Stage.PRODUCE, Stage.CONSUME), look_again=False)
            else:
                planned = plan(rude if number % 10 == 0 else port)
            run = await probe.run(planned, slack_s=5)
            problems += run.problems
            if probe.process.returncode is not None:
                return problems
            if number == SETTLED:
                settled = seen(probe)
            if number % TOLD_EVERY == 0:
                took_s = time.monotonic() - begin
                rss, fds, server_rss, server_fds = seen(probe)
                print(
                    f"{number} plans in {took_s:.0f} s: {rss >> 10} KiB, {fds} descriptors; "
                    f"fork server {server_rss >> 10} KiB, {server_fds} descriptors",
                    flush=True,
                )
        end = seen(probe)
    for what, before, now in zip(("the probe", "", "the fork server", ""), settled, end, strict=True):
        if what and now > before * (1 + MOST_GROWTH):
            problems.append(f"{what} grew from {before >> 10} to {now >> 10} KiB")
    if end[1] > settled[1] + MORE_DESCRIPTORS or end[3] > settled[3] + MORE_DESCRIPTORS:
        problems.append(f"descriptors: {settled[1]} and {settled[3]}, then {end[1]} and {end[3]}")
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile.soak")
    parser.add_argument("--plans", type=int, default=10_000)
    asked = parser.parse_args()
    if why := network.leave():
        sys.stderr.write(f"{why}\n")
        return 2
    problems = asyncio.run(soak(asked.plans))
    for each in dict.fromkeys(problems):
        print(each)
    print("flat" if not problems else f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
