"""Which way each client goes: the resources its packets pass, from the expectation and the routes.

What a client must see comes from :func:`brokerproof.topology.expectation.expect.expect`; the owners of those addresses,
and the route tables up to them, are the way. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import NamedTuple

from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.expectation.isolation import by_ipv6
from brokerproof.topology.expectation.view import AddressKind, AddressView, ClientView
from brokerproof.topology.files import TopologyError
from brokerproof.topology.models import (
    Broker,
    Client,
    PeeringStatus,
    Route,
    RouteTable,
    Topology,
    TransitGatewayAttachment,
    Vpc,
)


class PlaceKind(StrEnum):
    """What a place on a way is."""

    CLIENT = "client"
    ROUTES = "routes"
    PEERING = "peering"
    GATEWAY = "gateway"
    ENDPOINT = "endpoint"
    SERVICE = "service"
    BALANCER = "balancer"
    BROKER = "broker"


class Place(NamedTuple):
    """A resource by its id; for routes the VPC's, for brokers the cluster's name and the broker id."""

    kind: PlaceKind
    key: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """From the client to one broker. ``trouble`` says why it ends before."""

    places: tuple[Place, ...]
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """All stretches of one client. ``trouble``: why nothing can be expected for it."""

    client: Client
    stretches: tuple[Stretch, ...] = ()
    must_not: tuple[Place, ...] = ()
    """Brokers an observer must not reach, and client hosts that nothing in the cluster VPC may reach."""
    bootstrap_alone: bool = False
    """Only the bootstrap names lead anywhere: the brokers behind them must not work."""
    trouble: str = ""


def broker_place(cluster_name: str, broker_id: int) -> Place:
    """The place of a broker."""
    return Place(PlaceKind.BROKER, f"{cluster_name}/{broker_id}")


def way_of(topology: Topology, client: Client, whole: Topology) -> Way:
    """The way of one client, or why there is none to expect.

    ``whole`` is the topology with what MSK adds to it (:func:`brokerproof.topology.managed.with_managed`).
    """
    try:
        view = expect(topology, client.name)
    except TopologyError as error:
        return Way(client=client, trouble=str(error))
    targets: list[tuple[int | None, tuple[AddressView, ...]]] = [(b.broker_id, b.addresses) for b in view.brokers]
    if not targets:
        targets = [(b.broker_id, b.addresses) for b in view.bootstrap]
    start = Place(PlaceKind.CLIENT, client.name)
    by_name = [
        Stretch((start, broker_place(client.cluster_name, b.broker_id))) for b in view.brokers if b.found_as is not None
    ]
    stretches = by_name or [
        s for broker_id, addresses in targets for s in _to_broker(whole, client, broker_id, addresses)
    ]
    troubles = dict.fromkeys(stretch.trouble for stretch in stretches if stretch.trouble)
    return Way(
        client=client,
        stretches=tuple(dict.fromkeys(stretches)),
        must_not=_must_not(topology, client, view),
        bootstrap_alone=bool(stretches) and not view.brokers,
        trouble="; ".join(troubles),
    )


def _to_broker(
    topology: Topology, client: Client, broker_id: int | None, addresses: tuple[AddressView, ...]
) -> list[Stretch]:
    """One stretch a resource whose address the name must resolve to, and which must connect there."""
    entries: dict[str, AddressView] = {}
    for address in addresses:
        if address.must_connect:
            entries.setdefault(address.owner, address)
    return [_stretch(topology, client, broker_id, entry) for entry in entries.values()]


def _stretch(topology: Topology, client: Client, broker_id: int | None, entry: AddressView) -> Stretch:
    start = Place(PlaceKind.CLIENT, client.name)
    known = broker_at(topology, client.cluster_name)
    end = known.get(entry.address, ()) if broker_id is None else (broker_place(client.cluster_name, broker_id),)
    match entry.kind:
        case AddressKind.BROKER_ENI:
            vpc_id = topology.cluster(client.cluster_name).vpc_id
            beyond: tuple[Place, ...] = ()
        case AddressKind.ENDPOINT_ENI:
            endpoint = next(e for e in topology.vpc_endpoints if e.vpc_endpoint_id == entry.owner)
            vpc_id = endpoint.vpc_id
            service = topology.service(endpoint.service_name)
            beyond = (
                Place(PlaceKind.ENDPOINT, endpoint.vpc_endpoint_id),
                Place(PlaceKind.SERVICE, service.service_name),
                Place(PlaceKind.BALANCER, service.network_load_balancer_name),
            )
        case AddressKind.UNKNOWN:
            return Stretch((start, *end))
        case AddressKind.NLB_NODE:
            vpc_id = topology.load_balancer(entry.owner).vpc_id
            beyond = (Place(PlaceKind.BALANCER, entry.owner),)
    places, trouble = crossing(topology, client, entry.address, vpc_id)
    if trouble:
        return Stretch((start, *places), trouble)
    return Stretch((start, *places, *beyond, *end))


def _must_not(topology: Topology, client: Client, view: ClientView) -> tuple[Place, ...]:
    """Of what is forbidden, whole brokers and hosts; single ports of a path that works are not drawn."""
    brokers = {a: place for c in topology.clusters for a, (place,) in broker_at(topology, c.cluster_name).items()}
    witnesses = {
        (str(other.ipv6_address if by_ipv6(other) else other.private_ip_address), other.witness_port): other
        for other in topology.clients
        if other.vpc_id != client.vpc_id and other.witness_port is not None
    }
    inside = client.vpc_id == topology.cluster(client.cluster_name).vpc_id
    found: dict[Place, None] = {}
    for forbidden in view.forbidden:
        witness = witnesses.get((forbidden.address, forbidden.port))
        if witness is not None and (inside or client.pattern is None):
            found[Place(PlaceKind.CLIENT, witness.name)] = None
        elif client.pattern is None and forbidden.address in brokers:
            found[brokers[forbidden.address]] = None
    return tuple(found)


def crossing(topology: Topology, client: Client, address: str, vpc_id: str) -> tuple[tuple[Place, ...], str]:
    """The places between a client's subnet and the VPC of an address, and what stops it there, if anything.

    Longest prefix first, as VPC and transit gateway route tables are read; the ``local`` route wins.
    """
    if client.vpc_id == vpc_id:
        return (), ""
    to = ip_address(address)
    places = [Place(PlaceKind.ROUTES, client.vpc_id)]
    if any(to in block for block in blocks_of(topology.vpc(client.vpc_id))):
        return tuple(places), f"{address} is inside {client.vpc_id} itself, whose local route keeps it there"
    beyond, trouble = _by_route(topology, client, address, vpc_id)
    places.extend(beyond)
    return (tuple(places), trouble) if trouble else ((*places, Place(PlaceKind.ROUTES, vpc_id)), "")


def _by_route(topology: Topology, client: Client, address: str, vpc_id: str) -> tuple[list[Place], str]:
    route = _best(_table_of(topology, client.subnet_id), address)
    match route:
        case None | Route(vpc_peering_connection_id=None, transit_gateway_id=None):
            return [], f"the route table of {client.subnet_id} has no route to {address}"
        case Route(vpc_peering_connection_id=str(connection_id)):
            connection = topology.peering(connection_id)
            trouble = ""
            if connection.status is not PeeringStatus.ACTIVE:
                trouble = f"{connection_id} is {connection.status.value}"
            elif vpc_id not in connection.sides:
                trouble = f"{connection_id} does not lead to {vpc_id}, and peering is not transitive"
            return [Place(PlaceKind.PEERING, connection_id)], trouble
        case Route(transit_gateway_id=gateway_id):
            return _through_gateways(topology, client, str(gateway_id), address, vpc_id)


def _table_of(topology: Topology, subnet_id: str) -> RouteTable | None:
    return next((table for table in topology.route_tables if subnet_id in table.subnet_ids), None)


def _best(table: RouteTable | None, address: str) -> Route | None:
    to = ip_address(address)
    fitting = [route for route in (table.routes if table else ()) if to in route.destination]
    return max(fitting, key=lambda route: route.destination.prefixlen, default=None)


def _through_gateways(
    topology: Topology, client: Client, gateway_id: str, address: str, vpc_id: str
) -> tuple[list[Place], str]:
    places = [Place(PlaceKind.GATEWAY, gateway_id)]
    attachments = {a.transit_gateway_attachment_id: a for a in topology.transit_gateway_attachments}
    came_by = next(
        (a for a in attachments.values() if a.vpc_id == client.vpc_id and a.transit_gateway_id == gateway_id), None
    )
    trouble = _before_the_gateway(topology, client, came_by, gateway_id)
    if trouble:
        return places, trouble
    while came_by is not None:
        leaves_by, trouble = _leaving(topology, came_by, address, vpc_id)
        if leaves_by is None or leaves_by.peer_attachment_id is None:
            return places, trouble
        came_by = attachments.get(leaves_by.peer_attachment_id)
        if came_by is not None:
            place = Place(PlaceKind.GATEWAY, came_by.transit_gateway_id)
            if place in places:
                return places, f"{address} goes round between transit gateways"
            places.append(place)
    return places, "a gateway peering leads to no attachment that is known"


def _before_the_gateway(
    topology: Topology, client: Client, attachment: TransitGatewayAttachment | None, gateway_id: str
) -> str:
    if attachment is None:
        return f"{client.vpc_id} is not attached to {gateway_id}"
    zones = topology.attached_zones(attachment)
    if zones is not None and topology.zone_of(client.subnet_id) not in zones:
        return f"{attachment.transit_gateway_attachment_id} has no subnet in the zone of {client.subnet_id}"
    return ""


def _leaving(
    topology: Topology, came_by: TransitGatewayAttachment, address: str, vpc_id: str
) -> tuple[TransitGatewayAttachment | None, str]:
    """The attachment by which a packet leaves the gateway, and why that is not the way."""
    if came_by.association is None:
        return None, f"{came_by.transit_gateway_attachment_id} is associated with no route table"
    leaves_by = _lookup(topology, came_by.association, address)
    if leaves_by is None:
        return None, f"{came_by.association} has no route to {address}, or a blackhole for it"
    astray = leaves_by.peer_attachment_id is None and leaves_by.vpc_id != vpc_id
    trouble = f"{came_by.association} sends {address} to {leaves_by.vpc_id}, not to {vpc_id}" if astray else ""
    return leaves_by, trouble


def _lookup(topology: Topology, table_id: str, address: str) -> TransitGatewayAttachment | None:
    """Static routes win over propagated ones of the same length (Transit Gateways guide, route evaluation order)."""
    to = ip_address(address)
    found: list[tuple[int, bool, str | None]] = []
    for table in topology.transit_gateway_route_tables:
        if table.transit_gateway_route_table_id == table_id:
            found += [
                (r.destination_cidr_block.prefixlen, True, r.transit_gateway_attachment_id)
                for r in table.routes
                if to in r.destination_cidr_block
            ]
    by_id = {a.transit_gateway_attachment_id: a for a in topology.transit_gateway_attachments}
    for attachment in by_id.values():
        if table_id in attachment.propagations and attachment.vpc_id is not None:
            found += [
                (block.prefixlen, False, attachment.transit_gateway_attachment_id)
                for block in blocks_of(topology.vpc(attachment.vpc_id))
                if to in block
            ]
    if not found:
        return None
    best = max(found, key=lambda entry: entry[:2])
    return by_id.get(best[2]) if best[2] is not None else None


def blocks_of(vpc: Vpc) -> tuple[IPv4Network | IPv6Network, ...]:
    """The VPC's blocks of both families."""
    return (*vpc.cidr_blocks, *vpc.ipv6_cidr_blocks)


def broker_at(topology: Topology, cluster_name: str) -> dict[str, tuple[Place]]:
    """The brokers of a cluster by their addresses of both families."""
    return {
        str(address): (broker_place(cluster_name, broker.broker_id),)
        for broker in topology.cluster(cluster_name).brokers
        for address in (broker.client_vpc_ip_address, broker.ipv6_address)
        if address is not None
    }


def brokers_of(topology: Topology) -> dict[Place, Broker]:
    """Every broker by its place."""
    return {
        broker_place(cluster.cluster_name, broker.broker_id): broker
        for cluster in topology.clusters
        for broker in cluster.brokers
    }
