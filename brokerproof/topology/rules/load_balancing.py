"""Load balancers, target groups and endpoints; quotas."""

from __future__ import annotations

from collections.abc import Iterator

from brokerproof.topology.models import EndpointService, Topology, VpcEndpoint
from brokerproof.topology.rules.problem import Path, Problem

LISTENERS_PER_NLB = 50
"""Default quota: listeners per Network Load Balancer (ELB quotas)."""


def load_balancers(topology: Topology) -> Iterator[Problem]:
    """What CreateListener, CreateLoadBalancer and RegisterTargets refuse."""
    for i, balancer in enumerate(topology.load_balancers):
        base: Path = ("load_balancers", i)
        if len(balancer.listeners) > LISTENERS_PER_NLB:
            yield Problem(
                (*base, "listeners"),
                f"{len(balancer.listeners)} listeners; the quota is {LISTENERS_PER_NLB} listeners per Network Load "
                "Balancer (AWS: TooManyListeners), so one NLB carries at most 49 brokers and the bootstrap listener",
            )
        ports: dict[int, int] = {}
        for j, listener in enumerate(balancer.listeners):
            if listener.port in ports:
                yield Problem(
                    (*base, "listeners", j, "port"),
                    f"port {listener.port} is already taken by listeners[{ports[listener.port]}] of "
                    f"{balancer.load_balancer_name} (AWS: DuplicateListener); choose another port range",
                )
            ports.setdefault(listener.port, j)
        zones: set[str] = set()
        for j, zone in enumerate(balancer.availability_zones):
            zone_id = topology.zone_of(zone.subnet_id)
            if zone_id in zones:
                yield Problem(
                    (*base, "availability_zones", j, "subnet_id"),
                    f"a second subnet in zone {zone_id}; an NLB takes one a zone (AWS: InvalidConfigurationRequest)",
                )
            zones.add(zone_id)
    for i, group in enumerate(topology.target_groups):
        blocks = topology.vpc(group.vpc_id).blocks
        for j, target in enumerate(group.targets):
            if not any(target.id in block for block in blocks):
                yield Problem(
                    ("target_groups", i, "targets", j, "id"),
                    f"{target.id} is outside {group.vpc_id} (AWS: InvalidTarget)",
                    follows=tuple(
                        ("subnets", k) for k, subnet in enumerate(topology.subnets) if subnet.vpc_id == group.vpc_id
                    ),
                )


def endpoints(topology: Topology) -> Iterator[Problem]:
    """What CreateVpcEndpoint refuses. Across Regions zones are not matched."""
    for i, endpoint in enumerate(topology.vpc_endpoints):
        service = topology.service(endpoint.service_name)
        balancer = topology.load_balancer(service.network_load_balancer_name)
        here, there = topology.vpc(endpoint.vpc_id).region_name, topology.vpc(balancer.vpc_id).region_name
        if here != there:
            yield from _across_regions(endpoint, service, (here, there), ("vpc_endpoints", i))
            continue
        offered = {topology.zone_of(z.subnet_id) for z in balancer.availability_zones}
        zones: set[str] = set()
        for j, eni in enumerate(endpoint.network_interfaces):
            zone = topology.zone_of(eni.subnet_id)
            path: Path = ("vpc_endpoints", i, "network_interfaces", j, "subnet_id")
            if zone not in offered:
                yield Problem(
                    path,
                    f"zone {zone} is not offered by {endpoint.service_name} (AWS: InvalidParameter); "
                    f"it offers {', '.join(sorted(offered))}",
                )
            if zone in zones:
                yield Problem(path, f"a second ENI in zone {zone} (AWS: DuplicateSubnetsInSameZone)")
            zones.add(zone)


def _across_regions(
    endpoint: VpcEndpoint, service: EndpointService, regions: tuple[str, str], path: Path
) -> Iterator[Problem]:
    """An endpoint of another Region names the service's, and the service supports its own."""
    here, there = regions
    if endpoint.service_region != there:
        yield Problem(
            (*path, "service_region"),
            f"{service.service_name} is in {there} and {endpoint.vpc_id} in {here}: say service_region: {there} "
            "(AWS: InvalidServiceName)",
        )
    if here not in service.supported_regions:
        have = ", ".join(service.supported_regions) or "no other Region"
        yield Problem(
            (*path, "service_name"),
            f"{service.service_name} supports {have}; expected {here} among its supported_regions "
            "(AWS: InvalidServiceName)",
        )
