"""The way of one client to one broker, hop by hop: name, endpoint or interface, and back. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from brokerproof.aws.audit.balancing import (
    Behind,
    balancer_behind,
    closed,
    endpoint_at,
    endpoint_end,
    endpoint_state,
    leads_to,
    node_for,
    to_target,
)
from brokerproof.aws.audit.names import Address, Known, is_private, resolved
from brokerproof.aws.audit.packets import End, acls, has_port, lets_in, lets_out, other_endpoint, unknown_hop, ways
from brokerproof.aws.audit.values import Hop, State, Trace
from brokerproof.aws.facts import AccountFacts, Part
from brokerproof.causes.codes import Code
from brokerproof.probes.plan import AuthenticationScheme
from brokerproof.topology.expectation.advertised import advertised, bind_port
from brokerproof.topology.expectation.isolation import address_of, by_ipv6
from brokerproof.topology.models import Broker, Client, Cluster, Topology, VpcEndpoint
from brokerproof.topology.patterns import spec_of


def end_of(facts: AccountFacts, client: Client) -> End:
    """The client's own interface; of one whose address is not known, the groups may be unknown too."""
    groups = client.security_groups
    stated = bool(groups) or facts.topology.client(client.name).private_ip_address is not None
    called = f"client {client.name}"
    return End(client.vpc_id, client.subnet_id, address_of(client), groups, called, groups_known=stated)


def trace(
    facts: AccountFacts, whole: Topology, known: Known, *, client: Client, cluster: Cluster, broker: Broker
) -> Trace:
    """To one broker, by the name and port that it advertises."""
    refused = _not_taken(client, cluster)
    if refused is not None and refused.code is Code.LISTENER_NOT_ENABLED:  # so nothing is advertised for it
        return Trace(client=client.name, broker_id=broker.broker_id, name=broker.endpoint, port=0, hops=(refused,))
    name, port = advertised(cluster, broker, client.listener)
    name = name.removesuffix(".")
    asked = Behind(facts, whole, client, end_of(facts, client), cluster, broker, port)
    other = next((b for b in cluster.brokers if b is not broker and b.endpoint.lower() == name.lower()), None)
    if other is not None:
        says = f"advertises {name}, the name of broker {other.broker_id}"
        hop = closed(f"broker {broker.broker_id}", says, Code.METADATA_ADVERTISED_SWAPPED, cluster.cluster_name)
        return Trace(client=client.name, broker_id=broker.broker_id, name=name, port=port, hops=(hop,))
    if refused is not None:
        return Trace(client=client.name, broker_id=broker.broker_id, name=name, port=port, hops=(refused,))
    hidden = unknown_hop(facts, Part.ADVERTISED, f"what {cluster.cluster_name} advertises", vpc_id=cluster.vpc_id)
    if hidden is not None and spec_of(client.pattern).has_port_per_broker:
        return Trace(client=client.name, broker_id=broker.broker_id, name=name, port=port, hops=(hidden,))
    led = resolved(facts, whole, known, client=client, cluster=cluster, name=name)
    hops = [*led.hops, *_at(asked, led.addresses)]
    return Trace(client=client.name, broker_id=broker.broker_id, name=name, port=port, hops=_once(hops))


def _not_taken(client: Client, cluster: Cluster) -> Hop | None:
    """What the client's listener says of how it logs in; None where it takes it."""
    listener = next((entry for entry in cluster.listeners if entry.name == client.listener), None)
    what = f"cluster {cluster.cluster_name}"
    if listener is None:
        says = f"has no listener {client.listener}"
        return closed(what, says, Code.LISTENER_NOT_ENABLED, cluster.cluster_name)
    if client.authentication in listener.takes:
        return None
    says = f"takes {', '.join(listener.takes)} at {listener.name}, and the client comes with {client.authentication}"
    return closed(what, says, _mismatch(client.authentication, listener.takes), cluster.cluster_name)


def _mismatch(comes_with: AuthenticationScheme, takes: Collection[AuthenticationScheme]) -> Code:
    """What a client meets that a listener does not take."""
    if AuthenticationScheme.MTLS in takes:
        return Code.TLS_CLIENT_CERTIFICATE_MISSING
    if comes_with is AuthenticationScheme.MTLS and AuthenticationScheme.NONE in takes:
        return Code.AUTH_CERTIFICATE_IGNORED
    return Code.AUTH_MECHANISM


def bootstrap_trace(
    facts: AccountFacts, whole: Topology, known: Known, *, client: Client, cluster: Cluster
) -> Trace | None:
    """To the listener that has every broker behind it, where the pattern has one; None elsewhere."""
    if not spec_of(client.pattern).has_port_per_broker or _not_taken(client, cluster) is not None:
        return None
    port = next(
        (
            entry.port
            for balancer in facts.topology.load_balancers
            for entry in balancer.listeners
            if len(facts.topology.target_group(entry.target_group_name).targets) > 1
        ),
        bind_port(cluster, client.listener),
    )
    name = cluster.brokers[0].endpoint
    asked = Behind(facts, whole, client, end_of(facts, client), cluster, None, port)
    led = resolved(facts, whole, known, client=client, cluster=cluster, name=name)
    hops = list(_at(asked, led.addresses))
    return Trace(client=client.name, broker_id=None, name=name, port=port, hops=_once(hops))


def _once(hops: list[Hop]) -> tuple[Hop, ...]:
    return tuple(dict.fromkeys(hops))


def direct(facts: AccountFacts, client: Client, cluster: Cluster, broker: Broker, port: int) -> list[Hop]:
    """Straight to the broker's interface."""
    source = end_of(facts, client)
    far = End(
        cluster.vpc_id,
        broker.client_subnet,
        address_of(broker, ipv6=by_ipv6(client)),
        broker.security_groups,
        f"broker {broker.broker_id}",
    )
    entered = lets_in(facts, source, far, port, Code.SECURITY_BROKER_GROUP)
    if entered.state is State.CLOSED and _names_a_group(facts, far, client, port):
        entered = Hop(
            what=entered.what,
            says=f"lets port {port} in from a group that client {client.name} does not have",
            state=State.CLOSED,
            code=Code.SECURITY_GROUP_REFERENCE,
            resource=entered.resource,
        )
    return [
        lets_out(facts, source, far, port, Code.SECURITY_CLIENT_GROUP),
        *ways(facts, source, far),
        acls(facts, source, far, port),
        entered,
    ]


def _names_a_group(facts: AccountFacts, far: End, client: Client, port: int) -> bool:
    """Whether a rule of the brokers names, for this port, a group of the client's VPC that is no broker's."""
    theirs = {g.group_id: g.vpc_id for g in facts.topology.security_groups}
    named = {
        rule.referenced_group_id
        for group in facts.topology.security_groups
        if group.group_id in far.groups
        for rule in group.ingress
        if rule.referenced_group_id and has_port(rule, port)
    }
    of_brokers = {g for c in facts.topology.clusters for b in c.brokers for g in b.security_groups}
    return any(theirs.get(group) == client.vpc_id and group not in of_brokers for group in named)


def _at(asked: Behind, addresses: tuple[Address, ...] | None) -> Iterator[Hop]:
    """From each address that the name leads to."""
    if addresses is None:
        return
    if not is_private(asked.client, asked.cluster):
        if asked.broker is not None:
            yield from _at_the_broker(asked, addresses)
        return
    if asked.client.vpc_id == asked.cluster.vpc_id:
        yield from _at_nodes(asked, addresses)
    else:
        yield from _at_endpoints(asked, addresses)


def _at_the_broker(asked: Behind, addresses: tuple[Address, ...]) -> Iterator[Hop]:
    broker = asked.broker
    if broker is None:
        return
    if asked.eni(broker) not in addresses:
        says = f"leads to {', '.join(map(str, addresses))}, and broker {broker.broker_id} is at {asked.eni(broker)}"
        yield closed(broker.endpoint, says, Code.DNS_STALE_RECORD, broker.endpoint)
        return
    port = asked.port
    yield from direct(asked.facts, asked.client, asked.cluster, broker, port)


def _at_nodes(asked: Behind, addresses: tuple[Address, ...]) -> Iterator[Hop]:
    """Inside the cluster VPC, at the load balancer's own nodes."""
    for balancer in asked.whole.load_balancers:
        for zone in balancer.availability_zones:
            if {zone.private_ipv4_address, zone.ipv6_address} & set(addresses):
                six = asked.source.address.version == 6  # noqa: PLR2004
                address = zone.ipv6_address if six and zone.ipv6_address else zone.private_ipv4_address
                called = f"load balancer {balancer.load_balancer_name}"
                far = End(balancer.vpc_id, zone.subnet_id, address, balancer.security_groups, called)
                yield lets_out(asked.facts, asked.source, far, asked.port, Code.SECURITY_CLIENT_GROUP)
                yield acls(asked.facts, asked.source, far, asked.port)
                yield from to_target(asked, balancer, zone)


def _at_endpoints(asked: Behind, addresses: tuple[Address, ...]) -> Iterator[Hop]:
    vpc_id = asked.client.endpoint_vpc_id or asked.client.vpc_id
    kind = Part.VPC_CONNECTIONS if asked.managed else Part.ENDPOINTS
    for one in (kind, Part.ENDPOINT_SERVICES):
        hidden = unknown_hop(asked.facts, one, f"endpoints of {vpc_id}", vpc_id=_vpc_of(asked, one, vpc_id))
        if hidden is not None:
            yield hidden
            return
    used: dict[str, VpcEndpoint] = {}
    for address in addresses:
        found = endpoint_at(asked.whole, vpc_id, address)
        if found is None:
            says = f"is no interface of an endpoint in {vpc_id}"
            foreign = other_endpoint(asked.facts, addresses=[address], vpc_id=vpc_id)
            yield foreign or closed(str(address), says, Code.DNS_STALE_RECORD, str(address))
            continue
        endpoint, index = found
        used[endpoint.vpc_endpoint_id] = endpoint
        other = _better(asked, endpoint, vpc_id)
        if other is not None:
            says = f"leads to {_brokers(asked, endpoint)}, and {other} to {asked.called}"
            yield closed(
                f"endpoint {endpoint.vpc_endpoint_id}", says, Code.DNS_WRONG_ENDPOINT, endpoint.vpc_endpoint_id
            )
            continue
        far = endpoint_end(endpoint, endpoint.network_interfaces[index], asked.source.address.version)
        yield endpoint_state(asked, endpoint)
        yield lets_out(asked.facts, asked.source, far, asked.port, Code.SECURITY_CLIENT_GROUP)
        yield from ways(asked.facts, asked.source, far)
        yield acls(asked.facts, asked.source, far, asked.port)
        yield lets_in(asked.facts, asked.source, far, asked.port, Code.SECURITY_ENDPOINT_GROUP)
        balancer = balancer_behind(asked, endpoint)
        yield from to_target(asked, balancer, node_for(asked, balancer, endpoint, index))
    for endpoint in used.values():
        yield from _zones(asked, endpoint)


def _vpc_of(asked: Behind, kind: Part, vpc_id: str) -> str:
    return asked.cluster.vpc_id if kind is Part.ENDPOINT_SERVICES else vpc_id


def _brokers(asked: Behind, endpoint: VpcEndpoint) -> str:
    found = sorted(leads_to(asked, balancer_behind(asked, endpoint)))
    return f"broker {', '.join(map(str, found))}" if found else "no broker"


def _better(asked: Behind, endpoint: VpcEndpoint, vpc_id: str) -> str | None:
    """Another endpoint of the VPC that leads to the broker alone, where this one does not lead to it."""
    if asked.broker is None or asked.broker.broker_id in leads_to(asked, balancer_behind(asked, endpoint)):
        return None
    for other in asked.whole.endpoints_in(vpc_id):
        if other is not endpoint and leads_to(asked, balancer_behind(asked, other)) == {asked.broker.broker_id}:
            return other.vpc_endpoint_id
    return None


def _zones(asked: Behind, endpoint: VpcEndpoint) -> Iterator[Hop]:
    """Zones that the service offers and the endpoint's VPC has a subnet in, and the endpoint no interface."""
    whole = asked.whole
    balancer = balancer_behind(asked, endpoint)
    if asked.managed or whole.vpc(endpoint.vpc_id).region_name != whole.vpc(balancer.vpc_id).region_name:
        offered = {s.availability_zone_id for s in whole.subnets if s.vpc_id == endpoint.vpc_id and not asked.managed}
    else:
        offered = {whole.zone_of(z.subnet_id) for z in balancer.availability_zones}
    there = {s.availability_zone_id for s in whole.subnets if s.vpc_id == endpoint.vpc_id}
    has = {whole.zone_of(eni.subnet_id) for eni in endpoint.network_interfaces}
    missing = sorted((offered & there) - has)
    if missing:
        says = f"has no interface in {', '.join(missing)}, where its VPC has a subnet and the service a node"
        yield closed(
            f"endpoint {endpoint.vpc_endpoint_id}", says, Code.ENDPOINT_ZONE_MISMATCH, endpoint.vpc_endpoint_id
        )
