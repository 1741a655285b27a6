"""A topology compiled to what the kernel, the resolvers and the brokers need. Pure: no I/O.

Two blueprints can be compared, so a change of records, rules or routes is applied to a running lab
by its difference alone. docs/lab.md lists what each AWS resource becomes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address

from brokerproof.lab.daemons import kafka_config, nameserver
from brokerproof.lab.errors import LabError
from brokerproof.lab.network import disturbance, packet_filter
from brokerproof.lab.network import ipv6 as families
from brokerproof.lab.network.layout import ROUTER, Host, Layout, Link, Namespace, Place, namespace_name, router_name
from brokerproof.lab.network.routing import join_peerings, lay_routes, lay_transit_gateways
from brokerproof.probes.plan import AuthenticationScheme
from brokerproof.topology.expectation.isolation import address_of
from brokerproof.topology.expectation.listeners import node_zone
from brokerproof.topology.files import TopologyError
from brokerproof.topology.managed import with_managed
from brokerproof.topology.models import (
    BrokerState,
    ClientCertificate,
    ClientIdentity,
    EndpointState,
    IamJudgement,
    KafkaAcl,
    LoadBalancer,
    NameServer,
    ScramUser,
    ServerCertificate,
    Speaks,
    Stranger,
    Topology,
    VpcEndpoint,
)
from brokerproof.topology.rules import alias_names
from brokerproof.topology.unknown import refuse_unknown

__all__ = [
    "Blueprint",
    "BrokerProcess",
    "Certificate",
    "Link",
    "Namespace",
    "Resolver",
    "Witness",
    "compile_topology",
]


@dataclass(frozen=True, slots=True)
class Resolver:
    """unbound: the resolver of a VPC, at its .2 address in the router's namespace; or a DNS server on a host."""

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
    frozen: bool = False
    """Whether it is to stand still, once it runs."""
    cut_off: bool = False
    """Whether it reaches no other broker and no controller."""

    @property
    def key(self) -> str:
        """Name of the broker's files and log."""
        return f"{self.cluster_name}-{self.broker_id}"

    @property
    def voters(self) -> str:
        """The controllers of its cluster; a quorum's state is of no use to another one."""
        return dict(self.properties)["controller.quorum.voters"]


@dataclass(frozen=True, slots=True)
class Proxy:
    """The process in a load balancer's namespace that adds PROXY protocol."""

    namespace: str
    listeners: tuple[packet_filter.ProxiedListener, ...]


@dataclass(frozen=True, slots=True)
class StrangerProcess:
    """What listens on a broker's host beside the broker."""

    namespace: str
    address: str
    port: int
    dns_names: tuple[str, ...]
    """Of the certificate with which it ends TLS; none where it does not."""
    broker_port: int


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
    proxies: tuple[Proxy, ...] = ()
    strangers: tuple[StrangerProcess, ...] = ()
    acls: tuple[tuple[str, tuple[KafkaAcl, ...]], ...] = ()
    """(cluster name, its ACLs), of those that have any."""
    client_identities: tuple[ClientIdentity, ...] = ()
    """What clients of mutual TLS come with; one, where there are any."""
    iam: tuple[IamJudgement, ...] = ()
    """How IAM listeners judge; one, where there are any."""
    sts: tuple[str, ...] = ()
    """The namespaces in which STS answers."""
    scram_users: tuple[tuple[str, tuple[ScramUser, ...]], ...] = ()
    """(cluster name, its users), of those that have any."""
    numbers: tuple[tuple[Place, int], ...] = field(default=(), compare=False)
    """Of interfaces and links, for the blueprint that this one becomes."""


def compile_topology(topology: Topology, before: Blueprint | None = None) -> Blueprint:
    """Lay a topology out on one machine; what is in the blueprint before keeps the interfaces that it has there.

    Raises:
        LabError: it asks for something the lab cannot build.
    """
    try:
        refuse_unknown(topology, "a lab")
    except TopologyError as why:
        raise LabError(str(why)) from None
    versions = {c.kafka_version for c in topology.clusters}
    if len(versions) > 1:
        raise LabError(f"one Kafka version a lab, but the topology has {', '.join(sorted(versions))}")
    topology = with_managed(topology)
    layout = Layout(topology, {} if before is None else dict(before.numbers))
    for cluster in topology.clusters:
        for broker in cluster.brokers:
            host = layout.host(f"{cluster.cluster_name}-b{broker.broker_id}")
            layout.settle(host, broker)
    clients, witnesses = _lay_clients(layout)
    proxies = [_lay_load_balancer(layout, balancer) for balancer in topology.load_balancers]
    for server in topology.lab.name_servers:
        if server.subnet_id is not None:
            layout.settle_server(layout.host(_server_namespace(server)), server.subnet_id, server.address)
    join_peerings(layout)
    gateways = lay_transit_gateways(layout)
    members = _group_members(layout)
    for vpc in topology.vpcs:
        router = layout.routers[vpc.vpc_id]
        router.ip_lines.insert(0, f"addr add {_resolver_address(topology, vpc.vpc_id)}/32 dev lo")
        router.ip_lines += [f"route add blackhole {block}" for block in vpc.blocks]
        lay_routes(layout, vpc.vpc_id)
        router.ruleset = packet_filter.vpc_router(layout.enis[vpc.vpc_id], members, topology, vpc, ipv6=router.ipv6)
    judgements = tuple(
        c.iam for c in topology.clusters if any(each.sasl is AuthenticationScheme.IAM for each in c.listeners)
    )[:1]
    return Blueprint(
        kafka_version=versions.pop(),
        links=tuple(layout.links),
        namespaces=tuple(h.frozen() for h in (*layout.routers.values(), *gateways, *layout.hosts.values())),
        resolvers=tuple(_resolvers(topology)),
        brokers=tuple(_brokers(topology)),
        certificates=tuple(_certificates(topology)),
        witnesses=tuple(witnesses),
        clients=tuple(clients),
        acls=tuple((c.cluster_name, c.kafka_acls) for c in topology.clusters if c.kafka_acls),
        client_identities=tuple(
            c.client_identity
            for c in topology.clusters
            if any(each.client_certificate is not ClientCertificate.NONE for each in c.listeners)
        )[:1],
        iam=judgements,
        sts=tuple(dict.fromkeys(namespace for _, namespace in clients)) if judgements else (),
        scram_users=tuple((c.cluster_name, c.scram_users) for c in topology.clusters if c.scram_users),
        proxies=tuple(p for p in proxies if p.listeners),
        strangers=tuple(_strangers(topology)),
        numbers=layout.numbers.given,
    )


def _lay_clients(layout: Layout) -> tuple[list[tuple[str, str]], list[Witness]]:
    """Client hosts; gives the namespace of each by name, and what listens there."""
    topology = layout.topology
    witnesses, clients = [], []
    for client in topology.clients:
        namespace = f"client-{topology.host_of(client).name}"
        host = layout.host(namespace)
        if not host.resolver:  # a host that is listed once a pattern is one host
            layout.settle(host, client)
            host.resolver = _nameservers(topology, client.vpc_id)
        host.hosts = tuple(dict.fromkeys((*host.hosts, *disturbance.hosts_lines(topology, client))))
        host.ruleset = disturbance.taken_connections(topology, client) or host.ruleset
        clients.append((client.name, namespace))
        if client.witness_port is not None:
            witnesses.append(Witness(namespace, str(address_of(client)), client.witness_port))
    return clients, witnesses


def _resolver_address(topology: Topology, vpc_id: str) -> IPv4Address:
    """The Route 53 Resolver of a VPC: base of its first CIDR plus two (VPC guide, DNS attributes)."""
    return IPv4Address(int(topology.vpc(vpc_id).cidr_blocks[0].network_address) + 2)


def _nameservers(topology: Topology, vpc_id: str) -> str:
    """What DHCP gives a host: the option ``domain-name-servers``, else the VPC's own resolver."""
    told = topology.vpc(vpc_id).domain_name_servers or (_resolver_address(topology, vpc_id),)
    return " ".join(map(str, told))


def _server_namespace(server: NameServer) -> str:
    return namespace_name(f"dns-{server.subnet_id}-{server.address}")


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
    for server in topology.lab.name_servers:
        if server.subnet_id is not None:
            yield Resolver(
                vpc_id=topology.subnet(server.subnet_id).vpc_id,
                namespace=_server_namespace(server),
                address=str(server.address),
                configuration=nameserver.server_configuration(topology, server, names),
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
                frozen=disturbance.is_frozen(topology, cluster.cluster_name, broker.broker_id),
                cut_off=disturbance.is_cut_off(topology, cluster.cluster_name, broker.broker_id),
            )


def _strangers(topology: Topology) -> Iterator[StrangerProcess]:
    for entry in topology.lab.disturbances:
        if isinstance(entry, Stranger):
            cluster = next(c for c in topology.clusters if c.cluster_name == entry.cluster_name)
            broker = next(b for b in cluster.brokers if b.broker_id == entry.broker_id)
            yield StrangerProcess(
                namespace=f"{cluster.cluster_name}-b{broker.broker_id}",
                address=str(address_of(broker)),
                port=entry.port,
                dns_names=(f"*.{cluster.domain}",) if entry.speaks is Speaks.TLS_OF_ITS_OWN else (),
                broker_port=entry.broker_port,
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


def _group_members(layout: Layout) -> packet_filter.Members:
    """Addresses of the ENIs in each security group, for rules that refer to a group."""
    members: dict[str, list[IPv4Address | IPv6Address]] = {g.group_id: [] for g in layout.topology.security_groups}
    for enis in layout.enis.values():
        for eni in enis:
            for group in eni.security_groups:
                members[group] += [eni.address, *([] if eni.ipv6_address is None else [eni.ipv6_address])]
    return {group: tuple(addresses) for group, addresses in members.items()}


def _lay_load_balancer(layout: Layout, balancer: LoadBalancer) -> Proxy:
    """An NLB namespace with one ENI a zone, and behind it every endpoint that leads to it; gives its proxy.

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
        node_address, beside = node.private_ipv4_address, node.ipv6_address
        layout.attach(nlb, interface, node.subnet_id, node_address, balancer.security_groups, ipv6_address=beside)
        nlb.ip_lines += _mark_routes(interface, mark, ipv6=beside is not None)
        nodes.append(packet_filter.Node(interface, mark, str(node_address), beside))
        zone = topology.zone_of(node.subnet_id)
        entries.append(packet_filter.Entry(interface, mark, zone, str(node_address), beside))
    services = {
        s.service_name
        for s in topology.endpoint_services
        if s.network_load_balancer_name == balancer.load_balancer_name
    }
    admitted = packet_filter.by_private_link(topology, balancer, _group_members(layout), ipv6=nlb.ipv6)
    for endpoint in topology.vpc_endpoints:
        if endpoint.service_name not in services:
            continue
        regions = topology.vpc(endpoint.vpc_id).region_name, topology.vpc(balancer.vpc_id).region_name
        laid = _lay_endpoint(layout, endpoint, nlb, regions=regions, admitted=admitted)
        for index, (nlb_interface, address, ipv6_address) in enumerate(laid):
            zone = node_zone(topology, endpoint, balancer, index)
            mark = [entry.zone_id for entry in entries].index(zone) + 1
            entries.append(packet_filter.Entry(nlb_interface, mark, zone, address, ipv6_address))
    nlb.ruleset = packet_filter.load_balancer(topology, balancer, entries, nodes, ipv6=nlb.ipv6)
    return Proxy(nlb.name, tuple(packet_filter.proxied(topology, balancer, entries)))


def _mark_routes(interface: str, mark: int, *, ipv6: bool) -> list[str]:
    """Marked traffic leaves by this interface; after the main table, which has the link-local routes only."""
    rule, table = f"pref {40000 + mark} fwmark {mark} lookup {100 + mark}", 100 + mark
    lines = [f"rule add {rule}", f"route add default via {ROUTER} dev {interface} onlink table {table}"]
    return [*lines, families.rule(rule), families.default_route(interface, table=table)] if ipv6 else lines


def _lay_endpoint(
    layout: Layout,
    endpoint: VpcEndpoint,
    nlb: Host,
    *,
    regions: tuple[str, str],
    admitted: Sequence[str],
) -> Iterator[tuple[str, str, IPv6Address | None]]:
    """An endpoint namespace: an ENI a zone in the client VPC, each joined to the NLB node of its zone."""
    host = layout.host(namespace_name(endpoint.vpc_endpoint_id))
    host.forwards = True
    forwards: list[packet_filter.Forward] = []
    for index, eni in enumerate(endpoint.network_interfaces):
        interface, mark, inner = f"eth{index}", index + 1, f"nlb{index}"
        address, beside = eni.private_ip_address, eni.ipv6_address
        layout.attach(host, interface, eni.subnet_id, address, endpoint.security_groups, ipv6_address=beside)
        dual = beside is not None and nlb.ipv6
        host.ip_lines += _mark_routes(interface, mark, ipv6=dual)
        nlb_interface = f"pl{layout.numbers.number(nlb.name, f'{host.name} {inner}')}"
        link = layout.joint(host, inner, nlb)
        _, nlb_address = layout.join(host, inner, nlb, nlb_interface, regions=regions)
        forward = packet_filter.Forward(interface, mark, str(address), inner, nlb_address)
        if dual:
            ours, theirs = families.pair(link)
            host.ip_lines.append(families.pair_address(inner, ours))
            nlb.ip_lines.append(families.pair_address(nlb_interface, theirs))
            forward = replace(forward, ipv6_address=beside, nlb_ipv6_address=theirs)
        forwards.append(forward)
        yield nlb_interface, nlb_address, forward.nlb_ipv6_address
    passes = endpoint.state is EndpointState.AVAILABLE
    host.ruleset = packet_filter.endpoint(forwards if passes else [], admitted, ipv6=host.ipv6)
