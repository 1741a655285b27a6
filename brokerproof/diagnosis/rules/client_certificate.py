"""Why a listener that asks for a client's certificate does not take it. Pure."""

from __future__ import annotations

from brokerproof.causes import sets
from brokerproof.causes.codes import Code
from brokerproof.diagnosis.rules.case import Case, Red, Said
from brokerproof.probes.outcome import HandshakeFacts, Stage, Status


def refused_certificate(facts: HandshakeFacts) -> Said:
    """A listener says little (Java: certificate_unknown for most): what the client had to come with says more.

    TLS 1.2 refuses it within the handshake; TLS 1.3 after it, on the first request (RFC 8446, 4.4.2.4).
    """
    had = facts.client_certificate
    if had is None:
        return frozenset({Code.TLS_CLIENT_CERTIFICATE_MISSING}), ""
    if not had.dates_ok:
        return frozenset({Code.TLS_CLIENT_CERTIFICATE_DATES}), ""
    if had.authority_named is False:
        if had.chain_length > 1:
            return frozenset({Code.TLS_CLIENT_CERTIFICATE_UNTRUSTED}), ""
        words = "the client's certificate is refused, and no authority that the listener names issued it"
        return sets.CLIENT_AUTHORITY_NOT_NAMED, words
    return sets.CLIENT_CERTIFICATE_REFUSED, "the client's certificate is refused"


def answers_without(case: Case, red: Red) -> bool:
    """Whether the same listener answered a client that it had asked for a certificate, and that has none.

    It takes clients without one then (``ssl.client.auth=requested``).
    """
    return any(
        shown.target == answered.target and shown.facts.client_certificate_requested
        for view in case.views
        if view.listener == red.view.listener
        for answered in case.of_stage(view, Stage.API)
        if answered.status is Status.OK
        for shown in case.of_stage(view, Stage.HANDSHAKE)
        if isinstance(shown.facts, HandshakeFacts) and shown.facts.client_certificate is None
    )
