"""How librdkafka logs in, which does so by itself: settings made of the plan's references.

What is read at a reference is in them, and goes to the broker alone.
"""

from __future__ import annotations

from typing import Any

from brokerproof.probes.credentials import read
from brokerproof.probes.msk_token import TokenSource
from brokerproof.probes.plan import Authentication, AuthenticationScheme


def client_settings(authentication: Authentication, bootstrap: str) -> dict[str, Any]:
    """Settings of librdkafka for a login; ``bootstrap`` is the name of a broker.

    Raises:
        CredentialsError: a reference leads to nothing.
    """
    match authentication.scheme:
        case AuthenticationScheme.SCRAM_SHA_512:
            return {
                "sasl.mechanism": authentication.scheme.mechanism,
                "sasl.username": read(authentication.username),
                "sasl.password": read(authentication.password),
            }
        case AuthenticationScheme.MTLS:
            password = read(authentication.key_password) if authentication.key_password else ""
            return {
                **_pem("ssl.certificate", authentication.certificate),
                **_pem("ssl.key", authentication.key),
                **({"ssl.key.password": password} if password else {}),
            }
        case AuthenticationScheme.IAM:
            tokens = TokenSource(authentication)

            def refresh(_config: str) -> tuple[str, float]:
                return tokens.for_librdkafka(bootstrap)

            return {"sasl.mechanism": authentication.scheme.mechanism, "oauth_cb": refresh}
        case AuthenticationScheme.NONE:
            return {}


def _pem(setting: str, reference: str) -> dict[str, str]:
    """A file by its name, of which librdkafka reads the whole chain; else what a variable has."""
    kind, _, place = reference.partition(":")
    return {f"{setting}.location": place} if kind == "file" else {f"{setting}.pem": read(reference)}
