"""Transit gateways: attachments, tables, propagations and routes, read where the gateway's owner is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any, Final

from brokerproof.aws.discovery.calls import (
    ATTACHMENTS,
    GATEWAY_PEERINGS,
    GATEWAY_ROUTES,
    GATEWAY_TABLES,
    GATEWAYS,
    PROPAGATIONS,
    SUBNETS,
    VPC_ATTACHMENTS,
)
from brokerproof.aws.discovery.network import Network, ReadNetwork, overlaps
from brokerproof.aws.discovery.reader import Ask, Item, Place, Reader, where
from brokerproof.topology.models import (
    TransitGateway,
    TransitGatewayAttachment,
    TransitGatewayRoute,
    TransitGatewayRouteTable,
)

_GONE: Final = frozenset({"deleted", "deleting"})


@dataclass(slots=True)
class ReadGateways:
    """The gateways, mapped."""

    gateways: list[TransitGateway] = field(default_factory=list)
    attachments: list[TransitGatewayAttachment] = field(default_factory=list)
    tables: list[TransitGatewayRouteTable] = field(default_factory=list)


def read_gateways(reader: Reader, network: ReadNetwork, blocks: Sequence[Network]) -> ReadGateways:
    """The gateways that the VPCs are attached to."""
    owners = {
        item["TransitGatewayId"]: Place(item["TransitGatewayOwnerId"], place.region_name)
        for place, item in network.listed(ATTACHMENTS)
    }
    if not owners:
        return ReadGateways()
    reader.say(f"reading {len(owners)} transit gateway(s)")
    by_place: dict[Place, list[str]] = {}
    for gateway, place in owners.items():
        by_place.setdefault(place, []).append(gateway)
    calls = (ATTACHMENTS, GATEWAY_TABLES, GATEWAY_PEERINGS)
    asks = [
        Ask(place, call, where("transit-gateway-id", ids), of=tuple(sorted(ids)))
        for place, ids in by_place.items()
        for call in calls
    ]
    asks += [Ask(place, GATEWAYS, {"TransitGatewayIds": sorted(ids)}, of=tuple(ids)) for place, ids in by_place.items()]
    reads = reader.every(asks)
    entries = {call: [(r.ask.place, i) for r in reads if r.ask.call is call for i in r.entries] for call in calls}
    seen = {i["TransitGatewayAttachmentId"]: (p, i) for p, i in network.listed(ATTACHMENTS)}
    seen |= {i["TransitGatewayAttachmentId"]: (p, i) for p, i in entries[ATTACHMENTS] if i["ResourceType"] == "vpc"}
    ours = {
        key: pair
        for key, pair in seen.items()
        if pair[1]["ResourceId"] in network.places and pair[1]["State"] not in _GONE
    }
    found = ReadGateways()
    found.gateways = [
        TransitGateway(transit_gateway_id=gateway, owner_id=place.account_id, region_name=place.region_name)
        for gateway, place in sorted(owners.items())
    ]
    peerings = list(_peerings(entries, set(owners)))
    propagated = _propagations(reader, owners, ours)
    known = {item["SubnetId"] for item in network.items(SUBNETS)}
    subnets = {
        i["TransitGatewayAttachmentId"]: tuple(sorted(i["SubnetIds"]))
        for i in network.items(VPC_ATTACHMENTS)
        if "SubnetIds" in i and known.issuperset(i["SubnetIds"])
    }
    found.attachments = [
        TransitGatewayAttachment(
            transit_gateway_attachment_id=key,
            transit_gateway_id=item["TransitGatewayId"],
            vpc_id=item["ResourceId"],
            subnet_ids=subnets.get(key),
            association=_association(item),
            propagations=propagated.get(key, ()),
            state=item["State"],
        )
        for key, (_, item) in sorted(ours.items())
    ] + peerings
    found.tables = _tables(reader, entries[GATEWAY_TABLES], found.attachments, blocks)
    return found


def _association(item: Item) -> str | None:
    given: Item = item.get("Association", {})
    return given.get("TransitGatewayRouteTableId") if given.get("State", "associated") == "associated" else None


def _propagations(reader: Reader, owners: dict[str, Place], ours: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    reads = reader.every(
        Ask(
            owners[item["TransitGatewayId"]],
            PROPAGATIONS,
            {"TransitGatewayAttachmentId": key},
            of=(key,),
        )
        for key, (_, item) in sorted(ours.items())
    )
    return {
        read.ask.of[0]: tuple(
            sorted(e["TransitGatewayRouteTableId"] for e in read.entries if e.get("State", "enabled") == "enabled")
        )
        for read in reads
    }


def _peerings(entries: dict[Any, list[tuple[Place, Item]]], gateways: set[str]) -> Iterator[TransitGatewayAttachment]:
    """Each side of a peering of two gateways that are both known.

    AWS gives both sides one id, or each its own; here each has its own, so that each names the other.
    """
    associations = {(p, i["TransitGatewayAttachmentId"]): _association(i) for p, i in entries[ATTACHMENTS]}
    sides: dict[frozenset[str], dict[str, tuple[Place, Item]]] = {}
    for place, item in entries[GATEWAY_PEERINGS]:
        if not {"RequesterTgwInfo", "AccepterTgwInfo"} <= set(item):
            continue  # no peering of two gateways
        infos = (item["RequesterTgwInfo"], item["AccepterTgwInfo"])
        both = frozenset(i["TransitGatewayId"] for i in infos)
        if both <= gateways and item["State"] not in _GONE:
            own = next((i for i in infos if Place(i["OwnerId"], i["Region"]) == place), None)
            if own is not None:
                sides.setdefault(both, {})[own["TransitGatewayId"]] = (place, item)
    for pair in sides.values():
        if len(pair) != 2:  # noqa: PLR2004 - a side whose account is not read
            continue
        ids = {gateway: item["TransitGatewayAttachmentId"] for gateway, (_, item) in pair.items()}
        if len(set(ids.values())) == 1:
            ids = {gateway: f"{one}@{gateway}" for gateway, one in ids.items()}
        for gateway, (place, item) in sorted(pair.items()):
            [other] = set(pair) - {gateway}
            yield TransitGatewayAttachment(
                transit_gateway_attachment_id=ids[gateway],
                transit_gateway_id=gateway,
                peer_attachment_id=ids[other],
                association=associations.get((place, item["TransitGatewayAttachmentId"])),
                state=item["State"],
            )


def _tables(
    reader: Reader,
    listed: list[tuple[Place, Item]],
    attachments: Sequence[TransitGatewayAttachment],
    blocks: Sequence[Network],
) -> list[TransitGatewayRouteTable]:
    known = {a.transit_gateway_attachment_id.partition("@")[0]: a for a in attachments}
    by_gateway = {
        (a.transit_gateway_id, a.transit_gateway_attachment_id.partition("@")[0]): a.transit_gateway_attachment_id
        for a in attachments
    }
    used = {a.association for a in attachments} | {t for a in attachments for t in a.propagations}
    wanted = [(place, item) for place, item in listed if item["TransitGatewayRouteTableId"] in used]
    reads = reader.every(
        Ask(
            place,
            GATEWAY_ROUTES,
            {"TransitGatewayRouteTableId": item["TransitGatewayRouteTableId"], **where("type", ["static"])},
            of=(item["TransitGatewayRouteTableId"],),
        )
        for place, item in wanted
    )
    found = []
    for (place, item), read in zip(wanted, reads, strict=True):
        table, gateway = item["TransitGatewayRouteTableId"], item["TransitGatewayId"]
        routes = []
        for route in read.entries:
            if "DestinationCidrBlock" not in route or not overlaps(ip_network(route["DestinationCidrBlock"]), blocks):
                continue
            to = [a["TransitGatewayAttachmentId"] for a in route.get("TransitGatewayAttachments", ())]
            if to and to[0] not in known:
                why = f"the route of {table} to {route['DestinationCidrBlock']} leads to {to[0]}, which is not read"
                reader.missing(place, GATEWAY_ROUTES, why, [table])
                continue
            if not to and route.get("State") == "active":  # only a blackhole leads nowhere
                why = f"the route of {table} to {route['DestinationCidrBlock']} is active, and AWS names no attachment"
                reader.missing(place, GATEWAY_ROUTES, why, [table])
                continue
            routes.append(
                TransitGatewayRoute(
                    destination_cidr_block=route["DestinationCidrBlock"],
                    transit_gateway_attachment_id=by_gateway.get((gateway, to[0]), to[0]) if to else None,
                )
            )
        found.append(
            TransitGatewayRouteTable(
                transit_gateway_route_table_id=table,
                transit_gateway_id=gateway,
                routes=tuple(sorted(routes, key=lambda r: str(r.destination_cidr_block))),
            )
        )
    return sorted(found, key=lambda t: t.transit_gateway_route_table_id)
