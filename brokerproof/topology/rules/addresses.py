"""Subnets inside their VPC, and every address inside its subnet and used once."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from brokerproof.topology.models import UNKNOWN, Subnet, Topology
from brokerproof.topology.rules.problem import Path, Problem, dotted

_ENIS = (
    ("load_balancers", "availability_zones", "private_ipv4_address"),
    ("vpc_endpoints", "network_interfaces", "private_ip_address"),
    ("vpc_connections", "network_interfaces", "private_ip_address"),
)


def placements(topology: Topology) -> Iterator[tuple[Path, str, str, IPv4Address]]:
    """Every ENI of the topology whose place is known: path of its address, VPC, subnet, address."""
    for i, cluster in enumerate(topology.clusters):
        for j, broker in enumerate(cluster.brokers):
            path: Path = ("clusters", i, "brokers", j, "client_vpc_ip_address")
            if broker.client_vpc_ip_address is not None and UNKNOWN not in {cluster.vpc_id, broker.client_subnet}:
                yield path, cluster.vpc_id, broker.client_subnet, broker.client_vpc_ip_address
    for collection, inner, field in _ENIS:
        for i, owner in enumerate(getattr(topology, collection)):
            for j, eni in enumerate(getattr(owner, inner)):
                yield (collection, i, inner, j, field), owner.vpc_id, eni.subnet_id, getattr(eni, field)
    for i, client in enumerate(topology.clients):
        path = ("clients", i, "private_ip_address")
        placed = UNKNOWN not in {client.vpc_id, client.subnet_id}
        if client.private_ip_address is not None and placed and topology.host_of(client).name == client.name:
            yield path, client.vpc_id, client.subnet_id, client.private_ip_address


def addresses(topology: Topology) -> Iterator[Problem]:
    """Subnets and addresses that CreateSubnet and CreateNetworkInterface refuse."""
    beside: dict[str, list[Subnet]] = {}
    for i, subnet in enumerate(topology.subnets):
        blocks = topology.vpc(subnet.vpc_id).cidr_blocks
        if not any(subnet.cidr_block.subnet_of(block) for block in blocks):
            inside = ", ".join(map(str, blocks))
            yield Problem(
                ("subnets", i, "cidr_block"),
                f"{subnet.cidr_block} is not inside {subnet.vpc_id}'s {inside} (AWS: InvalidSubnet.Range)",
            )
        earlier = beside.setdefault(subnet.vpc_id, [])
        for other in earlier:
            if other.cidr_block.overlaps(subnet.cidr_block):
                yield Problem(
                    ("subnets", i, "cidr_block"),
                    f"{subnet.cidr_block} overlaps {other.subnet_id} {other.cidr_block} (AWS: InvalidSubnet.Conflict)",
                )
        earlier.append(subnet)
    taken: dict[tuple[str, IPv4Address], Path] = {}
    positions = {subnet.subnet_id: i for i, subnet in enumerate(topology.subnets)}
    for path, vpc_id, subnet_id, address in placements(topology):
        subnet = topology.subnet(subnet_id)
        if subnet.vpc_id != vpc_id:
            yield Problem(path[:-1], f"subnet {subnet_id} is in {subnet.vpc_id}, not in {vpc_id}")
        elif (why := _unusable(subnet, address)) is not None:
            yield Problem(path, why, follows=(("subnets", positions[subnet_id], "cidr_block"),))
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


def ipv6_placements(topology: Topology) -> Iterator[tuple[Path, str, str, IPv6Address]]:
    """Every IPv6 address of an ENI: path, VPC, subnet, address."""
    for i, cluster in enumerate(topology.clusters):
        for j, broker in enumerate(cluster.brokers):
            if broker.ipv6_address is not None and UNKNOWN not in {cluster.vpc_id, broker.client_subnet}:
                path: Path = ("clusters", i, "brokers", j, "ipv6_address")
                yield path, cluster.vpc_id, broker.client_subnet, broker.ipv6_address
    for collection, inner in (("load_balancers", "availability_zones"), ("vpc_endpoints", "network_interfaces")):
        for i, owner in enumerate(getattr(topology, collection)):
            for j, eni in enumerate(getattr(owner, inner)):
                if eni.ipv6_address is not None:
                    yield (collection, i, inner, j, "ipv6_address"), owner.vpc_id, eni.subnet_id, eni.ipv6_address
    for i, client in enumerate(topology.clients):
        placed = UNKNOWN not in {client.vpc_id, client.subnet_id}
        if client.ipv6_address is not None and placed and topology.host_of(client).name == client.name:
            yield ("clients", i, "ipv6_address"), client.vpc_id, client.subnet_id, client.ipv6_address


def ipv6_addresses(topology: Topology) -> Iterator[Problem]:
    """IPv6 blocks of subnets, and the addresses in them."""
    yield from _ipv6_blocks(topology)
    taken: dict[tuple[str, IPv6Address], Path] = {}
    for path, vpc_id, subnet_id, address in ipv6_placements(topology):
        why = _unusable_ipv6(subnet_id, topology.subnet(subnet_id).ipv6_cidr_block, address)
        if why:
            yield Problem(path, why)
        elif (vpc_id, address) in taken:
            yield Problem(path, f"{address} is already used in {vpc_id} by {dotted(taken[vpc_id, address])}")
        taken.setdefault((vpc_id, address), path)
    for i, client in enumerate(topology.clients):
        host = topology.host_of(client)
        if host.ipv6_address != client.ipv6_address:
            yield Problem(("clients", i, "ipv6_address"), f"differs from that of {host.name}, the same host")


def _ipv6_blocks(topology: Topology) -> Iterator[Problem]:
    for i, subnet in enumerate(topology.subnets):
        block, where = subnet.ipv6_cidr_block, ("subnets", i, "ipv6_cidr_block")
        if block is None:
            continue
        blocks = topology.vpc(subnet.vpc_id).ipv6_cidr_blocks
        if not any(block.subnet_of(whole) for whole in blocks):
            inside = ", ".join(map(str, blocks)) or "(it has no IPv6 CIDR block)"
            yield Problem(where, f"{block} is not inside {subnet.vpc_id}'s {inside} (AWS: InvalidSubnet.Range)")
        for other in topology.subnets[:i]:
            theirs = other.ipv6_cidr_block
            if other.vpc_id == subnet.vpc_id and theirs is not None and theirs.overlaps(block):
                yield Problem(where, f"{block} overlaps {other.subnet_id} {theirs} (AWS: InvalidSubnet.Conflict)")


def _unusable_ipv6(subnet_id: str, block: IPv6Network | None, address: IPv6Address) -> str:
    if block is None:
        return f"{subnet_id} has no ipv6_cidr_block"
    if address not in block:
        return f"{address} is not inside {subnet_id}'s {block}"
    if int(address) - int(block.network_address) <= 3 or address == block[-1]:  # noqa: PLR2004 - as for IPv4
        return f"{address} is reserved by AWS in {block} (the first four addresses and the last)"
    return ""
