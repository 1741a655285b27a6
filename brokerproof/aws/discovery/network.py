"""VPCs and what is in them: subnets, route tables, ACLs, peering connections, DHCP options, and who is joined."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network
from typing import Final

from brokerproof.aws.discovery.calls import (
    ATTACHMENTS,
    DHCP_OPTIONS,
    ENDPOINTS,
    NETWORK_ACLS,
    PEERINGS,
    PROFILE_RESOURCES,
    PROFILES,
    ROUTE_TABLES,
    RULE_ASSOCIATIONS,
    SUBNETS,
    VPC_ATTACHMENTS,
    VPC_ATTRIBUTE,
    VPCS,
    ZONES,
    ZONES_BY_VPC,
    Call,
)
from brokerproof.aws.discovery.prefixes import each_block, read_prefixes
from brokerproof.aws.discovery.reader import Ask, Item, Place, Read, Reader, where
from brokerproof.aws.facts import Expiring
from brokerproof.topology.models import (
    NetworkAcl,
    NetworkAclEntry,
    PortRange,
    Subnet,
    Vpc,
    VpcPeeringConnection,
)

_LAST_RULE: Final = 32767
_LIST: Final = "DestinationPrefixListId"
_TARGETS: Final = (
    "VpcPeeringConnectionId",
    "TransitGatewayId",
    "CoreNetworkArn",
    "NetworkInterfaceId",
    "InstanceId",
    "NatGatewayId",
    "EgressOnlyInternetGatewayId",
    "LocalGatewayId",
    "CarrierGatewayId",
    "OdbNetworkArn",
    "GatewayId",
)
"""Members of a route of which one tells where it leads."""
_BATCH: Final = 200
"""Values that a filter of EC2 takes."""
_ATTRIBUTES: Final = ("enableDnsSupport", "enableDnsHostnames")
_LISTED: Final[tuple[tuple[Call, str], ...]] = (
    (VPCS, "vpc-id"),
    (SUBNETS, "vpc-id"),
    (ROUTE_TABLES, "vpc-id"),
    (NETWORK_ACLS, "vpc-id"),
    (ENDPOINTS, "vpc-id"),
    (ATTACHMENTS, "resource-id"),
    (VPC_ATTACHMENTS, "vpc-id"),
    (PEERINGS, "requester-vpc-info.vpc-id"),
    (PEERINGS, "accepter-vpc-info.vpc-id"),
    (RULE_ASSOCIATIONS, "VPCId"),
)
"""What is asked of all VPCs of a place at once, and by which filter."""


@dataclass(slots=True)
class ReadNetwork:
    """The answers, before they are mapped."""

    places: dict[str, Place]
    """Where each VPC is."""
    entries: dict[Call, dict[str, tuple[Place, Item]]] = field(default_factory=dict)
    """What was listed, by its own id, each once."""
    attributes: dict[tuple[str, str], bool] = field(default_factory=dict)
    zones_of: dict[str, tuple[Item, ...]] = field(default_factory=dict)
    own_zones: list[tuple[Place, Item]] = field(default_factory=list)
    associations: list[tuple[Place, Item]] = field(default_factory=list)
    profiles: list[tuple[Place, Item]] = field(default_factory=list)
    """Associations of Route 53 Profiles with these VPCs."""
    options: dict[str, Item] = field(default_factory=dict)

    def listed(self, call: Call) -> list[tuple[Place, Item]]:
        """Every entry of a call, by id."""
        return [self.entries.get(call, {})[key] for key in sorted(self.entries.get(call, {}))]

    def items(self, call: Call) -> list[Item]:
        """The same, without where they are from."""
        return [item for _, item in self.listed(call)]


_IDS: Final = {
    VPCS: "VpcId",
    SUBNETS: "SubnetId",
    ROUTE_TABLES: "RouteTableId",
    NETWORK_ACLS: "NetworkAclId",
    ENDPOINTS: "VpcEndpointId",
    ATTACHMENTS: "TransitGatewayAttachmentId",
    VPC_ATTACHMENTS: "TransitGatewayAttachmentId",
    PEERINGS: "VpcPeeringConnectionId",
}


def read_network(reader: Reader, places: Mapping[str, Place]) -> ReadNetwork:
    """All of these VPCs."""
    by_place: dict[Place, list[str]] = {}
    for vpc_id, place in sorted(places.items()):
        by_place.setdefault(place, []).append(vpc_id)
    reader.say(f"reading {len(places)} VPC(s) in {len(by_place)} account(s) and Region(s)")
    reads = reader.every(_asks(by_place))
    network = ReadNetwork(dict(places))
    for read in reads:
        _keep(network, read)
    _without_ipv6_alone(network)
    options_read = reader.beside(lambda: reader.every(_options(network)))
    by_block = reader.beside(lambda: _by_block(reader, network))
    _by_profile(reader, network)
    by_block()
    for read in options_read():
        network.options |= {item["DhcpOptionsId"]: item for item in read.entries}
    return network


def _without_ipv6_alone(network: ReadNetwork) -> None:
    """Leave out subnets without a block of IPv4, which a topology has not and no broker is in."""
    subnets = network.entries.get(SUBNETS, {})
    gone = {key for key, (_, item) in subnets.items() if not item.get("CidrBlock")}
    network.entries[SUBNETS] = {key: pair for key, pair in subnets.items() if key not in gone}
    for call in (ROUTE_TABLES, NETWORK_ACLS):
        for key, (place, item) in network.entries.get(call, {}).items():
            left = [a for a in item.get("Associations", ()) if a.get("SubnetId") not in gone]
            network.entries[call][key] = (place, {**item, "Associations": left})


def _by_profile(reader: Reader, network: ReadNetwork) -> None:
    """Give VPCs the zones and resolver rules that Route 53 Profiles share with them."""
    used = sorted(
        {(place, item["ProfileId"], item["ResourceId"]) for place, item in network.profiles}, key=lambda one: one[1:]
    )
    wanted = sorted({(place, profile) for place, profile, _ in used})
    reads = reader.every(
        Ask(place, PROFILE_RESOURCES, {"ProfileId": profile}, of=(profile,)) for place, profile in wanted
    )
    shared = {
        pair: [str(entry["ResourceArn"]) for entry in read.entries] for pair, read in zip(wanted, reads, strict=True)
    }
    own = {str(item["Id"]).rpartition("/")[2] for _, item in network.own_zones}
    for place, profile, vpc_id in used:
        for arn in shared[place, profile]:
            one = arn.rpartition("/")[2]
            if ":hostedzone/" in arn and one in own:
                network.zones_of[vpc_id] = (*network.zones_of.get(vpc_id, ()), {"HostedZoneId": one})
            elif ":hostedzone/" in arn:
                why = f"Profile {profile} shares zone {one}, which is of an account that is not read"
                reader.missing(place, PROFILE_RESOURCES, why, [vpc_id])
            elif ":resolver-rule/" in arn:
                network.associations.append((place, {"ResolverRuleId": one, "VPCId": vpc_id}))


def _by_block(reader: Reader, network: ReadNetwork) -> None:
    """Have every route that may carry packets to another VPC name a block."""
    tables = network.entries.get(ROUTE_TABLES, {})
    led = {key: [route for route in table.get("Routes", ()) if _may_lead(route)] for key, (_, table) in tables.items()}
    prefixes = read_prefixes(
        reader,
        ((tables[key][0], route[_LIST]) for key, routes in led.items() for route in routes if route.get(_LIST)),
    )
    for key, (place, table) in tables.items():
        members = {"names": _LIST, "four": "DestinationCidrBlock", "six": "DestinationIpv6CidrBlock"}
        tables[key] = (place, {**table, "Routes": list(each_block(led[key], prefixes, **members))})


def _may_lead(route: Item) -> bool:
    """Whether it leads out of the VPC; a gateway endpoint's leads to S3 or DynamoDB alone."""
    target = target_of(route)
    return target != "local" and not (route.get(_LIST) and target.startswith("vpce-"))


def target_of(route: Item) -> str:
    """Where a route leads, by the member that AWS names it with; empty where it names none that is known."""
    return next((str(route[member]) for member in _TARGETS if route.get(member)), "")


def _asks(by_place: Mapping[Place, Sequence[str]]) -> Iterator[Ask]:
    for place, vpc_ids in by_place.items():
        for call, name in _LISTED:
            for start in range(0, len(vpc_ids), _BATCH):
                batch = vpc_ids[start : start + _BATCH]
                yield Ask(place, call, where(name, batch), of=() if len(vpc_ids) <= _BATCH else tuple(batch))
        yield Ask(place, PROFILES)
        for vpc_id in vpc_ids:
            yield Ask(place, ZONES_BY_VPC, {"VPCId": vpc_id, "VPCRegion": place.region_name}, of=(vpc_id,))
            for attribute in _ATTRIBUTES:
                yield Ask(place, VPC_ATTRIBUTE, {"VpcId": vpc_id, "Attribute": attribute}, of=(vpc_id,))
    for account in sorted({place.account_id for place in by_place}):
        yield Ask(min(place for place in by_place if place.account_id == account), ZONES)


def _keep(network: ReadNetwork, read: Read) -> None:
    place, call = read.ask.place, read.ask.call
    if call is VPC_ATTRIBUTE:
        for name in ("EnableDnsSupport", "EnableDnsHostnames"):
            if name in read.one:
                network.attributes[read.ask.of[0], name] = bool(read.one[name]["Value"])
    elif call is ZONES_BY_VPC:
        network.zones_of[read.ask.of[0]] = read.entries
    elif call is ZONES:
        network.own_zones += [(place, item) for item in read.entries if item.get("Config", {}).get("PrivateZone")]
    elif call is PROFILES:
        network.profiles += [(place, item) for item in read.entries if item["ResourceId"] in network.places]
    elif call is RULE_ASSOCIATIONS:
        network.associations += [(place, item) for item in read.entries]
    else:
        ours = network.entries.setdefault(call, {})
        for item in read.entries:
            ours.setdefault(str(item[_IDS[call]]), (place, item))


def _options(network: ReadNetwork) -> Iterator[Ask]:
    wanted: dict[Place, set[str]] = {}
    for place, vpc in network.listed(VPCS):
        if vpc.get("DhcpOptionsId", "default") != "default":
            wanted.setdefault(place, set()).add(vpc["DhcpOptionsId"])
    for place, ids in wanted.items():
        yield Ask(place, DHCP_OPTIONS, {"DhcpOptionsIds": sorted(ids)})


# Mapping


def vpcs_of(network: ReadNetwork) -> Iterator[Vpc]:
    """The VPCs."""
    for place, item in network.listed(VPCS):
        primary = item["CidrBlock"]
        blocks = [
            b["CidrBlock"]
            for b in item.get("CidrBlockAssociationSet", ())
            if b.get("CidrBlockState", {}).get("State", "associated") == "associated"
        ]
        yield Vpc(
            vpc_id=item["VpcId"],
            owner_id=item["OwnerId"],
            region_name=place.region_name,
            cidr_blocks=(primary, *(b for b in blocks if b != primary)),
            ipv6_cidr_blocks=tuple(
                b["Ipv6CidrBlock"]
                for b in item.get("Ipv6CidrBlockAssociationSet", ())
                if b.get("Ipv6CidrBlockState", {}).get("State") == "associated"
            ),
            enable_dns_support=network.attributes.get((item["VpcId"], "EnableDnsSupport"), True),
            enable_dns_hostnames=network.attributes.get((item["VpcId"], "EnableDnsHostnames"), True),
            domain_name_servers=tuple(_servers(network, item)),
        )


def _servers(network: ReadNetwork, vpc: Item) -> Iterator[IPv4Address]:
    for entry in network.options.get(vpc.get("DhcpOptionsId", ""), {}).get("DhcpConfigurations", ()):
        if entry["Key"] == "domain-name-servers":
            for value in entry["Values"]:
                if value["Value"] != "AmazonProvidedDNS" and ":" not in value["Value"]:
                    yield IPv4Address(value["Value"])


def subnets_of(network: ReadNetwork) -> Iterator[Subnet]:
    """Their subnets."""
    for item in network.items(SUBNETS):
        six = [
            b["Ipv6CidrBlock"]
            for b in item.get("Ipv6CidrBlockAssociationSet", ())
            if b.get("Ipv6CidrBlockState", {}).get("State") == "associated"
        ]
        yield Subnet(
            subnet_id=item["SubnetId"],
            vpc_id=item["VpcId"],
            cidr_block=item["CidrBlock"],
            ipv6_cidr_block=six[0] if six else None,
            availability_zone_id=item["AvailabilityZoneId"],
        )


def zone_ids(network: ReadNetwork) -> dict[tuple[str, str], str]:
    """Zone ids by account and the zone's name there."""
    return {
        (place.account_id, item["AvailabilityZone"]): item["AvailabilityZoneId"]
        for place, item in network.listed(SUBNETS)
    }


Network = IPv4Network | IPv6Network


def overlaps(block: Network, others: Sequence[Network]) -> bool:
    """Whether a block has an address of another one."""
    return any(block.version == other.version and block.overlaps(other) for other in others)


def acls_of(network: ReadNetwork) -> Iterator[NetworkAcl]:
    """Their network ACLs, but those that let everything through as a default one does."""
    dual = {vpc["VpcId"] for vpc in network.items(VPCS) if vpc.get("Ipv6CidrBlockAssociationSet")}
    for item in network.items(NETWORK_ACLS):
        subnet_ids = tuple(sorted(a["SubnetId"] for a in item.get("Associations", ())))
        entries = tuple(
            sorted(
                (_entry(e) for e in item.get("Entries", ()) if e["RuleNumber"] != _LAST_RULE),
                key=lambda e: (e.egress, e.rule_number),
            )
        )
        if subnet_ids and not _lets_all(entries, dual_stack=item["VpcId"] in dual):
            yield NetworkAcl(
                network_acl_id=item["NetworkAclId"], vpc_id=item["VpcId"], subnet_ids=subnet_ids, entries=entries
            )


def _entry(item: Item) -> NetworkAclEntry:
    ports = item.get("PortRange")
    return NetworkAclEntry(
        rule_number=item["RuleNumber"],
        protocol=item["Protocol"],
        rule_action=item["RuleAction"],
        egress=item["Egress"],
        cidr_block=item.get("CidrBlock"),
        ipv6_cidr_block=item.get("Ipv6CidrBlock"),
        port_range=None if ports is None else PortRange(from_port=ports["From"], to_port=ports["To"]),
    )


def _lets_all(entries: Sequence[NetworkAclEntry], *, dual_stack: bool) -> bool:
    """Whether both directions allow all of IPv4, and of IPv6 where there is any, and none denies anything."""
    wanted = [
        (egress, block) for egress in (True, False) for block in ("0.0.0.0/0", *(("::/0",) if dual_stack else ()))
    ]
    whole = {
        (e.egress, str(e.cidr_block or e.ipv6_cidr_block))
        for e in entries
        if e.protocol == "-1" and e.rule_action == "allow"
    }
    return whole >= set(wanted) and all(e.rule_action == "allow" for e in entries)


def peerings_of(network: ReadNetwork, vpc_ids: set[str]) -> Iterator[VpcPeeringConnection]:
    """The peering connections between VPCs that are known."""
    for item in network.items(PEERINGS):
        requester, accepter = item["RequesterVpcInfo"]["VpcId"], item["AccepterVpcInfo"]["VpcId"]
        if {requester, accepter} <= vpc_ids:
            yield VpcPeeringConnection(
                vpc_peering_connection_id=item["VpcPeeringConnectionId"],
                requester_vpc_id=requester,
                accepter_vpc_id=accepter,
                status=item["Status"]["Code"],
            )


def expiring(network: ReadNetwork) -> Iterator[Expiring]:
    """Peering connections that wait to be accepted, and will not for ever."""
    for item in network.items(PEERINGS):
        when = item.get("ExpirationTime")
        if when is not None and item["Status"]["Code"] == "pending-acceptance":
            yield Expiring(
                resource=item["VpcPeeringConnectionId"],
                state="pending-acceptance",
                when=f"at {when.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
            )


def beyond(network: ReadNetwork, blocks: Sequence[Network]) -> Iterator[Vpc]:
    """VPCs on the other side of a peering that a route to one of these blocks leads over, as the peering tells them."""
    seen: set[str] = set(network.places)
    used = {
        route["VpcPeeringConnectionId"]
        for table in network.items(ROUTE_TABLES)
        for route in table.get("Routes", ())
        if "VpcPeeringConnectionId" in route
        and overlaps(ip_network(route.get("DestinationCidrBlock") or route["DestinationIpv6CidrBlock"]), blocks)
    }
    for item in network.items(PEERINGS):
        for side in ("RequesterVpcInfo", "AccepterVpcInfo"):
            info = item[side]
            far = info["VpcId"]
            cidrs = [b["CidrBlock"] for b in info.get("CidrBlockSet", ())] or [info.get("CidrBlock")]
            if far not in seen and item["VpcPeeringConnectionId"] in used and all(cidrs):
                seen.add(far)
                yield Vpc(vpc_id=far, owner_id=info["OwnerId"], region_name=info["Region"], cidr_blocks=tuple(cidrs))
