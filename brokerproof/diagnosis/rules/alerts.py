"""Alerts of TLS."""

from __future__ import annotations

from enum import IntEnum


class Alert(IntEnum):
    """Descriptions of alerts that say what is wrong (RFC 8446, 6; RFC 6066, 3)."""

    HANDSHAKE_FAILURE = 40
    BAD_CERTIFICATE = 42
    PROTOCOL_VERSION = 70
    INTERNAL_ERROR = 80
    UNRECOGNIZED_NAME = 112
    CERTIFICATE_REQUIRED = 116
