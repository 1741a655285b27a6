"""IPv6 of load balancers, target groups, endpoint services and interface endpoints: what needs what."""

from __future__ import annotations

from collections.abc import Iterator

from brokerproof.topology.models import EndpointInterface, LoadBalancerZone, Topology
from brokerproof.topology.rules.problem import Path, Problem


def families(topology: Topology) -> Iterator[Problem]:
    """What CreateLoadBalancer and SetIpAddressType refuse.

    A dual-stack NLB needs IPv6 in each of its subnets (NLB guide, dualstack requirements).
    """
    for i, balancer in enumerate(topology.load_balancers):
        for j, zone in enumerate(balancer.availability_zones):
            path: Path = ("load_balancers", i, "availability_zones", j)
            family, name = balancer.ip_address_type, balancer.load_balancer_name
            yield from _placed(topology, path, zone, family, name, refused=" (AWS: ValidationError)")


def target_families(topology: Topology) -> Iterator[Problem]:
    """What RegisterTargets and CreateListener refuse: a group is of one family, and an IPv6 one needs a dual stack.

    NLB guide, target groups, IP address type; the words of the second are ELB's own.
    """
    for i, group in enumerate(topology.target_groups):
        for j, target in enumerate(group.targets):
            family = f"ipv{target.id.version}"
            if family != group.ip_address_type:
                yield Problem(
                    ("target_groups", i, "targets", j, "id"),
                    f"{target.id} is {family}, and {group.target_group_name} is of ip_address_type "
                    f"{group.ip_address_type}; all targets of a group are of its family (AWS: ValidationError)",
                )
    for i, balancer in enumerate(topology.load_balancers):
        for j, listener in enumerate(balancer.listeners):
            group = topology.target_group(listener.target_group_name)
            if group.ip_address_type == "ipv6" and balancer.ip_address_type == "ipv4":
                yield Problem(
                    ("load_balancers", i, "listeners", j, "target_group_name"),
                    f"{group.target_group_name} is of ip_address_type ipv6 and {balancer.load_balancer_name} of ipv4; "
                    "make the load balancer dualstack (AWS: You cannot associate an IPv6 target group with a load "
                    "balancer that has an 'ipv4' IP address type)",
                )


def service_families(topology: Topology) -> Iterator[Problem]:
    """What an endpoint service needs for IPv6: a dual-stack NLB (PrivateLink guide, IP address types)."""
    for i, service in enumerate(topology.endpoint_services):
        path: Path = ("endpoint_services", i, "supported_ip_address_types")
        balancer = topology.load_balancer(service.network_load_balancer_name)
        if not service.supported_ip_address_types:
            yield Problem(path, "is empty; give ipv4, ipv6 or both")
        if "ipv6" in service.supported_ip_address_types and balancer.ip_address_type == "ipv4":
            yield Problem(path, f"ipv6 needs {balancer.load_balancer_name} to be of ip_address_type dualstack")


def endpoint_families(topology: Topology) -> Iterator[Problem]:
    """What an endpoint needs for IPv6: a service that has it, and subnets (PrivateLink guide, IP address types)."""
    for i, endpoint in enumerate(topology.vpc_endpoints):
        path: Path = ("vpc_endpoints", i)
        wanted = {"ipv4", "ipv6"} if endpoint.ip_address_type == "dualstack" else {"ipv4"}
        missing = sorted(wanted - set(topology.service(endpoint.service_name).supported_ip_address_types))
        if missing:
            yield Problem(
                (*path, "ip_address_type"),
                f"{endpoint.ip_address_type} needs {' and '.join(missing)} among the supported_ip_address_types of "
                f"{endpoint.service_name}",
            )
        for j, eni in enumerate(endpoint.network_interfaces):
            where: Path = (*path, "network_interfaces", j)
            yield from _placed(topology, where, eni, endpoint.ip_address_type, endpoint.vpc_endpoint_id)


def connection_families(topology: Topology) -> Iterator[Problem]:
    """MSK documents no VPC connection of IPv6."""
    for i, connection in enumerate(topology.vpc_connections):
        for j, eni in enumerate(connection.network_interfaces):
            if eni.ipv6_address is not None:
                yield Problem(
                    ("vpc_connections", i, "network_interfaces", j, "ipv6_address"),
                    "multi-VPC connectivity over IPv6 is not modelled; leave it out",
                )


def _placed(
    topology: Topology,
    path: Path,
    place: LoadBalancerZone | EndpointInterface,
    family: str,
    owner: str,
    *,
    refused: str = "",
) -> Iterator[Problem]:
    """Every node and ENI of a dual stack has an IPv6 address, in a subnet that has IPv6, and none of an IPv4 one."""
    if family == "dualstack" and topology.subnet(place.subnet_id).ipv6_cidr_block is None:
        yield Problem(
            (*path, "subnet_id"),
            f"ip_address_type dualstack of {owner} needs an ipv6_cidr_block of {place.subnet_id}{refused}",
        )
    elif family == "dualstack" and place.ipv6_address is None:
        yield Problem(path, f"ip_address_type dualstack of {owner} needs an ipv6_address")
    if family == "ipv4" and place.ipv6_address is not None:
        yield Problem((*path, "ipv6_address"), f"{owner} is of ip_address_type ipv4; dualstack has IPv6 addresses")
