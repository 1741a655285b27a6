"""What a client must see, derived from the topology and the pattern the client is meant to use.

The records of the private zones are *not* read here: what a name must resolve to follows from the
pattern (this broker's endpoint in this VPC), so that a wrong record is found and not believed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from brokerproof.topology.expectation import isolation
from brokerproof.topology.expectation.advertised import bind_port
from brokerproof.topology.expectation.free_addresses import free_addresses
from brokerproof.topology.expectation.isolation import address_of, by_ipv6, forbidden, joined, source_of
from brokerproof.topology.expectation.sights import named
from brokerproof.topology.expectation.view import AddressKind, Barrier, ClientView, ForbiddenView, Way
from brokerproof.topology.models import UNKNOWN, Client, Cluster, Topology
from brokerproof.topology.patterns import PatternName, PatternSpec, spec_of
from brokerproof.topology.unknown import knows_way

_MSK_DOMAIN: Final = re.compile(r"\.c\d+\.(kafka\..+)$", re.ASCII)
"""What follows the cluster's own labels in the names of its brokers."""


def expect(topology: Topology, client_name: str) -> ClientView:
    """Derive the view of one client.

    Raises:
        KeyError: no such client.
        TopologyError: the topology cannot carry the pattern the client names; says what is missing.
    """
    client = topology.client(client_name)
    cluster = topology.cluster(client.cluster_name)
    spec = spec_of(client.pattern)
    knows = knows_way(client, cluster) or client.pattern is None
    sight = spec.sees(topology, client, cluster) if knows else named(cluster, client.listener, _kind(spec))
    must_not = sight.forbidden
    if client.vpc_id == cluster.vpc_id != UNKNOWN:
        must_not = (*must_not, *_the_other_direction(topology, client))
    entry_vpc = _entry_vpc(client, cluster)
    zones = _zones(topology, client, [broker.name for broker in sight.brokers])
    return ClientView(
        subnet_id=client.subnet_id,
        entry_vpc_id=_called(entry_vpc, f"the brokers of {cluster.cluster_name}"),
        entry_region_name=topology.vpc(entry_vpc).region_name,
        cluster_account_id=_account(topology, cluster),
        way=_way(topology, client.vpc_id, entry_vpc) if knows else _way_of_pattern(spec),
        bind_port=bind_port(cluster, client.listener),
        listener=client.listener,
        authentication=client.authentication,
        resolvers=_resolvers(topology, client),
        zone_names=zones,
        other_names=tuple(_other_names(topology, cluster)) if zones else (),
        free_addresses=free_addresses(topology, client, sight.brokers),
        client=client.name,
        pattern=spec.name,
        vpc_id=_called(client.vpc_id, client.name),
        region_name=topology.vpc(client.vpc_id).region_name,
        zone_id=topology.zone_of(client.subnet_id),
        cluster_name=cluster.cluster_name,
        tls=next(listener for listener in cluster.listeners if listener.name == client.listener).tls,
        bootstrap=sight.bootstrap,
        brokers=sight.brokers,
        forbidden=must_not,
        not_judged=sight.not_judged,
    )


def _account(topology: Topology, cluster: Cluster) -> str:
    owner_id = topology.vpc(cluster.vpc_id).owner_id
    return "" if owner_id == UNKNOWN else owner_id


def _called(vpc_id: str, whose: str) -> str:
    """A VPC by its id; one that is unknown is nobody else's."""
    return f"the VPC of {whose}" if vpc_id == UNKNOWN else vpc_id


def _kind(spec: PatternSpec) -> AddressKind:
    """What the addresses of a pattern's clients are, where it is not known which."""
    if spec.name is PatternName.UNKNOWN:
        return AddressKind.UNKNOWN
    return AddressKind.ENDPOINT_ENI if spec.is_one_way else AddressKind.BROKER_ENI


def _way_of_pattern(spec: PatternSpec) -> Way:
    """How a pattern joins VPCs, where these are unknown."""
    if spec.is_in_cluster_vpc or spec.is_one_way:
        return Way.LOCAL
    return next(iter(spec.carried_by)) if len(spec.carried_by) == 1 else Way.NONE


def _entry_vpc(client: Client, cluster: Cluster) -> str:
    if spec_of(client.pattern).is_one_way and client.vpc_id != cluster.vpc_id:
        return client.endpoint_vpc_id or client.vpc_id
    return cluster.vpc_id


def _way(topology: Topology, vpc_id: str, entry_vpc: str) -> Way:
    if vpc_id == entry_vpc:
        return Way.LOCAL
    if entry_vpc in isolation.peered(topology, vpc_id):
        return Way.PEERING
    return Way.TRANSIT_GATEWAY if isolation.joined(topology, vpc_id, entry_vpc) else Way.NONE


def _resolvers(topology: Topology, client: Client) -> tuple[str, ...]:
    blocks = topology.vpc(client.vpc_id).cidr_blocks
    return (str(blocks[0].network_address + 2), "169.254.169.253", "fd00:ec2::253") if blocks else ()


def _zones(topology: Topology, client: Client, brokers: Iterable[str]) -> tuple[str, ...]:
    called = [f".{name.lower()}" for name in brokers]
    return tuple(
        zone.name
        for zone in topology.zones_in(client.vpc_id)
        if any(name.endswith(f".{zone.name.lower()}") for name in called)
    )


def _other_names(topology: Topology, cluster: Cluster) -> Iterator[str]:
    """What a private zone named after the whole Region's MSK domain would hide beside this cluster's names.

    A VPC's private zone answers alone for all names below its own (Route 53 developer guide, private hosted zone
    considerations); the MSK API is at the top of that domain (AWS General Reference, MSK endpoints).
    """
    region = _MSK_DOMAIN.search(cluster.domain.lower())
    if region is None:
        return
    yield region[1]
    for other in topology.clusters:
        if other.cluster_name != cluster.cluster_name and other.domain.lower().endswith(f".{region[1]}"):
            yield other.brokers[0].endpoint


def _the_other_direction(topology: Topology, host: Client) -> Iterator[ForbiddenView]:
    """PrivateLink is one-way: the cluster VPC cannot open a connection to a client behind an endpoint."""
    for client in topology.clients:
        if client.witness_port is None or not spec_of(client.pattern).is_one_way or by_ipv6(client) != by_ipv6(host):
            continue
        if source_of(client) is None or client.vpc_id == UNKNOWN:
            continue
        if not joined(topology, host.vpc_id, client.vpc_id):
            why = f"PrivateLink is one-way: {host.vpc_id} cannot reach client {client.name} in {client.vpc_id}"
            yield forbidden(address_of(client), client.witness_port, why, Barrier.ONE_WAY)
