"""Private zones with their records, and resolver rules, as far as they are about the clusters' names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from brokerproof.aws.discovery.calls import RECORDS, RULE
from brokerproof.aws.discovery.network import ReadNetwork
from brokerproof.aws.discovery.reader import Ask, Item, Place, Reader
from brokerproof.aws.facts import OtherRule
from brokerproof.topology.models import AliasTarget, HostedZone, ResolverRule, ResourceRecordSet, Vpc, VpcEndpoint

_TYPES: Final = frozenset({"A", "AAAA", "CNAME"})


@dataclass(slots=True)
class ReadNames:
    """The zones and rules, mapped."""

    zones: list[HostedZone] = field(default_factory=list)
    rules: list[ResolverRule] = field(default_factory=list)
    other_rules: list[OtherRule] = field(default_factory=list)


def read_names(
    reader: Reader,
    network: ReadNetwork,
    *,
    names: Sequence[str],
    domains: Sequence[str],
    zonal: Callable[[], Mapping[str, str]],
) -> ReadNames:
    """The zones and rules that say something of these names, or of others in these domains.

    Args:
        reader: Makes the calls.
        network: The VPCs, and which zones each has.
        names: What clients ask for.
        domains: Of the clusters.
        zonal: Gives the names of single zones of endpoints, with what a topology calls them; asked for after the calls.
    """
    reader.say("reading private zones and resolver rules")
    owners, called = _zones(network)
    wanted = {zone: name for zone, name in called.items() if _matters(name, names, domains)}
    rules_read = reader.beside(lambda: list(_rules(reader, network, names, domains)))
    reads = reader.every(Ask(owners[zone], RECORDS, {"HostedZoneId": zone}, of=(zone,)) for zone in sorted(wanted))
    rules = rules_read()
    found = ReadNames(
        rules=[rule for rule in rules if isinstance(rule, ResolverRule)],
        other_rules=[rule for rule in rules if isinstance(rule, OtherRule)],
    )
    aliases = zonal()
    for read in reads:
        zone = read.ask.of[0]
        records = tuple(sorted(_records(read.entries, domains, aliases), key=lambda r: (r.name, r.type)))
        vpc_ids = tuple(
            sorted(v for v, zones in network.zones_of.items() if any(z["HostedZoneId"] == zone for z in zones))
        )
        found.zones.append(HostedZone(hosted_zone_id=zone, name=wanted[zone], vpc_ids=vpc_ids, record_sets=records))
    return found


def _bare(name: str) -> str:
    return name.removesuffix(".").replace("\\052", "*")


def _zones(network: ReadNetwork) -> tuple[dict[str, Place], dict[str, str]]:
    """The private zones, each with its owner's account, and its name."""
    owners: dict[str, Place] = {}
    called: dict[str, str] = {}
    for place, item in network.own_zones:
        zone = str(item["Id"]).rpartition("/")[2]
        owners[zone], called[zone] = place, _bare(item["Name"])
    for vpc_id, zones in sorted(network.zones_of.items()):
        for item in zones:
            account = item.get("Owner", {}).get("OwningAccount")
            if account is not None:
                zone = item["HostedZoneId"]
                owners.setdefault(zone, Place(account, network.places[vpc_id].region_name))
                called.setdefault(zone, _bare(item["Name"]))
    return owners, called


def _covers(zone: str, name: str) -> bool:
    return name == zone or name.endswith(f".{zone}")


def _matters(zone: str, names: Iterable[str], domains: Iterable[str]) -> bool:
    zone = zone.lower()
    return any(_covers(zone, name.lower()) for name in names) or any(_covers(d.lower(), zone) for d in domains)


def _records(entries: Iterable[Item], domains: Sequence[str], zonal: Mapping[str, str]) -> Iterator[ResourceRecordSet]:
    for item in entries:
        name = _bare(item["Name"])
        if item["Type"] not in _TYPES or "*" in name or not any(_covers(d.lower(), name.lower()) for d in domains):
            continue
        alias = item.get("AliasTarget")
        if alias is not None:
            target = _bare(alias["DNSName"]).removeprefix("dualstack.")
            yield ResourceRecordSet(
                name=name, type=item["Type"], alias_target=AliasTarget(dns_name=zonal.get(target.lower(), target))
            )
        else:
            values = tuple(str(entry["Value"]) for entry in item.get("ResourceRecords", ()))
            yield ResourceRecordSet(name=name, type=item["Type"], ttl=item.get("TTL", 60), resource_records=values)


def zonal_names(
    endpoints: Iterable[VpcEndpoint], vpcs: Mapping[str, Vpc], zone_ids: Mapping[tuple[str, str], str]
) -> dict[str, str]:
    """AWS's names of single zones, which have the zone's name in the endpoint's account, with those of a topology."""
    found = {}
    for endpoint in endpoints:
        first, dot, domain = endpoint.dns_name.partition(".")
        owner = vpcs[endpoint.vpc_id].owner_id
        for (account, zone_name), zone_id in zone_ids.items():
            if account == owner:
                found[f"{first}-{zone_name}{dot}{domain}".lower()] = f"{first}-{zone_id}{dot}{domain}"
    return found


def _rules(
    reader: Reader, network: ReadNetwork, names: Sequence[str], domains: Sequence[str]
) -> Iterator[ResolverRule | OtherRule]:
    vpcs: dict[str, set[str]] = {}
    wanted: set[tuple[str, Place]] = set()
    for place, item in network.associations:
        if item.get("Status", "COMPLETE") in {"COMPLETE", "OVERRIDDEN"}:
            vpcs.setdefault(item["ResolverRuleId"], set()).add(item["VPCId"])
            wanted.add((item["ResolverRuleId"], place))
    reads = reader.every(
        Ask(place, RULE, {"ResolverRuleId": rule}, of=(rule,))
        for rule, place in sorted(wanted)
        if not rule.startswith("rslvr-autodefined")
    )
    told: dict[str, Item] = {read.ask.of[0]: read.one["ResolverRule"] for read in reads if read.known}
    for rule_id, rule in sorted(told.items()):
        domain = _bare(rule["DomainName"])
        if domain and not _matters(domain, names, domains):
            continue
        targets = tuple(entry["Ip"] for entry in rule.get("TargetIps", ()) if "Ip" in entry)
        vpc_ids = tuple(sorted(vpcs[rule_id]))
        if rule["RuleType"] == "FORWARD" and targets and domain:
            yield ResolverRule(resolver_rule_id=rule_id, domain_name=domain, target_ips=targets, vpc_ids=vpc_ids)
        else:
            yield OtherRule(
                resolver_rule_id=rule_id,
                domain_name=domain,
                target_ips=targets or tuple(e["Ipv6"] for e in rule.get("TargetIps", ()) if "Ipv6" in e),
                is_system=rule["RuleType"] == "SYSTEM",
                vpc_ids=vpc_ids,
            )
