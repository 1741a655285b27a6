"""What a peer's first bytes say it is, where it is neither TLS nor Kafka. Pure."""

from __future__ import annotations

from typing import Final

from brokerproof.diagnosis.rules.case import Case, Red
from brokerproof.probes.outcome import ApiFacts, HandshakeFacts

_HTTP: Final = (b"http/", b"<!doctype", b"<html")
"""A status line (RFC 9112, 4), or the page of a server that answers as HTTP/0.9 did."""
_SSH: Final = b"ssh-"
"""RFC 4253, 4.2."""
_TLS_ALERT: Final = b"\x15\x03"
"""RFC 8446, 5.1."""
_TEXT: Final = frozenset(b"\t\r\n" + bytes(range(0x20, 0x7F)))
"""Printable ASCII, and what ends a line."""
_ASKED_BY: Final = (1).to_bytes(4, "big")
"""The correlation id of a connection's first request, which a frame of Kafka's begins with behind its length."""


def other_protocol(said: str) -> str:
    """What else than Kafka speaks so, in words; empty where the first bytes are none of a protocol made of text."""
    raw = _bytes(said)
    words = raw.lower()
    if words.startswith(_HTTP):
        return "HTTP"
    if words.startswith(_SSH):
        return "SSH"
    return "another protocol" if raw and _TEXT.issuperset(raw) else ""


def is_tls_alert(said: str) -> bool:
    """Whether TLS answers, to what is no TLS."""
    return _bytes(said).startswith(_TLS_ALERT)


def is_kafka(said: str) -> bool:
    """Whether this begins a frame that answers the probe's first request, whatever it says."""
    return _bytes(said)[4:8] == _ASKED_BY


def said_first(case: Case, red: Red) -> str:
    """What the peer said at a red check of the handshake or of the first request; empty where nothing."""
    facts = (o.facts for o in case.outcomes(red))
    return next((f.first_bytes for f in facts if isinstance(f, HandshakeFacts | ApiFacts) and f.first_bytes), "")


def _bytes(said: str) -> bytes:
    """The bytes again that the probe made printable."""
    try:
        return said.encode("ascii").decode("unicode_escape").encode("latin-1")
    except UnicodeError:  # cut off within an escape, or not of the probe
        return said.encode("ascii", "replace")
