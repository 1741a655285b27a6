"""A far-side process and its three pipes: it is started, talked to without blocking, and ended for good.

This module knows lines and signals, and no plans. One thread does all of it through a selector, so
there is nothing to join and nothing that outlives a run.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Iterable, Sequence
from enum import Enum, auto
from fcntl import F_SETPIPE_SZ, fcntl
from typing import IO, Final

import msgspec

from brokerproof.probes.outcome.bounds import LINE_BYTES
from brokerproof.vantages.tail import Tail

_CHUNK: Final = 64 * 1024
_PIPE_BYTES: Final = 1024 * 1024
_TICK_S: Final = 0.25
_KILLED_S: Final = 5.0
MAX_LAST_LINES: Final = 20_000
MAX_LAST_BYTES: Final = 16 << 20
"""Of what comes after a process was told to end; a probe has some outcomes left to tell."""
_LAST_ROUNDS: Final = 2 * _PIPE_BYTES // _CHUNK


class _Pipe(Enum):
    IN = auto()
    OUT = auto()
    ERR = auto()


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What one round of listening brought."""

    lines: tuple[bytes, ...] = ()
    ended: bool = False
    """Nothing more will come: stdout is closed, or the process has exited."""
    endless: bool = False
    """A line passed :data:`LINE_BYTES` without an end; its head is in the tail."""


class _LastLines:
    """What a process prints while it is being ended, as much of it as is kept: it may print without an end."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self._bytes = 0

    def add(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            if len(self.lines) < MAX_LAST_LINES and self._bytes < MAX_LAST_BYTES:
                self.lines.append(line)
                self._bytes += len(line)


class FarProcess:
    """One running command. stderr goes to ``tail``, always drained while anyone listens.

    The command leads a session and process group of its own, so that a Ctrl-C in the owner's
    terminal does not reach it (the owner decides how it ends) and everything it starts can be
    ended with it. When the owner dies, however it dies, the command's stdin comes to its end.
    ``PR_SET_PDEATHSIG`` is not used: it fires when the *thread* that started the process ends.

    Raises:
        OSError: the command cannot be started.
        ValueError: a word of the command cannot be passed to a process (a NUL in it).
    """

    def __init__(self, command: Sequence[str], tail: Tail) -> None:
        self.tail = tail
        self.ended_itself = False
        """After :meth:`stop`: it exited before any signal was sent."""
        self._selector = selectors.DefaultSelector()
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        except BaseException:
            self._selector.close()
            raise
        self._outbox: deque[memoryview] = deque()
        self._line = bytearray()
        self._out_open = True
        self._err_open = True
        self._stopped = False
        for pipe, stream in ((_Pipe.OUT, self._process.stdout), (_Pipe.ERR, self._process.stderr)):
            self._selector.register(_open(stream), selectors.EVENT_READ, pipe)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            os.set_blocking(_open(stream).fileno(), False)
        # A slow reader must not slow the probe's measurements: room for hundreds of outcomes.
        # An unprivileged user's pipe budget may be spent; the default size then has to do.
        with contextlib.suppress(OSError):
            fcntl(_open(self._process.stdout).fileno(), F_SETPIPE_SZ, _PIPE_BYTES)

    @property
    def pid(self) -> int:
        """Process id, which is also the id of its process group."""
        return self._process.pid

    def exited(self) -> bool:
        """Whether the process is over. It is not reaped here, so its id cannot be reused yet."""
        if self._process.returncode is not None:
            return True
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            return True

    def send(self, data: bytes) -> None:
        """Give bytes to the process's stdin: what fits at once, and in :meth:`listen` the rest as it is taken.

        They are not copied: the probe's bundle is the same bytes for every host that it is sent to.
        """
        stdin = _open(self._process.stdin)
        if stdin.closed or not data:
            return
        if not self._outbox:
            self._selector.register(stdin, selectors.EVENT_WRITE, _Pipe.IN)
        self._outbox.append(memoryview(data))
        self._write()

    def listen(self, timeout_s: float) -> Heard:
        """Wait for output, at most ``timeout_s`` and never long; write, read and return what is there."""
        was_over = self.exited()
        lines: list[bytes] = []
        endless = False
        wait_s = 0.0 if was_over else max(0.0, min(timeout_s, _TICK_S))
        heard_out = False
        for key, _ in self._selector.select(wait_s):
            match _Pipe(key.data):
                case _Pipe.IN:
                    self._write()
                case _Pipe.OUT:
                    heard_out = True
                    lines += self._read_lines()
                    if len(self._line) > LINE_BYTES:
                        endless = True
                        self.tail.feed_line(bytes(self._line[:1024]) + b" [cut]")
                        self._line.clear()
                case _Pipe.ERR:
                    self._read_stderr()
        # A child of the process may hold stdout open after it; the process was the probe.
        ended = not self._out_open or (was_over and not heard_out)
        if ended and self._line:
            lines.append(bytes(self._line))
            self._line.clear()
        return Heard(lines=tuple(lines), ended=ended, endless=endless)

    def idle(self) -> bool:
        """Whether the process lives and has nothing pending on stdout: ready for another plan."""
        heard = self.listen(0)
        for line in heard.lines:
            self.tail.feed_line(line)
        return not (heard.lines or heard.ended or heard.endless or self._line)

    def stop(self, *, politely_s: float, grace_s: float) -> tuple[bytes, ...]:
        """End the process and its group; returns the lines it still printed.

        Its stdin is closed first. ``politely_s`` is how long that alone may take; then SIGTERM,
        so that a probe removes its topic, and after ``grace_s`` SIGKILL. stdout and stderr are
        drained throughout, or a process could hang in a write. May be called twice.
        """
        if self._stopped:
            return ()
        self._stopped = True
        last = _LastLines()
        try:
            self._close_stdin()
            gone = self._gone_within(politely_s, last)
            self.ended_itself = self.exited()
            if not gone:
                self._signal(signal.SIGTERM)
                self._gone_within(grace_s, last)
        finally:
            # Also when all went well: the unreaped leader keeps the group id ours, so this
            # reaches what the command left behind and nothing else.
            self._signal(signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_KILLED_S)
            for _ in range(_LAST_ROUNDS):
                last.add(self.listen(0).lines)
                if not self._out_open and not self._err_open:
                    break
            self._selector.close()
            for stream in (self._process.stdout, self._process.stderr):
                _open(stream).close()
        return tuple(last.lines)

    def ending(self) -> str:
        """How the process ended, in words."""
        match self._process.returncode:
            case None:
                return f"process {self.pid} could not be ended"
            case code if code < 0:
                return f"was killed by {_signal_name(-code)}"
            case code:
                return f"ended with exit status {code}"

    def _gone_within(self, wait_s: float, last: _LastLines) -> bool:
        """Drain until the process has exited and nobody holds its stdout, or the time is over."""
        until = time.monotonic() + wait_s
        while (left := until - time.monotonic()) > 0:
            if self.exited() and not self._out_open:
                return True
            last.add(self.listen(left).lines)
            if self.exited() and self._out_open:
                time.sleep(min(left, 0.01))
        return self.exited() and not self._out_open

    def _signal(self, number: signal.Signals) -> None:
        # A group that is gone, or that runs as another user behind sudo: the closed stdin has to do.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def _write(self) -> None:
        stdin = _open(self._process.stdin)
        try:
            written = os.write(stdin.fileno(), self._outbox[0][:_CHUNK])
        except BlockingIOError:
            return
        except OSError:
            # It no longer reads; why, it may say on stderr, and its end will tell.
            self._close_stdin()
            return
        left = self._outbox.popleft()[written:]
        if left:
            self._outbox.appendleft(left)
        if not self._outbox:
            self._selector.unregister(stdin)

    def _close_stdin(self) -> None:
        stdin = _open(self._process.stdin)
        if self._outbox:
            self._selector.unregister(stdin)
            self._outbox.clear()
        with contextlib.suppress(OSError):
            stdin.close()

    def _read_lines(self) -> list[bytes]:
        stdout = _open(self._process.stdout)
        try:
            chunk = os.read(stdout.fileno(), _CHUNK)
        except BlockingIOError:
            return []
        if not chunk:
            self._selector.unregister(stdout)
            self._out_open = False
            return []
        *lines, unfinished = (bytes(self._line) + chunk).split(b"\n")
        self._line = bytearray(unfinished)
        return lines

    def _read_stderr(self) -> None:
        stderr = _open(self._process.stderr)
        try:
            chunk = os.read(stderr.fileno(), _CHUNK)
        except BlockingIOError:
            return
        if chunk:
            self.tail.feed(chunk)
        else:
            self._selector.unregister(stderr)
            self._err_open = False


def _open(stream: IO[bytes] | None) -> IO[bytes]:
    """All three pipes are asked for, so they are there."""
    if stream is None:
        raise RuntimeError("a pipe of the process is missing")
    return stream


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
