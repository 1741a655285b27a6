"""What spans resources: references, addresses, quotas, and what AWS itself refuses.

Every rule yields problems with the path of the field; AWS's own error name is given where AWS
refuses the same thing. One module a subject; :func:`problems` asks them all.
"""

from __future__ import annotations

from brokerproof.topology.models import Topology
from brokerproof.topology.rules.addresses import addresses, ipv6_addresses, placements
from brokerproof.topology.rules.cluster import clients, clusters, dual_stack
from brokerproof.topology.rules.dns import alias_names, zones
from brokerproof.topology.rules.ip_address_types import (
    connection_families,
    endpoint_families,
    families,
    service_families,
    target_families,
)
from brokerproof.topology.rules.lab import disturbances, links, name_servers
from brokerproof.topology.rules.load_balancing import LISTENERS_PER_NLB, endpoints, load_balancers
from brokerproof.topology.rules.multi_vpc import connections, connectivity
from brokerproof.topology.rules.problem import Path, Problem, causes, dotted
from brokerproof.topology.rules.references import duplicates, references
from brokerproof.topology.rules.routing import attachments, peerings, routes
from brokerproof.topology.rules.security import network_acls, permissions

__all__ = ["LISTENERS_PER_NLB", "Path", "Problem", "alias_names", "dotted", "placements", "problems"]

_RULES = (
    addresses,
    ipv6_addresses,
    peerings,
    routes,
    attachments,
    permissions,
    network_acls,
    load_balancers,
    endpoints,
    families,
    target_families,
    service_families,
    endpoint_families,
    connection_families,
    zones,
    clusters,
    dual_stack,
    connectivity,
    connections,
    clients,
    links,
    disturbances,
    name_servers,
)


def problems(topology: Topology) -> tuple[Problem, ...]:
    """What is wrong with the topology beyond its shape, in file order, without what only follows from another."""
    found = [*duplicates(topology), *references(topology)]
    if found:
        # The rules below follow references, so they only make sense when these hold.
        return tuple(found)
    return causes([problem for rule in _RULES for problem in rule(topology)])
