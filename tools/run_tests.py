"""Runs pytest; what fails beside other tests is run once more, alone, and said to be unsteady where it passes then.

An unsteady test is a defect of the test or of what it tests, and is listed as one. It does not hide what the other
tests found: machines that run everything are shared, and a lab needs a processor in time. Nothing is run again when
more than a few fail.

A second run may go beside the first: it has what the first one leaves of the processors, since tests with a lab wait
more than they compute. Its output is held until both have ended, and how far it is is said meanwhile.

    python -m tools.run_tests ARGUMENTS OF PYTEST [--beside ARGUMENTS OF PYTEST]
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, Final

_KEPT: Final = Path("build/last-tests")
_TESTS_FAILED: Final = 1
"""pytest's exit code where tests ran and some failed; any other says that something else is wrong."""
AT_MOST: Final = 5
"""More failures than this are no accident."""
BESIDE: Final = "--beside"
SAID_EVERY_S: Final = 60.0
"""Between two words on how far the second run is."""
_POLL_S: Final = 0.2
_LOWEST: Final = 19
_PROGRESS: Final = re.compile(rb"\[ *(\d+)%\]")


@dataclass(frozen=True)
class Run:
    """One pytest: its process, where it keeps what failed, and its output where that is held."""

    process: subprocess.Popen[bytes]
    cache: Path
    held: Path | None = None

    @property
    def failed(self) -> list[str]:
        """The ids of the tests that failed."""
        try:
            found = json.loads((self.cache / "v/cache/lastfailed").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return []
        return sorted(found)

    @property
    def may_be_unsteady(self) -> bool:
        """Whether it failed by a few tests, and by nothing else."""
        return self.process.returncode == _TESTS_FAILED and 0 < len(self.failed) <= AT_MOST


def main(arguments: Sequence[str], *, said_every_s: float = SAID_EVERY_S) -> int:
    """Run the tests; 0 where every one passed, beside others or alone."""
    shutil.rmtree(_KEPT, ignore_errors=True)
    runs = _carried_out(arguments, said_every_s)
    bad = [run for run in runs if run.process.returncode]
    for run in bad:
        if not run.may_be_unsteady:
            return run.process.returncode
    failed = [test for run in bad for test in run.failed]
    if not failed:
        return 0
    print(f"\n{len(failed)} failed beside others; each is run again, alone", flush=True)
    alone = _started(["-n", "0", *failed], _KEPT / "alone")
    with _ended_together([alone]):
        again = alone.process.wait()
    if again == 0:
        print("UNSTEADY, failed beside others and passed alone; to be mended:")
        print("\n".join(f"  {test}" for test in failed), flush=True)
    return again


def _carried_out(arguments: Sequence[str], said_every_s: float) -> list[Run]:
    """Run what is asked for, side by side where that is two runs, until all have ended."""
    words = list(arguments)
    split = words.index(BESIDE) if BESIDE in words else len(words)
    first, beside = words[:split], words[split + 1 :]
    with ExitStack() as stack:
        runs = [_started(first, _KEPT / "first")]
        if split < len(words):
            _KEPT.mkdir(parents=True, exist_ok=True)
            held = _KEPT / "beside.txt"
            runs.append(_started(beside, _KEPT / "beside", held, stack.enter_context(held.open("wb"))))
            _yield_to_others(runs[-1].process.pid)
        stack.enter_context(_ended_together(runs))
        _wait(runs, said_every_s)
    for run in runs:
        if run.held is not None:
            print(f"\nbeside: pytest {' '.join(beside)}", flush=True)
            print(run.held.read_text(encoding="utf-8", errors="replace"), flush=True)
    return runs


def _started(arguments: Sequence[str], cache: Path, held: Path | None = None, output: IO[bytes] | None = None) -> Run:
    command = [sys.executable, "-m", "pytest", *arguments, "-o", f"cache_dir={cache}"]
    return Run(subprocess.Popen(command, stdout=output, stderr=output), cache, held)


def _yield_to_others(pid: int) -> None:
    """Have a process, and what it will start, run when no other wants the processor; or as late as is allowed."""
    try:
        os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
    except OSError:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, pid, _LOWEST)


@contextmanager
def _ended_together(runs: Sequence[Run]) -> Iterator[None]:
    """Ctrl-C, which a terminal tells to all of them, is waited for; who ends this program ends them all."""

    def on_signal(number: int, _frame: FrameType | None) -> None:
        for run in runs:
            if number == signal.SIGTERM and run.process.poll() is None:
                run.process.send_signal(number)

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(runs: Sequence[Run], said_every_s: float) -> None:
    said_at = time.monotonic()
    while any(run.process.poll() is None for run in runs):
        time.sleep(_POLL_S)
        for run in runs:
            if run.held is not None and time.monotonic() - said_at >= said_every_s:
                said_at = time.monotonic()
                print(f"\nbeside: {_how_far(run)}", flush=True)


def _how_far(run: Run) -> str:
    if run.process.poll() is not None:
        return "ended"
    found = _PROGRESS.findall(b"" if run.held is None else run.held.read_bytes())
    return f"{found[-1].decode()} %" if found else "begun"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
