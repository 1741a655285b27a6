"""The stages of one path, over one connection: from ``connect`` to ``identity``."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable

import msgspec

from brokerproof.probes.connecting import Connecting
from brokerproof.probes.endpoints import ProbedEndpoint, Verified
from brokerproof.probes.following import Following
from brokerproof.probes.ledger import Ledger
from brokerproof.probes.logins import Logins
from brokerproof.probes.observation import Observation
from brokerproof.probes.other_way import with_plaintext, with_tls, without_sni
from brokerproof.probes.outcome import (
    AdvertisedBroker,
    AuthenticateFacts,
    HandshakeFacts,
    IdentityFacts,
    MetadataFacts,
    Stage,
    Target,
)
from brokerproof.probes.plan import Plan
from brokerproof.probes.sequence import StageSequence
from brokerproof.probes.stages.api import ask_versions
from brokerproof.probes.stages.authenticate import with_again, with_nonce
from brokerproof.probes.stages.connect import FAR_NS, connect, round_trip_ns
from brokerproof.probes.stages.identity import ask_identity, ask_identity_otherwise, may_ask_otherwise, question
from brokerproof.probes.stages.metadata import ask_metadata
from brokerproof.probes.wire.dns_exchange import is_address
from brokerproof.probes.wire.kafka_connection import KafkaConnection
from brokerproof.probes.wire.stream import BrokenStreamError, Stream


class _Identified(msgspec.Struct, frozen=True):
    """Who answered, and on which connection: another than before, where the first question ended that."""

    connection: KafkaConnection
    broker_id: int


class PathStages:
    """Runs them, at any address of a plan."""

    def __init__(
        self,
        plan: Plan,
        ledger: Ledger,
        connecting: Connecting,
        following: Following,
        *,
        on_far: Callable[[ProbedEndpoint], None],
        on_advertised: Callable[[AdvertisedBroker], None],
    ) -> None:
        """``on_far`` is told where a connection was accepted from far away, ``on_advertised`` of each broker listed."""
        self._plan = plan
        self._ledger = ledger
        self._connecting = connecting
        self._logins = connecting.logins
        self._following = following
        self._on_far = on_far
        self._on_advertised = on_advertised
        self._asks_without_sni = plan.without_sni
        """Once a run."""

    async def run(self, sequence: StageSequence, endpoint: ProbedEndpoint, address: str) -> Verified | None:
        """Every stage at an address, in order; who answered there, where somebody proved to be a broker."""
        limits = self._plan.limits
        sock = await sequence.step(Stage.CONNECT, lambda: connect(address, endpoint.port, limit_ms=limits.connect_ms))
        far = sock is not None and round_trip_ns(sock) >= FAR_NS
        # Clients that are made ahead may be made for nothing: not where that is an authentication at every broker.
        if far and self._logins is None:
            self._on_far(endpoint)
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
            metadata = await sequence.step(Stage.METADATA, lambda: self._metadata(_need(connection), endpoint, far=far))
            for broker in metadata.brokers if metadata is not None else ():
                self._on_advertised(broker)
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

    async def connect_again(self, target: Target, attempt: int) -> None:
        """One more connection, beside the one that is used: what is behind an address may be well in part alone."""
        limit_ms = self._plan.limits.connect_ms
        work = connect(target.address, target.port, limit_ms=limit_ms)
        _, sock = await self._ledger.measure(Stage.CONNECT, target, work, attempt=attempt)
        if sock is not None:
            sock.close()

    async def _first_handshake(
        self, sock: socket.socket | None, endpoint: ProbedEndpoint, address: str
    ) -> tuple[Observation, Stream | None]:
        seen, stream = await self._connecting.shake_hands(sock, endpoint.name)
        if stream is None:
            return await with_plaintext(seen, address, endpoint.port, self._plan.limits), None
        if self._connecting.context is None or not self._asks_without_sni or is_address(endpoint.name):
            return seen, stream
        self._asks_without_sni = False
        limits = self._plan.limits
        again = without_sni(
            seen, endpoint.name, address, endpoint.port, context=self._connecting.context, limits=limits
        )
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
        seen = await logins.with_caller(seen, limit_ms=self._plan.limits.sts_ms)
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
            other = await self._connecting.anew(endpoint, address, connection, logs_in=False)
        except BrokenStreamError:
            return msgspec.structs.replace(seen, ended_ns=ended_ns), None
        try:
            await logins.keep_pace(endpoint.login_key)
            again = await logins.log_in(other, endpoint.name, limit_ms=limit_ms, repeats_nonce=True)
        finally:
            other.close()
        return with_nonce(seen, again, ended_ns=ended_ns), None

    async def _metadata(
        self, connection: KafkaConnection, endpoint: ProbedEndpoint, *, far: bool
    ) -> tuple[Observation, MetadataFacts | None]:
        # Far away, who answers is asked in the same flight.
        then = question(endpoint.broker_id) if far and Stage.IDENTITY in self._plan.stages else None
        limit_ms = self._plan.limits.request_ms
        return self._following.take_brokers(*await ask_metadata(connection, limit_ms=limit_ms, then=then))

    async def _identify(
        self, endpoint: ProbedEndpoint, address: str, connection: KafkaConnection
    ) -> tuple[Observation, _Identified | None]:
        limit_ms = self._plan.limits.request_ms
        seen = await ask_identity(connection, endpoint.broker_id, limit_ms=limit_ms)
        if may_ask_otherwise(seen):
            connection.close()
            try:
                connection = await self._connecting.anew(endpoint, address, connection)
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


def _need(connection: KafkaConnection | None) -> KafkaConnection:
    if connection is None:
        raise AssertionError("a Kafka stage runs only where the stage before it is ok")
    return connection
