"""What a client must see, derived from the topology and the pattern the client is meant to use.

The records of the private zones are *not* read here: what a name must resolve to follows from the
pattern (this broker's endpoint in this VPC), so that a wrong record is found and not believed.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Final

from probes.outcome import Reason
from topology.files import TopologyError
from topology.models import (
    Broker,
    Client,
    Cluster,
    Listener,
    LoadBalancer,
    TargetGroup,
    Topology,
    VpcEndpoint,
)
from topology.patterns import in_vpc, peering, privatelink, transit_gateway
from topology.view import AddressKind, AddressView, BootstrapView, BrokerView, ClientView, ForbiddenView

SILENT: Final = (Reason.TIMED_OUT,)
"""A security group or a missing route drops in silence."""
NOT_SERVED: Final = (Reason.TIMED_OUT, Reason.REFUSED, Reason.RESET)
"""An NLB node without a listener or target: AWS does not document whether it drops or resets."""
BLOCKED_PORTS: Final = (22, 2181, 9092, 9096, 9098)
"""Ports of a cluster VPC that a client path must not open: SSH, ZooKeeper, plaintext, SCRAM, IAM (MSK port list)."""


def expect(topology: Topology, client_name: str) -> ClientView:
    """Derive the view of one client.

    Raises:
        KeyError: no such client.
        TopologyError: the topology cannot carry the pattern the client names; says what is missing.
    """
    client = topology.client(client_name)
    cluster = topology.cluster(client.cluster_name)
    bootstrap: tuple[BootstrapView, ...] = ()
    brokers: tuple[BrokerView, ...] = ()
    match client.pattern:
        case None:
            forbidden = (*_reverse(topology, client), *_unreached_brokers(topology, client, cluster))
        case peering.NAME:
            brokers = tuple(_direct(topology, client, cluster, broker) for broker in cluster.brokers)
            bootstrap = _as_bootstrap(brokers)
            forbidden = (*_other_broker_ports(cluster), *_beyond_peering(topology, client))
        case transit_gateway.NAME:
            brokers = tuple(_direct(topology, client, cluster, broker) for broker in cluster.brokers)
            bootstrap = _as_bootstrap(brokers)
            forbidden = tuple(_other_broker_ports(cluster))
        case in_vpc.NAME:
            brokers = tuple(_direct(topology, client, cluster, broker) for broker in cluster.brokers)
            bootstrap = _as_bootstrap(brokers)
            forbidden = tuple(_other_broker_ports(cluster))
        case privatelink.SINGLE | privatelink.MULTI:
            brokers = tuple(_through_endpoint(topology, client, cluster, broker) for broker in cluster.brokers)
            bootstrap = _endpoint_bootstrap(topology, client, cluster, brokers)
            forbidden = tuple(_around_endpoint(topology, client, cluster))
        case unknown:
            known = f"{in_vpc.NAME}, {peering.NAME}, {transit_gateway.NAME}, {privatelink.SINGLE}, {privatelink.MULTI}"
            raise TopologyError(f"client {client.name}: pattern {unknown!r} is not one of {known}")
    return ClientView(
        client=client.name,
        pattern=client.pattern or "observer",
        vpc_id=client.vpc_id,
        region_name=topology.vpc(client.vpc_id).region_name,
        zone_id=topology.zone_of(client.subnet_id),
        cluster_name=cluster.cluster_name,
        tls=next(listener for listener in cluster.listeners if listener.name == client.listener).tls,
        bootstrap=bootstrap,
        brokers=brokers,
        forbidden=forbidden,
    )


def advertised(cluster: Cluster, broker: Broker, listener: str) -> tuple[str, int]:
    """The name and port a broker advertises for a listener; unchanged means its own name and the bind port."""
    for entry in broker.advertised_listeners:
        if entry.listener == listener:
            return entry.name, entry.port
    return broker.endpoint, bind_port(cluster, listener)


def bind_port(cluster: Cluster, listener: str) -> int:
    """The port a listener is bound to on every broker."""
    return next(entry.port for entry in cluster.listeners if entry.name == listener)


def _as_bootstrap(brokers: tuple[BrokerView, ...]) -> tuple[BootstrapView, ...]:
    return tuple(BootstrapView(name=b.name, port=b.port, addresses=b.addresses, broker_id=b.broker_id) for b in brokers)


def _direct(topology: Topology, client: Client, cluster: Cluster, broker: Broker) -> BrokerView:
    return BrokerView(
        broker_id=broker.broker_id,
        name=broker.endpoint,
        port=bind_port(cluster, client.listener),
        eni_address=str(broker.client_vpc_ip_address),
        addresses=(
            AddressView(
                address=str(broker.client_vpc_ip_address),
                kind=AddressKind.BROKER_ENI,
                owner=f"ENI of broker {broker.broker_id}",
                zone_id=topology.zone_of(broker.client_subnet),
            ),
        ),
    )


def _endpoints_of(topology: Topology, client: Client) -> Iterator[tuple[VpcEndpoint, LoadBalancer]]:
    for endpoint in topology.vpc_endpoints:
        if endpoint.vpc_id == client.vpc_id:
            service = topology.service(endpoint.service_name)
            yield endpoint, topology.load_balancer(service.network_load_balancer_name)


def _fronts(topology: Topology, client: Client) -> Iterator[tuple[VpcEndpoint, LoadBalancer, Listener, TargetGroup]]:
    for endpoint, balancer in _endpoints_of(topology, client):
        for listener in balancer.listeners:
            yield endpoint, balancer, listener, topology.target_group(listener.target_group_name)


def _through_endpoint(topology: Topology, client: Client, cluster: Cluster, broker: Broker) -> BrokerView:
    port = bind_port(cluster, client.listener)
    for endpoint, balancer, listener, group in _fronts(topology, client):
        target = group.targets[0] if len(group.targets) == 1 else None
        if target is not None and target.id == broker.client_vpc_ip_address and (target.port or group.port) == port:
            return BrokerView(
                broker_id=broker.broker_id,
                name=broker.endpoint,
                port=listener.port,
                eni_address=str(broker.client_vpc_ip_address),
                addresses=_endpoint_addresses(
                    topology, endpoint, balancer, {topology.zone_of(broker.client_subnet)}, f"broker {broker.broker_id}"
                ),
            )
    raise TopologyError(
        f"client {client.name} ({client.pattern}): no endpoint in {client.vpc_id} leads to broker {broker.broker_id} "
        f"alone; expected a listener whose target group has exactly the target {broker.client_vpc_ip_address}:{port}"
    )


def _endpoint_addresses(
    topology: Topology, endpoint: VpcEndpoint, balancer: LoadBalancer, target_zones: set[str], whose: str
) -> tuple[AddressView, ...]:
    views = []
    for eni in endpoint.network_interfaces:
        zone = topology.zone_of(eni.subnet_id)
        served = balancer.cross_zone_enabled or zone in target_zones
        views.append(
            AddressView(
                address=str(eni.private_ip_address),
                kind=AddressKind.ENDPOINT_ENI,
                owner=endpoint.vpc_endpoint_id,
                zone_id=zone,
                must_connect=served,
                why_not=""
                if served
                else f"cross-zone load balancing of {balancer.load_balancer_name} is off and {whose} is not in {zone}",
                fails_with=() if served else NOT_SERVED,
            )
        )
    return tuple(views)


def _endpoint_bootstrap(
    topology: Topology, client: Client, cluster: Cluster, brokers: tuple[BrokerView, ...]
) -> tuple[BootstrapView, ...]:
    """The listener with every broker behind it, by each broker's name; else the brokers themselves."""
    zone_by_address = {b.client_vpc_ip_address: topology.zone_of(b.client_subnet) for b in cluster.brokers}
    for endpoint, balancer, listener, group in _fronts(topology, client):
        if len(group.targets) > 1:
            zones = {zone_by_address[t.id] for t in group.targets if t.id in zone_by_address}
            addresses = _endpoint_addresses(topology, endpoint, balancer, zones, "any target")
            return tuple(BootstrapView(name=b.name, port=listener.port, addresses=addresses) for b in brokers)
    return _as_bootstrap(brokers)


def _forbidden(address: IPv4Address, port: int, why: str, reasons: tuple[Reason, ...]) -> ForbiddenView:
    return ForbiddenView(address=str(address), port=port, why=why, fails_with=reasons)


def _other_broker_ports(cluster: Cluster) -> Iterator[ForbiddenView]:
    open_ports = {listener.port for listener in cluster.listeners}
    for broker in cluster.brokers:
        for port in BLOCKED_PORTS:
            if port not in open_ports:
                yield _forbidden(
                    broker.client_vpc_ip_address,
                    port,
                    f"the security group of broker {broker.broker_id} does not admit port {port}",
                    SILENT,
                )


def _around_endpoint(topology: Topology, client: Client, cluster: Cluster) -> Iterator[ForbiddenView]:
    """Nothing but the listeners answers at the endpoint, and nothing of the cluster VPC answers directly."""
    for endpoint, balancer in _endpoints_of(topology, client):
        served = {listener.port for listener in balancer.listeners}
        for eni in endpoint.network_interfaces:
            for port in BLOCKED_PORTS:
                if port not in served:
                    yield _forbidden(
                        eni.private_ip_address,
                        port,
                        f"{balancer.load_balancer_name} has no listener {port}",
                        NOT_SERVED,
                    )
    own = topology.vpc(client.vpc_id).cidr_blocks
    ports = sorted({listener.port for listener in cluster.listeners} | {22})
    for broker in cluster.brokers:
        if any(broker.client_vpc_ip_address in block for block in own):
            continue  # the same address means something else in this VPC
        for port in ports:
            yield _forbidden(
                broker.client_vpc_ip_address,
                port,
                f"{client.vpc_id} has no route to the cluster VPC",
                SILENT,
            )


def _peered(topology: Topology, vpc_id: str) -> set[str]:
    """The VPC and those it is peered with directly; a peering leads no further."""
    return {vpc_id} | {side for p in topology.vpc_peering_connections if vpc_id in p.sides for side in p.sides}


def _beyond_peering(topology: Topology, client: Client) -> Iterator[ForbiddenView]:
    """Of the cluster VPC only the broker ports answer; a VPC that is not peered with this one does not at all."""
    near = _peered(topology, client.vpc_id)
    for other in topology.clients:
        if other.witness_port is None or other.vpc_id == client.vpc_id:
            continue
        if other.vpc_id not in near:
            why = f"peering is not transitive: {client.vpc_id} is not peered with {other.vpc_id}"
        elif other.vpc_id == topology.cluster(client.cluster_name).vpc_id:
            why = f"the security group of host {other.name} in the cluster VPC admits its own VPC alone"
        else:
            continue
        yield _forbidden(other.private_ip_address, other.witness_port, why, SILENT)


def _unreached_brokers(topology: Topology, observer: Client, cluster: Cluster) -> Iterator[ForbiddenView]:
    """An observer outside the cluster VPC reaches no broker: for want of a path, or of admission."""
    if observer.vpc_id == cluster.vpc_id:
        return
    attached = any(a.vpc_id == observer.vpc_id for a in topology.transit_gateway_attachments)
    if cluster.vpc_id in _peered(topology, observer.vpc_id):
        why = f"the brokers' security group does not admit host {observer.name}"
    elif attached:
        why = f"the gateway attachment of {observer.vpc_id} is associated with no route table"
    else:
        why = f"peering is not transitive: {observer.vpc_id} is not peered with the cluster VPC"
    for broker in cluster.brokers:
        yield _forbidden(broker.client_vpc_ip_address, bind_port(cluster, observer.listener), why, SILENT)


def _reverse(topology: Topology, observer: Client) -> Iterator[ForbiddenView]:
    """PrivateLink is one-way: the cluster VPC cannot open a connection to a client behind an endpoint."""
    for client in topology.clients:
        one_way = client.pattern in {privatelink.SINGLE, privatelink.MULTI}
        if one_way and client.witness_port is not None and client.vpc_id != observer.vpc_id:
            yield _forbidden(
                client.private_ip_address,
                client.witness_port,
                f"PrivateLink is one-way: {observer.vpc_id} cannot reach client {client.name} in {client.vpc_id}",
                SILENT,
            )
