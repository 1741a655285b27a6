"""What a certificate says: its names, its dates, its issuer; and whether one of its names is the one asked for.

Nothing here judges a chain: OpenSSL does.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from service_identity import CertificateError
from service_identity.hazmat import DNS_ID, CertificatePattern, DNSPattern, IPAddress_ID, IPAddressPattern

from brokerproof.probes.wire.dns_exchange import is_address

KEPT_CERTIFICATES: Final = 256
"""What certificates say is read once each: all brokers of an MSK cluster present the same one."""


def names_match(certificate: x509.Certificate, host: str) -> bool:
    """Whether one name of the certificate is ``host`` (RFC 6125, RFC 9525), whatever the others are."""
    with suppress(ValueError):  # not a name that a certificate could be for
        wanted = IPAddress_ID(host) if is_address(host) else DNS_ID(host)
        return any(wanted.verify(pattern) for pattern in _patterns(certificate))
    return False


@lru_cache(KEPT_CERTIFICATES)
def _patterns(certificate: x509.Certificate) -> Sequence[CertificatePattern]:
    """Those that a name can match. One that is not valid, as a wildcard of two labels, matches none."""
    found: list[CertificatePattern] = [IPAddressPattern(a) for a in _alternatives(certificate, x509.IPAddress)]
    for name in _alternatives(certificate, x509.DNSName):
        with suppress(CertificateError):
            found.append(DNSPattern.from_bytes(name.encode()))
    return found


class Described(msgspec.Struct, frozen=True):
    """What a certificate says, as facts have it."""

    subject: str = ""
    issuer: str = ""
    dns_names: tuple[str, ...] = ()
    not_before: str = ""
    not_after: str = ""
    sha256: str = ""


@lru_cache(KEPT_CERTIFICATES)
def described(certificate: x509.Certificate) -> Described:
    """Everything that facts have of it."""
    return Described(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        dns_names=names_of(certificate),
        not_before=iso(certificate.not_valid_before_utc),
        not_after=iso(certificate.not_valid_after_utc),
        sha256=certificate.fingerprint(SHA256()).hex(),
    )


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """Its alternative names: DNS names, then addresses."""
    addresses = (str(address) for address in _alternatives(certificate, x509.IPAddress))
    return (*_alternatives(certificate, x509.DNSName), *addresses)


def _alternatives(certificate: x509.Certificate, kind: type[Any]) -> Sequence[Any]:
    """Its alternative names of one kind; none where it has no such extension, or one that cannot be read."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return names.get_values_for_type(kind)


def iso(moment: datetime) -> str:
    """As facts have times: ISO 8601."""
    return moment.isoformat()
