"""The process that makes client processes by forking, and tells how each ended.

It is forked from the probe before that has threads, with everything imported, so that a client process costs a fork:
about a millisecond, where a new interpreter costs a few hundred. It has one thread, runs nothing foreign, and ends
everything that it made when the probe ends, however the probe ends.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from brokerproof.probes.kafka_client.memory import bound_memory, bound_stacks
from brokerproof.probes.outcome.bounds import CLIENT_MEMORY_BYTES

_STATUS: Final = struct.Struct("=iq")
STATUS_BYTES: Final = _STATUS.size
NO_MEMORY: Final = 77
"""The exit status of a client process whose Python was refused memory."""
_FORK: Final = b"f"
_FDS: Final = 2
_TIDY_S: Final = 1.0
_LOOK_S: Final = 0.0005

Serve = Callable[[socket.socket], None]
"""What a client process does until its conversation ends."""


class Connection(msgspec.Struct, frozen=True):
    """The probe's ends of one client process."""

    conversation: socket.socket
    ending: int
    """Reads how the process ended, once it has; closing it unread has the process killed."""


class Exit(msgspec.Struct, frozen=True):
    """How a client process ended."""

    code: int
    """Its exit status, below 0 for a signal."""
    most_bytes: int
    """The most memory that it had resident at once."""


class ForkServer:
    """The probe's end. The server ends with the process that has it, if not before."""

    def __init__(self, control: socket.socket, pid: int) -> None:
        self._control = control
        self.pid = pid

    def fork(self) -> Connection:
        """Have one more client process made. It does not wait for it.

        Raises:
            OSError: the host has no room for another process, or another descriptor.
        """
        try:
            return self._asked()
        except (BrokenPipeError, ConnectionError):
            # Somebody ended the server; another takes its place.
            self.close()
            self._control, self.pid = _beside()
            return self._asked()

    def _asked(self) -> Connection:
        with ExitStack() as on_failure:
            ours, theirs = socket.socketpair()
            on_failure.enter_context(ours)
            with theirs:
                reads, writes = os.pipe()
                on_failure.callback(os.close, reads)
                try:
                    socket.send_fds(self._control, [_FORK], [theirs.fileno(), writes])
                finally:
                    os.close(writes)
            on_failure.pop_all()
            return Connection(ours, reads)

    def close(self) -> None:
        """End the server and all that it made, and wait until they are gone."""
        self._control.close()
        until = time.monotonic() + _TIDY_S
        with suppress(ChildProcessError):
            while os.waitpid(self.pid, os.WNOHANG)[0] == 0 and time.monotonic() < until:
                time.sleep(_LOOK_S)


def fork_here(serve: Serve) -> ForkServer:
    """Fork the server from this process, which must have one thread and hold nothing that is not to be shared."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        ours.close()
        _run(theirs, serve)
    theirs.close()
    return ForkServer(ours, pid)


def start_beside() -> ForkServer:
    """Start the server as a new interpreter: where this process has threads, a fork of it would be a gamble."""
    return ForkServer(*_beside())


def _beside() -> tuple[socket.socket, int]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    here = str(Path(__file__).resolve().parents[2])
    inherited = os.environ.get("PYTHONPATH")
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "brokerproof.probes.kafka_client", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env=os.environ | {"PYTHONPATH": os.pathsep.join([here, inherited] if inherited else [here])},
        )
    # It is reaped by close alone.
    process.returncode = 0
    return ours, process.pid


def run_server(control_fd: int, serve: Serve) -> NoReturn:
    """Be the server, in a process that was started to be it."""
    _run(socket.socket(fileno=control_fd), serve)


def _run(control: socket.socket, serve: Serve) -> NoReturn:
    code = 1
    try:
        # The probe hears signals and decides; and it alone reads plans and writes lines.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1):
            os.dup2(nothing, stream)
        os.close(nothing)
        bound_stacks()
        _Server(control, serve).run()
        code = 0
    except Exception:  # noqa: BLE001  stderr is all there is left to tell
        traceback.print_exc()
    finally:
        os._exit(code)


class _Server:
    """The loop: requests to fork, children that end, probes that went away."""

    def __init__(self, control: socket.socket, serve: Serve) -> None:
        self._control = control
        self._serve = serve
        self._endings: dict[int, int] = {}
        """By child: where to write how it ended."""
        self._woken, self._wake = os.pipe()
        for end in (self._woken, self._wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        self._poll.register(self._woken, select.POLLIN)

    def run(self) -> None:
        while True:
            for descriptor, event in self._poll.poll():
                if descriptor == self._control.fileno():
                    if not self._take_request():
                        self._end_all()
                        return
                elif descriptor == self._woken:
                    os.read(self._woken, 4096)
                    self._reap()
                elif event & (select.POLLERR | select.POLLHUP | select.POLLNVAL):
                    self._nobody_waits(descriptor)

    def _take_request(self) -> bool:
        data, descriptors, _, _ = socket.recv_fds(self._control, len(_FORK), _FDS)
        if data != _FORK or len(descriptors) != _FDS:
            return False
        conversation, ending = descriptors
        try:
            child = os.fork()
        except OSError:
            # No room for a process: the probe reads that there is none.
            os.close(conversation)
            os.close(ending)
            return True
        if child == 0:
            self._be_client(conversation)
        os.close(conversation)
        self._endings[child] = ending
        # Its reader going away is an event that needs no asking for.
        self._poll.register(ending, 0)
        return True

    def _be_client(self, conversation: int) -> NoReturn:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._control.close()
            for descriptor in (self._woken, self._wake, *self._endings.values()):
                os.close(descriptor)
            bound_memory(CLIENT_MEMORY_BYTES)
            self._serve(socket.socket(fileno=conversation))
            code = 0
        except MemoryError:
            code = NO_MEMORY
        except Exception:  # noqa: BLE001  stderr is all there is left to tell
            traceback.print_exc()
        finally:
            # Threads of the Kafka client may hang: nothing waits for them.
            os._exit(code)

    def _reap(self) -> None:
        while True:
            try:
                child, status, used = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if child == 0:
                return
            self._tell(child, status, used.ru_maxrss << 10)

    def _tell(self, child: int, status: int, most_bytes: int) -> None:
        ending = self._endings.pop(child)
        with suppress(KeyError):
            self._poll.unregister(ending)
        with suppress(OSError):  # nobody wants to know any more
            os.write(ending, _STATUS.pack(status, most_bytes))
        os.close(ending)

    def _nobody_waits(self, ending: int) -> None:
        """The probe has done with this process: it is to end, whatever its threads are at."""
        self._poll.unregister(ending)
        for child, its_ending in self._endings.items():
            if its_ending == ending:
                os.kill(child, signal.SIGKILL)

    def _end_all(self) -> None:
        for child in self._endings:
            os.kill(child, signal.SIGKILL)
        for child in self._endings:
            os.waitpid(child, 0)


def ended_as(raw: bytes) -> Exit | None:
    """How a process ended, from what its ``ending`` said; None where that said nothing."""
    if len(raw) != _STATUS.size:
        return None
    status, most_bytes = _STATUS.unpack(raw)
    return Exit(os.waitstatus_to_exitcode(status), most_bytes)
