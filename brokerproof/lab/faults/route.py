"""Faults of route tables and peering connections."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Final

from brokerproof.causes.codes import Code
from brokerproof.causes.sets import joined
from brokerproof.lab.faults import likeness
from brokerproof.lab.faults.fault import GATEWAY, PEERING, REMOTE, Fault, FaultLayer
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.topology.edit import with_changes, with_each
from brokerproof.topology.models import PeeringStatus, Topology, TransitGatewayRoute
from brokerproof.topology.patterns import client_names


def _without_routes(topology: Topology, subnet_prefix: str) -> Topology:
    for index, table in enumerate(topology.route_tables):
        if any(subnet_id.startswith(subnet_prefix) for subnet_id in table.subnet_ids):
            topology = with_changes(topology, "route_tables", index, routes=())
    return topology


def _missing_at_client(topology: Topology) -> Topology:
    return _without_routes(topology, "subnet-b")


def _missing_at_cluster(topology: Topology) -> Topology:
    return _without_routes(topology, "subnet-cluster")


def _missing_in_one_subnet(topology: Topology) -> Topology:
    return _without_routes(topology, "subnet-cluster-2")


def _deleted(topology: Topology) -> Topology:
    return with_each(topology, "vpc_peering_connections", status=PeeringStatus.DELETED)


def _not_associated(topology: Topology) -> Topology:
    return _attachment_of_b(topology, association=None)


def _not_propagated(topology: Topology) -> Topology:
    return _attachment_of_b(topology, propagations=())


def _attachment_of_b(topology: Topology, **changes: object) -> Topology:
    for index, attachment in enumerate(topology.transit_gateway_attachments):
        if attachment.vpc_id == "vpc-b":
            topology = with_changes(topology, "transit_gateway_attachments", index, **changes)
    return topology


def _gateway_blackhole(topology: Topology) -> Topology:
    """A more specific static route wins over the propagated one."""
    for index, table in enumerate(topology.transit_gateway_route_tables):
        hole = TransitGatewayRoute(destination_cidr_block=IPv4Network("10.0.16.0/20"))
        topology = with_changes(topology, "transit_gateway_route_tables", index, routes=(*table.routes, hole))
    return topology


def _far_static_route_missing(topology: Topology) -> Topology:
    """The gateway of the other Region has no static route to this one's VPCs."""
    for index, table in enumerate(topology.transit_gateway_route_tables):
        if table.transit_gateway_id == "tgw-west":
            topology = with_changes(topology, "transit_gateway_route_tables", index, routes=())
    return topology


def _fault(
    name: str,
    title: str,
    edit: Callable[[Topology], Topology],
    *codes: Code,
    brokers: tuple[int, ...] = (1, 2, 3),
    patterns: tuple[str, ...] = (*PEERING, *GATEWAY),
    client: str | None = None,
) -> Fault:
    return Fault(
        name=name,
        title=title,
        layer=FaultLayer.ROUTE,
        patterns=patterns,
        edit=edit,
        stage=Stage.CONNECT,
        reasons=(Reason.TIMED_OUT,),
        brokers=brokers,
        client=client,
        codes=codes,
    )


FAULTS: Final = (
    _fault(
        "route-missing-client",
        "The client subnet's route table has no route to the cluster VPC.",
        _missing_at_client,
        *joined(Code.ROUTE_MISSING_CLIENT, likeness.BY_PEERING, likeness.BY_GATEWAY),
    ),
    _fault(
        "route-missing-return",
        "The broker subnets' route tables have no route back.",
        _missing_at_cluster,
        *joined(Code.ROUTE_MISSING_RETURN, likeness.BY_PEERING, likeness.BY_GATEWAY),
    ),
    _fault(
        "route-missing-one-subnet",
        "Broker 2's subnet has no route back.",
        _missing_in_one_subnet,
        *joined(Code.ROUTE_MISSING_SUBNET, likeness.ONE_BROKER_DIRECT),
        brokers=(2,),
    ),
    _fault(
        "peering-deleted",
        "The peering connection was deleted; its routes are blackholes.",
        _deleted,
        *joined(Code.ROUTE_PEERING_NOT_ACTIVE, likeness.BY_PEERING),
        patterns=PEERING,
    ),
    _fault(
        "gateway-attachment-not-associated",
        "The client VPC's gateway attachment is associated with no route table.",
        _not_associated,
        *joined(Code.ROUTE_GATEWAY_NOT_ASSOCIATED, likeness.BY_GATEWAY),
        patterns=GATEWAY,
    ),
    _fault(
        "gateway-propagation-missing",
        "The client VPC's CIDR propagates to no route table of the gateway; answers find no way back.",
        _not_propagated,
        *joined(Code.ROUTE_GATEWAY_NOT_PROPAGATED, likeness.BY_GATEWAY),
        patterns=GATEWAY,
    ),
    _fault(
        "gateway-static-blackhole",
        "A static blackhole route of the gateway covers broker 2's subnet.",
        _gateway_blackhole,
        *joined(Code.ROUTE_GATEWAY_BLACKHOLE, likeness.ONE_BROKER_DIRECT),
        brokers=(2,),
        patterns=GATEWAY,
    ),
    _fault(
        "remote-peering-deleted",
        "The peering between the remote VPC and the endpoint VPC was deleted.",
        _deleted,
        *joined(Code.ROUTE_PEERING_NOT_ACTIVE, likeness.REMOTE),
        patterns=REMOTE,
        client=client_names.REMOTE_BY_PEERING,
    ),
    _fault(
        "gateway-static-route-missing",
        "The gateway of the other Region has no static route to this Region's VPCs.",
        _far_static_route_missing,
        *joined(Code.ROUTE_GATEWAY_STATIC_MISSING, likeness.REMOTE),
        patterns=REMOTE,
        client=client_names.REMOTE_BY_GATEWAY,
    ),
    _fault(
        "gateway-static-route-missing-direct",
        "The gateway of the client's Region has no static route to the cluster VPC.",
        _far_static_route_missing,
        *joined(Code.ROUTE_GATEWAY_STATIC_MISSING, likeness.BY_GATEWAY),
        patterns=GATEWAY,
        client=client_names.REMOTE_BY_GATEWAY,
    ),
)
