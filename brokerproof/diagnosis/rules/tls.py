"""Rules of the handshake: what answers, with which certificate, and for whom else it is the same. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from ipaddress import ip_address

from brokerproof.causes import sets
from brokerproof.causes.codes import Code
from brokerproof.diagnosis.check import Subject, Verdict
from brokerproof.diagnosis.lost_syn import syn_was_repeated
from brokerproof.diagnosis.rules.case import Access, Case, Draft, Red, grouped, kind, managed
from brokerproof.diagnosis.rules.connect import ACCIDENT
from brokerproof.diagnosis.rules.shape import REFUSALS
from brokerproof.probes.outcome import HandshakeFacts, Outcome, Reason, Role, Stage
from brokerproof.topology.expectation.view import ClientView

_Said = tuple[frozenset[Code], str]
_MSK_NAME = re.compile(r"^\*?\.?(?:[a-z0-9-]+\.)*?(?P<cluster>[a-z0-9-]+\.[a-z0-9]+\.c\d+)\.kafka\.", re.ASCII)


def handshakes(case: Case, reds: Sequence[Red]) -> Iterable[Draft]:
    """Every red check of the handshake that its facts explain."""
    return grouped(_said(case, _of_handshakes(reds)))


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
        if red.check.broker_id is None and _some_bootstrap_works(case, red):
            alike = _broker_alike(case, red)
            if alike is None:
                yield *_one_target(red), red
                continue
            about = alike
        said = _handshake(case, about) if red.check.stage is Stage.HANDSHAKE else _api(case, about)
        if said is not None:
            yield *said, red


def _one_target(red: Red) -> _Said:
    """Of one target among others that work: dead, or alive at a port that speaks something else."""
    if red.check.reason is Reason.TIMED_OUT:
        return frozenset({Code.NLB_BOOTSTRAP_TARGET_DEAD}), ""
    return sets.ONE_BOOTSTRAP_TARGET, "one target of the bootstrap listener's group does not speak TLS"


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


def _facts(case: Case, red: Red) -> HandshakeFacts | None:
    return next((o.facts for o in case.outcomes(red) if isinstance(o.facts, HandshakeFacts)), None)


def _handshake(case: Case, red: Red) -> _Said | None:  # noqa: PLR0911 - one line a reason
    facts = _facts(case, red)
    match red.check.reason:
        case Reason.TIMED_OUT:
            if facts is not None and _is_not_taken(facts):
                return _not_taken(case, red, facts)
            return _silent(case, red, facts is not None and _packets_are_missing(facts))
        case Reason.CLOSED | Reason.RESET:
            return _closed(case, red)
        case Reason.NOT_TLS:
            if kind(red.view) is Access.DIRECT or managed(red.view):
                return frozenset({Code.TLS_PLAINTEXT_LISTENER}), ""
            return _beside(case, sets.NOT_TLS), "what answers{behind} does not speak TLS"
        case Reason.ALERT | Reason.PROTOCOL_ERROR:
            return _alert(red, facts)
        case Reason.NAME_MISMATCH:
            return None if facts is None else _other_names(red, facts)
        case Reason.CHAIN_UNTRUSTED:
            return _untrusted(case, red, facts)
        case Reason.CERTIFICATE_EXPIRED | Reason.CERTIFICATE_NOT_YET_VALID:
            return _dates(case, red, facts)
        case _:
            return None


# Nothing, or not enough


def _packets_are_missing(facts: HandshakeFacts) -> bool:
    """Whether a part of the answer came, be it one that cannot be read without what is missing before it."""
    return bool(facts.bytes_received) or (facts.tcp is not None and bool(facts.tcp.data_segments_in))


def _is_not_taken(facts: HandshakeFacts) -> bool:
    """Whether the peer's TCP did not acknowledge the ClientHello, as a host does whatever its process does."""
    return facts.tcp is not None and facts.tcp.unacknowledged_segments > 0 and not _packets_are_missing(facts)


def _not_taken(case: Case, red: Red, facts: HandshakeFacts) -> _Said | None:
    """A ClientHello is one small packet (RFC 791: every network carries 576 bytes), so it is not its size.

    A host whose queue of connections is full takes none of it, after it had answered the SYN.
    """
    codes = sets.NOT_TAKEN
    if any(_spoke(case, view, red.check.broker_id) for view in case.views):
        codes -= {Code.CLUSTER_BROKER_UNRESPONSIVE}
    if _no_loss(case, red, facts):
        codes -= {Code.TCP_PACKET_LOSS}
    return (codes, "connections are accepted, and the first small packet is never acknowledged") if codes else None


def _silent(case: Case, red: Red, missing: bool) -> _Said:
    """Accepted and then silent: the broker, or what it sends is too large for the path."""
    silent_ids = {r.check.broker_id for r in _silences(case, red.view)}
    everything = silent_ids >= {b.broker_id for b in red.view.brokers} and len(silent_ids) > 1
    if red.check.broker_id is not None and any(_spoke(case, view, red.check.broker_id) for view in case.views):
        if everything and not any(_spoke(case, red.view, b.broker_id) for b in red.view.brokers):
            return frozenset({Code.TCP_PATH_MTU}), ""
        here = sets.SAYS_NOTHING_HERE - ({Code.CLUSTER_BROKER_UNRESPONSIVE} if missing else frozenset())
        return here, "connections are accepted, and on some of them the answer does not come"
    if missing:
        return frozenset({Code.TCP_PATH_MTU}), ""
    if not everything and (case.listed(red.check.broker_id) is False or len(_vpcs_silent(case, red)) > 1):
        return frozenset({Code.CLUSTER_BROKER_UNRESPONSIVE}), ""
    return sets.SAYS_NOTHING, "connections are accepted, and not one byte comes back"


def _no_loss(case: Case, red: Red, facts: HandshakeFacts) -> bool:
    """Whether no rate of loss explains that a request was lost each time it was sent, and nothing else was.

    Each connect that was answered at once is two packets that got through, whatever the answer. Where `lost` of `sent`
    were lost, what was seen is likeliest at the rate `lost / sent`, and less likely at any other.
    """
    connects = [o for o in case.of_stage(red.view, Stage.CONNECT) if o.target.role in {Role.BOOTSTRAP, Role.BROKER}]
    if facts.tcp is None or any(_was_lost(outcome) for outcome in connects):
        return False
    lost, through = 1 + facts.tcp.retransmitted_segments, 2 * len(connects)
    rate = lost / (lost + through)
    return rate**lost * (1 - rate) ** through <= ACCIDENT


def _was_lost(outcome: Outcome) -> bool:
    return outcome.reason not in {None, *REFUSALS} or syn_was_repeated(outcome)


def _spoke(case: Case, view: ClientView, broker_id: int | None) -> bool:
    """Whether the broker answered this client in a handshake or after it."""
    return any(
        c.broker_id == broker_id and c.verdict is Verdict.PASSED and c.stage in {Stage.HANDSHAKE, Stage.API}
        for c in case.checks(view)
    )


def _silences(case: Case, view: ClientView) -> list[Red]:
    return [
        Red(view, c)
        for c in case.checks(view)
        if c.verdict is Verdict.FAILED and c.stage in {Stage.HANDSHAKE, Stage.API} and c.reason is Reason.TIMED_OUT
    ]


def _vpcs_silent(case: Case, red: Red) -> set[str]:
    """VPCs from which the same broker is silent; the cluster's own has no path that could be too narrow."""
    return {
        view.vpc_id
        for view in case.views
        if any(r.check.broker_id == red.check.broker_id for r in _silences(case, view))
    }


def _beside(case: Case, said: frozenset[Code]) -> frozenset[Code]:
    """Without what a client that meets the brokers themselves, and is content, excludes."""
    content = any(
        kind(view) is Access.DIRECT
        and any(c.stage is Stage.HANDSHAKE and c.verdict is Verdict.PASSED for c in case.checks(view))
        for view in case.views
    )
    return said - {Code.TLS_PLAINTEXT_LISTENER} if content else said


def _closed(case: Case, red: Red) -> _Said | None:
    """What listens there closes on TLS; what closes for one path alone is something on that path."""
    alike = [view for view in case.views if (kind(view) is Access.DIRECT) == (kind(red.view) is Access.DIRECT)]
    if any(_spoke(case, view, red.check.broker_id) for view in alike):
        return None
    if red.check.reason is Reason.RESET and not any(_closes(case, view, red) for view in alike if view is not red.view):
        return None  # a listener closes in order; with nobody to compare, a reset may come from anywhere
    if kind(red.view) is Access.DIRECT or managed(red.view):
        return frozenset({Code.TLS_PLAINTEXT_LISTENER}), ""
    return _beside(case, sets.CLOSED_AT_ONCE), "connections are accepted and closed on the first bytes"


def _closes(case: Case, view: ClientView, red: Red) -> bool:
    """Whether the broker closes on another client as well."""
    return any(
        c.broker_id == red.check.broker_id and c.stage is Stage.HANDSHAKE and c.reason in {Reason.CLOSED, Reason.RESET}
        for c in case.checks(view)
    )


class _Alert(IntEnum):
    """Descriptions of alerts that say what is wrong (RFC 8446, 6; RFC 6066, 3)."""

    HANDSHAKE_FAILURE = 40
    BAD_CERTIFICATE = 42
    PROTOCOL_VERSION = 70
    INTERNAL_ERROR = 80
    UNRECOGNIZED_NAME = 112
    CERTIFICATE_REQUIRED = 116


def _alert(red: Red, facts: HandshakeFacts | None) -> _Said | None:
    code = None if facts is None else _refusal(red, facts)
    return None if code is None else (frozenset({code}), "")


def _refusal(red: Red, facts: HandshakeFacts) -> Code | None:  # noqa: PLR0911 - one line a refusal
    if facts.no_common_version:
        return Code.TLS_VERSION_MISMATCH
    match facts.alert_number:
        case _Alert.UNRECOGNIZED_NAME:
            return Code.TLS_SNI_REQUIRED
        case _Alert.CERTIFICATE_REQUIRED:
            return Code.TLS_CLIENT_CERTIFICATE_MISSING
        case _Alert.HANDSHAKE_FAILURE | _Alert.BAD_CERTIFICATE if facts.client_certificate_requested:
            return Code.TLS_CLIENT_CERTIFICATE_MISSING
        case _Alert.INTERNAL_ERROR if kind(red.view) is not Access.DIRECT and not managed(red.view):
            # A TLS listener that chokes on what stands before the ClientHello: measured with Kafka's own.
            return Code.NLB_PROXY_PROTOCOL
        case _Alert.PROTOCOL_VERSION | _Alert.HANDSHAKE_FAILURE:
            return Code.TLS_VERSION_MISMATCH
        case _:
            return None


# A certificate that is not right


def _other_names(red: Red, facts: HandshakeFacts) -> _Said | None:
    name = red.check.name.lower()
    if _is_address(name):
        return frozenset({Code.TLS_BOOTSTRAP_BY_ADDRESS}), ""
    mine = _MSK_NAME.match(name)
    shown = {m["cluster"] for dns_name in facts.dns_names if (m := _MSK_NAME.match(dns_name.lower()))}
    if mine and shown:
        if mine["cluster"] not in shown:
            return frozenset({Code.TLS_OTHER_CLUSTER}), ""
        return frozenset({Code.TLS_CONNECTION_NAME if managed(red.view) else Code.TLS_NAME_NOT_COVERED}), ""
    if mine is None and shown:
        return frozenset({Code.TLS_NAME_NOT_COVERED}), ""
    said = sets.OTHER_NAMES if kind(red.view) is Access.DIRECT or managed(red.view) else sets.OTHER_NAMES_BEHIND
    return said, "the certificate has none of MSK's names"


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _others(case: Case, red: Red, *, any_broker: bool = False) -> Iterator[tuple[ClientView, HandshakeFacts, bool]]:
    """What clients of other VPCs saw of the same broker: facts, and whether they were content."""
    for view in case.views:
        if view.vpc_id == red.view.vpc_id:
            continue
        for outcome in case.of_stage(view, Stage.HANDSHAKE):
            same = any_broker or outcome.target.broker_id == red.check.broker_id or red.check.broker_id is None
            if same and isinstance(outcome.facts, HandshakeFacts):
                yield view, outcome.facts, outcome.reason is None


def _untrusted(case: Case, red: Red, facts: HandshakeFacts | None) -> _Said | None:
    if facts is None:
        return None
    others = list(_others(case, red))
    if any(content and seen.sha256 != facts.sha256 for _, seen, content in others):
        return frozenset({Code.TLS_INSPECTED}), ""
    if any(content for _, _, content in others):
        return frozenset({Code.TLS_UNTRUSTED_AUTHORITY}), ""
    known = bool(others) and all(seen.sha256 == facts.sha256 for _, seen, _ in others)
    said = sets.UNTRUSTED if known else sets.UNTRUSTED_HERE
    if len(facts.chain) > 1:
        said = said - {Code.TLS_CHAIN_INCOMPLETE}
    if Reason.NAME_MISMATCH in facts.problems:
        named = _other_names(red, facts)
        said = said | (named[0] if named is not None else frozenset())
    return said, "the client does not trust the certificate's issuer"


def _dates(case: Case, red: Red, facts: HandshakeFacts | None) -> _Said:
    others = [(seen, content) for _, seen, content in _others(case, red, any_broker=True)]
    if facts is not None and any(content and seen.sha256 == facts.sha256 for seen, content in others):
        return frozenset({Code.TLS_CLOCK_WRONG}), ""
    if any(set(seen.problems) & {Reason.CERTIFICATE_EXPIRED, Reason.CERTIFICATE_NOT_YET_VALID} for seen, _ in others):
        return frozenset({Code.TLS_CERTIFICATE_DATES}), ""
    return sets.NOT_NOW, "the certificate is not valid at the time of the client's clock"


# The first request after TLS


def _api(case: Case, red: Red) -> _Said | None:
    handshake = [o.facts for o in case.earlier(red, Stage.HANDSHAKE) if isinstance(o.facts, HandshakeFacts)]
    asked = any(facts.client_certificate_requested for facts in handshake)
    match red.check.reason:
        case Reason.CLOSED | Reason.RESET | Reason.SOCKET_ERROR if asked:
            return frozenset({Code.TLS_CLIENT_CERTIFICATE_MISSING}), ""
        case Reason.CLOSED | Reason.RESET | Reason.NOT_KAFKA if not red.view.tls:
            return frozenset({Code.TLS_PLAINTEXT_CLIENT}), ""
        case Reason.TIMED_OUT:
            silent = _silent(case, red, missing=False)
            if silent[0] == {Code.TCP_PATH_MTU} or red.view.tls:
                return frozenset({Code.CLUSTER_BROKER_UNRESPONSIVE}), ""  # the server's certificates came through
            return silent
        case _:
            return None
