"""Where brokers listen, and what they advertise for it. Pure."""

from __future__ import annotations

from brokerproof.topology.managed import connection_name, connection_port
from brokerproof.topology.models import Broker, Cluster, VpcAuthentication


def advertised(cluster: Cluster, broker: Broker, listener: str) -> tuple[str, int]:
    """The name and port a broker advertises for a listener.

    Unchanged means its own name and the bind port; behind multi-VPC connectivity, what MSK sets there.
    """
    for entry in broker.advertised_listeners:
        if entry.listener == listener:
            return entry.name, entry.port
    scheme = next((s for s in VpcAuthentication if s.listener == listener), None)
    if scheme is not None:
        return connection_name(broker, scheme), connection_port(cluster, broker)
    port = bind_port(cluster, listener)
    if is_ipv6(cluster, listener) and broker.ipv6_endpoint is not None:
        return broker.ipv6_endpoint, port
    return broker.endpoint, port


def bind_port(cluster: Cluster, listener: str) -> int:
    """The port a listener is bound to on every broker."""
    return next(entry.port for entry in cluster.listeners if entry.name == listener)


def is_ipv6(cluster: Cluster, listener: str) -> bool:
    """Whether a listener is of the cluster's IPv6 network."""
    return any(entry.ipv6 for entry in cluster.listeners if entry.name == listener)
