"""Whether a change is accepted, rejected or not comparable, and why. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from enum import StrEnum
from typing import Final

from brokerproof.change.declaration import Declaration, Interruption
from brokerproof.change.facts import Fact, FactKind
from brokerproof.change.look import Look
from brokerproof.change.paired import Paired
from brokerproof.probes.outcome.base import Value
from brokerproof.probes.survival.values import NOTED_MS, Attempt, Gap, SurvivalReport
from brokerproof.wording import listed

BEFORE_S: Final = 0.5
"""A gap that began so little before the command was already under way when it began."""
LEAST_RESENT: Final = 2
"""One segment that is sent again is a lost packet; an outage loses several."""
MAX_IDLE_S: Final = 540.0
"""Brokers end connections that are silent for ten minutes (connections.max.idle.ms)."""


class Standing(StrEnum):
    """What became of a fact."""

    UNCHANGED = "unchanged"
    DECLARED = "changed_as_declared"
    UNDECLARED = "changed_undeclared"
    NOT_KNOWN = "not_known"
    """It was not seen before, or not after."""


class Compared(Value, frozen=True, kw_only=True):
    """One fact before and after."""

    client: str
    kind: FactKind
    subject: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    standing: Standing


class Answer(StrEnum):
    """Of a change."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    NOT_COMPARABLE = "not_comparable"


class Why(Value, frozen=True, kw_only=True):
    """One reason. ``title`` is a sentence, ``detail`` what was seen."""

    answer: Answer
    client: str
    title: str
    detail: str = ""


class Judgement(Value, frozen=True, kw_only=True):
    """The answer, all that speaks against acceptance, and what else was noticed."""

    answer: Answer
    change: str
    whys: tuple[Why, ...]
    remarks: tuple[str, ...]
    compared: tuple[Compared, ...]
    survivals: tuple[SurvivalReport, ...]
    command_began: float
    command_ended: float


def compare_facts(before: Iterable[Fact], after: Iterable[Fact], declared: Declaration) -> tuple[Compared, ...]:
    """Every fact that was seen before or after."""
    old = {fact.key: fact.values for fact in before}
    new = {fact.key: fact.values for fact in after}
    return tuple(
        Compared(
            client=client,
            kind=kind,
            subject=subject,
            before=old.get((client, kind, subject), ()),
            after=new.get((client, kind, subject), ()),
            standing=_standing(
                old.get((client, kind, subject), ()),
                new.get((client, kind, subject), ()),
                allowed=declared.allows(kind, subject) or _follows(kind, subject, declared),
            ),
        )
        for client, kind, subject in sorted({*old, *new})
    )


def _follows(kind: FactKind, subject: str, declared: Declaration) -> bool:
    """Which broker answers at an address is another fact where the addresses themselves may be others."""
    return kind is FactKind.BROKERS and declared.allows(FactKind.ADDRESSES, subject.partition(" ")[0])


def _standing(before: tuple[str, ...], after: tuple[str, ...], *, allowed: bool) -> Standing:
    if before == after:
        return Standing.UNCHANGED if before else Standing.NOT_KNOWN
    if allowed:
        return Standing.DECLARED
    return Standing.UNDECLARED if before and after else Standing.NOT_KNOWN


def judge_change(
    before: Look,
    after: Look,
    survivals: Sequence[SurvivalReport],
    declared: Declaration,
    *,
    command_began: float,
    command_ended: float,
    command_failed: str = "",
    troubles: Sequence[str] = (),
    paired: Sequence[Paired] = (),
) -> Judgement:
    """The judgement. What speaks for rejection outweighs what cannot be compared."""
    compared = compare_facts(before.facts, after.facts, declared)
    whys = [
        *(_not_comparable("", "the path was not right before the change", text) for text in before.wrong),
        *(_not_comparable("", "not everything was seen before the change", text) for text in before.unknown[:3]),
        *(_rejected("", "the path is not right after the change", text) for text in after.wrong),
        *(_not_comparable("", "not everything was seen after the change", text) for text in after.unknown[:3]),
        *(_not_comparable("", "a client that was to live through the change did not", text) for text in troubles),
        *([_rejected("", "the command failed", command_failed)] if command_failed else []),
        *_of_facts(compared, gone=bool(after.wrong)),
        *(why for each in survivals for why in _of_survival(each, declared, command_began)),
        *_of_latency(before, after, declared),
        *_of_pairs(paired, declared),
    ]
    remarks = (
        *_declared_in_vain(compared, declared),
        *(remark for each in survivals for remark in _remarks(each, declared, command_began)),
        *([] if declared.latency is not None else ["latency is not compared: no margin is declared"]),
        *(_pair_words(each) for each in paired if each.low is not None),
    )
    answers = {why.answer for why in whys}
    answer = next((each for each in (Answer.REJECTED, Answer.NOT_COMPARABLE) if each in answers), Answer.ACCEPTED)
    return Judgement(
        answer=answer,
        change=declared.change,
        whys=tuple(whys),
        remarks=remarks,
        compared=compared,
        survivals=tuple(survivals),
        command_began=command_began,
        command_ended=command_ended,
    )


def _rejected(client: str, title: str, detail: str = "") -> Why:
    return Why(answer=Answer.REJECTED, client=client, title=title, detail=detail)


def _not_comparable(client: str, title: str, detail: str = "") -> Why:
    return Why(answer=Answer.NOT_COMPARABLE, client=client, title=title, detail=detail)


def _of_facts(compared: Sequence[Compared], *, gone: bool) -> Iterator[Why]:
    moved = {
        (each.client, each.subject)
        for each in compared
        if each.kind is FactKind.ADDRESSES and each.standing is Standing.UNDECLARED
    }
    for each in compared:
        if each.kind is FactKind.BROKERS and (each.client, each.subject.partition(" ")[0]) in moved:
            continue  # who answers at an address that is another now: that it is another is told
        what = f"{each.kind.replace('_', ' ')} of {each.subject}"
        detail = f"before: {listed(each.before)}; after: {listed(each.after)}"
        if each.standing is Standing.UNDECLARED:
            yield _rejected(each.client, f"{what} changed, which was not declared", detail)
        elif each.standing is Standing.NOT_KNOWN and not gone and (each.before or each.after):
            when = "after" if each.before else "before"
            yield _not_comparable(each.client, f"{what} was not seen {when} the change", detail)


def _declared_in_vain(compared: Sequence[Compared], declared: Declaration) -> Iterator[str]:
    changed = {each.kind for each in compared if each.standing is Standing.DECLARED}
    for kind in declared.may_differ:
        if kind not in changed:
            yield f"{kind.replace('_', ' ')} may differ by the declaration, and did not"


# Survival


def outages(report: SurvivalReport, since: float) -> tuple[Gap, ...]:
    """Gaps in which the path carried nothing: segments had to be sent again."""
    return tuple(gap for gap in _gaps(report, since) if _lost_segments(gap) and not _stood_still(gap))


def pauses(report: SurvivalReport, since: float) -> tuple[Gap, ...]:
    """Gaps in which nothing was lost on the path and this host ran: a broker that paused."""
    return tuple(gap for gap in _gaps(report, since) if not _lost_segments(gap) and not _stood_still(gap))


def _lost_segments(gap: Gap) -> bool:
    """Whether several were sent again, and not all of them for nothing, as where a busy host acknowledges late."""
    return gap.retransmitted >= LEAST_RESENT and gap.unneeded < gap.retransmitted


def _stood_still(seen: Gap | Attempt) -> bool:
    """Whether the host that watched did not run for half of this time or more: then it is no evidence of the path."""
    return seen.host_late_ms > 0 and seen.host_late_ms >= seen.lasted_ms / 2


def _gaps(report: SurvivalReport, since: float) -> Iterator[Gap]:
    for leader in report.leaders:
        for gap in leader.gaps:
            if gap.began + gap.lasted_ms / 1000 >= since:
                yield gap


def _of_survival(report: SurvivalReport, declared: Declaration, command_began: float) -> Iterator[Why]:
    may, client, since = declared.interruption, report.client, command_began - BEFORE_S
    if report.trouble:
        yield _not_comparable(client, "a client that was to live through the change did not", report.trouble)
    early = [gap for gap in outages(report, report.began) if gap.began + gap.lasted_ms / 1000 < since]
    if early:
        yield _not_comparable(client, "the path was cut off before the change already", _gap_words(early))
    cut = [gap for gap in outages(report, since) if gap.lasted_ms > may.outage_ms]
    if cut:
        title = (
            f"records were cut off for longer than {may.outage_ms:g} ms" if may.outage_ms else "records were cut off"
        )
        yield _rejected(client, title, _gap_words(cut))
    paused = [gap for gap in pauses(report, since) if gap.lasted_ms > may.pause_ms]
    if paused:
        yield _rejected(client, f"acknowledgements paused for longer than {may.pause_ms:g} ms", _gap_words(paused))
    yield from _unseen(report, may, since, beyond={*cut, *paused})
    yield from _of_records(report, may)
    yield from _of_connections(report, may, since)


def _unseen(report: SurvivalReport, may: Interruption, since: float, *, beyond: AbstractSet[Gap]) -> Iterator[Why]:
    """Gaps of which it is not known how long the path or a broker made them."""
    lasting = [gap for gap in _gaps(report, since) if gap.lasts and gap not in beyond]
    if lasting:
        title = "acknowledgements were still missing when the clients were ended; let them live on (--settle)"
        yield _not_comparable(report.client, title, _gap_words(lasting))
    still = [
        gap
        for gap in _gaps(report, since)
        if _stood_still(gap) and gap.lasted_ms > (max(may.outage_ms, NOTED_MS) if _lost_segments(gap) else may.pause_ms)
    ]
    if still:
        longest_s = max(gap.host_late_ms for gap in still) / 1000
        yield _not_comparable(report.client, f"this host stood still for {longest_s:.1f} s", _gap_words(still))


def _of_records(report: SurvivalReport, may: Interruption) -> Iterator[Why]:
    client = report.client
    if report.lost:
        yield _rejected(
            client, "records that were acknowledged did not come", f"{report.lost:,} of {report.acknowledged:,}"
        )
    if not may.duplicates and report.duplicated:
        yield _rejected(client, "records came twice", f"{report.duplicated:,} of {report.received:,}")
    if report.out_of_order:
        yield _rejected(client, "records came out of order", f"{report.out_of_order:,} of {report.received:,}")
    failed = sum(leader.failed for leader in report.leaders)
    if failed > may.failed_records:
        errors = sorted({f"{name} ({count:,})" for each in report.leaders for name, count in each.errors.items()})
        yield _rejected(client, f"{failed:,} records were not delivered", ", ".join(errors))
    if may.rebalances is not None and report.rebalances > may.rebalances:
        yield _rejected(client, f"the group was rebalanced {report.rebalances} times", f"{may.rebalances} may be")


def _of_connections(report: SurvivalReport, may: Interruption, since: float) -> Iterator[Why]:
    client = report.client
    for fresh in report.fresh:
        missed = [each for each in fresh.failed if each.at >= since]
        where = f"to broker {fresh.broker_id} at {fresh.address} failed"
        counted = [each for each in missed if not _stood_still(each)]
        if len(counted) > may.failed_connections:
            words = f"of {fresh.attempts:,}; the first: {counted[0].why}"
            yield _rejected(client, f"{len(counted):,} fresh connections {where}", words)
        elif len(missed) > may.failed_connections:
            title = f"{len(missed):,} fresh connections {where}, some while this host stood still"
            yield _not_comparable(client, title, f"of {fresh.attempts:,}")
    ended = [
        each
        for each in report.idle
        if each.how and each.ended_at >= since and each.ended_at - report.began < MAX_IDLE_S
    ]
    if ended and not may.connections_end:
        words = ", ".join(f"broker {each.broker_id} at {each.address} ({each.how})" for each in ended)
        yield _rejected(client, "connections that stood before were ended", words)


def _gap_words(gaps: Sequence[Gap]) -> str:
    longest: dict[int, Gap] = {}
    for gap in gaps:
        if gap.broker_id not in longest or gap.lasted_ms > longest[gap.broker_id].lasted_ms:
            longest[gap.broker_id] = gap
    return ", ".join(
        f"broker {gap.broker_id}: {gap.lasted_ms:,.0f} ms, {gap.retransmitted:,} segments sent again"
        for gap in sorted(longest.values(), key=lambda gap: gap.broker_id)
    )


def _remarks(report: SurvivalReport, declared: Declaration, command_began: float) -> Iterator[str]:
    since = command_began - BEFORE_S
    within = [gap for gap in outages(report, since) if gap.lasted_ms <= declared.interruption.outage_ms]
    if within:
        yield f"{report.client}: cut off as declared: {_gap_words(within)}"
    connects = {**report.producer.connects}
    for broker, count in report.consumer.connects.items():
        connects[broker] = connects.get(broker, 0) + count
    if connects:
        words = ", ".join(f"broker {broker}: {count}" for broker, count in sorted(connects.items()))
        yield f"{report.client}: connected again ({words})"
    changes = [each for each in report.names if each.at >= since]
    for each in changes:
        after = f"{each.at - command_began:.1f} s after the command began"
        yield f"{report.client}: {each.name} resolved to {listed(each.addresses)} {after}"
    held_up = [gap for gap in _gaps(report, since) if _stood_still(gap)]
    if held_up:
        worst = max(gap.host_late_ms for gap in held_up)
        yield f"{report.client}: its own host was held up for up to {worst:,.0f} ms, which is not the path's"
    for what in report.left_behind:
        yield f"{report.client}: left behind: {what}"


def _of_latency(before: Look, after: Look, declared: Declaration) -> Iterator[Why]:
    if declared.latency is None:
        return
    in_turns = declared.latency.beside.keys()
    measured = sorted(
        key for key in before.medians_ms.keys() | after.medians_ms.keys() if key.partition(" ")[0] not in in_turns
    )
    if not measured and not in_turns:
        yield _not_comparable("", "latency was not measured before and after")
    for key in measured:
        client, _, what = key.partition(" ")
        if key not in before.medians_ms or key not in after.medians_ms:
            when = "after" if key in before.medians_ms else "before"
            yield _not_comparable(client, f"{what.replace('_', ' ')} was not measured {when} the change")
            continue
        old, new = before.medians_ms[key], after.medians_ms[key]
        if new > old * (1 + declared.latency.margin):
            yield _rejected(
                client,
                f"{what.replace('_', ' ')} is slower than the declared margin of {declared.latency.margin:.0%}",
                f"median before: {old:.2f} ms, after: {new:.2f} ms",
            )


def _of_pairs(paired: Sequence[Paired], declared: Declaration) -> Iterator[Why]:
    """An interval beyond the margin rejects, one that holds it says neither."""
    if declared.latency is None:
        return
    most = 1 + declared.latency.margin
    timed = {each.client for each in paired}
    for client in declared.latency.beside.keys() - timed:
        yield _not_comparable(client, "latency was not measured beside the old way")
    for each in paired:
        what = each.what.replace("_", " ")
        if each.low is None or each.high is None:
            title = f"too few turns of {what} count beside {each.other}"
            yield _not_comparable(each.client, title, f"{each.rounds} turns of each")
        elif each.low > most:
            title = f"{what} is slower than the declared margin of {declared.latency.margin:.0%} beside {each.other}"
            yield _rejected(each.client, title, _pair_words(each))
        elif each.high > most:
            title = f"{what} beside {each.other} is not known well enough for a margin of {declared.latency.margin:.0%}"
            yield _not_comparable(each.client, title, _pair_words(each))


def _pair_words(each: Paired) -> str:
    what = each.what.replace("_", " ")
    times = f"{each.low:.2f} to {each.high:.2f} times as long as that of {each.other}"
    return f"{each.client}: {what} takes {times}, by {each.rounds} turns of each"
