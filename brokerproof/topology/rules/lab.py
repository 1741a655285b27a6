"""Settings that only the lab reads."""

from __future__ import annotations

from collections.abc import Iterator

from brokerproof.topology.models import (
    CutOffBroker,
    FrozenBroker,
    HostsLine,
    LostPackets,
    ScarceQueries,
    Stranger,
    TakenConnections,
    TakenPorts,
    Topology,
)
from brokerproof.topology.rules.problem import Path, Problem


def links(topology: Topology) -> Iterator[Problem]:
    """One distance a pair of Regions, and only Regions that something is in."""
    known = {v.region_name for v in topology.vpcs} | {g.region_name for g in topology.transit_gateways}
    given: dict[tuple[str, ...], int] = {}
    for i, link in enumerate(topology.lab.links):
        path: Path = ("lab", "links", i)
        pair = tuple(sorted(link.regions))
        if pair in given:
            yield Problem(path, f"lab.links[{given[pair]}] already says what lies between {' and '.join(link.regions)}")
        given.setdefault(pair, i)
        for region in sorted(set(pair) - known):
            yield Problem(
                (*path, "regions"), f"nothing is in Region {region!r}; the topology has {', '.join(sorted(known))}"
            )


def name_servers(topology: Topology) -> Iterator[Problem]:
    """The subnets of DNS servers are there."""
    subnets = {s.subnet_id for s in topology.subnets}
    for i, server in enumerate(topology.lab.name_servers):
        if server.subnet_id is not None and server.subnet_id not in subnets:
            yield Problem(
                ("lab", "name_servers", i, "subnet_id"), f"no subnets entry has subnet_id {server.subnet_id!r}"
            )


def disturbances(topology: Topology) -> Iterator[Problem]:
    """What is disturbed is there."""
    vpcs = {v.vpc_id for v in topology.vpcs}
    clients = {client.name for client in topology.clients}
    for i, disturbance in enumerate(topology.lab.disturbances):
        path: Path = ("lab", "disturbances", i)
        match disturbance:
            case LostPackets() | ScarceQueries():
                if disturbance.vpc_id not in vpcs:
                    yield Problem((*path, "vpc_id"), f"no vpcs entry has vpc_id {disturbance.vpc_id!r}")
            case FrozenBroker() | CutOffBroker() | Stranger():
                brokers = {(c.cluster_name, b.broker_id) for c in topology.clusters for b in c.brokers}
                if (disturbance.cluster_name, disturbance.broker_id) not in brokers:
                    seen = f"{disturbance.cluster_name} has no broker {disturbance.broker_id}"
                    yield Problem((*path, "broker_id"), f"{seen}; expected one of its brokers")
            case HostsLine() | TakenConnections():
                if disturbance.client not in clients:
                    yield Problem((*path, "client"), f"no clients entry is called {disturbance.client!r}")
            case TakenPorts():
                name = disturbance.load_balancer_name
                if name not in {b.load_balancer_name for b in topology.load_balancers}:
                    yield Problem((*path, "load_balancer_name"), f"no load_balancers entry is called {name!r}")
