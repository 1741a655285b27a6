"""Route tables as a topology has them, and the routes of which it is not known where they lead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_network
from typing import Final

from brokerproof.aws.discovery.calls import ROUTE_TABLES, SUBNETS
from brokerproof.aws.discovery.network import Network, ReadNetwork, overlaps, target_of
from brokerproof.aws.discovery.reader import Item
from brokerproof.aws.facts import OtherRoute
from brokerproof.topology.models import Route, RouteTable

_OUTSIDE: Final = ("igw-", "eigw-", "nat-")


def tables_of(network: ReadNetwork, blocks: Sequence[Network], peerings: set[str]) -> Iterator[RouteTable]:
    """Their route tables, with the routes by gateways and these peerings that may carry packets to one of these blocks.

    A main table counts for subnets that no table names, where it has such a route at all.
    """
    for item, named, others in _tables(network):
        routes = tuple(sorted(_routes(item, blocks, peerings), key=lambda r: str(r.destination)))
        subnet_ids = (*named, *others) if routes else named
        if subnet_ids:
            yield RouteTable(
                route_table_id=item["RouteTableId"],
                vpc_id=item["VpcId"],
                subnet_ids=tuple(sorted(subnet_ids)),
                routes=routes,
            )


def other_routes(network: ReadNetwork, blocks: Sequence[Network], peerings: set[str]) -> Iterator[OtherRoute]:
    """The routes to elsewhere that may carry packets to one of these blocks; a default one to the internet does not."""
    for item, named, others in _tables(network):
        for route, block in _overlapping(item, blocks):
            target = target_of(route)
            if _is_modelled(route, peerings) or (block.prefixlen == 0 and target.startswith(_OUTSIDE)):
                continue
            yield OtherRoute(
                route_table_id=item["RouteTableId"],
                subnet_ids=tuple(sorted((*named, *others))),
                destination=block,
                target=target or "what AWS does not name",
                is_blackhole=route.get("State") == "blackhole",
            )


def _tables(network: ReadNetwork) -> Iterator[tuple[Item, list[str], list[str]]]:
    """Each table, the subnets that name it, and those that have it since it is the main one."""
    tables = network.items(ROUTE_TABLES)
    taken = {a["SubnetId"] for item in tables for a in item.get("Associations", ()) if "SubnetId" in a}
    for item in tables:
        associations = item.get("Associations", ())
        named = [a["SubnetId"] for a in associations if "SubnetId" in a]
        left = [s["SubnetId"] for s in network.items(SUBNETS) if s["VpcId"] == item["VpcId"]]
        main = any(a.get("Main") for a in associations)
        yield item, named, [subnet_id for subnet_id in left if main and subnet_id not in taken]


def _overlapping(table: Item, blocks: Sequence[Network]) -> Iterator[tuple[Item, Network]]:
    for item in table.get("Routes", ()):
        text = item.get("DestinationCidrBlock") or item.get("DestinationIpv6CidrBlock")
        if text is not None and overlaps(ip_network(text), blocks):
            yield item, ip_network(text)


def _is_modelled(route: Item, peerings: set[str]) -> bool:
    return route.get("VpcPeeringConnectionId") in peerings or bool(route.get("TransitGatewayId"))


def _routes(table: Item, blocks: Sequence[Network], peerings: set[str]) -> Iterator[Route]:
    for item, _ in _overlapping(table, blocks):
        if _is_modelled(item, peerings):
            yield Route(
                destination_cidr_block=item.get("DestinationCidrBlock"),
                destination_ipv6_cidr_block=item.get("DestinationIpv6CidrBlock"),
                vpc_peering_connection_id=item.get("VpcPeeringConnectionId"),
                transit_gateway_id=item.get("TransitGatewayId"),
            )
