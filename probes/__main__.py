"""``python -m brokerproof.probes``: a plan, one JSON line, on stdin; JSON lines on stdout.

Only this entry point prepares the interpreter for a quick start, and owns stdin, stdout and the
signals; everything else is in :mod:`brokerproof.probes.engine`.
"""

from __future__ import annotations

import gc
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

    from brokerproof.probes.kafka_client.fork_server import ForkServer
    from brokerproof.probes.outcome import Line

USAGE: Final = """\
usage: python -m brokerproof.probes [--serve | --help]

Reads one plan, a JSON line, from stdin and probes it. Writes JSON lines to stdout: "started", each
"outcome" as it happens, and "closing"; or "refused" for a plan that cannot be used. A run without
a closing line was cut short. The exit code does not depend on the path.

  --serve  keep the process for many plans, one line each, one after another. Keep stdin open until
           the last closing line. The end of stdin means that nobody waits any more: the probe ends
           the plan under way, removes what it made, and exits.
  --help   show this help

SIGTERM and SIGINT end a plan under way in the same way, and so does a stdout that nobody reads.
"""

USAGE_ERROR: Final = 2
RARELY: Final = 50_000
"""How many more objects than at the last collection there must be before the next; Python's own number is 700."""
MAX_PLAN_BYTES: Final = 16 << 20
DRAIN_S: Final = 10.0
"""How long the last lines may take to be read before the process gives up on its reader."""


@contextmanager
def _quickly() -> Iterator[None]:
    """Import without what libraries look for and the probe does not need.

    kio imports hypothesis where it is installed, and asyncio imports ssl. Collecting garbage finds
    none while modules are imported: together these cost as much as a whole run. Afterwards it finds next
    to none either, and would fall into what is timed; a probe that serves collects between plans.
    Later they may be imported: botocore needs ssl.
    """
    left_out = [name for name in ("hypothesis", "ssl") if name not in sys.modules]
    sys.modules |= dict.fromkeys(left_out)  # type: ignore[arg-type]  # None: "not installed"
    gc.disable()
    yield
    for name in left_out:
        del sys.modules[name]
    gc.freeze()
    gc.set_threshold(RARELY)
    gc.enable()


def _import_engine() -> None:
    """What a run needs until its first packet, and what a client process needs, which is forked from this one."""
    with _quickly():
        import brokerproof.probes.engine  # noqa: PLC0415  the point of this function
        import brokerproof.probes.kafka_client.serving  # noqa: F401, PLC0415


class _Output:
    """Writes lines from a thread of its own, so that a slow reader cannot stall a measurement."""

    def __init__(self, on_broken: Callable[[], None]) -> None:
        import queue  # noqa: PLC0415  see _import_engine
        import threading  # noqa: PLC0415

        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._on_broken = on_broken
        self._thread = threading.Thread(target=self._write, name="stdout", daemon=True)
        self._thread.start()
        threading.Thread(target=self._watch, name="stdout's reader", daemon=True).start()

    def emit(self, line: Line) -> None:
        """Queue a line."""
        from brokerproof.probes.outcome import encode_line  # noqa: PLC0415

        self._lines.put(encode_line(line))

    def drain(self) -> None:
        """Wait until everything is written, or the reader has had its time."""
        self._lines.put(None)
        self._thread.join(DRAIN_S)

    def _watch(self) -> None:
        """Notice a reader that went away also while there is nothing to write."""
        import select  # noqa: PLC0415

        poll = select.poll()
        poll.register(1, 0)
        poll.poll()
        self._on_broken()

    def _write(self) -> None:
        broken = False
        while (line := self._lines.get()) is not None:
            try:
                while line and not broken:
                    line = line[os.write(1, line) :]
            except OSError:
                # Nobody reads: clean up and go. Later lines are dropped.
                broken = True
                self._on_broken()


async def _main(server: ForkServer, *, serve: bool) -> None:
    import asyncio  # noqa: PLC0415
    import functools  # noqa: PLC0415
    import signal  # noqa: PLC0415

    loop = asyncio.get_running_loop()
    abort = asyncio.Event()
    plans: asyncio.Queue[bytes | None] = asyncio.Queue()

    def end() -> None:
        abort.set()
        plans.put_nowait(None)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    output = _Output(lambda: _tell(loop, end))
    take = functools.partial(_tell, loop, plans.put_nowait)
    _in_thread(lambda: _read_plans(take, lambda: _tell(loop, end)) if serve else _read_plan(take))
    while (line := await plans.get()) is not None and not abort.is_set():
        await _probe(line, output, abort, server)
        if serve:
            # Here it falls into nothing that is timed, and what one plan leaves does not stay until many have.
            gc.collect()
    output.drain()


async def _probe(line: bytes, output: _Output, abort: asyncio.Event, server: ForkServer) -> None:
    import msgspec  # noqa: PLC0415

    from brokerproof.probes import engine  # noqa: PLC0415
    from brokerproof.probes.outcome import Refused  # noqa: PLC0415
    from brokerproof.probes.plan import decode_plan  # noqa: PLC0415

    if not line.strip():
        output.emit(Refused(why="no plan on stdin: one JSON line is expected"))
        return
    try:
        plan = decode_plan(line)
    except msgspec.DecodeError as why:
        output.emit(Refused(why=str(why)))
        return
    await engine.run(plan, output.emit, abort=abort, server=server, importing=_quickly)


def _tell(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *values: object) -> None:
    """Call from another thread; harmless once the loop is gone."""
    try:
        loop.call_soon_threadsafe(call, *values)
    except RuntimeError:
        return


def _in_thread(read: Callable[[], None]) -> None:
    """Beside the loop, so that a signal is heard also while no plan comes."""
    import threading  # noqa: PLC0415

    threading.Thread(target=read, name="stdin", daemon=True).start()


def _read_plan(take: Callable[[bytes | None], None]) -> None:
    # The end of stdin right behind a single plan is how ``echo`` writes it, and means nothing.
    take(sys.stdin.buffer.readline(MAX_PLAN_BYTES))
    take(None)


def _read_plans(take: Callable[[bytes | None], None], at_end: Callable[[], None]) -> None:
    while line := sys.stdin.buffer.readline(MAX_PLAN_BYTES):
        take(line)
    at_end()


def main(arguments: list[str]) -> int:
    """Run the command; the exit code is 2 for a wrong command line, else 0."""
    if arguments == ["--help"]:
        sys.stdout.write(USAGE)
        return 0
    if arguments not in ([], ["--serve"]):
        sys.stderr.write(USAGE)
        return USAGE_ERROR
    _import_engine()
    import asyncio  # noqa: PLC0415

    from brokerproof.probes.kafka_client.fork_server import fork_here  # noqa: PLC0415
    from brokerproof.probes.kafka_client.serving import serve  # noqa: PLC0415

    # Before there is a thread.
    server = fork_here(serve)
    try:
        asyncio.run(_main(server, serve=bool(arguments)))
    finally:
        server.close()
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    # Threads that still hang in a Kafka client or in getaddrinfo must not hold up the exit.
    os._exit(code)
