"""What a client may be, where it is not known by which way it comes: each way that what was seen allows. Pure.

A cause is said of such a client only as far as every way leads to it: a finding has the causes of all readings
together, so what is not known makes a set larger and never a cause surer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

import msgspec

from brokerproof.causes.codes import Code
from brokerproof.diagnosis.check import Verdict
from brokerproof.diagnosis.finding import Answer, Cause, ClientEvidence, Diagnosis, Finding
from brokerproof.diagnosis.unnamed_brokers import told_as_names, with_stand_ins
from brokerproof.probes.outcome import ResolveFacts, Stage
from brokerproof.topology.expectation.view import AddressKind, AddressView, BootstrapView, BrokerView, ClientView, Way
from brokerproof.topology.models.multi_vpc import VpcAuthentication
from brokerproof.topology.models.pattern_name import PatternName

CONNECTION_LABELS: Final = frozenset(scheme.label for scheme in VpcAuthentication)
"""What follows the first label of the names of MSK multi-VPC connectivity."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One way by which a client may come."""

    pattern: PatternName
    kind: AddressKind
    way: Way
    far: bool = False
    """From another Region than the addresses'."""


_ENI: Final = AddressKind.BROKER_ENI
_ENDPOINT: Final = AddressKind.ENDPOINT_ENI
IN_VPC: Final = Reading(PatternName.IN_VPC, _ENI, Way.LOCAL)
MANAGED: Final = Reading(PatternName.MULTI_VPC, _ENDPOINT, Way.LOCAL)
DIRECT: Final = (
    IN_VPC,
    Reading(PatternName.PEERING, _ENI, Way.PEERING),
    Reading(PatternName.TRANSIT_GATEWAY, _ENI, Way.TRANSIT_GATEWAY),
    Reading(PatternName.TRANSIT_GATEWAY, _ENI, Way.TRANSIT_GATEWAY, far=True),
)
FRONTED: Final = (
    Reading(PatternName.PRIVATELINK_SINGLE_NLB, _ENDPOINT, Way.LOCAL),
    Reading(PatternName.PRIVATELINK_MULTI_NLB, _ENDPOINT, Way.LOCAL),
    Reading(PatternName.PRIVATELINK_SINGLE_NLB, _ENDPOINT, Way.PEERING),
    Reading(PatternName.PRIVATELINK_SINGLE_NLB, _ENDPOINT, Way.TRANSIT_GATEWAY),
    Reading(PatternName.PRIVATELINK_SINGLE_NLB, AddressKind.NLB_NODE, Way.LOCAL),
)


def allowed(view: ClientView) -> tuple[Reading, ...]:
    """The ways that the names and addresses of a client allow.

    A broker has one interface, so a name with two addresses of a family is a load balancer's; on this host nothing is
    of AWS; and MSK's own names of a VPC connection are of nothing else.
    """
    places = (*(b.addresses for b in view.brokers), *(b.addresses for b in view.bootstrap))
    addresses = [[a.address for a in found if a.address] for found in places]
    every = [ip_address(a) for named in addresses for a in named]
    if every and all(a.is_loopback for a in every):
        return (IN_VPC,)
    labels = {".".join(b.name.split(".")[1:2]) for b in view.brokers}
    if labels and labels <= CONNECTION_LABELS:
        return (MANAGED,)
    several = any(len({a for a in named if (":" in a) is six}) > 1 for named in addresses for six in (False, True))
    return FRONTED if several else (*DIRECT, *FRONTED)


def readings(clients: Sequence[ClientEvidence]) -> list[list[ClientEvidence]]:
    """The same evidence by every reading of what is not known; itself alone where all is known, or nothing is wrong."""
    red = any(check.verdict is Verdict.FAILED for seen in clients for check in seen.checks)
    unknown = [seen for seen in clients if _is_unknown(seen.view)]
    if not red or not unknown:
        return [list(clients)]
    wanted = list(dict.fromkeys(way for seen in unknown for way in _ways(seen.view)))
    return [
        [_read(seen, way, own_resolver=own_resolver) for seen in clients]
        for way in wanted
        for own_resolver in (True, False)
    ]


def _is_unknown(view: ClientView) -> bool:
    return bool(view.found_as)


def _ways(view: ClientView) -> Iterator[Reading]:
    if AddressKind.UNKNOWN in view.found_as:
        yield from allowed(view)
        return
    # The pattern is known, and its addresses are not.
    yield Reading(view.pattern, min(view.found_as), view.way)


def _read(seen: ClientEvidence, way: Reading, *, own_resolver: bool) -> ClientEvidence:
    """One client by one reading, where that one is allowed for it; else by the first that is."""
    if not _is_unknown(seen.view):
        return seen
    seen = with_stand_ins(seen)
    view = seen.view
    mine = tuple(_ways(view))
    way = way if way in mine else mine[0]
    asked = {o.facts.resolver for o in seen.outcomes if isinstance(o.facts, ResolveFacts) and o.facts.resolver}
    domains = {b.name.partition(".")[2] for b in view.brokers if "." in b.name}
    fronted = way.kind is not _ENI and way.pattern is not PatternName.MULTI_VPC
    return msgspec.structs.replace(
        seen,
        view=msgspec.structs.replace(
            view,
            pattern=way.pattern,
            way=way.way,
            entry_vpc_id=view.vpc_id if way.way is Way.LOCAL else view.entry_vpc_id,
            entry_region_name="another Region" if way.far else view.region_name,
            resolvers=view.resolvers or (tuple(sorted(asked)) if own_resolver else ("",)),
            zone_names=view.zone_names or (tuple(sorted(domains)) if fronted else ()),
            brokers=tuple(_broker(each, way.kind) for each in view.brokers),
            bootstrap=tuple(_bootstrap(each, way.kind) for each in view.bootstrap),
        ),
    )


def _broker(broker: BrokerView, kind: AddressKind) -> BrokerView:
    own = broker.addresses[0].address if kind is _ENI and len(broker.addresses) == 1 else ""
    return msgspec.structs.replace(broker, addresses=_as(broker.addresses, kind), eni_address=own)


def _bootstrap(entry: BootstrapView, kind: AddressKind) -> BootstrapView:
    return msgspec.structs.replace(entry, addresses=_as(entry.addresses, kind))


def _as(addresses: Sequence[AddressView], kind: AddressKind) -> tuple[AddressView, ...]:
    """The addresses, each a zone of its own: no two are known to be in the same."""
    return tuple(
        msgspec.structs.replace(each, kind=kind, zone_id=each.zone_id or f"the zone of {each.address}")
        for each in addresses
    )


def as_one(found: Sequence[Diagnosis], clients: Sequence[ClientEvidence]) -> Diagnosis:
    """What several readings of these clients say, as one: of findings that share evidence, one with all causes."""
    first = found[0]
    if len(found) == 1:
        return first
    groups: list[list[Finding]] = []
    for finding in (each for diagnosis in found for each in diagnosis.findings):
        evidence = set(finding.evidence)
        touching = [group for group in groups if any(evidence & set(other.evidence) for other in group)]
        apart = [group for group in groups if group not in touching]
        groups = [*apart, [*(one for group in touching for one in group), finding]]
    findings = tuple(sorted((_one(group) for group in groups), key=lambda f: (f.unknown, f.evidence)))
    for seen in clients:
        if _is_unknown(seen.view):
            findings = tuple(told_as_names(finding, seen) for finding in findings)
    unexplained = tuple(sorted({key for each in found for key in each.unexplained}))
    answer = Answer.FINDINGS if findings else first.answer
    return Diagnosis(
        answer=answer, findings=findings, unexplained=unexplained, shown=first.shown, advices=first.advices
    )


def _one(group: Sequence[Finding]) -> Finding:
    """The widest of the findings, with the causes of all: unknown only where none is known."""
    known = [each for each in group if not each.unknown] or list(group)
    codes = tuple(sorted({code for each in known for code in each.codes}))
    widest = max(known, key=lambda each: (len(each.evidence), len(each.codes)))
    if codes == widest.codes and all(set(each.evidence) <= set(widest.evidence) for each in group):
        return widest
    causes = {code: cause for each in known for code, cause in _causes(each)}
    told = tuple(causes[code] for code in codes if code in causes)
    sure = len(codes) == 1
    evidence = {key for each in group for key in each.evidence}
    return msgspec.structs.replace(
        widest,
        codes=codes,
        wrong=widest.wrong if sure or len(widest.codes) > 1 else _seen(widest),
        change=told[0].change if sure and told else "\n".join(f"{each.code}: {each.change}" for each in told),
        causes=() if sure else told,
        next_step="" if sure else _next_step(widest, told),
        evidence=tuple(sorted(evidence)),
        consequences=tuple(sorted({key for each in group for key in each.consequences} - evidence)),
        subjects=tuple(sorted({one for each in group for one in each.subjects})),
        broker_ids=tuple(sorted({one for each in group for one in each.broker_ids})),
        addresses=tuple(sorted({one for each in group for one in each.addresses})),
        clients=tuple(sorted({one for each in group for one in each.clients})),
    )


def _causes(finding: Finding) -> Iterator[tuple[Code, Cause]]:
    if finding.causes:
        yield from ((each.code, each) for each in finding.causes)
    elif len(finding.codes) == 1:
        yield finding.codes[0], Cause(code=finding.codes[0], change=finding.change)


def _seen(finding: Finding) -> str:
    """A sentence that states what was seen, where the finding's own names a cause that is only one of several."""
    what = {
        Stage.RESOLVE: "names do not lead where they must",
        Stage.CONNECT: "connections are not accepted",
    }.get(finding.stage, f"the stage {finding.stage} fails")
    return f"{what[:1].upper()}{what[1:]} ({', '.join(finding.subjects)}, seen from {', '.join(finding.clients)})."


def _next_step(widest: Finding, causes: Sequence[Cause]) -> str:
    lines = [widest.another_client, *(f"{each.code}: {each.look_at}" for each in causes if each.look_at)]
    return "\n".join(line for line in lines if line)
