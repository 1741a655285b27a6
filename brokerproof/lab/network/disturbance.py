"""Disturbances, as lines of nftables for the namespaces they happen in. Pure.

What AWS has a setting for is compiled with that resource. This module has only what the lab alone can ask for
(:mod:`brokerproof.topology.models.lab`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address

from brokerproof.topology.models import (
    Client,
    CutOffBroker,
    Direction,
    FrozenBroker,
    HostsLine,
    LostPackets,
    ScarceQueries,
    Silence,
    TakenConnections,
    TakenPorts,
    Topology,
    Vpc,
)
from brokerproof.topology.unknown import known

_DNS = 'iifname != "lo" meta l4proto { tcp, udp } th dport 53'
"""Queries of hosts; the lab's own, by which it sees that a resolver is up, come by lo."""
_END = {Silence.NOTHING: "drop", Silence.RESET: "reject with tcp reset"}
_BURST = 5
"""What nftables lets through at first by default."""


def lost_packets(topology: Topology, vpc: Vpc, interfaces: Mapping[IPv4Address, str]) -> list[str]:
    """A chain of the VPC's router that drops what is lost on its way to or from an ENI; none where nothing is.

    Open connections are cut as well: nothing that is known passes before.
    """
    rules = [
        f"    {_match(lost, interfaces[lost.private_ip_address])} {_END[lost.answer]}"
        for lost in topology.lab.disturbances
        if isinstance(lost, LostPackets) and lost.vpc_id == vpc.vpc_id and lost.private_ip_address in interfaces
    ]
    rules += [
        f'    {direction} "{interfaces[broker]}" ip {other} {{ {", ".join(map(str, others))} }} drop'
        for broker, others in _cut_off(topology, vpc)
        for direction, other in (("iifname", "daddr"), ("oifname", "saddr"))
    ]
    return ["  chain lost {", "    type filter hook forward priority -20", *rules, "  }"] if rules else []


def _cut_off(topology: Topology, vpc: Vpc) -> Iterator[tuple[IPv4Address, list[IPv4Address]]]:
    """Brokers of this VPC that are cut off from the other brokers, which are the controllers too, and those."""
    for cluster in topology.clusters:
        for broker in cluster.brokers:
            if cluster.vpc_id == vpc.vpc_id and is_cut_off(topology, cluster.cluster_name, broker.broker_id):
                others = [known(b.client_vpc_ip_address) for b in cluster.brokers if b is not broker]
                if others:
                    yield known(broker.client_vpc_ip_address), others


def _match(lost: LostPackets, interface: str) -> str:
    words = [f'{"oifname" if lost.direction is Direction.TO else "iifname"} "{interface}"']
    if lost.larger_than_bytes is not None:
        words.append(f"meta length > {lost.larger_than_bytes}")
    if lost.syn_alone:
        words.append("tcp flags & (syn | ack) == syn")
    if lost.one_in > 1:
        words.append(f"numgen inc mod {lost.one_in} == 0")
    if lost.answer is Silence.RESET:
        words.append("meta l4proto tcp")
    return " ".join(words)


def queries(topology: Topology, vpc: Vpc) -> Iterator[str]:
    """Rules that stand before those that let queries in to the VPC's resolver.

    Without ``enableDnsSupport`` a VPC has no resolver (VPC guide, DNS attributes).
    """
    scarce = [d for d in topology.lab.disturbances if isinstance(d, ScarceQueries) and d.vpc_id == vpc.vpc_id]
    if not vpc.enable_dns_support or any(d.packets_per_s == 0 for d in scarce):
        yield f"    {_DNS} drop"
        return
    for disturbance in scarce:
        yield f"    {_DNS} limit rate over {disturbance.packets_per_s}/second burst {_BURST} packets drop"


def takes_no_connection(topology: Topology, load_balancer_name: str) -> bool:
    """Whether the load balancer has no port left to connect to its targets from."""
    return TakenPorts(load_balancer_name=load_balancer_name) in topology.lab.disturbances


def is_cut_off(topology: Topology, cluster_name: str, broker_id: int) -> bool:
    """Whether the broker reaches no other broker and no controller."""
    return CutOffBroker(cluster_name=cluster_name, broker_id=broker_id) in topology.lab.disturbances


def hosts_lines(topology: Topology, client: Client) -> tuple[str, ...]:
    """What the client's host has in ``/etc/hosts`` beside its own names."""
    lines = (d for d in topology.lab.disturbances if isinstance(d, HostsLine) and d.client == client.name)
    return tuple(f"{line.address} {line.name}" for line in lines)


def taken_connections(topology: Topology, client: Client) -> str:
    """The ruleset of a client's host whose connections end elsewhere; empty where none do."""
    taken = (d for d in topology.lab.disturbances if isinstance(d, TakenConnections) and d.client == client.name)
    rules = [f"    tcp dport {d.first_port}-{d.last_port} dnat to {d.to_address}:{d.to_port}" for d in taken]
    if not rules:
        return ""
    chain = ["  chain output {", "    type nat hook output priority -100", *rules, "  }"]
    return "\n".join(["flush ruleset", "table ip brokerproof {", *chain, "}", ""])


def is_frozen(topology: Topology, cluster_name: str, broker_id: int) -> bool:
    """Whether the broker's process stands still."""
    asked = FrozenBroker(cluster_name=cluster_name, broker_id=broker_id)
    return asked in topology.lab.disturbances
