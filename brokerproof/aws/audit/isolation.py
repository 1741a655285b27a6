"""What must not be possible, and is by the configuration: open ports, second paths, clients nobody approved. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from brokerproof.aws.audit.balancing import closed
from brokerproof.aws.audit.packets import End, has_port, names
from brokerproof.aws.audit.trace import direct, end_of
from brokerproof.aws.audit.values import Hop, State
from brokerproof.aws.facts import AccountFacts
from brokerproof.causes.codes import Code
from brokerproof.topology.expectation.advertised import advertised, bind_port
from brokerproof.topology.expectation.isolation import BLOCKED_PORTS
from brokerproof.topology.models import Client, Cluster, SecurityGroup
from brokerproof.topology.patterns import spec_of

_PLAINTEXT = 9092


def doors(facts: AccountFacts, client: Client, cluster: Cluster) -> Iterator[tuple[int | None, Hop]]:
    """What is open to this client and should not be; each with the broker it is about."""
    spec = spec_of(client.pattern)
    local = client.vpc_id == cluster.vpc_id
    if client.pattern is None:
        if not local:
            yield from _reached(facts, client, cluster, Code.ISOLATION_UNAPPROVED_CLIENT, "is an observer")
    elif not spec.is_one_way:
        yield from _ports(facts, client, cluster)
    elif not local:
        if not _joined_on_purpose(facts, client):
            why = f"is meant to use {spec.title}"
            yield from _reached(facts, client, cluster, Code.ISOLATION_SECOND_PATH, why)
        yield from _listeners(facts, client, cluster)


def _joined_on_purpose(facts: AccountFacts, client: Client) -> bool:
    """Whether another client of its VPC is meant to be routed to the brokers."""
    return any(
        other.vpc_id == client.vpc_id and spec_of(other.pattern).is_routed and other.pattern is not None
        for other in facts.topology.clients
    )


def _reached(
    facts: AccountFacts, client: Client, cluster: Cluster, code: Code, why: str
) -> Iterator[tuple[int | None, Hop]]:
    ports = [bind_port(cluster, client.listener)]
    if client.listener.endswith("_VPCE"):  # brokers' ordinary listeners are what a second path leads to
        ports = [entry.port for entry in cluster.listeners if not entry.ipv6 and entry.vpc_authentication is None]
    for broker in cluster.brokers:
        if broker.ipv6_address is None and client.listener.endswith("_IPV6"):
            continue
        tried = [direct(facts, client, cluster, broker, port) for port in ports]
        hops = next((each for each in tried if all(hop.state is State.OPEN for hop in each)), None)
        if hops is not None:
            by = next((hop.what for hop in hops if hop.what.startswith(("peering", "route table"))), client.vpc_id)
            says = f"{why}, and routes, groups and ACLs let it straight to broker {broker.broker_id} ({by})"
            yield broker.broker_id, closed(f"client {client.name}", says, code, client.vpc_id)


def _ports(facts: AccountFacts, client: Client, cluster: Cluster) -> Iterator[tuple[int | None, Hop]]:
    """Ports of broker interfaces that no listener is for, or that are plaintext beside TLS."""
    listeners = {entry.port: entry for entry in cluster.listeners}
    own = next(entry for entry in cluster.listeners if entry.name == client.listener)
    for broker in cluster.brokers:
        groups = [g for g in facts.topology.security_groups if g.group_id in broker.security_groups]
        for port in BLOCKED_PORTS:
            if not groups or not _admits(groups, end_of(facts, client), port):
                continue
            if port not in listeners:
                says = (
                    f"lets port {port} of broker {broker.broker_id} in from {client.vpc_id}, and no listener is there"
                )
                yield (
                    broker.broker_id,
                    closed(f"security group {groups[0].group_id}", says, Code.ISOLATION_PORTS_OPEN, groups[0].group_id),
                )
            elif port == _PLAINTEXT and not listeners[port].tls and own.tls:
                says = f"lets plaintext port {port} of broker {broker.broker_id} in from {client.vpc_id}"
                yield (
                    broker.broker_id,
                    closed(
                        f"security group {groups[0].group_id}", says, Code.ISOLATION_PLAINTEXT_OPEN, groups[0].group_id
                    ),
                )


def _admits(groups: list[SecurityGroup], source: End, port: int) -> bool:
    rules = [rule for group in groups for rule in group.ingress if has_port(rule, port)]
    return any(names(rule, source.address) or rule.referenced_group_id in source.groups for rule in rules)


def _listeners(facts: AccountFacts, client: Client, cluster: Cluster) -> Iterator[tuple[int | None, Hop]]:
    """Listeners that no broker's advertised port is for, and that the endpoint lets the client to."""
    ports = {advertised(cluster, b, client.listener)[1] for b in cluster.brokers}
    ports |= {advertised(cluster, b, entry.name)[1] for b in cluster.brokers for entry in cluster.listeners}
    groups = {g.group_id: g for g in facts.topology.security_groups}
    for endpoint in facts.topology.endpoints_in(client.endpoint_vpc_id or client.vpc_id):
        service = facts.topology.service(endpoint.service_name)
        balancer = facts.topology.load_balancer(service.network_load_balancer_name)
        for listener in balancer.listeners:
            several = len(facts.topology.target_group(listener.target_group_name).targets) > 1
            twice = not several and any(
                other.target_group_name == listener.target_group_name and other.port in ports
                for other in balancer.listeners
            )
            mine = [groups[g] for g in endpoint.security_groups if g in groups]
            if listener.port not in ports and twice and _admits(mine, end_of(facts, client), listener.port):
                by = endpoint.vpc_endpoint_id
                says = f"has a listener {listener.port} that no broker advertises, and {by} lets it in"
                yield (
                    None,
                    closed(
                        f"load balancer {balancer.load_balancer_name}",
                        says,
                        Code.ISOLATION_PORTS_OPEN,
                        balancer.load_balancer_name,
                    ),
                )


def open_services(facts: AccountFacts) -> Iterator[Hop]:
    """Endpoint services that anybody may connect to, and nobody has to accept."""
    for opened in facts.open_services:
        service = next((s for s in facts.topology.endpoint_services if s.service_name == opened.service_name), None)
        if service is not None and "*" in opened.principals and not service.acceptance_required:
            says = "lets every AWS account make an endpoint, and accepts it by itself"
            yield closed(
                f"endpoint service {service.service_name}",
                says,
                Code.ISOLATION_ENDPOINT_SERVICE_OPEN,
                service.service_name,
            )
