"""MSK's own VPC connections, and the interfaces of endpoints, of which each connection has one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from brokerproof.aws.discovery.calls import DESCRIBE_VPC_CONNECTION, ENDPOINTS, INTERFACES
from brokerproof.aws.discovery.network import ReadNetwork
from brokerproof.aws.discovery.reader import Ask, Item, Place, Read, Reader, where
from brokerproof.aws.discovery.scope import ReadCluster
from brokerproof.topology.models import EndpointInterface, VpcConnection


def endpoint_interfaces(reader: Reader, network: ReadNetwork) -> dict[str, Item]:
    """The interfaces of the VPCs' endpoints, by id."""
    wanted: dict[Place, list[str]] = {}
    for place, item in network.listed(ENDPOINTS):
        if item.get("VpcEndpointType", "Interface") == "Interface":
            wanted.setdefault(place, []).extend(item.get("NetworkInterfaceIds", ()))
    reads = reader.every(
        Ask(place, INTERFACES, where("network-interface-id", ids)) for place, ids in wanted.items() if ids
    )
    return {item["NetworkInterfaceId"]: item for read in reads for item in read.entries}


def interfaces_of(item: Item, enis: Mapping[str, Item]) -> tuple[EndpointInterface, ...]:
    """The interfaces of one endpoint, by subnet; ``enis`` are those of all, by id."""
    found = []
    for key in item.get("NetworkInterfaceIds", ()):
        if "PrivateIpAddress" in enis.get(key, {}):
            six = next((a["Ipv6Address"] for a in enis[key].get("Ipv6Addresses", ())), None)
            found.append(
                EndpointInterface(
                    subnet_id=enis[key]["SubnetId"], private_ip_address=enis[key]["PrivateIpAddress"], ipv6_address=six
                )
            )
    return tuple(sorted(found, key=lambda eni: eni.subnet_id))


def described_connections(
    reader: Reader, network: ReadNetwork, listed: Sequence[tuple[Place, Item]], clusters: Sequence[ReadCluster]
) -> list[Read]:
    """The connections of these VPCs to these clusters."""
    arns = {cluster.arn for cluster in clusters}
    wanted = [(p, i) for p, i in listed if i["TargetClusterArn"] in arns and i["VpcId"] in network.places]
    return reader.every(
        Ask(place, DESCRIBE_VPC_CONNECTION, {"Arn": item["VpcConnectionArn"]}, of=(item["VpcConnectionArn"],))
        for place, item in wanted
    )


def connections_of(
    reader: Reader,
    network: ReadNetwork,
    reads: Sequence[Read],
    clusters: Sequence[ReadCluster],
    enis: Mapping[str, Item],
) -> list[VpcConnection]:
    """The connections of which the endpoint is found, by ARN; of the others there is a gap."""
    names = {cluster.arn: cluster.info["ClusterName"] for cluster in clusters}
    found = []
    for read in reads:
        item = read.one
        if not item:
            continue
        subnets, groups = set(item.get("Subnets", ())), set(item.get("SecurityGroups", ()))
        endpoint = next(
            (
                e
                for e in network.items(ENDPOINTS)
                if e["VpcId"] == item["VpcId"]
                and _tag(e, "ClusterArn") == item["TargetClusterArn"]
                and {g["GroupId"] for g in e.get("Groups", ())} == groups
                and set(e.get("SubnetIds", ())) == subnets
            ),
            None,
        )
        interfaces = interfaces_of(endpoint, enis) if endpoint is not None else ()
        if not interfaces:
            why = f"no endpoint with the tag ClusterArn was found for {item['VpcConnectionArn']}"
            reader.missing(read.ask.place, ENDPOINTS, why, [item["VpcConnectionArn"]])
            continue
        found.append(
            VpcConnection(
                vpc_connection_arn=item["VpcConnectionArn"],
                target_cluster_name=names[item["TargetClusterArn"]],
                authentication=item["Authentication"],
                vpc_id=item["VpcId"],
                client_subnets=tuple(sorted(subnets)),
                security_groups=tuple(sorted(groups)),
                state=item["State"],
                network_interfaces=interfaces,
            )
        )
    return sorted(found, key=lambda c: c.vpc_connection_arn)


def _tag(item: Item, key: str) -> str:
    return next((str(tag["Value"]) for tag in item.get("Tags", ()) if tag["Key"] == key), "")
