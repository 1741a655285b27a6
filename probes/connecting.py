"""How every connection of a run is made secure: the authority, the client's certificate, the login."""

from __future__ import annotations

import socket

from OpenSSL import SSL

from brokerproof.probes.credentials import CredentialsError
from brokerproof.probes.endpoints import ProbedEndpoint, Verified
from brokerproof.probes.logins import Logins, identity_for
from brokerproof.probes.observation import Observation, error, failed
from brokerproof.probes.outcome import HandshakeFacts, Reason
from brokerproof.probes.plan import Plan
from brokerproof.probes.stages.connect import connect
from brokerproof.probes.stages.handshake import BadCaFileError, handshake, present, trust
from brokerproof.probes.wire.client_certificate import Identity, IdentityError
from brokerproof.probes.wire.kafka_connection import KafkaConnection
from brokerproof.probes.wire.stream import BrokenStreamError, Stream


class Connecting:
    """Makes connections as the plan says."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._context: SSL.Context | None = None
        self._ca_problem = ""
        self._identity: Identity | None = None
        self._no_identity: Observation | None = None
        """Why the client has no certificate to come with, where it is to."""
        self.logins = None if plan.authentication is None else Logins(plan.authentication)
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

    async def prepare(self) -> None:
        """Find what logins need before anything is timed."""
        if self.logins is not None:
            await self.logins.prepare()

    @property
    def context(self) -> SSL.Context | None:
        """What connections are verified with; None in plaintext, or where the CA file cannot be used."""
        return self._context

    async def reconnect(self, verified: Verified) -> KafkaConnection:
        """A new connection to where ``verified`` was, judged like the first.

        Raises:
            BrokenStreamError: it cannot be had any more.
        """
        return await self.anew(verified.endpoint, verified.address, verified.connection)

    async def anew(
        self, endpoint: ProbedEndpoint, address: str, before: KafkaConnection, *, logs_in: bool = True
    ) -> KafkaConnection:
        """A new connection to an address of an endpoint.

        Raises:
            BrokenStreamError: it cannot be had.
        """
        limits = self._plan.limits
        seen, sock = await connect(address, endpoint.port, limit_ms=limits.connect_ms)
        stream = Stream(sock) if sock is not None else None
        if sock is not None and self._plan.tls is not None:
            seen, stream = await self.shake_hands(sock, endpoint.name)
        if stream is None:
            if sock is not None:
                sock.close()
            raise BrokenStreamError(seen.reason or Reason.SOCKET_ERROR, seen.detail)
        connection = KafkaConnection(stream)
        connection.versions.update(before.versions)
        if self.logins is not None and logs_in:
            await self.logins.again(connection, endpoint.name, endpoint.login_key, limit_ms=limits.request_ms)
        return connection

    async def shake_hands(self, sock: socket.socket | None, name: str) -> tuple[Observation, Stream | None]:
        """The handshake with whoever has accepted the connection; without the stream where it is not right."""
        if self._context is None or sock is None:
            return error(Reason.BAD_CA_FILE, self._ca_problem), None
        if self._no_identity is not None:
            return self._no_identity, None
        limit_ms = self._plan.limits.handshake_ms
        return await handshake(sock, name, self._context, limit_ms=limit_ms, identity=self._identity)
