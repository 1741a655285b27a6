"""Rules of the handshake: what answers, and for whom else it is the same. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from brokerproof.causes import sets
from brokerproof.causes.codes import Code
from brokerproof.diagnosis.check import Assertion, Subject, Verdict
from brokerproof.diagnosis.rules.accepted import (
    beside,
    closed,
    content_at_brokers,
    silent_handshake,
    spoke,
    spoke_to_anybody,
)
from brokerproof.diagnosis.rules.alerts import Alert
from brokerproof.diagnosis.rules.case import Access, Case, Draft, Named, Red, Said, behind_own, grouped, kind
from brokerproof.diagnosis.rules.certificate import dates, other_names, two_certificates, untrusted
from brokerproof.diagnosis.rules.client_certificate import answers_without, refused_certificate
from brokerproof.diagnosis.rules.first_request import first_request
from brokerproof.diagnosis.rules.other_service import other_protocol, said_first
from brokerproof.probes.outcome import GroupFacts, HandshakeFacts, Reason, Stage

_ENDINGS = frozenset({Reason.CLOSED, Reason.RESET})


def handshakes(case: Case, reds: Sequence[Red]) -> Iterable[Draft]:
    """Every red check of the handshake that its facts explain, and of a group whose coordinator is behind a proxy."""
    return [_with_its_source(case, draft, reds) for draft in grouped(_said(case, _of_handshakes(reds)))]


def _with_its_source(case: Case, draft: Draft, reds: Sequence[Red]) -> Draft:
    """What ends TLS before a broker connects to it anew: as a group's coordinator the broker sees another client."""
    if not all(red.check.reason is None for red in draft.reds):
        return draft
    shown_at = {(red.client, red.check.broker_id) for red in draft.reds}
    source = (
        red
        for red in reds
        if red.check.asserts is Assertion.SOURCE
        and any(
            isinstance(o.facts, GroupFacts) and (red.client, o.facts.coordinator_id) in shown_at
            for o in case.outcomes(red)
        )
    )
    return Draft(draft.codes, draft.wrong, (*draft.reds, *source))


def mute_brokers(case: Case, reds: Sequence[Red]) -> Iterable[Draft]:
    """A process that accepts nothing: its kernel does until the queue is full, then it drops SYNs.

    Kafka's queue is of 50 connections (socket.listen.backlog.size), so the last clients see silence where the first
    are accepted and hear nothing. Only then is it told here; otherwise the handshake's own rule does.
    """
    timed_out = [r for r in reds if r.check.stage is Stage.CONNECT and r.check.reason is Reason.TIMED_OUT]
    if not timed_out:
        return
    mute = [red for codes, _, red in _said(case, _of_handshakes(reds)) if codes == {Code.CLUSTER_BROKER_UNRESPONSIVE}]
    brokers = {red.check.broker_id for red in mute} - {None}
    dropped = [
        red
        for red in timed_out
        if red.check.broker_id in brokers or (red.check.broker_id is None and _some_bootstrap_works(case, red))
    ]
    if any(red.check.broker_id in brokers for red in dropped):
        yield Draft(frozenset({Code.CLUSTER_BROKER_UNRESPONSIVE}), "", (*mute, *dropped))


def _of_handshakes(reds: Sequence[Red]) -> list[Red]:
    return [red for red in reds if red.check.stage in {Stage.HANDSHAKE, Stage.API}]


def _said(case: Case, reds: Sequence[Red]) -> Iterator[tuple[frozenset[Code], str, Red]]:
    for red in reds:
        about = red
        if red.check.broker_id is None and red.check.reason is not None:
            alike = _broker_alike(case, red)
            one_of_several = alike is None and _some_bootstrap_works(case, red)
            if one_of_several and (said := _one_target(case, red)) is not None:
                yield *said, red
                continue
            about = alike or red
        told = _handshake(case, about) if red.check.stage is Stage.HANDSHAKE else first_request(case, about)
        if told is not None:
            yield *told, red


def _one_target(case: Case, red: Red) -> Said | None:
    """Of one target among others that work, where nothing tells what it is: it is silent, or ends connections."""
    facts = case.facts(red, HandshakeFacts)
    if said_first(case, red) or red.check.stage is not Stage.HANDSHAKE:
        return None
    if red.check.reason is Reason.TIMED_OUT:
        return _silent_target(case) if facts is None or not facts.bytes_received else None
    if facts is not None and facts.answers_plaintext:
        words = "one target of the bootstrap listener's group is registered at a port where Kafka speaks without TLS"
        return frozenset({Code.NLB_WRONG_TARGET_PORT}), words
    if red.check.reason in _ENDINGS:
        return sets.ONE_BOOTSTRAP_TARGET, "one target of the bootstrap listener's group ends connections at once"
    if red.check.reason is Reason.NOT_TLS:
        return sets.ONE_BOOTSTRAP_TARGET, "one target of the bootstrap listener's group does not speak TLS"
    return None


def _silent_target(case: Case) -> Said:
    """Losses are of one client's way; a target that is silent to several is dead, where no broker is late itself."""
    silent = [r for r in case.reds if (r.check.stage, r.check.reason) == (Stage.HANDSHAKE, Reason.TIMED_OUT)]
    of_bootstrap = [red for red in silent if red.check.subject is Subject.BOOTSTRAP]
    if len({red.client for red in of_bootstrap}) > 1 and len(of_bootstrap) == len(silent):
        return frozenset({Code.NLB_BOOTSTRAP_TARGET_DEAD}), ""
    return sets.ONE_BOOTSTRAP_SILENT, "some connections to the bootstrap port are accepted, and nothing is said on them"


def _broker_alike(case: Case, red: Red) -> Red | None:
    """A broker that fails as some bootstrap connections do: they landed on it."""
    return next(
        (
            Red(red.view, c)
            for c in sorted(case.checks(red.view), key=lambda c: c.check_id)
            if c.verdict is Verdict.FAILED
            and c.broker_id is not None
            and (c.stage, c.reason) == (red.check.stage, red.check.reason)
        ),
        None,
    )


def _some_bootstrap_works(case: Case, red: Red) -> bool:
    """Whether the same listener, which any broker may answer, worked another time."""
    return any(
        c.stage is red.check.stage and c.verdict is Verdict.PASSED and c.port == red.check.port
        for c in case.checks(red.view)
        if c.subject is Subject.BOOTSTRAP
    )


def _handshake(case: Case, red: Red) -> Said | None:  # noqa: PLR0911 - one line a reason
    facts = case.facts(red, HandshakeFacts)
    protocol = other_protocol(said_first(case, red))
    if protocol:
        return frozenset({Code.TCP_NOT_KAFKA}), Named(f"what listens there speaks {protocol}, not Kafka")
    match red.check.reason:
        case None:
            return two_certificates(case, red)
        case Reason.TIMED_OUT:
            return silent_handshake(case, red, facts)
        case Reason.CLOSED | Reason.RESET:
            return closed(case, red, facts)
        case Reason.NOT_TLS:
            codes = beside(case, sets.NOT_TLS_BEHIND) if behind_own(red.view) else sets.NOT_TLS
            return codes, "what answers{behind} does not speak TLS"
        case Reason.ALERT | Reason.PROTOCOL_ERROR:
            return _refusal(case, red, facts)
        case Reason.NAME_MISMATCH:
            return other_names(red, facts)
        case Reason.CHAIN_UNTRUSTED:
            return untrusted(case, red, facts)
        case Reason.CERTIFICATE_EXPIRED | Reason.CERTIFICATE_NOT_YET_VALID:
            return dates(case, red, facts)
        case _:
            return None


_REFUSED: Final = "the handshake is refused"


def _refusal(case: Case, red: Red, facts: HandshakeFacts | None) -> Said:  # noqa: PLR0911 - one line a refusal
    if facts is None:
        return sets.REFUSED_IN_TLS, _REFUSED
    if facts.no_common_version:
        return frozenset({Code.TLS_VERSION_MISMATCH}), ""
    if facts.client_certificate_requested and facts.client_certificate is not None:
        return refused_certificate(facts)
    match facts.alert_number:
        case Alert.UNRECOGNIZED_NAME:
            return frozenset({Code.TLS_SNI_REQUIRED}), ""
        case Alert.CERTIFICATE_REQUIRED:
            return frozenset({Code.TLS_CLIENT_CERTIFICATE_MISSING}), ""
        case Alert.HANDSHAKE_FAILURE | Alert.BAD_CERTIFICATE if _wants_certificate(case, red, facts):
            return frozenset({Code.TLS_CLIENT_CERTIFICATE_MISSING}), ""
        case Alert.INTERNAL_ERROR:
            return _internal_error(case, red)
        case Alert.PROTOCOL_VERSION:
            return frozenset({Code.TLS_VERSION_MISMATCH}), ""
        case Alert.HANDSHAKE_FAILURE:
            others = spoke_to_anybody(case, red.check.broker_id)
            codes = sets.HANDSHAKE_FAILURE_HERE if others else sets.HANDSHAKE_FAILURE
            return codes, "the handshake is refused, and the alert does not say why"
        case _:
            return sets.REFUSED_IN_TLS, _REFUSED


def _wants_certificate(case: Case, red: Red, facts: HandshakeFacts) -> bool:
    """By the time it is asked for, version and cipher suite are agreed on (RFC 5246, 7.4.6)."""
    return facts.client_certificate_requested and not answers_without(case, red)


def _internal_error(case: Case, red: Red) -> Said:
    """A TLS listener chokes on what a load balancer puts before the ClientHello: measured with Kafka's own.

    It says the same of its own failures. That clients at the brokers themselves are content, and none behind the
    load balancer is, no failure of the listener explains.
    """
    if not behind_own(red.view):
        return sets.INTERNAL_ERROR, "the handshake ends with an error of what answers"
    fronted = [view for view in case.views if kind(view) is not Access.DIRECT]
    if content_at_brokers(case) and not any(spoke(case, view, b.broker_id) for view in fronted for b in view.brokers):
        return frozenset({Code.NLB_PROXY_PROTOCOL}), ""
    return sets.INTERNAL_ERROR_BEHIND, "the handshake ends with an error of what answers{behind}"
