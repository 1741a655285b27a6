"""From a name to a broker: every endpoint's stages from ``resolve`` to ``identity``.

Each (name, address, port) gets one TCP connection, and its later stages run over that one. What
is advertised but was not planned is probed as well, within the plan's scope. Connections that proved which broker is
behind them are kept for the requests of :mod:`brokerproof.probes.exchange`.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from functools import partial
from typing import Any, Final, TypeVar

import msgspec
from OpenSSL import SSL

from brokerproof.probes.credentials import CredentialsError
from brokerproof.probes.following import Following
from brokerproof.probes.host import Asked
from brokerproof.probes.ledger import Ledger
from brokerproof.probes.logins import Logins, identity_for
from brokerproof.probes.observation import Observation, error, failed
from brokerproof.probes.other_way import with_plaintext, with_tls, without_sni
from brokerproof.probes.outcome import (
    AdvertisedBroker,
    AuthenticateFacts,
    HandshakeFacts,
    IdentityFacts,
    IdleFacts,
    MetadataFacts,
    Outcome,
    Reason,
    ResolveFacts,
    Role,
    Stage,
    Status,
    Target,
    WaitedFor,
)
from brokerproof.probes.outcome.names import canonical
from brokerproof.probes.outcome.registry import ORDER
from brokerproof.probes.plan import AdvertisedScope, Plan
from brokerproof.probes.scope import PlanScope
from brokerproof.probes.sequence import StageSequence
from brokerproof.probes.stages.api import ask_versions
from brokerproof.probes.stages.authenticate import with_again, with_nonce
from brokerproof.probes.stages.connect import connect, round_trip_ns
from brokerproof.probes.stages.handshake import BadCaFileError, handshake, present, trust
from brokerproof.probes.stages.identity import ask_identity, ask_identity_otherwise, may_ask_otherwise
from brokerproof.probes.stages.idle import hold_idle
from brokerproof.probes.stages.metadata import ask_metadata
from brokerproof.probes.stages.path_size import measure_path_size
from brokerproof.probes.stages.resolve import BY_HOST, Addresses, resolve
from brokerproof.probes.wire.client_certificate import Identity, IdentityError
from brokerproof.probes.wire.dns_exchange import Server, is_address
from brokerproof.probes.wire.kafka_connection import KafkaConnection
from brokerproof.probes.wire.stream import BrokenStreamError, Stream

T = TypeVar("T")

ATTEMPTS_APART_S: Final = 0.05
"""At most; an attempt that ended sooner is followed at once."""
FAR_NS: Final = 10_000_000
"""A round trip. From here on the stages of a path mostly wait, and work done beside them is not in their times. No
two zones of a Region are as far from each other; most Regions are further."""


class Verified(msgspec.Struct):
    """An address at which the certificate is right and the broker has said who it is."""

    endpoint: ProbedEndpoint
    address: str
    connection: KafkaConnection
    metadata: MetadataFacts
    answered_by: int

    @property
    def is_used(self) -> bool:
        """Whether its connection is the one that later requests to this broker go by."""
        return self.endpoint.verified.get(self.answered_by) is self


class _Identified(msgspec.Struct, frozen=True):
    """Who answered, and on which connection: another than before, where the first question ended that."""

    connection: KafkaConnection
    broker_id: int


class ProbedEndpoint(msgspec.Struct, eq=False):
    """A name and port under probe."""

    role: Role
    name: str
    port: int
    broker_id: int | None
    addresses: Addresses = ("",)
    """The one empty address stands for those not known."""
    roots: list[Outcome] = msgspec.field(default_factory=list)
    """What went wrong first, of each address where something did."""
    verified: dict[int, Verified] = msgspec.field(default_factory=dict)
    """By the broker that answered."""
    settled: asyncio.Event = msgspec.field(default_factory=asyncio.Event)
    """Set once one address is verified, or all of them are done."""
    done: asyncio.Event = msgspec.field(default_factory=asyncio.Event)

    def target(self, address: str) -> Target:
        """The target of one of this endpoint's addresses."""
        return Target(role=self.role, name=self.name, address=address, port=self.port, broker_id=self.broker_id)

    @property
    def login_key(self) -> Hashable:
        """The broker whose authentications one here is counted with."""
        return key_of(self.name, self.port) if self.broker_id is None else self.broker_id

    @property
    def root(self) -> WaitedFor | None:
        """What to name where this endpoint is not ok: the failure of the address that got furthest.

        Other addresses may be meant not to work at all; the one that came furthest was meant to.
        """
        if not self.roots:
            return None
        furthest = max(self.roots, key=lambda outcome: ORDER[outcome.stage])
        return WaitedFor(stage=furthest.stage, target=furthest.target)


def key_of(name: str, port: int) -> tuple[str, int]:
    """What makes two endpoints the same: names compare without case and final dot (RFC 4343)."""
    return canonical(name), port


class Paths:
    """All endpoints of a plan, and those found on the way."""

    def __init__(
        self,
        plan: Plan,
        ledger: Ledger,
        asked: Asked,
        limiter: asyncio.Semaphore,
        *,
        follow: bool = True,
    ) -> None:
        """``follow`` is whether what the cluster advertises is probed as well."""
        self._plan = plan
        self._follow = follow and plan.follow_advertised is not AdvertisedScope.NONE
        self._ledger = ledger
        self._asked = asked
        self._limiter = limiter
        self._scope = PlanScope(plan)
        self._resolutions: dict[str, asyncio.Task[tuple[Outcome | None, Addresses]]] = {}
        self._advertised: dict[tuple[str, int, int], asyncio.Task[ProbedEndpoint]] = {}
        self._context: SSL.Context | None = None
        self._ca_problem = ""
        self._asks_without_sni = plan.without_sni
        """Once a run."""
        self._identity: Identity | None = None
        self._no_identity: Observation | None = None
        """Why the client has no certificate to come with, where it is to."""
        self._logins = None if plan.authentication is None else Logins(plan.authentication)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._all_ended = asyncio.Event()
        self._broken: BaseException | None = None
        """What a task raised first."""
        self._following = Following()
        self.endpoints: list[ProbedEndpoint] = []
        self._by_place: dict[tuple[str, int], list[ProbedEndpoint]] = {}
        self.first_verified: asyncio.Future[Verified | None] = asyncio.get_running_loop().create_future()
        """None where nothing was verified when all was done."""
        self.first_far: asyncio.Future[ProbedEndpoint | None] = asyncio.get_running_loop().create_future()
        """Where a connection was accepted from far away, by whom is not known yet; None where nowhere."""
        if plan.tls is not None:
            try:
                self._context = trust(plan.tls.ca_file)
                self._take_identity(plan)
            except BadCaFileError as problem:
                self._ca_problem = str(problem)

    def _take_identity(self, plan: Plan) -> None:
        """Have the context present the client's certificate, where it has one."""
        try:
            self._identity = identity_for(plan.authentication)
            if self._identity is not None and self._context is not None:
                present(self._context, self._identity)
        except CredentialsError as problem:
            self._no_identity = failed(Reason.NO_CREDENTIALS, str(problem), HandshakeFacts(sni=""))
        except IdentityError as problem:
            self._no_identity = failed(Reason.CLIENT_KEY_UNUSABLE, str(problem), HandshakeFacts(sni=""))

    async def run(self) -> None:
        """Probe every planned endpoint, and every one that is advertised, to the end."""
        if self._logins is not None:
            await self._logins.prepare()
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
            for first in (self.first_far, self.first_verified):
                if not first.done():
                    first.set_result(None)

    async def advertised(self, broker: AdvertisedBroker) -> ProbedEndpoint:
        """The endpoint that says most about an advertised broker, probed where it was not yet."""
        key = _key_of_broker(broker)
        task = self._advertised.get(key)
        if task is None:
            task = self._advertised[key] = self._start(self._cover(broker))
        return await asyncio.shield(task)

    async def reconnect(self, verified: Verified) -> KafkaConnection:
        """A new connection to where ``verified`` was, judged like the first.

        Raises:
            BrokenStreamError: it cannot be had any more.
        """
        return await self._anew(verified.endpoint, verified.address, verified.connection)

    async def _anew(
        self, endpoint: ProbedEndpoint, address: str, before: KafkaConnection, *, logs_in: bool = True
    ) -> KafkaConnection:
        limits = self._plan.limits
        seen, sock = await connect(address, endpoint.port, limit_ms=limits.connect_ms)
        stream = Stream(sock) if sock is not None else None
        if sock is not None and self._plan.tls is not None:
            seen, stream = await self._shake_hands(sock, endpoint.name)
        if stream is None:
            if sock is not None:
                sock.close()
            raise BrokenStreamError(seen.reason or Reason.SOCKET_ERROR, seen.detail)
        connection = KafkaConnection(stream)
        connection.versions.update(before.versions)
        if self._logins is not None and logs_in:
            await self._logins.again(connection, endpoint.name, endpoint.login_key, limit_ms=limits.request_ms)
        return connection

    @property
    def context(self) -> SSL.Context | None:
        """What connections are verified with; None in plaintext, or where the CA file cannot be used."""
        return self._context

    @property
    def server(self) -> Server | None:
        """The resolver to measure: the one that answered last, or the first; none where names are of the host."""
        said = [each.result()[0] for each in self._resolutions.values() if each.done() and not each.cancelled()]
        if any(
            each is not None and isinstance(each.facts, ResolveFacts) and each.facts.rcode == BY_HOST for each in said
        ):
            return None
        answered = [each.facts.resolver for each in said if each is not None and isinstance(each.facts, ResolveFacts)]
        servers = self._asked.servers
        return next((each for each in servers if str(each) in answered), next(iter(servers), None))

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
        for endpoint in self.endpoints:
            for verified in endpoint.verified.values():
                verified.connection.close()

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
                await asyncio.gather(*(self._probe_address(endpoint, address) for address in addresses))
            else:
                await self._probe_address(endpoint, "", unresolved=outcome)
        finally:
            endpoint.done.set()
            endpoint.settled.set()

    async def _resolve(self, endpoint: ProbedEndpoint) -> tuple[Outcome | None, Addresses]:
        if Stage.RESOLVE not in self._plan.stages:
            return None, ()
        key = canonical(endpoint.name)
        if key not in self._resolutions:
            self._resolutions[key] = self._start(self._resolve_once(endpoint))
        return await asyncio.shield(self._resolutions[key])

    async def _resolve_once(self, endpoint: ProbedEndpoint) -> tuple[Outcome, Addresses]:
        target = Target(role=endpoint.role, name=endpoint.name)
        if endpoint.role is Role.ADVERTISED and not self._scope.has_name(endpoint.name):
            return self._ledger.settle(Stage.RESOLVE, target, self._outside(endpoint)), ()
        found: Addresses = ()

        async def work() -> tuple[Observation, None]:
            nonlocal found
            limit_ms = self._plan.limits.resolve_ms
            told = await resolve(
                endpoint.name,
                self._asked.servers,
                limit_ms=limit_ms,
                host=self._asked.host,
                by_host=self._plan.names_by_host,
            )
            seen, found = self._following.take_addresses(*told)
            return seen, None

        async with self._limiter:
            outcome, _ = await self._ledger.measure(Stage.RESOLVE, target, work())
        return outcome, found

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
            if address and target.role is Role.BROKER and Stage.CONNECT in self._plan.stages:
                self._start(self._connect_more(target))
            verified = await self._stages(sequence, endpoint, address)
        if sequence.root is not None:
            endpoint.roots.append(sequence.root)
        if verified is not None:
            endpoint.settled.set()
            if not self.first_verified.done():
                self.first_verified.set_result(verified)
        self._start(self._beside(sequence, verified))

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
            await asyncio.wait({self._start(self._connect_again(target, attempt))}, timeout=ATTEMPTS_APART_S)

    async def _connect_again(self, target: Target, attempt: int) -> None:
        """One more connection, beside the one that is used: what is behind an address may be well in part alone."""
        limit_ms = self._plan.limits.connect_ms
        work = connect(target.address, target.port, limit_ms=limit_ms)
        _, sock = await self._ledger.measure(Stage.CONNECT, target, work, attempt=attempt)
        if sock is not None:
            sock.close()

    async def _beside(self, sequence: StageSequence, verified: Verified | None) -> None:
        """What is measured while records go their way, on a connection that nothing else needs."""
        try:
            if sequence.role is not Role.BROKER:
                return
            if Stage.PATH_SIZE in self._plan.stages:
                async with self._limiter:
                    await sequence.step(Stage.PATH_SIZE, lambda: self._path_size(verified))
            if Stage.IDLE in self._plan.stages:
                # A silence keeps nobody else from being probed.
                await sequence.step(Stage.IDLE, lambda: self._idle(verified))
        finally:
            if verified is not None and not verified.is_used:
                verified.connection.close()

    async def _path_size(self, verified: Verified | None) -> tuple[Observation, None]:
        limit_ms = self._plan.limits.request_ms
        return await self._on_its_own(verified, partial(measure_path_size, limit_ms=limit_ms))

    async def _idle(self, verified: Verified | None) -> tuple[Observation, None]:
        hold_ms, limit_ms = self._plan.idle_hold_ms, self._plan.limits.request_ms
        seen, _ = await self._on_its_own(verified, partial(hold_idle, hold_ms=hold_ms, limit_ms=limit_ms))
        if seen.is_ok or verified is None or not isinstance(seen.facts, IdleFacts):
            return seen, None
        # Else a broker that fell silent meanwhile would look like a connection that was forgotten.
        anew, _ = await self._on_a_new_one(verified, partial(ask_identity, limit_ms=limit_ms))
        facts = msgspec.structs.replace(seen.facts, works_anew=anew.is_ok)
        return msgspec.structs.replace(seen, facts=facts), None

    async def _on_its_own(
        self, verified: Verified | None, measure: Callable[[KafkaConnection, int], Awaitable[Observation]]
    ) -> tuple[Observation, None]:
        """Measure on the address's own connection where nobody else needs it, else on a new one."""
        if verified is None:
            raise AssertionError("it follows identity, which verifies")
        if verified.is_used or not verified.connection.usable:
            return await self._on_a_new_one(verified, measure)
        try:
            return await measure(verified.connection, verified.answered_by), None
        finally:
            verified.connection.close()

    async def _on_a_new_one(
        self, verified: Verified, measure: Callable[[KafkaConnection, int], Awaitable[Observation]]
    ) -> tuple[Observation, None]:
        try:
            connection = await self.reconnect(verified)
        except BrokenStreamError as broken:
            return failed(broken.reason, f"a second connection: {broken.detail}"), None
        try:
            return await measure(connection, verified.answered_by), None
        finally:
            connection.close()

    async def _stages(self, sequence: StageSequence, endpoint: ProbedEndpoint, address: str) -> Verified | None:
        limits = self._plan.limits
        sock = await sequence.step(Stage.CONNECT, lambda: connect(address, endpoint.port, limit_ms=limits.connect_ms))
        # Clients that are made ahead may be made for nothing: not where that is an authentication at every broker.
        ahead = sock is not None and self._logins is None and round_trip_ns(sock) >= FAR_NS
        if ahead and not self.first_far.done():
            self.first_far.set_result(endpoint)
        verified: Verified | None = None
        try:
            stream: Stream | None = Stream(sock) if sock is not None else None
            if self._plan.tls is not None:
                stream = await sequence.step(Stage.HANDSHAKE, lambda: self._first_handshake(sock, endpoint, address))
            connection = KafkaConnection(stream) if stream is not None else None
            await sequence.step(Stage.API, lambda: self._first_request(connection, endpoint, address))
            if self._logins is not None:
                # The pace is not in the stage's time.
                await self._logins.keep_pace(endpoint.login_key) if sequence.goes_on else None
                await sequence.step(Stage.AUTHENTICATE, lambda: self._first_login(_need(connection), endpoint, address))
            metadata = await sequence.step(Stage.METADATA, lambda: self._metadata(_need(connection)))
            for broker in metadata.brokers if metadata is not None and self._follow else ():
                if _key_of_broker(broker) not in self._advertised:
                    self._start(self.advertised(broker))
            identified = await sequence.step(
                Stage.IDENTITY, lambda: self._identify(endpoint, address, _need(connection))
            )
            if metadata is None or identified is None:
                return None
            verified = Verified(endpoint, address, identified.connection, metadata, identified.broker_id)
            endpoint.verified.setdefault(verified.answered_by, verified)
            return verified
        finally:
            if sock is not None and verified is None:
                sock.close()

    async def _shake_hands(self, sock: socket.socket | None, name: str) -> tuple[Observation, Stream | None]:
        if self._context is None or sock is None:
            return error(Reason.BAD_CA_FILE, self._ca_problem), None
        if self._no_identity is not None:
            return self._no_identity, None
        limit_ms = self._plan.limits.handshake_ms
        return await handshake(sock, name, self._context, limit_ms=limit_ms, identity=self._identity)

    async def _first_handshake(
        self, sock: socket.socket | None, endpoint: ProbedEndpoint, address: str
    ) -> tuple[Observation, Stream | None]:
        seen, stream = await self._shake_hands(sock, endpoint.name)
        if stream is None:
            return await with_plaintext(seen, address, endpoint.port, self._plan.limits), None
        if self._context is None or not self._asks_without_sni or is_address(endpoint.name):
            return seen, stream
        self._asks_without_sni = False
        limits = self._plan.limits
        again = without_sni(seen, endpoint.name, address, endpoint.port, context=self._context, limits=limits)
        return await again, stream

    async def _first_request(
        self, connection: KafkaConnection | None, endpoint: ProbedEndpoint, address: str
    ) -> tuple[Observation, None]:
        limits = self._plan.limits
        seen = await ask_versions(_need(connection), limit_ms=limits.request_ms)
        if self._plan.tls is None:
            seen = await with_tls(seen, endpoint.name, address, endpoint.port, limits)
        return seen, None

    async def _first_login(
        self, connection: KafkaConnection, endpoint: ProbedEndpoint, address: str
    ) -> tuple[Observation, None]:
        logins, limit_ms = _need_logins(self._logins), self._plan.limits.request_ms
        shaken = self._ledger.get(Stage.HANDSHAKE, endpoint.target(address))
        handshake_facts = shaken.facts if shaken is not None and isinstance(shaken.facts, HandshakeFacts) else None
        if (told := logins.by_certificate(handshake_facts)) is not None:
            return told, None
        seen = await logins.log_in(connection, endpoint.name, limit_ms=limit_ms)
        if seen.is_ok and logins.logs_in_again and _session_ends(seen):
            logins.logs_in_again = False
            ended_ns = time.monotonic_ns()
            await logins.keep_pace(endpoint.login_key)
            again = await logins.log_in(connection, endpoint.name, limit_ms=limit_ms)
            seen = with_again(seen, again, ended_ns=ended_ns)
        if not seen.is_ok or not logins.checks_nonce:
            return seen, None
        logins.checks_nonce = False
        ended_ns = seen.ended_ns or time.monotonic_ns()
        try:
            other = await self._anew(endpoint, address, connection, logs_in=False)
        except BrokenStreamError:
            return msgspec.structs.replace(seen, ended_ns=ended_ns), None
        try:
            await logins.keep_pace(endpoint.login_key)
            again = await logins.log_in(other, endpoint.name, limit_ms=limit_ms, repeats_nonce=True)
        finally:
            other.close()
        return with_nonce(seen, again, ended_ns=ended_ns), None

    async def _metadata(self, connection: KafkaConnection) -> tuple[Observation, MetadataFacts | None]:
        return self._following.take_brokers(*await ask_metadata(connection, limit_ms=self._plan.limits.request_ms))

    async def _identify(
        self, endpoint: ProbedEndpoint, address: str, connection: KafkaConnection
    ) -> tuple[Observation, _Identified | None]:
        limit_ms = self._plan.limits.request_ms
        seen = await ask_identity(connection, endpoint.broker_id, limit_ms=limit_ms)
        if may_ask_otherwise(seen):
            connection.close()
            try:
                connection = await self._anew(endpoint, address, connection)
            except BrokenStreamError:
                return seen, None
            try:
                seen = await ask_identity_otherwise(connection, endpoint.broker_id, seen, limit_ms=limit_ms)
            except asyncio.CancelledError:
                connection.close()
                raise
        answered_by = seen.facts.answered_by if isinstance(seen.facts, IdentityFacts) else None
        if not seen.is_ok or answered_by is None:
            connection.close()
            return seen, None
        return seen, _Identified(connection, answered_by)


def _session_ends(seen: Observation) -> bool:
    return isinstance(seen.facts, AuthenticateFacts) and seen.facts.session_lifetime_ms > 0


def _need_logins(logins: Logins | None) -> Logins:
    if logins is None:
        raise AssertionError("authenticate runs only where the plan says how")
    return logins


def _key_of_broker(broker: AdvertisedBroker) -> tuple[str, int, int]:
    return *key_of(broker.name, broker.port), broker.broker_id


def _need(connection: KafkaConnection | None) -> KafkaConnection:
    if connection is None:
        raise AssertionError("a Kafka stage runs only where the stage before it is ok")
    return connection
