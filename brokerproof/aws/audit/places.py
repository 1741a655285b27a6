"""A client of which only the VPC or the subnet is known, audited from every place where it may be. Pure.

Addresses that every rule, ACL and route treats alike are one place. What all places agree on is said of the client;
what depends on where it is, is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import msgspec

from brokerproof.aws.audit.values import Hop, State, Trace
from brokerproof.causes.codes import Code
from brokerproof.topology.expectation.isolation import by_ipv6, source_of
from brokerproof.topology.models import UNKNOWN, Client, Subnet, Topology
from brokerproof.wording import listed

Address = IPv4Address | IPv6Address
Block = IPv4Network | IPv6Network
_FIRST = 4
"""Addresses at the start of a subnet that AWS keeps; it keeps the last one too (VPC guide, subnet sizing)."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The client as it would be at one of the addresses of a place; ``called`` is the place in words."""

    client: Client
    called: str

    def told(self, hop: Hop) -> Hop:
        """The hop with the place instead of the address that stands for it."""
        own = re.escape(str(source_of(self.client)))
        says = re.sub(rf"(?<![0-9a-f.:]){own}(?![0-9a-f:]|\.[0-9])", self.called, hop.says)
        return msgspec.structs.replace(hop, says=says)


def standings(topology: Topology, client: Client, others: Sequence[Block] = ()) -> list[Standing]:
    """Every place where the client may be; none where the account has no subnet of it.

    ``others``: blocks that tell addresses apart beside those of the topology.
    """
    own = source_of(client)
    subnets = [s for s in topology.subnets if s.vpc_id == client.vpc_id and client.subnet_id in {UNKNOWN, s.subnet_id}]
    if own is not None:
        subnets = [s for s in subnets if (block := _block(s, client)) is not None and own in block]
    blocks, taken = [*_blocks(topology), *others], set(_taken(topology))
    found = []
    for subnet in subnets:
        places = {own: str(own)} if own is not None else _places(subnet, client, blocks, taken)
        for address, called in places.items():
            field = "ipv6_address" if by_ipv6(client) else "private_ip_address"
            there = client.model_copy(update={"subnet_id": subnet.subnet_id, field: address})
            found.append(Standing(there, called))
    return found


def _block(subnet: Subnet, client: Client) -> Block | None:
    return subnet.ipv6_cidr_block if by_ipv6(client) else subnet.cidr_block


def _places(subnet: Subnet, client: Client, blocks: Sequence[Block], taken: set[Address]) -> dict[Address, str]:
    """One free address for each part of a subnet that the blocks tell apart, with the part in words."""
    own = _block(subnet, client)
    if own is None:
        return {}
    first, last = int(own.network_address) + _FIRST, int(own.broadcast_address) - 1
    inside = [b for b in blocks if b.version == own.version and b != own and b.subnet_of(own)]  # type: ignore[arg-type]
    cuts = {first} | {int(b.network_address) for b in inside} | {int(b.broadcast_address) + 1 for b in inside}
    parts: dict[frozenset[Block], Address] = {}
    for start, end in _between(sorted(cut for cut in cuts if first <= cut <= last), last):
        tried = (_at(number, own) for number in range(start, min(end, start + len(taken)) + 1))
        address = next((each for each in tried if each not in taken), None)
        if address is not None:
            parts.setdefault(frozenset(b for b in inside if address in b), address)
    whole = f"any address of {subnet.subnet_id}"
    return {
        address: whole
        if len(parts) == 1
        else f"{subnet.subnet_id} in {min(within, key=lambda b: b.num_addresses)}"
        if within
        else f"the rest of {subnet.subnet_id}"
        for within, address in parts.items()
    }


def _at(number: int, own: Block) -> Address:
    return IPv6Address(number) if isinstance(own, IPv6Network) else IPv4Address(number)


def _between(cuts: Sequence[int], last: int) -> Iterator[tuple[int, int]]:
    yield from ((start, (cuts[i + 1] - 1) if i + 1 < len(cuts) else last) for i, start in enumerate(cuts))


def _blocks(topology: Topology) -> Iterator[Block]:
    """Everything that tells addresses apart."""
    for group in topology.security_groups:
        for rule in (*group.ingress, *group.egress):
            yield from (block for block in (rule.cidr_ipv4, rule.cidr_ipv6) if block is not None)
    for acl in topology.network_acls:
        for entry in acl.entries:
            yield from (block for block in (entry.cidr_block, entry.ipv6_cidr_block) if block is not None)
    for table in topology.route_tables:
        yield from (route.destination for route in table.routes)
    for gateway in topology.transit_gateway_route_tables:
        yield from (route.destination_cidr_block for route in gateway.routes)


def _taken(topology: Topology) -> Iterator[Address]:
    """Addresses that something else has."""
    for cluster in topology.clusters:
        for broker in cluster.brokers:
            yield from (a for a in (broker.client_vpc_ip_address, broker.ipv6_address) if a is not None)
    interfaces = [eni for endpoint in topology.vpc_endpoints for eni in endpoint.network_interfaces]
    interfaces += [eni for connection in topology.vpc_connections for eni in connection.network_interfaces]
    for eni in interfaces:
        yield from (a for a in (eni.private_ip_address, eni.ipv6_address) if a is not None)
    for balancer in topology.load_balancers:
        for zone in balancer.availability_zones:
            yield from (a for a in (zone.private_ipv4_address, zone.ipv6_address) if a is not None)


# Several places, as one


Said = tuple[int | None, Hop]
"""A hop, and the broker it is about."""


def one_of(traces: Mapping[str, Sequence[Trace]]) -> list[Trace]:
    """The traces of all places, each to the same brokers in the same order, as one each."""
    return [_merged(dict(zip(traces, each, strict=True))) for each in zip(*traces.values(), strict=True)]


def _merged(traces: Mapping[str, Trace]) -> Trace:
    codes = {place: {hop.code for hop in one.hops if hop.code is not None} for place, one in traces.items()}
    agreed = frozenset.intersection(*map(frozenset, codes.values()))
    hops = dict.fromkeys(hop for one in traces.values() for hop in one.hops if hop.code is None or hop.code in agreed)
    differ = sorted({code for found in codes.values() for code in found} - agreed)
    first = next(iter(traces.values()))
    for code in differ:
        here = [place for place, found in codes.items() if code in found]
        elsewhere = [place for place in codes if place not in here]
        says = f"depends on where it is: {code} from {listed(here)}, and not from {listed(elsewhere)}"
        hops[Hop(what=f"client {first.client}", says=says, state=State.UNKNOWN)] = None
    return Trace(client=first.client, broker_id=first.broker_id, name=first.name, port=first.port, hops=tuple(hops))


def doors_of(doors: Mapping[str, Sequence[Said]]) -> Iterator[Said]:
    """What is open and should not be: from every place, or from some, which is a doubt."""
    where: dict[tuple[int | None, Code | None], dict[str, None]] = {}
    for place, found in doors.items():
        for broker_id, hop in found:
            where.setdefault((broker_id, hop.code), {})[place] = None
    for broker_id, hop in dict.fromkeys(said for found in doors.values() for said in found):
        places = where[broker_id, hop.code]
        if len(places) == len(doors):
            yield broker_id, hop
        else:
            says = f"{hop.says}, from {listed(places)} alone"
            yield broker_id, msgspec.structs.replace(hop, state=State.DOUBTFUL, says=says)
