"""Stage ``handshake``: TLS with the broker's name as SNI; chain, dates and name judged separately.

Verification errors are collected while the handshake runs to its end, so that one connection shows
all of them, and the certificate too where it is wrong. After a failed verification nothing more is
sent: the caller closes the socket.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec
from OpenSSL import SSL, crypto

from brokerproof.probes.observation import Observation, failed, ok
from brokerproof.probes.outcome import HandshakeFacts, Reason
from brokerproof.probes.outcome.bounds import CHAIN_CERTIFICATES, HANDSHAKE_BYTES
from brokerproof.probes.wire.certificates import Described, described, names_match
from brokerproof.probes.wire.client_certificate import Identity, IdentityError, facts_of
from brokerproof.probes.wire.dns_exchange import is_address
from brokerproof.probes.wire.stream import (
    BrokenStreamError,
    Stream,
    TlsStream,
    drain,
    first_bytes,
    openssl_reasons,
    openssl_words,
    provoke,
)
from brokerproof.probes.wire.tcp_info import read_tcp_info

NAMES_SHOWN: Final = 20
_UNREADABLE: Final = "a time that cannot be read"

_CHANGE_CIPHER_SPEC: Final = 20
_ALERT: Final = 21
_HANDSHAKE: Final = 22
_APPLICATION_DATA: Final = 23
_RECORD_TYPES: Final = frozenset({_CHANGE_CIPHER_SPEC, _ALERT, _HANDSHAKE, _APPLICATION_DATA})
"""RFC 8446, 5.1."""
_RECORD_HEADER_BYTES: Final = 5
"""Type, version, and the length in its last two."""

_CERTIFICATE_NOT_YET_VALID: Final = 9
_CERTIFICATE_EXPIRED: Final = 10
_HOSTNAME_MISMATCH: Final = 62
_APART: Final = frozenset({_CERTIFICATE_NOT_YET_VALID, _CERTIFICATE_EXPIRED, _HOSTNAME_MISMATCH})
"""What is judged beside the chain."""

_VERIFY_WORDS: Final = {
    2: "unable to get issuer certificate",
    7: "certificate signature failure",
    _CERTIFICATE_NOT_YET_VALID: "certificate is not yet valid",
    _CERTIFICATE_EXPIRED: "certificate has expired",
    18: "self-signed certificate",
    19: "self-signed certificate in certificate chain",
    20: "unable to get local issuer certificate",
    21: "unable to verify the first certificate",
    22: "certificate chain too long",
    23: "certificate revoked",
    24: "invalid CA certificate",
    26: "unsuitable certificate purpose",
    27: "certificate not trusted",
    28: "certificate rejected",
    _HOSTNAME_MISMATCH: "hostname mismatch",
    66: "EE certificate key too weak",
    67: "CA certificate key too weak",
    68: "CA signature digest algorithm too weak",
}
"""OpenSSL's words for X509_V_ERR_* (x509_vfy.h), which pyOpenSSL does not hand out."""

_ALERTS: Final = {
    0: "close notify",
    10: "unexpected message",
    20: "bad record mac",
    22: "record overflow",
    40: "handshake failure",
    42: "bad certificate",
    43: "unsupported certificate",
    44: "certificate revoked",
    45: "certificate expired",
    46: "certificate unknown",
    47: "illegal parameter",
    48: "unknown ca",
    49: "access denied",
    50: "decode error",
    51: "decrypt error",
    70: "protocol version",
    71: "insufficient security",
    80: "internal error",
    86: "inappropriate fallback",
    90: "user canceled",
    109: "missing extension",
    110: "unsupported extension",
    112: "unrecognized name",
    115: "unknown psk identity",
    116: "certificate required",
    120: "no application protocol",
}
"""Alert descriptions (RFC 8446, 6)."""

_NO_COMMON_VERSION: Final = frozenset(
    {
        "bad protocol version number",
        "no protocols available",
        "no shared cipher",
        "unknown ssl version",
        "unsupported protocol",
        "unsupported ssl version",
        "version too high",
        "version too low",
        "wrong ssl version",
        "wrong version number",
    }
)
"""OpenSSL's reasons (ssl_err.c) where the two sides have no version, or no cipher suite, in common."""


_GROUPS: Final = b"X25519:P-256:P-384:P-521"
"""What a JVM offers, as most Kafka clients and all MSK brokers are, less X448 and finite fields (JDK 17, JSSE Reference
Guide). OpenSSL 3.5 puts X25519MLKEM768 first, whose 1,184 bytes make the ClientHello two segments: what is lost for its
size would be lost for no other client, and sizes are the stage ``path_size``'s to find."""


class BadCaFileError(Exception):
    """The CA bundle cannot be used; the message names the file and what is wrong with it."""


class _Noted(msgspec.Struct):
    """What OpenSSL's callbacks and the socket told during one handshake; they find it as the connection's app data."""

    verify_errors: list[tuple[int, int]] = msgspec.field(default_factory=list)
    alert: int | None = None
    no_common_version: bool = False
    certificate_requested: bool = False
    bytes_received: int = 0
    first_bytes: str = ""
    authorities: tuple[tuple[bytes, str], ...] = ()
    """Whom the peer takes a client's certificate from, as it says: encoded, and in words."""
    judges_name: bool = False
    """Whether OpenSSL was told the name, and judges it with the chain."""


def trust(ca_file: str | None) -> SSL.Context:
    """A client context that trusts ``ca_file``, or the host's own store where it is None.

    Raises:
        BadCaFileError: the file is missing, unreadable, or holds no certificate.
    """
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_verify(SSL.VERIFY_PEER, _verify)
    _offer_groups(context)
    if ca_file is None:
        context.set_default_verify_paths()
        return context
    try:
        with Path(ca_file).open("rb"):
            # Opened only to know why, where it cannot be: OpenSSL merges all causes into one.
            pass
        context.load_verify_locations(ca_file)
    except OSError as failure:
        raise BadCaFileError(f"{ca_file}: {failure.strerror}") from failure
    except SSL.Error as failure:
        raise BadCaFileError(f"{ca_file}: no usable certificate in it ({openssl_words(failure)})") from failure
    return context


def present(context: SSL.Context, identity: Identity) -> None:
    """Have every connection of the context present this certificate where one is asked for.

    Raises:
        IdentityError: the key does not fit.
    """
    leaf, *intermediates = identity.chain
    try:
        context.use_certificate(leaf)
        for each in intermediates:
            context.add_extra_chain_cert(each)
        context.use_privatekey(identity.key)
        context.check_privatekey()
    except SSL.Error as failure:
        raise IdentityError(f"the key does not fit the certificate ({openssl_words(failure)})") from None


def _offer_groups(context: SSL.Context) -> None:
    """Have the ClientHello offer :data:`_GROUPS` alone, where pyOpenSSL lets us.

    It has no public word for that, and its binding is its own affair: of one that is not as known here, the
    handshake offers what OpenSSL does by itself. Every verdict but one stays the same; see :data:`_GROUPS`.
    """
    set_groups: Any = getattr(vars(SSL).get("_lib"), "SSL_CTX_set1_curves_list", None)
    native = vars(context).get("_context")
    if set_groups is None or native is None:
        return
    with suppress(TypeError):  # of cffi: the context is another kind of pointer now
        set_groups(native, _GROUPS)


async def handshake(
    sock: socket.socket,
    name: str,
    context: SSL.Context,
    *,
    limit_ms: int,
    with_sni: bool = True,
    identity: Identity | None = None,
) -> tuple[Observation, TlsStream | None]:
    """Do the handshake over a connected socket.

    Args:
        sock: Connected and non-blocking; the caller closes it.
        name: What the certificate must be for. SNI carries it, unless it is an address (RFC 6066).
        context: From :func:`trust`; shared by all connections of a plan.
        limit_ms: Deadline for the whole handshake.
        with_sni: Whether the name is sent; it is verified all the same.
        identity: What the context presents, for the facts.

    Returns:
        What was seen, and the encrypted stream where chain, dates and name are all right.
    """
    noted = _Noted()
    seen, stream = await _shake(sock, name, context, limit_ms, noted, with_sni=with_sni)
    if isinstance(seen.facts, HandshakeFacts):
        told = facts_of(identity, noted.authorities)
        facts = msgspec.structs.replace(seen.facts, tcp=read_tcp_info(sock), client_certificate=told)
        seen = msgspec.structs.replace(seen, facts=facts)
    return seen, stream


async def _shake(
    sock: socket.socket, name: str, context: SSL.Context, limit_ms: int, noted: _Noted, *, with_sni: bool
) -> tuple[Observation, TlsStream | None]:
    host = name.rstrip(".")
    sni = host if with_sni and not is_address(host) else ""
    tls = SSL.Connection(context, None)
    tls.set_app_data(noted)
    if sni:
        try:
            tls.set_tlsext_host_name(sni.encode("ascii"))
        except UnicodeError as failure:
            facts = HandshakeFacts(sni=sni)
            return failed(Reason.NAME_MISMATCH, f"{sni!r} cannot be an SNI: {failure}", facts), None
    tls.set_connect_state()
    noted.judges_name = not is_address(host) and _judge_name(tls, host)
    stream = Stream(sock)
    try:
        async with asyncio.timeout(limit_ms / 1000):
            await _run(tls, stream, noted)
    except TimeoutError:
        noted.first_bytes = "" if noted.bytes_received else await _provoked(stream)
        detail = f"no end of the handshake within {limit_ms} ms, {noted.bytes_received} bytes received"
        return failed(Reason.TIMED_OUT, detail, _facts(sni, tls, noted)), None
    except BrokenStreamError as failure:
        return failed(failure.reason, failure.detail, _facts(sni, tls, noted)), None
    return _judge(host, sni, tls, noted, sock)


def _verify(tls: SSL.Connection, _certificate: crypto.X509, number: int, depth: int, _ok: int) -> bool:
    """Take every certificate, and note what is wrong with it."""
    if number:
        _noted(tls).verify_errors.append((number, depth))
    return True


def _inform(tls: SSL.Connection, where: int, code: int) -> None:
    if where & SSL.SSL_CB_ALERT and where & SSL.SSL_CB_READ:
        _noted(tls).alert = code & 0xFF


def _alert_words(number: int) -> str:
    return f"{number} {_ALERTS.get(number, 'unknown')}"


def _noted(tls: SSL.Connection) -> _Noted:
    noted = tls.get_app_data()
    if not isinstance(noted, _Noted):
        raise TypeError("a connection that no handshake here began")
    return noted


async def _run(tls: SSL.Connection, stream: Stream, noted: _Noted) -> None:
    """Pump bytes until the handshake is done.

    Raises:
        BrokenStreamError: with any reason of the stage but those about the certificate.
    """
    while True:
        try:
            tls.do_handshake()
        except SSL.WantReadError:
            done = False
        except SSL.Error as failure:
            words = openssl_words(failure)
            if noted.alert is not None:
                raise BrokenStreamError(Reason.ALERT, f"alert {_alert_words(noted.alert)} ({words})") from failure
            noted.no_common_version = not _NO_COMMON_VERSION.isdisjoint(openssl_reasons(failure))
            raise BrokenStreamError(Reason.PROTOCOL_ERROR, words) from failure
        else:
            done = True
        flight = drain(tls)
        _note_request(tls, noted, flight)
        await stream.send(flight)
        if done:
            return
        data = await stream.receive_some()
        if not noted.bytes_received and not _starts_a_record(data):
            noted.first_bytes = first_bytes(data)
            raise BrokenStreamError(Reason.NOT_TLS, f"the peer does not speak TLS; it says {data[:32]!r}")
        if noted.bytes_received or _ALERT in _record_types(data):
            # OpenSSL tells an alert's number here alone; it calls at every step, so not where no alert can be.
            tls.set_info_callback(_inform)
        noted.bytes_received += len(data)
        if noted.bytes_received > HANDSHAKE_BYTES:
            words = f"{noted.bytes_received} bytes and no end in sight; {HANDSHAKE_BYTES} are read at most"
            raise BrokenStreamError(Reason.TOO_MUCH, words)
        tls.bio_write(data)


def _note_request(tls: SSL.Connection, noted: _Noted, flight: bytes) -> None:
    """Whether the peer wants a certificate of the client, and of whom."""
    if _has_certificate(flight):
        noted.certificate_requested = True
        noted.authorities = tuple((name.der(), _words_of(name)) for name in tls.get_client_ca_list())


def _words_of(name: crypto.X509Name) -> str:
    """As RFC 4514 has it, the last part first."""
    parts = reversed(name.get_components())
    return ",".join(f"{kind.decode()}={value.decode(errors='replace')}" for kind, value in parts)


async def _provoked(stream: Stream) -> str:
    """What else a peer says whose TCP took the ClientHello; empty where it stays silent."""
    tcp = read_tcp_info(stream.sock)
    taken = tcp is None or not tcp.unacknowledged_segments
    return first_bytes(await provoke(stream)) if taken else ""


def _starts_a_record(data: bytes) -> bool:
    return data[0] in _RECORD_TYPES and data[1:2] in {b"", b"\x03"}


def _record_types(data: bytes) -> list[int]:
    """The types of the records that begin in ``data``, which begins with one."""
    types, at = [], 0
    while at < len(data):
        types.append(data[at])
        at += _RECORD_HEADER_BYTES + int.from_bytes(data[at + 3 : at + _RECORD_HEADER_BYTES], "big")
    return types


def _has_certificate(flight: bytes) -> bool:
    """Whether a client's Certificate is among these records: it is sent, empty, exactly where one is requested.

    Without it there are ClientKeyExchange and Finished (RFC 5246, 7.3), or Finished alone, encrypted (RFC 8446, 4.4).
    """
    types = [kind for kind in _record_types(flight) if kind in {_HANDSHAKE, _APPLICATION_DATA}]
    return len(types) > (1 if _APPLICATION_DATA in types else 2)


def _judge(
    host: str, sni: str, tls: SSL.Connection, noted: _Noted, sock: socket.socket
) -> tuple[Observation, TlsStream | None]:
    chain = _chain(tls)
    if not chain:
        return failed(Reason.PROTOCOL_ERROR, "the peer sent no certificate", _facts(sni, tls, noted)), None
    certificate = chain[0]
    said = described(certificate)
    numbers = {number for number, _ in noted.verify_errors}
    expired = _CERTIFICATE_EXPIRED in numbers
    too_early = _CERTIFICATE_NOT_YET_VALID in numbers
    chain_ok = not numbers - _APART
    name_ok = _HOSTNAME_MISMATCH not in numbers if noted.judges_name else names_match(certificate, host)
    name_words = "" if name_ok else f"not for {host}, but for {_names(said)}"
    problems = {
        Reason.CHAIN_UNTRUSTED: "" if chain_ok else "; ".join(_verify_words(noted, of_chain=True)),
        Reason.CERTIFICATE_EXPIRED: f"expired at {said.not_after or _UNREADABLE}" if expired else "",
        Reason.CERTIFICATE_NOT_YET_VALID: (f"not valid before {said.not_before or _UNREADABLE}" if too_early else ""),
        Reason.NAME_MISMATCH: name_words,
    }
    found = tuple(reason for reason, words in problems.items() if words)
    facts = _facts(
        sni,
        tls,
        noted,
        chain=chain,
        verdict=_ChainJudgement(
            chain_ok=chain_ok, name_ok=name_ok, dates_ok=not (expired or too_early), problems=found
        ),
    )
    if found:
        detail = "; ".join(words for words in problems.values() if words)
        return failed(found[0], detail, facts), None
    if noted.certificate_requested:
        # TLS 1.3 judges it after the handshake, and says so by an alert.
        tls.set_info_callback(_inform)
    return ok(facts), TlsStream(sock, tls)


def _names(said: Described) -> str:
    """Those a certificate is for; a few of them where they are many."""
    shown = ", ".join(said.dns_names[:NAMES_SHOWN])
    more = f" and {len(said.dns_names) - NAMES_SHOWN} more" if len(said.dns_names) > NAMES_SHOWN else ""
    return f"{shown}{more}" if shown else "no name" if not said.unreadable else "no name that can be read"


def _chain(tls: SSL.Connection) -> Sequence[bytes]:
    """As the peer sent it, in DER, its own certificate first (SSL_get_peer_cert_chain(3), of a client)."""
    found = tls.get_peer_cert_chain() or ()
    return [crypto.dump_certificate(crypto.FILETYPE_ASN1, each) for each in found[:CHAIN_CERTIFICATES]]


def _judge_name(tls: SSL.Connection, host: str) -> bool:
    """Have OpenSSL judge the name as it does for its clients (X509_check_host(3)), librdkafka among them.

    pyOpenSSL has no public word for that, and its binding is its own affair; see :func:`_offer_groups`.

    Returns:
        Whether OpenSSL was told; the name is compared here where not.
    """
    binding = vars(SSL).get("_lib")
    of_connection: Any = getattr(binding, "SSL_get0_param", None)
    set_host: Any = getattr(binding, "X509_VERIFY_PARAM_set1_host", None)
    native = vars(tls).get("_ssl")
    if of_connection is None or set_host is None or native is None:
        return False
    name = host.encode("ascii")
    with suppress(TypeError):  # of cffi: the connection is another kind of pointer now
        return bool(set_host(of_connection(native), name, len(name)))
    return False


def _verify_words(noted: _Noted, *, of_chain: bool = False) -> list[str]:
    left_out = _APART if of_chain else frozenset()
    return [
        f"{number}@{depth} {_VERIFY_WORDS.get(number, 'verification error')}"
        for number, depth in noted.verify_errors
        if number not in left_out
    ]


class _ChainJudgement(msgspec.Struct, frozen=True):
    """The three judgements; None where there was no certificate to judge."""

    chain_ok: bool | None = None
    name_ok: bool | None = None
    dates_ok: bool | None = None
    problems: tuple[Reason, ...] = ()


_UNJUDGED: Final = _ChainJudgement()


def _facts(
    sni: str,
    tls: SSL.Connection,
    noted: _Noted,
    *,
    chain: Sequence[bytes] | None = None,
    verdict: _ChainJudgement = _UNJUDGED,
) -> HandshakeFacts:
    chain = _chain(tls) if chain is None else chain
    said = described(chain[0]) if chain else Described()
    return HandshakeFacts(
        sni=sni,
        tls_version=tls.get_protocol_version_name() if chain else "",
        cipher=tls.get_cipher_name() or "",
        chain_ok=verdict.chain_ok,
        name_ok=verdict.name_ok,
        dates_ok=verdict.dates_ok,
        problems=verdict.problems,
        verify_errors=tuple(_verify_words(noted)),
        subject=said.subject,
        issuer=said.issuer,
        dns_names=said.dns_names,
        not_before=said.not_before,
        not_after=said.not_after,
        sha256=said.sha256,
        unreadable=said.unreadable,
        chain=tuple(described(entry).subject for entry in chain),
        alert="" if noted.alert is None else _alert_words(noted.alert),
        alert_number=noted.alert,
        no_common_version=noted.no_common_version,
        client_certificate_requested=noted.certificate_requested,
        bytes_received=noted.bytes_received,
        first_bytes=noted.first_bytes,
    )
