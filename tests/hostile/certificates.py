"""Certificates made wrong, which OpenSSL presents all the same: other versions, dates, string types, extensions."""

from __future__ import annotations

import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.probes.authority import DAY, Authority

_VERSION_3 = bytes.fromhex("a003020102")
_UTF8_NAME = bytes.fromhex("0c")
KINDS = ("version", "date", "string type", "general name", "bytes", "many names")


def mutated_server(rng: Random, authority: Authority, name: str, kind: str = "") -> ssl.SSLContext | None:
    """A server context with such a certificate; None where OpenSSL does not take it."""
    key = ec.generate_private_key(ec.SECP256R1())
    kind = kind or rng.choice(KINDS)
    names = [x509.DNSName(name)]
    if kind == "many names":
        names += [x509.DNSName(f"b-{index}.{'x' * 40}.fuzz.test") for index in range(rng.choice((100, 2000)))]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fuzzed")]))
        .issuer_name(authority._subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=False)
        .sign(authority._key, hashes.SHA256())
    )
    der = changed(rng, kind, certificate.public_bytes(serialization.Encoding.DER))
    return _context(der, key)


def changed(rng: Random, kind: str, der: bytes) -> bytes:
    """The same length, so that it is still DER; the signature no longer fits, which is told beside the rest."""
    match kind:
        case "version":
            return der.replace(_VERSION_3, _VERSION_3[:-1] + bytes([rng.choice((0, 1, 3, 4, 127))]), 1)
        case "date":
            at = der.index(b"\x17\x0d")  # a UTCTime
            return (
                der[: at + 2 + rng.randrange(12)] + rng.choice((b"9", b"Z", b" ", b"\xff")) + der[at + 3 + 12 :]
                if (rng.random() < 0.3)
                else _set(der, at + 2 + rng.randrange(12), rng.choice(b"9Z \xff"))
            )
        case "string type":
            at = der.index(b"fuzzed") - 2
            return _set(der, at, rng.choice((0x13, 0x14, 0x16, 0x1A, 0x1B, 0x1C, 0x1E, 0x03, 0x04)))
        case "general name":
            at = der.rindex(b"\x82", 0, der.index(b"\x04", der.index(bytes.fromhex("551d11"))) + 12)
            return _set(der, at, rng.choice((0xA3, 0xA5, 0x83, 0x85, 0x86, 0x87, 0x88, 0x81)))
        case _:
            for _ in range(rng.choice((1, 2, 4))):
                der = _set(der, rng.randrange(8, len(der)), rng.randrange(256))
            return der


def _set(data: bytes, at: int, value: int) -> bytes:
    return data[:at] + bytes([value]) + data[at + 1 :]


def _context(der: bytes, key: ec.EllipticCurvePrivateKey) -> ssl.SSLContext | None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as directory:
        pem = Path(directory, "server.pem")
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        pem.write_bytes(ssl.DER_cert_to_PEM_cert(der).encode() + private)
        with suppress(ssl.SSLError):
            context.load_cert_chain(pem)
            return context
    return None
