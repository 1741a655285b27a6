"""Rules of names: what an answer, or the want of one, says about records, zones and resolvers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_address

from brokerproof.causes import sets
from brokerproof.causes.codes import Code
from brokerproof.diagnosis.check import Verdict
from brokerproof.diagnosis.rules import host
from brokerproof.diagnosis.rules.case import (
    Access,
    Case,
    Draft,
    Named,
    Red,
    Said,
    broker_of,
    grouped,
    kind,
    local,
    managed,
)
from brokerproof.probes.outcome import Reason, ResolveFacts, Role, Stage, Status, UnusableNameserver
from brokerproof.probes.outcome.names import canonical
from brokerproof.topology.expectation.view import ClientView

_TWICE = 2
_SOME_UNANSWERED = "the resolver answers some questions and not others"


_SEEN_ITSELF = {
    Reason.TRUNCATED: Code.DNS_TCP_BLOCKED,
    Reason.ANSWERS_ROTATE: Code.DNS_ANSWERS_ROTATE,
    Reason.SLOW: Code.PERFORMANCE_SLOW_DNS,
}
"""What the probe saw is the cause: nothing else makes the same resolver answer so."""


def names(case: Case, reds: Sequence[Red]) -> Iterable[Draft]:
    """Every red check of the resolve stage that an answer explains."""
    said = _said(case, [red for red in reds if red.check.stage is Stage.RESOLVE and not red.check.isolation])
    return grouped(_lost_as_one(list(said)))


def _lost_as_one(said: Sequence[tuple[frozenset[Code], str, Red]]) -> Iterator[tuple[frozenset[Code], str, Red]]:
    """Questions that a client lost here and there are one cause, whether the probe or the operating system asked."""
    shapes: dict[str, set[frozenset[Code]]] = {}
    for codes, _, red in said:
        if codes >= sets.QUESTION_LOST:
            shapes.setdefault(red.client, set()).add(codes)
    for codes, wrong, red in said:
        if codes >= sets.QUESTION_LOST and len(shapes[red.client]) > 1:
            yield frozenset.intersection(*shapes[red.client]), _SOME_UNANSWERED, red
        else:
            yield codes, wrong, red


def _said(case: Case, reds: Sequence[Red]) -> Iterator[tuple[frozenset[Code], str, Red]]:
    for red in reds:
        said = _of_one(case, red)
        if said is not None:
            yield *said, red


def _of_one(case: Case, red: Red) -> Said | None:  # noqa: PLR0911 - one line a reason
    facts = case.facts(red, ResolveFacts)
    match red.check.reason:
        case None:
            return None if facts is None else _wrong_answer(case, red, facts)
        case Reason.NXDOMAIN:
            return _no_name(case, red, facts)
        case Reason.NO_DATA:
            return _no_address(case, red, facts)
        case Reason.TIMED_OUT | Reason.REFUSED:
            return _no_answer(case, red, facts)
        case Reason.SERVFAIL | Reason.BAD_RCODE:
            return _error(case, red, facts)
        case Reason.OS_RESOLUTION_FAILED | Reason.OS_ANSWER_DIFFERS:
            return host.lookup(case, red, facts)
        case Reason.NAMESERVER_UNUSABLE if facts is not None:
            return _next_nameserver(case, red, facts)
        case reason if reason in _SEEN_ITSELF:
            return frozenset({_SEEN_ITSELF[reason]}), ""
        case _:
            return None


def _siblings(case: Case, view: ClientView) -> tuple[list[Red], int]:
    """The red resolve checks of a client, and how many there are that passed."""
    checks = [c for c in case.checks(view) if c.stage is Stage.RESOLVE and not c.isolation]
    return (
        [Red(view, c) for c in checks if c.verdict is Verdict.FAILED],
        sum(c.verdict is Verdict.PASSED for c in checks),
    )


def _all_alike(case: Case, red: Red) -> bool:
    """Whether every name of the client failed for the same reason."""
    failed, passed = _siblings(case, red.view)
    return not passed and {r.check.reason for r in failed} == {red.check.reason}


def _answers_others(case: Case, view: ClientView) -> bool:
    """Whether the client's resolver said anything of names that are not of the cluster."""
    domains = {broker.name.lower().partition(".")[2] for broker in view.brokers}
    others = [o for o in case.of_stage(view, Stage.RESOLVE) if o.target.role is Role.OTHER]
    others += [o for o in case.controls(view, Stage.RESOLVE) if o.target.name.lower().partition(".")[2] not in domains]
    return any(isinstance(o.facts, ResolveFacts) and o.facts.rcode for o in others)


def hidden_names(_case: Case, reds: Sequence[Red]) -> Iterable[Draft]:
    """Names of others that a private zone answers for; the judge has seen whose zone it is."""
    found = tuple(red for red in reds if red.check.stage is Stage.RESOLVE and red.check.isolation)
    return [Draft(frozenset({Code.DNS_ZONE_SHADOWS_REGION}), "", found)] if found else []


# A name that does not exist


def _no_name(case: Case, red: Red, facts: ResolveFacts | None) -> Said:  # noqa: PLR0911 - one line a zone
    view = red.view
    owner, private = _answering_zone(red, facts)
    zones = {canonical(zone) for zone in view.zone_names}
    if zones and owner in zones:
        _, passed = _siblings(case, view)
        if not passed and len(view.brokers) > 1:
            # No record of the zone was seen: it may be another zone of the same name.
            return sets.NO_RECORDS, "the private zone that answers has none of the brokers' records"
        return frozenset({Code.DNS_RECORD_MISSING}), ""
    if private and any(owner.endswith(f".{zone}") for zone in zones):
        return frozenset({Code.DNS_MORE_SPECIFIC_ZONE}), ""
    if managed(view):
        if private:
            return frozenset({Code.DNS_MORE_SPECIFIC_ZONE}), ""
        return sets.NO_CONNECTION_NAMES, "no name of the VPC connection exists for this client"
    if zones and not owner:
        return sets.NO_RECORDS, "the name does not exist, and the answer does not say by which zone"
    if zones:
        if private:
            return frozenset({Code.DNS_RECORD_MISSING}), ""
        return sets.ZONE_NOT_USED, "the names do not exist outside the private zone, which does not answer"
    if private and (facts is None or facts.resolver in view.resolvers or facts.resolver.startswith("127.")):
        return sets.NAME_HIDDEN, "a zone that is not public answers for the broker's public name, and lacks it"
    return _not_public(case, red, facts), "a public name does not exist for this client"


def _answering_zone(red: Red, facts: ResolveFacts | None) -> tuple[str, bool]:
    """The owner of the SOA in a negative answer, and whether that is a private zone."""
    owner = "" if facts is None else canonical(facts.soa)
    covers = bool(owner) and f".{red.check.name.lower()}".endswith(f".{owner}")
    return owner, covers and owner.count(".") > _REGISTRY_LABELS


def _not_public(case: Case, red: Red, facts: ResolveFacts | None) -> frozenset[Code]:
    """What makes a public name unknown: to everybody, or to this client's resolver."""
    asked = "" if facts is None else facts.resolver
    said = sets.NAME_UNKNOWN
    if asked in red.view.resolvers:
        said -= {Code.DNS_RESOLVER_BYPASSED}
    elif asked and not asked.startswith("127."):
        said -= {Code.DNS_RESOLVER_RULE}
    elsewhere = any(
        o.status is Status.OK and o.target.name.lower() == red.check.name.lower()
        for view in case.views
        for o in case.of_stage(view, Stage.RESOLVE)
    )
    return said - {Code.DNS_PUBLIC_RECORD_MISSING} if elsewhere else said


_REGISTRY_LABELS = 1
"""``amazonaws.com`` and what is above it are public; a zone of a Region, a service or a cluster is longer."""


# An answer without an address, an error, or none


def _no_address(case: Case, red: Red, facts: ResolveFacts | None) -> Said:
    if facts is not None and facts.cname_chain:
        return frozenset({Code.DNS_CNAME_LOOP}), ""
    owner, private = _answering_zone(red, facts)
    if private and owner not in {canonical(zone) for zone in red.view.zone_names}:
        return frozenset({Code.DNS_MORE_SPECIFIC_ZONE}), ""
    if kind(red.view) is Access.DIRECT or _all_alike(case, red):
        of_vpc = facts is None or facts.resolver in red.view.resolvers
        return sets.STRIPPED if of_vpc else sets.STRIPPED_ELSEWHERE, "the name exists and has no address"
    return sets.NO_ADDRESS, "the name exists and has no address"


def _no_answer(case: Case, red: Red, facts: ResolveFacts | None) -> Said:
    if not _all_alike(case, red):
        heard = facts is not None and bool(facts.os_addresses)
        codes = sets.QUESTION_LOST if heard else sets.ONE_NAME_UNANSWERED
        return codes, _SOME_UNANSWERED
    if _answers_others(case, red.view):
        return sets.THESE_NAMES_UNANSWERED, "the resolver answers other names, and none of these"
    if facts is not None and facts.resolver and facts.resolver not in red.view.resolvers:
        return frozenset({Code.DNS_RESOLVER_SILENT}), ""
    return sets.NO_ANSWER, "the resolver answers no question"


def _next_nameserver(case: Case, red: Red, facts: ResolveFacts) -> Said:
    """A nameserver was passed over, for this name or for all."""
    if any(each.reason is Reason.TRUNCATED for each in facts.unusable):
        return frozenset({Code.DNS_TCP_BLOCKED}), ""
    dead = {each.resolver for each in facts.unusable}
    asked = (*case.of_stage(red.view, Stage.RESOLVE), *case.controls(red.view, Stage.RESOLVE))
    every = [outcome.facts for outcome in asked if isinstance(outcome.facts, ResolveFacts)]
    answers = any(each.resolver in dead and each.rcode for each in every)
    times = sum(any(one.resolver in dead for one in each.unusable) for each in every)
    if times < _TWICE and not answers:
        symptom = f"nameserver {_named(facts.unusable)} did not answer the one question that it was asked"
        return sets.QUESTION_LOST | {Code.DNS_NAMESERVER_DEAD}, symptom
    if answers:
        return sets.QUESTION_LOST, f"nameserver {_named(facts.unusable)} answers some questions and not others"
    wrong = f"nameserver {_named(facts.unusable)} is of no use; {facts.resolver}, which is asked after it, answers"
    return frozenset({Code.DNS_NAMESERVER_DEAD}), Named(wrong)


def _named(unusable: Iterable[UnusableNameserver]) -> str:
    return " and ".join(each.resolver for each in unusable)


def _error(case: Case, red: Red, facts: ResolveFacts | None) -> Said:
    chain = () if facts is None else facts.cname_chain
    if len({name.lower() for name in chain}) < len(chain):
        return frozenset({Code.DNS_CNAME_LOOP}), ""
    if not _all_alike(case, red):
        return sets.ONE_NAME_FAILS, "the resolver answers some names with an error"
    if facts is not None and facts.resolver and facts.resolver not in red.view.resolvers:
        return frozenset({Code.DNS_RESOLVER_FAILING}), ""
    return sets.RESOLVER_FAILS, "the resolver answers every name with an error"


# An answer that is not the expected one


def _wrong_answer(case: Case, red: Red, facts: ResolveFacts) -> Said | None:  # noqa: PLR0911 - one line an answer
    broker = broker_of(red)
    if broker is None:
        return None
    got = {*facts.a, *facts.aaaa}
    wanted = {address.address for address in broker.addresses}
    extra = got - wanted
    if extra and (invented := _for_nobody(case, red, got)) is not None:
        return invented
    if not extra:
        if not got:
            return None
        return None if kind(red.view) is Access.DIRECT else _fewer(case, red, got)
    if wanted <= got and all(ip_address(address).version == 6 for address in extra):  # noqa: PLR2004
        return frozenset({Code.DNS_IPV6_ANSWER_UNUSABLE}), ""
    if kind(red.view) is not Access.DIRECT and got == {broker.eni_address}:
        return _public(case, red, facts)
    owners = _owners(case, red.view)
    if extra <= owners:
        return frozenset({Code.DNS_WRONG_ENDPOINT}), ""
    if extra & owners:
        return None
    if kind(red.view) is Access.DIRECT or facts.resolver in red.view.resolvers or not facts.resolver:
        return _strange(case, red)
    return frozenset({Code.DNS_STALE_RECORD, Code.DNS_RESOLVER_BYPASSED}), "an address that nothing in the topology has"


def _for_nobody(case: Case, red: Red, got: set[str]) -> Said | None:
    """The same addresses as a name has that nobody has: a wildcard's, or those that its resolver gives everything."""
    alike = [
        o.target.name
        for o in case.controls(red.view, Stage.RESOLVE)
        if isinstance(o.facts, ResolveFacts) and o.facts.a and set(o.facts.a) == got
    ]
    if not alike:
        return None
    domain = red.check.name.lower().partition(".")[2]
    everything = any(not name.lower().endswith(f".{domain}") for name in alike)
    return frozenset({Code.DNS_CAPTIVE_RESOLVER if everything else Code.DNS_WILDCARD_RECORD}), ""


def _fewer(case: Case, red: Red, got: set[str]) -> Said:
    """Some of the endpoint's addresses: an alias of one zone gives one; fewer by another number is the endpoint."""
    if len(got) > 1:
        return frozenset({Code.ENDPOINT_ZONE_MISMATCH}), ""
    shares_endpoint = {
        name
        for broker in red.view.brokers
        if {a.address for a in broker.addresses} & got and (name := broker.name.lower()) != red.check.name.lower()
    }
    failed = {r.check.name.lower() for r in _siblings(case, red.view)[0]}
    if shares_endpoint - failed:
        return frozenset({Code.DNS_ZONAL_ALIAS}), ""  # another name has all addresses of the same endpoint
    return sets.FEWER_ADDRESSES, "the name has one address of the endpoint instead of one a zone"


def _owners(case: Case, view: ClientView) -> set[str]:
    """Every address that somebody near must connect to, or that a broker has."""
    near = [v for v in case.views if v.entry_vpc_id == view.entry_vpc_id or kind(v) is Access.DIRECT] or [view]
    found = {a.address for v in near for b in v.brokers for a in b.addresses}
    return found | {b.eni_address for b in view.brokers if b.eni_address}


def _public(case: Case, red: Red, facts: ResolveFacts) -> Said:
    view = red.view
    right = _right_names(case, view)
    if right:
        return _own_address(red, right)
    symptom = "the public records answer instead of the private zone"
    if local(view) and kind(view) is Access.NODES:
        used = _use_a_zone(case)
        if used:
            return frozenset({Code.DNS_LOCAL_ZONE_MISSING}), ""
        if used is None:
            return sets.LOCAL_ZONE_NOT_USED, symptom
    if facts.resolver in view.resolvers or not facts.resolver or facts.resolver.startswith("127."):
        return sets.ZONE_NOT_USED, symptom
    if _answered_rightly(case, view):
        return frozenset({Code.DNS_RESOLVER_BYPASSED}), ""
    return sets.ZONE_NOT_USED_ELSEWHERE, symptom


def _own_address(red: Red, right: set[str]) -> Said:
    """Of a name that has what public DNS says, while others of the client are right."""
    mine = _zone(red.view, red.check.name)
    if all(_zone(red.view, name) != mine for name in right):
        return frozenset({Code.DNS_ZONE_NOT_ASSOCIATED}), ""
    return sets.OWN_ADDRESS, "the name has the broker's own address, and others of the same zone are right"


def _right_names(case: Case, view: ClientView) -> set[str]:
    return {
        c.name
        for c in case.checks(view)
        if c.stage is Stage.RESOLVE and not c.isolation and c.verdict is Verdict.PASSED
    }


def _zone(view: ClientView, name: str) -> str:
    """The private zone that should answer for a name: the one with the longest name (Route 53 developer guide)."""
    covering = (zone for zone in map(canonical, view.zone_names) if f".{canonical(name)}".endswith(f".{zone}"))
    return max(covering, key=len, default="")


def _use_a_zone(case: Case) -> bool | None:
    """Whether some client behind an endpoint is answered by a private zone; None where none was heard.

    Where all of them lack it too, it is not the local client's own.
    """
    seen = [_siblings(case, view) for view in case.views if kind(view) is Access.ENDPOINT]
    if not any(failed or passed for failed, passed in seen):
        return None
    return any(passed for _, passed in seen)


def _answered_rightly(case: Case, view: ClientView) -> bool:
    """Whether another client of the same VPC gets right answers from the VPC's own resolver."""
    return any(
        o.status is Status.OK and isinstance(o.facts, ResolveFacts) and o.facts.resolver in other.resolvers
        for other in case.views
        if other is not view and other.vpc_id == view.vpc_id and not _siblings(case, other)[0]
        for o in case.all_outcomes(other)
    )


def _strange(case: Case, red: Red) -> Said:
    failed, passed = _siblings(case, red.view)
    if kind(red.view) is not Access.DIRECT and (passed or len(failed) == 1):
        return frozenset({Code.DNS_STALE_RECORD}), ""
    return sets.STRANGE_ADDRESS, "the name has an address that nothing in the topology has"
