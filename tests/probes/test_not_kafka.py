"""What listens at a broker's place and is no broker: what it said is kept, over real sockets, with TLS and without."""

from __future__ import annotations

import asyncio
import http.server
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from brokerproof.probes.outcome import ApiFacts, HandshakeFacts, Outcome, Reason, Stage, Status, WithoutSni
from brokerproof.probes.plan import Limits, Tls
from tests.probes.authority import Authority
from tests.probes.fake_dns import answering, dns_server
from tests.probes.fake_kafka import alone, broker
from tests.probes.peers import LOOPBACK, Behaviour, closing, greeting, peer, resetting, run, saying, silent
from tests.probes.running import PATIENT, TLS_TO_IDENTITY, TO_IDENTITY, plan, probe, waiting

BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n"
SSH = b"SSH-2.0-OpenSSH_9.2p1\r\n"


def probed(port: int, stage: Stage, *, tls: Tls | None, limits: Limits = PATIENT) -> Outcome:
    stages = TLS_TO_IDENTITY if tls is not None else TO_IDENTITY

    async def work() -> Outcome:
        return (await probe(plan(port, stages=stages, tls=tls, limits=limits))).one(stage)

    return run(work())


def probed_at(behaviour: Behaviour, stage: Stage, *, tls: Tls | None, limits: Limits = PATIENT) -> Outcome:
    async def work() -> Outcome:
        async with peer(behaviour) as port:
            stages = TLS_TO_IDENTITY if tls is not None else TO_IDENTITY
            return (await probe(plan(port, stages=stages, tls=tls, limits=limits))).one(stage)

    return run(work())


class Quiet(http.server.BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's own name
        """Say nothing."""


@contextmanager
def http_server() -> Iterator[int]:
    """Python's own: it waits for the end of a line, which neither a ClientHello nor Kafka's first request has."""
    with http.server.ThreadingHTTPServer((LOOPBACK, 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("behaviour", "said"), [(saying(BAD_REQUEST), "HTTP/1.1 400 Bad Request"), (greeting(SSH), "SSH-2.0-OpenSSH_9.2p1")]
)
def test_what_is_no_tls_is_kept(authority: Authority, behaviour: Behaviour, said: str) -> None:
    seen = probed_at(behaviour, Stage.HANDSHAKE, tls=Tls(ca_file=str(authority.ca_file)))
    assert seen.reason is Reason.NOT_TLS
    assert isinstance(seen.facts, HandshakeFacts)
    assert seen.facts.first_bytes.startswith(said)
    assert seen.facts.first_bytes.isprintable()
    assert len(seen.facts.first_bytes) <= 4 * 64


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (saying(BAD_REQUEST), "HTTP/1.1 400 Bad Request"),
        (greeting(SSH), "SSH-2.0-OpenSSH_9.2p1"),
        (saying(bytes([21, 3, 3, 0, 2, 2, 80])), r"\x15\x03\x03\x00\x02\x02P"),
    ],
)
def test_what_is_no_frame_is_kept(behaviour: Behaviour, said: str) -> None:
    seen = probed_at(behaviour, Stage.API, tls=None)
    assert seen.status is Status.FAILED
    assert isinstance(seen.facts, ApiFacts)
    assert seen.facts.first_bytes.startswith(said)


def test_a_server_that_waits_for_a_line_is_made_to_speak(authority: Authority) -> None:
    limits = waiting(handshake_ms=1000, request_ms=1000)
    with http_server() as port:
        with_tls = probed(port, Stage.HANDSHAKE, tls=Tls(ca_file=str(authority.ca_file)), limits=limits)
        without = probed(port, Stage.API, tls=None, limits=limits)
    assert isinstance(with_tls.facts, HandshakeFacts)
    assert isinstance(without.facts, ApiFacts)
    for said in (with_tls.facts.first_bytes, without.facts.first_bytes):
        assert said.startswith(("HTTP/1.", "<!DOCTYPE HTML>"))


def test_a_peer_that_stays_silent_said_nothing(authority: Authority) -> None:
    tls = Tls(ca_file=str(authority.ca_file))
    seen = probed_at(silent, Stage.HANDSHAKE, tls=tls, limits=waiting(handshake_ms=500))
    assert seen.reason is Reason.TIMED_OUT
    assert isinstance(seen.facts, HandshakeFacts)
    assert seen.facts.first_bytes == ""


def test_http_behind_tls_is_kept(authority: Authority) -> None:
    async def work() -> Outcome:
        async with peer(saying(BAD_REQUEST), context=authority.server(LOOPBACK)) as port:
            tls = Tls(ca_file=str(authority.ca_file))
            return (await probe(plan(port, stages=TLS_TO_IDENTITY, tls=tls))).one(Stage.API)

    seen = run(work())
    assert seen.reason is Reason.NOT_KAFKA
    assert isinstance(seen.facts, ApiFacts)
    assert seen.facts.first_bytes.startswith("HTTP/1.1 400")


def test_tls_that_closes_after_the_handshake_said_nothing(authority: Authority) -> None:
    async def work() -> Outcome:
        async with peer(closing, context=authority.server(LOOPBACK)) as port:
            tls = Tls(ca_file=str(authority.ca_file))
            return (await probe(plan(port, stages=TLS_TO_IDENTITY, tls=tls))).one(Stage.API)

    seen = run(work())
    assert seen.reason in {Reason.CLOSED, Reason.RESET}
    assert isinstance(seen.facts, ApiFacts)
    assert (seen.facts.first_bytes, seen.facts.answers_tls) == ("", None)


# The other way


def plaintext_listener(answer: Behaviour) -> Behaviour:
    """A plaintext listener: it takes a ClientHello for the length of a frame, and closes."""

    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        whole = asyncio.StreamReader()
        first = await reader.read(65536)
        if first[:1] == b"\x16":
            return
        whole.feed_data(first)
        whole.feed_eof()
        await answer(whole, writer)

    return behaviour


@pytest.mark.parametrize("ending", [closing, resetting])
def test_what_ends_a_handshake_is_asked_without_tls(authority: Authority, ending: Behaviour) -> None:
    seen = probed_at(ending, Stage.HANDSHAKE, tls=Tls(ca_file=str(authority.ca_file)))
    assert seen.reason in {Reason.CLOSED, Reason.RESET}
    assert isinstance(seen.facts, HandshakeFacts)
    assert seen.facts.answers_plaintext is False


def test_kafka_without_tls_is_known_by_its_answer(authority: Authority) -> None:
    kafka = plaintext_listener(broker(alone(1, lambda: 1)))
    seen = probed_at(kafka, Stage.HANDSHAKE, tls=Tls(ca_file=str(authority.ca_file)))
    assert seen.reason is Reason.CLOSED
    assert isinstance(seen.facts, HandshakeFacts)
    assert seen.facts.answers_plaintext is True


def test_a_tls_listener_is_known_by_its_answer(authority: Authority) -> None:
    async def work() -> Outcome:
        async with peer(silent, context=authority.server(LOOPBACK)) as port:
            return (await probe(plan(port))).one(Stage.API)

    seen = run(work())
    assert isinstance(seen.facts, ApiFacts)
    assert seen.facts.answers_tls is True or seen.facts.first_bytes.startswith(r"\x15\x03")


def test_what_ends_a_request_is_asked_with_tls() -> None:
    seen = probed_at(closing, Stage.API, tls=None)
    assert seen.reason in {Reason.CLOSED, Reason.RESET}
    assert isinstance(seen.facts, ApiFacts)
    assert seen.facts.answers_tls is False


# Without a server name


NAME = "localhost"


def with_and_without(context: ssl.SSLContext, ca_file: Path, *, planned: bool) -> list[HandshakeFacts]:
    """What the handshakes with two brokers at one name showed."""

    async def work() -> list[HandshakeFacts]:
        ports: list[int] = []
        kafka = broker(alone(1, lambda: ports[0]))
        async with (
            dns_server(answering(f"{NAME}. 60 IN A {LOOPBACK}")) as server,
            peer(kafka, context=context) as one,
            peer(kafka, context=context) as other,
        ):
            ports.append(one)
            tls = Tls(ca_file=str(ca_file))
            asked = plan(
                *(one, other),
                name=NAME,
                resolver=str(server),
                stages=TLS_TO_IDENTITY,
                tls=tls,
                without_sni=planned,
            )
            found = [each.facts for each in (await probe(asked)).of(Stage.HANDSHAKE, address=LOOPBACK)]
        return [facts for facts in found if isinstance(facts, HandshakeFacts)]

    return run(work())


def test_one_handshake_of_a_run_is_done_without_a_server_name(authority: Authority) -> None:
    facts = with_and_without(authority.server(NAME), authority.ca_file, planned=True)
    assert len(facts) == 2
    [asked] = [each for each in facts if each.without_sni is not None]
    assert asked.without_sni == WithoutSni(sha256=asked.sha256)
    assert asked.sni == NAME


def test_no_handshake_is_where_the_plan_has_none(authority: Authority) -> None:
    facts = with_and_without(authority.server(NAME), authority.ca_file, planned=False)
    assert [each.without_sni for each in facts] == [None, None]


def test_what_refuses_connections_without_a_server_name_is_known(authority: Authority) -> None:
    context = authority.server(NAME)

    def refuse(_socket: object, name: str | None, _context: object) -> int | None:
        return None if name == NAME else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    context.sni_callback = refuse
    facts = with_and_without(context, authority.ca_file, planned=True)
    [told] = [each.without_sni for each in facts if each.without_sni is not None]
    assert told.reason in {Reason.ALERT, Reason.CLOSED, Reason.RESET}
    assert told.sha256 == ""


def test_what_presents_another_certificate_without_a_server_name_is_known(authority: Authority) -> None:
    context, by_name = authority.server("default.example"), authority.server(NAME)

    def choose(sock: ssl.SSLObject, name: str | None, _context: object) -> None:
        if name == NAME:
            sock.context = by_name

    context.sni_callback = choose
    facts = with_and_without(context, authority.ca_file, planned=True)
    [(own, told)] = [(each.sha256, each.without_sni) for each in facts if each.without_sni is not None]
    assert told.reason is Reason.NAME_MISMATCH
    assert told.sha256 not in {"", own}
