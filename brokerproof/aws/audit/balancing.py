"""From an address that a name leads to, to the broker: endpoint, service, NLB, listener, target group, target. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from brokerproof.aws.audit.packets import End, acls, lets_in, lets_out, unknown_hop
from brokerproof.aws.audit.values import Hop, State
from brokerproof.aws.facts import AccountFacts, Part
from brokerproof.causes.codes import Code
from brokerproof.topology.expectation.advertised import bind_port
from brokerproof.topology.expectation.listeners import node_zone
from brokerproof.topology.models import (
    Broker,
    Client,
    Cluster,
    EndpointInterface,
    EndpointState,
    Listener,
    LoadBalancer,
    LoadBalancerZone,
    TargetGroup,
    Topology,
    VpcEndpoint,
)
from brokerproof.topology.patterns import spec_of

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Behind:
    """What is asked of a load balancer: whose broker, at which port, for which client."""

    facts: AccountFacts
    whole: Topology
    """The topology with what MSK builds itself."""
    client: Client
    source: End
    cluster: Cluster
    broker: Broker | None
    """None: any, at the bootstrap listener."""
    port: int

    @property
    def managed(self) -> bool:
        """Whether MSK runs the load balancer."""
        return spec_of(self.client.pattern).is_managed

    @property
    def called(self) -> str:
        """The broker in words."""
        return "any broker" if self.broker is None else f"broker {self.broker.broker_id}"

    def eni(self, broker: Broker) -> Address | None:
        """The broker's address of the client's family."""
        return broker.ipv6_address if self.source.address.version == 6 else broker.client_vpc_ip_address  # noqa: PLR2004


def closed(what: str, says: str, code: Code, resource: str) -> Hop:
    """A hop that nothing passes."""
    return Hop(what=what, says=says, state=State.CLOSED, code=code, resource=resource)


# Endpoints


def endpoint_at(whole: Topology, vpc_id: str, address: Address) -> tuple[VpcEndpoint, int] | None:
    """The endpoint of a VPC that has an address, and which of its interfaces it is."""
    for endpoint in whole.endpoints_in(vpc_id):
        for index, eni in enumerate(endpoint.network_interfaces):
            if address in {eni.private_ip_address, eni.ipv6_address}:
                return endpoint, index
    return None


def endpoint_state(asked: Behind, endpoint: VpcEndpoint) -> Hop:
    """Whether the endpoint carries anything."""
    well = endpoint.state is EndpointState.AVAILABLE
    what = f"{'VPC connection' if asked.managed else 'endpoint'} {endpoint.vpc_endpoint_id}"
    code = Code.CONNECTION_NOT_ACTIVE if asked.managed else Code.ENDPOINT_NOT_AVAILABLE
    collection = "vpc_connections" if asked.managed else "vpc_endpoints"
    says = f"is {endpoint.state}"
    if asked.managed:
        states = {c.vpc_connection_arn: c.state for c in asked.whole.vpc_connections}
        says = f"is {states[endpoint.vpc_endpoint_id]}"
    return Hop(
        what=what,
        says=says,
        state=State.OPEN if well else State.CLOSED,
        code=None if well else code,
        resource=endpoint.vpc_endpoint_id,
        source=str(asked.facts.source(collection, endpoint.vpc_endpoint_id) or ""),
    )


def endpoint_end(endpoint: VpcEndpoint, eni: EndpointInterface, family: int) -> End:
    """An interface of an endpoint as an end of a connection."""
    address = eni.ipv6_address if family == 6 and eni.ipv6_address is not None else eni.private_ip_address  # noqa: PLR2004
    return End(
        endpoint.vpc_id, eni.subnet_id, address, endpoint.security_groups, f"endpoint {endpoint.vpc_endpoint_id}"
    )


def balancer_behind(asked: Behind, endpoint: VpcEndpoint) -> LoadBalancer:
    """The load balancer that an endpoint leads to."""
    return asked.whole.load_balancer(asked.whole.service(endpoint.service_name).network_load_balancer_name)


# Load balancers


def listener_of(asked: Behind, balancer: LoadBalancer) -> Listener | None:
    """The listener of the port."""
    return next((entry for entry in balancer.listeners if entry.port == asked.port), None)


def leads_to(asked: Behind, balancer: LoadBalancer) -> set[int]:
    """The brokers behind the listener of the port; empty where there is none."""
    listener = listener_of(asked, balancer)
    if listener is None:
        return set()
    targets = {t.id for t in asked.whole.target_group(listener.target_group_name).targets}
    return {b.broker_id for b in asked.cluster.brokers if asked.eni(b) in targets}


def to_target(asked: Behind, balancer: LoadBalancer, zone: LoadBalancerZone) -> Iterator[Hop]:
    """From one node of a load balancer to the broker."""
    name = balancer.load_balancer_name
    for kind in (Part.LOAD_BALANCERS, Part.LISTENERS, Part.TARGET_GROUPS, Part.TARGETS):
        hidden = unknown_hop(asked.facts, kind, f"load balancer {name}", vpc_id=balancer.vpc_id)
        if hidden is not None:
            yield hidden
            return
    if balancer.security_groups and balancer.enforce_security_group_inbound_rules_on_private_link_traffic == "on":
        node = _node_end(balancer, zone, asked.source.address.version)
        yield lets_in(asked.facts, asked.source, node, asked.port, Code.SECURITY_NLB_GROUP)
    listener = listener_of(asked, balancer)
    if listener is None:
        yield _no_listener(asked, balancer)
        return
    source = str(asked.facts.source("load_balancers", name) or "")
    group = asked.whole.target_group(listener.target_group_name)
    says = f"forwards to {group.target_group_name}"
    yield Hop(what=f"listener {asked.port} of {name}", says=says, resource=name, source=source)
    yield from _group(asked, balancer, zone, group)


def _no_listener(asked: Behind, balancer: LoadBalancer) -> Hop:
    what = f"load balancer {balancer.load_balancer_name}"
    others = [
        entry.port
        for entry in balancer.listeners
        if asked.broker is not None
        and [t.id for t in asked.whole.target_group(entry.target_group_name).targets] == [asked.eni(asked.broker)]
    ]
    if others:
        says = f"has {asked.called} at port {others[0]}, and brokers advertise {asked.port}, which has no listener"
        return closed(what, says, Code.METADATA_ADVERTISED_PORT, balancer.load_balancer_name)
    return closed(what, f"has no listener {asked.port}", Code.NLB_LISTENER_MISSING, balancer.load_balancer_name)


def _group(asked: Behind, balancer: LoadBalancer, zone: LoadBalancerZone, group: TargetGroup) -> Iterator[Hop]:
    what = f"target group {group.target_group_name}"
    if group.proxy_protocol_v2_enabled:
        yield closed(what, "has PROXY protocol v2 on", Code.NLB_PROXY_PROTOCOL, group.target_group_name)
    if not group.targets:
        yield closed(what, "has no target", Code.NLB_NO_TARGET, group.target_group_name)
        return
    brokers = {asked.eni(b): b for b in asked.cluster.brokers}
    if asked.broker is not None:
        found = [brokers.get(t.id) for t in group.targets]
        if found != [asked.broker]:
            yield _wrong_target(asked, group, [b.broker_id for b in found if b is not None])
            return
    wanted = bind_port(asked.cluster, asked.client.listener)
    for target in group.targets:
        broker = brokers.get(target.id)
        if broker is None:
            yield closed(
                what,
                f"has the target {target.id}, which is no broker's",
                Code.NLB_STALE_TARGET,
                group.target_group_name,
            )
            continue
        port = target.port or group.port
        if port != wanted and not asked.managed:
            says = f"reaches broker {broker.broker_id} at port {port}, and {asked.client.listener} is at {wanted}"
            yield closed(what, says, Code.NLB_WRONG_TARGET_PORT, group.target_group_name)
            continue
        yield Hop(what=what, says=f"has broker {broker.broker_id} for a target", resource=group.target_group_name)
        yield from _last(asked, balancer, zone, group=group, broker=broker, port=port)


def _wrong_target(asked: Behind, group: TargetGroup, broker_ids: list[int]) -> Hop:
    what = f"target group {group.target_group_name}"
    addresses = ", ".join(str(t.id) for t in group.targets)
    if not broker_ids:
        return closed(
            what, f"has the target {addresses}, which is no broker's", Code.NLB_STALE_TARGET, group.target_group_name
        )
    if len(broker_ids) > 1 and _advertises_bind_port(asked):
        says = f"has every broker behind it, and {asked.called} advertises its port"
        return closed(what, says, Code.METADATA_ADVERTISED_UNCHANGED, group.target_group_name)
    says = f"leads to broker {', '.join(map(str, broker_ids))} and not to {asked.called}"
    return closed(what, says, Code.NLB_WRONG_TARGET, group.target_group_name)


def _advertises_bind_port(asked: Behind) -> bool:
    return asked.port == bind_port(asked.cluster, asked.client.listener)


def _last(
    asked: Behind, balancer: LoadBalancer, zone: LoadBalancerZone, *, group: TargetGroup, broker: Broker, port: int
) -> Iterator[Hop]:
    """From the node to the broker's interface."""
    topology = asked.facts.topology
    far = asked.eni(broker)
    node = _node_end(balancer, zone, asked.source.address.version)
    if far is None or asked.managed:
        return
    home = topology.zone_of(broker.client_subnet)
    if not balancer.cross_zone_enabled and topology.zone_of(zone.subnet_id) != home:
        says = f"has cross-zone load balancing off, and its node in {topology.zone_of(zone.subnet_id)} has no target"
        what = f"load balancer {balancer.load_balancer_name}"
        yield closed(what, says, Code.NLB_CROSS_ZONE_OFF, balancer.load_balancer_name)
        return
    end = End(asked.cluster.vpc_id, broker.client_subnet, far, broker.security_groups, f"broker {broker.broker_id}")
    hops = []
    if balancer.security_groups:
        hops.append(lets_out(asked.facts, node, end, port, Code.SECURITY_NLB_GROUP_EGRESS))
    hops += [acls(asked.facts, node, end, port), lets_in(asked.facts, node, end, port, Code.SECURITY_BROKER_GROUP)]
    yield from hops
    if all(hop.state is State.OPEN for hop in hops):
        yield from _health(asked, group, far, port)


def _node_end(balancer: LoadBalancer, zone: LoadBalancerZone, family: int) -> End:
    six = family == 6 and zone.ipv6_address is not None  # noqa: PLR2004
    address = zone.ipv6_address if six and zone.ipv6_address is not None else zone.private_ipv4_address
    name = f"load balancer {balancer.load_balancer_name}"
    return End(balancer.vpc_id, zone.subnet_id, address, balancer.security_groups, name)


def _health(asked: Behind, group: TargetGroup, address: Address, port: int) -> Iterator[Hop]:
    """What health checks say, where nothing of the configuration is in their way."""
    for health in asked.facts.target_health:
        if (health.target_group_name, health.address, health.port) == (group.target_group_name, address, port):
            what = f"health of {address}:{port} in {group.target_group_name}"
            if health.state == "unhealthy":
                says = f"is unhealthy ({health.reason}), though groups and ACLs are open: the broker does not listen"
                yield closed(what, says, Code.CLUSTER_BROKER_DOWN, group.target_group_name)
            else:
                yield Hop(what=what, says=f"is {health.state}", source="elasticloadbalancing:DescribeTargetHealth")


def node_for(asked: Behind, balancer: LoadBalancer, endpoint: VpcEndpoint, index: int) -> LoadBalancerZone:
    """The node that an endpoint's interface leads to."""
    zone_id = node_zone(asked.whole, endpoint, balancer, index)
    return next(z for z in balancer.availability_zones if asked.whole.zone_of(z.subnet_id) == zone_id)
