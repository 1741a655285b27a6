"""Clusters and clients."""

from __future__ import annotations

from collections.abc import Iterator

from topology.models import Topology
from topology.rules.problem import Path, Problem


def clusters(topology: Topology) -> Iterator[Problem]:
    """Broker ids used twice, and advertised listeners the cluster does not have."""
    for i, cluster in enumerate(topology.clusters):
        names = {listener.name for listener in cluster.listeners}
        seen: dict[int, int] = {}
        for j, broker in enumerate(cluster.brokers):
            base: Path = ("clusters", i, "brokers", j)
            if broker.broker_id in seen:
                yield Problem((*base, "broker_id"), f"{broker.broker_id} is already brokers[{seen[broker.broker_id]}]")
            seen.setdefault(broker.broker_id, j)
            for k, advertised in enumerate(broker.advertised_listeners):
                if advertised.listener not in names:
                    yield Problem(
                        (*base, "advertised_listeners", k, "listener"),
                        f"{advertised.listener} is not a listener of the cluster, which has {', '.join(sorted(names))}",
                    )


def clients(topology: Topology) -> Iterator[Problem]:
    """Clients whose listener or vantage cannot be."""
    for i, client in enumerate(topology.clients):
        cluster = topology.cluster(client.cluster_name)
        names = [listener.name for listener in cluster.listeners]
        if client.listener not in names:
            yield Problem(
                ("clients", i, "listener"),
                f"{cluster.cluster_name} has no listener {client.listener}; it has {names}",
            )
        if client.vantage.kind == "exec" and not client.vantage.command:
            yield Problem(
                ("clients", i, "vantage", "command"),
                'is empty; give the prefix that lands in the client VPC, e.g. ["ssh", "client-host", "--"]',
            )
