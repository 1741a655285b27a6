"""IPv6 beside the IPv4 of a topology that a builder has made: blocks, addresses, routes, rules, listeners, clients.

What is here follows the IPv4 side one to one, so a pattern is described once. Names and ports are MSK's for
the network type DUAL: ``bi6-N.`` (hashicorp/terraform-provider-aws issue 48975, an answer of
GetBootstrapBrokers) and 20092/20094 (MSK developer guide, port information). An NLB gets a listener and a
target group of IPv6 beside each of IPv4, since a target group is of one family (NLB guide).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

from brokerproof.topology.files import TopologyError
from brokerproof.topology.models import (
    AdvertisedListener,
    Broker,
    Client,
    Cluster,
    ClusterListener,
    EndpointInterface,
    HostedZone,
    IpPermission,
    Listener,
    LoadBalancer,
    LoadBalancerZone,
    NetworkType,
    ResourceRecordSet,
    Route,
    SecurityGroup,
    TargetDescription,
    TargetGroup,
    Topology,
    TransitGatewayRoute,
    Vpc,
    VpcEndpoint,
)
from brokerproof.topology.patterns import client_names
from brokerproof.topology.unknown import known

EVERY_VPC: Final = IPv6Network("fd00:10::/32")
"""Unique local addresses (RFC 4193), of which each VPC takes a /56, as AWS gives, and each subnet a /64."""
IPV6_PORTS: Final = {9092: 20092, 9094: 20094}
_FURTHER: Final = 11_000
"""How far MSK's IPv6 ports are from its IPv4 ones; listeners of an NLB of the user's own follow suit."""
_LAST_PORT: Final = 65_535
IPV6_LISTENERS: Final = {"CLIENT": "CLIENT_IPV6", "CLIENT_SECURE": "CLIENT_SECURE_IPV6"}


def with_ipv6(topology: Topology) -> Topology:
    """The topology with IPv6 beside its IPv4, and each client once more, on the IPv6 listener.

    Raises:
        TopologyError: a listener's port leaves no room for the one of IPv6.
    """
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
            "target_groups": (*topology.target_groups, *(_target_group(plan, g) for g in topology.target_groups)),
            "load_balancers": tuple(_load_balancer(plan, b) for b in topology.load_balancers),
            "endpoint_services": tuple(
                s.model_copy(update={"supported_ip_address_types": ("ipv4", "ipv6")})
                for s in topology.endpoint_services
            ),
            "vpc_endpoints": tuple(_endpoint(plan, e) for e in topology.vpc_endpoints),
            "hosted_zones": tuple(_zone(topology, z) for z in topology.hosted_zones),
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
        self.ports = dict(IPV6_PORTS)
        """Port of IPv4 -> that of IPv6, of brokers and of load balancers."""
        for listener in (entry for balancer in topology.load_balancers for entry in balancer.listeners):
            self.ports.setdefault(listener.port, listener.port + _FURTHER)
        if max(self.ports.values()) > _LAST_PORT:
            highest = max(self.ports)
            raise TopologyError(
                f"--dual-stack gives the listener {highest} a twin {_FURTHER} ports above it, and there is no port "
                f"{highest + _FURTHER}; choose listener ports up to {_LAST_PORT - _FURTHER}"
            )
        self.targets = {
            address: self.address(b.client_subnet, address)
            for cluster in topology.clusters
            for b in cluster.brokers
            for address in (known(b.client_vpc_ip_address),)
        }
        """The brokers' ENIs: address of IPv4 -> that of IPv6."""

    def block(self, meant: Iterable[str], cidr: IPv4Network) -> IPv6Network | None:
        """What stands beside a CIDR: that of the VPCs it may be meant of, in this order, then another's, then all."""
        others = (block for (_, known), block in self._beside.items() if known == cidr)
        mine = (self._beside[vpc_id, cidr] for vpc_id in meant if (vpc_id, cidr) in self._beside)
        found = next(mine, None) or next(others, None)
        wide = any(vpc_block.subnet_of(cidr) for v in self._topology.vpcs for vpc_block in v.cidr_blocks)
        return found or (EVERY_VPC if wide else None)

    def beyond(self, vpc_id: str, route: Route) -> tuple[str, ...]:
        """The VPCs that a route of a VPC leads to."""
        if route.vpc_peering_connection_id is not None:
            sides = self._topology.peering(route.vpc_peering_connection_id).sides
            return tuple(side for side in sides if side != vpc_id)
        return self.attached()

    def attached(self) -> tuple[str, ...]:
        """The VPCs that are attached to a gateway."""
        return tuple(a.vpc_id for a in self._topology.transit_gateway_attachments if a.vpc_id is not None)

    def address(self, subnet_id: str, address: IPv4Address) -> IPv6Address:
        """The address at the same offset of the subnet."""
        offset = int(address) - int(self._topology.subnet(subnet_id).cidr_block.network_address)
        return self.subnets[subnet_id][offset]


def _vpc(plan: _Plan, vpc: Vpc) -> Vpc:
    return vpc.model_copy(update={"ipv6_cidr_blocks": (plan.vpcs[vpc.vpc_id],)})


def _routes(plan: _Plan, vpc_id: str, routes: Iterable[Route]) -> Iterator[Route]:
    for route in routes:
        cidr = route.destination_cidr_block
        block = None if cidr is None else plan.block(plan.beyond(vpc_id, route), cidr)
        if block is not None:
            yield route.model_copy(update={"destination_cidr_block": None, "destination_ipv6_cidr_block": block})


def _gateway_routes(plan: _Plan, routes: Iterable[TransitGatewayRoute]) -> Iterator[TransitGatewayRoute]:
    for route in routes:
        cidr = route.destination_cidr_block
        block = plan.block(plan.attached(), cidr) if isinstance(cidr, IPv4Network) else None
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
        port = plan.ports.get(rule.from_port) if rule.from_port == rule.to_port else None
        ports = {} if port is None else {"from_port": port, "to_port": port}
        if rule.cidr_ipv4 is not None:
            block = plan.block((group.vpc_id,), rule.cidr_ipv4)
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
    name = _ipv6_name(cluster, broker)
    changed = tuple(
        AdvertisedListener(listener=IPV6_LISTENERS[entry.listener], name=name, port=plan.ports[entry.port])
        for entry in broker.advertised_listeners
        if entry.listener in IPV6_LISTENERS
    )
    return broker.model_copy(
        update={
            "ipv6_endpoint": name,
            "ipv6_address": plan.targets[known(broker.client_vpc_ip_address)],
            "advertised_listeners": (*broker.advertised_listeners, *changed),
        }
    )


def _ipv6_name(cluster: Cluster, broker: Broker) -> str:
    return f"bi6-{broker.broker_id}.{cluster.domain}"


def _target_group(plan: _Plan, group: TargetGroup) -> TargetGroup:
    """The brokers of a target group once more, at their IPv6 addresses and port."""
    return group.model_copy(
        update={
            "target_group_name": _ipv6_group(group.target_group_name),
            "port": plan.ports[group.port],
            "ip_address_type": "ipv6",
            "targets": tuple(
                TargetDescription(id=plan.targets[t.id], port=None if t.port is None else plan.ports[t.port])
                for t in group.targets
                if isinstance(t.id, IPv4Address)
            ),
        }
    )


def _ipv6_group(name: str) -> str:
    return f"{name}-ipv6"


def _load_balancer(plan: _Plan, balancer: LoadBalancer) -> LoadBalancer:
    beside = tuple(
        Listener(port=plan.ports[entry.port], target_group_name=_ipv6_group(entry.target_group_name))
        for entry in balancer.listeners
    )

    def node(zone: LoadBalancerZone) -> LoadBalancerZone:
        return zone.model_copy(update={"ipv6_address": plan.address(zone.subnet_id, zone.private_ipv4_address)})

    return balancer.model_copy(
        update={
            "ip_address_type": "dualstack",
            "availability_zones": tuple(map(node, balancer.availability_zones)),
            "listeners": (*balancer.listeners, *beside),
        }
    )


def _endpoint(plan: _Plan, endpoint: VpcEndpoint) -> VpcEndpoint:
    def interface(eni: EndpointInterface) -> EndpointInterface:
        return eni.model_copy(update={"ipv6_address": plan.address(eni.subnet_id, eni.private_ip_address)})

    enis = tuple(map(interface, endpoint.network_interfaces))
    return endpoint.model_copy(update={"ip_address_type": "dualstack", "network_interfaces": enis})


def _zone(topology: Topology, zone: HostedZone) -> HostedZone:
    """An alias AAAA by each broker's IPv6 name, to where the alias A by its other name leads."""
    beside = {b.endpoint: _ipv6_name(cluster, b) for cluster in topology.clusters for b in cluster.brokers}
    return zone.model_copy(
        update={
            "record_sets": (
                *zone.record_sets,
                *(
                    ResourceRecordSet(name=beside[record.name], type="AAAA", alias_target=record.alias_target)
                    for record in zone.record_sets
                    if record.type == "A" and record.name in beside
                ),
            )
        }
    )


def _with_address(plan: _Plan, client: Client) -> Client:
    return client.model_copy(update={"ipv6_address": plan.address(client.subnet_id, known(client.private_ip_address))})


def _twin(client: Client) -> Client:
    """The same host once more, by the IPv6 listener."""
    return client.model_copy(
        update={
            "name": client_names.of_ipv6(client.name),
            "listener": IPV6_LISTENERS.get(client.listener, client.listener),
        }
    )
