"""The certificate that a client proves itself by: read, and described. Nothing here connects or judges a chain."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from brokerproof.probes.outcome import ClientCertificateFacts
from brokerproof.probes.wire.certificates import iso


class IdentityError(Exception):
    """Certificate or key cannot be used; the message tells nothing of what is in them."""


class Identity(msgspec.Struct, frozen=True):
    """A client's certificate, the intermediates behind it, and its key."""

    chain: tuple[x509.Certificate, ...]
    key: Any
    """Of cryptography; it is in no message, and has no words of its own."""

    def __repr__(self) -> str:
        return f"Identity({self.principal})"

    @property
    def principal(self) -> str:
        """Who the client is to a Kafka that maps no names (ssl.principal.mapping.rules)."""
        return f"User:{self.chain[0].subject.rfc4514_string()}"


def identity_of(certificate_pem: str, key_pem: str, key_password: str = "") -> Identity:
    """Read both.

    Raises:
        IdentityError: one of them cannot be read.
    """
    try:
        chain = tuple(x509.load_pem_x509_certificates(certificate_pem.encode()))
    except ValueError:
        raise IdentityError("the certificate is not PEM") from None
    try:
        key = load_pem_private_key(key_pem.encode(), key_password.encode() or None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise IdentityError("the key is not PEM, or its password is missing or wrong") from None
    return Identity(chain, key)


def facts_of(identity: Identity | None, authorities: Sequence[tuple[bytes, str]]) -> ClientCertificateFacts | None:
    """What there is to say of it beside the authorities that a listener names, each encoded and in words."""
    if identity is None:
        return None
    leaf, top = identity.chain[0], identity.chain[-1]
    named = {encoded for encoded, _ in authorities}
    return ClientCertificateFacts(
        subject=leaf.subject.rfc4514_string(),
        issuer=top.issuer.rfc4514_string(),
        not_before=iso(leaf.not_valid_before_utc),
        not_after=iso(leaf.not_valid_after_utc),
        dates_ok=leaf.not_valid_before_utc <= datetime.now(UTC) <= leaf.not_valid_after_utc,
        chain_length=len(identity.chain),
        authorities=tuple(words for _, words in authorities),
        authority_named=None if not named else top.issuer.public_bytes() in named,
    )
