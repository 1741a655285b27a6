"""One packet's way through route tables, peerings and gateways, and what groups and ACLs do with it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from brokerproof.aws.audit.values import Hop, State
from brokerproof.aws.facts import ATTACHED_SUBNETS, AccountFacts, OtherRoute, Part
from brokerproof.causes.codes import Code
from brokerproof.topology.acl import connects
from brokerproof.topology.models import (
    IpPermission,
    PeeringStatus,
    Route,
    RouteTable,
    Topology,
    TransitGatewayAttachment,
    TransitGatewayAttachmentState,
)

Address = IPv4Address | IPv6Address
MOST_GATEWAYS: Final = 4


@dataclass(frozen=True, slots=True)
class End:
    """One end of a connection: an interface."""

    vpc_id: str
    subnet_id: str
    address: Address
    groups: tuple[str, ...] = ()
    called: str = ""
    groups_known: bool = True


def unknown_hop(
    facts: AccountFacts, kind: Part, what: str, *, vpc_id: str | None = None, of: Iterable[str] = ()
) -> Hop | None:
    """A hop that may not be read; None where it may."""
    gap = facts.gap(kind, vpc_id=vpc_id, of=of)
    if gap is None:
        return None
    return Hop(what=what, says=f"is not known: {gap.action}: {gap.why}", state=State.UNKNOWN, resource=gap.action)


def other_endpoint(
    facts: AccountFacts, *, name: str = "", addresses: Iterable[Address] = (), vpc_id: str | None = None
) -> Hop | None:
    """A hop where a name or an address is that of an endpoint of which nobody read where it leads."""
    wanted = set(addresses)
    for one in facts.other_endpoints:
        if vpc_id in {None, one.vpc_id} and (name.lower() in one.dns_names or wanted & set(one.addresses)):
            says = f"is of {one.service_name}, of which no account that is read tells where it leads"
            return Hop(
                what=f"endpoint {one.vpc_endpoint_id}", says=says, state=State.UNKNOWN, resource=one.vpc_endpoint_id
            )
    return None


# Routes


def ways(facts: AccountFacts, client: End, far: End) -> Iterator[Hop]:
    """There and back."""
    if client.vpc_id == far.vpc_id:
        yield from _inside(facts, client, far)
        return
    yield from _way(facts, client, far, missing=Code.ROUTE_MISSING_CLIENT)
    yield from _way(facts, far, client, missing=Code.ROUTE_MISSING_RETURN)


def _inside(facts: AccountFacts, client: End, far: End) -> Iterator[Hop]:
    """Within a VPC, where a route as narrow as the local one, or narrower, overrides it."""
    vpc_id = client.vpc_id
    blocks = facts.topology.vpc(vpc_id).blocks
    for here, there in ((client, far), (far, client)):
        other = _other_route(facts, here, there)
        local = next((b.prefixlen for b in blocks if there.address in b), None)
        if other is not None and local is not None and other.destination.prefixlen >= local:
            yield _elsewhere(other)
    yield Hop(what=vpc_id, says="has both ends, so no route is needed")


def _other_route(facts: AccountFacts, here: End, there: End) -> OtherRoute | None:
    """The narrowest route to where packets cannot be followed."""
    found = (r for r in facts.other_routes if here.subnet_id in r.subnet_ids and there.address in r.destination)
    return max(found, key=lambda r: r.destination.prefixlen, default=None)


def _elsewhere(route: OtherRoute) -> Hop:
    says = f"sends {route.destination} to {route.target}, and where that leads is not read"
    return Hop(
        what=f"route table {route.route_table_id}", says=says, state=State.UNKNOWN, resource=route.route_table_id
    )


def _way(facts: AccountFacts, here: End, there: End, *, missing: Code) -> Iterator[Hop]:
    topology = facts.topology
    what = f"routes of {here.subnet_id}"
    hidden = unknown_hop(facts, Part.ROUTE_TABLES, what, vpc_id=here.vpc_id)
    if hidden is not None:
        yield hidden
        return
    own = next((b for b in topology.vpc(here.vpc_id).blocks if there.address in b), None)
    if own is not None:
        yield _closed(
            what, f"the local route to {own} keeps {there.address} in {here.vpc_id}", Code.ROUTE_OVERLAP, here.vpc_id
        )
        return
    table = next((t for t in topology.route_tables if here.subnet_id in t.subnet_ids), None)
    routes = [] if table is None else [r for r in table.routes if there.address in r.destination]
    best = max(routes, key=lambda r: r.destination.prefixlen, default=None)
    other = _other_route(facts, here, there)
    if other is not None and (best is None or other.destination.prefixlen > best.destination.prefixlen):
        name = other.route_table_id
        says = f"sends {other.destination} to {other.target}, which is a blackhole"
        yield _closed(f"route table {name}", says, missing, name) if other.is_blackhole else _elsewhere(other)
        return
    if best is None or table is None:
        name = table.route_table_id if table is not None else f"main table of {here.vpc_id}"
        hidden = unknown_hop(facts, Part.PEERINGS, f"route table {name}", vpc_id=here.vpc_id)
        if hidden is not None:  # routes over a peering that is not known are not either
            yield hidden
            return
        yield _closed(f"route table {name}", f"has no route to {there.address}", missing, name)
        return
    if best.vpc_peering_connection_id is not None:
        yield from _over_peering(facts, table, best, here=here, there=there, missing=missing)
        return
    yield _route(facts, table, f"sends {best.destination} to {best.transit_gateway_id}")
    yield from _gateways(facts, here, there, str(best.transit_gateway_id))


def _over_peering(
    facts: AccountFacts, table: RouteTable, best: Route, *, here: End, there: End, missing: Code
) -> Iterator[Hop]:
    topology = facts.topology
    to = str(best.vpc_peering_connection_id)
    says = f"sends {best.destination} to {to}"
    far = _leads_to(topology, to, here.vpc_id)
    if far == there.vpc_id:
        yield _route(facts, table, says)
        yield _peering(facts, to)
        return
    others = any(
        there.address in r.destination
        and r.vpc_peering_connection_id
        and _leads_to(topology, r.vpc_peering_connection_id, here.vpc_id) == there.vpc_id
        for r in table.routes
    )
    code = Code.ROUTE_OVERLAP if others else missing
    yield _closed(f"route table {table.route_table_id}", f"{says}, which leads to {far}", code, table.route_table_id)


def _route(facts: AccountFacts, table: RouteTable, says: str) -> Hop:
    source = facts.source("route_tables", table.route_table_id)
    return Hop(
        what=f"route table {table.route_table_id}", says=says, resource=table.route_table_id, source=str(source or "")
    )


def _closed(what: str, says: str, code: Code, resource: str) -> Hop:
    return Hop(what=what, says=says, state=State.CLOSED, code=code, resource=resource)


def _leads_to(topology: Topology, connection_id: str, vpc_id: str) -> str:
    requester, accepter = topology.peering(connection_id).sides
    return accepter if requester == vpc_id else requester


def _peering(facts: AccountFacts, connection_id: str) -> Hop:
    status = facts.topology.peering(connection_id).status
    active = status is PeeringStatus.ACTIVE
    return Hop(
        what=f"peering {connection_id}",
        says=f"is {status}",
        state=State.OPEN if active else State.CLOSED,
        code=None if active else Code.ROUTE_PEERING_NOT_ACTIVE,
        resource=connection_id,
        source=str(facts.source("vpc_peering_connections", connection_id) or ""),
    )


def _gateways(facts: AccountFacts, here: End, there: End, gateway_id: str) -> Iterator[Hop]:
    topology = facts.topology
    attachment = next(
        (
            a
            for a in topology.transit_gateway_attachments
            if a.vpc_id == here.vpc_id and a.transit_gateway_id == gateway_id
        ),
        None,
    )
    if attachment is None:
        what = f"transit gateway {gateway_id}"
        hidden = unknown_hop(facts, Part.GATEWAYS, what)
        yield hidden or _closed(
            what, f"has no attachment of {here.vpc_id}", Code.ROUTE_GATEWAY_NOT_ASSOCIATED, gateway_id
        )
        return
    for _ in range(MOST_GATEWAYS):
        for hop in _into(facts, attachment, here):
            yield hop
            if hop.state is not State.OPEN:
                return
        step = _looked_up(facts, str(attachment.association), there)
        if isinstance(step, Hop):
            yield step
            return
        hop, attachment = step
        yield hop
        if attachment.vpc_id is not None:
            state = attachment.state is TransitGatewayAttachmentState.AVAILABLE
            if not state:
                yield _closed(
                    f"attachment {attachment.transit_gateway_attachment_id}",
                    f"is {attachment.state}",
                    Code.ROUTE_GATEWAY_NOT_ASSOCIATED,
                    attachment.transit_gateway_attachment_id,
                )
            return
        if attachment.state is not TransitGatewayAttachmentState.AVAILABLE:
            continue
        peer = attachment.peer_attachment_id
        attachment = next(a for a in topology.transit_gateway_attachments if a.transit_gateway_attachment_id == peer)


def _into(facts: AccountFacts, attachment: TransitGatewayAttachment, here: End) -> Iterator[Hop]:
    """From an attachment into a table of its gateway; what is not open ends the way."""
    name = attachment.transit_gateway_attachment_id
    if attachment.state is not TransitGatewayAttachmentState.AVAILABLE:
        yield _closed(f"attachment {name}", f"is {attachment.state}", _not_available(attachment), name)
        return
    if attachment.vpc_id is not None:
        yield _taken_in(facts, attachment, here)
    # Whose gateway it is may not let its tables be read.
    owner = next(g for g in facts.topology.transit_gateways if g.transit_gateway_id == attachment.transit_gateway_id)
    gaps = (_gap_at(facts, kind, owner.owner_id, owner.region_name) for kind in (Part.GATEWAY_ROUTES, Part.GATEWAYS))
    gap = next((each for each in gaps if each is not None), None)
    if gap is not None:
        yield gap
    elif attachment.association is None:
        yield _closed(
            f"attachment {name}", "is associated with no route table", Code.ROUTE_GATEWAY_NOT_ASSOCIATED, name
        )


def _taken_in(facts: AccountFacts, attachment: TransitGatewayAttachment, here: End) -> Hop:
    """Whether a gateway takes what leaves a subnet: it has to have an interface in the subnet's zone.

    Source: Transit Gateways guide, VPC attachments, limits. What comes from the gateway reaches every zone.
    """
    name = attachment.transit_gateway_attachment_id
    what, zone = f"attachment {name}", facts.topology.zone_of(here.subnet_id)
    zones = facts.topology.attached_zones(attachment)
    if zones is None or not zone:
        says = "has subnets in zones that are not known"
        return unknown_hop(facts, Part.GATEWAY_ZONES, what, vpc_id=here.vpc_id) or Hop(
            what=what, says=says, state=State.UNKNOWN, resource=name
        )
    if zone not in zones:
        says = f"has no subnet in {zone}, the zone of {here.subnet_id}, but in {', '.join(sorted(zones))}"
        return _closed(what, says, Code.ROUTE_GATEWAY_ZONE_MISSING, name)
    source = str(facts.source(ATTACHED_SUBNETS, name) or "")
    return Hop(what=what, says=f"has a subnet in {zone}", resource=name, source=source)


def _gap_at(facts: AccountFacts, kind: Part, account_id: str, region_name: str) -> Hop | None:
    for gap in facts.gaps:
        if kind in gap.unknown and (gap.account_id, gap.region_name) == (account_id, region_name):
            return Hop(
                what="transit gateway",
                says=f"is not known: {gap.action}: {gap.why}",
                state=State.UNKNOWN,
                resource=gap.action,
            )
    return None


def _not_available(attachment: TransitGatewayAttachment) -> Code:
    return Code.ROUTE_GATEWAY_PEERING_PENDING if attachment.vpc_id is None else Code.ROUTE_GATEWAY_NOT_ASSOCIATED


def _looked_up(facts: AccountFacts, table_id: str, there: End) -> Hop | tuple[Hop, TransitGatewayAttachment]:
    """Where a gateway's table sends a packet: the longest prefix, and of two alike the static route."""
    topology = facts.topology
    table = next(
        (t for t in topology.transit_gateway_route_tables if t.transit_gateway_route_table_id == table_id), None
    )
    what = f"gateway route table {table_id}"
    attachments = {a.transit_gateway_attachment_id: a for a in topology.transit_gateway_attachments}
    found: list[tuple[int, int, str, TransitGatewayAttachment | None]] = [
        (
            r.destination_cidr_block.prefixlen,
            1,
            str(r.destination_cidr_block),
            attachments.get(r.transit_gateway_attachment_id or ""),
        )
        for r in (table.routes if table is not None else ())
        if there.address in r.destination_cidr_block
    ]
    found += [
        (block.prefixlen, 0, str(block), a)
        for a in topology.transit_gateway_attachments
        if table_id in a.propagations and a.vpc_id is not None
        for block in topology.vpc(a.vpc_id).blocks
        if there.address in block
    ]
    if not found:
        gateway = table.transit_gateway_id if table is not None else ""
        near = any(
            a.vpc_id == there.vpc_id and a.transit_gateway_id == gateway for a in topology.transit_gateway_attachments
        )
        code = Code.ROUTE_GATEWAY_NOT_PROPAGATED if near else Code.ROUTE_GATEWAY_STATIC_MISSING
        return _closed(what, f"has no route to {there.address}", code, table_id)
    _, _, block, to = max(found, key=lambda entry: entry[:2])
    if to is None:
        return _closed(what, f"sends {block} into a blackhole", Code.ROUTE_GATEWAY_BLACKHOLE, table_id)
    if to.vpc_id is not None and to.vpc_id != there.vpc_id:
        return _closed(what, f"sends {block} to {to.vpc_id}", Code.ROUTE_GATEWAY_BLACKHOLE, table_id)
    source = str(facts.source("transit_gateway_route_tables", table_id) or "")
    return Hop(
        what=what, says=f"sends {block} to {to.transit_gateway_attachment_id}", resource=table_id, source=source
    ), to


# Groups and ACLs


def lets_out(facts: AccountFacts, here: End, there: End, port: int, code: Code) -> Hop:
    """What the groups of an interface let out."""
    return _groups(facts, here, there, port, code, egress=True)


def lets_in(facts: AccountFacts, here: End, there: End, port: int, code: Code) -> Hop:
    """What the groups of an interface (``there``) let in from another (``here``)."""
    return _groups(facts, there, here, port, code, egress=False)


def _groups(facts: AccountFacts, own: End, far: End, port: int, code: Code, *, egress: bool) -> Hop:
    named = ", ".join(own.groups)
    what = f"security group {named} of {own.called}"
    if not own.groups:
        return Hop(what=f"security groups of {own.called}", says="are none that is known")
    for asked in ({"vpc_id": own.vpc_id}, {"of": own.groups}):  # a host's groups are read in its own account
        hidden = unknown_hop(facts, Part.SECURITY_GROUPS, what, **asked)
        if hidden is not None:
            return hidden
    rules = [
        rule
        for group in facts.topology.security_groups
        if group.group_id in own.groups
        for rule in (group.egress if egress else group.ingress)
        if has_port(rule, port)
    ]
    direction = "out to" if egress else "in from"
    if any(names(rule, far.address) or rule.referenced_group_id in far.groups for rule in rules):
        source = str(facts.source("security_groups", own.groups[0]) or "")
        return Hop(what=what, says=f"lets port {port} {direction} {far.address}", resource=named, source=source)
    others = [] if far.groups_known else sorted(_possible(facts.topology, far, rules))
    if others:
        says = f"lets port {port} {direction} {', '.join(others)}, and the groups of {far.called} are not known"
        return Hop(what=what, says=says, state=State.UNKNOWN)
    return _closed(what, f"does not let port {port} {direction} {far.address}", code, named)


def _possible(topology: Topology, far: End, rules: Iterable[IpPermission]) -> set[str]:
    """The groups that rules name and an interface may have: groups are of one VPC."""
    elsewhere = {group.group_id for group in topology.security_groups if group.vpc_id != far.vpc_id}
    return {rule.referenced_group_id for rule in rules if rule.referenced_group_id} - elsewhere


def has_port(rule: IpPermission, port: int) -> bool:
    """Whether a rule is about a TCP port."""
    return rule.ip_protocol == "-1" or (rule.ip_protocol == "tcp" and rule.from_port <= port <= rule.to_port)


def names(rule: IpPermission, address: Address) -> bool:
    """Whether a rule's CIDR has the address."""
    block = rule.cidr_ipv4 if isinstance(address, IPv4Address) else rule.cidr_ipv6
    return block is not None and address in block


def acls(facts: AccountFacts, here: End, there: End, port: int) -> Hop:
    """What the network ACLs of both subnets do with the connection and its answers."""
    what = f"network ACLs of {here.subnet_id} and {there.subnet_id}"
    for end in (here, there):
        hidden = unknown_hop(facts, Part.NETWORK_ACLS, what, vpc_id=end.vpc_id)
        if hidden is not None:
            return hidden
    if connects(facts.topology, (here.subnet_id, here.address), (there.subnet_id, there.address), port):
        return Hop(what=what, says=f"let port {port} through, and its answers")
    ids = [
        a.network_acl_id for a in facts.topology.network_acls if {here.subnet_id, there.subnet_id} & set(a.subnet_ids)
    ]
    return _closed(
        f"network ACL {', '.join(ids)}",
        f"does not let port {port} from {here.address} to {there.address} through both ways",
        Code.SECURITY_NETWORK_ACL,
        ids[0] if ids else "",
    )
