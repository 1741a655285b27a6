"""Listeners of load balancers as clients meet them: at the NLB's own nodes, or at an interface endpoint. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from brokerproof.topology.expectation.isolation import NOT_SERVED, address_of, by_ipv6
from brokerproof.topology.expectation.view import AddressKind, AddressView, BootstrapView, BrokerView
from brokerproof.topology.models import (
    Broker,
    Client,
    Cluster,
    Listener,
    LoadBalancer,
    TargetGroup,
    Topology,
    VpcEndpoint,
)


class ClientListener:
    """A listener of a load balancer, and the addresses a client meets it at."""

    def __init__(
        self, topology: Topology, balancer: LoadBalancer, listener: Listener, endpoint: VpcEndpoint | None = None
    ) -> None:
        self.topology = topology
        self.balancer = balancer
        self.listener = listener
        self.endpoint = endpoint
        self.group: TargetGroup = topology.target_group(listener.target_group_name)
        self.ipv6 = self.group.ip_address_type == "ipv6"
        """Its family: that of its targets. AWS's NLB also takes clients of the other; see docs/dual-stack.md."""

    def leads_to(self, broker: Broker, port: int) -> bool:
        """Whether this broker at this port is its one target."""
        if len(self.group.targets) != 1:
            return False
        [target] = self.group.targets
        eni = broker.ipv6_address if self.ipv6 else broker.client_vpc_ip_address
        return target.id == eni and (target.port or self.group.port) == port

    def addresses(self, target_zones: set[str], whose: str) -> tuple[AddressView, ...]:
        """Where a client meets it, and which of these have a target (cross-zone decides)."""
        if self.endpoint is None:
            places = [
                (
                    z.ipv6_address if self.ipv6 else z.private_ipv4_address,
                    self.topology.zone_of(z.subnet_id),
                    self.topology.zone_of(z.subnet_id),
                )
                for z in self.balancer.availability_zones
            ]
            kind, owner = AddressKind.NLB_NODE, self.balancer.load_balancer_name
        else:
            places = [
                (
                    eni.ipv6_address if self.ipv6 else eni.private_ip_address,
                    self.topology.zone_of(eni.subnet_id),
                    node_zone(self.topology, self.endpoint, self.balancer, index),
                )
                for index, eni in enumerate(self.endpoint.network_interfaces)
            ]
            kind, owner = AddressKind.ENDPOINT_ENI, self.endpoint.vpc_endpoint_id
        views = []
        for address, zone, node in places:
            if address is None:
                continue  # an endpoint of IPv4 alone in front of a dual-stack NLB
            served = self.balancer.cross_zone_enabled or node in target_zones
            off = f"cross-zone load balancing of {self.balancer.load_balancer_name} is off and {whose} is not in {node}"
            views.append(
                AddressView(
                    address=str(address),
                    kind=kind,
                    owner=owner,
                    zone_id=zone,
                    must_connect=served,
                    why_not="" if served else off,
                    fails_with=() if served else NOT_SERVED,
                )
            )
        return tuple(views)

    def sources(self, target_zones: set[str]) -> tuple[str, ...]:
        """Where a target sees connections come from: the nodes that use it (NLB guide, client IP preservation)."""
        return tuple(
            str(z.ipv6_address if self.ipv6 else z.private_ipv4_address)
            for z in self.balancer.availability_zones
            if self.balancer.cross_zone_enabled or self.topology.zone_of(z.subnet_id) in target_zones
        )


def node_zone(topology: Topology, endpoint: VpcEndpoint, balancer: LoadBalancer, index: int) -> str:
    """Zone of the NLB node that the endpoint's index-th ENI leads to.

    Inside a Region that of the ENI. Across Regions AWS does not say which; here they go round the nodes.
    """
    zones = [topology.zone_of(z.subnet_id) for z in balancer.availability_zones]
    own = topology.zone_of(endpoint.network_interfaces[index].subnet_id)
    return own if own in zones else zones[index % len(zones)]


def client_listeners(
    topology: Topology, balancer: LoadBalancer, endpoint: VpcEndpoint | None = None
) -> Iterator[ClientListener]:
    """Every listener of one load balancer, met at the endpoint where one is given."""
    for listener in balancer.listeners:
        yield ClientListener(topology, balancer, listener, endpoint)


def own_listeners(topology: Topology, client: Client, cluster: Cluster) -> list[ClientListener]:
    """Listeners of the client's family that it meets, in the cluster VPC, at the NLBs themselves."""
    balancers = (b for b in topology.load_balancers if b.vpc_id == cluster.vpc_id)
    met = chain.from_iterable(client_listeners(topology, balancer) for balancer in balancers)
    return [listener for listener in met if listener.ipv6 == by_ipv6(client)]


def endpoints_of(topology: Topology, client: Client) -> Iterator[tuple[VpcEndpoint, LoadBalancer]]:
    """The endpoints that a client uses, each with the load balancer behind it."""
    for endpoint in topology.endpoints_in(client.endpoint_vpc_id or client.vpc_id):
        service = topology.service(endpoint.service_name)
        yield endpoint, topology.load_balancer(service.network_load_balancer_name)


def endpoint_listeners(topology: Topology, client: Client) -> list[ClientListener]:
    """Listeners of the client's family that it meets at the endpoints it uses."""
    pairs = endpoints_of(topology, client)
    met = chain.from_iterable(client_listeners(topology, balancer, endpoint) for endpoint, balancer in pairs)
    return [listener for listener in met if listener.ipv6 == by_ipv6(client) and listener.addresses(set(), "")]


def led_to(found: Sequence[ClientListener], broker: Broker, port: int, name: str) -> BrokerView | None:
    """The broker as a client sees it at the listener that leads to it alone; None where there is none."""
    for listener in found:
        zones = {listener.topology.zone_of(broker.client_subnet)}
        if listener.leads_to(broker, port):
            return BrokerView(
                broker_id=broker.broker_id,
                name=name,
                port=listener.listener.port,
                eni_address=str(address_of(broker, ipv6=listener.ipv6)),
                zone_id=listener.topology.zone_of(broker.client_subnet),
                sources=listener.sources(zones),
                addresses=listener.addresses(zones, f"broker {broker.broker_id}"),
            )
    return None


def bootstrap_of(
    found: Sequence[ClientListener], cluster: Cluster, brokers: tuple[BrokerView, ...]
) -> tuple[BootstrapView, ...] | None:
    """The listener with every broker behind it, by each broker's name; None where there is none."""
    for listener in found:
        zone_by_address = {
            (b.ipv6_address if listener.ipv6 else b.client_vpc_ip_address): listener.topology.zone_of(b.client_subnet)
            for b in cluster.brokers
        }
        if len(listener.group.targets) > 1:
            zones = {zone_by_address[t.id] for t in listener.group.targets if t.id in zone_by_address}
            addresses = listener.addresses(zones, "any target")
            return tuple(BootstrapView(name=b.name, port=listener.listener.port, addresses=addresses) for b in brokers)
    return None
