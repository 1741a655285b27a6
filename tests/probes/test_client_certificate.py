"""Mutual TLS: what the client comes with, what a listener makes of it, in TLS 1.2 and 1.3."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509

from brokerproof.probes.logins import identity_for
from brokerproof.probes.observation import Observation
from brokerproof.probes.outcome import ApiFacts, HandshakeFacts, Reason
from brokerproof.probes.plan import Authentication, AuthenticationScheme
from brokerproof.probes.stages.api import ask_versions
from brokerproof.probes.stages.connect import connect
from brokerproof.probes.stages.handshake import handshake, present, trust
from brokerproof.probes.wire.client_certificate import Identity, IdentityError, identity_of
from brokerproof.probes.wire.client_certificate import facts_of as client_certificate_facts
from brokerproof.probes.wire.kafka_connection import KafkaConnection
from tests.probes.fake_kafka import alone, broker
from tests.probes.peers import LOOPBACK, peer, run

NAME = "localhost"
LIMIT_MS = 3000
CERTIFICATE_REQUIRED = 116
SERVERS = trustme.CA()
CLIENTS = trustme.CA()
STRANGERS = trustme.CA()
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def identity(ca: trustme.CA = CLIENTS, *, chain: bool = True) -> Identity:
    issued = ca.issue_cert(common_name="app")
    pems = issued.cert_chain_pems if chain else issued.cert_chain_pems[:1]
    return identity_of("".join(each.bytes().decode() for each in pems), issued.private_key_pem.bytes().decode())


def asked(version: str, mine: Identity | None, *, mode: ssl.VerifyMode = ssl.CERT_REQUIRED) -> tuple[Observation, Any]:
    """The handshake, and the first request where there is one."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.minimum_version = server.maximum_version = VERSIONS[version]
    SERVERS.issue_cert(NAME).configure_cert(server)
    CLIENTS.configure_trust(server)
    server.verify_mode = mode

    async def work(ca_file: str) -> tuple[Observation, Any]:
        context = trust(ca_file)
        if mine is not None:
            present(context, mine)
        async with peer(broker(alone(1, lambda: 1)), context=server) as port:
            _, sock = await connect(LOOPBACK, port, limit_ms=LIMIT_MS)
            assert sock is not None
            seen, stream = await handshake(sock, NAME, context, limit_ms=LIMIT_MS, identity=mine)
            api = None if stream is None else await ask_versions(KafkaConnection(stream), limit_ms=LIMIT_MS)
            sock.close()
            await asyncio.sleep(0)
            return seen, api

    with SERVERS.cert_pem.tempfile() as ca_file:
        return run(work(ca_file))


def facts_of(seen: Observation) -> HandshakeFacts:
    assert isinstance(seen.facts, HandshakeFacts)
    return seen.facts


@pytest.mark.parametrize("version", VERSIONS)
def test_a_certificate_of_the_right_authority_is_taken(version: str) -> None:
    seen, api = asked(version, identity())
    facts = facts_of(seen)
    assert seen.is_ok
    assert api.is_ok
    assert facts.client_certificate_requested
    assert facts.client_certificate is not None
    assert "CN=app" in facts.client_certificate.subject
    assert facts.client_certificate.authority_named is None  # Python's server names nobody
    assert facts.client_certificate.dates_ok


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("mine", [None, identity(STRANGERS)], ids=["none", "strange"])
def test_tls_12_refuses_in_the_handshake_and_tls_13_after_it(version: str, mine: Identity | None) -> None:
    seen, api = asked(version, mine)
    assert facts_of(seen).client_certificate_requested
    if version == "1.2":
        assert seen.reason in {Reason.ALERT, Reason.CLOSED, Reason.RESET}
        assert api is None
        return
    assert seen.is_ok
    assert api.reason in {Reason.CLOSED, Reason.RESET}
    if mine is None and api.reason is Reason.CLOSED:
        assert isinstance(api.facts, ApiFacts)
        assert api.facts.alert_number in {CERTIFICATE_REQUIRED, None}  # asyncio closes without one


@pytest.mark.parametrize(("ca", "named"), [(CLIENTS, True), (STRANGERS, False)])
def test_it_is_known_whether_a_named_authority_issued_it(ca: trustme.CA, named: bool) -> None:
    authority = x509.load_pem_x509_certificate(CLIENTS.cert_pem.bytes()).subject
    told = client_certificate_facts(identity(ca), [(authority.public_bytes(), "O=theirs")])
    assert told is not None
    assert told.authority_named is named
    assert told.authorities == ("O=theirs",)


def test_a_listener_that_does_not_ask_is_told_from_one_that_does() -> None:
    seen, api = asked("1.3", identity(), mode=ssl.CERT_NONE)
    assert api.is_ok
    assert not facts_of(seen).client_certificate_requested


def test_a_key_of_another_certificate_is_refused_before_anything_is_sent() -> None:
    one, other = identity(), identity()
    with pytest.raises(IdentityError, match="the key does not fit the certificate"):
        present(trust(None), Identity(one.chain, other.key))


def test_what_cannot_be_read_is_not_repeated() -> None:
    issued = CLIENTS.issue_cert(common_name="app")
    pem, key = issued.cert_chain_pems[0].bytes().decode(), issued.private_key_pem.bytes().decode()
    for certificate, private, words in (
        ("hunter2", key, "the certificate is not PEM"),
        (pem, "hunter2", "the key is not PEM, or its password is missing or wrong"),
        (pem, key[:200], "the key is not PEM, or its password is missing or wrong"),
    ):
        with pytest.raises(IdentityError) as refused:
            identity_of(certificate, private)
        assert str(refused.value) == words
    assert key[40:60] not in repr(identity_of(pem, key))


def test_references_lead_to_it(tmp_path: Path) -> None:
    issued = CLIENTS.issue_cert(common_name="app")
    (tmp_path / "pem").write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
    (tmp_path / "key").write_bytes(issued.private_key_pem.bytes())
    settings = Authentication(
        scheme=AuthenticationScheme.MTLS, certificate=f"file:{tmp_path}/pem", key=f"file:{tmp_path}/key"
    )
    found = identity_for(settings)
    assert found is not None
    assert "CN=app" in found.principal
    assert identity_for(Authentication(scheme=AuthenticationScheme.IAM)) is None
