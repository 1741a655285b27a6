"""Route 53 answers: private zones and their records, and the resolver's rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from brokerproof.aws.answers.organization import ApiError, Asked, Item, filtered, hexadecimal
from brokerproof.topology.models import HostedZone, ResolverRule, ResourceRecordSet

_ALIAS_ZONE: Final = "Z7HUB22UULQXV"


def _owner(asked: Asked, zone: HostedZone) -> str:
    """Who made a zone, which a topology does not say: the account of its first VPC, or else the cluster's."""
    home = zone.vpc_ids[0] if zone.vpc_ids else asked.topology.clusters[0].vpc_id
    return asked.organization.place(home)[0]


def _summary(zone: HostedZone, *, private: bool = True) -> Item:
    return {
        "Id": f"/hostedzone/{zone.hosted_zone_id}",
        "Name": f"{zone.name}.",
        "CallerReference": hexadecimal(zone.hosted_zone_id, 32),
        "Config": {"PrivateZone": private, "Comment": ""},
        "ResourceRecordSetCount": len(zone.record_sets) + 2,
    }


def list_hosted_zones(asked: Asked) -> Item:
    """ListHostedZones: one's own, of every Region, public ones among them."""
    public = HostedZone(hosted_zone_id=f"Z{hexadecimal(asked.account, 12).upper()}", name="example.com")
    other = HostedZone(hosted_zone_id=f"Z{hexadecimal(asked.account + 'x', 12).upper()}", name="internal.example")
    own = [_summary(zone) for zone in asked.topology.hosted_zones if _owner(asked, zone) == asked.account]
    zones = [_summary(public, private=False), *own, _summary(other)]
    return {"HostedZones": zones, "IsTruncated": False, "MaxItems": "100", "Marker": asked.params.get("Marker", "")}


def list_hosted_zones_by_vpc(asked: Asked) -> Item:
    """ListHostedZonesByVPC: those of other accounts too, with their owner."""
    vpc_id = asked.params["VPCId"]
    if not asked.organization.owns(asked.account, asked.params["VPCRegion"], vpc_id):
        raise ApiError("AccessDenied", f"The VPC {vpc_id} is not owned by you.", 403)
    return {
        "HostedZoneSummaries": [
            {
                "HostedZoneId": zone.hosted_zone_id,
                "Name": f"{zone.name}.",
                "Owner": {"OwningAccount": _owner(asked, zone)},
            }
            for zone in asked.topology.hosted_zones
            if vpc_id in zone.vpc_ids
        ],
        "MaxItems": "100",
    }


def list_resource_record_sets(asked: Asked) -> Item:
    """ListResourceRecordSets of one's own zone, with what Route 53 itself puts into each."""
    wanted = asked.params["HostedZoneId"].rpartition("/")[2]
    for zone in asked.topology.hosted_zones:
        if zone.hosted_zone_id == wanted and _owner(asked, zone) == asked.account:
            return {
                "ResourceRecordSets": sorted(_records(asked, zone), key=lambda r: (r["Name"], r["Type"])),
                "IsTruncated": False,
                "MaxItems": "300",
            }
    raise ApiError("NoSuchHostedZone", f"No hosted zone found with ID: {wanted}", 404)


def _records(asked: Asked, zone: HostedZone) -> Iterator[Item]:
    own = [{"Value": "ns-0.awsdns-00.com."}]
    yield {"Name": f"{zone.name}.", "Type": "NS", "TTL": 172800, "ResourceRecords": own}
    yield {"Name": f"{zone.name}.", "Type": "SOA", "TTL": 900, "ResourceRecords": [{"Value": "ns-0. a. 1 1 1 1 1"}]}
    for record in zone.record_sets:
        yield _record(asked, record)


def _record(asked: Asked, record: ResourceRecordSet) -> Item:
    item: Item = {"Name": f"{record.name}.", "Type": record.type}
    if record.alias_target is None:
        return {**item, "TTL": record.ttl, "ResourceRecords": [{"Value": value} for value in record.resource_records]}
    name = _in_zone_names(asked, record.alias_target.dns_name)
    return {**item, "AliasTarget": {"HostedZoneId": _ALIAS_ZONE, "DNSName": f"{name}.", "EvaluateTargetHealth": False}}


def _in_zone_names(asked: Asked, name: str) -> str:
    """A zonal name with the zone's name in the endpoint's own account, where the topology has its id."""
    for endpoint in asked.topology.vpc_endpoints:
        first, dot, domain = endpoint.dns_name.partition(".")
        for eni in endpoint.network_interfaces:
            zone_id = asked.topology.zone_of(eni.subnet_id)
            if name.lower() == f"{first}-{zone_id}{dot}{domain}".lower():
                owner, _ = asked.organization.place(endpoint.vpc_id)
                return f"{first}-{asked.organization.zone_name(owner, zone_id)}{dot}{domain}"
    return name


# Resolver rules


def list_resolver_rule_associations(asked: Asked) -> Item:
    """ListResolverRuleAssociations of the Region, with the resolver's own rule."""
    found = []
    for vpc in asked.vpcs:
        found.append(_association("rslvr-autodefined-rr-internet-resolver", vpc.vpc_id))
        found += [
            _association(rule.resolver_rule_id, vpc.vpc_id)
            for rule in asked.topology.resolver_rules
            if vpc.vpc_id in rule.vpc_ids
        ]
    by = {"VPCId": lambda item: [item["VPCId"]]}
    return {"ResolverRuleAssociations": filtered(asked, found, by), "MaxResults": 10}


def _association(rule_id: str, vpc_id: str) -> Item:
    return {
        "Id": f"rslvr-rrassoc-{hexadecimal(rule_id + vpc_id)}",
        "ResolverRuleId": rule_id,
        "VPCId": vpc_id,
        "Status": "COMPLETE",
    }


def get_resolver_rule(asked: Asked) -> Item:
    """GetResolverRule."""
    wanted = asked.params["ResolverRuleId"]
    if wanted == "rslvr-autodefined-rr-internet-resolver":
        return {"ResolverRule": {"Id": wanted, "DomainName": ".", "RuleType": "RECURSIVE", "Status": "COMPLETE"}}
    for rule in asked.topology.resolver_rules:
        if rule.resolver_rule_id == wanted:
            return {"ResolverRule": _rule(asked, rule)}
    raise ApiError("ResourceNotFoundException", f"Resolver rule {wanted} does not exist")


def _rule(asked: Asked, rule: ResolverRule) -> Item:
    return {
        "Id": rule.resolver_rule_id,
        "DomainName": f"{rule.domain_name}.",
        "RuleType": "FORWARD",
        "Status": "COMPLETE",
        "OwnerId": asked.account,
        "TargetIps": [{"Ip": str(address), "Port": 53} for address in rule.target_ips],
    }
