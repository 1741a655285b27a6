"""EC2 answers about hosts: instances, and every network interface that something of the topology has."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

from brokerproof.aws.answers.organization import Asked, Item, by_ids, filtered, hexadecimal
from brokerproof.topology.models import Client
from brokerproof.topology.unknown import known


def _hosts(asked: Asked) -> Iterator[Client]:
    """One client entry a host of the account and Region."""
    for client in asked.topology.clients:
        if asked.here(client.vpc_id) and asked.topology.host_of(client).name == client.name:
            yield client


def describe_instances(asked: Asked) -> Item:
    """DescribeInstances."""
    found = [
        {
            "InstanceId": asked.organization.instance_id(host),
            "VpcId": host.vpc_id,
            "SubnetId": host.subnet_id,
            "PrivateIpAddress": str(host.private_ip_address),
            "PrivateDnsName": asked.organization.private_dns_name(host),
            "State": {"Code": 16, "Name": "running"},
            "SecurityGroups": [{"GroupId": g, "GroupName": g} for g in host.security_groups],
            "NetworkInterfaces": [
                {
                    "NetworkInterfaceId": asked.organization.interface_id(host.vpc_id, known(host.private_ip_address)),
                    "PrivateIpAddress": str(host.private_ip_address),
                    "SubnetId": host.subnet_id,
                    "VpcId": host.vpc_id,
                    "Groups": [{"GroupId": g, "GroupName": g} for g in host.security_groups],
                    "Ipv6Addresses": []
                    if host.ipv6_address is None
                    else [{"Ipv6Address": str(host.ipv6_address), "IsPrimaryIpv6": True}],
                    "Attachment": {"DeviceIndex": 0, "Status": "attached"},
                }
            ],
        }
        for host in _hosts(asked)
    ]
    chosen = by_ids(asked, found, "InstanceIds", "InstanceId", "InvalidInstanceID.NotFound")
    by = {
        "instance-id": lambda item: [item["InstanceId"]],
        "instance-state-name": lambda item: [item["State"]["Name"]],
        "private-dns-name": lambda item: [item["PrivateDnsName"]],
    }
    chosen = filtered(asked, chosen, by)
    return {
        "Reservations": [
            {"ReservationId": f"r-{hexadecimal(i['InstanceId'])}", "OwnerId": asked.account, "Instances": [i]}
            for i in chosen
        ]
    }


def describe_network_interfaces(asked: Asked) -> Item:
    """DescribeNetworkInterfaces."""
    found = by_ids(
        asked,
        _interfaces(asked),
        "NetworkInterfaceIds",
        "NetworkInterfaceId",
        "InvalidNetworkInterfaceID.NotFound",
    )
    by = {
        "network-interface-id": lambda item: [item["NetworkInterfaceId"]],
        "vpc-id": lambda item: [item["VpcId"]],
        "subnet-id": lambda item: [item["SubnetId"]],
        "description": lambda item: [item["Description"]],
        "addresses.private-ip-address": lambda item: [a["PrivateIpAddress"] for a in item["PrivateIpAddresses"]],
    }
    return {"NetworkInterfaces": filtered(asked, found, by)}


def _interfaces(asked: Asked) -> Iterator[Item]:
    topology = asked.topology
    for host in _hosts(asked):
        whole = (host.vpc_id, host.subnet_id, known(host.private_ip_address), host.ipv6_address)
        yield _interface(asked, *whole, groups=host.security_groups, kind="interface", why="")
    for cluster in topology.clusters:
        for broker in cluster.brokers if asked.here(cluster.vpc_id) else ():
            whole = (cluster.vpc_id, broker.client_subnet, known(broker.client_vpc_ip_address), broker.ipv6_address)
            why = "DO NOT DELETE - AWS MSK managed ENI"
            yield _interface(asked, *whole, groups=broker.security_groups, kind="interface", why=why)
    yield from _balancers(asked)
    yield from _endpoints(asked)
    for server in topology.lab.name_servers:
        if server.subnet_id is not None and asked.here(topology.subnet(server.subnet_id).vpc_id):
            vpc_id = topology.subnet(server.subnet_id).vpc_id
            yield _interface(
                asked, vpc_id, server.subnet_id, server.address, None, groups=(), kind="interface", why="DNS"
            )


def _balancers(asked: Asked) -> Iterator[Item]:
    for balancer in asked.topology.load_balancers:
        name = balancer.load_balancer_name
        for zone in balancer.availability_zones if asked.here(balancer.vpc_id) else ():
            whole = (balancer.vpc_id, zone.subnet_id, zone.private_ipv4_address, zone.ipv6_address)
            why = f"ELB net/{name}/{hexadecimal(name, 16)}"
            groups = balancer.security_groups
            yield _interface(asked, *whole, groups=groups, kind="network_load_balancer", why=why)


def _endpoints(asked: Asked) -> Iterator[Item]:
    for endpoint in asked.topology.vpc_endpoints:
        for eni in endpoint.network_interfaces if asked.here(endpoint.vpc_id) else ():
            whole = (endpoint.vpc_id, eni.subnet_id, eni.private_ip_address, eni.ipv6_address)
            why = f"VPC Endpoint Interface {endpoint.vpc_endpoint_id}"
            yield _interface(asked, *whole, groups=endpoint.security_groups, kind="vpc_endpoint", why=why)
    for connection in asked.topology.vpc_connections:
        for eni in connection.network_interfaces if asked.here(connection.vpc_id) else ():
            whole = (connection.vpc_id, eni.subnet_id, eni.private_ip_address, eni.ipv6_address)
            why = f"VPC Endpoint Interface {asked.organization.managed_endpoint_id(connection)}"
            yield _interface(asked, *whole, groups=connection.security_groups, kind="vpc_endpoint", why=why)


def _interface(
    asked: Asked,
    vpc_id: str,
    subnet_id: str,
    address: IPv4Address,
    ipv6: IPv6Address | None,
    *,
    groups: tuple[str, ...],
    kind: str,
    why: str,
) -> Item:
    zone_id = asked.topology.zone_of(subnet_id)
    return {
        "NetworkInterfaceId": asked.organization.interface_id(vpc_id, address),
        "VpcId": vpc_id,
        "SubnetId": subnet_id,
        "AvailabilityZone": asked.organization.zone_name(asked.account, zone_id),
        "OwnerId": asked.account,
        "InterfaceType": kind,
        "RequesterManaged": bool(why),
        "Description": why,
        "Status": "in-use",
        "PrivateIpAddress": str(address),
        "PrivateIpAddresses": [{"PrivateIpAddress": str(address), "Primary": True}],
        "Ipv6Addresses": [] if ipv6 is None else [{"Ipv6Address": str(ipv6)}],
        "Groups": [{"GroupId": g, "GroupName": g} for g in groups],
    }
