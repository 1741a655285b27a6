"""Rules of the first request of Kafka, with or without TLS below it: what answers, and in which protocol. Pure."""

from __future__ import annotations

from typing import Final

from brokerproof.causes import sets
from brokerproof.causes.codes import Code
from brokerproof.diagnosis.rules.accepted import is_mute, not_taken, silent, spoke_to_anybody
from brokerproof.diagnosis.rules.alerts import Alert
from brokerproof.diagnosis.rules.case import Case, Red, Said, behind_own
from brokerproof.diagnosis.rules.client_certificate import answers_without, refused_certificate
from brokerproof.diagnosis.rules.other_service import is_kafka, is_tls_alert, other_protocol, said_first
from brokerproof.probes.outcome import ApiFacts, HandshakeFacts, Reason, Stage, Status

_ENDINGS = frozenset({Reason.CLOSED, Reason.RESET, Reason.SOCKET_ERROR})
_ENDED_AFTER_HANDSHAKE: Final = "the handshake is good, and the first request is ended without an answer"
_OF_A_CERTIFICATE: Final = frozenset({Alert.BAD_CERTIFICATE, Alert.CERTIFICATE_REQUIRED})
"""Of a client that has none, they say that it must."""


def first_request(case: Case, red: Red) -> Said | None:
    """Of the stage ``api``."""
    said = said_first(case, red)
    if said and not is_kafka(said):
        return _of_another(case, red, said)
    handshake = _own_handshake(case, red)
    if red.check.reason in _ENDINGS:
        if handshake is not None and handshake.client_certificate_requested:
            if handshake.client_certificate is not None or _is_refused(case, red):
                return refused_certificate(handshake)
            if not answers_without(case, red):
                return sets.ENDED_WITHOUT_CERTIFICATE, f"{_ENDED_AFTER_HANDSHAKE}; the client has no certificate"
        return _ended_in_tls(case, red, handshake) if red.view.tls else _ended(case, red)
    if red.check.reason is Reason.NOT_KAFKA and not said:
        return (sets.SPEAKS_TLS_ALONE if red.view.tls else sets.NOT_KAFKA), "what answers does not speak Kafka"
    return _silent(case, red) if red.check.reason is Reason.TIMED_OUT else None


def _is_refused(case: Case, red: Red) -> bool:
    facts = case.facts(red, ApiFacts)
    return facts is not None and facts.alert_number in _OF_A_CERTIFICATE


def _silent(case: Case, red: Red) -> Said:
    """In TLS the server's certificates came through, which are larger than what it says here."""
    facts = case.facts(red, ApiFacts)
    if facts is not None and facts.tcp is not None and facts.tcp.unacknowledged_segments:
        return not_taken(case, red)
    if not red.view.tls:
        return silent(case, red)
    if is_mute(case, red):
        return frozenset({Code.CLUSTER_BROKER_UNRESPONSIVE}), ""
    other = frozenset() if _shown_by_kafka(case, red) else frozenset({Code.TCP_NOT_KAFKA})
    return sets.STOPS_ANSWERING | other, "the handshake is good, and the first request is not answered"


def _own_handshake(case: Case, red: Red) -> HandshakeFacts | None:
    return next((o.facts for o in case.earlier(red, Stage.HANDSHAKE) if isinstance(o.facts, HandshakeFacts)), None)


def _of_another(case: Case, red: Red, said: str) -> Said:
    """Something was said that is no frame of Kafka's."""
    if is_tls_alert(said) and not red.view.tls:
        return frozenset({Code.TLS_PLAINTEXT_CLIENT}), ""
    words = f"what listens there speaks {other_protocol(said) or 'something else'}, not Kafka"
    if not red.view.tls or _shown_by_kafka(case, red):
        return frozenset({Code.TCP_NOT_KAFKA}), words
    return sets.SPEAKS_TLS_ALONE, words


def _shown_by_kafka(case: Case, red: Red) -> bool:
    """Whether what answers there has the certificate that answers in Kafka's protocol elsewhere."""
    mine = _own_handshake(case, red)
    return mine is not None and any(
        seen.sha256 == mine.sha256 != ""
        for view in case.views
        for outcome in case.of_stage(view, Stage.API)
        if outcome.status is Status.OK
        for seen in (shown.facts for shown in case.of_stage(view, Stage.HANDSHAKE) if shown.target == outcome.target)
        if isinstance(seen, HandshakeFacts)
    )


def _ended_in_tls(case: Case, red: Red, handshake: HandshakeFacts | None) -> Said:
    if handshake is not None and _shown_by_kafka(case, red):
        return sets.ENDED_AFTER_HANDSHAKE, _ENDED_AFTER_HANDSHAKE
    return sets.SPEAKS_TLS_ALONE | (
        {Code.NLB_TLS_LISTENER} if behind_own(red.view) else frozenset()
    ), _ENDED_AFTER_HANDSHAKE


def _ended(case: Case, red: Red) -> Said:
    """Without TLS. That TLS answers a second connection is a witness; without one, much ends connections."""
    facts = case.facts(red, ApiFacts)
    if facts is not None and facts.answers_tls:
        return frozenset({Code.TLS_PLAINTEXT_CLIENT}), ""
    if spoke_to_anybody(case, red.check.broker_id):
        return sets.ENDED_HERE, "connections are accepted and ended at once, while others speak with the broker"
    codes = sets.PLAINTEXT_ENDED
    if facts is not None and facts.answers_tls is False:
        codes -= {Code.TLS_PLAINTEXT_CLIENT}
    return codes, "the first request is ended without an answer"
