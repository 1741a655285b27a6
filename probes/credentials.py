"""What a plan's references lead to on the probe's own host. What is read is handed on and stands in no message."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final

from brokerproof.probes.outcome import Reason, TokenFacts, TokenFlaw

MOST_BYTES: Final = 1 << 20
"""Of a file: a certificate with its chain has a few kilobytes."""


class CredentialsError(Exception):
    """A reference leads to nothing that can be used; the message names the reference."""

    reason: ClassVar[Reason] = Reason.NO_CREDENTIALS
    """What an outcome says of it."""
    token: ClassVar[TokenFacts | None] = None
    """What is known of the token that was not made."""


class StsUnreachableError(CredentialsError):
    """Credentials are to be had of STS, which does not answer."""

    reason = Reason.STS_UNREACHABLE


class CredentialsEndedError(CredentialsError):
    """There are credentials, and they have ended."""

    token = TokenFacts(flaws=(TokenFlaw.CREDENTIALS_ENDED,))


def read(reference: str, *, environment: Mapping[str, str] | None = None) -> str:
    """The secret at a reference, without the end of line behind it.

    Raises:
        CredentialsError: there is none, or it cannot be read.
    """
    kind, _, place = reference.partition(":")
    settings = os.environ if environment is None else environment
    match kind:
        case "env":
            text = settings.get(place)
            if text is None:
                raise CredentialsError(f"{reference}: the environment of the probe has no such variable")
        case "file":
            text = _of_file(reference, Path(place))
        case _:
            raise CredentialsError("a reference is env:NAME or file:/path")
    text = text.rstrip("\r\n")
    if not text:
        raise CredentialsError(f"{reference}: it is empty")
    return text


def _of_file(reference: str, path: Path) -> str:
    try:
        with path.open("rb") as opened:
            data = opened.read(MOST_BYTES + 1)
    except OSError as failure:
        raise CredentialsError(f"{reference}: {failure.strerror}") from None
    if len(data) > MOST_BYTES:
        raise CredentialsError(f"{reference}: more than {MOST_BYTES:,} bytes, which no credential has")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise CredentialsError(f"{reference}: it is not text (UTF-8)") from None
