"""Peerings, route tables and transit gateways."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network

from brokerproof.topology.models import PeeringStatus, Route, Topology, TransitGatewayAttachment
from brokerproof.topology.rules.problem import Path, Problem


def peerings(topology: Topology) -> Iterator[Problem]:
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
        overlaps: list[tuple[IPv4Network | IPv6Network, IPv4Network | IPv6Network]]
        overlaps = [(a, b) for a in first.cidr_blocks for b in second.cidr_blocks if a.overlaps(b)]
        overlaps += [(a, b) for a in first.ipv6_cidr_blocks for b in second.ipv6_cidr_blocks if a.overlaps(b)]
        if overlaps and peering.status is PeeringStatus.ACTIVE:
            a, b = overlaps[0]
            yield Problem(
                path,
                f"{first.vpc_id} {a} overlaps {second.vpc_id} {b} (AWS: the connection's status becomes failed)",
            )


def routes(topology: Topology) -> Iterator[Problem]:
    """What AssociateRouteTable and CreateRoute refuse."""
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
        seen: dict[IPv4Network | IPv6Network, int] = {}
        for j, route in enumerate(table.routes):
            path: Path = (*base, "routes", j)
            if (route.destination_cidr_block is None) == (route.destination_ipv6_cidr_block is None):
                yield Problem(path, "give exactly one of destination_cidr_block and destination_ipv6_cidr_block")
                continue
            if route.destination in seen:
                yield Problem(path, f"a second route to {route.destination} (AWS: RouteAlreadyExists)")
            seen.setdefault(route.destination, j)
            yield from _target(topology, table.vpc_id, route, path)
            local = [b for b in topology.vpc(table.vpc_id).blocks if _inside(route.destination, b)]
            if local:
                yield Problem(path, f"{route.destination} is inside the VPC's own {local[0]}")


def _inside(block: IPv4Network | IPv6Network, other: IPv4Network | IPv6Network) -> bool:
    match block, other:
        case (IPv4Network(), IPv4Network()) | (IPv6Network(), IPv6Network()):
            return block.subnet_of(other)  # type: ignore[arg-type]
        case _:
            return False


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
        unclear = tuple(
            ("transit_gateway_attachments", k)
            for k, a in enumerate(topology.transit_gateway_attachments)
            if a.transit_gateway_id == route.transit_gateway_id and a.vpc_id is None and a.peer_attachment_id is None
        )
        yield Problem(
            path,
            f"{vpc_id} is not attached to {route.transit_gateway_id} (AWS: InvalidTransitGatewayID)",
            follows=unclear,
        )


def attachments(topology: Topology) -> Iterator[Problem]:
    """What CreateTransitGatewayVpcAttachment and its kin refuse."""
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
        elif attachment.peer_attachment_id is not None and attachment.propagations:
            yield Problem((*path, "propagations"), "a gateway peering propagates nothing; it needs static routes")
        yield from _attached_subnets(topology, attachment, (*path, "subnet_ids"))
        tables = {*attachment.propagations, attachment.association} - {None}
        for name in sorted(t for t in tables if t is not None and gateway_of[t] != attachment.transit_gateway_id):
            yield Problem(path, f"{name} is a table of {gateway_of[name]}")
    yield from _gateway_peerings(topology)


def _attached_subnets(topology: Topology, attachment: TransitGatewayAttachment, path: Path) -> Iterator[Problem]:
    if attachment.subnet_ids is None:
        return
    if attachment.vpc_id is None:
        yield Problem(path, "a gateway peering has no subnets")
        return
    if not attachment.subnet_ids:
        yield Problem(path, "name at least one subnet (AWS: MissingParameter), or leave subnet_ids out where unknown")
    taken: dict[str, str] = {}
    for j, subnet_id in enumerate(attachment.subnet_ids):
        zone = topology.zone_of(subnet_id)
        if topology.subnet(subnet_id).vpc_id != attachment.vpc_id:
            yield Problem((*path, j), f"{subnet_id} is not in {attachment.vpc_id}")
        elif zone in taken:
            yield Problem(
                (*path, j), f"{subnet_id} is in {zone}, as {taken[zone]} is (AWS: DuplicateSubnetsInSameZone)"
            )
        taken.setdefault(zone, subnet_id)


def _gateway_peerings(topology: Topology) -> Iterator[Problem]:
    by_id = {a.transit_gateway_attachment_id: a for a in topology.transit_gateway_attachments}
    for i, attachment in enumerate(topology.transit_gateway_attachments):
        peer = by_id.get(attachment.peer_attachment_id or "")
        if peer is not None and peer.peer_attachment_id != attachment.transit_gateway_attachment_id:
            path: Path = ("transit_gateway_attachments", i, "peer_attachment_id")
            theirs = topology.transit_gateway_attachments.index(peer)
            yield Problem(
                path,
                f"{peer.transit_gateway_attachment_id} names another peer",
                follows=(("transit_gateway_attachments", theirs),) if peer.peer_attachment_id is None else (),
            )
    for i, table in enumerate(topology.transit_gateway_route_tables):
        for j, route in enumerate(table.routes):
            target = by_id.get(route.transit_gateway_attachment_id or "")
            if target is not None and target.transit_gateway_id != table.transit_gateway_id:
                where: Path = ("transit_gateway_route_tables", i, "routes", j)
                yield Problem(
                    where, f"{target.transit_gateway_attachment_id} is an attachment of {target.transit_gateway_id}"
                )
