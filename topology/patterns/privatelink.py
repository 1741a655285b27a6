"""PrivateLink: one NLB for all brokers, or one NLB a broker.

What both have in common is here once: the client VPC with its endpoint ENIs, private zone and
client. They differ in how brokers are spread over load balancers, and in what brokers advertise.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network

from topology.files import checked
from topology.models import (
    AliasTarget,
    Client,
    EndpointInterface,
    EndpointService,
    HostedZone,
    IpPermission,
    LabSettings,
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
from topology.patterns.options import (
    CLUSTER_CIDR,
    CLUSTER_VPC,
    REGION,
    WITNESS_PORT,
    ZONE_NAME,
    PatternOptions,
    broker_address,
    broker_name,
    client_host,
    client_vpcs,
    cluster_parts,
    host,
    subnets,
    zone_id,
)

SINGLE = "privatelink_single_nlb"
MULTI = "privatelink_multi_nlb"

_BROKER_PORT = 9094


class _Front(Model):
    """One NLB: its listeners, as (what it is for, port, broker ids behind it)."""

    key: str
    listeners: tuple[tuple[str, int, tuple[int, ...]], ...]

    @property
    def balancer(self) -> str:
        return f"nlb-{self.key}"

    @property
    def service(self) -> str:
        return f"com.amazonaws.vpce.{REGION}.vpce-svc-{self.key}"


def build_single(options: PatternOptions | None = None) -> Topology:
    """One NLB: a listener and a target group of one a broker, and a bootstrap listener with all of them.

    Brokers advertise their own name with their own port.

    Raises:
        TopologyError: the options ask for what AWS refuses (50 brokers, a port used twice, ...).
    """
    options = options or PatternOptions()
    ids = range(1, options.brokers + 1)
    ports = {broker_id: options.first_listener_port + broker_id - 1 for broker_id in ids}
    listeners = [(f"b{broker_id}", port, (broker_id,)) for broker_id, port in ports.items()]
    front = _Front(key="all", listeners=(*listeners, ("bootstrap", options.bootstrap_port, tuple(ids))))
    return _build(SINGLE, options, fronts=(front,), advertised_ports=None if options.advertised_unchanged else ports)


def build_multi(options: PatternOptions | None = None) -> Topology:
    """One NLB, endpoint service and endpoint a broker; brokers advertise as MSK creates them.

    Raises:
        TopologyError: the options ask for what AWS refuses.
    """
    options = options or PatternOptions()
    fronts = tuple(
        _Front(key=f"b{broker_id}", listeners=((f"b{broker_id}", _BROKER_PORT, (broker_id,)),))
        for broker_id in range(1, options.brokers + 1)
    )
    return _build(MULTI, options, fronts=fronts, advertised_ports=None)


def _build(
    name: str, options: PatternOptions, *, fronts: Sequence[_Front], advertised_ports: dict[int, int] | None
) -> Topology:
    parts = cluster_parts(options, admitted=(CLUSTER_CIDR,), client_pattern=None, advertised_ports=advertised_ports)
    sides = [_client_side(name, options, key, cidr, fronts) for key, cidr in client_vpcs(options.overlap)]
    return checked(
        Topology(
            name=name,
            vpcs=(parts.vpc, *(side.vpc for side in sides)),
            subnets=(*parts.subnets, *(subnet for side in sides for subnet in side.subnets)),
            security_groups=(*parts.security_groups, *(side.security_group for side in sides)),
            target_groups=tuple(
                _target_group(front, use, ids, options) for front in fronts for use, _, ids in front.listeners
            ),
            load_balancers=tuple(_balancer(front, i, parts.subnets, options) for i, front in enumerate(fronts)),
            endpoint_services=tuple(
                EndpointService(service_name=front.service, network_load_balancer_name=front.balancer)
                for front in fronts
            ),
            vpc_endpoints=tuple(endpoint for side in sides for endpoint in side.endpoints),
            hosted_zones=tuple(side.zone for side in sides),
            clusters=(parts.cluster,),
            clients=(parts.client, *(side.client for side in sides)),
            lab=LabSettings(unserved=options.unserved),
        )
    )


def _group_name(front: _Front, use: str) -> str:
    return f"tg-{front.key}-{use}"


def _target_group(front: _Front, use: str, ids: tuple[int, ...], options: PatternOptions) -> TargetGroup:
    return TargetGroup(
        target_group_name=_group_name(front, use),
        vpc_id=CLUSTER_VPC,
        port=_BROKER_PORT,
        targets=tuple(TargetDescription(id=broker_address(options, broker_id)) for broker_id in ids),
    )


def _balancer(front: _Front, index: int, zones: tuple[Subnet, ...], options: PatternOptions) -> LoadBalancer:
    return LoadBalancer(
        load_balancer_name=front.balancer,
        vpc_id=CLUSTER_VPC,
        dns_name=f"{front.balancer}-0123456789abcdef.elb.{REGION}.amazonaws.com",
        availability_zones=tuple(
            LoadBalancerZone(subnet_id=s.subnet_id, private_ipv4_address=host(s.cidr_block, 100 + index)) for s in zones
        ),
        cross_zone_enabled=options.cross_zone,
        listeners=tuple(
            Listener(port=port, target_group_name=_group_name(front, use)) for use, port, _ in front.listeners
        ),
    )


class _ClientSide(Model):
    vpc: Vpc
    subnets: tuple[Subnet, ...]
    security_group: SecurityGroup
    endpoints: tuple[VpcEndpoint, ...]
    zone: HostedZone
    client: Client


def _client_side(
    pattern: str, options: PatternOptions, key: str, cidr: IPv4Network, fronts: Sequence[_Front]
) -> _ClientSide:
    vpc_id = f"vpc-{key}"
    nets = subnets(vpc_id, cidr, options.zones)
    group = SecurityGroup(
        group_id=f"sg-endpoints-{key}",
        vpc_id=vpc_id,
        ingress=tuple(
            IpPermission(from_port=port, to_port=port, cidr_ipv4=cidr)
            for port in sorted({port for front in fronts for _, port, _ in front.listeners})
        ),
    )
    endpoints = {
        front.key: VpcEndpoint(
            vpc_endpoint_id=f"vpce-{key}-{front.key}",
            vpc_id=vpc_id,
            service_name=front.service,
            dns_name=f"vpce-{key}-{front.key}-abcdefgh.{front.service.rsplit('.', 1)[1]}.{REGION}.vpce.amazonaws.com",
            network_interfaces=tuple(
                EndpointInterface(subnet_id=s.subnet_id, private_ip_address=host(s.cidr_block, 150 + i)) for s in nets
            ),
            security_groups=(group.group_id,),
        )
        for i, front in enumerate(fronts)
    }
    front_of = {ids[0]: front.key for front in fronts for _, _, ids in front.listeners if len(ids) == 1}
    records = tuple(
        ResourceRecordSet(
            name=broker_name(broker_id),
            alias_target=AliasTarget(
                dns_name=zonal_dns_name(endpoints[front_key], zone_id((broker_id - 1) % options.zones))
                if options.zonal_alias
                else endpoints[front_key].dns_name
            ),
        )
        for broker_id, front_key in sorted(front_of.items())
    )
    return _ClientSide(
        vpc=Vpc(vpc_id=vpc_id, owner_id="222222222222", region_name=REGION, cidr_blocks=(cidr,)),
        subnets=nets,
        security_group=group,
        endpoints=tuple(endpoints.values()),
        zone=HostedZone(hosted_zone_id=f"Z{key.upper()}", name=ZONE_NAME, vpc_ids=(vpc_id,), record_sets=records),
        client=client_host(key, nets[0], pattern=pattern, witness_port=WITNESS_PORT),
    )
