"""``make fuzz``: seeds one after another through every class, for a time; what fails is kept as the corpus.

    python -m tests.hostile --seed 1 --minutes 20 [--only kafka] [--parser topology_yaml] [--parser-seconds 60]

Then every parser of bytes for some seconds, guided by coverage (atheris), where that is installed.
Exit code 1: something was found. The corpus (``tests/hostile/corpus.json``, ``tests/hostile/inputs``) is replayed by
the tests until it holds.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import itertools
import subprocess
import sys
import time
from tempfile import TemporaryDirectory

from tests.hostile import network
from tests.hostile.corpus import Found, keep
from tests.hostile.fuzzers import CLASSES, EVERY
from tests.hostile.parsers import INPUTS, PARSERS
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
                for each in (name for name in classes if seed % EVERY.get(name, 1) == 0):
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


def guided(first_seed: int, seconds: int, parsers: list[str]) -> list[str]:
    """Each parser in a process of its own; those in which something was found."""
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed (pip install atheris==3.0.0): no parser was fuzzed with guidance")
        return []
    found = []
    for name in parsers:
        words = [name, "--seed", str(first_seed), "--seconds", str(seconds), "--found", str(INPUTS / name)]
        with TemporaryDirectory(prefix="brokerproof-") as folder:
            command = [sys.executable, "-m", "tests.hostile.guided", *words, "--inputs", folder]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        runs = next((each.split()[-1] for each in done.stderr.splitlines() if "number_of_executed_units" in each), "?")
        print(
            f"{name}: {runs} inputs in {seconds} s, guided: {'found' if done.returncode else 'nothing found'}",
            flush=True,
        )
        if done.returncode:
            found.append(name)
            print("\n".join((done.stdout + done.stderr).splitlines()[-40:]))
    return found


async def _one(name: str, seed: int, probe: Served) -> list[str]:
    return await CLASSES[name](seed, probe)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="the first; the same seed makes the same peer")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--only", choices=list(CLASSES), action="append", help="a class; all where none is named")
    parser.add_argument("--parser", choices=list(PARSERS), action="append", help="a parser; all where none is named")
    parser.add_argument("--parser-seconds", type=int, default=30, help="of each parser; 0: none")
    asked = parser.parse_args()
    if why := network.leave():
        sys.stderr.write(f"fuzzing needs {why.replace('no network', 'a network', 1)}\n")
        return 2
    found = asyncio.run(fuzz(asked.seed, asked.minutes, asked.only or list(CLASSES))) if asked.minutes else []
    keep(found)
    parsers = guided(asked.seed, asked.parser_seconds, asked.parser or list(PARSERS)) if asked.parser_seconds else []
    return 1 if found or parsers else 0


sys.exit(main())
