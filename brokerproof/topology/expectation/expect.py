"""What a client must see, derived from the topology and the pattern the client is meant to use.

The records of the private zones are *not* read here: what a name must resolve to follows from the
pattern (this broker's endpoint in this VPC), so that a wrong record is found and not believed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from brokerproof.topology.expectation import isolation
from brokerproof.topology.expectation.isolation import BLOCKED_PORTS, NOT_SERVED, forbidden
from brokerproof.topology.expectation.listeners import (
    ClientListener,
    bootstrap_of,
    client_listeners,
    endpoint_listeners,
    endpoints_of,
    led_to,
    own_listeners,
)
from brokerproof.topology.expectation.view import (
    AddressKind,
    AddressView,
    Barrier,
    BootstrapView,
    BrokerView,
    ClientView,
    ForbiddenView,
    Way,
)
from brokerproof.topology.files import TopologyError
from brokerproof.topology.managed import balancer_name, connection_name, connection_port, with_managed
from brokerproof.topology.models import (
    Broker,
    Client,
    Cluster,
    LoadBalancer,
    Topology,
    VpcAuthentication,
    VpcConnection,
    VpcEndpoint,
)
from brokerproof.topology.patterns import names


def expect(topology: Topology, client_name: str) -> ClientView:
    """Derive the view of one client.

    Raises:
        KeyError: no such client.
        TopologyError: the topology cannot carry the pattern the client names; says what is missing.
    """
    client = topology.client(client_name)
    cluster = topology.cluster(client.cluster_name)
    if client.pattern is not None and client.pattern not in _SEEN_BY:
        raise TopologyError(
            f"client {client.name}: pattern {client.pattern!r} is not one of {', '.join(names.CLIENT_PATTERNS)}"
        )
    brokers, bootstrap, must_not = _SEEN_BY[client.pattern](topology, client, cluster)
    if client.vpc_id == cluster.vpc_id:
        must_not = (*must_not, *isolation.the_other_direction(topology, client))
    entry_vpc = _entry_vpc(client, cluster)
    zones = _zones(topology, client, [broker.name for broker in brokers])
    return ClientView(
        subnet_id=client.subnet_id,
        entry_vpc_id=entry_vpc,
        entry_region_name=topology.vpc(entry_vpc).region_name,
        way=_way(topology, client.vpc_id, entry_vpc),
        bind_port=bind_port(cluster, client.listener),
        listener=client.listener,
        resolvers=_resolvers(topology, client),
        zone_names=zones,
        other_names=tuple(_other_names(topology, cluster)) if zones else (),
        client=client.name,
        pattern=client.pattern or "observer",
        vpc_id=client.vpc_id,
        region_name=topology.vpc(client.vpc_id).region_name,
        zone_id=topology.zone_of(client.subnet_id),
        cluster_name=cluster.cluster_name,
        tls=next(listener for listener in cluster.listeners if listener.name == client.listener).tls,
        bootstrap=bootstrap,
        brokers=brokers,
        forbidden=must_not,
    )


def _entry_vpc(client: Client, cluster: Cluster) -> str:
    if client.pattern in names.ONE_WAY and client.vpc_id != cluster.vpc_id:
        return client.endpoint_vpc_id or client.vpc_id
    return cluster.vpc_id


def _way(topology: Topology, vpc_id: str, entry_vpc: str) -> Way:
    if vpc_id == entry_vpc:
        return Way.LOCAL
    if entry_vpc in isolation.peered(topology, vpc_id):
        return Way.PEERING
    return Way.TRANSIT_GATEWAY if isolation.joined(topology, vpc_id, entry_vpc) else Way.NONE


def _resolvers(topology: Topology, client: Client) -> tuple[str, ...]:
    base = topology.vpc(client.vpc_id).cidr_blocks[0].network_address
    return (str(base + 2), "169.254.169.253", "fd00:ec2::253")


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


def advertised(cluster: Cluster, broker: Broker, listener: str) -> tuple[str, int]:
    """The name and port a broker advertises for a listener.

    Unchanged means its own name and the bind port; behind multi-VPC connectivity, what MSK sets there.
    """
    for entry in broker.advertised_listeners:
        if entry.listener == listener:
            return entry.name, entry.port
    scheme = next((s for s in VpcAuthentication if s.listener == listener), None)
    if scheme is not None:
        return connection_name(broker, scheme), connection_port(cluster, broker)
    port = bind_port(cluster, listener)
    if _is_ipv6(cluster, listener) and broker.ipv6_endpoint is not None:
        return broker.ipv6_endpoint, port
    return broker.endpoint, port


def bind_port(cluster: Cluster, listener: str) -> int:
    """The port a listener is bound to on every broker."""
    return next(entry.port for entry in cluster.listeners if entry.name == listener)


def _is_ipv6(cluster: Cluster, listener: str) -> bool:
    return any(entry.ipv6 for entry in cluster.listeners if entry.name == listener)


_MSK_DOMAIN: Final = re.compile(r"\.c\d+\.(kafka\..+)$", re.ASCII)
"""What follows the cluster's own labels in the names of its brokers."""
_Seen = tuple[tuple[BrokerView, ...], tuple[BootstrapView, ...], tuple[ForbiddenView, ...]]


def _as_bootstrap(brokers: tuple[BrokerView, ...]) -> tuple[BootstrapView, ...]:
    return tuple(BootstrapView(name=b.name, port=b.port, addresses=b.addresses, broker_id=b.broker_id) for b in brokers)


# An observer


def _nothing(topology: Topology, client: Client, cluster: Cluster) -> _Seen:
    port = bind_port(cluster, client.listener)
    return (), (), tuple(isolation.unreached_brokers(topology, client, cluster, port))


# Straight to the broker ENIs


def _direct(topology: Topology, client: Client, cluster: Cluster) -> _Seen:
    brokers = tuple(_at_its_eni(topology, client, cluster, broker) for broker in cluster.brokers)
    return brokers, _as_bootstrap(brokers), tuple(isolation.other_broker_ports(cluster, client))


def _peered(topology: Topology, client: Client, cluster: Cluster) -> _Seen:
    brokers, bootstrap, must_not = _direct(topology, client, cluster)
    return brokers, bootstrap, (*must_not, *isolation.beyond_peering(topology, client))


def _at_its_eni(topology: Topology, client: Client, cluster: Cluster, broker: Broker) -> BrokerView:
    name, port = advertised(cluster, broker, client.listener)
    ipv6 = _is_ipv6(cluster, client.listener)
    families = {False: broker.client_vpc_ip_address, True: broker.ipv6_address}
    named = [family for family, named in ((False, broker.endpoint), (True, broker.ipv6_endpoint)) if named == name]
    return BrokerView(
        broker_id=broker.broker_id,
        name=name,
        port=port,
        eni_address=str(families[ipv6]),
        zone_id=topology.zone_of(broker.client_subnet),
        sources=(str(isolation.address_of(client)),),
        addresses=tuple(
            AddressView(
                address=str(families[family]),
                kind=AddressKind.BROKER_ENI,
                owner=f"ENI of broker {broker.broker_id}",
                zone_id=topology.zone_of(broker.client_subnet),
                must_connect=family is ipv6,
                why_not=""
                if family is ipv6
                else f"{client.listener} is bound to IPv{6 if ipv6 else 4} addresses alone",
                fails_with=() if family is ipv6 else isolation.OTHER_FAMILY,
            )
            for family in named or [ipv6]
        ),
    )


def _without_zone(topology: Topology, client: Client, cluster: Cluster) -> _Seen:
    """Behind one NLB, in the cluster VPC, without its own private zone: bootstrap works, and nothing after it.

    The names lead to the ENIs, where the bind port still answers, and metadata then sends the client to
    ports that only the NLB has (re:Post knowledge center, msk-broker-custom-ports).
    """
    bound = bind_port(cluster, client.listener)
    views = tuple(_at_its_eni(topology, client, cluster, broker) for broker in cluster.brokers)
    bootstrap = tuple(BootstrapView(name=b.name, port=bound, addresses=b.addresses) for b in views)
    must_not = tuple(
        forbidden(
            isolation.address_of(broker, ipv6=_is_ipv6(cluster, client.listener)),
            view.port,
            "without a private zone that leads to the NLB, the advertised ports are not there",
            Barrier.ADVERTISED_PORT,
            NOT_SERVED,
        )
        for broker, view in zip(cluster.brokers, views, strict=True)
        if view.port != bound
    )
    return (), bootstrap, must_not


# Through a load balancer


def _through_load_balancer(topology: Topology, client: Client, cluster: Cluster) -> _Seen:
    local = client.vpc_id == cluster.vpc_id
    if local and client.pattern == names.MULTI:
        return _direct(topology, client, cluster)  # nothing was changed for it, so nothing is to set up
    met = own_listeners(topology, client, cluster) if local else endpoint_listeners(topology, client)
    brokers = tuple(_met(met, client, cluster, broker) for broker in cluster.brokers)
    bootstrap = bootstrap_of(met, cluster, brokers) or _as_bootstrap(brokers)
    if local:
        return brokers, bootstrap, ()
    closed = _beside_listeners(endpoints_of(topology, client), ipv6=isolation.by_ipv6(client))
    must_not = (*closed, *isolation.without_route(topology, client, cluster))
    return brokers, bootstrap, must_not


def _met(met: list[ClientListener], client: Client, cluster: Cluster, broker: Broker) -> BrokerView:
    port = bind_port(cluster, client.listener)
    ipv6 = isolation.by_ipv6(client)
    view = led_to(met, broker, port, broker.ipv6_endpoint or broker.endpoint if ipv6 else broker.endpoint)
    if view is None:
        local = client.vpc_id == cluster.vpc_id
        where = f"NLB in {cluster.vpc_id}" if local else f"endpoint in {client.endpoint_vpc_id or client.vpc_id}"
        target = f"[{broker.ipv6_address}]:{port}" if ipv6 else f"{broker.client_vpc_ip_address}:{port}"
        raise TopologyError(
            f"client {client.name} ({client.pattern}): no {where} leads to broker {broker.broker_id} alone"
            f"{' over IPv6' if ipv6 else ''}; expected a listener whose target group has exactly the target {target}"
        )
    return view


def _beside_listeners(
    met: Iterable[tuple[VpcEndpoint, LoadBalancer]], *, ipv6: bool = False
) -> Iterator[ForbiddenView]:
    """Nothing but the listeners answers at the endpoint, in the client's family."""
    for endpoint, balancer in met:
        served = {listener.port for listener in balancer.listeners}
        for eni in endpoint.network_interfaces:
            address = eni.ipv6_address if ipv6 else eni.private_ip_address
            for port in BLOCKED_PORTS:
                if address is not None and port not in served:
                    why = f"{balancer.load_balancer_name} has no listener {port}"
                    yield forbidden(address, port, why, Barrier.LISTENER, NOT_SERVED)


# Multi-VPC private connectivity


def _managed(topology: Topology, client: Client, cluster: Cluster) -> _Seen:
    whole = with_managed(topology)
    connection = _connection_of(topology, client, cluster)
    name = balancer_name(cluster, connection.authentication)
    endpoint = next(e for e in whole.vpc_endpoints if e.vpc_endpoint_id == connection.vpc_connection_arn)
    balancer = whole.load_balancer(name)
    met = list(client_listeners(whole, balancer, endpoint))
    brokers = []
    for broker in cluster.brokers:
        called = connection_name(broker, connection.authentication)
        view = led_to(met, broker, bind_port(cluster, client.listener), called)
        if view is None:
            raise TopologyError(f"client {client.name}: {name} has no listener for broker {broker.broker_id}")
        brokers.append(view)
    seen = tuple(brokers)
    # The ordinary bootstrap string stays unreachable (MSK developer guide, multi-VPC connectivity).
    must_not = (*_beside_listeners([(endpoint, balancer)]), *isolation.without_route(topology, client, cluster))
    return seen, _as_bootstrap(seen), must_not


def _connection_of(topology: Topology, client: Client, cluster: Cluster) -> VpcConnection:
    for connection in topology.vpc_connections:
        mine = connection.vpc_id == client.vpc_id and connection.target_cluster_name == cluster.cluster_name
        if mine and connection.authentication.listener == client.listener:
            return connection
    raise TopologyError(
        f"client {client.name} ({client.pattern}): {client.vpc_id} has no VPC connection to {cluster.cluster_name} "
        f"for the listener {client.listener}"
    )


_SEEN_BY: Final[dict[str | None, Callable[[Topology, Client, Cluster], _Seen]]] = {
    None: _nothing,
    names.IN_VPC: _direct,
    names.PEERING: _peered,
    names.TRANSIT_GATEWAY: _direct,
    names.SINGLE: _through_load_balancer,
    names.MULTI: _through_load_balancer,
    names.CROSS_REGION: _through_load_balancer,
    names.MULTI_VPC: _managed,
    names.LOCAL_WITHOUT_ZONE: _without_zone,
}
