"""Rules of connections that are accepted, and then silent or ended: nothing, or not enough, is said. Pure."""

from __future__ import annotations

from brokerproof.causes import sets
from brokerproof.causes.codes import Code
from brokerproof.diagnosis.check import Verdict
from brokerproof.diagnosis.rules.case import Access, Case, Red, Said, behind_own, kind
from brokerproof.diagnosis.rules.connect import loses
from brokerproof.probes.outcome import HandshakeFacts, Reason, Stage, TcpInfo
from brokerproof.topology.expectation.view import ClientView

_CONVERSATION = frozenset({Stage.HANDSHAKE, Stage.API})
_ENDINGS = frozenset({Reason.CLOSED, Reason.RESET})


def silent_handshake(case: Case, red: Red, facts: HandshakeFacts | None) -> Said:
    """Accepted, and no handshake within its time: by what TCP says of it."""
    tcp = None if facts is None else facts.tcp
    if tcp is not None and tcp.unacknowledged_segments and not tcp.data_segments_in:
        return not_taken(case, red)
    if tcp is not None and _unreadable(tcp):
        codes = frozenset({Code.TCP_PATH_MTU}) | _losses(case, red.view)
        return codes, "" if len(codes) == 1 else "parts of the answer are missing, and what follows them came"
    if facts is not None and facts.bytes_received:
        return sets.SAYS_NOTHING_HERE, "the answer begins, and does not come to its end"
    return silent(case, red)


def _unreadable(tcp: TcpInfo) -> bool:
    """Whether segments came of which no byte can be read: what should come before them is missing."""
    return bool(tcp.out_of_order_segments) or (bool(tcp.data_segments_in) and tcp.bytes_in_order == 0)


def _losses(case: Case, view: ClientView) -> frozenset[Code]:
    return frozenset({Code.TCP_PACKET_LOSS}) if loses(case, view) else frozenset()


def not_taken(case: Case, red: Red) -> Said:
    """A ClientHello is one small packet (RFC 791: every network carries 576 bytes), so it is not its size.

    A host whose queue of connections is full takes none of it, after it had answered the SYN. What is lost at random
    arrives when it is sent again; an equal path that is broken loses all of one connection, and a second one, from
    another port, may go by another. Behind some devices only one side of a connection comes by.
    """
    codes = sets.NOT_TAKEN
    if spoke_to_anybody(case, red.check.broker_id):
        codes = (codes - {Code.CLUSTER_BROKER_UNRESPONSIVE}) | {Code.TCP_CUT_ON_THE_WAY}
    return codes, "connections are accepted, and the first small packet is never acknowledged"


def silent(case: Case, red: Red) -> Said:
    """Accepted and then silent: the broker, what it sends is too large for the path, or something on the way."""
    if red.check.broker_id is None and kind(red.view) is not Access.DIRECT and spoke_kafka(case):
        return sets.BOOTSTRAP_SILENT, "connections to the bootstrap listener are accepted, and not one byte comes back"
    silent_ids = {r.check.broker_id for r in _silences(case, red.view)}
    everything = silent_ids >= {b.broker_id for b in red.view.brokers} and len(silent_ids) > 1
    if red.check.broker_id is not None and spoke_to_anybody(case, red.check.broker_id):
        if everything and not any(spoke(case, red.view, b.broker_id) for b in red.view.brokers):
            return sets.SAYS_NOTHING_TO_ONE, "connections are accepted, and no broker answers this client on them"
        return sets.SAYS_NOTHING_HERE, "connections are accepted, and on some of them the answer does not come"
    if _began(case, red.check.broker_id):
        return sets.SAYS_NOTHING_HERE, "connections are accepted, and on some of them the answer does not come"
    if not everything and is_mute(case, red):
        return frozenset({Code.CLUSTER_BROKER_UNRESPONSIVE}), ""
    codes = sets.SAYS_NOTHING if spoke_kafka(case) else sets.SAYS_NOTHING_TO_ANYBODY
    return codes, "connections are accepted, and not one byte comes back"


def is_mute(case: Case, red: Red) -> bool:
    """Whether others say that it is the broker: metadata of the others leaves it out, or two VPCs find it silent."""
    of_one = red.check.broker_id is not None
    if not of_one or _began(case, red.check.broker_id):
        return False
    return case.listed(red.check.broker_id) is False or len(_vpcs_silent(case, red)) > 1


def _began(case: Case, broker_id: int | None) -> bool:
    """Whether the broker said anything to anybody whom it kept waiting: it is late then, and not mute."""
    return any(
        facts.bytes_received or facts.first_bytes
        for view in case.views
        for red in _silences(case, view)
        if red.check.broker_id == broker_id
        for facts in (outcome.facts for outcome in case.outcomes(red))
        if isinstance(facts, HandshakeFacts)
    )


def spoke(case: Case, view: ClientView, broker_id: int | None) -> bool:
    """Whether the broker answered this client in a handshake or after it."""
    return any(
        c.broker_id == broker_id and c.verdict is Verdict.PASSED and c.stage in _CONVERSATION for c in case.checks(view)
    )


def spoke_to_anybody(case: Case, broker_id: int | None) -> bool:
    """Whether the broker answered any client."""
    return any(spoke(case, view, broker_id) for view in case.views)


def spoke_kafka(case: Case) -> bool:
    """Whether anything of the cluster answered any client in Kafka's protocol."""
    return any(c.verdict is Verdict.PASSED and c.stage is Stage.API for view in case.views for c in case.checks(view))


def _silences(case: Case, view: ClientView) -> list[Red]:
    return [
        Red(view, c)
        for c in case.checks(view)
        if c.verdict is Verdict.FAILED and c.stage in _CONVERSATION and c.reason is Reason.TIMED_OUT
    ]


def _vpcs_silent(case: Case, red: Red) -> set[str]:
    """VPCs from which the same broker is silent; the cluster's own has no path that could be too narrow."""
    return {
        view.vpc_id
        for view in case.views
        if any(r.check.broker_id == red.check.broker_id for r in _silences(case, view))
    }


# Ended


def closed(case: Case, red: Red, facts: HandshakeFacts | None) -> Said:
    """Ended on the ClientHello. Kafka that answers without TLS is a witness; without one, much ends connections."""
    fronted = behind_own(red.view)
    alike = [view for view in case.views if (kind(view) is Access.DIRECT) == (kind(red.view) is Access.DIRECT)]
    plaintext = None if facts is None else facts.answers_plaintext
    if plaintext:
        codes = frozenset({Code.TLS_PLAINTEXT_LISTENER})
        codes = beside(case, codes | {Code.NLB_WRONG_TARGET_PORT}) if fronted else codes
        return codes, "Kafka answers without TLS where clients expect it" if len(codes) > 1 else ""
    if any(spoke(case, view, red.check.broker_id) for view in alike):
        return sets.ENDED_HERE, "connections are accepted and ended at once, while others speak with the broker"
    codes = beside(case, sets.CLOSED_AT_ONCE_BEHIND) if fronted else sets.CLOSED_AT_ONCE
    if plaintext is False:
        codes -= {Code.TLS_PLAINTEXT_LISTENER}
    if len(_ended_at(case, red.view)) > 1:
        codes -= {Code.TCP_NOT_KAFKA}  # that several brokers' places have something else is one port that is wrong
    return codes, "connections are accepted and ended on the first bytes"


def _ended_at(case: Case, view: ClientView) -> set[int]:
    return {
        c.broker_id
        for c in case.checks(view)
        if c.broker_id is not None and c.stage in _CONVERSATION and c.reason in _ENDINGS
    }


def beside(case: Case, said: frozenset[Code]) -> frozenset[Code]:
    """Of a client behind a load balancer: without what one that meets the brokers, and is content, excludes."""
    return said - {Code.TLS_PLAINTEXT_LISTENER} if content_at_brokers(case) else said


def content_at_brokers(case: Case) -> bool:
    """Whether a client that meets the brokers themselves came through the handshake."""
    return any(
        kind(view) is Access.DIRECT
        and any(c.stage is Stage.HANDSHAKE and c.verdict is Verdict.PASSED for c in case.checks(view))
        for view in case.views
    )
