"""What spans resources: references, addresses, quotas, and what AWS itself refuses.

Every rule yields problems with the path of the field; AWS's own error name is given where AWS
refuses the same thing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from topology.models import HostedZone, PeeringStatus, Route, Subnet, Topology, zonal_dns_name

LISTENERS_PER_NLB = 50
"""Default quota: listeners per Network Load Balancer (ELB quotas)."""

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a topology: where, and what."""

    path: Path
    message: str

    def __str__(self) -> str:
        return f"{dotted(self.path)}: {self.message}"


def dotted(path: Path) -> str:
    """``("vpcs", 0, "vpc_id")`` as ``vpcs[0].vpc_id``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "(top level)"


def problems(topology: Topology) -> tuple[Problem, ...]:
    """Everything wrong with the topology beyond its shape, in file order."""
    found = [*_duplicates(topology), *_references(topology)]
    if found:
        # The rules below follow references, so they only make sense when these hold.
        return tuple(found)
    return (
        *_addresses(topology),
        *_peerings(topology),
        *_routes(topology),
        *_attachments(topology),
        *_permissions(topology),
        *_load_balancers(topology),
        *_endpoints(topology),
        *_zones(topology),
        *_clusters(topology),
        *_clients(topology),
    )


_IDS = (
    ("vpcs", "vpc_id"),
    ("subnets", "subnet_id"),
    ("route_tables", "route_table_id"),
    ("vpc_peering_connections", "vpc_peering_connection_id"),
    ("transit_gateways", "transit_gateway_id"),
    ("transit_gateway_attachments", "transit_gateway_attachment_id"),
    ("transit_gateway_route_tables", "transit_gateway_route_table_id"),
    ("security_groups", "group_id"),
    ("target_groups", "target_group_name"),
    ("load_balancers", "load_balancer_name"),
    ("endpoint_services", "service_name"),
    ("vpc_endpoints", "vpc_endpoint_id"),
    ("hosted_zones", "hosted_zone_id"),
    ("clusters", "cluster_name"),
    ("clients", "name"),
)

_REFERENCES = (
    ("subnets", "vpc_id", "vpcs"),
    ("route_tables", "vpc_id", "vpcs"),
    ("route_tables", "subnet_ids", "subnets"),
    ("vpc_peering_connections", "requester_vpc_id", "vpcs"),
    ("vpc_peering_connections", "accepter_vpc_id", "vpcs"),
    ("transit_gateway_attachments", "transit_gateway_id", "transit_gateways"),
    ("transit_gateway_attachments", "vpc_id", "vpcs"),
    ("transit_gateway_attachments", "peer_attachment_id", "transit_gateway_attachments"),
    ("transit_gateway_attachments", "association", "transit_gateway_route_tables"),
    ("transit_gateway_attachments", "propagations", "transit_gateway_route_tables"),
    ("transit_gateway_route_tables", "transit_gateway_id", "transit_gateways"),
    ("security_groups", "vpc_id", "vpcs"),
    ("target_groups", "vpc_id", "vpcs"),
    ("load_balancers", "vpc_id", "vpcs"),
    ("load_balancers", "security_groups", "security_groups"),
    ("endpoint_services", "network_load_balancer_name", "load_balancers"),
    ("vpc_endpoints", "vpc_id", "vpcs"),
    ("vpc_endpoints", "service_name", "endpoint_services"),
    ("vpc_endpoints", "security_groups", "security_groups"),
    ("hosted_zones", "vpc_ids", "vpcs"),
    ("clusters", "vpc_id", "vpcs"),
    ("clients", "vpc_id", "vpcs"),
    ("clients", "subnet_id", "subnets"),
    ("clients", "cluster_name", "clusters"),
    ("clients", "security_groups", "security_groups"),
)

_NESTED_REFERENCES = (
    ("route_tables", "routes", "vpc_peering_connection_id", "vpc_peering_connections"),
    ("route_tables", "routes", "transit_gateway_id", "transit_gateways"),
    (
        "transit_gateway_route_tables",
        "routes",
        "transit_gateway_attachment_id",
        "transit_gateway_attachments",
    ),
    ("load_balancers", "availability_zones", "subnet_id", "subnets"),
    ("load_balancers", "listeners", "target_group_name", "target_groups"),
    ("vpc_endpoints", "network_interfaces", "subnet_id", "subnets"),
    ("clusters", "brokers", "client_subnet", "subnets"),
    ("clusters", "brokers", "security_groups", "security_groups"),
)


def _duplicates(topology: Topology) -> Iterator[Problem]:
    for collection, key in _IDS:
        seen: dict[str, int] = {}
        for index, item in enumerate(getattr(topology, collection)):
            value = getattr(item, key)
            if value in seen:
                yield Problem((collection, index, key), f"{value!r} is already used by {collection}[{seen[value]}]")
            seen.setdefault(value, index)


def _references(topology: Topology) -> Iterator[Problem]:
    keys = dict(_IDS)
    known = {name: {getattr(i, key) for i in getattr(topology, name)} for name, key in _IDS}

    def check(path: Path, value: str | tuple[str, ...] | None, kind: str) -> Iterator[Problem]:
        values = value if isinstance(value, tuple) else () if value is None else (value,)
        for one in values:
            if one not in known[kind]:
                have = ", ".join(sorted(known[kind])) or "none"
                yield Problem(path, f"no {kind} entry has {keys[kind]} {one!r}; there are: {have}")

    for collection, field, kind in _REFERENCES:
        for index, item in enumerate(getattr(topology, collection)):
            yield from check((collection, index, field), getattr(item, field), kind)
    for collection, inner, field, kind in _NESTED_REFERENCES:
        for index, item in enumerate(getattr(topology, collection)):
            for position, part in enumerate(getattr(item, inner)):
                yield from check((collection, index, inner, position, field), getattr(part, field), kind)


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


def _addresses(topology: Topology) -> Iterator[Problem]:
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


def _peerings(topology: Topology) -> Iterator[Problem]:
    """What CreateVpcPeeringConnection refuses (VPC Peering guide, basics and limitations)."""
    pairs: dict[frozenset[str], int] = {}
    for i, peering in enumerate(topology.vpc_peering_connections):
        path: Path = ("vpc_peering_connections", i)
        first, second = (topology.vpc(side) for side in peering.sides)
        pair = frozenset(peering.sides)
        if pair in pairs:
            other = topology.vpc_peering_connections[pairs[pair]].vpc_peering_connection_id
            yield Problem(path, f"{other} already peers these VPCs (AWS: VpcPeeringConnectionAlreadyExists)")
        pairs.setdefault(pair, i)
        overlaps = [(a, b) for a in first.cidr_blocks for b in second.cidr_blocks if a.overlaps(b)]
        if overlaps and peering.status is PeeringStatus.ACTIVE:
            a, b = overlaps[0]
            yield Problem(
                path,
                f"{first.vpc_id} {a} overlaps {second.vpc_id} {b} (AWS: the connection's status becomes failed)",
            )


def _routes(topology: Topology) -> Iterator[Problem]:
    associated: dict[str, str] = {}
    for i, table in enumerate(topology.route_tables):
        base: Path = ("route_tables", i)
        for j, subnet_id in enumerate(table.subnet_ids):
            if topology.subnet(subnet_id).vpc_id != table.vpc_id:
                yield Problem((*base, "subnet_ids", j), f"{subnet_id} is not in {table.vpc_id}")
            if subnet_id in associated:
                yield Problem(
                    (*base, "subnet_ids", j),
                    f"{subnet_id} is already associated with {associated[subnet_id]} (AWS: Resource.AlreadyAssociated)",
                )
            associated.setdefault(subnet_id, table.route_table_id)
        seen: dict[IPv4Network, int] = {}
        for j, route in enumerate(table.routes):
            path: Path = (*base, "routes", j)
            if route.destination_cidr_block in seen:
                yield Problem(path, f"a second route to {route.destination_cidr_block} (AWS: RouteAlreadyExists)")
            seen.setdefault(route.destination_cidr_block, j)
            yield from _target(topology, table.vpc_id, route, path)
            local = [b for b in topology.vpc(table.vpc_id).cidr_blocks if route.destination_cidr_block.subnet_of(b)]
            if local:
                yield Problem(path, f"{route.destination_cidr_block} is inside the VPC's own {local[0]}")


def _target(topology: Topology, vpc_id: str, route: Route, path: Path) -> Iterator[Problem]:
    if (route.vpc_peering_connection_id is None) == (route.transit_gateway_id is None):
        yield Problem(path, "give exactly one of vpc_peering_connection_id and transit_gateway_id")
    elif route.vpc_peering_connection_id is not None:
        if vpc_id not in topology.peering(route.vpc_peering_connection_id).sides:
            yield Problem(path, f"{vpc_id} is no side of {route.vpc_peering_connection_id}")
    elif not any(
        a.vpc_id == vpc_id and a.transit_gateway_id == route.transit_gateway_id
        for a in topology.transit_gateway_attachments
    ):
        yield Problem(path, f"{vpc_id} is not attached to {route.transit_gateway_id} (AWS: InvalidTransitGatewayID)")


def _attachments(topology: Topology) -> Iterator[Problem]:
    gateway_of = {t.transit_gateway_route_table_id: t.transit_gateway_id for t in topology.transit_gateway_route_tables}
    attached: set[tuple[str, str]] = set()
    for i, attachment in enumerate(topology.transit_gateway_attachments):
        path: Path = ("transit_gateway_attachments", i)
        if (attachment.vpc_id is None) == (attachment.peer_attachment_id is None):
            yield Problem(path, "give exactly one of vpc_id and peer_attachment_id")
        if attachment.vpc_id is not None:
            key = (attachment.transit_gateway_id, attachment.vpc_id)
            if key in attached:
                yield Problem(
                    path, f"{key[1]} is already attached to {key[0]} (AWS: DuplicateTransitGatewayAttachment)"
                )
            attached.add(key)
        elif attachment.propagations:
            yield Problem((*path, "propagations"), "a gateway peering propagates nothing; it needs static routes")
        tables = {*attachment.propagations, attachment.association} - {None}
        for name in sorted(t for t in tables if t is not None and gateway_of[t] != attachment.transit_gateway_id):
            yield Problem(path, f"{name} is a table of {gateway_of[name]}")
    yield from _gateway_peerings(topology)


def _gateway_peerings(topology: Topology) -> Iterator[Problem]:
    by_id = {a.transit_gateway_attachment_id: a for a in topology.transit_gateway_attachments}
    for i, attachment in enumerate(topology.transit_gateway_attachments):
        peer = by_id.get(attachment.peer_attachment_id or "")
        if peer is not None and peer.peer_attachment_id != attachment.transit_gateway_attachment_id:
            path: Path = ("transit_gateway_attachments", i, "peer_attachment_id")
            yield Problem(path, f"{peer.transit_gateway_attachment_id} names another peer")
    for i, table in enumerate(topology.transit_gateway_route_tables):
        for j, route in enumerate(table.routes):
            target = by_id.get(route.transit_gateway_attachment_id or "")
            if target is not None and target.transit_gateway_id != table.transit_gateway_id:
                where: Path = ("transit_gateway_route_tables", i, "routes", j)
                yield Problem(
                    where, f"{target.transit_gateway_attachment_id} is an attachment of {target.transit_gateway_id}"
                )


def _permissions(topology: Topology) -> Iterator[Problem]:
    groups = {g.group_id for g in topology.security_groups}
    for i, group in enumerate(topology.security_groups):
        for side in ("ingress", "egress"):
            for j, rule in enumerate(getattr(group, side)):
                path: Path = ("security_groups", i, side, j)
                if (rule.cidr_ipv4 is None) == (rule.referenced_group_id is None):
                    yield Problem(path, "give exactly one of cidr_ipv4 and referenced_group_id")
                elif rule.referenced_group_id is not None and rule.referenced_group_id not in groups:
                    yield Problem(
                        (*path, "referenced_group_id"),
                        f"no security group {rule.referenced_group_id!r} (AWS: InvalidGroup.NotFound)",
                    )
                if rule.from_port > rule.to_port:
                    yield Problem(path, f"from_port {rule.from_port} is above to_port {rule.to_port}")


def _load_balancers(topology: Topology) -> Iterator[Problem]:
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
        blocks = topology.vpc(group.vpc_id).cidr_blocks
        for j, target in enumerate(group.targets):
            if not any(target.id in block for block in blocks):
                yield Problem(
                    ("target_groups", i, "targets", j, "id"),
                    f"{target.id} is outside {group.vpc_id} (AWS: InvalidTarget)",
                )


def _endpoints(topology: Topology) -> Iterator[Problem]:
    for i, endpoint in enumerate(topology.vpc_endpoints):
        balancer = topology.load_balancer(topology.service(endpoint.service_name).network_load_balancer_name)
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


def alias_names(topology: Topology) -> dict[str, tuple[IPv4Address, ...]]:
    """Every name an alias may point to, with the addresses AWS answers for it."""
    names: dict[str, tuple[IPv4Address, ...]] = {}
    for balancer in topology.load_balancers:
        names[balancer.dns_name.lower()] = tuple(z.private_ipv4_address for z in balancer.availability_zones)
    for endpoint in topology.vpc_endpoints:
        names[endpoint.dns_name.lower()] = tuple(n.private_ip_address for n in endpoint.network_interfaces)
        for eni in endpoint.network_interfaces:
            zonal = zonal_dns_name(endpoint, topology.zone_of(eni.subnet_id))
            names[zonal.lower()] = (eni.private_ip_address,)
    return names


def _zones(topology: Topology) -> Iterator[Problem]:
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


def _clusters(topology: Topology) -> Iterator[Problem]:
    for i, cluster in enumerate(topology.clusters):
        names = {listener.name for listener in cluster.listeners}
        seen: dict[int, int] = {}
        for j, broker in enumerate(cluster.brokers):
            base: Path = ("clusters", i, "brokers", j)
            if broker.broker_id in seen:
                yield Problem((*base, "broker_id"), f"{broker.broker_id} is already brokers[{seen[broker.broker_id]}]")
            seen.setdefault(broker.broker_id, j)
            for k, advertised in enumerate(broker.advertised_listeners):
                if advertised.listener not in names:
                    yield Problem(
                        (*base, "advertised_listeners", k, "listener"),
                        f"{advertised.listener} is not a listener of the cluster, which has {', '.join(sorted(names))}",
                    )


def _clients(topology: Topology) -> Iterator[Problem]:
    for i, client in enumerate(topology.clients):
        cluster = topology.cluster(client.cluster_name)
        names = [listener.name for listener in cluster.listeners]
        if client.listener not in names:
            yield Problem(
                ("clients", i, "listener"),
                f"{cluster.cluster_name} has no listener {client.listener}; it has {names}",
            )
        if client.vantage.kind == "exec" and not client.vantage.command:
            yield Problem(
                ("clients", i, "vantage", "command"),
                'is empty; give the prefix that lands in the client VPC, e.g. ["ssh", "client-host", "--"]',
            )
