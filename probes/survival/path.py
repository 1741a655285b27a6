"""What survivors see of the path beside records: fresh connections, silent ones, names, segments sent again."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Collection
from typing import Final

from brokerproof.probes.plan import Endpoint
from brokerproof.probes.survival.bookkeeping import Resent, Stalls
from brokerproof.probes.survival.values import Attempt, FreshSurvival, IdleSurvival, NameSeen, SurvivalPlan
from brokerproof.probes.wire.tcp_info import SentAgain, resent_by_peer

FRESH_S: Final = 1.0
LIMIT_S: Final = 3.0
NAMES_S: Final = 1.0
SAMPLED_S: Final = 0.1
BEAT_S: Final = 0.01
LATE_MS: Final = 30.0
MOST_ATTEMPTS: Final = 500
MOST_LATER: Final = 100
"""Addresses beside those of the start that are looked at."""


class Every:
    """Calls something at a steady pace in a thread of its own, until stopped; slow calls are not made up for."""

    def __init__(self, every_s: float, work: Callable[[], None], name: str, *, after_s: float = 0.0) -> None:
        self._stop = threading.Event()
        self._every_s = every_s
        self._after_s = after_s
        self._work = work
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._stop.wait(self._after_s)
        while not self._stop.is_set():
            began = time.monotonic()
            self._work()
            self._stop.wait(max(0.0, self._every_s - (time.monotonic() - began)))

    def stop(self) -> None:
        """Call no more."""
        self._stop.set()
        self._thread.join()


def beat(stalls: Stalls) -> Callable[[], None]:
    """Notes when this process did not get to run."""

    def work() -> None:
        began = time.monotonic()
        time.sleep(BEAT_S)
        late_ms = (time.monotonic() - began - BEAT_S) * 1000
        if late_ms > LATE_MS:
            stalls.note(time.time(), late_ms)

    return work


class Names:
    """What the operating system resolves each broker's name to, and when that changed."""

    def __init__(self, brokers: tuple[Endpoint, ...]) -> None:
        self._names = tuple(dict.fromkeys(broker.name for broker in brokers))
        self.seen: list[NameSeen] = []
        self.current: dict[str, tuple[str, ...]] = {}

    def look(self) -> None:
        """Ask for each."""
        for name in self._names:
            why = ""
            try:
                found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
                addresses = tuple(sorted({str(each[4][0]) for each in found}))
            except OSError as problem:
                addresses, why = (), str(problem)
            if self.current.get(name) != addresses and len(self.seen) < MOST_ATTEMPTS:
                self.seen.append(NameSeen(at=time.time(), name=name, addresses=addresses, why_not=why))
                self.current[name] = addresses


def trust(plan: SurvivalPlan) -> ssl.SSLContext | None:
    """What fresh connections verify by; None in plaintext.

    Raises:
        OSError: the CA file cannot be read.
    """
    if plan.tls is None:
        return None
    return ssl.create_default_context(cafile=plan.tls.ca_file)


def open_connection(address: str, broker: Endpoint, context: ssl.SSLContext | None) -> socket.socket:
    """A connection to one address of a broker, after its handshake.

    Raises:
        OSError: it could not be made.
    """
    made = socket.create_connection((address, broker.port), timeout=LIMIT_S)
    try:
        return made if context is None else context.wrap_socket(made, server_hostname=broker.name)
    except BaseException:
        made.close()
        raise


class Fresh:
    """A connection a second to one address of a broker, as long as its name leads there."""

    def __init__(
        self, broker: Endpoint, address: str, context: ssl.SSLContext | None, names: Names, stalls: Stalls
    ) -> None:
        self._broker = broker
        self._address = address
        self._context = context
        self._names = names
        self._stalls = stalls
        self._attempts = 0
        self._failed: list[Attempt] = []

    def attempt(self) -> None:
        """Make one and end it; none where the name leads elsewhere by now. One that leads nowhere may come back."""
        current = self._names.current.get(self._broker.name, ())
        if current and self._address not in current:
            return
        at = time.time()
        self._attempts += 1
        try:
            open_connection(self._address, self._broker, self._context).close()
        except OSError as problem:
            if len(self._failed) < MOST_ATTEMPTS:
                self._failed.append(self._attempt(at, time.time(), problem))

    def _attempt(self, began: float, ended: float, problem: OSError) -> Attempt:
        return Attempt(
            at=began,
            broker_id=self._broker.broker_id or 0,
            address=self._address,
            why=type(problem).__name__ if isinstance(problem, TimeoutError) else str(problem),
            lasted_ms=round((ended - began) * 1000, 1),
            host_late_ms=round(self._stalls.within_ms(began, ended), 1),
        )

    def survival(self) -> FreshSurvival:
        """What to say of it."""
        return FreshSurvival(
            broker_id=self._broker.broker_id or 0,
            address=self._address,
            attempts=self._attempts,
            failed=tuple(self._failed),
        )


class LaterFresh:
    """A connection a second to each address that a name leads to only since the start, one after another."""

    def __init__(
        self,
        brokers: tuple[Endpoint, ...],
        known: Collection[tuple[Endpoint, str]],
        context: ssl.SSLContext | None,
        names: Names,
        stalls: Stalls,
    ) -> None:
        self._brokers = brokers
        self._known = frozenset((broker.name, address) for broker, address in known)
        self._context = context
        self._names = names
        self._stalls = stalls
        self._made: dict[tuple[str, str], Fresh] = {}

    def attempt(self) -> None:
        """One each."""
        for broker in self._brokers:
            for address in self._names.current.get(broker.name, ()):
                place = broker.name, address
                if place not in self._known and place not in self._made and len(self._made) < MOST_LATER:
                    self._made[place] = Fresh(broker, address, self._context, self._names, self._stalls)
                if place in self._made:
                    self._made[place].attempt()

    def survivals(self) -> tuple[FreshSurvival, ...]:
        """What to say of them."""
        return tuple(each.survival() for each in self._made.values())


class Idle:
    """A connection on which nothing is said; how it ends is seen at once."""

    def __init__(self, broker: Endpoint, address: str, context: ssl.SSLContext | None) -> None:
        self._broker_id = broker.broker_id or 0
        self._address = address
        self._ended_at, self._how = 0.0, ""
        self._connection: socket.socket | None = None
        try:
            self._connection = open_connection(address, broker, context)
            self._connection.setblocking(False)
        except OSError as problem:
            self._end(f"was never made: {problem}")

    def _end(self, how: str) -> None:
        self._ended_at, self._how = time.time(), how
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def look(self) -> None:
        """See whether it ended meanwhile."""
        if self._connection is None:
            return
        try:
            if not self._connection.recv(1):
                self._end("the peer closed it")
        except (ssl.SSLWantReadError, BlockingIOError):
            pass
        except OSError as problem:
            self._end(str(problem))

    def survival(self) -> IdleSurvival:
        """What to say of it; the connection is closed."""
        self.look()
        said = IdleSurvival(broker_id=self._broker_id, address=self._address, ended_at=self._ended_at, how=self._how)
        if self._connection is not None:
            self._connection.close()
        return said


class Segments:
    """Segments that this process's connections send again, noted for the broker whose address they go to."""

    def __init__(self, names: Names, brokers: tuple[Endpoint, ...], resent: Resent) -> None:
        self._names = names
        self._brokers = brokers
        self._resent = resent
        self._before: dict[tuple[int, tuple[str, int]], SentAgain] = {}

    def look(self) -> None:
        """Note what came since the last look."""
        # Connections go on to addresses that a name no longer leads to; what it leads to last is the broker's.
        owners = {
            (address, broker.port): broker.broker_id or 0
            for seen in tuple(self._names.seen)
            for broker in self._brokers
            if broker.name == seen.name
            for address in seen.addresses
        }
        now, after = time.time(), {}
        for local_port, peer, again in resent_by_peer():
            after[local_port, peer] = again
            owner = owners.get(peer)
            if owner is not None:
                before = self._before.get((local_port, peer), SentAgain(0, 0))
                more = SentAgain(again.segments - before.segments, again.unneeded - before.unneeded)
                self._resent.note(now, owner, more)
        self._before = after
