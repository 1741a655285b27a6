"""Peerings, transit gateways and route tables, laid out as routes and routing rules. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network
from itertools import count

from brokerproof.lab.network import ipv6, packet_filter
from brokerproof.lab.network.layout import Host, Layout, NextHop, namespace_name
from brokerproof.topology.models import (
    PeeringStatus,
    Route,
    RouteTable,
    Topology,
    TransitGatewayAttachment,
    TransitGatewayAttachmentState,
    TransitGatewayRouteTable,
)

_FIRST_TABLE = 1000
_FIRST_WITHOUT_GATEWAY = 2000
_FIRST_PREFERENCE = 33000
_LAST_PREFERENCE = 60000


def join_peerings(layout: Layout) -> None:
    """A link between two routers for each peering connection, whatever its status: routes decide what uses it."""
    for peering in layout.topology.vpc_peering_connections:
        name = f"pcx{layout.numbers.number('peerings', peering.vpc_peering_connection_id)}"
        requester, accepter = peering.sides
        regions = layout.topology.vpc(requester).region_name, layout.topology.vpc(accepter).region_name
        ours, theirs = layout.join(layout.routers[requester], name, layout.routers[accepter], name, regions=regions)
        layout.next_hops[requester, peering.vpc_peering_connection_id] = NextHop(theirs, ipv6.JOINED[1], name)
        layout.next_hops[accepter, peering.vpc_peering_connection_id] = NextHop(ours, ipv6.JOINED[0], name)


def lay_transit_gateways(layout: Layout) -> list[Host]:
    """A router a gateway, a link an attachment; each attachment's traffic is looked up in its associated table."""
    topology = layout.topology
    dual = any(v.ipv6_cidr_blocks for v in topology.vpcs)
    gateways = {
        g.transit_gateway_id: Host(namespace_name(g.transit_gateway_id), forwards=True, ipv6=dual)
        for g in topology.transit_gateways
    }
    region_of = {g.transit_gateway_id: g.region_name for g in topology.transit_gateways}
    ends: dict[str, NextHop] = {}
    """Attachment -> what is beyond it."""
    for attachment in topology.transit_gateway_attachments:
        own, region = attachment.transit_gateway_attachment_id, region_of[attachment.transit_gateway_id]
        index = layout.numbers.number("attachments", own)
        name, gateway = f"att{index}", gateways[attachment.transit_gateway_id]
        if attachment.vpc_id is not None:
            regions = region, topology.vpc(attachment.vpc_id).region_name
            router = layout.routers[attachment.vpc_id]
            ours, theirs = layout.join(gateway, name, router, f"tgw{index}", regions=regions)
            hop = NextHop(ours, ipv6.JOINED[0], f"tgw{index}")
            layout.next_hops[attachment.vpc_id, attachment.transit_gateway_id] = hop
            ends[own] = NextHop(theirs, ipv6.JOINED[1], name)
        elif own not in ends:
            other = attachment.peer_attachment_id or ""
            peer = next(a for a in topology.transit_gateway_attachments if a.transit_gateway_attachment_id == other)
            regions = region, region_of[peer.transit_gateway_id]
            ours, theirs = layout.join(gateway, name, gateways[peer.transit_gateway_id], f"{name}p", regions=regions)
            ends[own] = NextHop(theirs, ipv6.JOINED[1], name)
            ends[other] = NextHop(ours, ipv6.JOINED[0], f"{name}p")
    for index, table in enumerate(topology.transit_gateway_route_tables):
        _lay_gateway_table(topology, gateways[table.transit_gateway_id], table, _FIRST_TABLE + index, ends)
    for gateway in gateways.values():
        _close(gateway)
        gateway.ruleset = packet_filter.transit_gateway(ipv6=gateway.ipv6)
    return list(gateways.values())


def _lay_gateway_table(
    topology: Topology,
    gateway: Host,
    table: TransitGatewayRouteTable,
    number: int,
    ends: dict[str, NextHop],
) -> None:
    """Static routes win over propagated ones to the same destination (Transit Gateway guide, route evaluation)."""
    own = table.transit_gateway_route_table_id
    routes: dict[IPv4Network | IPv6Network, NextHop | None] = {}
    passing = [a for a in topology.transit_gateway_attachments if _passes(a)]
    beyond = {a.transit_gateway_attachment_id: ends[a.transit_gateway_attachment_id] for a in passing}
    for attachment in passing:
        if attachment.vpc_id is not None and own in attachment.propagations:
            vpc, hop = topology.vpc(attachment.vpc_id), ends[attachment.transit_gateway_attachment_id]
            routes |= dict.fromkeys(vpc.blocks, hop)
    for route in table.routes:
        target = route.transit_gateway_attachment_id
        routes[route.destination_cidr_block] = beyond.get(target or "")
    gateway.routing += [_route(block, hop, number) for block, hop in routes.items()]
    for attachment in passing:
        if attachment.association == own:
            _look_up(gateway, ends[attachment.transit_gateway_attachment_id].interface, number)


def lay_routes(layout: Layout, vpc_id: str) -> None:
    """The VPC's route tables: each ENI's traffic is looked up in the table of its subnet.

    The ``local`` route is the main table. What comes in from a peering is looked up there alone, so
    peering is not transitive. What no table knows is dropped in silence, as a VPC does; a route to a
    connection that is not active is a blackhole, as is one to a gateway that has no interface in the ENI's zone.
    """
    router = layout.routers[vpc_id]
    without_gateway = count(_FIRST_WITHOUT_GATEWAY)
    for index, table in enumerate(t for t in layout.topology.route_tables if t.vpc_id == vpc_id):
        numbers: dict[tuple[Route, ...], int] = {}
        enis = [eni for eni in layout.enis[vpc_id] if eni.subnet_id in table.subnet_ids]
        for eni in enis:
            leading = _leading(layout.topology, table, eni.subnet_id)
            if leading not in numbers:
                numbers[leading] = next(without_gateway) if numbers else _FIRST_TABLE + index
                router.routing += _routes(layout, table, leading, numbers[leading])
            _look_up(router, eni.interface, numbers[leading])
    _close(router)


def _routes(layout: Layout, table: RouteTable, leading: tuple[Route, ...], number: int) -> Iterator[str]:
    for route in table.routes:
        target = route.vpc_peering_connection_id or route.transit_gateway_id or ""
        hop = layout.next_hops[table.vpc_id, target] if route in leading else None
        yield _route(route.destination, hop, number)


def _leading(topology: Topology, table: RouteTable, subnet_id: str) -> tuple[Route, ...]:
    """The routes of a table that pass what leaves a subnet."""
    return tuple(route for route in table.routes if _leads_on(topology, table.vpc_id, route, subnet_id))


def _leads_on(topology: Topology, vpc_id: str, route: Route, subnet_id: str) -> bool:
    """Whether the peering or the VPC's attachment that a route leads to passes what leaves a subnet."""
    if route.vpc_peering_connection_id is not None:
        return topology.peering(route.vpc_peering_connection_id).status is PeeringStatus.ACTIVE
    mine = (a for a in topology.transit_gateway_attachments if a.vpc_id == vpc_id)
    return any(
        a.transit_gateway_id == route.transit_gateway_id and _passes(a) and _takes(topology, a, subnet_id) for a in mine
    )


def _takes(topology: Topology, attachment: TransitGatewayAttachment, subnet_id: str) -> bool:
    """Whether the gateway has an interface in the subnet's zone; where the file does not tell its zones, it has."""
    zones = topology.attached_zones(attachment)
    return zones is None or topology.zone_of(subnet_id) in zones


def _passes(attachment: TransitGatewayAttachment) -> bool:
    return attachment.state is TransitGatewayAttachmentState.AVAILABLE


def _route(block: IPv4Network | IPv6Network, hop: NextHop | None, table: int) -> str:
    """A route of a table; to nowhere, in silence, where there is no next hop."""
    if hop is None:
        return f"route add blackhole {block} table {table}"
    # A link-local next hop says nothing without its link.
    via = hop.address if isinstance(block, IPv4Network) else f"{hop.ipv6_address} dev {hop.interface}"
    return f"route add {block} via {via} table {table}"


def _look_up(router: Host, interface: str, table: int) -> None:
    """What comes in by the interface is looked up in the table, after the main one."""
    rule = f"pref {_FIRST_PREFERENCE} iif {interface} lookup {table}"
    router.routing += [f"rule add {rule}", *([ipv6.rule(rule)] if router.ipv6 else [])]


def _close(router: Host) -> None:
    """What no table knows is dropped in silence."""
    rule = f"pref {_LAST_PREFERENCE} blackhole"
    router.routing += [f"rule add {rule}", *([ipv6.rule(rule)] if router.ipv6 else [])]
