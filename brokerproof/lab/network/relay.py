"""The distance of a lab on a kernel without netem: one process that holds packets between two TUN interfaces.

A link is a TUN interface in each of its two namespaces. What one side sends is read here, kept for
the link's delay, and written to the other side. Standard library only, one thread.
:mod:`brokerproof.lab.network.distance` starts it and tells it what to carry by JSON lines on standard input,
each answered by one on standard output. It ends when its standard input does.
"""

from __future__ import annotations

import ctypes
import fcntl
import gc
import json
import os
import random
import resource
import select
import struct
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple

HEADER_BYTES: Final = 10
"""struct virtio_net_hdr, before each packet: it carries what the sender's kernel left to be done
(checksum, segmentation), so that packets of 64 KiB pass in one piece (tun(4), VIRTIO 1.2, 5.1.6)."""
HELD_BYTES: Final = 32 << 20
"""What one direction may hold where no rate is set: 30 ms of 8 Gbit/s."""
_WAITING_S: Final = 0.1
_LEAST_WAITING_BYTES: Final = 64 << 10
MOST_LATE_NS: Final = 200_000
"""The most that is made up for; what is later than that is a busy machine's doing."""
SLEPT_NS: Final = 5_000
"""A poll shorter than that was no sleep."""
_STEP_NS: Final = 1_000
_FRAME_BYTES: Final = HEADER_BYTES + 65535
_BATCH: Final = 16

_CLONE_NEWNET: Final = 0x40000000
_TUNSETIFF: Final = 0x400454CA
_TUNSETOFFLOAD: Final = 0x400454D0
_IFF_TUN_NO_PI_VNET_HDR: Final = 0x0001 | 0x1000 | 0x4000
_CSUM_TSO4_TSO6: Final = 0x01 | 0x02 | 0x04
_TFD_NONBLOCK_CLOEXEC: Final = os.O_NONBLOCK | os.O_CLOEXEC
_TFD_TIMER_ABSTIME: Final = 1
_NS: Final = 1_000_000_000


class Shape(NamedTuple):
    """What a link does to a packet, either way."""

    delay_ns: int
    rate_bits_per_s: int | None = None
    loss: float = 0.0

    @property
    def whole(self) -> bool:
        """Whether packets may pass in pieces of 64 KiB: rate and loss are of packets as they are on a wire."""
        return self.rate_bits_per_s is None and not self.loss

    @property
    def held_bytes(self) -> int:
        """What may be held: what is on its way, and what waits for the wire (100 ms of it, at least 64 KiB)."""
        if self.rate_bits_per_s is None:
            return HELD_BYTES
        bytes_per_s = self.rate_bits_per_s / 8
        waiting = max(_LEAST_WAITING_BYTES, bytes_per_s * _WAITING_S)
        return int(waiting + bytes_per_s * self.delay_ns / _NS)


class Direction:
    """Packets on their way over a link in one direction: first in, first out. The time is a parameter."""

    __slots__ = ("_free_ns", "_held", "_limit", "_random", "dropped", "lost", "passed", "queue", "shape")

    def __init__(self, shape: Shape, seed: str) -> None:
        self.queue: deque[tuple[int, bytes]] = deque()
        """(when it is due, frame)."""
        self.passed = self.lost = self.dropped = 0
        self._random = random.Random(seed)  # noqa: S311 - the same losses in every run
        self._held = self._free_ns = 0
        self.reshape(shape)

    def reshape(self, shape: Shape) -> None:
        """What is taken from now on is treated so; what is held keeps its time, and its place in the order."""
        self.shape = shape
        self._limit = shape.held_bytes
        self._free_ns = 0

    def take(self, now_ns: int, frame: bytes) -> None:
        """Take one frame, header and packet, that came in now."""
        shape = self.shape
        if shape.loss and self._random.random() < shape.loss:
            self.lost += 1
            return
        size = len(frame) - HEADER_BYTES
        if self._held + size > self._limit:
            self.dropped += 1
            return
        due = now_ns
        if shape.rate_bits_per_s is not None:
            due = self._free_ns = max(now_ns, self._free_ns) + size * 8 * _NS // shape.rate_bits_per_s
        self._held += size
        self.queue.append((due + shape.delay_ns, frame))

    def release(self, now_ns: int) -> Iterator[bytes]:
        """The frames that are due, in the order they came."""
        queue = self.queue
        while queue and queue[0][0] <= now_ns:
            frame = queue.popleft()[1]
            self._held -= len(frame) - HEADER_BYTES
            self.passed += 1
            yield frame


class _Timer:
    """A timer of the kernel's that wakes a poll at a nanosecond (timerfd_create(2)); poll's own counts in ms."""

    def __init__(self) -> None:
        self.set_ns = 0
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor = self._libc.timerfd_create(time.CLOCK_MONOTONIC, _TFD_NONBLOCK_CLOEXEC)
        if self.descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._value = (ctypes.c_long * 4)()

    def arm(self, due_ns: int) -> None:
        if due_ns != self.set_ns:
            self.set_ns = due_ns
            self._value[2], self._value[3] = divmod(due_ns, _NS)
            self._libc.timerfd_settime(self.descriptor, _TFD_TIMER_ABSTIME, self._value, None)


class Waking:
    """How late this process usually wakes, by how long it slept: a processor that rested wakes later.

    Told by its own timers, which say when they should have fired. A packet that ended a sleep came
    that much earlier than it was seen, and a timer is set that much ahead.
    """

    _SHORTEST: Final = 17
    """Sleeps are counted by the power of two of their ns: up to 0.13 ms, 0.26, 0.5, ... 67 ms and more."""
    _CLASSES: Final = 11

    def __init__(self) -> None:
        self._late = [40_000] * self._CLASSES

    def _class(self, slept_ns: int) -> int:
        return min(max(slept_ns.bit_length() - self._SHORTEST, 0), self._CLASSES - 1)

    def usual_ns(self, slept_ns: int) -> int:
        """The median so far of how late it woke after such a sleep; at most :data:`MOST_LATE_NS`."""
        return self._late[self._class(slept_ns)]

    def woke(self, slept_ns: int, late_ns: int) -> None:
        """Take a sleep that a timer ended so late into account: a step up or down, which ends at the median."""
        which = self._class(slept_ns)
        step = _STEP_NS if late_ns > self._late[which] else -_STEP_NS
        self._late[which] = min(max(self._late[which] + step, 0), MOST_LATE_NS)


End = tuple[str, str]
"""(namespace, interface)."""


class _Side(NamedTuple):
    """One end of a link, and what is sent there."""

    descriptor: int
    outward: Direction
    """What this end's namespace has sent; it goes to ``peer``."""
    peer: int


class Relay:
    """Every link it carries, and the loop that carries them."""

    def __init__(self, control: int) -> None:
        self._control = control
        self._words = b""
        self._links: dict[tuple[End, End], tuple[_Side, _Side]] = {}
        self._sides: dict[int, _Side] = {}
        self._busy: set[_Side] = set()
        self._timer = _Timer()
        self._waking = Waking()
        self._write_ns = 20_000
        """What handing a packet on usually takes; it is begun that much ahead."""
        self._poll = select.epoll()
        self._poll.register(control, select.EPOLLIN)
        # Edge-triggered, so that it need not be read.
        self._poll.register(self._timer.descriptor, select.EPOLLIN | select.EPOLLET)

    def serve(self) -> None:
        """Carry packets and obey until standard input ends."""
        clock, poll, waking = time.monotonic_ns, self._poll.poll, self._waking
        patience = None
        while True:
            slept_from = clock()
            events = poll(patience)
            now = clock()
            slept = now - slept_from
            early = 0
            if patience is None and slept > SLEPT_NS:
                early = waking.usual_ns(slept)
                if len(events) == 1 and events[0][0] == self._timer.descriptor:
                    waking.woke(slept, now - self._timer.set_ns)
            for descriptor, _ in events:
                if descriptor in self._sides:
                    self._read(descriptor, now, early)
                elif descriptor == self._control and not self._obey():
                    return
            patience = None
            if self._busy and (ahead := self._send()) is not None:
                usual = waking.usual_ns(ahead)
                if ahead <= usual:
                    patience = 0  # a sleep would end too late
                else:
                    self._timer.arm(clock() + ahead - usual)

    def _read(self, descriptor: int, now: int, early: int) -> None:
        """Take what has come in at one interface; it came so much earlier than it is seen."""
        side = self._sides[descriptor]
        take, clock, read = side.outward.take, time.monotonic_ns, os.read
        try:
            frame = read(descriptor, _FRAME_BYTES)
            take(now - early, frame)
            for _ in range(_BATCH):
                frame = read(descriptor, _FRAME_BYTES)
                take(clock() - early, frame)
        except BlockingIOError:
            pass
        except OSError:  # its namespace went; whoever ended it will say so
            self._poll.unregister(descriptor)
        if side.outward.queue:
            self._busy.add(side)

    def _send(self) -> int | None:
        """Write what is due; gives how long until something else is, in ns."""
        clock, soonest = time.monotonic_ns, 0
        for side in tuple(self._busy):
            began = clock()
            for frame in side.outward.release(began + self._write_ns):
                try:
                    os.write(side.peer, frame)
                except OSError:  # the other interface is down or gone
                    side.outward.dropped += 1
                now = clock()
                step = _STEP_NS if now - began > self._write_ns else -_STEP_NS
                self._write_ns = min(self._write_ns + step, MOST_LATE_NS)
                began = now
            if side.outward.queue:
                due = side.outward.queue[0][0]
                soonest = min(soonest, due) if soonest else due
            else:
                self._busy.discard(side)
        return max(soonest - self._write_ns - clock(), 0) if soonest else None

    def _obey(self) -> bool:
        """Carry out the requests that have come; False at the end of them."""
        words = os.read(self._control, 1 << 20)
        self._words += words
        *lines, self._words = self._words.split(b"\n")
        for line in lines:
            answer: dict[str, Any]
            try:
                answer = {"done": self._carry_out(json.loads(line))}
            except OSError as error:
                answer = {"error": f"{error.filename or ''}{': ' if error.filename else ''}{error.strerror}"}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
        return bool(words)

    def _carry_out(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        match request["do"]:
            case "add":
                for link in request["links"]:
                    self._add(_ends(link), Shape(*link["shape"]))
            case "remove":
                for link in request["links"]:
                    self._remove(_ends(link))
            case "reshape":
                for link in request["links"]:
                    self._reshape(_ends(link), Shape(*link["shape"]))
            case "status":
                return [self._status(ends) for ends in self._links]
            case other:
                raise OSError(0, f"unknown request {other!r}")
        return []

    def _add(self, ends: tuple[End, End], shape: Shape) -> None:
        one, other = ends
        first = _open_tun(*one)
        try:
            second = _open_tun(*other)
        except OSError:
            os.close(first)
            raise
        pair = (
            _Side(first, Direction(shape, "/".join(one)), second),
            _Side(second, Direction(shape, "/".join(other)), first),
        )
        self._links[ends] = pair
        for side in pair:
            _offload(side.descriptor, shape)
            self._sides[side.descriptor] = side
            self._poll.register(side.descriptor, select.EPOLLIN)

    def _remove(self, ends: tuple[End, End]) -> None:
        for side in self._links.pop(ends):
            self._busy.discard(side)
            del self._sides[side.descriptor]
            os.close(side.descriptor)  # the interface goes with its descriptor, and out of the poll

    def _reshape(self, ends: tuple[End, End], shape: Shape) -> None:
        for side in self._links[ends]:
            _offload(side.descriptor, shape)
            side.outward.reshape(shape)

    def _status(self, ends: tuple[End, End]) -> dict[str, Any]:
        directions = [side.outward for side in self._links[ends]]
        return {
            "ends": ends,
            "passed": [d.passed for d in directions],
            "lost": [d.lost for d in directions],
            "dropped": [d.dropped for d in directions],
            "held": [len(d.queue) for d in directions],
        }


def _ends(link: dict[str, Any]) -> tuple[End, End]:
    (one, name), (other, peer_name) = link["ends"]
    return (one, name), (other, peer_name)


def _open_tun(namespace: str, interface: str) -> int:
    """A TUN interface in a namespace of the lab, up to the caller to address; lives as long as the descriptor."""
    with _inside(namespace):
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            request = struct.pack("16sH22x", interface.encode(), _IFF_TUN_NO_PI_VNET_HDR)
            fcntl.ioctl(descriptor, _TUNSETIFF, request)
        except OSError as error:
            os.close(descriptor)
            raise OSError(error.errno, f"{interface} in {namespace}: {error.strerror}") from None
    return descriptor


def _offload(descriptor: int, shape: Shape) -> None:
    fcntl.ioctl(descriptor, _TUNSETOFFLOAD, _CSUM_TSO4_TSO6 if shape.whole else 0)


@contextmanager
def _inside(namespace: str) -> Iterator[None]:
    """This process, for a moment, in a network namespace of the lab."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    there = os.open(f"/run/netns/{namespace}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(there, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {namespace}")
        yield
    finally:
        libc.setns(home, _CLONE_NEWNET)
        os.close(there)
        os.close(home)


def main() -> None:
    """Carry links until standard input ends; ahead of ordinary processes where that is allowed."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with suppress(PermissionError):  # not so without root; then late packets are a little more frequent
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    relay = Relay(sys.stdin.fileno())
    gc.collect()
    gc.freeze()
    gc.disable()
    relay.serve()


if __name__ == "__main__":
    main()
