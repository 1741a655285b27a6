"""Whether a peer speaks the other way too: without TLS where TLS was tried, with it where not, without a server name.

Each is asked once, on a connection of its own: of TLS where the peer ended the first connection without a word, of the
server name where the first handshake was good. What answers is a witness; what does not may be anything.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from OpenSSL import SSL

from brokerproof.probes.observation import Observation
from brokerproof.probes.outcome import ApiFacts, HandshakeFacts, Reason, WithoutSni
from brokerproof.probes.plan import Limits
from brokerproof.probes.stages.api import ask_versions
from brokerproof.probes.stages.connect import connect
from brokerproof.probes.stages.handshake import handshake, trust
from brokerproof.probes.wire.kafka_connection import KafkaConnection
from brokerproof.probes.wire.stream import Stream

_ENDED: Final = frozenset({Reason.CLOSED, Reason.RESET})


async def with_plaintext(seen: Observation, address: str, port: int, limits: Limits) -> Observation:
    """What the handshake saw, and where the peer ended it at once, whether Kafka answers there without TLS."""
    facts = seen.facts
    if seen.reason not in _ENDED or not isinstance(facts, HandshakeFacts) or facts.bytes_received:
        return seen

    async def ask(sock: socket.socket) -> bool:
        answer = await ask_versions(KafkaConnection(Stream(sock)), limit_ms=limits.request_ms)
        return isinstance(answer.facts, ApiFacts) and answer.facts.api_count > 0

    answers = await _asked(address, port, limits, ask)
    return msgspec.structs.replace(seen, facts=msgspec.structs.replace(facts, answers_plaintext=answers))


async def with_tls(seen: Observation, name: str, address: str, port: int, limits: Limits) -> Observation:
    """What the first request saw, and where the peer ended it at once, whether TLS answers there."""
    facts = seen.facts
    if seen.reason not in _ENDED or not isinstance(facts, ApiFacts) or facts.first_bytes:
        return seen

    async def ask(sock: socket.socket) -> bool:
        # Who it is, is not asked: any certificate will do.
        answer, _ = await handshake(sock, name, trust(None), limit_ms=limits.handshake_ms)
        return isinstance(answer.facts, HandshakeFacts) and answer.facts.bytes_received > 0

    answers = await _asked(address, port, limits, ask)
    return msgspec.structs.replace(seen, facts=msgspec.structs.replace(facts, answers_tls=answers))


async def without_sni(
    seen: Observation, name: str, address: str, port: int, *, context: SSL.Context, limits: Limits
) -> Observation:
    """What a good handshake saw, and how it ends there where the client sends no server name."""
    ended_ns = time.monotonic_ns()
    facts = seen.facts
    _, sock = await connect(address, port, limit_ms=limits.connect_ms)
    if sock is None or not isinstance(facts, HandshakeFacts):
        return msgspec.structs.replace(seen, ended_ns=ended_ns)
    try:
        again, _ = await handshake(sock, name, context, limit_ms=limits.handshake_ms, with_sni=False)
    finally:
        sock.close()
    sha256 = again.facts.sha256 if isinstance(again.facts, HandshakeFacts) else ""
    told = WithoutSni(reason=again.reason, detail=again.detail, sha256=sha256)
    return msgspec.structs.replace(seen, facts=msgspec.structs.replace(facts, without_sni=told), ended_ns=ended_ns)


async def _asked(
    address: str, port: int, limits: Limits, ask: Callable[[socket.socket], Awaitable[bool]]
) -> bool | None:
    """What a new connection says; None where there is none."""
    _, sock = await connect(address, port, limit_ms=limits.connect_ms)
    if sock is None:
        return None
    try:
        return await ask(sock)
    finally:
        sock.close()
