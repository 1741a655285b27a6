"""How a run logs in: a new login for each connection, from the plan's references, at a pace that brokers bear.

What is read at a reference stays here and goes to the broker: it is in no value that is printed, kept or handed on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Hashable
from typing import Final

import msgspec

from brokerproof.probes.budget import Budget
from brokerproof.probes.caller_identity import caller_words
from brokerproof.probes.credentials import CredentialsError, read
from brokerproof.probes.msk_token import Bearer, TokenSource
from brokerproof.probes.observation import Observation, failed, ok
from brokerproof.probes.outcome import AuthenticateFacts, CallerFacts, HandshakeFacts, Reason, StsAnswer, TokenFlaw
from brokerproof.probes.plan import Authentication, AuthenticationScheme
from brokerproof.probes.spending import current
from brokerproof.probes.stages.authenticate import Login, authenticate
from brokerproof.probes.threads import in_thread
from brokerproof.probes.wire.client_certificate import Identity, identity_of
from brokerproof.probes.wire.kafka_connection import KafkaConnection
from brokerproof.probes.wire.scram import Scram
from brokerproof.probes.wire.stream import BrokenStreamError


def identity_for(authentication: Authentication | None) -> Identity | None:
    """The certificate that the client comes with; None where it logs in otherwise.

    Raises:
        CredentialsError: a reference leads to nothing.
        IdentityError: what is there cannot be used.
    """
    if authentication is None or authentication.scheme is not AuthenticationScheme.MTLS:
        return None
    password = read(authentication.key_password) if authentication.key_password else ""
    return identity_of(read(authentication.certificate), read(authentication.key), password)


class Logins:
    """Logs in, on connections that others make."""

    def __init__(self, authentication: Authentication) -> None:
        self._settings = authentication
        self.budget = Budget(authentication.most_per_s)
        scram = authentication.scheme is AuthenticationScheme.SCRAM_SHA_512
        self.checks_nonce = scram and authentication.checks_nonce
        """Once a run."""
        self.logs_in_again = True
        """Once a run, where the session has a lifetime."""
        self._tokens: TokenSource | CredentialsError | None = None
        self._caller: asyncio.Task[CallerFacts] | None = None

    async def prepare(self) -> None:
        """Find the credentials of AWS before anything is timed: botocore is slow to import, and may ask a network."""
        if self._settings.scheme is AuthenticationScheme.IAM and self._tokens is None:
            self._tokens = await asyncio.to_thread(_token_source, self._settings)

    async def keep_pace(self, broker: Hashable) -> None:
        """Wait until one more authentication at this broker is within the pace, and count it."""
        if self._settings.scheme is not AuthenticationScheme.MTLS:
            await self.budget.take(broker)

    def by_certificate(self, handshake: HandshakeFacts | None) -> Observation | None:
        """What the handshake has shown of a client's certificate; None where the client logs in by SASL."""
        if self._settings.scheme is not AuthenticationScheme.MTLS:
            return None
        told = handshake.client_certificate if handshake is not None else None
        facts = AuthenticateFacts(principal="" if told is None else f"User:{told.subject}")
        if handshake is None or not handshake.client_certificate_requested:
            words = "the listener asked for no certificate in the handshake"
            return failed(Reason.CERTIFICATE_NOT_REQUESTED, words, facts)
        return ok(facts)

    async def log_in(
        self, connection: KafkaConnection, name: str, *, limit_ms: int, repeats_nonce: bool = False
    ) -> Observation:
        """Log in to the broker of this name, once."""
        try:
            login = self._new(name, repeats_nonce=repeats_nonce)
        except CredentialsError as problem:
            facts = AuthenticateFacts(mechanism=self._settings.scheme.mechanism, token=problem.token)
            return failed(problem.reason, str(problem), facts)
        current().note_authentication()
        return await authenticate(connection, login, limit_ms=limit_ms)

    async def with_caller(self, seen: Observation, *, limit_ms: int) -> Observation:
        """A login whose token was refused without a flaw that the client knows, with who STS says the client is.

        Every refused login of the run waits for the one answer; it is not in the stage's time.
        """
        facts, tokens = seen.facts, self._tokens
        if seen.reason is not Reason.CREDENTIALS_REFUSED or not isinstance(facts, AuthenticateFacts):
            return seen
        token = facts.token
        if token is None or _TELLING.intersection(token.flaws) or not isinstance(tokens, TokenSource):
            return seen
        if not self._settings.asks_sts:
            return seen
        ended_ns = seen.ended_ns or time.monotonic_ns()
        if self._caller is None:
            current().note_sts_call()
            self._caller = asyncio.create_task(_caller(tokens, token.region_name, limit_ms))
        caller = await asyncio.shield(self._caller)
        return msgspec.structs.replace(
            seen,
            detail=f"{seen.detail}; {caller_words(caller)}",
            facts=msgspec.structs.replace(facts, caller=caller),
            ended_ns=ended_ns,
        )

    async def again(self, connection: KafkaConnection, name: str, broker: Hashable, *, limit_ms: int) -> None:
        """Log in on a further connection to where it went well before.

        Raises:
            BrokenStreamError: it does not go well any more; the connection is closed.
        """
        if self._settings.scheme is AuthenticationScheme.MTLS:
            return
        await self.keep_pace(broker)
        seen = await self.log_in(connection, name, limit_ms=limit_ms)
        if not seen.is_ok:
            connection.close()
            raise BrokenStreamError(Reason.CLOSED, f"a further login: {seen.detail}")

    def _new(self, name: str, *, repeats_nonce: bool) -> Login:
        settings = self._settings
        if settings.scheme is AuthenticationScheme.IAM:
            tokens = self._tokens = self._tokens or _token_source(settings)
            if isinstance(tokens, CredentialsError):
                raise tokens
            return Bearer(tokens.token(name))
        return Scram(read(settings.username), read(settings.password), repeats_nonce=repeats_nonce)


_TELLING: Final = frozenset({TokenFlaw.OTHER_REGION, TokenFlaw.CREDENTIALS_ENDED})
"""Flaws that say by themselves why a token is refused."""


async def _caller(tokens: TokenSource, region_name: str, limit_ms: int) -> CallerFacts:
    limit_s = limit_ms / 1000
    try:
        async with asyncio.timeout(limit_s):
            return await in_thread(lambda: tokens.caller(region_name, limit_s=limit_s), "sts")
    except (TimeoutError, CredentialsError):
        return CallerFacts(answer=StsAnswer.NOT_REACHED)


def _token_source(settings: Authentication) -> TokenSource | CredentialsError:
    try:
        source = TokenSource(settings)
        source.refresh()
    except CredentialsError as problem:
        return problem
    return source
