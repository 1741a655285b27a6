"""What must not work for a client, each with the reason it must fail for. Pure.

Only what the topology itself says is closed is listed: a port no rule admits, a VPC no route leads
to, a direction PrivateLink does not have. What an admitting rule leaves open is not listed, and where
the topology does not state the groups, nothing is said and that is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from brokerproof.probes.outcome import Reason
from brokerproof.topology.expectation.admission import Admission, admission
from brokerproof.topology.expectation.view import Barrier, ForbiddenView, NotJudged
from brokerproof.topology.files import TopologyError
from brokerproof.topology.models import UNKNOWN, Broker, Client, Cluster, PeeringStatus, Topology
from brokerproof.wording import listed

SILENT: Final = (Reason.TIMED_OUT,)
"""A security group or a missing route drops in silence."""
NOT_SERVED: Final = (Reason.TIMED_OUT, Reason.REFUSED, Reason.RESET)
"""An NLB node without a listener or target: AWS does not document whether it drops or resets."""
OTHER_FAMILY: Final = (Reason.TIMED_OUT, Reason.REFUSED)
"""A listener of the other family: no rule admits the port, or, where one names a group, nothing is bound there."""
BLOCKED_PORTS: Final = (22, 2181, 9092, 9096, 9098)
"""Ports of a cluster VPC that a client path must not open: SSH, ZooKeeper, plaintext, SCRAM, IAM (MSK port list)."""


def forbidden(
    address: IPv4Address | IPv6Address,
    port: int,
    why: str,
    barrier: Barrier,
    reasons: tuple[Reason, ...] = SILENT,
) -> ForbiddenView:
    """One thing that must not connect."""
    return ForbiddenView(address=str(address), port=port, why=why, barrier=barrier, fails_with=reasons)


def by_ipv6(client: Client) -> bool:
    """Whether the client uses an IPv6 listener."""
    return client.listener.endswith("_IPV6")


def address_of(host: Client | Broker, *, ipv6: bool | None = None) -> IPv4Address | IPv6Address:
    """The address of a host in a family; a client's, where none is given, is that of its listener.

    Raises:
        TopologyError: the host has no IPv6 address, or its address is unknown.
    """
    match host:
        case Client():
            wanted, own = by_ipv6(host) if ipv6 is None else ipv6, host.private_ip_address
        case Broker():
            wanted, own = bool(ipv6), host.client_vpc_ip_address
    named = f"client {host.name}" if isinstance(host, Client) else f"broker {host.broker_id}"
    if not wanted:
        if own is None:
            raise TopologyError(f"the address of {named} is unknown")
        return own
    if host.ipv6_address is None:
        raise TopologyError(f"{named} has no ipv6_address, which an IPv6 listener needs")
    return host.ipv6_address


def source_of(client: Client) -> IPv4Address | IPv6Address | None:
    """Where the client's connections come from, in the family of its listener; None where that is unknown."""
    return client.ipv6_address if by_ipv6(client) else client.private_ip_address


def sources_of(client: Client) -> tuple[str, ...]:
    """Where a far end must see the client that nothing stands before; empty where that is unknown.

    Raises:
        TopologyError: its listener is for IPv6, and it has no such address.
    """
    if by_ipv6(client):
        return (str(address_of(client)),)
    source = source_of(client)
    return () if source is None else (str(source),)


def _at(topology: Topology, client: Client, host: Client | Broker, port: int) -> Admission:
    """What the groups do with a connection to a port of this host, in the client's family."""
    mine = by_ipv6(client)
    there = address_of(host, ipv6=mine)
    groups = host.security_groups
    return admission(topology, client, source=source_of(client), there=there, groups=groups, port=port)


def other_broker_ports(topology: Topology, client: Client, cluster: Cluster) -> Iterator[ForbiddenView]:
    """Ports of the broker ENIs that no listener and no rule is for, in the client's family and at its IPv4 address."""
    listeners = {entry.port: entry.ipv6 for entry in cluster.listeners}
    mine = by_ipv6(client)
    for broker in cluster.brokers:
        for port in BLOCKED_PORTS:
            if port not in listeners and _at(topology, client, broker, port) is Admission.DENIED:
                why = f"the security group of broker {broker.broker_id} does not admit port {port}"
                yield forbidden(address_of(broker, ipv6=mine), port, why, Barrier.SECURITY_GROUP)
        for port, ipv6 in listeners.items():
            if ipv6 != mine and broker.ipv6_address is not None:
                why = f"port {port} of broker {broker.broker_id} is for IPv{6 if ipv6 else 4} alone"
                yield forbidden(address_of(broker, ipv6=mine), port, why, Barrier.FAMILY, OTHER_FAMILY)


def unknown_broker_ports(topology: Topology, client: Client, cluster: Cluster) -> Iterator[NotJudged]:
    """Such ports of which the topology does not state the groups that decide."""
    listeners = {entry.port for entry in cluster.listeners}
    unknown = [
        (broker, port)
        for broker in cluster.brokers
        for port in BLOCKED_PORTS
        if port not in listeners and _at(topology, client, broker, port) is Admission.UNKNOWN
    ]
    for of_client in (False, True):  # whose groups are not stated: the broker's, or else the client's
        found = [(broker, port) for broker, port in unknown if bool(broker.security_groups) is of_client]
        brokers = list(dict.fromkeys(broker.broker_id for broker, _ in found))
        named = f"broker{'s' if len(brokers) > 1 else ''} {listed(brokers)}"
        why = (
            f"a rule there names a security group, and the topology states none of client {client.name}"
            if of_client
            else f"the topology states no security group of {named}"
        )
        if found:
            yield NotJudged(_ports(named, (port for _, port in found)), why, len(found))


def _ports(named: str, ports: Iterable[int]) -> str:
    different = sorted(set(ports))
    return f"port{'s' if len(different) > 1 else ''} {listed(different)} of {named}"


def without_route(topology: Topology, client: Client, cluster: Cluster) -> Iterator[ForbiddenView]:
    """The cluster VPC beside an endpoint: nothing of it answers directly, where no other path leads there."""
    if joined(topology, client.vpc_id, cluster.vpc_id):
        return
    own = topology.vpc(client.vpc_id).blocks
    ports = sorted({listener.port for listener in cluster.listeners} | {22})
    for broker in cluster.brokers:
        address = address_of(broker, ipv6=by_ipv6(client))
        if any(address in block for block in own):
            continue  # the same address means something else in this VPC
        for port in ports:
            yield forbidden(address, port, f"{client.vpc_id} has no route to the cluster VPC", Barrier.ROUTE)


def peered(topology: Topology, vpc_id: str) -> set[str]:
    """The VPC and those it is peered with directly; a peering leads no further."""
    sides = (p.sides for p in topology.vpc_peering_connections if p.status is PeeringStatus.ACTIVE)
    return {vpc_id} | {side for pair in sides if vpc_id in pair for side in pair}


def joined(topology: Topology, vpc_id: str, other: str) -> bool:
    """Whether two VPCs are one, peered, or both attached to gateways."""
    attached = {a.vpc_id for a in topology.transit_gateway_attachments}
    return other in peered(topology, vpc_id) or {vpc_id, other} <= attached


def beyond_peering(topology: Topology, client: Client) -> Iterator[ForbiddenView]:
    """Hosts of the cluster VPC beside its brokers, and VPCs that are not peered with this one, do not answer."""
    for other, port in _witnesses(topology, client):
        if other.vpc_id not in peered(topology, client.vpc_id):
            why = f"peering is not transitive: {client.vpc_id} is not peered with {other.vpc_id}"
            yield forbidden(address_of(other), port, why, Barrier.ROUTE)
        elif _is_beside(topology, client, other) and _at(topology, client, other, port) is Admission.DENIED:
            why = f"the security group of host {other.name} in the cluster VPC does not admit {client.vpc_id}"
            yield forbidden(address_of(other), port, why, Barrier.SECURITY_GROUP)


def unknown_beyond_peering(topology: Topology, client: Client) -> Iterator[NotJudged]:
    """Hosts of the cluster VPC beside its brokers of which the topology does not state the groups that decide."""
    for other, port in _witnesses(topology, client):
        if _is_beside(topology, client, other) and _at(topology, client, other, port) is Admission.UNKNOWN:
            named = f"host {other.name}"
            whom = f"client {client.name}" if other.security_groups else named
            yield NotJudged(_ports(named, [port]), f"the topology states no security group of {whom}", 1)


def _witnesses(topology: Topology, client: Client) -> Iterator[tuple[Client, int]]:
    """Hosts elsewhere that listen, in the client's family, each with its port."""
    for other in topology.clients:
        known = other.vpc_id not in {client.vpc_id, UNKNOWN} and source_of(other) is not None
        if other.witness_port is not None and known and by_ipv6(other) == by_ipv6(client):
            yield other, other.witness_port


def _is_beside(topology: Topology, client: Client, other: Client) -> bool:
    """Whether a host is in the cluster VPC, and that VPC is peered with the client's."""
    cluster_vpc = topology.cluster(client.cluster_name).vpc_id
    return other.vpc_id == cluster_vpc and cluster_vpc in peered(topology, client.vpc_id)


def unreached_brokers(topology: Topology, observer: Client, cluster: Cluster, port: int) -> Iterator[ForbiddenView]:
    """An observer outside the cluster VPC reaches no broker: for want of a path, or of admission."""
    if observer.vpc_id == cluster.vpc_id:
        return
    attached = any(a.vpc_id == observer.vpc_id for a in topology.transit_gateway_attachments)
    own, theirs = (topology.vpc(v).cidr_blocks for v in (observer.vpc_id, cluster.vpc_id))
    overlap = next((b for b in own for c in theirs if b.overlaps(c)), None)
    barrier = Barrier.ROUTE
    if overlap is not None:
        why = (
            f"{observer.vpc_id} overlaps the cluster VPC: its local route to {overlap} wins over every other, "
            "so a packet to a broker never leaves it"
        )
    elif cluster.vpc_id in peered(topology, observer.vpc_id):
        denied = all(_at(topology, observer, broker, port) is Admission.DENIED for broker in cluster.brokers)
        why = (
            f"the brokers' security group does not admit host {observer.name}"
            if denied
            else f"host {observer.name} is an observer, which must reach no broker"
        )
        barrier = Barrier.SECURITY_GROUP
    elif attached:
        why = f"the gateway attachment of {observer.vpc_id} is associated with no route table"
    else:
        why = f"peering is not transitive: {observer.vpc_id} is not peered with the cluster VPC"
    for broker in cluster.brokers:
        yield forbidden(address_of(broker, ipv6=by_ipv6(observer)), port, why, barrier)
