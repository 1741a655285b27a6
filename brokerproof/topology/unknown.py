"""What a topology does not know: said as such, left out of every statement, and refused where it is needed. Pure.

A topology from a bootstrap string knows brokers and nothing of VPCs. Whoever needs what is unknown asks here, and
names it; nobody fills it in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from brokerproof.topology.files import TopologyError
from brokerproof.topology.models import UNKNOWN, Broker, Client, Cluster, Topology
from brokerproof.topology.rules import Path, dotted

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unknown:
    """One thing that is not known, and what would be verified if it were."""

    path: Path
    then: str


def known(value: T | None) -> T:
    """A value that the caller cannot do without.

    Raises:
        TopologyError: it is unknown.
    """
    if value is None:
        raise TopologyError("an address is unknown here, and this needs it; `brokerproof topology check` names it")
    return value


def unknowns(topology: Topology) -> Iterator[Unknown]:
    """Everything that is unknown, in the order of the file."""
    for i, cluster in enumerate(topology.clusters):
        base: Path = ("clusters", i)
        if cluster.vpc_id == UNKNOWN:
            yield Unknown((*base, "vpc_id"), "by which way the clients come, and what must not work beside it")
        for j, broker in enumerate(cluster.brokers):
            if broker.client_vpc_ip_address is None:
                path = (*base, "brokers", j, "client_vpc_ip_address")
                yield Unknown(path, "that the broker's name leads to it and to nothing else")
            if broker.client_subnet == UNKNOWN:
                yield Unknown((*base, "brokers", j, "client_subnet"), "what is the matter with one zone alone")
    for i, client in enumerate(topology.clients):
        base = ("clients", i)
        if client.vpc_id == UNKNOWN:
            yield Unknown((*base, "vpc_id"), "that it comes by its own path, and what must not work beside it")
        if client.subnet_id == UNKNOWN:
            yield Unknown((*base, "subnet_id"), "its zone, and that nothing answers at free addresses beside it")
        if client.private_ip_address is None:
            yield Unknown((*base, "private_ip_address"), "that the brokers see it there and nowhere else")


def refuse_unknown(topology: Topology, who: str) -> None:
    """Nothing, where everything is known.

    Raises:
        TopologyError: something is not; every place is named.
    """
    found = [dotted(each.path) for each in unknowns(topology)]
    if found:
        raise TopologyError(f"topology {topology.name}: {who} needs what is unknown: {', '.join(found)}")


def knows_way(client: Client, cluster: Cluster) -> bool:
    """Whether enough is known of both ends to say which addresses the client must be led to."""
    ends = UNKNOWN not in {client.vpc_id, client.subnet_id, cluster.vpc_id}
    return ends and all(map(_is_placed, cluster.brokers))


def _is_placed(broker: Broker) -> bool:
    return broker.client_vpc_ip_address is not None and broker.client_subnet != UNKNOWN
