"""Ids are unique, and what refers to an id finds it."""

from __future__ import annotations

from collections.abc import Iterator

from brokerproof.topology.models import UNKNOWN, Topology
from brokerproof.topology.rules.problem import Path, Problem, dotted

IDS = (
    ("vpcs", "vpc_id"),
    ("subnets", "subnet_id"),
    ("route_tables", "route_table_id"),
    ("vpc_peering_connections", "vpc_peering_connection_id"),
    ("transit_gateways", "transit_gateway_id"),
    ("transit_gateway_attachments", "transit_gateway_attachment_id"),
    ("transit_gateway_route_tables", "transit_gateway_route_table_id"),
    ("network_acls", "network_acl_id"),
    ("security_groups", "group_id"),
    ("target_groups", "target_group_name"),
    ("load_balancers", "load_balancer_name"),
    ("endpoint_services", "service_name"),
    ("vpc_endpoints", "vpc_endpoint_id"),
    ("hosted_zones", "hosted_zone_id"),
    ("resolver_rules", "resolver_rule_id"),
    ("clusters", "cluster_name"),
    ("vpc_connections", "vpc_connection_arn"),
    ("clients", "name"),
)
"""Each collection of a topology, and what its items are called by."""


_REFERENCES = (
    ("subnets", "vpc_id", "vpcs"),
    ("route_tables", "vpc_id", "vpcs"),
    ("route_tables", "subnet_ids", "subnets"),
    ("vpc_peering_connections", "requester_vpc_id", "vpcs"),
    ("vpc_peering_connections", "accepter_vpc_id", "vpcs"),
    ("transit_gateway_attachments", "transit_gateway_id", "transit_gateways"),
    ("transit_gateway_attachments", "vpc_id", "vpcs"),
    ("transit_gateway_attachments", "subnet_ids", "subnets"),
    ("transit_gateway_attachments", "peer_attachment_id", "transit_gateway_attachments"),
    ("transit_gateway_attachments", "association", "transit_gateway_route_tables"),
    ("transit_gateway_attachments", "propagations", "transit_gateway_route_tables"),
    ("transit_gateway_route_tables", "transit_gateway_id", "transit_gateways"),
    ("network_acls", "vpc_id", "vpcs"),
    ("network_acls", "subnet_ids", "subnets"),
    ("security_groups", "vpc_id", "vpcs"),
    ("target_groups", "vpc_id", "vpcs"),
    ("load_balancers", "vpc_id", "vpcs"),
    ("load_balancers", "security_groups", "security_groups"),
    ("endpoint_services", "network_load_balancer_name", "load_balancers"),
    ("vpc_endpoints", "vpc_id", "vpcs"),
    ("vpc_endpoints", "service_name", "endpoint_services"),
    ("vpc_endpoints", "security_groups", "security_groups"),
    ("hosted_zones", "vpc_ids", "vpcs"),
    ("resolver_rules", "vpc_ids", "vpcs"),
    ("clusters", "vpc_id", "vpcs"),
    ("vpc_connections", "target_cluster_name", "clusters"),
    ("vpc_connections", "vpc_id", "vpcs"),
    ("vpc_connections", "client_subnets", "subnets"),
    ("vpc_connections", "security_groups", "security_groups"),
    ("clients", "vpc_id", "vpcs"),
    ("clients", "endpoint_vpc_id", "vpcs"),
    ("clients", "subnet_id", "subnets"),
    ("clients", "cluster_name", "clusters"),
    ("clients", "security_groups", "security_groups"),
)


_NESTED_REFERENCES = (
    ("route_tables", "routes", "vpc_peering_connection_id", "vpc_peering_connections"),
    ("route_tables", "routes", "transit_gateway_id", "transit_gateways"),
    (
        "transit_gateway_route_tables",
        "routes",
        "transit_gateway_attachment_id",
        "transit_gateway_attachments",
    ),
    ("load_balancers", "availability_zones", "subnet_id", "subnets"),
    ("load_balancers", "listeners", "target_group_name", "target_groups"),
    ("vpc_endpoints", "network_interfaces", "subnet_id", "subnets"),
    ("vpc_connections", "network_interfaces", "subnet_id", "subnets"),
    ("clusters", "brokers", "client_subnet", "subnets"),
    ("clusters", "brokers", "security_groups", "security_groups"),
)


_MAY_BE_UNKNOWN = frozenset(
    {("clusters", "vpc_id"), ("clusters", "client_subnet"), ("clients", "vpc_id"), ("clients", "subnet_id")}
)
"""By the first and the last name of the path."""


def duplicates(topology: Topology) -> Iterator[Problem]:
    """Ids used twice."""
    for collection, key in IDS:
        seen: dict[str, int] = {}
        for index, item in enumerate(getattr(topology, collection)):
            value = getattr(item, key)
            if value in seen:
                yield Problem((collection, index, key), f"{value!r} is already used by {collection}[{seen[value]}]")
            seen.setdefault(value, index)


def references(topology: Topology) -> Iterator[Problem]:
    """Ids that nothing has, each once: at the first place that refers to it."""
    keys = dict(IDS)
    known = {name: {getattr(i, key) for i in getattr(topology, name)} for name, key in IDS}
    places: dict[tuple[str, str], list[Path]] = {}
    for path, value, kind in _referring(topology):
        values = value if isinstance(value, tuple) else () if value is None else (value,)
        for one in values:
            if one not in known[kind] and not (one == UNKNOWN and (path[0], path[-1]) in _MAY_BE_UNKNOWN):
                places.setdefault((kind, one), []).append(path)
    for (kind, one), (first, *others) in places.items():
        have = ", ".join(sorted(known[kind])) or "none"
        also = (
            f"; {', '.join(map(dotted, others))} {'refer' if len(others) > 1 else 'refers'} to it too" if others else ""
        )
        yield Problem(first, f"no {kind} entry has {keys[kind]} {one!r}; there are: {have}{also}")


def _referring(topology: Topology) -> Iterator[tuple[Path, str | tuple[str, ...] | None, str]]:
    """Each field that refers, what it says, and what it refers to."""
    for collection, field, kind in _REFERENCES:
        for index, item in enumerate(getattr(topology, collection)):
            yield (collection, index, field), getattr(item, field), kind
    for collection, inner, field, kind in _NESTED_REFERENCES:
        for index, item in enumerate(getattr(topology, collection)):
            for position, part in enumerate(getattr(item, inner)):
                yield (collection, index, inner, position, field), getattr(part, field), kind
