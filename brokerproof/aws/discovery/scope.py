"""What the first calls say: clusters with their brokers, and where VPCs are of which only the id is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from brokerproof.aws.discovery.calls import (
    DESCRIBE_CLUSTER,
    DESCRIBE_CONFIGURATION,
    GET_BOOTSTRAP_BROKERS,
    GET_CLUSTER_POLICY,
    INTERFACES,
    LIST_NODES,
    SUBNETS,
    VPCS,
)
from brokerproof.aws.discovery.reader import Ask, DiscoveryError, Item, Place, Read, Reader, where
from brokerproof.aws.intent.models import Intent, account_of, region_of

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
        enis = [node["AttachedENIId"] for node in cluster.nodes if "AttachedENIId" in node]
        asks += [
            Ask(cluster.place, INTERFACES, {"NetworkInterfaceIds": enis}, of=(cluster.arn,)),
            Ask(cluster.place, SUBNETS, {"SubnetIds": sorted({n["ClientSubnet"] for n in cluster.nodes})}),
        ]
    for cluster in found:
        software: Item = cluster.provisioned.get("CurrentBrokerSoftwareInfo", {})
        if software.get("ConfigurationArn"):  # others have MSK's own
            revision = {"Arn": software["ConfigurationArn"], "Revision": software.get("ConfigurationRevision", 1)}
            asks.append(Ask(cluster.place, DESCRIBE_CONFIGURATION, revision, of=(cluster.arn,)))
    reads = reader.every(asks)
    configurations = {read.ask.of[0]: read.one for read in reads if read.ask.call is DESCRIBE_CONFIGURATION}
    detailed = []
    for index, cluster in enumerate(found):
        interfaces, subnets = reads[2 * index : 2 * index + 2]
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
                configuration=configurations.get(cluster.arn, {}),
                interfaces={i["NetworkInterfaceId"]: i for i in interfaces.entries},
                vpc_id=subnets.entries[0]["VpcId"],
            )
        )
    return detailed


def find_vpcs(reader: Reader, vpc_ids: Iterable[str], places: Iterable[Place]) -> dict[str, Place]:
    """Where VPCs are of which only the id is known."""
    wanted = sorted(set(vpc_ids))
    if not wanted:
        return {}
    reads = reader.every(Ask(place, VPCS, where("vpc-id", wanted)) for place in sorted(set(places)))
    return {vpc["VpcId"]: read.ask.place for read in reads for vpc in read.entries}
