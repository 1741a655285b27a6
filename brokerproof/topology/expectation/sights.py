"""What a client is led to, one function a way: to nothing, to the ENIs, to load balancers, to MSK's own. Pure.

A pattern names one of these as what its clients see. Which pattern does is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from brokerproof.topology.expectation import isolation
from brokerproof.topology.expectation.advertised import advertised, bind_port, is_ipv6
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
    ForbiddenView,
    NotJudged,
    Sight,
)
from brokerproof.topology.files import TopologyError
from brokerproof.topology.managed import balancer_name, connection_name, with_managed
from brokerproof.topology.models import (
    Broker,
    Client,
    Cluster,
    LoadBalancer,
    Topology,
    VpcConnection,
    VpcEndpoint,
)

Sees = Callable[[Topology, Client, Cluster], Sight]
"""What a pattern leads a client to.

Raises:
    TopologyError: the topology cannot carry the pattern; says what is missing.
"""


def _as_bootstrap(brokers: tuple[BrokerView, ...]) -> tuple[BootstrapView, ...]:
    return tuple(BootstrapView(name=b.name, port=b.port, addresses=b.addresses, broker_id=b.broker_id) for b in brokers)


# An observer


def nothing(topology: Topology, client: Client, cluster: Cluster) -> Sight:
    """No broker, and none may be reached."""
    port = bind_port(cluster, client.listener)
    return Sight(forbidden=tuple(isolation.unreached_brokers(topology, client, cluster, port)))


# By names alone


def by_names(_topology: Topology, client: Client, cluster: Cluster) -> Sight:
    """Each broker by the name and port that it advertises, wherever that leads."""
    return named(cluster, client.listener, AddressKind.UNKNOWN)


def named(cluster: Cluster, listener: str, kind: AddressKind) -> Sight:
    """The same, where it is known what the addresses are and not which."""
    brokers = tuple(
        BrokerView(broker_id=broker.broker_id, name=name, port=port, addresses=(), found_as=kind)
        for broker in cluster.brokers
        for name, port in (advertised(cluster, broker, listener),)
    )
    bootstrap = tuple(
        BootstrapView(name=each.name, port=each.port, addresses=(), found_as=kind) for each in cluster.bootstrap_brokers
    )
    own = tuple(
        BootstrapView(name=b.name, port=b.port, addresses=(), broker_id=b.broker_id, found_as=kind) for b in brokers
    )
    ports = len(brokers) * len(BLOCKED_PORTS)
    beside = NotJudged("what must not work", "VPCs, addresses or security groups are unknown", ports)
    return Sight(brokers=brokers, bootstrap=bootstrap or own, not_judged=(beside,) if ports else ())


# Straight to the broker ENIs


def direct(topology: Topology, client: Client, cluster: Cluster) -> Sight:
    """Each broker at its own ENI."""
    brokers = tuple(_at_its_eni(topology, client, cluster, broker) for broker in cluster.brokers)
    closed = tuple(isolation.other_broker_ports(topology, client, cluster))
    unknown = tuple(isolation.unknown_broker_ports(topology, client, cluster))
    return Sight(brokers=brokers, bootstrap=_as_bootstrap(brokers), forbidden=closed, not_judged=unknown)


def peered(topology: Topology, client: Client, cluster: Cluster) -> Sight:
    """The same, and nothing beyond the peering."""
    sight = direct(topology, client, cluster)
    beyond = isolation.beyond_peering(topology, client)
    unknown = isolation.unknown_beyond_peering(topology, client)
    return msgspec.structs.replace(
        sight, forbidden=(*sight.forbidden, *beyond), not_judged=(*sight.not_judged, *unknown)
    )


def _at_its_eni(topology: Topology, client: Client, cluster: Cluster, broker: Broker) -> BrokerView:
    name, port = advertised(cluster, broker, client.listener)
    ipv6 = is_ipv6(cluster, client.listener)
    families = {False: broker.client_vpc_ip_address, True: broker.ipv6_address}
    named = [family for family, named in ((False, broker.endpoint), (True, broker.ipv6_endpoint)) if named == name]
    return BrokerView(
        broker_id=broker.broker_id,
        name=name,
        port=port,
        eni_address=str(families[ipv6]),
        zone_id=topology.zone_of(broker.client_subnet),
        sources=isolation.sources_of(client),
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


def without_zone(topology: Topology, client: Client, cluster: Cluster) -> Sight:
    """Behind one NLB, in the cluster VPC, without its own private zone: bootstrap works, and nothing after it.

    The names lead to the ENIs, where the bind port still answers, and metadata then sends the client to
    ports that only the NLB has (re:Post knowledge center, msk-broker-custom-ports).
    """
    bound = bind_port(cluster, client.listener)
    views = tuple(_at_its_eni(topology, client, cluster, broker) for broker in cluster.brokers)
    bootstrap = tuple(BootstrapView(name=b.name, port=bound, addresses=b.addresses) for b in views)
    must_not = tuple(
        forbidden(
            isolation.address_of(broker, ipv6=is_ipv6(cluster, client.listener)),
            view.port,
            "without a private zone that leads to the NLB, the advertised ports are not there",
            Barrier.ADVERTISED_PORT,
            NOT_SERVED,
        )
        for broker, view in zip(cluster.brokers, views, strict=True)
        if view.port != bound
    )
    return Sight(bootstrap=bootstrap, forbidden=must_not)


# Through a load balancer


def through_endpoints(topology: Topology, client: Client, cluster: Cluster) -> Sight:
    """Each broker at its own endpoint; in the cluster VPC straight at its ENI, where nothing was changed."""
    if client.vpc_id == cluster.vpc_id:
        return direct(topology, client, cluster)
    return through_load_balancer(topology, client, cluster)


def through_load_balancer(topology: Topology, client: Client, cluster: Cluster) -> Sight:
    """Each broker at an endpoint; in the cluster VPC at the load balancer itself."""
    local = client.vpc_id == cluster.vpc_id
    met = own_listeners(topology, client, cluster) if local else endpoint_listeners(topology, client)
    brokers = tuple(_met(met, client, cluster, broker) for broker in cluster.brokers)
    bootstrap = bootstrap_of(met, cluster, brokers) or _as_bootstrap(brokers)
    if local:
        return Sight(brokers=brokers, bootstrap=bootstrap)
    closed = _beside_listeners(endpoints_of(topology, client), ipv6=isolation.by_ipv6(client))
    must_not = (*closed, *isolation.without_route(topology, client, cluster))
    return Sight(brokers=brokers, bootstrap=bootstrap, forbidden=must_not)


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


def managed(topology: Topology, client: Client, cluster: Cluster) -> Sight:
    """Each broker at the VPC connection, by MSK's own names."""
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
    # The ordinary bootstrap string stays unreachable (MSK developer guide, multi-VPC connectivity).
    must_not = (*_beside_listeners([(endpoint, balancer)]), *isolation.without_route(topology, client, cluster))
    return Sight(brokers=tuple(brokers), bootstrap=_as_bootstrap(tuple(brokers)), forbidden=must_not)


def _connection_of(topology: Topology, client: Client, cluster: Cluster) -> VpcConnection:
    for connection in topology.vpc_connections:
        mine = connection.vpc_id == client.vpc_id and connection.target_cluster_name == cluster.cluster_name
        if mine and connection.authentication.listener == client.listener:
            return connection
    raise TopologyError(
        f"client {client.name} ({client.pattern}): {client.vpc_id} has no VPC connection to {cluster.cluster_name} "
        f"for the listener {client.listener}"
    )
