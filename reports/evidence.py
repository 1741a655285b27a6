"""What the probe observed, in words: one line an outcome, one row a certificate, one row a DNS answer.

The facts are shown as they were recorded; checks decide whether they are right.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from brokerproof.probes.outcome import (
    ApiFacts,
    ConnectFacts,
    ConsumeFacts,
    Distribution,
    Facts,
    GroupFacts,
    HandshakeFacts,
    IdentityFacts,
    IdleFacts,
    LatencyFacts,
    MetadataFacts,
    Outcome,
    PathLatencyFacts,
    PathSizeFacts,
    ProduceFacts,
    ResolveFacts,
    TcpInfo,
    ThroughputFacts,
    TopicFacts,
)
from brokerproof.reports import words
from brokerproof.reports.document import ClientResult

_SEPARATOR = " · "


class CertificateRow(msgspec.Struct, frozen=True, kw_only=True):
    """One certificate as presented, and where it was presented."""

    subject: str
    issuer: str
    dns_names: tuple[str, ...]
    not_before: str
    not_after: str
    remaining: str
    """Days left when the run began, in words."""
    sha256: str
    chain: tuple[str, ...]
    tls: tuple[str, ...]
    """Each TLS version and cipher with which it was presented."""
    judged: str
    """Chain, name and dates, each good, bad, or not judged."""
    is_bad: bool
    """At least one of the three was bad on at least one connection."""
    seen_at: tuple[str, ...]
    """SNI and address of every connection that presented it."""


class DnsRow(msgspec.Struct, frozen=True, kw_only=True):
    """One name as the client's resolver and its operating system answered."""

    name: str
    resolver: str
    rcode: str
    answer: tuple[str, ...]
    cname_chain: tuple[str, ...]
    ttl: str
    os_answer: str
    """Empty where it is the resolver's answer."""
    soa: str
    took: str


def seen(facts: Facts | None) -> str:
    """What one outcome saw, in one line."""
    return "" if facts is None else _SEPARATOR.join(part for part in _parts(facts) if part)


def _parts(facts: Facts) -> tuple[str, ...]:  # noqa: C901, PLR0912  (one case a kind of facts, none nested)
    match facts:
        case ResolveFacts():
            parts = _resolve_parts(facts)
        case ConnectFacts():
            source = f"from {facts.local_address}:{facts.local_port}" if facts.local_port else ""
            parts = (source, facts.errno, *_tcp_parts(facts.tcp))
        case HandshakeFacts():
            tcp = _tcp_parts(facts.tcp)
            parts = (facts.tls_version, facts.cipher, facts.subject, facts.alert, *facts.verify_errors, *tcp)
        case ApiFacts():
            answered = words.count(facts.api_count, "API") if facts.api_count or facts.error_code else ""
            parts = (answered, _error_code(facts.error_code), *_tcp_parts(facts.tcp))
        case MetadataFacts():
            brokers = ", ".join(f"{one.broker_id}={one.name}:{one.port}" for one in facts.brokers)
            held = f"held back {facts.throttle_time_ms:,} ms by a quota" if facts.throttle_time_ms else ""
            parts = (f"advertises {brokers or 'no broker'}", held)
        case IdentityFacts():
            answered = "" if facts.answered_by is None else f"broker {facts.answered_by} answered"
            parts = (answered, _error_code(facts.error_code), facts.error_message)
        case PathSizeFacts():
            parts = _path_size_parts(facts)
        case TopicFacts():
            parts = (_error_code(facts.error_code),)
        case ProduceFacts():
            ack = f"first ack {words.duration(facts.first_ack_ns)}" if facts.first_ack_ns else ""
            acknowledged = f"{facts.acknowledged:,} of {words.count(facts.records, 'record')} acknowledged"
            parts = (f"leader {facts.leader_id}", acknowledged, ack, facts.error_name, *facts.client_log)
        case ConsumeFacts():
            parts = _consume_parts(facts)
        case GroupFacts():
            parts = _group_parts(facts)
        case LatencyFacts():
            parts = (f"{words.count(facts.produce_ack.samples, 'sample')} of {facts.record_bytes:,} B",)
        case IdleFacts():
            ended = "" if facts.asked else ", then it ended"
            parts = (f"silent for {words.duration(facts.silent_ms * 1_000_000)}{ended}", *_tcp_parts(facts.tcp))
        case PathLatencyFacts():
            parts = (
                words.count(facts.connect.samples, "fresh connection"),
                _kernel_rtt(facts.kernel_rtt),
                f"{words.count(facts.failed, 'sample')} failed" if facts.failed else "",
            )
        case ThroughputFacts():
            parts = (
                f"produce {words.byte_rate(facts.produce_bytes_per_s)}",
                f"consume {words.byte_rate(facts.consume_bytes_per_s)}",
            )
        case _:
            parts = _plain_parts(facts)
    return parts


def _plain_parts(facts: Facts) -> tuple[str, ...]:
    """Each figure and word of facts that have no sentence of their own here."""
    said = ((name, getattr(facts, name)) for name in facts.__struct_fields__)
    return tuple(
        f"{name.replace('_', ' ')} {value}" for name, value in said if isinstance(value, str | int | float) and value
    )


def _kernel_rtt(known: Distribution | None) -> str:
    """How long the path alone takes; what a connect takes longer is the client's own."""
    if known is None or known.p50_ns is None:
        return ""
    return f"median RTT by the kernel's clock {words.duration(known.p50_ns)}"


def _resolve_parts(facts: ResolveFacts) -> tuple[str, ...]:
    differs = set(facts.os_addresses) != {*facts.a, *facts.aaaa}
    return (
        facts.rcode,
        ", ".join((*facts.a, *facts.aaaa)),
        f"TTL {facts.ttl_s:,} s" if facts.ttl_s is not None else "",
        f"from {facts.resolver}",
        f"operating system: {', '.join(facts.os_addresses) or facts.os_error}" if differs else "",
        f"zone {facts.soa}" if facts.soa else "",
        f"asked again: {', '.join(facts.again)}" if facts.again and {*facts.again} != {*facts.a, *facts.aaaa} else "",
        *(f"not from {each.resolver}: {each.detail}" for each in facts.unusable),
    )


def _tcp_parts(tcp: TcpInfo | None) -> tuple[str, ...]:
    """How far the peer is, and what TCP had trouble with."""
    if tcp is None:
        return ()
    sent_again, waiting = tcp.retransmitted_segments, tcp.unacknowledged_segments
    return (
        f"RTT {words.duration(tcp.rtt_us * 1000)}" if tcp.rtt_us else "",
        f"{words.count(sent_again, 'segment')} sent again" if sent_again else "",
        f"{words.count(waiting, 'segment')} not acknowledged" if waiting and sent_again else "",
    )


def _path_size_parts(facts: PathSizeFacts) -> tuple[str, ...]:
    directions = (
        ("to the broker", facts.to_broker_passed_bytes, facts.to_broker_stopped_bytes),
        ("to the client", facts.to_client_passed_bytes, facts.to_client_stopped_bytes),
    )
    return (
        *(
            f"{where} {f'{passed:,} B' if passed else 'nothing'} passed{f', {stopped:,} B not' if stopped else ''}"
            for where, passed, stopped in directions
            if passed or stopped
        ),
        f"MSS {facts.tcp.snd_mss_bytes:,} B" if facts.tcp is not None else "",
        *_tcp_parts(facts.tcp),
    )


def _consume_parts(facts: ConsumeFacts) -> tuple[str, ...]:
    counts = ((facts.lost, "lost"), (facts.duplicated, "duplicated"), (facts.altered, "altered"))
    return (
        f"leader {facts.leader_id}",
        f"{facts.received:,} of {words.count(facts.expected, 'record')} back",
        *(f"{number:,} {what}" for number, what in counts if number),
        facts.error_name,
        *facts.client_log,
    )


def _group_parts(facts: GroupFacts) -> tuple[str, ...]:
    return (
        "" if facts.coordinator_id is None else f"coordinator {facts.coordinator_id}",
        f"which sees this client at {facts.client_host}" if facts.client_host else facts.client_host_unknown,
        words.count(facts.assigned_partitions, "partition") + " assigned",
        f"{facts.received:,} received",
        f"{facts.committed:,} committed",
        f"joined in {words.duration(facts.join_ns)}" if facts.join_ns else "",
        facts.error_name,
        *facts.client_log,
    )


def _error_code(code: int) -> str:
    """Kafka's own error code; 0 is none (Kafka protocol guide, error codes)."""
    return f"Kafka error code {code}" if code else ""


def certificates(result: ClientResult, at: datetime) -> tuple[CertificateRow, ...]:
    """Every certificate the client was shown, once each; days left are counted from ``at``."""
    shown: dict[str, list[Outcome]] = {}
    for outcome in result.outcomes:
        if isinstance(outcome.facts, HandshakeFacts) and outcome.facts.sha256:
            shown.setdefault(outcome.facts.sha256, []).append(outcome)
    return tuple(_certificate(outcomes, at) for outcomes in shown.values())


def _certificate(outcomes: list[Outcome], at: datetime) -> CertificateRow:
    handshakes = [outcome.facts for outcome in outcomes if isinstance(outcome.facts, HandshakeFacts)]
    first = handshakes[0]
    judged = {
        "chain": _judged(facts.chain_ok for facts in handshakes),
        "name": _judged(facts.name_ok for facts in handshakes),
        "dates": _judged(facts.dates_ok for facts in handshakes),
    }
    return CertificateRow(
        subject=first.subject,
        issuer=first.issuer,
        dns_names=first.dns_names,
        not_before=first.not_before,
        not_after=first.not_after,
        remaining=_remaining(first.not_after, at),
        sha256=first.sha256,
        chain=first.chain,
        tls=_unique(f"{facts.tls_version} {facts.cipher}".strip() for facts in handshakes),
        judged=", ".join(f"{what} {how}" for what, how in judged.items()),
        is_bad="bad" in judged.values(),
        seen_at=_unique(
            f"{facts.sni} at {outcome.target.address}:{outcome.target.port}"
            for outcome, facts in zip(outcomes, handshakes, strict=True)
        ),
    )


def _judged(verdicts: Iterable[bool | None]) -> str:
    """One verdict is enough for ``bad``; ``good`` needs at least one and no other."""
    known = set(verdicts) - {None}
    if False in known:
        return "bad"
    return "good" if known else "not judged"


def _remaining(not_after: str, at: datetime) -> str:
    try:
        until = datetime.fromisoformat(not_after)
    except ValueError:
        return ""
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    days = (until - at).days
    if until < at:
        return f"expired {words.count(-days, 'day')} before the run" if days < -1 else "expired"
    return f"{words.count(days, 'day')} left"


def dns_answers(result: ClientResult) -> tuple[DnsRow, ...]:
    """Every name the client asked for, each different answer once."""
    rows: list[DnsRow] = []
    asked: set[tuple[str, str, tuple[str, ...], tuple[str, ...], str]] = set()
    for outcome in result.outcomes:
        facts = outcome.facts
        if not isinstance(facts, ResolveFacts):
            continue
        answer = (*facts.a, *facts.aaaa)
        key = (outcome.target.name, facts.rcode, answer, facts.os_addresses, facts.os_error)
        if key in asked:
            continue
        asked.add(key)
        same = set(facts.os_addresses) == set(answer) and not facts.os_error
        rows.append(
            DnsRow(
                name=outcome.target.name,
                resolver=facts.resolver,
                rcode=facts.rcode or words.reason(outcome.reason),
                answer=answer,
                cname_chain=facts.cname_chain,
                ttl="" if facts.ttl_s is None else f"{facts.ttl_s:,} s",
                os_answer="" if same else (", ".join(facts.os_addresses) or facts.os_error),
                soa=facts.soa,
                took=words.duration(facts.query_ns) if facts.query_ns else "",
            )
        )
    return tuple(rows)


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))
