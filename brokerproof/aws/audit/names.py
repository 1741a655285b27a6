"""What a broker's name leads to for a client, by attributes, nameservers, rules, zones and records. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from brokerproof.aws.audit.packets import other_endpoint, unknown_hop
from brokerproof.aws.audit.values import Hop, State
from brokerproof.aws.facts import AccountFacts, OtherRule, Part
from brokerproof.causes.codes import Code
from brokerproof.topology.expectation.isolation import by_ipv6
from brokerproof.topology.models import (
    Client,
    Cluster,
    HostedZone,
    ResolverRule,
    ResourceRecordSet,
    Topology,
    zonal_dns_name,
)
from brokerproof.topology.patterns import spec_of
from brokerproof.topology.rules import alias_names

Address = IPv4Address | IPv6Address
_LINK_LOCAL: Final = IPv4Address("169.254.169.253")
_MOST_ALIASES: Final = 8
_REGION_DOMAIN: Final = re.compile(r"\.c\d+\.(kafka\..+)$", re.ASCII)


@dataclass(frozen=True, slots=True)
class Known:
    """What aliases may lead to: each name with its addresses, and which are of one zone of several."""

    addresses: Mapping[str, tuple[Address, ...]]
    every: frozenset[Address]
    zonal: frozenset[str]


def known_names(whole: Topology) -> Known:
    """Of a topology with what MSK builds itself."""
    addresses = alias_names(whole)
    zonal = {
        zonal_dns_name(endpoint, whole.zone_of(eni.subnet_id)).lower()
        for endpoint in whole.vpc_endpoints
        if len(endpoint.network_interfaces) > 1
        for eni in endpoint.network_interfaces
    }
    return Known(addresses, frozenset(a for values in addresses.values() for a in values), frozenset(zonal))


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a name leads to: addresses, and the hops that say so. None where that is not known, or nothing."""

    hops: tuple[Hop, ...]
    addresses: tuple[Address, ...] | None


def is_private(client: Client, cluster: Cluster) -> bool:
    """Whether the client's pattern needs names that a private zone answers."""
    spec = spec_of(client.pattern)
    if client.vpc_id != cluster.vpc_id:
        return spec.is_one_way
    return spec.is_one_way and spec.has_port_per_broker


def resolved(
    facts: AccountFacts, whole: Topology, known: Known, *, client: Client, cluster: Cluster, name: str
) -> Resolved:
    """What the client's VPC answers for a broker's name; ``whole`` has what MSK builds itself too."""
    vpc = facts.topology.vpc(client.vpc_id)
    hops: list[Hop] = []
    hidden = unknown_hop(facts, Part.DNS_ATTRIBUTES, f"DNS attributes of {vpc.vpc_id}", vpc_id=vpc.vpc_id)
    if hidden is not None:
        hops.append(hidden)
    elif not vpc.enable_dns_support:
        off = "has enableDnsSupport off, so it has no resolver"
        hops.append(_closed(vpc.vpc_id, off, Code.DNS_VPC_ATTRIBUTES_OFF, vpc.vpc_id))
        return Resolved(tuple(hops), None)
    hops += _nameservers(facts, client)
    zones = [z for z in whole.zones_in(client.vpc_id) if _covers(z.name, name)]
    if zones and not vpc.enable_dns_hostnames and hidden is None:
        off = "has enableDnsHostnames off, so it uses no private zone"
        hops.append(_closed(vpc.vpc_id, off, Code.DNS_VPC_ATTRIBUTES_OFF, vpc.vpc_id))
        return Resolved(tuple(hops), None)
    best = max(zones, key=lambda z: len(z.name), default=None)
    instead = list(_unread(facts, client.vpc_id)) or list(_rule(facts, client, name, best))
    if instead:
        return Resolved((*hops, *instead), None if is_private(client, cluster) else _public(cluster, name))
    if best is None:
        return _without_zone(facts, whole, client, cluster=cluster, name=name, hops=hops)
    hidden = unknown_hop(facts, Part.RECORDS, f"records of zone {best.hosted_zone_id}", of=(best.hosted_zone_id,))
    if hidden is not None:
        return Resolved((*hops, hidden), None)
    return _by_zone(facts, known, client, name=name, zone=best, zones=zones, hops=hops)


def _closed(what: str, says: str, code: Code, resource: str) -> Hop:
    return Hop(what=what, says=says, state=State.CLOSED, code=code, resource=resource)


def _covers(zone: str, name: str) -> bool:
    zone, name = zone.lower(), name.lower()
    return name == zone or name.endswith(f".{zone}")


def _nameservers(facts: AccountFacts, client: Client) -> Iterator[Hop]:
    vpc = facts.topology.vpc(client.vpc_id)
    hidden = unknown_hop(facts, Part.DHCP_OPTIONS, f"DHCP options of {vpc.vpc_id}", vpc_id=vpc.vpc_id)
    if hidden is not None:
        yield hidden
        return
    own = {vpc.cidr_blocks[0].network_address + 2, _LINK_LOCAL}
    for server in vpc.domain_name_servers:
        what = f"nameserver {server} of {vpc.vpc_id}"
        if server in own:
            yield Hop(what=what, says="is the VPC's own resolver")
        elif (vpc.vpc_id, server) in facts.interfaces_missed:
            yield _closed(what, "is an address of the VPC that no interface has", Code.DNS_NAMESERVER_DEAD, vpc.vpc_id)
        else:
            yield Hop(
                what=what,
                says="is given to hosts by DHCP; whether it asks the VPC's resolver, the account does not show",
                state=State.DOUBTFUL,
                code=Code.DNS_RESOLVER_BYPASSED,
                resource=vpc.vpc_id,
            )


def _unread(facts: AccountFacts, vpc_id: str) -> Iterator[Hop]:
    """What may answer instead of a zone that is known, or of public DNS, and was not read."""
    for kind, what in ((Part.RESOLVER_RULES, "resolver rules"), (Part.VPC_ZONES, "private zones")):
        hidden = unknown_hop(facts, kind, f"{what} of {vpc_id}", vpc_id=vpc_id)
        if hidden is not None:
            yield hidden


def _rule(facts: AccountFacts, client: Client, name: str, zone: HostedZone | None) -> Iterator[Hop]:
    """The resolver rule that answers instead of a zone: the more specific of both does, and of one name the rule."""
    every: list[ResolverRule | OtherRule] = [*facts.topology.resolver_rules, *facts.other_rules]
    rules = [r for r in every if client.vpc_id in r.vpc_ids and (not r.domain_name or _covers(r.domain_name, name))]
    best = max(rules, key=lambda r: len(r.domain_name), default=None)
    if best is None or (zone is not None and len(zone.name) > len(best.domain_name)):
        return
    if isinstance(best, OtherRule) and best.is_system:
        return
    to = ", ".join(map(str, best.target_ips)) or "other servers"
    yield Hop(
        what=f"resolver rule {best.resolver_rule_id}",
        says=f"sends {best.domain_name or 'every name'} to {to}, past every private zone",
        state=State.CLOSED if zone is not None else State.DOUBTFUL,
        code=Code.DNS_RESOLVER_RULE,
        resource=best.resolver_rule_id,
        source=str(facts.source("resolver_rules", best.resolver_rule_id) or ""),
    )


def _public(cluster: Cluster, name: str) -> tuple[Address, ...] | None:
    """What public DNS answers for a broker's own name: its interface."""
    for broker in cluster.brokers:
        if broker.endpoint.lower() == name.lower():
            return None if broker.client_vpc_ip_address is None else (broker.client_vpc_ip_address,)
        if broker.ipv6_endpoint is not None and broker.ipv6_endpoint.lower() == name.lower() and broker.ipv6_address:
            return (broker.ipv6_address,)
    return None


def _without_zone(
    facts: AccountFacts, whole: Topology, client: Client, *, cluster: Cluster, name: str, hops: list[Hop]
) -> Resolved:
    """Public DNS answers."""
    found = _public(cluster, name)
    if not is_private(client, cluster):
        if found is None:
            says = "is no name of the cluster's own, and no private zone has it"
            return Resolved((*hops, _closed(name, says, Code.METADATA_ADVERTISED_NAME, name)), None)
        return Resolved((*hops, Hop(what=f"public record of {name}", says="answers the broker's interface")), found)
    if spec_of(client.pattern).is_managed:
        return Resolved((*hops, _not_connected(facts, client, name)), None)
    hidden = _any_gap(facts, "private zones of no VPC", Part.HOSTED_ZONES)
    if hidden is not None:
        return Resolved((*hops, hidden), None)
    if found is None and not any(_covers(z.name, name) for z in facts.topology.hosted_zones):
        says = "is advertised, and no private zone has it"
        return Resolved((*hops, _closed(name, says, Code.METADATA_ADVERTISED_NAME, name)), None)
    local = client.vpc_id == cluster.vpc_id
    mine = [
        z for z in facts.topology.hosted_zones if _covers(z.name, name) and (not local or _leads_to_nlb(whole, z, name))
    ]
    code = Code.DNS_LOCAL_ZONE_MISSING if local and not mine else Code.DNS_ZONE_NOT_ASSOCIATED
    which = f"; {mine[0].hosted_zone_id} is not associated with it" if mine else ""
    says = f"has no private zone for {name}{which}, so the public record answers"
    return Resolved((*hops, _closed(client.vpc_id, says, code, client.vpc_id)), None)


def _not_connected(facts: AccountFacts, client: Client, name: str) -> Hop:
    what = f"VPC connections of {client.vpc_id}"
    unread = _any_gap(facts, what, Part.VPC_CONNECTIONS, Part.ENDPOINTS, Part.CLUSTERS)
    says = f"is a name of VPC connections, and {client.vpc_id} has none that answers it"
    return unread or _closed(name, says, Code.DNS_NO_VPC_CONNECTION, client.vpc_id)


def _any_gap(facts: AccountFacts, what: str, *kinds: Part) -> Hop | None:
    """A hop that something of these kinds hides, wherever it could not be read."""
    return next((hop for kind in kinds if (hop := unknown_hop(facts, kind, what)) is not None), None)


def _leads_to_nlb(whole: Topology, zone: HostedZone, name: str) -> bool:
    nodes = {balancer.dns_name.lower() for balancer in whole.load_balancers}
    return any(
        r.alias_target is not None and r.alias_target.dns_name.lower() in nodes
        for r in zone.record_sets
        if r.name.lower() == name.lower()
    )


# Records


def _by_zone(
    facts: AccountFacts,
    known: Known,
    client: Client,
    *,
    name: str,
    zone: HostedZone,
    zones: list[HostedZone],
    hops: list[Hop],
) -> Resolved:
    wanted = "AAAA" if by_ipv6(client) else "A"
    what = f"zone {zone.hosted_zone_id} ({zone.name})"
    record = _followed(zone, name, wanted)
    if record is None:
        beside = any(_record(z, name, wanted) is not None for z in zones if z is not zone)
        code = Code.DNS_MORE_SPECIFIC_ZONE if beside else Code.DNS_RECORD_MISSING
        hidden = "; a less specific zone of the VPC has it, and is not asked" if beside else ""
        return Resolved(
            (*hops, _closed(what, f"has no {wanted} record {name}{hidden}", code, zone.hosted_zone_id)), None
        )
    if record.type == "CNAME" and _covers(zone.name, _target(record)):
        says = f"leads {name} to {record.resource_records[0]}, and that back to it"
        return Resolved((*hops, _closed(what, says, Code.DNS_CNAME_LOOP, zone.hosted_zone_id)), None)
    led = _by_record(facts, known, client, name=name, zone=zone, record=record)
    hops += led.hops
    if led.addresses is not None:
        hops += _other_family(facts, known, client, zone, name)
    return Resolved(tuple(hops), led.addresses)


def _by_record(
    facts: AccountFacts, known: Known, client: Client, *, name: str, zone: HostedZone, record: ResourceRecordSet
) -> Resolved:
    """What one record leads to: by its values, or by those of what it names."""
    what = f"zone {zone.hosted_zone_id} ({zone.name})"
    source = str(facts.source("hosted_zones", zone.hosted_zone_id) or "")
    if record.alias_target is None and record.type != "CNAME":
        addresses = tuple(ip_address(value) for value in record.resource_records)
        told = ", ".join(map(str, addresses))
        says, nothing = f"answers {name} with {told}", "which nothing that leads to a broker has"
        leads = bool(set(addresses) & known.every)
        unread = _unread_target(facts, told, addresses=addresses)
    else:
        target = _target(record)
        addresses = tuple(a for a in known.addresses.get(target.lower(), ()) if (a.version == 6) == by_ipv6(client))  # noqa: PLR2004
        kind = "an alias" if record.alias_target is not None else "a CNAME"
        says, nothing = f"has {name} as {kind} of {target}", "which is no endpoint or load balancer on the way"
        leads = target.lower() in known.addresses
        unread = _unread_target(facts, target)
        if unread is None and record.type == "CNAME":
            unread = Hop(what=target, says="is in no zone that was read", state=State.UNKNOWN, resource=target)
        if target.lower() in known.zonal:
            says = f"{says}, one zone of the endpoint"
            return Resolved((_closed(what, says, Code.DNS_ZONAL_ALIAS, zone.hosted_zone_id),), addresses)
    hop = Hop(what=what, says=says, resource=zone.hosted_zone_id, source=source)
    if leads:
        return Resolved((hop,), addresses)
    stale = _closed(what, f"{says}, {nothing}", Code.DNS_STALE_RECORD, zone.hosted_zone_id)
    return Resolved((stale,) if unread is None else (hop, unread), None)


def _target(record: ResourceRecordSet) -> str:
    """The name that an alias or a CNAME leads to."""
    alias = record.alias_target
    return record.resource_records[0].removesuffix(".") if alias is None else alias.dns_name


def _unread_target(facts: AccountFacts, what: str, *, addresses: Iterable[Address] = ()) -> Hop | None:
    """Why it is not known what a record's target or addresses lead to; None where it would be known."""
    foreign = other_endpoint(facts, name=what, addresses=addresses)
    return foreign or _any_gap(facts, what, Part.ENDPOINTS, Part.ENDPOINT_SERVICES, Part.LOAD_BALANCERS)


def _record(zone: HostedZone, name: str, kind: str) -> ResourceRecordSet | None:
    return next((r for r in zone.record_sets if r.name.lower() == name.lower() and r.type in {kind, "CNAME"}), None)


def _followed(zone: HostedZone, name: str, kind: str) -> ResourceRecordSet | None:
    """The record at the end of the zone's CNAMEs; one of these where they never end or leave it; None where none is."""
    first = record = _record(zone, name, kind)
    for _ in range(_MOST_ALIASES):
        if record is None or record.type != "CNAME" or record.alias_target is not None:
            return record
        if not _covers(zone.name, _target(record)):
            return record
        record = _record(zone, _target(record), kind)
    return first


def _other_family(facts: AccountFacts, known: Known, client: Client, zone: HostedZone, name: str) -> Iterator[Hop]:
    """An address of the other family that leads nowhere: clients that prefer it wait for it."""
    kind = "A" if by_ipv6(client) else "AAAA"
    for record in zone.record_sets:
        if record.name.lower() == name.lower() and record.type == kind and record.alias_target is None:
            addresses = {ip_address(value) for value in record.resource_records}
            if not addresses & known.every and _unread_target(facts, "", addresses=addresses) is None:
                says = f"also has {kind} {', '.join(map(str, addresses))} for {name}, which nothing has"
                yield _closed(f"zone {zone.hosted_zone_id}", says, Code.DNS_IPV6_ANSWER_UNUSABLE, zone.hosted_zone_id)


def shadows(facts: AccountFacts, client: Client, cluster: Cluster) -> Iterator[Hop]:
    """Zones of the client's VPC that answer for the whole Region's MSK, its API among it."""
    found = _REGION_DOMAIN.search(cluster.domain.lower())
    for zone in facts.topology.zones_in(client.vpc_id):
        if found is not None and _covers(zone.name, found[1]):
            says = f"answers alone for all of {zone.name}, and so hides the MSK API and other clusters of the Region"
            yield _closed(f"zone {zone.hosted_zone_id}", says, Code.DNS_ZONE_SHADOWS_REGION, zone.hosted_zone_id)
