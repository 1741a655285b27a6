"""The path part of stage ``latency``: the resolver's answer, TCP connects and TLS handshakes at a fixed arrival rate.

Each sample is a fresh connection with blocking calls, in a thread of its address's, so that nothing but the
path is between its two clock readings. A turn begins when it is due, or as soon afterwards as the one before it has
ended. How late it was is kept, so that the samples that a stall delays do not hide it. The rate is the plan's, or the
one that the warm-up shows to be possible: on a long path every turn would otherwise be late.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from statistics import median
from typing import Final

import dns.message
import dns.rdatatype
import msgspec
from OpenSSL import SSL

from brokerproof.probes.load.host_load import HostTicks
from brokerproof.probes.observation import Observation, error, failed, ok
from brokerproof.probes.outcome import Measured, PathLatencyFacts, Reason, SampleBlock, Target
from brokerproof.probes.outcome.distribution import distribution
from brokerproof.probes.outcome.samples import Samples, pack
from brokerproof.probes.plan import Limits, PathLatencyPlan
from brokerproof.probes.spending import Spending, current
from brokerproof.probes.wire.dns_exchange import Server, is_address
from brokerproof.probes.wire.dns_message import UDP_PAYLOAD_BYTES
from brokerproof.probes.wire.tcp_info import read_tcp_info

MOST_THREADS: Final = 16
"""Threads of one process hold each other up; beyond this many addresses some, of one endpoint first, share one."""
ROOM: Final = 1.25
"""Turns of a thread are due this many times as far apart as they took in the warm-up, in the median, or farther."""
LEAD_NS: Final = 2_000_000
"""The first turn is due when its thread has had time to begin."""
_RCODE_MASK: Final = 0x0F
_HEADER_BYTES: Final = 12


class _Failure(Exception):  # noqa: N818  a sample that failed, not an error of the probe
    """One sample that came to nothing."""


class _Appointment(msgspec.Struct, frozen=True):
    target: Target
    due_ns: int
    counts: bool
    """It is not of the warm-up."""


class _Taken(msgspec.Struct):
    """What was timed at one target."""

    counted: Samples = msgspec.field(default_factory=Samples)
    warm_up: Samples = msgspec.field(default_factory=Samples)
    failures: list[str] = msgspec.field(default_factory=list)
    kernel_rtt_ns: list[int] = msgspec.field(default_factory=list)


class PathLatency(msgspec.Struct):
    """One measurement over addresses that are known to work.

    ``targets`` are addresses of endpoints; they are sampled in turn.
    """

    plan: PathLatencyPlan
    targets: Sequence[Target]
    context: SSL.Context | None
    """None: plaintext, so that there is no handshake."""
    server: Server | None
    """None: names are not asked for."""
    limits: Limits
    stop: threading.Event
    spending: Spending = msgspec.field(default_factory=current)
    """The run's; threads have no context of their own."""
    _taken: dict[tuple[Measured, Target], _Taken] = msgspec.field(default_factory=dict)
    _lock: threading.Lock = msgspec.field(default_factory=threading.Lock)
    _ticks: tuple[HostTicks | None, HostTicks | None] = (None, None)

    def run(self) -> None:
        """Measure; afterwards :meth:`seen` and :meth:`blocks` tell."""
        before = HostTicks.read()
        # The rest begins when the warm-up has ended: what that held up is not for the rest to catch up with.
        first, wanted_ns = self.plan.warm_up, 1_000_000_000 // self.plan.rate_per_s
        took_ns = self._sample_all(range(first), wanted_ns)
        interval_ns = max(wanted_ns, self._sustained_ns(took_ns))
        lasting = max(len(self.targets), self.plan.max_ms * 1_000_000 // interval_ns)
        self._sample_all(range(first, first + min(self.plan.samples, lasting)), interval_ns)
        self._ticks = before, HostTicks.read()

    def _sustained_ns(self, took_ns: Sequence[Sequence[int]]) -> int:
        """How far apart turns must be for each thread to have ended one when its next is due; 0 where none is known."""
        slowest = max((median(each) for each in took_ns if each), default=0)
        shares = zip(self._shares(), took_ns, strict=True)
        longest = max(len(share) * (median(took) if took else slowest) for share, took in shares)
        return int(ROOM * longest / len(self.targets))

    def _shares(self) -> list[list[Target]]:
        """The addresses of each thread: one's alone where there are few, so that none waits for another's stall."""
        places = sorted(self.targets, key=lambda target: (target.name, target.port, target.address))
        threads = min(MOST_THREADS, len(places))
        bounds = [len(places) * thread // threads for thread in range(threads + 1)]
        return [places[low:high] for low, high in pairwise(bounds)]

    def _sample_all(self, indexes: range, interval_ns: int) -> list[list[int]]:
        """How long each turn of each thread took."""
        shares = self._shares()
        thread_of = {target: thread for thread, share in enumerate(shares) for target in share}
        appointments: list[list[_Appointment]] = [[] for _ in shares]
        took_ns: list[list[int]] = [[] for _ in shares]
        begin_ns = time.monotonic_ns() + LEAD_NS
        for nth, index in enumerate(indexes):
            target = self.targets[index % len(self.targets)]
            appointment = _Appointment(target, due_ns=begin_ns + nth * interval_ns, counts=index >= self.plan.warm_up)
            appointments[thread_of[target]].append(appointment)
        running = [
            threading.Thread(target=self._sample_share, args=each, name="path latency", daemon=True)
            for each in zip(appointments, took_ns, strict=True)
        ]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        return took_ns

    def seen(self, target: Target) -> Observation:
        """What was seen of one of the targets."""
        resolve = self._taken.get((Measured.RESOLVE, _name_of(target)))
        connect = self._taken.get((Measured.CONNECT, target), _Taken())
        handshake = self._taken.get((Measured.HANDSHAKE, target))
        every = [each for each in (resolve, connect, handshake) if each is not None]
        failures = [words for each in every for words in each.failures]
        before, after = self._ticks
        facts = PathLatencyFacts(
            warm_up_samples=len(connect.warm_up),
            connect=distribution(connect.counted.duration_ns),
            connect_scheduled=distribution(connect.counted.since_scheduled_ns),
            handshake=None if handshake is None else distribution(handshake.counted.duration_ns),
            handshake_scheduled=None if handshake is None else distribution(handshake.counted.since_scheduled_ns),
            resolve=None if resolve is None else distribution(resolve.counted.duration_ns),
            resolve_scheduled=None if resolve is None else distribution(resolve.counted.since_scheduled_ns),
            warm_up=distribution(connect.warm_up.duration_ns),
            kernel_rtt=distribution(connect.kernel_rtt_ns) if connect.kernel_rtt_ns else None,
            failed=len(failures),
            host=None if before is None or after is None else before.until(after, connect.counted.late_ns),
        )
        if failures:
            tried = len(failures) + sum(len(each.counted) + len(each.warm_up) for each in every)
            return failed(Reason.TRANSPORT, f"{len(failures)} of {tried} samples failed: {failures[0]}", facts)
        if not facts.connect.samples:
            return error(Reason.DEADLINE_OF_PLAN, "no connection was begun after the warm-up", facts)
        return ok(facts)

    def blocks(self, zero_ns: int) -> Iterator[SampleBlock]:
        """Every sample, packed; ``zero_ns`` is the monotonic clock when the plan began."""
        for (what, target), taken in self._taken.items():
            yield from pack(what, target, taken.warm_up, zero_ns=zero_ns, warm_up=True)
            yield from pack(what, target, taken.counted, zero_ns=zero_ns, warm_up=False)

    def _sample_share(self, share: Sequence[_Appointment], took_ns: list[int]) -> None:
        for appointment in share:
            if self.stop.wait(max(0, appointment.due_ns - time.monotonic_ns()) / 1e9):
                return
            began_ns = time.monotonic_ns()
            self._take(appointment)
            took_ns.append(time.monotonic_ns() - began_ns)

    def _take(self, appointment: _Appointment) -> None:
        """One question, one connect, one handshake; what follows a failure is not tried."""
        target, counts = appointment.target, appointment.counts
        late_ns = time.monotonic_ns() - appointment.due_ns
        what, place = Measured.RESOLVE, _name_of(target)
        try:
            if self.server is not None and not is_address(target.name):
                self._note(what, place, _ask(target.name, self.server, self.limits.resolve_ms), late_ns, counts)
            what, place = Measured.CONNECT, target
            family = socket.AF_INET6 if ":" in target.address else socket.AF_INET
            self.spending.note_connection()
            with closing(socket.socket(family, socket.SOCK_STREAM)) as sock:
                self._note(what, place, _connect(sock, target, self.limits.connect_ms), late_ns, counts)
                known = read_tcp_info(sock)
                if counts and known is not None and known.rtt_us:
                    self._at(what, place).kernel_rtt_ns.append(known.rtt_us * 1000)
                if self.context is not None:
                    what = Measured.HANDSHAKE
                    times = _shake_hands(sock, target.name, self.context, self.limits.handshake_ms)
                    self._note(what, place, times, late_ns, counts)
        except (_Failure, OSError) as failure:
            self._at(what, place).failures.append(f"{what}: {failure}")

    def _note(self, what: Measured, place: Target, times: tuple[int, int], late_ns: int, counts: bool) -> None:
        began_ns, ended_ns = times
        taken = self._at(what, place)
        samples = taken.counted if counts else taken.warm_up
        with self._lock:  # a name's threads have its resolution in common
            samples.add(scheduled_ns=began_ns - late_ns, started_ns=began_ns, duration_ns=ended_ns - began_ns)

    def _at(self, what: Measured, place: Target) -> _Taken:
        # setdefault is one step for the interpreter.
        return self._taken.setdefault((what, place), _Taken())


def _name_of(target: Target) -> Target:
    return Target(role=target.role, name=target.name, broker_id=target.broker_id)


def _bound(sock: socket.socket, limit_ms: int) -> None:
    """Deadlines of the kernel's own: a Python timeout would make the socket non-blocking, and poll before each call."""
    seconds, millis = divmod(limit_ms, 1000)
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", seconds, millis * 1000))


def _ask(name: str, server: Server, limit_ms: int) -> tuple[int, int]:
    """The resolver asked for the address, once."""
    question = dns.message.make_query(name, dns.rdatatype.A, use_edns=0, payload=UDP_PAYLOAD_BYTES)
    wire = question.to_wire()
    with closing(socket.socket(server.family, socket.SOCK_DGRAM)) as sock:
        _bound(sock, limit_ms)
        sock.connect((server.address, server.port))
        began_ns = time.monotonic_ns()
        sock.send(wire)
        answer = sock.recv(65535)
        ended_ns = time.monotonic_ns()
    if len(answer) < _HEADER_BYTES or answer[:2] != wire[:2] or answer[3] & _RCODE_MASK:
        raise _Failure("the resolver's answer is another than before")
    return began_ns, ended_ns


def _connect(sock: socket.socket, target: Target, limit_ms: int) -> tuple[int, int]:
    _bound(sock, limit_ms)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    began_ns = time.monotonic_ns()
    sock.connect((target.address, target.port))
    return began_ns, time.monotonic_ns()


def _shake_hands(sock: socket.socket, name: str, context: SSL.Context, limit_ms: int) -> tuple[int, int]:
    _bound(sock, limit_ms)
    tls = SSL.Connection(context, sock)
    # The whole work of a client: the chain is verified, though it was judged before.
    tls.set_verify(SSL.VERIFY_PEER, lambda _tls, _certificate, _number, _depth, accepted: bool(accepted))
    host = name.rstrip(".")
    if not is_address(host):
        tls.set_tlsext_host_name(host.encode("ascii"))
    tls.set_connect_state()
    began_ns = time.monotonic_ns()
    try:
        tls.do_handshake()
    except SSL.WantReadError as silence:
        # The kernel's own deadline of the socket.
        raise _Failure(f"TLS: no answer within {limit_ms} ms") from silence
    except SSL.Error as failure:
        raise _Failure(f"TLS: {type(failure).__name__} {failure}".rstrip()) from failure
    return began_ns, time.monotonic_ns()
