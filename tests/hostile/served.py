"""A probe that serves plans, watched: what must hold of every run, whatever its peers send."""

from __future__ import annotations

import asyncio
import atexit
import json
import sys
import threading
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import pytest

from brokerproof.probes.outcome import Closing, Line, Outcome, Reason, Refused, decode_line
from brokerproof.probes.outcome.bounds import LINE_BYTES
from brokerproof.probes.plan import Plan, encode_plan
from brokerproof.vantages.conversation import Conversation
from brokerproof.vantages.tail import Tail
from tests.hostile import network

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
OVERRUN = 1.05
SLACK_S = 0.3
"""A machine that others use as well wakes nobody on time; what the kernel counts as waiting for it comes on top."""
HOPELESS_S = 90.0
MOST_BYTES = 200 << 20
LOOK_S = 0.05


@dataclass
class Run:
    """One plan's lines, and what is wrong with how they came."""

    lines: list[Line] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    took_s: float = 0.0
    peak_bytes: int = 0

    @property
    def outcomes(self) -> list[Outcome]:
        return [each for each in self.lines if isinstance(each, Outcome)]


class Served:
    """One probe process, for many plans."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.slowest_s = 0.0
        self.peak_bytes = 0

    async def run(self, plan: Plan, *, slack_s: float = SLACK_S) -> Run:
        """Run a plan and judge what came; every problem is one line."""
        run = Run()
        assert self.process.stdin is not None
        watching = asyncio.ensure_future(self._watch(run))
        begin, waited_s = time.monotonic(), self._waited_s()
        raw: list[bytes] = []
        try:
            self.process.stdin.write(encode_plan(plan))
            async with asyncio.timeout(plan.limits.plan_ms / 1000 * OVERRUN + HOPELESS_S):
                await self._hear(run, raw)
        except TimeoutError:
            run.problems.append("it hangs")
        finally:
            run.took_s = time.monotonic() - begin
            watching.cancel()
        self.slowest_s, self.peak_bytes = max(self.slowest_s, run.took_s), max(self.peak_bytes, run.peak_bytes)
        run.problems += judged(plan, run, raw, slack_s + self._waited_s() - waited_s)
        return run

    def _waited_s(self) -> float:
        """How long the probe was ready to run and had no processor, since it began (proc(5), schedstat)."""
        with suppress(OSError):
            return int(Path(f"/proc/{self.process.pid}/schedstat").read_text().split()[1]) / 1e9
        return 0.0

    async def _hear(self, run: Run, raw: list[bytes]) -> None:
        assert self.process.stdout is not None
        while True:
            try:
                line = await self.process.stdout.readline()
            except ValueError:
                run.problems.append("a line without an end")
                return
            if not line:
                run.problems.append(f"the probe died: {await self.process.wait()}")
                return
            raw.append(line)
            run.lines.append(decode_line(line))
            if isinstance(run.lines[-1], Closing | Refused):
                return

    async def _watch(self, run: Run) -> None:
        while True:
            run.peak_bytes = max([run.peak_bytes, *map(_resident, _family(self.process.pid))])
            await asyncio.sleep(LOOK_S)


@asynccontextmanager
async def served() -> AsyncIterator[Served]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "brokerproof.probes", "--serve", stdin=PIPE, stdout=PIPE, cwd=ROOT, limit=4 * LINE_BYTES
    )
    try:
        yield Served(process)
    finally:
        if process.returncode is None:
            assert process.stdin is not None
            process.stdin.close()
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 10)
        if process.returncode is None:
            process.kill()
            await process.wait()


def judged(plan: Plan, run: Run, raw: list[bytes], slack_s: float) -> list[str]:
    """What must hold of every run and does not."""
    problems = [
        f"{each.stage} of {each.target.name}: probe_crashed: {each.detail}"
        for each in run.outcomes
        if each.reason is Reason.PROBE_CRASHED
    ]
    closing = run.lines[-1] if run.lines else None
    limit_s = plan.limits.plan_ms / 1000 * OVERRUN + slack_s
    if isinstance(closing, Closing) and closing.duration_ns / 1e9 > limit_s:
        problems.append(f"closed after {closing.duration_ns / 1e9:.2f} s of a plan of {plan.limits.plan_ms} ms")
    if run.peak_bytes > MOST_BYTES:
        problems.append(f"{run.peak_bytes >> 20} MiB of memory")
    said = Tail()
    conversation = Conversation(plan, said=said)
    for line in raw:
        if len(line) > LINE_BYTES:
            problems.append(f"a line of {len(line)} bytes")
        problems += [f"not printable: {text!r}" for text in texts(json.loads(line)) if not text.isprintable()]
        conversation.hear(line.rstrip(b"\n"))
    if isinstance(closing, Closing) and (error := conversation.result().error):
        problems.append(f"the vantage says: {error}")
    return problems


def texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for key, each in value.items():
                yield from (key, *texts(each))
        case list():
            for each in value:
                yield from texts(each)
        case _:
            pass


def _family(pid: int) -> list[int]:
    found = [pid]
    for each in found:
        with suppress(OSError):
            found += [int(word) for word in Path(f"/proc/{each}/task/{each}/children").read_text().split()]
    return found


def _resident(pid: int) -> int:
    with suppress(OSError, StopIteration):
        status = Path(f"/proc/{pid}/status").read_text()
        return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM:"))
    return 0


class SharedProbe:
    """One served probe in a loop of its own: a new interpreter for each input would cost more than the input."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        alone: Future[str] = Future()
        threading.Thread(target=self._run, args=(alone,), daemon=True).start()
        if why := alone.result():
            pytest.skip(why)
        self._context = served()
        self._probe = self._await(self._context.__aenter__())
        atexit.register(self._end)

    def _run(self, alone: Future[str]) -> None:
        # Sockets and processes that are made in this thread are in its network.
        alone.set_result(network.leave())
        self._loop.run_forever()

    def run(self, work: Callable[[Served], Coroutine[Any, Any, T]]) -> T:
        """Do something with the probe, beside this thread."""
        if self._probe.process.returncode is not None:
            # What ended it is said where it did.
            self._context = served()
            self._probe = self._await(self._context.__aenter__())
        return self._await(work(self._probe))

    def _await(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(2 * HOPELESS_S)

    def _end(self) -> None:
        self._await(self._context.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)


@cache
def shared_probe() -> SharedProbe:
    """The one of this process."""
    return SharedProbe()
