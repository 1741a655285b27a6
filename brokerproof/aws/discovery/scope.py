"""What the first calls say: clusters with their brokers, client hosts, and so the VPCs that matter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from brokerproof.aws.discovery.calls import (
    DESCRIBE_CLUSTER,
    DESCRIBE_CONFIGURATION,
    GET_BOOTSTRAP_BROKERS,
    GET_CLUSTER_POLICY,
    INSTANCES,
    INTERFACES,
    LIST_NODES,
    SUBNETS,
    VPCS,
)
from brokerproof.aws.discovery.reader import Ask, DiscoveryError, Item, Place, Read, Reader, where
from brokerproof.aws.intent.models import IntendedClient, Intent, account_of, region_of

_NOT_THERE: Final = ("NotFoundException",)


@dataclass(frozen=True, slots=True)
class ReadCluster:
    """The answers about one cluster."""

    arn: str
    place: Place
    info: Item
    nodes: tuple[Item, ...]
    bootstrap: Item
    policy: Item
    configuration: Item = field(default_factory=dict)
    interfaces: dict[str, Item] = field(default_factory=dict)
    """Those of its brokers, by id."""
    vpc_id: str = ""

    @property
    def provisioned(self) -> Item:
        """What DescribeClusterV2 says of a provisioned cluster."""
        found: Item = self.info.get("Provisioned", {})
        return found


@dataclass(frozen=True, slots=True)
class ReadHost:
    """The host of a client."""

    client: IntendedClient
    place: Place
    vpc_id: str
    subnet_id: str
    address: str
    ipv6: str | None
    groups: tuple[str, ...]
    assumed: bool = False
    """Whether its address is one that a host of the subnet might have."""


def read_clusters(reader: Reader, intent: Intent) -> list[ReadCluster]:
    """Every cluster of the intent.

    Raises:
        DiscoveryError: one cannot be described, or is serverless.
    """
    reader.say(f"reading {len(intent.clusters)} cluster(s)")
    calls = (DESCRIBE_CLUSTER, LIST_NODES, GET_BOOTSTRAP_BROKERS, GET_CLUSTER_POLICY)
    places = {arn: Place(account_of(arn), region_of(arn)) for arn in intent.clusters}
    reads = reader.every(
        Ask(places[arn], call, {"ClusterArn": arn}, of=(arn,), absent=_NOT_THERE if call is GET_CLUSTER_POLICY else ())
        for arn in intent.clusters
        for call in calls
    )
    found = [
        _cluster(arn, places[arn], reads[i * len(calls) : (i + 1) * len(calls)])
        for i, arn in enumerate(intent.clusters)
    ]
    return _with_details(reader, found)


def _cluster(arn: str, place: Place, reads: list[Read]) -> ReadCluster:
    described, nodes, bootstrap, policy = reads
    for read in (described, nodes):
        if not read.known:
            raise DiscoveryError(
                f"{arn} cannot be read: {read.ask.call.action} in account {place.account_id}, Region "
                f"{place.region_name}: {read.why}; check the credentials, the ARN and the permission"
            )
    info: Item = described.one.get("ClusterInfo", {})
    if info.get("ClusterType") == "SERVERLESS":
        raise DiscoveryError(
            f"{arn} is a serverless cluster: it lists no brokers (ListNodes refuses it), and brokerproof proves each "
            "broker; probe its bootstrap name from a client host"
        )
    brokers = tuple(n["BrokerNodeInfo"] for n in nodes.entries if "BrokerNodeInfo" in n)
    if not brokers:
        raise DiscoveryError(f"{arn} lists no broker; it is in state {info.get('State', 'unknown')}")
    return ReadCluster(arn, place, info, brokers, bootstrap.one, policy.one)


def _with_details(reader: Reader, found: list[ReadCluster]) -> list[ReadCluster]:
    asks = []
    for cluster in found:
        software: Item = cluster.provisioned.get("CurrentBrokerSoftwareInfo", {})
        revision = {"Arn": software.get("ConfigurationArn", ""), "Revision": software.get("ConfigurationRevision", 1)}
        enis = [node["AttachedENIId"] for node in cluster.nodes if "AttachedENIId" in node]
        asks += [
            Ask(cluster.place, DESCRIBE_CONFIGURATION, revision, of=(cluster.arn,)),
            Ask(cluster.place, INTERFACES, {"NetworkInterfaceIds": enis}, of=(cluster.arn,)),
            Ask(cluster.place, SUBNETS, {"SubnetIds": sorted({n["ClientSubnet"] for n in cluster.nodes})}),
        ]
    reads = reader.every(asks)
    detailed = []
    for index, cluster in enumerate(found):
        configuration, interfaces, subnets = reads[3 * index : 3 * index + 3]
        if not subnets.entries:
            raise DiscoveryError(f"{cluster.arn}: the subnets of its brokers cannot be read (ec2:DescribeSubnets)")
        detailed.append(
            ReadCluster(
                cluster.arn,
                cluster.place,
                cluster.info,
                cluster.nodes,
                cluster.bootstrap,
                cluster.policy,
                configuration=configuration.one,
                interfaces={i["NetworkInterfaceId"]: i for i in interfaces.entries},
                vpc_id=subnets.entries[0]["VpcId"],
            )
        )
    return detailed


# Hosts


def place_of(intent: Intent, client: IntendedClient) -> Place:
    """The account and Region of a client's host."""
    arn = intent.cluster_of(client)
    return Place(client.account or account_of(arn), client.region or region_of(arn))


def read_hosts(reader: Reader, intent: Intent) -> list[ReadHost]:
    """The host of every client, in their order.

    Raises:
        DiscoveryError: one is not there, or may not be looked at.
    """
    reader.say(f"reading the hosts of {len(intent.clients)} client(s)")
    wanted: dict[tuple[Place, str], set[str]] = {}
    for client in intent.clients:
        kind = client.at.partition("-")[0]
        wanted.setdefault((place_of(intent, client), kind), set()).add(client.at)
    reads = reader.every(_ask(place, kind, ids) for (place, kind), ids in wanted.items())
    known: dict[tuple[Place, str], Any] = {}
    for read in reads:
        for host in _hosts(read):
            known[read.ask.place, host[0]] = host
    found = []
    refused = {(read.ask.place, at): f"{read.ask.call.action}: {read.why}" for read in reads for at in read.ask.of}
    for client in intent.clients:
        place = place_of(intent, client)
        if (place, client.at) not in known:
            why = refused.get((place, client.at), "")
            told = f" ({why})" if why and not why.endswith(": ") else ""
            raise DiscoveryError(
                f"client {client.name}: {client.at} was not found in account {place.account_id}, Region "
                f"{place.region_name}{told}; check the id, and account and region of the client"
            )
        found.append(ReadHost(client, place, *known[place, client.at][1:]))
    return found


def _ask(place: Place, kind: str, ids: Iterable[str]) -> Ask:
    chosen = sorted(ids)
    match kind:
        case "i":
            return Ask(
                place, INSTANCES, {"InstanceIds": chosen}, of=tuple(chosen), absent=("InvalidInstanceID.NotFound",)
            )
        case "eni":
            absent = ("InvalidNetworkInterfaceID.NotFound",)
            return Ask(place, INTERFACES, {"NetworkInterfaceIds": chosen}, of=tuple(chosen), absent=absent)
        case _:
            return Ask(place, SUBNETS, {"SubnetIds": chosen}, of=tuple(chosen), absent=("InvalidSubnetID.NotFound",))


def _hosts(read: Read) -> Iterator[tuple[Any, ...]]:
    for entry in read.entries:
        if read.ask.call is INSTANCES:
            for instance in entry["Instances"]:
                first = min(instance["NetworkInterfaces"], key=lambda n: n.get("Attachment", {}).get("DeviceIndex", 0))
                yield (instance["InstanceId"], *_of_interface(first))
        elif read.ask.call is INTERFACES:
            yield (entry["NetworkInterfaceId"], *_of_interface(entry))
        else:
            yield (entry["SubnetId"], entry["VpcId"], entry["SubnetId"], _some_address(entry), None, (), True)


def _of_interface(entry: Item) -> tuple[Any, ...]:
    six = [a["Ipv6Address"] for a in entry.get("Ipv6Addresses", ())]
    groups = tuple(g["GroupId"] for g in entry.get("Groups", ()))
    return entry["VpcId"], entry["SubnetId"], entry["PrivateIpAddress"], six[0] if six else None, groups, False


def _some_address(subnet: Item) -> str:
    """An address that a host of the subnet might have: the last but one, which AWS gives out late."""
    from ipaddress import IPv4Network  # noqa: PLC0415

    return str(IPv4Network(subnet["CidrBlock"])[-2])


def find_vpcs(reader: Reader, vpc_ids: Iterable[str], places: Iterable[Place]) -> dict[str, Place]:
    """Where VPCs are of which only the id is known."""
    wanted = sorted(set(vpc_ids))
    if not wanted:
        return {}
    reads = reader.every(Ask(place, VPCS, where("vpc-id", wanted)) for place in sorted(set(places)))
    return {vpc["VpcId"]: read.ask.place for read in reads for vpc in read.entries}
