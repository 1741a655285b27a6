"""From names to brokers: every endpoint of a plan, and every one found on the way, probed to its end.

Each (name, address, port) gets one TCP connection, and its later stages run over that one. What
is advertised but was not planned is probed as well, within the plan's scope. Connections that proved which broker is
behind them are kept for the requests of :mod:`brokerproof.probes.exchange`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from OpenSSL import SSL

from brokerproof.probes.beside_path import BesidePath
from brokerproof.probes.connecting import Connecting
from brokerproof.probes.endpoints import ProbedEndpoint, Verified, key_of, key_of_broker
from brokerproof.probes.ledger import Ledger
from brokerproof.probes.names import Names, Resolved
from brokerproof.probes.observation import Observation
from brokerproof.probes.outcome import (
    AdvertisedBroker,
    Outcome,
    Reason,
    Role,
    Stage,
    Status,
    Target,
)
from brokerproof.probes.path_stages import PathStages
from brokerproof.probes.plan import AdvertisedScope, Endpoint, Plan
from brokerproof.probes.scope import PlanScope
from brokerproof.probes.sequence import StageSequence
from brokerproof.probes.wire.dns_exchange import Server
from brokerproof.probes.wire.kafka_connection import KafkaConnection

T = TypeVar("T")

ATTEMPTS_APART_S: Final = 0.05
"""At most; an attempt that ended sooner is followed at once."""


class Paths:
    """All endpoints of a plan, and those found on the way."""

    def __init__(
        self,
        plan: Plan,
        ledger: Ledger,
        names: Names,
        limiter: asyncio.Semaphore,
        *,
        follow: bool = True,
    ) -> None:
        """``follow`` is whether what the cluster advertises is probed as well."""
        self._plan = plan
        self._follow = follow and plan.follow_advertised is not AdvertisedScope.NONE
        self._ledger = ledger
        self._names = names
        self._limiter = limiter
        self._scope = PlanScope(plan)
        self._advertised: dict[tuple[str, int, int], asyncio.Task[ProbedEndpoint]] = {}
        self._connecting = Connecting(plan)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._all_ended = asyncio.Event()
        self._broken: BaseException | None = None
        """What a task raised first."""
        self.endpoints: list[ProbedEndpoint] = []
        self._by_place: dict[tuple[str, int], list[ProbedEndpoint]] = {}
        self.first_verified: asyncio.Future[Verified | None] = asyncio.get_running_loop().create_future()
        """None where nothing was verified when all was done."""
        self.first_far: asyncio.Future[ProbedEndpoint | None] = asyncio.get_running_loop().create_future()
        """Where a connection was accepted from far away, by whom is not known yet; None where nowhere."""
        self._path = PathStages(
            plan,
            ledger,
            self._connecting,
            names.following,
            on_far=self._note_far,
            on_advertised=self._follow_advertised,
        )
        self._beside = BesidePath(plan, self._connecting, limiter)

    async def run(self) -> None:
        """Probe every planned endpoint, and every one that is advertised, to the end."""
        await self._connecting.prepare()
        brokers = dict.fromkeys((each.name, each.port, each.broker_id) for each in self._plan.brokers)
        for name, port, broker_id in brokers:
            self._add(Role.BROKER, name, port, broker_id)
        for name, port in dict.fromkeys((each.name, each.port) for each in self._plan.bootstrap):
            if self._find(name, port) is None:
                self._add(Role.BOOTSTRAP, name, port, None)
        try:
            # Tasks add tasks: probing an endpoint finds others.
            while self._tasks:
                self._all_ended.clear()
                await self._all_ended.wait()
                if self._broken is not None:
                    raise self._broken
        finally:
            for task in tuple(self._tasks):
                task.cancel()
            self._names.close()
            for first in (self.first_far, self.first_verified):
                if not first.done():
                    first.set_result(None)

    async def advertised(self, broker: AdvertisedBroker) -> ProbedEndpoint:
        """The endpoint that says most about an advertised broker, probed where it was not yet."""
        key = key_of_broker(broker)
        task = self._advertised.get(key)
        if task is None:
            task = self._advertised[key] = self._start(self._cover(broker))
        return await asyncio.shield(task)

    async def reconnect(self, verified: Verified) -> KafkaConnection:
        """A new connection to where ``verified`` was, judged like the first.

        Raises:
            BrokenStreamError: it cannot be had any more.
        """
        return await self._connecting.reconnect(verified)

    @property
    def context(self) -> SSL.Context | None:
        """What connections are verified with; None in plaintext, or where the CA file cannot be used."""
        return self._connecting.context

    @property
    def server(self) -> Server | None:
        """The resolver to measure; None where names are of the host."""
        return self._names.server

    def at(self, there: Endpoint) -> ProbedEndpoint | None:
        """The endpoint under probe at this name and port."""
        return self._find(there.name, there.port)

    def is_found_by_host(self, endpoint: ProbedEndpoint) -> bool:
        """Whether Kafka clients are led where the resolver leads; True too where that was not asked."""
        return self._names.is_found_by_host(endpoint.name)

    async def all_done(self) -> None:
        """Wait until every endpoint is probed to its end, also those found meanwhile."""
        while under_way := [each for each in self.endpoints if not each.done.is_set()]:
            await asyncio.gather(*(each.done.wait() for each in under_way))

    def working(self) -> list[Target]:
        """Every address of every broker at which a connection was accepted and, with TLS, the handshake was right."""
        last = Stage.CONNECT if self._plan.tls is None else Stage.HANDSHAKE
        targets = [
            endpoint.target(address)
            for endpoint in self.endpoints
            if endpoint.role is not Role.BOOTSTRAP
            for address in endpoint.addresses
        ]
        outcomes = [self._ledger.get(last, target) for target in targets]
        return [each.target for each in outcomes if each is not None and each.status is Status.OK]

    def close(self) -> None:
        """Close every connection that was kept, and end what is still under way."""
        for task in tuple(self._tasks):
            task.cancel()
        self._names.close()
        for endpoint in self.endpoints:
            for verified in endpoint.verified.values():
                verified.connection.close()

    def _note_far(self, endpoint: ProbedEndpoint) -> None:
        if not self.first_far.done():
            self.first_far.set_result(endpoint)

    def _follow_advertised(self, broker: AdvertisedBroker) -> None:
        if self._follow and key_of_broker(broker) not in self._advertised:
            self._start(self.advertised(broker))

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (defect := task.exception()) is not None:
            self._broken = self._broken or defect
        if not self._tasks or self._broken is not None:
            self._all_ended.set()

    def _add(self, role: Role, name: str, port: int, broker_id: int | None) -> ProbedEndpoint:
        endpoint = ProbedEndpoint(role, name, port, broker_id)
        self.endpoints.append(endpoint)
        self._by_place.setdefault(key_of(name, port), []).append(endpoint)
        self._start(self._probe(endpoint))
        return endpoint

    def _find(self, name: str, port: int, broker_id: int | None = None) -> ProbedEndpoint | None:
        """The endpoint there, preferably the one for ``broker_id``."""
        there = self._by_place.get(key_of(name, port), [])
        return next((each for each in there if each.broker_id == broker_id), there[0] if there else None)

    async def _cover(self, broker: AdvertisedBroker) -> ProbedEndpoint:
        known = self._find(broker.name, broker.port, broker.broker_id)
        if known is None:
            return self._add(Role.ADVERTISED, broker.name, broker.port, broker.broker_id)
        if known.broker_id == broker.broker_id:
            return known
        await known.settled.wait()
        if broker.broker_id not in known.verified:
            await known.done.wait()
        if broker.broker_id in known.verified or not known.verified:
            return known
        # It works, but another broker answered there: whether this one can be reached is still open.
        return self._add(Role.ADVERTISED, broker.name, broker.port, broker.broker_id)

    async def _probe(self, endpoint: ProbedEndpoint) -> None:
        try:
            outcome, addresses = await self._resolve(endpoint)
            if addresses:
                endpoint.addresses = addresses
            if len(addresses) == 1:
                await self._probe_address(endpoint, *addresses)
            elif addresses:
                await asyncio.gather(*(self._probe_address(endpoint, address) for address in addresses))
            else:
                await self._probe_address(endpoint, "", unresolved=outcome)
        finally:
            endpoint.done.set()
            endpoint.settled.set()

    async def _resolve(self, endpoint: ProbedEndpoint) -> Resolved:
        role, name = endpoint.role, endpoint.name
        outside = role is Role.ADVERTISED and not self._scope.has_name(name)
        return await self._names.resolve(role, name, left_out=self._outside(endpoint) if outside else None)

    async def _probe_address(
        self, endpoint: ProbedEndpoint, address: str, *, unresolved: Outcome | None = None
    ) -> None:
        target = endpoint.target(address)
        sequence = StageSequence(self._plan, self._ledger, target)
        if not address and unresolved is None:
            sequence.block(Reason.NOT_PLANNED, Stage.RESOLVE, target)
        elif unresolved is not None:
            sequence.root = unresolved
            sequence.block(Reason.WAITS_FOR, unresolved.stage, unresolved.target)
        elif endpoint.role is Role.ADVERTISED and not self._scope.has_port(endpoint.port):
            sequence.leave_out(Stage.CONNECT, self._outside(endpoint))
        async with self._limiter:
            more = self._plan.connect_attempts > 1 and Stage.CONNECT in self._plan.stages
            if more and address and target.role is Role.BROKER:
                self._start(self._connect_more(target))
            verified = await self._path.run(sequence, endpoint, address)
        if sequence.root is not None:
            endpoint.roots.append(sequence.root)
        if verified is not None:
            endpoint.settled.set()
            if not self.first_verified.done():
                self.first_verified.set_result(verified)
        self._start(self._beside.run(sequence, verified))

    def _outside(self, endpoint: ProbedEndpoint) -> Observation:
        """Why an advertised endpoint is left alone."""
        where = f"{endpoint.name}:{endpoint.port}"
        words = f"advertised at {where}, which is not in the plan's scope: {self._scope.words()}"
        return Observation(Status.SKIPPED, Reason.OUTSIDE_PLAN, words)

    async def _connect_more(self, target: Target) -> None:
        """The further attempts, each when the one before has ended or had its time.

        All at once, from several clients, would fill a broker's accept queue (socket.listen.backlog.size, 50), and
        the SYNs dropped then would be the probe's own doing.
        """
        for attempt in range(2, self._plan.connect_attempts + 1):
            await asyncio.wait({self._start(self._path.connect_again(target, attempt))}, timeout=ATTEMPTS_APART_S)
