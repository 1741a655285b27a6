"""What the PrivateLink patterns share: load balancers, endpoint services, client VPCs with endpoints and private zone.

They differ in how brokers are spread over load balancers, in what brokers advertise, and in the Region of the
endpoints.
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
from brokerproof.topology.models.pattern_name import PatternName
from brokerproof.topology.patterns.dimensions import Dimension
from brokerproof.topology.patterns.facts import ENDPOINT_QUOTAS, NLB_GUIDE, NLB_QUOTAS, POST, Facts, Row
from brokerproof.topology.patterns.options import (
    CLUSTER_CIDR,
    CLUSTER_VPC,
    REGION,
    WITNESS_PORT,
    ZONE_NAME,
    ClientVpc,
    PatternOptions,
    broker_address,
    broker_name,
    client_host,
    cluster_parts,
    host,
    lab_settings,
    subnets,
    zone_id,
)
from brokerproof.topology.patterns.remote import CIDRS, remote_parts
from brokerproof.topology.patterns.spec import Marker

MARKER = Marker(name="privatelink", title="PrivateLink, with one NLB or one a broker")
BENEFITS = (
    ("one way only: nothing in the cluster's VPC can open a connection to the client's", POST),
    ("both VPCs may have the same addresses", POST),
)
LIMITS = (
    ("brokers see the load balancer's address in place of the client's", NLB_GUIDE),
    ("55,000 connections at once, or new in a minute, to each target by PrivateLink", NLB_GUIDE),
    ("an idle connection ends after 350 s, if the listener does not say otherwise", NLB_GUIDE),
)
FACTS: Facts = {
    Row.BANDWIDTH: (("10 Gbps a zone of the endpoint, scaling by itself to 100 Gbps", ENDPOINT_QUOTAS),),
    Row.SCALE: (("any number of VPCs", POST),),
    Row.BENEFITS: BENEFITS,
    Row.LIMITS: LIMITS,
}
"""Of every endpoint; a pattern adds its own."""
ONE_NLB_FACTS: Facts = {
    **FACTS,
    Row.SCALE: (
        *FACTS[Row.SCALE],
        ("50 listeners a load balancer: one a broker and one to start from, so 49 brokers", NLB_QUOTAS),
    ),
    Row.LIMITS: (("each broker must advertise a port of its own", POST), *LIMITS),
}
DIMENSIONS = (
    Dimension.ENDPOINT_ZONE_HOUR,
    Dimension.ENDPOINT_GB,
    Dimension.NLB_HOUR,
    Dimension.NLCU_HOUR,
)
"""Of an endpoint and the NLB it leads to."""
REMOTE_DIMENSIONS = (
    Dimension.CROSS_REGION_GB,
    Dimension.TRANSIT_GATEWAY_ATTACHMENT_HOUR,
    Dimension.TRANSIT_GATEWAY_GB,
)
"""Of a client of another VPC that uses the endpoint."""
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


def broker_ports(options: PatternOptions) -> dict[int, int]:
    """A listener's port for each broker behind one NLB."""
    return {broker_id: options.first_listener_port + broker_id - 1 for broker_id in range(1, options.brokers + 1)}


def one_balancer(options: PatternOptions) -> BalancerShape:
    """One NLB: a listener a broker, and one with every broker behind it."""
    ports = broker_ports(options)
    listeners = [(f"b{broker_id}", port, (broker_id,)) for broker_id, port in ports.items()]
    return BalancerShape(key="all", listeners=(*listeners, ("bootstrap", options.bootstrap_port, tuple(ports))))


def broker_balancers(options: PatternOptions) -> tuple[BalancerShape, ...]:
    """One NLB a broker."""
    return tuple(
        BalancerShape(key=f"b{broker_id}", listeners=((f"b{broker_id}", _BROKER_PORT, (broker_id,)),))
        for broker_id in range(1, options.brokers + 1)
    )


def privatelink(
    name: PatternName,
    options: PatternOptions,
    *,
    shapes: Sequence[BalancerShape],
    sides: Sequence[ClientVpc],
    local_pattern: PatternName | None,
    local_zone: bool,
    advertised_ports: dict[int, int] | None = None,
) -> Topology:
    """The cluster VPC behind these load balancers, and the client VPCs with their endpoints.

    Args:
        name: The pattern.
        options: As the builder was given.
        shapes: One NLB and endpoint service each.
        sides: One client VPC each; remote clients are joined to the first.
        local_pattern: What the client in the cluster VPC is meant to use; None makes it an observer.
        local_zone: Whether a private zone sends it to the NLB.
        advertised_ports: By broker id, where brokers do not advertise as MSK creates them.
    """
    parts = cluster_parts(
        options, admitted=(CLUSTER_CIDR,), client_pattern=local_pattern, advertised_ports=advertised_ports
    )
    clients = [
        client_side(name, options, side, shapes, beyond=beyond)
        for side, beyond in zip(sides, (CIDRS if options.remote else (), *((),) * len(sides)), strict=False)
    ]
    remote = remote_parts(name, clients[0].vpc, clients[0].subnets, options.zones) if options.remote else None
    zones = [clients[0].zone, *(side.zone for side in clients[1:])]
    if remote is not None:
        joined = (clients[0].vpc.vpc_id, *(vpc.vpc_id for vpc in remote.vpcs))
        zones[0] = zones[0].model_copy(update={"vpc_ids": joined})
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
            hosted_zones=(*((_local_zone(options, shapes[0]),) if local_zone else ()), *zones),
            clusters=(parts.cluster,),
            clients=(
                parts.client,
                *(side.client for side in clients),
                *(remote.clients if remote else ()),
            ),
            lab=lab_settings(options, (vpc.region_name for vpc in vpcs)),
        )
    )


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
    pattern: PatternName,
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
