"""Clusters and clients."""

from __future__ import annotations

from collections.abc import Iterator

from brokerproof.topology.models import UNKNOWN, Client, Cluster, NetworkType, Topology
from brokerproof.topology.models.client import NEEDED_CREDENTIALS, OPTIONAL_CREDENTIALS
from brokerproof.topology.rules.problem import Path, Problem
from brokerproof.topology.rules.vantage import vantage_problems


def clusters(topology: Topology) -> Iterator[Problem]:
    """Broker ids used twice, and advertised listeners the cluster does not have."""
    for i, cluster in enumerate(topology.clusters):
        if not cluster.brokers:
            yield Problem(
                ("clusters", i, "brokers"),
                "is empty; `brokerproof topology from HOST:PORT` writes down the brokers that a cluster names",
            )
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


_DUAL_SINCE = (3, 6, 0)


def dual_stack(topology: Topology) -> Iterator[Problem]:
    """What UpdateConnectivity refuses for the network type DUAL, and listeners that need it.

    Every subnet of the cluster needs IPv6, and Kafka 3.6.0 (MSK developer guide, dual-stack network type).
    """
    for i, cluster in enumerate(topology.clusters):
        if cluster.network_type is NetworkType.DUAL:
            yield from _dual(topology, cluster, ("clusters", i))
            continue
        for j, listener in enumerate(cluster.listeners):
            if listener.ipv6:
                yield Problem(("clusters", i, "listeners", j, "name"), f"{listener.name} needs network_type DUAL")
    for i, client in enumerate(topology.clients):
        if client.listener.endswith("_IPV6") and client.ipv6_address is None:
            yield Problem(("clients", i, "listener"), f"{client.listener} needs the client's ipv6_address")


def _dual(topology: Topology, cluster: Cluster, base: Path) -> Iterator[Problem]:
    if tuple(map(int, cluster.kafka_version.split("."))) < _DUAL_SINCE:
        yield Problem((*base, "kafka_version"), f"network_type DUAL needs 3.6.0 or later, not {cluster.kafka_version}")
    for j, broker in enumerate(cluster.brokers):
        path: Path = (*base, "brokers", j)
        if broker.client_subnet != UNKNOWN and topology.subnet(broker.client_subnet).ipv6_cidr_block is None:
            yield Problem(
                (*path, "client_subnet"), f"network_type DUAL needs an ipv6_cidr_block of {broker.client_subnet}"
            )
        if broker.ipv6_address is None or broker.ipv6_endpoint is None:
            yield Problem(path, "network_type DUAL needs ipv6_address and ipv6_endpoint of every broker")


def _logs_in(client: Client, cluster: Cluster, base: Path) -> Iterator[Problem]:
    """A client whose listener does not take what it comes with, and credentials of another scheme."""
    scheme = client.authentication
    listener = next((each for each in cluster.listeners if each.name == client.listener), None)
    if listener is not None and scheme not in listener.takes:
        yield Problem((*base, "authentication"), f"{listener.name} takes {' or '.join(listener.takes)}, not {scheme}")
    given = client.credentials.given
    needed, optional = NEEDED_CREDENTIALS[scheme], OPTIONAL_CREDENTIALS[scheme]
    missing = [field for field in needed if field not in given]
    if missing:
        yield Problem((*base, "credentials"), f"authentication {scheme} needs {' and '.join(missing)}")
    for field in given:
        if field not in (*needed, *optional):
            yield Problem((*base, "credentials", field), f"authentication {scheme} has no use for it")


def clients(topology: Topology) -> Iterator[Problem]:
    """Clients whose listener or vantage cannot be."""
    for i, client in enumerate(topology.clients):
        cluster = topology.cluster(client.cluster_name)
        names = [listener.name for listener in cluster.listeners]
        if client.listener not in names:
            yield Problem(
                ("clients", i, "listener"),
                f"{cluster.cluster_name} has no listener {client.listener}; it has {names}",
                follows=(("clusters", topology.clusters.index(cluster), "listeners"),),
            )
        yield from _logs_in(client, cluster, ("clients", i))
        if client.pattern is None and client.vpc_id == UNKNOWN:
            yield Problem(
                ("clients", i, "pattern"),
                "is not given, which makes an observer, and an observer needs vpc_id, subnet_id and "
                "private_ip_address; where nobody says by which pattern it comes: pattern: unknown",
            )
        for field, words in vantage_problems(client.vantage):
            yield Problem(("clients", i, "vantage", *field), words)
