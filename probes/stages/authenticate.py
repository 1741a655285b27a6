"""Stage ``authenticate``: SASL over the connection that ``api`` was asked on (KIP-43, KIP-152).

What is told apart is told by the broker's error code and the message it answers. Words are looked at in one place
alone: MSK gives several refusals of IAM the same code (58), and its words after the request's id are the only
difference.
"""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Final, Protocol

import msgspec
from kio.schema.errors import ErrorCode
from kio.schema.sasl_authenticate.v1 import SaslAuthenticateRequest, SaslAuthenticateResponse
from kio.schema.sasl_handshake.v1 import SaslHandshakeRequest, SaslHandshakeResponse

from brokerproof.probes.observation import Observation, failed, ok
from brokerproof.probes.outcome import AgainFacts, AuthenticateFacts, NonceFacts, Reason
from brokerproof.probes.wire.kafka_connection import KafkaConnection
from brokerproof.probes.wire.refusals import reason_of_refusal
from brokerproof.probes.wire.scram import ServerNotProvedError
from brokerproof.probes.wire.stream import BrokenStreamError

MOST_MESSAGES: Final = 8
"""Of the client's; SCRAM has two."""
_NO_SUCH_MECHANISM: Final = frozenset({ErrorCode.unsupported_sasl_mechanism, ErrorCode.illegal_sasl_state})
"""Another mechanism; or, where the listener has none at all, the state."""


class Login(Protocol):
    """One login by one mechanism, message by message."""

    mechanism: str
    principal: str

    def first(self) -> bytes:
        """What the client says first."""
        ...

    def answer(self, said: bytes) -> bytes | None:
        """What it says to a message of the server's; None where all is said.

        Raises:
            ServerNotProvedError: the server is not who it says.
        """
        ...


async def authenticate(connection: KafkaConnection, login: Login, *, limit_ms: int) -> Observation:
    """Log in; the connection is of no further use unless it is ok.

    Args:
        connection: Its versions known; nothing was asked on it that needs a login.
        login: New, used once.
        limit_ms: Deadline for all of it. A broker answers a refusal late, by 100 ms unless it is set otherwise.
    """
    talk = _Talk(connection, login)
    try:
        async with asyncio.timeout(limit_ms / 1000):
            refusal = await talk.run()
    except TimeoutError:
        return failed(Reason.TIMED_OUT, f"no answer to {talk.asked} within {limit_ms} ms", talk.told())
    except BrokenStreamError as failure:
        return failed(failure.reason, f"{talk.asked}: {failure.detail}", talk.told())
    except ServerNotProvedError as failure:
        return failed(Reason.SERVER_NOT_PROVED, str(failure), talk.told())
    return ok(talk.told()) if refusal is None else failed(*refusal, talk.told())


def with_nonce(seen: Observation, again: Observation, *, ended_ns: int) -> Observation:
    """A good SCRAM login, with what came of one that repeated its nonce."""
    if not isinstance(seen.facts, AuthenticateFacts):
        return seen
    refused = again.reason is Reason.CREDENTIALS_REFUSED
    if not refused and not again.is_ok:
        return msgspec.structs.replace(seen, ended_ns=ended_ns)  # it broke on the way: nothing is known
    nonce = NonceFacts(accepted=again.is_ok, detail=again.detail)
    return msgspec.structs.replace(
        seen, facts=msgspec.structs.replace(seen.facts, repeated_nonce=nonce), ended_ns=ended_ns
    )


def with_again(seen: Observation, again: Observation, *, ended_ns: int) -> Observation:
    """A good login, with what came of authenticating once more on its connection (KIP-368).

    A client whose second authentication is refused loses its connection when its session ends: it is a failure.
    """
    if not isinstance(seen.facts, AuthenticateFacts):
        return seen
    facts = msgspec.structs.replace(seen.facts, again=AgainFacts(accepted=again.is_ok, detail=again.detail))
    if again.is_ok or again.reason is None:
        return msgspec.structs.replace(seen, facts=facts, ended_ns=ended_ns)
    return failed(again.reason, f"the second authentication of the connection: {again.detail}", facts)


class _Talk:
    """One login's requests, and what is known of it so far."""

    def __init__(self, connection: KafkaConnection, login: Login) -> None:
        self._connection = connection
        self._login = login
        token = getattr(login, "token", None)
        self._facts = AuthenticateFacts(mechanism=login.mechanism, principal=login.principal, token=token)
        self._began_ns = time.monotonic_ns()
        self.asked = "SaslHandshake"

    def told(self) -> AuthenticateFacts:
        """What was seen so far."""
        return msgspec.structs.replace(self._facts, tcp=self._connection.tcp_info())

    def _note(self, **facts: object) -> None:
        self._facts = msgspec.structs.replace(self._facts, **facts)

    async def run(self) -> tuple[Reason, str] | None:
        """Everything, up to a refusal; None where there is none.

        Raises:
            BrokenStreamError: as :meth:`KafkaConnection.call`.
            ServerNotProvedError: the server is not who it says.
        """
        request = SaslHandshakeRequest(mechanism=self._login.mechanism)
        agreed = await self._connection.call(request, SaslHandshakeResponse)
        agreed_ns = time.monotonic_ns()
        code = agreed.error_code
        self._note(offered=tuple(agreed.mechanisms), handshake_ns=agreed_ns - self._began_ns, error_code=int(code))
        if code in _NO_SUCH_MECHANISM:
            offered = ", ".join(agreed.mechanisms) or "none"
            return Reason.MECHANISM_NOT_OFFERED, f"SaslHandshake: {code.name}; this listener has {offered}"
        if code is not ErrorCode.none:
            return Reason.KAFKA_ERROR, f"SaslHandshake: {code.name}"
        self.asked = "SaslAuthenticate"
        refusal = await self._exchange()
        self._note(exchange_ns=time.monotonic_ns() - agreed_ns)
        return refusal

    async def _exchange(self) -> tuple[Reason, str] | None:
        message: bytes | None = self._login.first()
        for _ in range(MOST_MESSAGES):
            if message is None:
                return None
            request = SaslAuthenticateRequest(auth_bytes=message)
            answer = await self._connection.call(request, SaslAuthenticateResponse)
            if answer.error_code is not ErrorCode.none:
                return self._refused(answer)
            lifetime_ms = max(0, answer.session_lifetime // timedelta(milliseconds=1))
            self._note(session_lifetime_ms=lifetime_ms, messages=self._facts.messages + 1)
            message = self._login.answer(answer.auth_bytes)
        return Reason.NOT_KAFKA, f"{MOST_MESSAGES} messages, and no end in sight"

    def _refused(self, answer: SaslAuthenticateResponse) -> tuple[Reason, str]:
        words = answer.error_message or answer.error_code.name
        self._note(error_code=int(answer.error_code), error_message=words)
        if answer.error_code is not ErrorCode.sasl_authentication_failed:
            return Reason.KAFKA_ERROR, f"SaslAuthenticate: {answer.error_code.name}: {words}"
        return reason_of_refusal(words), words
