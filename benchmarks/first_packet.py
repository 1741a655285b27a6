"""What a probe costs before it does anything: processor time from its start to its first packet.

A resolver of this script's own, on loopback, stands by; when the first question comes, the kernel's account of the
processor time of every thread of the probe is read. Beside it, in turns: the same of an interpreter that does nothing
but send one datagram, which is what Python itself costs.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from brokerproof.probes.outcome import Stage  # noqa: E402
from brokerproof.probes.plan import Endpoint, Plan, encode_plan  # noqa: E402

AIM_S = 0.25
"""Of processor time, from the probe's start to its first packet."""
WAITS_S = 60
PROBE = [sys.executable, "-m", "brokerproof.probes"]
DATAGRAM = "import socket, sys; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', int(sys.argv[1])))"


def spent_s(pid: int) -> float:
    """Processor time of all threads of a process, by the scheduler's own account (proc(5), schedstat)."""
    spent_ns = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):
            spent_ns += int((task / "schedstat").read_text().split()[0])
    return spent_ns / 1e9


def until_first(command: list[str], stdin: bytes) -> tuple[float, float]:
    """Processor time and time, in seconds, until the first datagram."""
    with socket.socket(type=socket.SOCK_DGRAM) as heard:
        heard.bind(("127.0.0.1", 0))
        heard.settimeout(WAITS_S)
        port = heard.getsockname()[1]
        command = [each.replace("{port}", str(port)) for each in command]
        began = time.monotonic()
        with subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            assert process.stdin
            process.stdin.write(stdin.replace(b"{port}", str(port).encode()))
            process.stdin.flush()
            heard.recvfrom(4096)
            spent, took = spent_s(process.pid), time.monotonic() - began
            process.kill()
    return spent, took


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="how often each is started (15)")
    rounds = parser.parse_args().rounds
    plan = Plan(
        plan_id="first",
        client="bench",
        bootstrap=(Endpoint(name="b-1.bench.test", port=9094),),
        resolver="127.0.0.1:{port}",
        stages=(Stage.RESOLVE, Stage.CONNECT),
    )
    sides = {
        "probe": (PROBE, encode_plan(plan) + b"\n"),
        "python": ([sys.executable, "-c", DATAGRAM, "{port}"], b""),
    }
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for _ in range(rounds + 1):  # the first of each is warm-up
        for name, (command, stdin) in sides.items():
            taken[name].append(until_first(command, stdin))
    print(f"until the first packet, {rounds} starts each by turns, medians")
    spent = {}
    for name, found in taken.items():
        spent[name] = statistics.median(each for each, _ in found[1:])
        took = statistics.median(each for _, each in found[1:])
        print(f"  {name:8} processor {spent[name]:6.3f} s   wall {took:6.3f} s")
    met = "met" if spent["probe"] <= AIM_S else "not met"
    print(f"  processor time: probe {spent['probe'] / spent['python']:.1f} times python; aim {AIM_S} s: {met}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
