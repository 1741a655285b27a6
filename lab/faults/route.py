"""Faults of route tables and peering connections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from lab.faults.fault import PEERING, Fault, Layer
from probes.outcome import Reason, Stage
from topology.edit import with_changes, with_each
from topology.models import PeeringStatus, Topology


def _without_routes(topology: Topology, subnet_prefix: str) -> Topology:
    for index, table in enumerate(topology.route_tables):
        if any(subnet_id.startswith(subnet_prefix) for subnet_id in table.subnet_ids):
            topology = with_changes(topology, "route_tables", index, routes=())
    return topology


def _missing_at_client(topology: Topology) -> Topology:
    return _without_routes(topology, "subnet-b")


def _missing_at_cluster(topology: Topology) -> Topology:
    return _without_routes(topology, "subnet-cluster")


def _missing_in_one_subnet(topology: Topology) -> Topology:
    return _without_routes(topology, "subnet-cluster-2")


def _deleted(topology: Topology) -> Topology:
    return with_each(topology, "vpc_peering_connections", status=PeeringStatus.DELETED)


def _fault(name: str, title: str, edit: Callable[[Topology], Topology], brokers: tuple[int, ...] = (1, 2, 3)) -> Fault:
    return Fault(
        name=name,
        title=title,
        layer=Layer.ROUTE,
        patterns=PEERING,
        edit=edit,
        stage=Stage.CONNECT,
        reasons=(Reason.TIMED_OUT,),
        brokers=brokers,
    )


FAULTS: Final = (
    _fault(
        "route-missing-client", "The client subnet's route table has no route to the cluster VPC.", _missing_at_client
    ),
    _fault("route-missing-return", "The broker subnets' route tables have no route back.", _missing_at_cluster),
    _fault("route-missing-one-subnet", "Broker 2's subnet has no route back.", _missing_in_one_subnet, brokers=(2,)),
    _fault("peering-deleted", "The peering connection was deleted; its routes are blackholes.", _deleted),
)
