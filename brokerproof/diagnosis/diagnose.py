"""All clients' checks and outcomes together -> what is wrong. Pure.

Rules are tried in order; each claims the red checks it explains, and what is left is unknown at
its stage. Nothing here reads a clock, a file or a network.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from brokerproof.aws.audit.values import Audit
from brokerproof.causes.codes import Code
from brokerproof.diagnosis.account import with_account
from brokerproof.diagnosis.advice.registry import advices_of
from brokerproof.diagnosis.between_clients import compared
from brokerproof.diagnosis.check import Check, Verdict
from brokerproof.diagnosis.finding import Answer, ClientEvidence, Diagnosis, Finding
from brokerproof.diagnosis.following import following
from brokerproof.diagnosis.readings import as_one, readings
from brokerproof.diagnosis.rules import (
    authentication,
    connect,
    dns,
    host,
    isolation,
    kafka,
    late,
    later_request,
    load_balancer,
    size,
    tls,
    transient,
)
from brokerproof.diagnosis.rules.case import Case, Draft, Named, Red, Rule
from brokerproof.diagnosis.rules.words import finding
from brokerproof.diagnosis.witnesses import heard
from brokerproof.probes.outcome.registry import ORDER

RULES: Final[tuple[Rule, ...]] = (
    late.slow_answers,
    transient.over,
    dns.names,
    host.intercepted,
    tls.mute_brokers,
    connect.now_and_then,
    connect.brokers_down,
    load_balancer.cross_zone,
    connect.direct,
    load_balancer.silent_clients,
    load_balancer.one_zone,
    load_balancer.single_brokers,
    connect.without_shape,
    tls.handshakes,
    size.path_sizes,
    connect.second_connections,
    size.idle_connections,
    authentication.logins,
    kafka.brokers,
    later_request.unanswered,
    kafka.records,
    dns.hidden_names,
    isolation.open_doors,
)
"""In the order of the way a packet goes; within a stage, the narrower shape before the wider."""


def diagnose(clients: Sequence[ClientEvidence], audit: Audit | None = None) -> Diagnosis:
    """What is wrong, from everything that all clients of one topology saw. Their order does not matter.

    What clients of one cluster see says nothing of another's. Where it is not known by which way a client comes, each
    way that what was seen allows is asked, and what is said is what is left of all of them.
    ``audit`` is the second witness, where the account was read: what its configuration proves of the same clients.
    """
    return as_one([_read(each, audit) for each in readings(clients)], clients)


def _read(clients: Sequence[ClientEvidence], audit: Audit | None) -> Diagnosis:
    """The same, by one reading of what is not known."""
    clients = compared(clients)
    clusters = sorted({seen.view.cluster_name for seen in clients})
    cases = [Case(s for s in clients if s.view.cluster_name == name) for name in clusters]
    advices = tuple(advice for case in cases for advice in advices_of(case))
    found = [_of_cluster(case, audit) for case in cases]
    findings = tuple(sorted((finding for findings, _ in found for finding in findings), key=_rank))
    unexplained = tuple(sorted(key for _, keys in found for key in keys))
    named = {code for finding in findings for code in finding.codes}
    shown = tuple(each for each in audit.findings if each.code not in named) if audit is not None else ()
    if findings:
        return Diagnosis(
            answer=Answer.FINDINGS, findings=findings, unexplained=unexplained, shown=shown, advices=advices
        )
    enough = bool(clients) and not unexplained and all(seen.complete and seen.checks for seen in clients)
    answer = Answer.NOTHING_WRONG if enough else Answer.NOT_ENOUGH_SEEN
    return Diagnosis(answer=answer, unexplained=unexplained, shown=shown, advices=advices)


def _of_cluster(case: Case, audit: Audit | None) -> tuple[list[Finding], set[str]]:
    """The findings of one cluster's clients, and the checks nobody knows about."""
    drafts, followers = _drafts(case, audit)
    drafts = with_account(drafts, audit)
    consequences = _consequences(case, drafts, followers)
    findings = [finding(case, draft, keys) for draft, keys in zip(drafts, consequences, strict=True)]
    explained = {key for keys in consequences for key in keys}
    return findings, set(_not_known(case)) - explained


def _rank(found: Finding) -> tuple[bool, int, int, tuple[str, ...], tuple[str, ...]]:
    """Unknown ones last; then by stage, those with more evidence first."""
    return found.unknown, ORDER[found.stage], -len(found.evidence), found.codes, found.evidence


def _drafts(case: Case, audit: Audit | None) -> tuple[list[Draft], dict[str, str]]:
    """What the rules say, and the reds that only follow from it, each with a red of what it follows from."""
    left = list(case.reds)
    drafts: list[Draft] = []
    followers: dict[str, str] = {}
    for rule in RULES:
        if rule is kafka.records:
            followers = following(case, left, with_account(drafts, audit))
            left = [red for red in left if red.key not in followers]
        for draft in rule(case, left):
            open_ = {red.key for red in left}
            reds = tuple({red.key: red for red in draft.reds if red.key in open_}.values())
            if not reds:
                continue
            drafts.append(Draft(draft.codes, draft.wrong, reds))
            taken = {red.key for red in reds}
            left = [red for red in left if red.key not in taken]
    for joined in (
        connect.losses_as_one,
        isolation.apart,
        isolation.with_wrong_port,
        isolation.with_outsiders,
        host.perhaps_intercepted,
    ):
        drafts = joined(case, drafts)
    drafts = heard(case, late.perhaps_late(drafts))
    drafts.extend(_unknown(left))
    return drafts, followers


def _unknown(left: Iterable[Red]) -> Iterator[Draft]:
    """What no rule explains: one draft a stage and reason, whoever saw it."""
    groups: dict[tuple[int, str], list[Red]] = {}
    for red in left:
        groups.setdefault((ORDER[red.check.stage], red.check.reason or ""), []).append(red)
    for (_, _), reds in sorted(groups.items()):
        yield Draft(frozenset({Code.UNKNOWN}), Named(f"unknown cause at stage {reds[0].check.stage}"), tuple(reds))


# What follows from what


def _consequences(case: Case, drafts: Sequence[Draft], followers: dict[str, str]) -> list[tuple[str, ...]]:
    """Of each draft: the checks that could not pass because of it."""
    places = {red.key: place for place, draft in enumerate(drafts) for red in draft.reds}
    found: list[set[str]] = [set() for _ in drafts]
    for key, cause in followers.items():
        places[key] = places[cause]
        found[places[key]].add(key)
    for seen in case.clients:
        by_id = {check.check_id: check for check in seen.checks}
        first = next((places[r.key] for r in case.reds if r.view is seen.view and not r.check.isolation), None)
        for check in seen.checks:
            if check.verdict is Verdict.BLOCKED:
                cause = _root(check, by_id)
                at = places.get(f"{seen.view.client}/{cause}", first)
                if at is not None:
                    found[at].add(f"{seen.view.client}/{check.check_id}")
    return [tuple(sorted(keys)) for keys in found]


def _root(check: Check, by_id: dict[str, Check]) -> str:
    """The id of the check that carries the cause, however many wait for one another."""
    seen: set[str] = set()
    while check.verdict is Verdict.BLOCKED and check.blocked_by in by_id and check.check_id not in seen:
        seen.add(check.check_id)
        check = by_id[check.blocked_by]
    return check.check_id


def _not_known(case: Case) -> Iterator[str]:
    """Checks that are neither green nor red."""
    for seen in case.clients:
        for check in seen.checks:
            if check.verdict not in {Verdict.PASSED, Verdict.FAILED}:
                yield f"{seen.view.client}/{check.check_id}"
