"""IPv6 beside the IPv4 of a topology that a builder has made: blocks, addresses, routes, rules, listeners, clients.

What is here follows the IPv4 side one to one, so a pattern is described once. Names and ports are MSK's for
the network type DUAL: ``bi6-N.`` (hashicorp/terraform-provider-aws issue 48975, an answer of
GetBootstrapBrokers) and 20092/20094 (MSK developer guide, port information).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

from topology.models import (
    Broker,
    Client,
    Cluster,
    ClusterListener,
    IpPermission,
    NetworkType,
    Route,
    SecurityGroup,
    Topology,
    TransitGatewayRoute,
    Vpc,
)

EVERY_VPC: Final = IPv6Network("fd00:10::/32")
"""Unique local addresses (RFC 4193), of which each VPC takes a /56, as AWS gives, and each subnet a /64."""
IPV6_PORTS: Final = {9092: 20092, 9094: 20094}
IPV6_LISTENERS: Final = {"CLIENT": "CLIENT_IPV6", "CLIENT_SECURE": "CLIENT_SECURE_IPV6"}


def with_ipv6(topology: Topology) -> Topology:
    """The topology with IPv6 beside its IPv4, and each client once more, named with a 6, on the IPv6 listener."""
    plan = _Plan(topology)
    clients = tuple(_with_address(plan, c) for c in topology.clients)
    return topology.model_copy(
        update={
            "vpcs": tuple(_vpc(plan, v) for v in topology.vpcs),
            "subnets": tuple(
                s.model_copy(update={"ipv6_cidr_block": plan.subnets[s.subnet_id]}) for s in topology.subnets
            ),
            "route_tables": tuple(
                t.model_copy(update={"routes": (*t.routes, *_routes(plan, t.vpc_id, t.routes))})
                for t in topology.route_tables
            ),
            "transit_gateway_route_tables": tuple(
                t.model_copy(update={"routes": (*t.routes, *_gateway_routes(plan, t.routes))})
                for t in topology.transit_gateway_route_tables
            ),
            "security_groups": tuple(_group(plan, g) for g in topology.security_groups),
            "clusters": tuple(_cluster(plan, c) for c in topology.clusters),
            "clients": (*clients, *map(_twin, clients)),
        }
    )


class _Plan:
    """Which IPv6 block stands beside which IPv4 one. VPCs may share an IPv4 block; their IPv6 blocks differ."""

    def __init__(self, topology: Topology) -> None:
        blocks = EVERY_VPC.subnets(new_prefix=56)
        self.vpcs = {v.vpc_id: block for v, block in zip(topology.vpcs, blocks, strict=False)}
        self.subnets: dict[str, IPv6Network] = {}
        self._beside: dict[tuple[str, IPv4Network], IPv6Network] = {}
        for vpc in topology.vpcs:
            self._beside |= {(vpc.vpc_id, block): self.vpcs[vpc.vpc_id] for block in vpc.cidr_blocks}
            own = [s for s in topology.subnets if s.vpc_id == vpc.vpc_id]
            for subnet, block in zip(own, self.vpcs[vpc.vpc_id].subnets(new_prefix=64), strict=False):
                self.subnets[subnet.subnet_id] = block
                self._beside[vpc.vpc_id, subnet.cidr_block] = block
        self._topology = topology

    def block(self, vpc_id: str, cidr: IPv4Network) -> IPv6Network | None:
        """What stands beside a CIDR as it is meant in a VPC: its own first, then another's, then all of them."""
        others = (block for (_, known), block in self._beside.items() if known == cidr)
        found = self._beside.get((vpc_id, cidr)) or next(others, None)
        wide = any(vpc_block.subnet_of(cidr) for v in self._topology.vpcs for vpc_block in v.cidr_blocks)
        return found or (EVERY_VPC if wide else None)

    def address(self, subnet_id: str, address: IPv4Address) -> IPv6Address:
        """The address at the same offset of the subnet."""
        offset = int(address) - int(self._topology.subnet(subnet_id).cidr_block.network_address)
        return self.subnets[subnet_id][offset]


def _vpc(plan: _Plan, vpc: Vpc) -> Vpc:
    return vpc.model_copy(update={"ipv6_cidr_blocks": (plan.vpcs[vpc.vpc_id],)})


def _routes(plan: _Plan, vpc_id: str, routes: Iterable[Route]) -> Iterator[Route]:
    for route in routes:
        block = None if route.destination_cidr_block is None else plan.block(vpc_id, route.destination_cidr_block)
        if block is not None:
            yield route.model_copy(update={"destination_cidr_block": None, "destination_ipv6_cidr_block": block})


def _gateway_routes(plan: _Plan, routes: Iterable[TransitGatewayRoute]) -> Iterator[TransitGatewayRoute]:
    for route in routes:
        cidr = route.destination_cidr_block
        block = plan.block("", cidr) if isinstance(cidr, IPv4Network) else None
        if block is not None:
            yield route.model_copy(update={"destination_cidr_block": block})


def _group(plan: _Plan, group: SecurityGroup) -> SecurityGroup:
    return group.model_copy(
        update={
            side: (*getattr(group, side), *_rules(plan, group, getattr(group, side))) for side in ("ingress", "egress")
        }
    )


def _rules(plan: _Plan, group: SecurityGroup, rules: Iterable[IpPermission]) -> Iterator[IpPermission]:
    """Client ports become those of IPv6. A rule that names a group holds for both families; only its port differs."""
    for rule in rules:
        port = IPV6_PORTS.get(rule.from_port) if rule.from_port == rule.to_port else None
        ports = {} if port is None else {"from_port": port, "to_port": port}
        if rule.cidr_ipv4 is not None:
            block = plan.block(group.vpc_id, rule.cidr_ipv4)
            everywhere = IPv6Network("::/0") if rule.cidr_ipv4.prefixlen == 0 else block
            if everywhere is not None:
                yield rule.model_copy(update={"cidr_ipv4": None, "cidr_ipv6": everywhere, **ports})
        elif ports:
            yield rule.model_copy(update=ports)


def _cluster(plan: _Plan, cluster: Cluster) -> Cluster:
    own = [listener for listener in cluster.listeners if listener.name in IPV6_LISTENERS]
    beside = [ClusterListener.model_validate(_listener(entry)) for entry in own]
    return cluster.model_copy(
        update={
            "network_type": NetworkType.DUAL,
            "listeners": (*cluster.listeners, *beside),
            "brokers": tuple(_broker(plan, cluster, b) for b in cluster.brokers),
        }
    )


def _listener(entry: ClusterListener) -> dict[str, object]:
    return {"name": IPV6_LISTENERS[entry.name], "port": IPV6_PORTS[entry.port]}


def _broker(plan: _Plan, cluster: Cluster, broker: Broker) -> Broker:
    return broker.model_copy(
        update={
            "ipv6_endpoint": f"bi6-{broker.broker_id}.{cluster.domain}",
            "ipv6_address": plan.address(broker.client_subnet, broker.client_vpc_ip_address),
        }
    )


def _with_address(plan: _Plan, client: Client) -> Client:
    return client.model_copy(update={"ipv6_address": plan.address(client.subnet_id, client.private_ip_address)})


def _twin(client: Client) -> Client:
    """The same host once more, by the IPv6 listener."""
    return client.model_copy(
        update={"name": f"{client.name}6", "listener": IPV6_LISTENERS.get(client.listener, client.listener)}
    )
