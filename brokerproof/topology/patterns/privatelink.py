"""PrivateLink: one NLB for all brokers, or one NLB a broker.

What both have in common is here once: the client VPC with its endpoint ENIs, private zone and
client. They differ in how brokers are spread over load balancers, and in what brokers advertise.
The single-NLB form is also built with the endpoint in another Region than its service.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network

from brokerproof.topology.files import checked
from brokerproof.topology.models import (
    AliasTarget,
    Client,
    EndpointInterface,
    EndpointService,
    HostedZone,
    IpPermission,
    Listener,
    LoadBalancer,
    LoadBalancerZone,
    Model,
    ResourceRecordSet,
    SecurityGroup,
    Subnet,
    TargetDescription,
    TargetGroup,
    Topology,
    Vpc,
    VpcEndpoint,
    zonal_dns_name,
)
from brokerproof.topology.patterns import client_names, names
from brokerproof.topology.patterns.dual_stack import with_ipv6
from brokerproof.topology.patterns.options import (
    CLUSTER_CIDR,
    CLUSTER_VPC,
    FAR_REGION,
    REGION,
    WITNESS_PORT,
    ZONE_NAME,
    ClientVpc,
    PatternOptions,
    broker_address,
    broker_name,
    client_host,
    client_vpcs,
    cluster_parts,
    host,
    lab_settings,
    subnets,
    zone_id,
)
from brokerproof.topology.patterns.remote import CIDRS, remote_parts

SINGLE = names.SINGLE
MULTI = names.MULTI
CROSS_REGION = names.CROSS_REGION

_FAR_CIDR = IPv4Network("10.2.0.0/16")
_BROKER_PORT = 9094


class BalancerShape(Model):
    """One NLB: its listeners, as (what it is for, port, broker ids behind it)."""

    key: str
    listeners: tuple[tuple[str, int, tuple[int, ...]], ...]

    @property
    def balancer(self) -> str:
        """Name of its load balancer."""
        return f"nlb-{self.key}"

    @property
    def dns_name(self) -> str:
        """DNS name of its load balancer."""
        return f"{self.balancer}-0123456789abcdef.elb.{REGION}.amazonaws.com"

    @property
    def service(self) -> str:
        """Name of the endpoint service in shape of it."""
        return f"com.amazonaws.vpce.{REGION}.vpce-svc-{self.key}"

    def endpoint_service(self, client_region: str = REGION) -> EndpointService:
        """The service in shape of it; it supports the clients' Region where that is another."""
        return EndpointService(
            service_name=self.service,
            network_load_balancer_name=self.balancer,
            supported_regions=() if client_region == REGION else (client_region,),
        )


def build_single(options: PatternOptions | None = None) -> Topology:
    """One NLB: a listener and a target group of one a broker, and a bootstrap listener with all of them.

    Brokers advertise their own name with their own port. The client in the cluster VPC is sent to the NLB
    by a private zone of its own, since the advertised ports are not at the broker ENIs.

    Raises:
        TopologyError: the options ask for what AWS refuses (50 brokers, a port used twice, ...).
    """
    options = options or PatternOptions()
    sides = client_vpcs(options.overlap)
    return _families(_build(SINGLE, options, shapes=(_one_balancer(options),), sides=sides), options)


def build_cross_region(options: PatternOptions | None = None) -> Topology:
    """One NLB as in :func:`build_single`; the client VPCs and their endpoints are in another Region.

    Raises:
        TopologyError: the options ask for what AWS refuses.
    """
    options = options or PatternOptions()
    remote = {"key": "c", "client": client_names.REMOTE, "cidr": _FAR_CIDR}
    sides = [
        vpc.model_copy(update={"region_name": FAR_REGION} | (remote if vpc.client == client_names.ACCOUNT_B else {}))
        for vpc in client_vpcs(options.overlap)
    ]
    return _build(
        CROSS_REGION, options.model_copy(update={"remote": False}), shapes=(_one_balancer(options),), sides=sides
    )


def build_multi(options: PatternOptions | None = None) -> Topology:
    """One NLB, endpoint service and endpoint a broker; brokers advertise as MSK creates them.

    Raises:
        TopologyError: the options ask for what AWS refuses.
    """
    options = options or PatternOptions()
    sides = client_vpcs(options.overlap)
    return _families(_build(MULTI, options, shapes=broker_balancers(options), sides=sides), options)


def _families(topology: Topology, options: PatternOptions) -> Topology:
    """With IPv6 where it is asked for. Not across Regions: whether such an endpoint takes it is not documented."""
    return checked(with_ipv6(topology)) if options.dual_stack else topology


def _ports(options: PatternOptions) -> dict[int, int]:
    return {broker_id: options.first_listener_port + broker_id - 1 for broker_id in range(1, options.brokers + 1)}


def _one_balancer(options: PatternOptions) -> BalancerShape:
    ports = _ports(options)
    listeners = [(f"b{broker_id}", port, (broker_id,)) for broker_id, port in ports.items()]
    return BalancerShape(key="all", listeners=(*listeners, ("bootstrap", options.bootstrap_port, tuple(ports))))


def broker_balancers(options: PatternOptions) -> tuple[BalancerShape, ...]:
    """One NLB a broker."""
    return tuple(
        BalancerShape(key=f"b{broker_id}", listeners=((f"b{broker_id}", _BROKER_PORT, (broker_id,)),))
        for broker_id in range(1, options.brokers + 1)
    )


def _build(
    name: str, options: PatternOptions, *, shapes: Sequence[BalancerShape], sides: Sequence[ClientVpc]
) -> Topology:
    changed = None if name == MULTI or options.advertised_unchanged else _ports(options)
    parts = cluster_parts(options, admitted=(CLUSTER_CIDR,), client_pattern=None, advertised_ports=changed)
    clients = [
        client_side(name, options, side, shapes, beyond=beyond)
        for side, beyond in zip(sides, (CIDRS if options.remote else (), *((),) * len(sides)), strict=False)
    ]
    remote = remote_parts(name, clients[0].vpc, clients[0].subnets, options.zones) if options.remote else None
    zones = [clients[0].zone, *(side.zone for side in clients[1:])]
    if remote is not None:
        joined = (clients[0].vpc.vpc_id, *(vpc.vpc_id for vpc in remote.vpcs))
        zones[0] = zones[0].model_copy(update={"vpc_ids": joined})
    local = name != MULTI and options.local_zone
    vpcs = (parts.vpc, *(side.vpc for side in clients), *(remote.vpcs if remote else ()))
    return checked(
        Topology(
            name=name,
            vpcs=vpcs,
            subnets=(
                *parts.subnets,
                *(s for side in clients for s in side.subnets),
                *(remote.subnets if remote else ()),
            ),
            route_tables=remote.route_tables if remote else (),
            vpc_peering_connections=(remote.vpc_peering_connection,) if remote else (),
            transit_gateways=remote.transit_gateways if remote else (),
            transit_gateway_attachments=remote.transit_gateway_attachments if remote else (),
            transit_gateway_route_tables=remote.transit_gateway_route_tables if remote else (),
            security_groups=(*parts.security_groups, *(side.security_group for side in clients)),
            target_groups=target_groups(shapes, options),
            load_balancers=load_balancers(shapes, parts.subnets, options),
            endpoint_services=tuple(shape.endpoint_service(clients[0].vpc.region_name) for shape in shapes),
            vpc_endpoints=tuple(endpoint for side in clients for endpoint in side.endpoints),
            hosted_zones=(*((_local_zone(options, shapes[0]),) if local else ()), *zones),
            clusters=(parts.cluster,),
            clients=(
                parts.client.model_copy(update={"pattern": _local_pattern(name, options)}),
                *(side.client for side in clients),
                *(remote.clients if remote else ()),
            ),
            lab=lab_settings(options, (vpc.region_name for vpc in vpcs)),
        )
    )


def _local_pattern(name: str, options: PatternOptions) -> str | None:
    """What the client in the cluster VPC is meant to use; across Regions it only looks the other way."""
    if name == CROSS_REGION:
        return None
    return name if name == MULTI or options.local_zone else names.LOCAL_WITHOUT_ZONE


def _local_zone(options: PatternOptions, shape: BalancerShape) -> HostedZone:
    """In the cluster VPC every broker name leads to the NLB itself."""
    alias = AliasTarget(dns_name=shape.dns_name)
    names_of_brokers = (broker_name(broker_id) for broker_id in range(1, options.brokers + 1))
    return HostedZone(
        hosted_zone_id="ZCLUSTER",
        name=ZONE_NAME,
        vpc_ids=(CLUSTER_VPC,),
        record_sets=tuple(ResourceRecordSet(name=name, alias_target=alias) for name in names_of_brokers),
    )


def target_groups(shapes: Sequence[BalancerShape], options: PatternOptions) -> tuple[TargetGroup, ...]:
    """One target group a listener."""
    return tuple(_target_group(shape, use, ids, options) for shape in shapes for use, _, ids in shape.listeners)


def load_balancers(
    shapes: Sequence[BalancerShape], zones: tuple[Subnet, ...], options: PatternOptions
) -> tuple[LoadBalancer, ...]:
    """One NLB a shape, with a node in each of these subnets."""
    return tuple(_balancer(shape, i, zones, options) for i, shape in enumerate(shapes))


def _group_name(shape: BalancerShape, use: str) -> str:
    return f"tg-{shape.key}-{use}"


def _target_group(shape: BalancerShape, use: str, ids: tuple[int, ...], options: PatternOptions) -> TargetGroup:
    return TargetGroup(
        target_group_name=_group_name(shape, use),
        vpc_id=CLUSTER_VPC,
        port=_BROKER_PORT,
        targets=tuple(TargetDescription(id=broker_address(options, broker_id)) for broker_id in ids),
    )


def _balancer(shape: BalancerShape, index: int, zones: tuple[Subnet, ...], options: PatternOptions) -> LoadBalancer:
    return LoadBalancer(
        load_balancer_name=shape.balancer,
        vpc_id=CLUSTER_VPC,
        dns_name=shape.dns_name,
        availability_zones=tuple(
            LoadBalancerZone(subnet_id=s.subnet_id, private_ipv4_address=host(s.cidr_block, 100 + index)) for s in zones
        ),
        cross_zone_enabled=options.cross_zone,
        listeners=tuple(
            Listener(port=port, target_group_name=_group_name(shape, use)) for use, port, _ in shape.listeners
        ),
    )


class ClientSide(Model):
    """A client VPC with its endpoints, zone and client."""

    vpc: Vpc
    subnets: tuple[Subnet, ...]
    security_group: SecurityGroup
    endpoints: tuple[VpcEndpoint, ...]
    zone: HostedZone
    client: Client


def client_side(
    pattern: str,
    options: PatternOptions,
    side: ClientVpc,
    shapes: Sequence[BalancerShape],
    *,
    beyond: Sequence[IPv4Network] = (),
) -> ClientSide:
    """A client VPC; its endpoints also admit what lies ``beyond`` it."""
    key, cidr, region_name = side.key, side.cidr, side.region_name
    vpc_id = f"vpc-{key}"
    nets = subnets(vpc_id, cidr, options.zones, region_name=region_name)
    group = SecurityGroup(
        group_id=f"sg-endpoints-{key}",
        vpc_id=vpc_id,
        ingress=tuple(
            IpPermission(from_port=port, to_port=port, cidr_ipv4=source)
            for port in sorted({port for shape in shapes for _, port, _ in shape.listeners})
            for source in (cidr, *beyond)
        ),
    )
    endpoints = {
        shape.key: VpcEndpoint(
            vpc_endpoint_id=f"vpce-{key}-{shape.key}",
            vpc_id=vpc_id,
            service_name=shape.service,
            dns_name=(
                f"vpce-{key}-{shape.key}-abcdefgh.{shape.service.rsplit('.', 1)[1]}.{region_name}.vpce.amazonaws.com"
            ),
            service_region=None if region_name == REGION else REGION,
            network_interfaces=tuple(
                EndpointInterface(subnet_id=s.subnet_id, private_ip_address=host(s.cidr_block, 150 + i)) for s in nets
            ),
            security_groups=(group.group_id,),
        )
        for i, shape in enumerate(shapes)
    }
    front_of = {ids[0]: shape.key for shape in shapes for _, _, ids in shape.listeners if len(ids) == 1}
    records = tuple(
        ResourceRecordSet(
            name=broker_name(broker_id),
            alias_target=AliasTarget(
                dns_name=zonal_dns_name(endpoints[front_key], zone_id((broker_id - 1) % options.zones, region_name))
                if options.zonal_alias
                else endpoints[front_key].dns_name
            ),
        )
        for broker_id, front_key in sorted(front_of.items())
    )
    return ClientSide(
        vpc=Vpc(vpc_id=vpc_id, owner_id="222222222222", region_name=region_name, cidr_blocks=(cidr,)),
        subnets=nets,
        security_group=group,
        endpoints=tuple(endpoints.values()),
        zone=HostedZone(hosted_zone_id=f"Z{key.upper()}", name=ZONE_NAME, vpc_ids=(vpc_id,), record_sets=records),
        client=client_host(side.client, nets[0], pattern=pattern, witness_port=WITNESS_PORT),
    )
