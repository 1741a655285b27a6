"""What a certificate says: its names, its dates, its issuer; and whether one of its names is the one asked for.

Nothing here judges a chain: OpenSSL does. It also takes certificates that ``cryptography`` does not: what of one cannot
be read is told, and the rest is read all the same.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, TypeVar

import msgspec
from cryptography import x509
from service_identity import CertificateError
from service_identity.hazmat import DNS_ID, CertificatePattern, DNSPattern, IPAddress_ID, IPAddressPattern

from brokerproof.probes.outcome.bounds import ITEMS
from brokerproof.probes.wire.dns_exchange import is_address

T = TypeVar("T")

KEPT_CERTIFICATES: Final = 256
"""What certificates say is read once each: all brokers of an MSK cluster present the same one."""


class Described(msgspec.Struct, frozen=True):
    """What a certificate says, as facts have it."""

    subject: str = ""
    issuer: str = ""
    dns_names: tuple[str, ...] = ()
    """Its alternative names: DNS names, then addresses."""
    not_before: str = ""
    not_after: str = ""
    sha256: str = ""
    unreadable: tuple[str, ...] = ()
    """What could not be read, each with the reason."""


def names_match(certificate: bytes, host: str) -> bool:
    """Whether one name of the certificate, in DER, is ``host`` (RFC 6125, RFC 9525), whatever the others are."""
    with suppress(ValueError):  # not a name that a certificate could be for
        wanted = IPAddress_ID(host) if is_address(host) else DNS_ID(host)
        return any(wanted.verify(pattern) for pattern in _patterns(certificate))
    return False


@lru_cache(KEPT_CERTIFICATES)
def _patterns(certificate: bytes) -> Sequence[CertificatePattern]:
    """Those that a name can match. One that is not valid, as a wildcard of two labels, matches none."""
    reading = _Reading(certificate)
    found: list[CertificatePattern] = [IPAddressPattern(a) for a in reading.alternatives(x509.IPAddress)]
    for name in reading.alternatives(x509.DNSName):
        with suppress(CertificateError):
            found.append(DNSPattern.from_bytes(name.encode()))
    return found


@lru_cache(KEPT_CERTIFICATES)
def described(certificate: bytes) -> Described:
    """Everything that facts have of a certificate in DER."""
    return _Reading(certificate).described()


class _Reading:
    """One certificate, part by part: what cannot be read is noted, and is empty."""

    def __init__(self, der: bytes) -> None:
        self._der = der
        self._unreadable: dict[str, str] = {}
        self._loaded = self._part("certificate", lambda: x509.load_der_x509_certificate(der), None)

    def described(self) -> Described:
        return Described(
            subject=self._of("subject", lambda loaded: loaded.subject.rfc4514_string()),
            issuer=self._of("issuer", lambda loaded: loaded.issuer.rfc4514_string()),
            dns_names=(
                *self.alternatives(x509.DNSName),
                *(str(address) for address in self.alternatives(x509.IPAddress)),
            ),
            not_before=self._of("dates", lambda loaded: iso(loaded.not_valid_before_utc)),
            not_after=self._of("dates", lambda loaded: iso(loaded.not_valid_after_utc)),
            sha256=hashlib.sha256(self._der).hexdigest(),
            unreadable=tuple(f"{what}: {why}" for what, why in self._unreadable.items()),
        )

    def alternatives(self, kind: type[Any]) -> Sequence[Any]:
        """Its alternative names of one kind; none where it has no such extension, or one that cannot be read."""
        if self._loaded is None:
            return ()
        loaded = self._loaded

        def read() -> Sequence[Any]:
            try:
                extension = loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName)
            except x509.ExtensionNotFound:
                return ()
            return extension.value.get_values_for_type(kind)[:ITEMS]

        nothing: Sequence[Any] = ()
        return self._part("alternative names", read, nothing)

    def _of(self, what: str, read: Callable[[x509.Certificate], str]) -> str:
        loaded = self._loaded
        return "" if loaded is None else self._part(what, lambda: read(loaded), "")

    def _part(self, what: str, read: Callable[[], T], instead: T) -> T:
        try:
            with warnings.catch_warnings():
                # Of what a later version of cryptography will not read any more.
                warnings.simplefilter("ignore")
                return read()
        except Exception as refusal:  # noqa: BLE001  cryptography has many, and says which of none
            self._unreadable.setdefault(what, str(refusal) or type(refusal).__name__)
            return instead


def iso(moment: datetime) -> str:
    """As facts have times: ISO 8601."""
    return moment.isoformat()
