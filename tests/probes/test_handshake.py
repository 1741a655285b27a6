"""Stage ``handshake``: what each certificate fault and each bad peer is called."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from OpenSSL import SSL

from brokerproof.probes.observation import Observation
from brokerproof.probes.outcome import HandshakeFacts, Reason, Status
from brokerproof.probes.stages.connect import connect
from brokerproof.probes.stages.handshake import BadCaFileError, handshake, trust
from tests.probes.authority import Authority
from tests.probes.peers import (
    LOOPBACK,
    PATIENT_MS,
    Behaviour,
    closing,
    dripping,
    endless,
    greeting,
    limit_ms,
    peer,
    resetting,
    run,
    saying,
    silent,
)

NAME = "b-1.demo.abc123.c2.kafka.us-east-1.amazonaws.com"
WILDCARD = "*.demo.abc123.c2.kafka.us-east-1.amazonaws.com"
YESTERDAY = datetime.now(UTC) - timedelta(days=1)
TOMORROW = datetime.now(UTC) + timedelta(days=1)
LAST_WEEK = datetime.now(UTC) - timedelta(days=7)


async def shake(port: int, name: str, ca_file: Path, within_ms: int = PATIENT_MS) -> tuple[Observation, HandshakeFacts]:
    connected, sock = await connect(LOOPBACK, port, limit_ms=PATIENT_MS)
    assert sock is not None, connected
    try:
        seen, stream = await handshake(sock, name, trust(str(ca_file)), limit_ms=within_ms)
        assert (stream is not None) == (seen.status is Status.OK)
    finally:
        sock.close()
    assert isinstance(seen.facts, HandshakeFacts)
    return seen, seen.facts


def judged(context: ssl.SSLContext, name: str, ca_file: Path) -> tuple[Observation, HandshakeFacts]:
    async def work() -> tuple[Observation, HandshakeFacts]:
        async with peer(silent, context=context) as port:
            return await shake(port, name, ca_file)

    return run(work())


def test_a_right_certificate_is_recorded(authority: Authority) -> None:
    seen, facts = judged(authority.server(WILDCARD, common_name="kafka"), NAME, authority.ca_file)
    assert seen.status is Status.OK
    assert (facts.chain_ok, facts.name_ok, facts.dates_ok) == (True, True, True)
    assert facts.sni == NAME
    assert facts.tls_version == "TLSv1.3"
    assert facts.cipher
    assert facts.subject == "CN=kafka"
    assert facts.issuer == "CN=Test CA"
    assert facts.dns_names == (WILDCARD,)
    assert facts.chain == ("CN=kafka", "CN=Test CA")
    assert datetime.fromisoformat(facts.not_before) < datetime.now(UTC) < datetime.fromisoformat(facts.not_after)
    assert len(facts.sha256) == 64
    assert facts.verify_errors == ()
    assert not facts.client_certificate_requested


@pytest.mark.parametrize(
    ("names", "asked"),
    [
        ((NAME,), NAME),
        ((NAME,), NAME + "."),
        ((NAME.upper(),), NAME),
        ((LOOPBACK,), LOOPBACK),
        ((WILDCARD, "*.com"), NAME),
        (("*.com", "*", NAME), NAME),
        (("b*.demo.abc123.c2.kafka.us-east-1.amazonaws.com",), NAME),
    ],
    ids=[
        "exact",
        "final dot",
        "case",
        "address",
        "beside a wildcard that is too short",
        "behind two of them",
        "a part of a label",
    ],
)
def test_names_that_match(authority: Authority, names: tuple[str, ...], asked: str) -> None:
    seen, _ = judged(authority.server(*names), asked, authority.ca_file)
    assert seen.status is Status.OK, seen


@pytest.mark.parametrize(
    ("names", "asked"),
    [
        (("b-2.other.kafka.amazonaws.com",), NAME),
        (("*.abc123.c2.kafka.us-east-1.amazonaws.com",), NAME),
        ((), NAME),
        (("10.0.0.1",), LOOPBACK),
        ((NAME,), LOOPBACK),
        (("*.com",), "msk.com"),
        (("*",), NAME),
    ],
    ids=[
        "another",
        "wildcard one label short",
        "no SAN",
        "another address",
        "name for an address",
        "a wildcard that is too short alone",
        "a star alone",
    ],
)
def test_names_that_do_not_match(authority: Authority, names: tuple[str, ...], asked: str) -> None:
    seen, facts = judged(authority.server(*names), asked, authority.ca_file)
    assert (seen.status, seen.reason) == (Status.FAILED, Reason.NAME_MISMATCH)
    assert (facts.chain_ok, facts.name_ok, facts.dates_ok) == (True, False, True)
    assert facts.problems == (Reason.NAME_MISMATCH,)


@pytest.mark.parametrize(
    ("not_before", "not_after", "reason"),
    [
        (LAST_WEEK, YESTERDAY, Reason.CERTIFICATE_EXPIRED),
        (TOMORROW, TOMORROW + timedelta(days=9), Reason.CERTIFICATE_NOT_YET_VALID),
    ],
)
def test_dates(authority: Authority, not_before: datetime, not_after: datetime, reason: Reason) -> None:
    context = authority.server(NAME, not_before=not_before, not_after=not_after)
    seen, facts = judged(context, NAME, authority.ca_file)
    assert (seen.status, seen.reason) == (Status.FAILED, reason)
    assert (facts.chain_ok, facts.name_ok, facts.dates_ok) == (True, True, False)
    assert facts.verify_errors


def test_another_authority_is_an_untrusted_chain(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path, "Other CA")
    seen, facts = judged(other.server(NAME), NAME, authority.ca_file)
    assert (seen.status, seen.reason) == (Status.FAILED, Reason.CHAIN_UNTRUSTED)
    assert (facts.chain_ok, facts.name_ok, facts.dates_ok) == (False, True, True)
    assert facts.verify_errors[0] == "19@1 self-signed certificate in certificate chain"
    assert facts.issuer == "CN=Other CA"


def test_three_faults_at_once_are_all_told_and_the_chain_comes_first(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path, "Other CA")
    context = other.server("another.example", not_before=LAST_WEEK, not_after=YESTERDAY)
    seen, facts = judged(context, NAME, authority.ca_file)
    assert seen.reason is Reason.CHAIN_UNTRUSTED
    assert facts.problems == (Reason.CHAIN_UNTRUSTED, Reason.CERTIFICATE_EXPIRED, Reason.NAME_MISMATCH)


def test_dates_are_judged_also_where_the_chain_cannot_be_built(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path, "Other CA")
    context = other.server(NAME, not_before=LAST_WEEK, not_after=YESTERDAY, leaf_only=True)
    seen, facts = judged(context, NAME, authority.ca_file)
    assert facts.problems == (Reason.CHAIN_UNTRUSTED, Reason.CERTIFICATE_EXPIRED)
    assert facts.chain == ("CN=broker",)
    assert "20@0 unable to get local issuer certificate" in seen.detail


def test_sni_is_the_name_and_absent_for_an_address(authority: Authority) -> None:
    heard: list[str | None] = []
    context = authority.server(NAME, LOOPBACK)
    context.sni_callback = lambda _socket, name, _context: heard.append(name)
    judged(context, NAME, authority.ca_file)
    judged(context, LOOPBACK, authority.ca_file)
    assert heard == [NAME, None]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_request_for_a_client_certificate_is_noted(authority: Authority, version: ssl.TLSVersion) -> None:
    context = authority.server(NAME, ask_client=True)
    context.minimum_version = context.maximum_version = version
    seen, facts = judged(context, NAME, authority.ca_file)
    assert seen.status is Status.OK
    assert facts.client_certificate_requested
    assert facts.tls_version == version.name.replace("_", ".")


def test_nothing_is_sent_to_a_peer_that_was_not_verified(authority: Authority, tmp_path: Path) -> None:
    heard = bytearray()
    ended = asyncio.Event()

    async def listening(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            heard.extend(data)
        ended.set()

    async def work() -> Observation:
        other = Authority(tmp_path, "Other CA")
        async with peer(listening, context=other.server(NAME)) as port:
            seen, _ = await shake(port, NAME, authority.ca_file)
            await ended.wait()
            return seen

    assert run(work()).reason is Reason.CHAIN_UNTRUSTED
    assert heard == b""


TLS_ALERT = bytes([21, 3, 3, 0, 2, 2, 40])
TLS_RECORD_CUT_SHORT = bytes([22, 3, 3, 64, 0])


@pytest.mark.parametrize(
    ("behaviour", "reason", "words"),
    [
        (silent, Reason.TIMED_OUT, "0 bytes received"),
        (closing, Reason.CLOSED, "the peer closed the connection"),
        (resetting, Reason.RESET, "ECONNRESET: Connection reset by peer"),
        (greeting(b"220 mail.example ESMTP\r\n"), Reason.NOT_TLS, "it says b'220 mail.example ESMTP"),
        (saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Reason.NOT_TLS, "it says b'HTTP/1.1 400"),
        (saying(b"\x00\x00\x00\x0a"), Reason.NOT_TLS, "does not speak TLS"),
        (saying(b"\x16\x05\x01hello"), Reason.NOT_TLS, "does not speak TLS"),
        (saying(b"\x16\x03\x03\x00\x05hello"), Reason.PROTOCOL_ERROR, ""),
        (saying(TLS_ALERT), Reason.ALERT, "alert 40 handshake failure"),
        (saying(TLS_RECORD_CUT_SHORT), Reason.TIMED_OUT, "5 bytes received"),
        (dripping(TLS_RECORD_CUT_SHORT + bytes(1000)), Reason.TIMED_OUT, "bytes received"),
        (endless(b"A" * 4096), Reason.NOT_TLS, "it says b'AAAA"),
        (endless(b"\x16\x03\x03\x40\x00" + bytes(0x4000)), Reason.TOO_MUCH, "no end in sight"),
    ],
    ids=[
        "silent",
        "closing",
        "resetting",
        "banner",
        "http",
        "plaintext kafka",
        "wrong record version",
        "garbage record",
        "alert",
        "record cut short",
        "dripping",
        "endless text",
        "endless records",
    ],
)
def test_bad_peers(authority: Authority, behaviour: Behaviour, reason: Reason, words: str) -> None:
    async def work() -> tuple[Observation, HandshakeFacts]:
        async with peer(behaviour) as port:
            return await shake(port, NAME, authority.ca_file, limit_ms(reason))

    begin = time.monotonic()
    seen, facts = run(work())
    assert (seen.status, seen.reason) == (Status.FAILED, reason), seen
    assert words in seen.detail
    assert (facts.chain_ok, facts.name_ok, facts.dates_ok) == (None, None, None)
    assert time.monotonic() - begin < PATIENT_MS / 1000


@pytest.mark.parametrize(
    ("number", "words"), [(70, "70 protocol version"), (112, "112 unrecognized name"), (99, "99 unknown")]
)
def test_an_alert_is_recorded_with_its_number(authority: Authority, number: int, words: str) -> None:
    async def work() -> tuple[Observation, HandshakeFacts]:
        async with peer(saying(bytes([21, 3, 3, 0, 2, 2, number]))) as port:
            return await shake(port, NAME, authority.ca_file)

    seen, facts = run(work())
    assert (seen.reason, facts.alert, facts.alert_number) == (Reason.ALERT, words, number)
    assert not facts.no_common_version


def test_a_peer_of_an_older_version_is_recorded_as_such(authority: Authority) -> None:
    """A ServerHello of TLS 1.0, which the probe does not take."""
    hello = b"\x03\x01" + bytes(32) + b"\x00\x00\x2f\x00"
    message = b"\x02" + len(hello).to_bytes(3, "big") + hello

    async def work() -> tuple[Observation, HandshakeFacts]:
        async with peer(saying(b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message)) as port:
            return await shake(port, NAME, authority.ca_file)

    seen, facts = run(work())
    assert (seen.reason, seen.detail) == (Reason.PROTOCOL_ERROR, "unsupported protocol")
    assert facts.no_common_version
    assert facts.alert_number is None


def test_a_name_that_is_not_ascii_is_no_sni(authority: Authority) -> None:
    with socket.socket() as sock:
        seen, _ = run(handshake(sock, "bücher.example", trust(str(authority.ca_file)), limit_ms=PATIENT_MS))
    assert (seen.status, seen.reason) == (Status.FAILED, Reason.NAME_MISMATCH)


def test_a_ca_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("no certificate here\n")
    for path, words in [
        (tmp_path / "missing.pem", "No such file"),
        (tmp_path, "Is a directory"),
        (empty, "no usable certificate"),
    ]:
        with pytest.raises(BadCaFileError, match=words) as problem:
            trust(str(path))
        assert str(path) in str(problem.value)


def test_the_hosts_own_store_is_the_default(authority: Authority) -> None:
    async def work() -> Observation:
        async with peer(silent, context=authority.server(NAME)) as port:
            _, sock = await connect(LOOPBACK, port, limit_ms=PATIENT_MS)
            assert sock is not None
            seen, _ = await handshake(sock, NAME, trust(None), limit_ms=PATIENT_MS)
            sock.close()
            return seen

    assert run(work()).reason is Reason.CHAIN_UNTRUSTED


def test_the_client_hello_fits_into_one_segment_as_a_jvms_does(authority: Authority) -> None:
    heard: list[bytes] = []

    async def listening(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(65536))
        writer.close()

    async def work() -> None:
        async with peer(listening) as port:
            await shake(port, NAME, authority.ca_file)

    run(work())
    assert 200 < len(heard[0]) < 536  # the least segment an IPv4 host must take (RFC 9293, 3.7.1)


class OtherBinding:
    """pyOpenSSL's native functions, of which one is gone or takes something else."""

    def __init__(self, real: Any, gone: str, instead: Callable[..., None] | None) -> None:
        self._real = real
        self._gone = gone
        self._instead = instead

    def __getattr__(self, name: str) -> Any:
        if name != self._gone:
            return getattr(self._real, name)
        if self._instead is None:
            raise AttributeError(name)
        return self._instead


def of_another_type(*_: object) -> None:
    raise TypeError("initializer for ctype 'SSL_CTX *' must be a cdata pointer, not SSLContext")


@pytest.mark.parametrize("instead", [None, of_another_type], ids=["gone", "of another type"])
def test_a_pyopenssl_that_cannot_be_told_the_groups_shakes_hands_all_the_same(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, instead: Callable[..., None] | None
) -> None:
    monkeypatch.setattr(SSL, "_lib", OtherBinding(vars(SSL)["_lib"], "SSL_CTX_set1_curves_list", instead))

    seen, facts = judged(authority.server(WILDCARD), NAME, authority.ca_file)

    assert seen.status is Status.OK
    assert (facts.chain_ok, facts.name_ok) == (True, True)


@pytest.mark.parametrize("instead", [None, of_another_type], ids=["gone", "of another type"])
@pytest.mark.parametrize(
    ("names", "status"),
    [((WILDCARD, "*.com"), Status.OK), ((LOOPBACK, NAME), Status.OK), (("*.com",), Status.FAILED), ((), Status.FAILED)],
)
def test_a_pyopenssl_that_cannot_be_told_the_name_judges_it_all_the_same(
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    instead: Callable[..., None] | None,
    names: tuple[str, ...],
    status: Status,
) -> None:
    monkeypatch.setattr(SSL, "_lib", OtherBinding(vars(SSL)["_lib"], "X509_VERIFY_PARAM_set1_host", instead))
    seen, facts = judged(authority.server(*names), NAME, authority.ca_file)
    assert (seen.status, facts.name_ok) == (status, status is Status.OK)


def test_a_name_in_the_subject_alone_is_taken_as_openssl_and_java_do(authority: Authority) -> None:
    seen, facts = judged(authority.server(common_name=NAME), NAME, authority.ca_file)
    assert (seen.status, facts.name_ok) == (Status.OK, True)
    seen, facts = judged(authority.server("another.example", common_name=NAME), NAME, authority.ca_file)
    assert (seen.reason, facts.name_ok) == (Reason.NAME_MISMATCH, False)
