"""Load balancers, target groups, endpoint services and interface endpoints, and MSK's VPC connections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Final

from brokerproof.aws.discovery.calls import (
    BALANCER_ATTRIBUTES,
    BALANCERS,
    ENDPOINTS,
    INTERFACES,
    LIST_VPC_CONNECTIONS,
    LISTENERS,
    SERVICE_CONNECTIONS,
    SERVICE_PERMISSIONS,
    SERVICES,
    TARGET_GROUP_ATTRIBUTES,
    TARGET_GROUPS,
    TARGET_HEALTH,
)
from brokerproof.aws.discovery.connections import (
    connections_of,
    described_connections,
    endpoint_interfaces,
    interfaces_of,
)
from brokerproof.aws.discovery.network import ReadNetwork
from brokerproof.aws.discovery.reader import Ask, Item, Place, Read, Reader, each_once, where
from brokerproof.aws.discovery.scope import ReadCluster
from brokerproof.aws.facts import OpenService, OtherEndpoint, Provided, TargetHealth
from brokerproof.topology.models import (
    EndpointService,
    EndpointState,
    Listener,
    LoadBalancer,
    LoadBalancerZone,
    TargetDescription,
    TargetGroup,
    VpcConnection,
    VpcEndpoint,
)

_STATES: Final = {
    "pendingacceptance": "pendingAcceptance",
    "pending": "pending",
    "available": "available",
    "rejected": "rejected",
    "expired": "expired",
    "failed": "failed",
    "deleted": "deleted",
    "deleting": "deleted",
    "partial": "failed",
}


@dataclass(slots=True)
class ReadServices:
    """Everything between an endpoint and a broker, mapped."""

    target_groups: list[TargetGroup] = field(default_factory=list)
    balancers: list[LoadBalancer] = field(default_factory=list)
    listeners: list[tuple[Place, str, Item]] = field(default_factory=list)
    """Of load balancers, as they were answered: where, the load balancer's name, and the answer."""
    services: list[EndpointService] = field(default_factory=list)
    endpoints: list[VpcEndpoint] = field(default_factory=list)
    other_endpoints: list[OtherEndpoint] = field(default_factory=list)
    connections: list[VpcConnection] = field(default_factory=list)
    health: list[TargetHealth] = field(default_factory=list)
    permissions: list[OpenService] = field(default_factory=list)
    provided: list[Provided] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Group:
    """A target group and its targets, as they were answered, and where."""

    place: Place
    item: Item
    targets: tuple[Item, ...]


def read_services(reader: Reader, network: ReadNetwork, clusters: Sequence[ReadCluster]) -> ReadServices:
    """What stands between these VPCs' endpoints and the clusters."""
    homes = sorted({cluster.place for cluster in clusters})
    reader.say("reading load balancers, endpoint services and endpoints")
    asks = [Ask(place, call) for place in homes for call in (SERVICES, BALANCERS, TARGET_GROUPS)]
    asks += [Ask(place, LIST_VPC_CONNECTIONS) for place in sorted(set(network.places.values()))]
    enis_read = reader.beside(lambda: endpoint_interfaces(reader, network))
    reads = reader.every(asks)
    listed = {
        call: [(r.ask.place, i) for r in reads if r.ask.call is call for i in r.entries]
        for call in (SERVICES, BALANCERS, TARGET_GROUPS, LIST_VPC_CONNECTIONS)
    }
    connections_read = reader.beside(
        lambda: described_connections(reader, network, listed[LIST_VPC_CONNECTIONS], clusters)
    )
    found = ReadServices()
    home_vpcs = {cluster.vpc_id for cluster in clusters}
    balancers = {
        i["LoadBalancerArn"]: (p, i)
        for p, i in listed[BALANCERS]
        if i.get("Type") == "network" and i["VpcId"] in home_vpcs
    }
    ours, groups = _leading_to_brokers(reader, balancers, listed, network, clusters)
    theirs = sorted(
        ((p, i) for p, i in listed[SERVICES] if set(i.get("NetworkLoadBalancerArns", ())) & ours),
        key=lambda pair: str(pair[1]["ServiceName"]),
    )
    told = reader.beside(lambda: _told(reader, theirs))
    _balancers(reader, found, {arn: balancers[arn] for arn in ours}, groups)
    _provider(found, theirs, told())
    enis = enis_read()
    for endpoint in _endpoints(network, {s.service_name for s in found.services}, enis):
        if isinstance(endpoint, OtherEndpoint):
            found.other_endpoints.append(endpoint)
        else:
            found.endpoints.append(endpoint)
    found.connections = connections_of(reader, network, connections_read(), clusters, enis)
    return found


def _leading_to_brokers(
    reader: Reader,
    balancers: Mapping[str, tuple[Place, Item]],
    listed: Mapping[Any, list[tuple[Place, Item]]],
    network: ReadNetwork,
    clusters: Sequence[ReadCluster],
) -> tuple[set[str], dict[str, _Group]]:
    """The load balancers that have a broker for a target, or an endpoint of these VPCs in front; and their groups."""
    candidates = [(p, i) for p, i in listed[TARGET_GROUPS] if i.get("TargetType") == "ip" and i.get("VpcId")]
    candidates = [(p, i) for p, i in candidates if i["VpcId"] in {c.vpc_id for c in clusters}]
    reads = reader.every(
        Ask(p, TARGET_HEALTH, {"TargetGroupArn": i["TargetGroupArn"]}, of=(i["TargetGroupName"],))
        for p, i in candidates
    )
    groups = {i["TargetGroupArn"]: _Group(p, i, r.entries) for (p, i), r in zip(candidates, reads, strict=True)}
    brokers = {n["ClientVpcIpAddress"] for c in clusters for n in c.nodes}
    brokers |= {
        six["Ipv6Address"] for c in clusters for eni in c.interfaces.values() for six in eni.get("Ipv6Addresses", ())
    }
    ours = {
        arn
        for group in groups.values()
        if any(t["Target"]["Id"] in brokers for t in group.targets)
        for arn in group.item.get("LoadBalancerArns", ())
    }
    used = {e["ServiceName"] for e in network.items(ENDPOINTS)}
    ours |= {
        arn for _, s in listed[SERVICES] if s["ServiceName"] in used for arn in s.get("NetworkLoadBalancerArns", ())
    }
    ours &= set(balancers)
    orphans = {
        arn
        for arn, group in groups.items()
        if not group.item.get("LoadBalancerArns") and any(t["Target"]["Id"] in brokers for t in group.targets)
    }
    mine = {
        arn: group
        for arn, group in groups.items()
        if arn in orphans or set(group.item.get("LoadBalancerArns", ())) & ours
    }
    return ours, mine


def _balancers(
    reader: Reader, found: ReadServices, ours: Mapping[str, tuple[Place, Item]], groups: Mapping[str, _Group]
) -> None:
    asks = []
    for arn, (place, item) in sorted(ours.items()):
        name = (item["LoadBalancerName"],)
        asks += [
            Ask(place, BALANCER_ATTRIBUTES, {"LoadBalancerArn": arn}, of=name),
            Ask(place, LISTENERS, {"LoadBalancerArn": arn}, of=name),
            Ask(place, INTERFACES, where("description", [f"ELB {arn.rpartition(':loadbalancer/')[2]}"]), of=name),
        ]
    asks += [
        Ask(group.place, TARGET_GROUP_ATTRIBUTES, {"TargetGroupArn": arn}, of=(group.item["TargetGroupName"],))
        for arn, group in sorted(groups.items())
    ]
    reads = reader.every(asks)
    names = {arn: group.item["TargetGroupName"] for arn, group in groups.items()}
    each_once("target groups", list(names.values()))
    each_once("load balancers", [item["LoadBalancerName"] for _, item in ours.values()])
    for index, (_, (place, item)) in enumerate(sorted(ours.items())):
        attributes, listeners, enis = reads[3 * index : 3 * index + 3]
        found.listeners += [(place, item["LoadBalancerName"], each) for each in listeners.entries]
        balancer = _balancer(item, _as_dict(attributes.entries), listeners.entries, enis.entries, names)
        if balancer is not None:
            found.balancers.append(balancer)
    proxied = {read.ask.of[0]: _as_dict(read.entries) for read in reads[3 * len(ours) :]}
    for _, group in sorted(groups.items(), key=lambda pair: pair[1].item["TargetGroupName"]):
        found.target_groups.append(_target_group(group, proxied.get(group.item["TargetGroupName"], {})))
        found.health += _health(group)


def _as_dict(attributes: Sequence[Item]) -> dict[str, str]:
    return {entry["Key"]: entry["Value"] for entry in attributes}


def _balancer(
    item: Item, attributes: Mapping[str, str], listeners: Sequence[Item], enis: Sequence[Item], names: Mapping[str, str]
) -> LoadBalancer | None:
    by_subnet = {eni["SubnetId"]: eni for eni in enis}
    zones = []
    for zone in item.get("AvailabilityZones", ()):
        given: Item = next(iter(zone.get("LoadBalancerAddresses", ())), {})
        eni = by_subnet.get(zone["SubnetId"], {})
        address = given.get("PrivateIPv4Address") or eni.get("PrivateIpAddress")
        six = next((a["Ipv6Address"] for a in eni.get("Ipv6Addresses", ())), None)
        if address is not None:
            zones.append(
                LoadBalancerZone(
                    subnet_id=zone["SubnetId"],
                    private_ipv4_address=address,
                    ipv6_address=given.get("IPv6Address") or six,
                )
            )
    if not zones:
        return None
    return LoadBalancer(
        load_balancer_name=item["LoadBalancerName"],
        vpc_id=item["VpcId"],
        dns_name=item["DNSName"],
        ip_address_type=item.get("IpAddressType", "ipv4"),
        availability_zones=tuple(sorted(zones, key=lambda z: z.subnet_id)),
        security_groups=tuple(sorted(item.get("SecurityGroups", ()))),
        enforce_security_group_inbound_rules_on_private_link_traffic=item.get(
            "EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic", "on"
        ),
        cross_zone_enabled=attributes.get("load_balancing.cross_zone.enabled") == "true",
        listeners=tuple(sorted(_listeners(listeners, names), key=lambda entry: entry.port)),
    )


def _listeners(listeners: Sequence[Item], names: Mapping[str, str]) -> Iterator[Listener]:
    for item in listeners:
        action: Item = next((a for a in item.get("DefaultActions", ()) if a["Type"] == "forward"), {})
        weighted = action.get("ForwardConfig", {}).get("TargetGroups", ())
        arn = action.get("TargetGroupArn") or next((g["TargetGroupArn"] for g in weighted), None)
        if arn is not None and arn in names:
            yield Listener(port=item["Port"], protocol=item["Protocol"], target_group_name=names[arn])


def _target_group(group: _Group, attributes: Mapping[str, str]) -> TargetGroup:
    item = group.item
    targets = [
        TargetDescription(
            id=ip_address(t["Target"]["Id"]),
            port=None if t["Target"].get("Port", item["Port"]) == item["Port"] else t["Target"]["Port"],
        )
        for t in group.targets
        if t["TargetHealth"]["State"] != "draining"
    ]
    return TargetGroup(
        target_group_name=item["TargetGroupName"],
        vpc_id=item["VpcId"],
        port=item["Port"],
        protocol=item["Protocol"],
        ip_address_type=item.get("IpAddressType", "ipv4"),
        targets=tuple(sorted(targets, key=lambda t: (str(t.id), t.port or 0))),
        proxy_protocol_v2_enabled=attributes.get("proxy_protocol_v2.enabled") == "true",
    )


def _health(group: _Group) -> Iterator[TargetHealth]:
    for entry in group.targets:
        yield TargetHealth(
            target_group_name=group.item["TargetGroupName"],
            address=ip_address(entry["Target"]["Id"]),
            port=entry["Target"].get("Port", group.item["Port"]),
            state=entry["TargetHealth"]["State"],
            reason=entry["TargetHealth"].get("Reason", ""),
        )


# Endpoint services and endpoints


def _told(reader: Reader, services: Sequence[tuple[Place, Item]]) -> list[Read]:
    """Who may connect to these services, and who is connected."""
    asks = [
        Ask(place, SERVICE_PERMISSIONS, {"ServiceId": item["ServiceId"]}, of=(item["ServiceName"],))
        for place, item in services
    ]
    ids = [item["ServiceId"] for _, item in services]
    by_place = sorted({place for place, _ in services})
    asks += [Ask(place, SERVICE_CONNECTIONS, where("service-id", ids), of=tuple(ids)) for place in by_place]
    return reader.every(asks)


def _provider(found: ReadServices, ours: Sequence[tuple[Place, Item]], told: Sequence[Read]) -> None:
    names = {b.load_balancer_name for b in found.balancers}
    for place, item in ours:
        balancer = str(item["NetworkLoadBalancerArns"][0]).split("/")[-2]
        if balancer not in names:
            continue
        found.services.append(
            EndpointService(
                service_name=item["ServiceName"],
                network_load_balancer_name=balancer,
                acceptance_required=item.get("AcceptanceRequired", False),
                supported_ip_address_types=tuple(item.get("SupportedIpAddressTypes", ("ipv4",))),
                supported_regions=tuple(
                    sorted(r["Region"] for r in item.get("SupportedRegions", ()) if r["Region"] != place.region_name)
                ),
            )
        )
    of_ours = {service.service_name for service in found.services}
    for read in told:
        if read.ask.call is SERVICE_PERMISSIONS and read.known and read.ask.of[0] in of_ours:
            who = tuple(sorted(str(entry.get("Principal", "")) for entry in read.entries))
            found.permissions.append(OpenService(service_name=read.ask.of[0], principals=who))
        elif read.ask.call is SERVICE_CONNECTIONS:
            found.provided += [
                Provided(vpc_endpoint_id=e["VpcEndpointId"], state=_STATES[str(e["VpcEndpointState"]).lower()])
                for e in read.entries
            ]


def _endpoints(
    network: ReadNetwork, services: set[str], enis: Mapping[str, Item]
) -> Iterator[VpcEndpoint | OtherEndpoint]:
    for place, item in network.listed(ENDPOINTS):
        interfaces = interfaces_of(item, enis)
        if item["ServiceName"] not in services or not interfaces:
            addresses = [a for eni in interfaces for a in (eni.private_ip_address, eni.ipv6_address) if a is not None]
            names = sorted(str(entry["DnsName"]).lower() for entry in item.get("DnsEntries", ()))
            if item.get("VpcEndpointType", "Interface") == "Interface":
                yield OtherEndpoint(
                    vpc_endpoint_id=item["VpcEndpointId"],
                    vpc_id=item["VpcId"],
                    service_name=item["ServiceName"],
                    dns_names=tuple(names),
                    addresses=tuple(addresses),
                )
            continue
        region = item.get("ServiceRegion")
        yield VpcEndpoint(
            vpc_endpoint_id=item["VpcEndpointId"],
            vpc_id=item["VpcId"],
            service_name=item["ServiceName"],
            dns_name=_regional(item),
            service_region=None if region == place.region_name else region,
            ip_address_type=item.get("IpAddressType", "ipv4"),
            state=EndpointState(_STATES[str(item["State"]).lower()]),
            network_interfaces=interfaces,
            security_groups=tuple(sorted(g["GroupId"] for g in item.get("Groups", ()))),
        )


def _regional(item: Item) -> str:
    """The endpoint's name that answers all of its interfaces: zonal names go on from its first label."""
    names = sorted((entry["DnsName"] for entry in item.get("DnsEntries", ())), key=len)
    return str(names[0]) if names else f"{item['VpcEndpointId']}.vpce.amazonaws.com"
