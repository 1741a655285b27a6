"""What is written in each box of a picture, resource by resource."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from brokerproof.topology.managed import balancer_name
from brokerproof.topology.models import (
    UNKNOWN,
    Broker,
    Client,
    Cluster,
    EndpointService,
    EndpointState,
    HostedZone,
    Listener,
    LoadBalancer,
    PeeringStatus,
    Topology,
    TransitGateway,
    Vpc,
    VpcEndpoint,
    VpcPeeringConnection,
)
from brokerproof.topology.picture.label import LISTED, Row, listed, ranges
from brokerproof.topology.picture.way import blocks_of

_DOMAIN_LINE: Final = 24
SHARED_ROW: Final = "all"
"""The row of a box that stands for many listeners, as an edge names it."""


def client_rows(topology: Topology, client: Client, trouble: str) -> list[Row]:
    """A client or an observer."""
    kind = "observer" if client.pattern is None else "client"
    where = _where(client.private_ip_address, topology.zone_of(client.subnet_id))
    rows = [Row(f"{kind} {client.name}", bold=True), *where, *_ipv6(client.ipv6_address)]
    if client.pattern is not None:
        rows.append(Row(client.pattern, quiet=True))
        if client.listener != "CLIENT_SECURE":
            rows.append(Row(f"listener {client.listener}", quiet=True))
    if trouble:
        rows.append(Row(trouble, alarm=True))
    return rows


def broker_rows(topology: Topology, broker: Broker) -> list[Row]:
    """One broker's ENI."""
    return [
        Row(f"broker {broker.broker_id}", bold=True),
        *_where(broker.client_vpc_ip_address, topology.zone_of(broker.client_subnet)),
        *_ipv6(broker.ipv6_address),
    ]


def _where(address: IPv4Address | None, zone_id: str) -> list[Row]:
    """An address and its zone, as far as they are known."""
    words = " ".join(word for word in ("" if address is None else str(address), zone_id) if word)
    return [Row(words, quiet=True)] if words else []


def _ipv6(address: IPv6Address | None) -> list[Row]:
    return [] if address is None else [Row(str(address), quiet=True)]


def brokers_rows(topology: Topology, cluster: Cluster) -> list[Row]:
    """All brokers of a large cluster in one box."""
    zones = Counter(topology.zone_of(broker.client_subnet) for broker in cluster.brokers)
    ids = [broker.broker_id for broker in cluster.brokers]
    return [
        Row(f"{len(ids)} brokers: {ranges(ids)}", bold=True),
        *(Row(line, quiet=True) for line in listed([f"{number} in {zone}" for zone, number in sorted(zones.items())])),
    ]


def cluster_words(cluster: Cluster) -> str:
    """The cluster's version and listeners."""
    listeners = ", ".join(f"{listener.name} {listener.port}" for listener in cluster.listeners)
    return listeners if cluster.vpc_id == UNKNOWN else f"Kafka {cluster.kafka_version}, {listeners}"


def vpc_words(vpc: Vpc) -> str:
    """The VPC's blocks."""
    return ", ".join(str(block) for block in blocks_of(vpc))


def routes_rows(topology: Topology, vpc: Vpc) -> list[Row]:
    """What the route tables of a VPC add to ``local``; once where all tables say the same."""
    tables = [table for table in topology.route_tables if table.vpc_id == vpc.vpc_id]
    said: dict[tuple[str, ...], list[str]] = {}
    for table in tables:
        lines = tuple(
            f"{r.destination} → {r.vpc_peering_connection_id or r.transit_gateway_id or 'blackhole'}"
            for r in table.routes
        )
        said.setdefault(lines, []).append(table.route_table_id)
    if not any(said):
        return []
    rows = [Row(f"{len(tables)} route table{'' if len(tables) == 1 else 's'}", bold=True)]
    for lines, ids in said.items():
        if len(said) > 1:
            rows.append(Row(", ".join(ids), quiet=True))
        rows += [Row(line) for line in listed(lines)] or [Row("local alone", quiet=True)]
    return rows


def peering_rows(connection: VpcPeeringConnection) -> list[Row]:
    """A peering connection; its status where it passes nothing."""
    rows = [Row(connection.vpc_peering_connection_id, bold=True), Row("peering connection", quiet=True)]
    if connection.status is not PeeringStatus.ACTIVE:
        rows.append(Row(f"status {connection.status.value}", alarm=True))
    return rows


def gateway_rows(topology: Topology, gateway: TransitGateway) -> list[Row]:
    """A transit gateway with its route tables."""
    rows = [Row(gateway.transit_gateway_id, bold=True), Row("transit gateway", quiet=True)]
    gateway_of = {a.transit_gateway_attachment_id: a.transit_gateway_id for a in topology.transit_gateway_attachments}
    names = {
        a.transit_gateway_attachment_id: a.vpc_id
        or gateway_of.get(a.peer_attachment_id or "", a.transit_gateway_attachment_id)
        for a in topology.transit_gateway_attachments
    }
    tables = [t for t in topology.transit_gateway_route_tables if t.transit_gateway_id == gateway.transit_gateway_id]
    for table in tables:
        rows.append(Row(table.transit_gateway_route_table_id))
        learnt = [
            f"{block} → {a.vpc_id}"
            for a in topology.transit_gateway_attachments
            if table.transit_gateway_route_table_id in a.propagations and a.vpc_id is not None
            for block in blocks_of(topology.vpc(a.vpc_id))
        ]
        static = [
            f"{r.destination_cidr_block} → "
            + (names.get(r.transit_gateway_attachment_id, "?") if r.transit_gateway_attachment_id else "blackhole")
            for r in table.routes
        ]
        rows += [Row(line, quiet=True) for line in listed([*learnt, *(f"{line} static" for line in static)])]
    return rows


def service_rows(services: Sequence[EndpointService]) -> list[Row]:
    """An endpoint service, or many."""
    return [_name([short(service.service_name) for service in services]), Row("endpoint service", quiet=True)]


def short(key: str) -> str:
    """An id as it is shown: of an ARN, and of an endpoint service's name, what tells it from others."""
    return "…/" + "/".join(key.split("/")[-2:]) if "/" in key else key.rsplit(".", 1)[-1]


def endpoint_rows(topology: Topology, endpoints: Sequence[VpcEndpoint]) -> list[Row]:
    """An interface endpoint with an address a zone, or many of them."""
    connections = {connection.vpc_connection_arn for connection in topology.vpc_connections}
    kind = "VPC connection" if endpoints[0].vpc_endpoint_id in connections else "interface endpoint"
    rows = [_name([short(e.vpc_endpoint_id) for e in endpoints]), Row(kind, quiet=True)]
    if len(endpoints) == 1:
        enis = endpoints[0].network_interfaces
        for eni in enis:
            at = f"{eni.private_ip_address} {topology.zone_of(eni.subnet_id)}"
            rows += [Row(at, quiet=True), *_ipv6(eni.ipv6_address)]
    states = sorted({e.state.value for e in endpoints if e.state is not EndpointState.AVAILABLE})
    return [*rows, *(Row(f"state {state}", alarm=True) for state in states)]


def _name(names: Sequence[str]) -> Row:
    if len(names) == 1:
        return Row(names[0], bold=True)
    return Row(f"{len(names)}: {names[0]} … {names[-1]}", bold=True)


def zone_rows(zone: HostedZone) -> list[Row]:
    """A private hosted zone: its name, and what its records point to."""
    number = len(zone.record_sets)
    rows = [
        Row(f"private zone {short(zone.hosted_zone_id)}", bold=True),
        *(Row(part, quiet=True) for part in _domain_lines(zone.name)),
        Row(f"{number} record{'' if number == 1 else 's'}", quiet=True),
    ]
    return rows if zone.vpc_ids else [*rows, Row("associated with no VPC", alarm=True)]


def _domain_lines(name: str) -> list[str]:
    """A long name in lines of whole labels, so that its box stays narrow."""
    lines = [""]
    for label in name.split("."):
        if lines[-1] and len(lines[-1]) + len(label) > _DOMAIN_LINE:
            lines.append("")
        lines[-1] += f"{label}."
    return [*lines[:-1], lines[-1].removesuffix(".")]


def balancer_rows(topology: Topology, balancers: Sequence[LoadBalancer]) -> list[Row]:
    """An NLB with its nodes and listeners, or many NLBs that are alike."""
    first = balancers[0]
    cross = {b.cross_zone_enabled for b in balancers}
    zone_words = {frozenset({True}): "on", frozenset({False}): "off"}.get(frozenset(cross), "on for some")
    managed = {balancer_name(c, scheme) for c in topology.clusters for scheme in c.vpc_connectivity}
    whose = "MSK's " if first.load_balancer_name in managed else ""
    rows = [
        _name([b.load_balancer_name for b in balancers]),
        Row(f"{whose}{'NLB' if len(balancers) == 1 else 'NLBs'}, cross-zone {zone_words}", quiet=True),
    ]
    if len(balancers) == 1:
        for zone in first.availability_zones:
            at = f"{zone.private_ipv4_address} {topology.zone_of(zone.subnet_id)}"
            rows += [Row(at, quiet=True), *_ipv6(zone.ipv6_address)]
        return rows + listener_rows(topology, first)
    ports = ranges(listener.port for b in balancers for listener in b.listeners)
    return [*rows, Row(f"listeners {ports}", port=SHARED_ROW)]


def listener_rows(topology: Topology, balancer: LoadBalancer) -> list[Row]:
    """A line a listener; listeners with one target each share a line where there are many."""
    alone = [one for one in balancer.listeners if listener_port(topology, balancer, one) == SHARED_ROW]
    rows = []
    if alone:
        ids = _targets(topology, balancer, alone)
        rows.append(Row(f"{ranges(one.port for one in alone)} → {ids}, one each", port=SHARED_ROW))
    for one in balancer.listeners:
        port = listener_port(topology, balancer, one)
        if port != SHARED_ROW:
            rows.append(Row(f"{one.port} → {_targets(topology, balancer, [one])}", port=port))
    return rows


def listener_port(topology: Topology, balancer: LoadBalancer, listener: Listener) -> str:
    """The row that shows a listener, as an edge names it."""
    many = len(balancer.listeners) > LISTED
    shared = many and len(topology.target_group(listener.target_group_name).targets) == 1
    return SHARED_ROW if shared else f"p{listener.port}"


def _targets(topology: Topology, balancer: LoadBalancer, listeners: Iterable[Listener]) -> str:
    ids: list[int] = []
    others: list[str] = []
    known = {
        address: broker.broker_id
        for cluster in topology.clusters
        if cluster.vpc_id == balancer.vpc_id
        for broker in cluster.brokers
        for address in (broker.client_vpc_ip_address, broker.ipv6_address)
    }
    for listener in listeners:
        for target in topology.target_group(listener.target_group_name).targets:
            if target.id in known:
                ids.append(known[target.id])
            else:
                others.append(str(target.id))
    found = [*([f"broker{'' if len(set(ids)) == 1 else 's'} {ranges(ids)}"] if ids else []), *listed(others)]
    return ", ".join(found) or "no target"
