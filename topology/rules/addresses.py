"""Subnets inside their VPC, and every address inside its subnet and used once."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

from topology.models import Subnet, Topology
from topology.rules.problem import Path, Problem, dotted


def placements(topology: Topology) -> Iterator[tuple[Path, str, str, IPv4Address]]:
    """Every ENI of the topology: path of its address, VPC, subnet, address."""
    for i, cluster in enumerate(topology.clusters):
        for j, broker in enumerate(cluster.brokers):
            path: Path = ("clusters", i, "brokers", j, "client_vpc_ip_address")
            yield path, cluster.vpc_id, broker.client_subnet, broker.client_vpc_ip_address
    for i, balancer in enumerate(topology.load_balancers):
        for j, zone in enumerate(balancer.availability_zones):
            path = ("load_balancers", i, "availability_zones", j, "private_ipv4_address")
            yield path, balancer.vpc_id, zone.subnet_id, zone.private_ipv4_address
    for i, endpoint in enumerate(topology.vpc_endpoints):
        for j, eni in enumerate(endpoint.network_interfaces):
            path = ("vpc_endpoints", i, "network_interfaces", j, "private_ip_address")
            yield path, endpoint.vpc_id, eni.subnet_id, eni.private_ip_address
    for i, client in enumerate(topology.clients):
        if not _is_remote(topology, client.name):
            yield (
                ("clients", i, "private_ip_address"),
                client.vpc_id,
                client.subnet_id,
                client.private_ip_address,
            )


def _is_remote(topology: Topology, name: str) -> bool:
    """A second client entry for the same host (another pattern) shares its address on purpose."""
    client = topology.client(name)
    first = next(
        c for c in topology.clients if (c.vpc_id, c.private_ip_address) == (client.vpc_id, client.private_ip_address)
    )
    return first.name != name


def addresses(topology: Topology) -> Iterator[Problem]:
    """Subnets and addresses that CreateSubnet and CreateNetworkInterface refuse."""
    for i, subnet in enumerate(topology.subnets):
        blocks = topology.vpc(subnet.vpc_id).cidr_blocks
        if not any(subnet.cidr_block.subnet_of(block) for block in blocks):
            inside = ", ".join(map(str, blocks))
            yield Problem(
                ("subnets", i, "cidr_block"),
                f"{subnet.cidr_block} is not inside {subnet.vpc_id}'s {inside} (AWS: InvalidSubnet.Range)",
            )
        for other in topology.subnets[:i]:
            if other.vpc_id == subnet.vpc_id and other.cidr_block.overlaps(subnet.cidr_block):
                yield Problem(
                    ("subnets", i, "cidr_block"),
                    f"{subnet.cidr_block} overlaps {other.subnet_id} {other.cidr_block} (AWS: InvalidSubnet.Conflict)",
                )
    taken: dict[tuple[str, IPv4Address], Path] = {}
    for path, vpc_id, subnet_id, address in placements(topology):
        subnet = topology.subnet(subnet_id)
        if subnet.vpc_id != vpc_id:
            yield Problem(path[:-1], f"subnet {subnet_id} is in {subnet.vpc_id}, not in {vpc_id}")
        elif (why := _unusable(subnet, address)) is not None:
            yield Problem(path, why)
        if (vpc_id, address) in taken:
            yield Problem(path, f"{address} is already used in {vpc_id} by {dotted(taken[vpc_id, address])}")
        taken.setdefault((vpc_id, address), path)


def _unusable(subnet: Subnet, address: IPv4Address) -> str | None:
    block = subnet.cidr_block
    if address not in block:
        return f"{address} is not inside {subnet.subnet_id}'s {block}"
    offset = int(address) - int(block.network_address)
    if offset <= 3 or address == block.broadcast_address:  # noqa: PLR2004 - AWS reserves .0 to .3 and the last
        return f"{address} is reserved by AWS in {block} (the first four addresses and the last)"
    return None
