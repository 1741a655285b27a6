"""Hosted zones, and the names that an alias may point to."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

from brokerproof.topology.models import HostedZone, Topology, zonal_dns_name
from brokerproof.topology.rules.problem import Path, Problem


def alias_names(topology: Topology) -> dict[str, tuple[IPv4Address | IPv6Address, ...]]:
    """Every name an alias may point to, with the addresses AWS answers for it: of both families, where it has both."""
    names: dict[str, tuple[IPv4Address | IPv6Address, ...]] = {}
    for balancer in topology.load_balancers:
        nodes = balancer.availability_zones
        names[balancer.dns_name.lower()] = _both([(z.private_ipv4_address, z.ipv6_address) for z in nodes])
    for endpoint in topology.vpc_endpoints:
        enis = [(eni.private_ip_address, eni.ipv6_address) for eni in endpoint.network_interfaces]
        names[endpoint.dns_name.lower()] = _both(enis)
        for eni, addresses in zip(endpoint.network_interfaces, enis, strict=True):
            zonal = zonal_dns_name(endpoint, topology.zone_of(eni.subnet_id))
            names[zonal.lower()] = _both([addresses])
    return names


def _both(pairs: list[tuple[IPv4Address, IPv6Address | None]]) -> tuple[IPv4Address | IPv6Address, ...]:
    return (*(four for four, _ in pairs), *(six for _, six in pairs if six is not None))


def zones(topology: Topology) -> Iterator[Problem]:
    """What AssociateVPCWithHostedZone and ChangeResourceRecordSets refuse."""
    by_vpc: dict[tuple[str, str], HostedZone] = {}
    targets = alias_names(topology)
    for i, zone in enumerate(topology.hosted_zones):
        for vpc_id in zone.vpc_ids:
            other = by_vpc.get((vpc_id, zone.name.lower()))
            if other is not None:
                yield Problem(
                    ("hosted_zones", i, "vpc_ids"),
                    f"{vpc_id} already has a zone named {zone.name} ({other.hosted_zone_id}) "
                    "(AWS: ConflictingDomainExists)",
                )
            by_vpc[vpc_id, zone.name.lower()] = zone
        for j, record in enumerate(zone.record_sets):
            path: Path = ("hosted_zones", i, "record_sets", j)
            name = record.name.lower()
            if name != zone.name.lower() and not name.endswith("." + zone.name.lower()):
                yield Problem((*path, "name"), f"{record.name} is not in zone {zone.name} (AWS: InvalidChangeBatch)")
            if bool(record.resource_records) == (record.alias_target is not None):
                yield Problem(path, "give exactly one of resource_records and alias_target")
            if record.alias_target is not None and record.alias_target.dns_name.lower() not in targets:
                yield Problem(
                    (*path, "alias_target", "dns_name"),
                    f"{record.alias_target.dns_name} is no load balancer, endpoint or zonal endpoint name here",
                )
