"""``make fuzz``: seeds one after another through every class, for a time; what fails is kept as the corpus.

    python -m tests.hostile --seed 1 --minutes 20 [--only kafka]

Exit code 1: something was found. The corpus (``tests/hostile/corpus.json``) is replayed by the tests until it holds.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import time

from tests.hostile import network
from tests.hostile.corpus import Found, keep
from tests.hostile.fuzzers import CLASSES
from tests.hostile.served import Served, served

TOLD_EVERY_S = 10.0


async def fuzz(first_seed: int, minutes: float, classes: list[str]) -> list[Found]:
    """Everything that was found."""
    found: list[Found] = []
    runs = dict.fromkeys(classes, 0)
    end = time.monotonic() + minutes * 60
    told = time.monotonic()
    slowest_s, peak_bytes = 0.0, 0
    seeds = itertools.count(first_seed)
    while time.monotonic() < end:
        async with served() as probe:
            alive = True
            while alive and time.monotonic() < end:
                seed = next(seeds)
                for each in classes:
                    problems = await _one(each, seed, probe)
                    runs[each] += 1
                    slowest_s, peak_bytes = max(slowest_s, probe.slowest_s), max(peak_bytes, probe.peak_bytes)
                    if problems:
                        found.append(Found(each, seed, problems))
                        print(f"{each} {seed}: {'; '.join(problems)}", flush=True)
                    alive = alive and probe.process.returncode is None
                if time.monotonic() - told > TOLD_EVERY_S:
                    told = time.monotonic()
                    left_s = max(0, end - told)
                    print(f"{sum(runs.values())} runs, {len(found)} found, {left_s:.0f} s left", flush=True)
    words = ", ".join(f"{each} {count}" for each, count in runs.items())
    print(
        f"seeds {first_seed} to {next(seeds) - 1}: {words}; {len(found)} found; the longest run {slowest_s:.2f} s, "
        f"the most memory of one process {peak_bytes >> 20} MiB"
    )
    return found


async def _one(name: str, seed: int, probe: Served) -> list[str]:
    return await CLASSES[name](seed, probe)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="the first; the same seed makes the same peer")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--only", choices=list(CLASSES), action="append", help="a class; all where none is named")
    asked = parser.parse_args()
    if why := network.leave():
        sys.stderr.write(f"fuzzing needs {why.replace('no network', 'a network', 1)}\n")
        return 2
    found = asyncio.run(fuzz(asked.seed, asked.minutes, asked.only or list(CLASSES)))
    keep(found)
    return 1 if found else 0


sys.exit(main())
