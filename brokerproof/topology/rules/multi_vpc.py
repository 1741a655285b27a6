"""Multi-VPC private connectivity: what UpdateConnectivity and CreateVpcConnection refuse.

Source: MSK developer guide, "Amazon MSK multi-VPC private connectivity in a single Region",
requirements and limitations.
"""

from __future__ import annotations

from collections.abc import Iterator

from brokerproof.topology.models import Cluster, Topology, VpcConnection
from brokerproof.topology.rules.problem import Path, Problem

OLDEST_KAFKA = (2, 7, 1)
MOST_BROKERS = 100
"""Ports 14001 to 14100, one a broker."""


def connectivity(topology: Topology) -> Iterator[Problem]:
    """Schemes turned on without a listener, and Kafka versions too old for them."""
    for i, cluster in enumerate(topology.clusters):
        base: Path = ("clusters", i)
        if cluster.vpc_connectivity and tuple(map(int, cluster.kafka_version.split("."))) < OLDEST_KAFKA:
            yield Problem(
                (*base, "kafka_version"),
                f"multi-VPC connectivity needs Kafka 2.7.1 or newer, not {cluster.kafka_version} "
                "(AWS: BadRequestException)",
            )
        if cluster.vpc_connectivity and len(cluster.brokers) > MOST_BROKERS:
            yield Problem((*base, "brokers"), f"{len(cluster.brokers)} brokers; ports 14001-14100 serve {MOST_BROKERS}")
        for j, scheme in enumerate(cluster.vpc_connectivity):
            if scheme.listener not in {entry.name for entry in cluster.listeners}:
                yield Problem((*base, "vpc_connectivity", j), f"{scheme} needs the listener {scheme.listener}")
        for j, listener in enumerate(cluster.listeners):
            served = listener.vpc_authentication
            if served is not None and served not in cluster.vpc_connectivity:
                yield Problem((*base, "listeners", j), f"{listener.name} is there only while {served} is turned on")


def connections(topology: Topology) -> Iterator[Problem]:
    """Connections of another Region, of other zones, without permission, or for a scheme that is off."""
    for i, connection in enumerate(topology.vpc_connections):
        path: Path = ("vpc_connections", i)
        cluster = topology.cluster(connection.target_cluster_name)
        if connection.authentication not in cluster.vpc_connectivity:
            on = ", ".join(cluster.vpc_connectivity) or "none"
            yield Problem(
                (*path, "authentication"),
                f"{cluster.cluster_name} has multi-VPC connectivity on for {on}, not for {connection.authentication} "
                "(AWS: BadRequestException)",
            )
        yield from _placed(topology, connection, cluster, path)
        owner, cluster_owner = topology.vpc(connection.vpc_id).owner_id, topology.vpc(cluster.vpc_id).owner_id
        if owner != cluster_owner and owner not in cluster.cluster_policy_principals:
            yield Problem(
                (*path, "vpc_id"),
                f"the cluster policy of {cluster.cluster_name} does not allow account {owner} to "
                "kafka:CreateVpcConnection (AWS: ForbiddenException)",
            )


def _placed(topology: Topology, connection: VpcConnection, cluster: Cluster, path: Path) -> Iterator[Problem]:
    here, there = topology.vpc(connection.vpc_id).region_name, topology.vpc(cluster.vpc_id).region_name
    if here != there:
        yield Problem(
            (*path, "vpc_id"),
            f"{connection.vpc_id} is in {here} and the cluster in {there}: multi-VPC connectivity stays in one Region "
            "(AWS: BadRequestException)",
        )
        return
    ours = {topology.zone_of(subnet_id) for subnet_id in connection.client_subnets}
    theirs = {topology.zone_of(broker.client_subnet) for broker in cluster.brokers}
    if "" in theirs:
        return  # a broker's subnet is unknown
    if ours != theirs or len(connection.client_subnets) != len(theirs):
        yield Problem(
            (*path, "client_subnets"),
            f"are in zones {', '.join(sorted(ours))}; expected one in each of the cluster's zone ids, "
            f"{', '.join(sorted(theirs))} (AWS: BadRequestException)",
        )
    for j, subnet_id in enumerate(connection.client_subnets):
        if topology.subnet(subnet_id).vpc_id != connection.vpc_id:
            yield Problem((*path, "client_subnets", j), f"{subnet_id} is not in {connection.vpc_id}")
    for j, eni in enumerate(connection.network_interfaces):
        if eni.subnet_id not in connection.client_subnets:
            yield Problem((*path, "network_interfaces", j), f"{eni.subnet_id} is not one of its client_subnets")
