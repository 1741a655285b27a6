"""The audit of an account's facts: every client's traces, and from all of them what is wrong. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from brokerproof.aws.audit.isolation import doors, open_services
from brokerproof.aws.audit.names import Known, known_names, shadows
from brokerproof.aws.audit.notes import notes
from brokerproof.aws.audit.places import Standing, doors_of, one_of, standings
from brokerproof.aws.audit.trace import bootstrap_trace, trace
from brokerproof.aws.audit.values import Audit, AuditFinding, Hop, PermissionGap, State, Trace
from brokerproof.aws.facts import AccountFacts, facts_of
from brokerproof.causes.catalogue import CATALOGUE
from brokerproof.causes.codes import Code
from brokerproof.causes.sets import OF_NAMES
from brokerproof.topology.expectation.isolation import BLOCKED_PORTS
from brokerproof.topology.managed import with_managed
from brokerproof.topology.models import UNKNOWN, Client, Cluster, Topology
from brokerproof.topology.models.pattern_name import PatternName
from brokerproof.wording import listed

_TOLD: Final = 4
"""What resources say, at most so often in one finding; all of it is in the traces."""


@dataclass(slots=True)
class _Seen:
    """One cause, wherever it was met."""

    hops: dict[Hop, None] = field(default_factory=dict)
    clients: dict[str, None] = field(default_factory=dict)
    brokers: set[int] = field(default_factory=set)


_DOORS: Final = frozenset(
    {
        Code.ISOLATION_PORTS_OPEN,
        Code.ISOLATION_PLAINTEXT_OPEN,
        Code.ISOLATION_UNAPPROVED_CLIENT,
        Code.ISOLATION_SECOND_PATH,
    }
)
"""What is wrong only where nobody meant it."""


def audit(facts: AccountFacts, intended: Topology | None = None, *, shown: Topology | None = None) -> Audit:
    """What the configuration proves of every client of the topology.

    Args:
        facts: What was read.
        intended: What was meant, where somebody wrote it down: a door that is open there as well is no finding.
        shown: The same as an account would show it: what is otherwise is a note.
    """
    found = _audited(facts)
    found = msgspec.structs.replace(found, notes=tuple(notes(facts, shown)))
    if intended is None:
        return found
    meant = {
        (f.code, client) for f in _audited(facts_of(intended)).findings if f.code in _DOORS for client in f.clients
    }
    findings = []
    for each in found.findings:
        clients = tuple(c for c in each.clients if (each.code, c) not in meant)
        if clients or not each.clients:
            findings.append(msgspec.structs.replace(each, clients=clients))
    return msgspec.structs.replace(found, findings=tuple(findings))


def _audited(facts: AccountFacts) -> Audit:
    topology = facts.topology
    whole = with_managed(topology)
    known = known_names(whole)
    traces: list[Trace] = []
    seen: dict[Code, _Seen] = {}
    for client in topology.clients:
        cluster = topology.cluster(client.cluster_name)
        missing = _not_said(client, cluster)
        if missing:
            hop = Hop(what=f"client {client.name}", says=f"cannot be audited: {missing}", state=State.UNKNOWN)
            traces.append(Trace(client=client.name, broker_id=None, name=cluster.domain, port=0, hops=(hop,)))
            continue
        places = standings(topology, client, [route.destination for route in facts.other_routes])
        if not places:
            says = f"cannot be audited: {client.vpc_id} has no subnet that it can be in"
            hop = Hop(what=f"client {client.name}", says=says, state=State.UNKNOWN)
            traces.append(Trace(client=client.name, broker_id=None, name=cluster.domain, port=0, hops=(hop,)))
            continue
        own = _traces(facts, whole, known, places, cluster) if client.pattern is not None else []
        for hop in shadows(facts, client, cluster) if client.pattern is not None else ():
            _keep(seen, hop, client.name, None)
        traces += own
        for broker_id, hop in _doors(facts, places, cluster):
            _keep(seen, hop, client.name, broker_id)
        for one in own:
            for hop in one.hops:
                _keep(seen, hop, client.name, one.broker_id)
    for hop in open_services(facts):
        _keep(seen, hop, "", None)
    findings = [_finding(facts, code, found) for code, found in _narrowed(facts, seen, traces).items()]
    return Audit(
        findings=tuple(sorted(findings, key=lambda f: (not f.sure, f.code))),
        traces=tuple(traces),
        gaps=tuple(_gaps(facts)),
    )


def _traces(
    facts: AccountFacts, whole: Topology, known: Known, places: Sequence[Standing], cluster: Cluster
) -> list[Trace]:
    """To every broker, and to the bootstrap listener where there is one, from wherever the client may be."""
    found = {}
    for place in places:
        there = [trace(facts, whole, known, client=place.client, cluster=cluster, broker=b) for b in cluster.brokers]
        first = bootstrap_trace(facts, whole, known, client=place.client, cluster=cluster)
        there += [first] if first is not None else []
        found[place.called] = [msgspec.structs.replace(t, hops=tuple(map(place.told, t.hops))) for t in there]
    return one_of(found) if len(found) > 1 else next(iter(found.values()))


def _doors(facts: AccountFacts, places: Sequence[Standing], cluster: Cluster) -> Iterable[tuple[int | None, Hop]]:
    """What is open to the client and should not be, from wherever it may be."""
    if not any(entry.name == places[0].client.listener for entry in cluster.listeners):
        return ()
    return doors_of(
        {place.called: [(b, place.told(hop)) for b, hop in doors(facts, place.client, cluster)] for place in places}
    )


def _not_said(client: Client, cluster: Cluster) -> str:
    """What a file does not say that every path needs; empty where all is there."""
    if client.pattern is PatternName.UNKNOWN:
        return "its pattern is unknown"
    if client.vpc_id == UNKNOWN:
        return "its VPC is unknown"
    if cluster.vpc_id == UNKNOWN or any(b.client_vpc_ip_address is None for b in cluster.brokers):
        return f"the VPC of {cluster.cluster_name} or the addresses of its brokers are unknown"
    return ""


def _keep(seen: dict[Code, _Seen], hop: Hop, client: str, broker_id: int | None) -> None:
    if hop.code is None or hop.state not in {State.CLOSED, State.DOUBTFUL}:
        return
    met = seen.setdefault(hop.code, _Seen())
    met.hops.setdefault(hop)
    if client:
        met.clients.setdefault(client)
    if broker_id is not None:
        met.brokers.add(broker_id)


def _narrowed(facts: AccountFacts, seen: Mapping[Code, _Seen], traces: Iterable[Trace]) -> dict[Code, _Seen]:
    """The same with the narrower of two codes where all clients together tell which it is."""
    found = dict(seen)
    _rename(found, Code.ROUTE_MISSING_RETURN, Code.ROUTE_MISSING_SUBNET, _is_of_one_subnet(facts, seen, traces))
    _rename(found, Code.SECURITY_ENDPOINT_GROUP, Code.SECURITY_ENDPOINT_PORT_RANGE, _is_of_some_ports(seen, traces))
    _wrong_port(found)
    _outsiders(found)
    return found


def _wrong_port(found: dict[Code, _Seen]) -> None:
    """A group of the brokers that admits another port than theirs makes both, and is one cause."""
    opened, shut = found.get(Code.ISOLATION_PORTS_OPEN), found.get(Code.SECURITY_BROKER_GROUP)
    if opened is not None and shut is not None and {h.resource for h in opened.hops} <= {h.resource for h in shut.hops}:
        shut.hops |= opened.hops
        del found[Code.ISOLATION_PORTS_OPEN]


def _outsiders(found: dict[Code, _Seen]) -> None:
    """A rule of the brokers for every port admits the brokers' own too, for whomever it names."""
    opened, outside = found.get(Code.ISOLATION_PORTS_OPEN), found.get(Code.ISOLATION_UNAPPROVED_CLIENT)
    if opened is not None and outside is not None and len(opened.hops) >= len(BLOCKED_PORTS) * len(opened.brokers):
        opened.hops |= outside.hops
        opened.clients |= outside.clients
        del found[Code.ISOLATION_UNAPPROVED_CLIENT]


def _rename(found: dict[Code, _Seen], wide: Code, narrow: Code, holds: bool) -> None:
    if holds and wide in found:
        found[narrow] = found.pop(wide)


def _is_of_one_subnet(facts: AccountFacts, seen: Mapping[Code, _Seen], traces: Iterable[Trace]) -> bool:
    """Whether some of the brokers' subnets have the way back that others lack."""
    if Code.ROUTE_MISSING_RETURN not in seen:
        return False
    lacking = seen[Code.ROUTE_MISSING_RETURN]
    tables = {hop.resource for hop in lacking.hops}
    others = [
        one
        for one in traces
        if one.client in lacking.clients
        and one.broker_id is not None
        and one.broker_id not in lacking.brokers
        and _is_led_there(one)
    ]
    return bool(others) and len(tables) < len({s.subnet_id for s in facts.topology.subnets})


def _is_of_some_ports(seen: Mapping[Code, _Seen], traces: Iterable[Trace]) -> bool:
    """Whether an endpoint's group keeps a client from some brokers' ports and lets it to others."""
    if Code.SECURITY_ENDPOINT_GROUP not in seen:
        return False
    closed = seen[Code.SECURITY_ENDPOINT_GROUP]
    by_client: dict[str, set[bool]] = {}
    for one in traces:
        if one.client in closed.clients and one.broker_id is not None and _is_led_there(one):
            shut = any(hop.code is Code.SECURITY_ENDPOINT_GROUP for hop in one.hops)
            by_client.setdefault(one.client, set()).add(shut)
    return all(len(each) > 1 for each in by_client.values())


def _is_led_there(trace: Trace) -> bool:
    """Whether the name led the trace as far as where packets go; what stands there is not known otherwise."""
    return not any(hop.state is State.CLOSED and hop.code in OF_NAMES for hop in trace.hops)


def _finding(facts: AccountFacts, code: Code, seen: _Seen) -> AuditFinding:
    entry = CATALOGUE[code]
    hops = list(seen.hops)
    says = tuple(f"{hop.what} {hop.says}" for hop in hops[:_TOLD])
    more = (f"and {len(hops) - _TOLD} more",) if len(hops) > _TOLD else ()
    brokers = tuple(sorted(seen.brokers))
    resources = dict.fromkeys(hop.resource for hop in hops if hop.resource)
    title = entry.of_several if len(brokers) > 1 and entry.of_several else entry.title
    about = f" (brokers {listed(list(brokers))})" if len(brokers) > 1 else f" (broker {brokers[0]})" if brokers else ""
    return AuditFinding(
        code=code,
        state=State.CLOSED if any(hop.state is State.CLOSED for hop in hops) else State.DOUBTFUL,
        wrong=f"{title[:1].upper()}{title[1:]}{about}",
        says=(*says, *more),
        change=_change(hops, entry.remedy),
        clients=tuple(sorted(seen.clients)),
        broker_ids=brokers,
        resources=tuple(resources),
        sources=tuple(dict.fromkeys(told for r in resources for told in facts.told_by(r))),
    )


def _change(hops: Iterable[Hop], remedy: str) -> str:
    """The catalogue's remedy, without the places that only a probe's evidence fills, and the resources themselves."""
    resources = list(dict.fromkeys(hop.resource for hop in hops if hop.resource))
    where = f" ({listed(resources[:_TOLD])})" if resources else ""
    return f"{without_places(remedy)}{where}"


def without_places(remedy: str) -> str:
    """A remedy of the catalogue where no probe fills its places."""
    for name, stands_for in _PLACES.items():
        remedy = remedy.replace(name, stands_for)
    return remedy


_PLACES: Final = {
    "broker {broker}": "the broker",
    "broker {brokers}": "the brokers",
    "port {port}": "that port",
    "{brokers}": "the brokers",
    "{broker}": "the broker",
    "{name}": "the broker's name",
    "{vpc}": "the client's VPC",
    "{address}": "the address",
    "{port}": "the port",
    "{cluster}": "the cluster",
    "{client}": "the client",
    "{region}": "the Region",
}


def _gaps(facts: AccountFacts) -> Iterator[PermissionGap]:
    """One an action, account and Region."""
    found: dict[tuple[str, str, str, str], dict[str, None]] = {}
    for gap in facts.gaps:
        key = (gap.action, gap.account_id, gap.region_name, gap.why)
        found.setdefault(key, {}).update(dict.fromkeys(map(str, gap.unknown)))
    for (action, account, region, why), unknown in found.items():
        yield PermissionGap(action=action, account_id=account, region_name=region, why=why, unknown=tuple(unknown))
