"""Every benchmark one after another, as `make bench` runs them; what they print is kept in build/bench.

The figures of those that have a place for them in docs/benchmarks.md are written there. One that fails, or whose
peers are all missing, is said at the end and does not keep the others from running.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
KEPT = ROOT / "build" / "bench"
BENCHMARKS = (
    "discovery_scale",
    "many_hosts",
    "installed_size",
    "first_packet",
    "throughput_vs_peers",
    "throughput_vs_iperf3",
    "sweep",
    "accuracy_of_latency",
    "canary_cost",
    "client_log",
    "on_the_lab",
    "pairs",
    "compare_rates",
)
"""The longest last."""
IN_ROUNDS = {"canary_cost", "client_log", "on_the_lab", "throughput_vs_peers", "throughput_vs_iperf3", "sweep"}
BEGIN, END = "<!-- figures of {name} -->\n", "<!-- end of figures -->\n"
INDENT = "    "


class PageError(Exception):
    """The page does not have its markers as it should."""


def run(name: str, options: Sequence[str]) -> tuple[int, str]:
    """Exit status and output; the output is shown as it comes, and kept."""
    began, load = time.monotonic(), os.getloadavg()[0]
    command = [sys.executable, "-m", f"benchmarks.{name}", *options]
    print(f"\n== {name}", flush=True)
    lines: list[str] = []
    with (
        (KEPT / f"{name}.txt").open("w") as kept,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process,
    ):
        assert process.stdout
        for line in process.stdout:
            print(line, end="", flush=True)
            kept.write(line)
            lines.append(line)
    took_s = time.monotonic() - began
    machine = f"{os.cpu_count()} processors, Linux {platform.release()}, Python {platform.python_version()}"
    lines.append(f"{took_s:.0f} s; {machine}, load average {load:.1f} before and {os.getloadavg()[0]:.1f} after\n")
    return process.returncode, "".join(lines)


def figures_of(output: str) -> str:
    """What follows the explanation of the sides, which ends with the first empty line, if there is one."""
    _, empty, rest = output.partition("\n\n")
    return rest if empty else output


def with_figures(page: str, name: str, figures: str) -> str:
    """The page with a benchmark's figures in their place; as it is where it has none.

    Raises:
        PageError: the place has no end.
    """
    before, begin, rest = page.partition(BEGIN.format(name=name))
    if not begin:
        return page
    _, end, after = rest.partition(END)
    if not end:
        raise PageError(f"{PAGE}: no {END.strip()!r} follows {begin.strip()!r}")
    block = "".join(f"{INDENT}{line}".rstrip() + "\n" for line in figures.strip("\n").splitlines())
    return f"{before}{begin}\n{block}\n{end}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=BENCHMARKS, help="these alone")
    parser.add_argument("--rounds", type=int, help="of every benchmark that has rounds; default: each its own")
    parser.add_argument("--keep-page", action="store_true", help="leave docs/benchmarks.md as it is")
    chosen = parser.parse_args()
    rounds = [] if chosen.rounds is None else ["--rounds", str(chosen.rounds)]
    KEPT.mkdir(parents=True, exist_ok=True)
    codes = {}
    for name in chosen.only:
        codes[name], output = run(name, rounds if name in IN_ROUNDS else [])
        if not codes[name] and not chosen.keep_page:
            PAGE.write_text(with_figures(PAGE.read_text(), name, figures_of(output)))
    print("\n" + ", ".join(f"{name} {'failed' if code else 'done'}" for name, code in codes.items()))
    raise SystemExit(int(any(codes.values())))


if __name__ == "__main__":
    main()
