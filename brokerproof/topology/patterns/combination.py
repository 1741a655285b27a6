"""Several patterns on one cluster at once; each client goes by its own, and is proved to.

``peered`` comes by a peering, ``by_gateway`` by a Transit Gateway, ``remote_by_gateway`` by two of them from another
Region. ``overlapping`` has the cluster VPC's CIDR and comes by an NLB a broker. ``two_paths`` has two: its VPC is
peered with the cluster VPC *and* has the endpoints, which it is meant to use; the peering would connect as well.
Brokers advertise as MSK creates them, which every one of these patterns can live with.
"""

from __future__ import annotations

from ipaddress import IPv4Network

from brokerproof.topology.files import checked
from brokerproof.topology.models import Client, Route, Subnet, Topology, Vpc, VpcPeeringConnection
from brokerproof.topology.models.pattern_name import PatternName
from brokerproof.topology.patterns import client_names
from brokerproof.topology.patterns.gateways import EAST, WEST, attachment, gateway_peering, gateway_table, gateways
from brokerproof.topology.patterns.options import (
    CLIENT_CIDR,
    CLUSTER_CIDR,
    CLUSTER_VPC,
    FAR_REGION,
    REGION,
    WITNESS_PORT,
    ClientVpc,
    PatternOptions,
    client_host,
    cluster_parts,
    lab_settings,
    subnets,
)
from brokerproof.topology.patterns.privatelink import broker_balancers, client_side, load_balancers, target_groups
from brokerproof.topology.patterns.route_tables import table
from brokerproof.topology.patterns.spec import PatternSpec

_GATEWAY_CIDR = IPv4Network("10.3.0.0/16")
_TWO_PATHS_CIDR = IPv4Network("10.5.0.0/16")
_NEAR_CIDR = IPv4Network("10.6.0.0/16")
_OVERLAPPING = ClientVpc(key="o", client=client_names.OVERLAPPING, cidr=CLUSTER_CIDR)
_TWO_PATHS = ClientVpc(key="w", client=client_names.TWO_PATHS, cidr=_TWO_PATHS_CIDR)


def build(options: PatternOptions) -> Topology:
    """Peering, transit gateways and an NLB a broker, on one cluster.

    Raises:
        TopologyError: the options ask for what AWS refuses.
    """
    admitted = (CLUSTER_CIDR, CLIENT_CIDR, _GATEWAY_CIDR, _TWO_PATHS_CIDR, _NEAR_CIDR)
    parts = cluster_parts(options, admitted=admitted, client_pattern=PatternName.IN_VPC)
    shapes = broker_balancers(options)
    overlapping = client_side(PatternName.PRIVATELINK_MULTI_NLB, options, _OVERLAPPING, shapes)
    two_paths = client_side(PatternName.PRIVATELINK_MULTI_NLB, options, _TWO_PATHS, shapes)
    peered = subnets("vpc-b", CLIENT_CIDR, options.zones)
    attached = subnets("vpc-t", _GATEWAY_CIDR, options.zones, region_name=FAR_REGION)
    near = subnets("vpc-g", _NEAR_CIDR, options.zones)
    back = (
        Route(destination_cidr_block=CLIENT_CIDR, vpc_peering_connection_id="pcx-cluster-b"),
        Route(destination_cidr_block=_TWO_PATHS_CIDR, vpc_peering_connection_id="pcx-cluster-w"),
        Route(destination_cidr_block=_GATEWAY_CIDR, transit_gateway_id=EAST),
        Route(destination_cidr_block=_NEAR_CIDR, transit_gateway_id=EAST),
    )
    return checked(
        Topology(
            name=PatternName.COMBINATION,
            vpcs=(
                parts.vpc,
                Vpc(vpc_id="vpc-b", owner_id="222222222222", region_name=REGION, cidr_blocks=(CLIENT_CIDR,)),
                Vpc(vpc_id="vpc-g", owner_id="333333333333", region_name=REGION, cidr_blocks=(_NEAR_CIDR,)),
                Vpc(vpc_id="vpc-t", owner_id="444444444444", region_name=FAR_REGION, cidr_blocks=(_GATEWAY_CIDR,)),
                overlapping.vpc,
                two_paths.vpc,
            ),
            subnets=(*parts.subnets, *peered, *near, *attached, *overlapping.subnets, *two_paths.subnets),
            route_tables=(
                table(CLUSTER_VPC, parts.subnets, back),
                table("vpc-b", peered, (_to_cluster(vpc_peering_connection_id="pcx-cluster-b"),)),
                table("vpc-w", two_paths.subnets, (_to_cluster(vpc_peering_connection_id="pcx-cluster-w"),)),
                table("vpc-g", near, (_to_cluster(transit_gateway_id=EAST),)),
                table("vpc-t", attached, (_to_cluster(transit_gateway_id=WEST),)),
            ),
            vpc_peering_connections=(_peering("b"), _peering("w")),
            transit_gateways=gateways(),
            transit_gateway_attachments=(
                attachment(CLUSTER_VPC, EAST, parts.subnets),
                attachment("vpc-g", EAST, near),
                attachment("vpc-t", WEST, attached),
                *gateway_peering(),
            ),
            transit_gateway_route_tables=(
                gateway_table(EAST, far=(_GATEWAY_CIDR,)),
                gateway_table(WEST, far=(CLUSTER_CIDR,)),
            ),
            security_groups=(*parts.security_groups, overlapping.security_group, two_paths.security_group),
            target_groups=target_groups(shapes, options),
            load_balancers=load_balancers(shapes, parts.subnets, options),
            endpoint_services=tuple(shape.endpoint_service() for shape in shapes),
            vpc_endpoints=(*overlapping.endpoints, *two_paths.endpoints),
            hosted_zones=(overlapping.zone, two_paths.zone),
            clusters=(parts.cluster,),
            clients=(
                parts.client,
                _client(client_names.PEERED, peered, PatternName.PEERING),
                _client(client_names.BY_GATEWAY, near, PatternName.TRANSIT_GATEWAY),
                _client(client_names.REMOTE_BY_GATEWAY, attached, PatternName.TRANSIT_GATEWAY),
                overlapping.client,
                two_paths.client,
            ),
            lab=lab_settings(options, (REGION, FAR_REGION)),
        )
    )


def _client(name: str, nets: tuple[Subnet, ...], pattern: PatternName) -> Client:
    return client_host(name, nets[0], pattern=pattern, witness_port=WITNESS_PORT)


def _to_cluster(**target: str) -> Route:
    return Route(destination_cidr_block=CLUSTER_CIDR).model_copy(update=target)


def _peering(key: str) -> VpcPeeringConnection:
    return VpcPeeringConnection(
        vpc_peering_connection_id=f"pcx-cluster-{key}", requester_vpc_id=f"vpc-{key}", accepter_vpc_id=CLUSTER_VPC
    )


SPEC = PatternSpec(
    name=PatternName.COMBINATION,
    title="one cluster reached by several patterns at once",
    suits="each client by its own",
    builder=build,
)
