"""A public-looking chain for the lab: root, intermediate, and one wildcard leaf a cluster, as on MSK.

RSA 2048 for the leaf, as the certificates MSK gets from ACM have; PEM with a PKCS#8 key, the only
form Kafka reads.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class Authority:
    """A root and the intermediate that issues."""

    root_pem: bytes
    intermediate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def make_authority(common_name: str, now: dt.datetime) -> Authority:
    """A root valid for ten years and one intermediate below it."""
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name, name = _name(f"{common_name} Root"), _name(common_name)
    window = (now - dt.timedelta(days=3650), now + dt.timedelta(days=3650))
    root = _sign(root_name, root_name, root_key, root_key, window, ca_path_length=1)
    intermediate = _sign(name, root_name, key, root_key, window, ca_path_length=0)
    return Authority(root.public_bytes(serialization.Encoding.PEM), intermediate, key)


def make_server_pem(
    authority: Authority,
    dns_names: tuple[str, ...],
    valid_from: dt.datetime,
    valid_to: dt.datetime,
    *,
    intermediate: bool = True,
) -> bytes:
    """Key, leaf and, unless it is left out, intermediate, in the order Kafka's PEM key store wants them."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    leaf = _sign(
        _name(dns_names[0]),
        authority.intermediate.subject,
        key,
        authority.key,
        (valid_from, valid_to),
        dns_names=dns_names,
    )
    return _key_pem(key) + _chain_pem(authority, leaf, intermediate=intermediate)


def make_client_pems(
    authority: Authority, name: str, valid_from: dt.datetime, valid_to: dt.datetime, *, intermediate: bool
) -> tuple[bytes, bytes]:
    """A client's chain and its key, apart as clients want them."""
    key = ec.generate_private_key(ec.SECP256R1())
    window = (valid_from, valid_to)
    leaf = _sign(_name(name), authority.intermediate.subject, key, authority.key, window)
    return _chain_pem(authority, leaf, intermediate=intermediate), _key_pem(key)


def _chain_pem(authority: Authority, leaf: x509.Certificate, *, intermediate: bool) -> bytes:
    pem = serialization.Encoding.PEM
    return leaf.public_bytes(pem) + (authority.intermediate.public_bytes(pem) if intermediate else b"")


def _key_pem(key: _Key) -> bytes:
    pem = serialization.Encoding.PEM
    return key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _name(common_name: str) -> x509.Name:
    # RFC 5280 bounds a common name to 64 characters; a long wildcard lives in the SAN alone.
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])


def _sign(
    subject: x509.Name,
    issuer: x509.Name,
    key: _Key,
    issuer_key: ec.EllipticCurvePrivateKey,
    window: tuple[dt.datetime, dt.datetime],
    *,
    ca_path_length: int | None = None,
    dns_names: tuple[str, ...] = (),
) -> x509.Certificate:
    is_ca = ca_path_length is not None
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(window[0])
        .not_valid_after(window[1])
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=ca_path_length), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if is_ca:
        may = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True,
            content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        builder = builder.add_extension(may, critical=True)
    else:
        usage = ExtendedKeyUsageOID.SERVER_AUTH if dns_names else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if dns_names:
            names = x509.SubjectAlternativeName([x509.DNSName(n) for n in dns_names])
            builder = builder.add_extension(names, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())
