"""A topology compiled to what the kernel, the resolvers and the brokers need. Pure: no I/O.

Two blueprints can be compared, so a change of records, rules or routes is applied to a running lab
by its difference alone. How each AWS resource is laid out is described in ARCHITECTURE.md.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from lab import ipv6, kafka_config, nameserver, packet_filter
from lab.errors import LabError
from topology.fronts import node_zone
from topology.isolation import address_of
from topology.managed import with_managed
from topology.models import (
    Broker,
    BrokerState,
    Client,
    EndpointState,
    LoadBalancer,
    PeeringStatus,
    RegionLink,
    ServerCertificate,
    Topology,
    TransitGatewayRouteTable,
    VpcEndpoint,
)
from topology.rules import alias_names

ROUTER = "169.254.1.1"
"""Every ENI's next hop: its VPC's implicit router, at one link-local address on each link."""


_FIRST_TABLE = 1000
_FIRST_PREFERENCE = 33000
_LAST_PREFERENCE = 60000
_QUEUED_PACKETS = 2000
"""What the kernel may queue for the process that holds packets; at its usual 500, a moment of sleep loses some."""


@dataclass(frozen=True, slots=True)
class Link:
    """A pair of interfaces joining two namespaces."""

    namespace: str
    interface: str
    peer_namespace: str
    peer_interface: str
    distant: bool = False
    """Whether it has a shape; it may then be made of other interfaces."""
    shape: RegionLink | None = field(default=None, compare=False)
    """What it does to packets, which can change while it is in use."""


@dataclass(frozen=True, slots=True)
class Namespace:
    """One network namespace: addresses and routes as ``ip -batch`` lines, and its nftables ruleset."""

    name: str
    ip_lines: tuple[str, ...]
    ruleset: str
    forwards: bool = False
    ipv6: bool = False
    """Whether it needs IPv6 turned on."""
    resolver: str = ""
    """Nameserver that processes entering this namespace are given."""
    routing: tuple[str, ...] = ()
    """Rules and routes of route tables, as ``ip -batch`` lines; they need every link and address."""


@dataclass(frozen=True, slots=True)
class NextHop:
    """The other end of a link between two routers, and the interface it is on."""

    address: str
    ipv6_address: str
    interface: str


@dataclass(frozen=True, slots=True)
class Resolver:
    """The resolver of a VPC: unbound at the VPC's .2 address, in the VPC's router namespace."""

    vpc_id: str
    namespace: str
    address: str
    configuration: str


@dataclass(frozen=True, slots=True)
class BrokerProcess:
    """One Kafka broker: where it runs, and its server.properties without what only start-up knows."""

    cluster_name: str
    broker_id: int
    namespace: str
    properties: tuple[tuple[str, str], ...]
    running: bool

    @property
    def key(self) -> str:
        """Name of the broker's files and log."""
        return f"{self.cluster_name}-{self.broker_id}"

    @property
    def voters(self) -> str:
        """The controllers of its cluster; a quorum's state is of no use to another one."""
        return dict(self.properties)["controller.quorum.voters"]


@dataclass(frozen=True, slots=True)
class Witness:
    """A listening socket on a client host: proof that the host would answer if it were reachable."""

    namespace: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Certificate:
    """The certificate of one cluster's brokers at one listener."""

    cluster_name: str
    listener: str
    dns_names: tuple[str, ...]
    asked: ServerCertificate


@dataclass(frozen=True, slots=True)
class Blueprint:
    """Everything a lab is made of."""

    kafka_version: str
    links: tuple[Link, ...]
    namespaces: tuple[Namespace, ...]
    resolvers: tuple[Resolver, ...]
    brokers: tuple[BrokerProcess, ...]
    certificates: tuple[Certificate, ...]
    witnesses: tuple[Witness, ...]
    clients: tuple[tuple[str, str], ...]
    """(client name, namespace)."""


@dataclass(slots=True)
class _Host:
    """A namespace with one or more ENIs while it is being laid out."""

    name: str
    ip_lines: list[str] = field(default_factory=list)
    ruleset: str = ""
    forwards: bool = False
    ipv6: bool = False
    resolver: str = ""
    routing: list[str] = field(default_factory=list)

    def frozen(self) -> Namespace:
        return Namespace(
            name=self.name,
            ip_lines=tuple(self.ip_lines),
            ruleset=self.ruleset,
            forwards=self.forwards,
            ipv6=self.ipv6,
            resolver=self.resolver,
            routing=tuple(self.routing),
        )


class _Layout:
    """Collects hosts and links; one router namespace a VPC."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.links: list[Link] = []
        self.hosts: dict[str, _Host] = {}
        self.routers = {
            v.vpc_id: _Host(router_name(v.vpc_id), forwards=True, ipv6=bool(v.ipv6_cidr_blocks)) for v in topology.vpcs
        }
        self.enis: dict[str, list[packet_filter.Eni]] = {v.vpc_id: [] for v in topology.vpcs}
        self.transit_links = 0
        self.next_hops: dict[tuple[str, str], NextHop] = {}
        """(VPC, peering connection or gateway) -> the other side of the link between them."""

    def host(self, name: str) -> _Host:
        return self.hosts.setdefault(name, _Host(name))

    def attach(
        self,
        host: _Host,
        interface: str,
        subnet_id: str,
        address: IPv4Address,
        groups: tuple[str, ...],
        *,
        ipv6_address: IPv6Address | None = None,
    ) -> None:
        """Give the host an ENI in a subnet: a link to the VPC's router and a host route there."""
        vpc_id = self.topology.subnet(subnet_id).vpc_id
        enis = self.enis[vpc_id]
        router_side = f"eni{len(enis)}"
        router = self.routers[vpc_id]
        self.links.append(Link(router.name, router_side, host.name, interface))
        enis.append(packet_filter.Eni(router_side, address, groups, subnet_id, ipv6_address))
        before: list[str] = []
        after: list[str] = []
        if ipv6_address is not None:
            before, after = ipv6.router_side(router_side, ipv6_address)
            host.ip_lines += ipv6.host_side(interface, ipv6_address)
            host.ipv6 = True
        router.ip_lines += [
            *before,
            f"addr add {ROUTER}/32 dev {router_side}",
            f"link set {router_side} up",
            f"route add {address}/32 dev {router_side}",
            *after,
        ]
        host.ip_lines += [
            f"addr add {address}/32 dev {interface}",
            f"link set {interface} up",
        ]

    def settle(self, host: _Host, placed: Broker | Client) -> None:
        """Give the host its one ENI, and everything by it."""
        match placed:
            case Broker():
                subnet_id, address = placed.client_subnet, placed.client_vpc_ip_address
            case Client():
                subnet_id, address = placed.subnet_id, placed.private_ip_address
        self.attach(host, "eth0", subnet_id, address, placed.security_groups, ipv6_address=placed.ipv6_address)
        host.ip_lines.append(f"route add default via {ROUTER} dev eth0 onlink")
        if placed.ipv6_address is not None:
            host.ip_lines.append(ipv6.default_route("eth0"))

    def join(
        self, host: _Host, interface: str, peer: _Host, peer_interface: str, *, regions: tuple[str, str]
    ) -> tuple[str, str]:
        """Join two hosts, in these Regions, by a link-local pair outside every VPC; gives both addresses.

        Where both have IPv6, :data:`lab.ipv6.JOINED` are theirs.
        """
        base = int(IPv4Address("169.254.128.0")) + 4 * self.transit_links
        self.transit_links += 1
        ours, theirs = str(IPv4Address(base + 1)), str(IPv4Address(base + 2))
        shape = self.topology.lab.link(*regions)
        if shape.is_plain:
            self.links.append(Link(host.name, interface, peer.name, peer_interface))
        else:
            self.links.append(Link(host.name, interface, peer.name, peer_interface, distant=True, shape=shape))
        queue = "" if shape.is_plain else f" txqueuelen {_QUEUED_PACKETS}"
        for end, (side, name, address) in enumerate(((host, interface, ours), (peer, peer_interface, theirs))):
            if host.ipv6 and peer.ipv6:
                side.ip_lines += ipv6.joined(name, end)
            side.ip_lines += [f"addr add {address}/30 dev {name}", f"link set {name} up{queue}"]
        return ours, theirs


def compile_topology(topology: Topology) -> Blueprint:
    """Lay a topology out on one machine.

    Raises:
        LabError: it asks for something the lab cannot build.
    """
    versions = {c.kafka_version for c in topology.clusters}
    if len(versions) > 1:
        raise LabError(f"one Kafka version a lab, but the topology has {', '.join(sorted(versions))}")
    topology = with_managed(topology)
    layout = _Layout(topology)
    for cluster in topology.clusters:
        for broker in cluster.brokers:
            host = layout.host(f"{cluster.cluster_name}-b{broker.broker_id}")
            layout.settle(host, broker)
    witnesses, clients = [], []
    for client in topology.clients:
        namespace = f"client-{topology.host_of(client).name}"
        host = layout.host(namespace)
        if not host.resolver:  # a host that is listed once a pattern is one host
            layout.settle(host, client)
            host.resolver = str(_resolver_address(topology, client.vpc_id))
        clients.append((client.name, namespace))
        if client.witness_port is not None:
            witnesses.append(Witness(namespace, str(address_of(client)), client.witness_port))
    for balancer in topology.load_balancers:
        _lay_load_balancer(layout, balancer)
    _join_peerings(layout)
    gateways = _lay_transit_gateways(layout)
    for vpc in topology.vpcs:
        router = layout.routers[vpc.vpc_id]
        router.ip_lines.insert(0, f"addr add {_resolver_address(topology, vpc.vpc_id)}/32 dev lo")
        router.ip_lines += [f"route add blackhole {block}" for block in vpc.blocks]
        _lay_routes(layout, vpc.vpc_id)
        router.ruleset = packet_filter.vpc_router(
            layout.enis[vpc.vpc_id], _group_members(layout), topology, ipv6=router.ipv6
        )
    return Blueprint(
        kafka_version=versions.pop(),
        links=tuple(layout.links),
        namespaces=tuple(h.frozen() for h in (*layout.routers.values(), *gateways, *layout.hosts.values())),
        resolvers=tuple(_resolvers(topology)),
        brokers=tuple(_brokers(topology)),
        certificates=tuple(_certificates(topology)),
        witnesses=tuple(witnesses),
        clients=tuple(clients),
    )


def namespace_name(resource_id: str) -> str:
    """The resource's id where a file may be called so; otherwise what is legible of it, and a digest."""
    if re.fullmatch(r"[A-Za-z0-9._-]{1,60}", resource_id):
        return resource_id
    legible = re.sub(r"[^A-Za-z0-9]+", "-", resource_id)[-40:].strip("-")
    return f"{legible}-{hashlib.sha256(resource_id.encode()).hexdigest()[:8]}"


def router_name(vpc_id: str) -> str:
    """The namespace of a VPC's router."""
    return namespace_name(f"r-{vpc_id}")


def _join_peerings(layout: _Layout) -> None:
    """A link between two routers for each peering connection, whatever its status: routes decide what uses it."""
    for index, peering in enumerate(layout.topology.vpc_peering_connections):
        name = f"pcx{index}"
        requester, accepter = peering.sides
        regions = layout.topology.vpc(requester).region_name, layout.topology.vpc(accepter).region_name
        ours, theirs = layout.join(layout.routers[requester], name, layout.routers[accepter], name, regions=regions)
        layout.next_hops[requester, peering.vpc_peering_connection_id] = NextHop(theirs, ipv6.JOINED[1], name)
        layout.next_hops[accepter, peering.vpc_peering_connection_id] = NextHop(ours, ipv6.JOINED[0], name)


def _lay_transit_gateways(layout: _Layout) -> list[_Host]:
    """A router a gateway, a link an attachment; each attachment's traffic is looked up in its associated table."""
    topology = layout.topology
    dual = any(v.ipv6_cidr_blocks for v in topology.vpcs)
    gateways = {
        g.transit_gateway_id: _Host(namespace_name(g.transit_gateway_id), forwards=True, ipv6=dual)
        for g in topology.transit_gateways
    }
    region_of = {g.transit_gateway_id: g.region_name for g in topology.transit_gateways}
    ends: dict[str, NextHop] = {}
    """Attachment -> what is beyond it."""
    for index, attachment in enumerate(topology.transit_gateway_attachments):
        name, gateway = f"att{index}", gateways[attachment.transit_gateway_id]
        own, region = attachment.transit_gateway_attachment_id, region_of[attachment.transit_gateway_id]
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
    gateway: _Host,
    table: TransitGatewayRouteTable,
    number: int,
    ends: dict[str, NextHop],
) -> None:
    """Static routes win over propagated ones to the same destination (Transit Gateway guide, route evaluation)."""
    own = table.transit_gateway_route_table_id
    routes: dict[IPv4Network | IPv6Network, NextHop | None] = {}
    for attachment in topology.transit_gateway_attachments:
        if attachment.vpc_id is not None and own in attachment.propagations:
            vpc, hop = topology.vpc(attachment.vpc_id), ends[attachment.transit_gateway_attachment_id]
            routes |= dict.fromkeys(vpc.blocks, hop)
    for route in table.routes:
        target = route.transit_gateway_attachment_id
        routes[route.destination_cidr_block] = None if target is None else ends[target]
    gateway.routing += [_route(block, hop, number) for block, hop in routes.items()]
    for attachment in topology.transit_gateway_attachments:
        if attachment.association == own:
            _look_up(gateway, ends[attachment.transit_gateway_attachment_id].interface, number)


def _lay_routes(layout: _Layout, vpc_id: str) -> None:
    """The VPC's route tables: each ENI's traffic is looked up in the table of its subnet.

    The ``local`` route is the main table. What comes in from a peering is looked up there alone, so
    peering is not transitive. What no table knows is dropped in silence, as a VPC does; a route to a
    connection that is not active is a blackhole.
    """
    router = layout.routers[vpc_id]
    for index, table in enumerate(t for t in layout.topology.route_tables if t.vpc_id == vpc_id):
        number = _FIRST_TABLE + index
        for route in table.routes:
            target = route.vpc_peering_connection_id or route.transit_gateway_id or ""
            connection = route.vpc_peering_connection_id
            passes = connection is None or layout.topology.peering(connection).status is PeeringStatus.ACTIVE
            hop = layout.next_hops[vpc_id, target] if passes else None
            router.routing.append(_route(route.destination, hop, number))
        for eni in layout.enis[vpc_id]:
            if eni.subnet_id in table.subnet_ids:
                _look_up(router, eni.interface, number)
    _close(router)


def _route(block: IPv4Network | IPv6Network, hop: NextHop | None, table: int) -> str:
    """A route of a table; to nowhere, in silence, where there is no next hop."""
    if hop is None:
        return f"route add blackhole {block} table {table}"
    # A link-local next hop says nothing without its link.
    via = hop.address if isinstance(block, IPv4Network) else f"{hop.ipv6_address} dev {hop.interface}"
    return f"route add {block} via {via} table {table}"


def _look_up(router: _Host, interface: str, table: int) -> None:
    """What comes in by the interface is looked up in the table, after the main one."""
    rule = f"pref {_FIRST_PREFERENCE} iif {interface} lookup {table}"
    router.routing += [f"rule add {rule}", *([ipv6.rule(rule)] if router.ipv6 else [])]


def _close(router: _Host) -> None:
    """What no table knows is dropped in silence."""
    rule = f"pref {_LAST_PREFERENCE} blackhole"
    router.routing += [f"rule add {rule}", *([ipv6.rule(rule)] if router.ipv6 else [])]


def _resolver_address(topology: Topology, vpc_id: str) -> IPv4Address:
    """The Route 53 Resolver of a VPC: base of its first CIDR plus two (VPC guide, DNS attributes)."""
    return IPv4Address(int(topology.vpc(vpc_id).cidr_blocks[0].network_address) + 2)


def _resolvers(topology: Topology) -> Iterator[Resolver]:
    names = alias_names(topology)
    for vpc in topology.vpcs:
        address = str(_resolver_address(topology, vpc.vpc_id))
        yield Resolver(
            vpc_id=vpc.vpc_id,
            namespace=router_name(vpc.vpc_id),
            address=address,
            configuration=nameserver.configuration(topology, vpc, address, names),
        )


def _brokers(topology: Topology) -> Iterator[BrokerProcess]:
    for cluster in topology.clusters:
        for broker in cluster.brokers:
            yield BrokerProcess(
                cluster_name=cluster.cluster_name,
                broker_id=broker.broker_id,
                namespace=f"{cluster.cluster_name}-b{broker.broker_id}",
                properties=kafka_config.server_properties(cluster, broker, topology.zone_of(broker.client_subnet)),
                running=broker.state is BrokerState.RUNNING,
            )


def _certificates(topology: Topology) -> Iterator[Certificate]:
    """One wildcard a cluster; a listener of multi-VPC connectivity has names of its own, with one more label."""
    for cluster in topology.clusters:
        asked = cluster.server_certificate
        for listener in cluster.listeners:
            scheme = listener.vpc_authentication
            domain = cluster.domain if scheme is None else f"{scheme.label}.{cluster.domain}"
            if listener.tls:
                yield Certificate(cluster.cluster_name, listener.name, asked.dns_names or (f"*.{domain}",), asked)


def _group_members(layout: _Layout) -> packet_filter.Members:
    """Addresses of the ENIs in each security group, for rules that refer to a group."""
    members: dict[str, list[IPv4Address | IPv6Address]] = {g.group_id: [] for g in layout.topology.security_groups}
    for enis in layout.enis.values():
        for eni in enis:
            for group in eni.security_groups:
                members[group] += [eni.address, *([] if eni.ipv6_address is None else [eni.ipv6_address])]
    return {group: tuple(addresses) for group, addresses in members.items()}


def _lay_load_balancer(layout: _Layout, balancer: LoadBalancer) -> None:
    """An NLB namespace with one ENI a zone, and behind it every endpoint that leads to it.

    The zone a connection came in on is kept in a mark, so that it leaves by that zone's node
    address and its answers go back the way they came.
    """
    topology = layout.topology
    nlb = layout.host(namespace_name(balancer.load_balancer_name))
    nlb.forwards = True
    entries: list[packet_filter.Entry] = []
    nodes: list[packet_filter.Node] = []
    for index, node in enumerate(balancer.availability_zones):
        interface, mark = f"eth{index}", index + 1
        layout.attach(nlb, interface, node.subnet_id, node.private_ipv4_address, balancer.security_groups)
        nlb.ip_lines += _mark_routes(interface, mark)
        nodes.append(packet_filter.Node(interface, mark, str(node.private_ipv4_address)))
        zone = topology.zone_of(node.subnet_id)
        entries.append(packet_filter.Entry(interface, mark, zone, str(node.private_ipv4_address)))
    services = {
        s.service_name
        for s in topology.endpoint_services
        if s.network_load_balancer_name == balancer.load_balancer_name
    }
    links = 0
    for endpoint in topology.vpc_endpoints:
        if endpoint.service_name not in services:
            continue
        regions = topology.vpc(endpoint.vpc_id).region_name, topology.vpc(balancer.vpc_id).region_name
        for index, (nlb_interface, address) in enumerate(_lay_endpoint(layout, endpoint, nlb, links, regions)):
            zone = node_zone(topology, endpoint, balancer, index)
            mark = [entry.zone_id for entry in entries].index(zone) + 1
            entries.append(packet_filter.Entry(nlb_interface, mark, zone, address))
            links += 1
    nlb.ruleset = packet_filter.load_balancer(topology, balancer, entries, nodes)


def _mark_routes(interface: str, mark: int) -> list[str]:
    """Marked traffic leaves by this interface; after the main table, which has the link-local routes only."""
    return [
        f"rule add pref {40000 + mark} fwmark {mark} lookup {100 + mark}",
        f"route add default via {ROUTER} dev {interface} onlink table {100 + mark}",
    ]


def _lay_endpoint(
    layout: _Layout, endpoint: VpcEndpoint, nlb: _Host, first_link: int, regions: tuple[str, str]
) -> Iterator[tuple[str, str]]:
    """An endpoint namespace: an ENI a zone in the client VPC, each joined to the NLB node of its zone."""
    host = layout.host(namespace_name(endpoint.vpc_endpoint_id))
    host.forwards = True
    forwards: list[packet_filter.Forward] = []
    for index, eni in enumerate(endpoint.network_interfaces):
        interface, mark, inner = f"eth{index}", index + 1, f"nlb{index}"
        layout.attach(host, interface, eni.subnet_id, eni.private_ip_address, endpoint.security_groups)
        host.ip_lines += _mark_routes(interface, mark)
        nlb_interface = f"pl{first_link + index}"
        _, nlb_address = layout.join(host, inner, nlb, nlb_interface, regions=regions)
        forwards.append(packet_filter.Forward(interface, mark, str(eni.private_ip_address), inner, nlb_address))
        yield nlb_interface, nlb_address
    passes = endpoint.state is EndpointState.AVAILABLE
    host.ruleset = packet_filter.endpoint(forwards if passes else [])
