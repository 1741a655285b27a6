"""What the words mean with which a broker refuses a login. Pure."""

from __future__ import annotations

from typing import Final

from brokerproof.probes.outcome import Reason

_WORDS: Final = {
    "Too many connects": Reason.CONNECTION_RATE,
    "Session too short": Reason.SESSION_TOO_SHORT,
    "Cannot change principals during re-authentication": Reason.PRINCIPAL_CHANGED,
}
"""Of MSK for IAM (aws-msk-iam-auth, details of error messages), and of Apache Kafka (SaslServerAuthenticator)."""


def reason_of_refusal(words: str) -> Reason:
    """Why, as far as the words have it."""
    return next((reason for start, reason in _WORDS.items() if start in words), Reason.CREDENTIALS_REFUSED)
