"""Changing one resource of a frozen topology. Pure; the result is not checked, so that it can be wrong on purpose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from brokerproof.topology.models import Broker, Cluster, Disturbance, Model, NameServer, Topology


def with_changes(topology: Topology, collection: str, index: int, **changes: Any) -> Topology:
    """The topology with some fields of one resource of a collection replaced."""
    items = list(getattr(topology, collection))
    items[index] = items[index].model_copy(update=changes)
    return topology.model_copy(update={collection: tuple(items)})


def with_each(topology: Topology, collection: str, **changes: Any) -> Topology:
    """The topology with some fields of every resource of a collection replaced."""
    items: tuple[Model, ...] = getattr(topology, collection)
    return topology.model_copy(update={collection: tuple(i.model_copy(update=changes) for i in items)})


def with_broker(topology: Topology, broker_id: int, **changes: Any) -> Topology:
    """The topology with some fields of one broker of its first cluster replaced."""
    cluster: Cluster = topology.clusters[0]
    brokers: tuple[Broker, ...] = tuple(
        b.model_copy(update=changes) if b.broker_id == broker_id else b for b in cluster.brokers
    )
    return with_changes(topology, "clusters", 0, brokers=brokers)


def with_properties(topology: Topology, properties: Mapping[str, str]) -> Topology:
    """The topology with more lines in the server.properties of every broker of its first cluster."""
    return with_changes(
        topology, "clusters", 0, server_properties=topology.clusters[0].server_properties | dict(properties)
    )


def with_added(topology: Topology, collection: str, *items: Model) -> Topology:
    """The topology with more resources at the end of a collection."""
    return topology.model_copy(update={collection: (*getattr(topology, collection), *items)})


def with_lab(topology: Topology, **changes: Any) -> Topology:
    """The topology with some of the settings that only the lab reads replaced."""
    return topology.model_copy(update={"lab": topology.lab.model_copy(update=changes)})


def with_disturbances(topology: Topology, *disturbances: Disturbance) -> Topology:
    """The topology with more of what disturbs it in the lab alone; what does so already goes on."""
    return with_lab(topology, disturbances=(*topology.lab.disturbances, *disturbances))


def with_name_servers(topology: Topology, *servers: NameServer) -> Topology:
    """The topology with more DNS servers that are not AWS's; one at the address of another takes its place."""
    taken = {server.address for server in servers}
    others = (server for server in topology.lab.name_servers if server.address not in taken)
    return with_lab(topology, name_servers=(*others, *servers))


def with_changed(topology: Topology, collection: str, chosen: Callable[[Any], bool], **changes: Any) -> Topology:
    """The topology with some fields replaced in those resources of a collection that are chosen.

    A change may be a function of the resource.
    """
    for index, item in enumerate(getattr(topology, collection)):
        if chosen(item):
            values = {name: change(item) if callable(change) else change for name, change in changes.items()}
            topology = with_changes(topology, collection, index, **values)
    return topology
