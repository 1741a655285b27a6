"""Route tables of VPCs: one for several subnets, or one for each."""

from __future__ import annotations

from collections.abc import Iterable

from brokerproof.topology.models import Route, RouteTable, Subnet


def table(vpc_id: str, nets: Iterable[Subnet], routes: tuple[Route, ...]) -> RouteTable:
    """One route table for these subnets of a VPC."""
    return RouteTable(
        route_table_id=f"rtb-{vpc_id.removeprefix('vpc-')}",
        vpc_id=vpc_id,
        subnet_ids=tuple(s.subnet_id for s in nets),
        routes=routes,
    )


def own_table(subnet: Subnet, routes: tuple[Route, ...]) -> RouteTable:
    """A table of its own for a subnet, as a reminder that every one of them needs the routes."""
    return RouteTable(
        route_table_id=f"rtb-{subnet.subnet_id.removeprefix('subnet-')}",
        vpc_id=subnet.vpc_id,
        subnet_ids=(subnet.subnet_id,),
        routes=routes,
    )
