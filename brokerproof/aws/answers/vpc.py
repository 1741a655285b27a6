"""EC2 answers about VPCs: subnets, route tables, network ACLs, security groups, peering connections, DHCP options."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from brokerproof.aws.answers.organization import ApiError, Asked, Item, block_of, by_ids, filtered, hexadecimal
from brokerproof.topology.models import (
    IpPermission,
    NetworkAcl,
    NetworkAclEntry,
    PeeringStatus,
    RouteTable,
    SecurityGroup,
    Subnet,
    Vpc,
)

_LAST_RULE: Final = 32767
_EXPIRES: Final = datetime(2026, 1, 8, tzinfo=UTC)
"""A request that nobody accepts expires after a week."""


def describe_vpcs(asked: Asked) -> Item:
    """DescribeVpcs."""
    found = by_ids(asked, [_vpc(v) for v in asked.vpcs], "VpcIds", "VpcId", "InvalidVpcID.NotFound")
    return {"Vpcs": filtered(asked, found, {"vpc-id": lambda item: [item["VpcId"]]})}


def _vpc(vpc: Vpc) -> Item:
    return {
        "VpcId": vpc.vpc_id,
        "OwnerId": vpc.owner_id,
        "State": "available",
        "CidrBlock": str(vpc.cidr_blocks[0]),
        "DhcpOptionsId": _options_id(vpc),
        "InstanceTenancy": "default",
        "IsDefault": False,
        "CidrBlockAssociationSet": [block_of(block, vpc.vpc_id) for block in vpc.cidr_blocks],
        "Ipv6CidrBlockAssociationSet": [
            {"Ipv6CidrBlock": str(block), "Ipv6CidrBlockState": {"State": "associated"}}
            for block in vpc.ipv6_cidr_blocks
        ],
    }


def _options_id(vpc: Vpc) -> str:
    return f"dopt-{hexadecimal(vpc.vpc_id if vpc.domain_name_servers else 'amazon')}"


def describe_vpc_attribute(asked: Asked) -> Item:
    """DescribeVpcAttribute."""
    vpc = next((v for v in asked.vpcs if v.vpc_id == asked.params["VpcId"]), None)
    if vpc is None:
        raise ApiError("InvalidVpcID.NotFound", f"The vpc ID '{asked.params['VpcId']}' does not exist")
    match asked.params["Attribute"]:
        case "enableDnsSupport":
            return {"VpcId": vpc.vpc_id, "EnableDnsSupport": {"Value": vpc.enable_dns_support}}
        case "enableDnsHostnames":
            return {"VpcId": vpc.vpc_id, "EnableDnsHostnames": {"Value": vpc.enable_dns_hostnames}}
        case other:
            raise ApiError("InvalidParameterValue", f"Value ({other}) for parameter attribute is invalid")


def describe_dhcp_options(asked: Asked) -> Item:
    """DescribeDhcpOptions."""
    options = {_options_id(vpc): vpc for vpc in asked.vpcs}
    found = [
        {
            "DhcpOptionsId": options_id,
            "OwnerId": vpc.owner_id,
            "DhcpConfigurations": [
                {"Key": "domain-name", "Values": [{"Value": "ec2.internal"}]},
                {
                    "Key": "domain-name-servers",
                    "Values": [{"Value": str(s)} for s in vpc.domain_name_servers] or [{"Value": "AmazonProvidedDNS"}],
                },
            ],
        }
        for options_id, vpc in options.items()
    ]
    return {"DhcpOptions": by_ids(asked, found, "DhcpOptionsIds", "DhcpOptionsId", "InvalidDhcpOptionID.NotFound")}


def describe_subnets(asked: Asked) -> Item:
    """DescribeSubnets."""
    found = [_subnet(asked, s) for s in asked.topology.subnets if asked.here(s.vpc_id)]
    found = by_ids(asked, found, "SubnetIds", "SubnetId", "InvalidSubnetID.NotFound")
    return {"Subnets": filtered(asked, found, {"vpc-id": lambda item: [item["VpcId"]]})}


def _subnet(asked: Asked, subnet: Subnet) -> Item:
    return {
        "SubnetId": subnet.subnet_id,
        "VpcId": subnet.vpc_id,
        "OwnerId": asked.account,
        "State": "available",
        "CidrBlock": str(subnet.cidr_block),
        "AvailabilityZone": asked.organization.zone_name(asked.account, subnet.availability_zone_id),
        "AvailabilityZoneId": subnet.availability_zone_id,
        "AvailableIpAddressCount": 4000,
        "Ipv6CidrBlockAssociationSet": []
        if subnet.ipv6_cidr_block is None
        else [{"Ipv6CidrBlock": str(subnet.ipv6_cidr_block), "Ipv6CidrBlockState": {"State": "associated"}}],
    }


# Route tables


def describe_route_tables(asked: Asked) -> Item:
    """DescribeRouteTables: those that subnets name, and each VPC's main one, which the others have."""
    found = [_table(asked, t) for t in asked.topology.route_tables if asked.here(t.vpc_id)]
    found += [_main(vpc) for vpc in asked.vpcs]
    return {"RouteTables": filtered(asked, found, {"vpc-id": lambda item: [item["VpcId"]]})}


def _main(vpc: Vpc) -> Item:
    table = f"rtb-{hexadecimal(vpc.vpc_id)}"
    outside = {"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": f"nat-{hexadecimal(vpc.vpc_id)}"}
    return {
        "RouteTableId": table,
        "VpcId": vpc.vpc_id,
        "OwnerId": vpc.owner_id,
        "Associations": [
            {"Main": True, "RouteTableId": table, "AssociationState": {"State": "associated"}},
        ],
        "Routes": [*_local(vpc), {**outside, "Origin": "CreateRoute", "State": "active"}],
    }


def _local(vpc: Vpc) -> Iterator[Item]:
    own = {"GatewayId": "local", "Origin": "CreateRouteTable", "State": "active"}
    for block in vpc.cidr_blocks:
        yield {"DestinationCidrBlock": str(block), **own}
    for six in vpc.ipv6_cidr_blocks:
        yield {"DestinationIpv6CidrBlock": str(six), **own}


def _table(asked: Asked, table: RouteTable) -> Item:
    return {
        "RouteTableId": table.route_table_id,
        "VpcId": table.vpc_id,
        "OwnerId": asked.account,
        "Associations": [
            {
                "Main": False,
                "RouteTableId": table.route_table_id,
                "SubnetId": subnet_id,
                "AssociationState": {"State": "associated"},
            }
            for subnet_id in table.subnet_ids
        ],
        "Routes": [*_local(asked.topology.vpc(table.vpc_id)), *_routes(asked, table)],
    }


def _routes(asked: Asked, table: RouteTable) -> Iterator[Item]:
    for route in table.routes:
        item: Item = {"Origin": "CreateRoute", "State": "active"}
        if route.destination_cidr_block is not None:
            item["DestinationCidrBlock"] = str(route.destination_cidr_block)
        else:
            item["DestinationIpv6CidrBlock"] = str(route.destination_ipv6_cidr_block)
        if route.vpc_peering_connection_id is not None:
            item["VpcPeeringConnectionId"] = route.vpc_peering_connection_id
            connection = asked.topology.peering(route.vpc_peering_connection_id)
            item["State"] = "active" if connection.status is PeeringStatus.ACTIVE else "blackhole"
        else:
            item["TransitGatewayId"] = route.transit_gateway_id
        yield item


def describe_vpc_peering_connections(asked: Asked) -> Item:
    """DescribeVpcPeeringConnections: of both sides' accounts, each in its own Region."""
    found = []
    for connection in asked.topology.vpc_peering_connections:
        sides = [asked.topology.vpc(vpc_id) for vpc_id in connection.sides]
        if not any((s.owner_id, s.region_name) == (asked.account, asked.region) for s in sides):
            continue
        requester, accepter = (
            {
                "VpcId": side.vpc_id,
                "OwnerId": side.owner_id,
                "Region": side.region_name,
                "CidrBlock": str(side.cidr_blocks[0]),
                "CidrBlockSet": [{"CidrBlock": str(block)} for block in side.cidr_blocks],
                "Ipv6CidrBlockSet": [{"Ipv6CidrBlock": str(block)} for block in side.ipv6_cidr_blocks],
            }
            for side in sides
        )
        pending = connection.status is PeeringStatus.PENDING_ACCEPTANCE
        found.append(
            {
                **({"ExpirationTime": _EXPIRES} if pending else {}),
                "VpcPeeringConnectionId": connection.vpc_peering_connection_id,
                "RequesterVpcInfo": requester,
                "AccepterVpcInfo": accepter,
                "Status": {"Code": connection.status.value, "Message": connection.status.value},
            }
        )
    by = {
        "requester-vpc-info.vpc-id": lambda item: [item["RequesterVpcInfo"]["VpcId"]],
        "accepter-vpc-info.vpc-id": lambda item: [item["AccepterVpcInfo"]["VpcId"]],
    }
    return {"VpcPeeringConnections": filtered(asked, found, by)}


# Network ACLs


def describe_network_acls(asked: Asked) -> Item:
    """DescribeNetworkAcls: those of the topology, and each VPC's default one for the other subnets."""
    acls = [a for a in asked.topology.network_acls if asked.here(a.vpc_id)]
    found = [_acl(asked, acl, acl.subnet_ids) for acl in acls]
    taken = {subnet_id for acl in acls for subnet_id in acl.subnet_ids}
    for vpc in asked.vpcs:
        others = tuple(
            s.subnet_id for s in asked.topology.subnets if s.vpc_id == vpc.vpc_id and s.subnet_id not in taken
        )
        found.append(_default_acl(asked, vpc, others))
    return {"NetworkAcls": filtered(asked, found, {"vpc-id": lambda item: [item["VpcId"]]})}


def _acl(asked: Asked, acl: NetworkAcl, subnet_ids: tuple[str, ...]) -> Item:
    last = [
        {"Egress": egress, "Protocol": "-1", "RuleAction": "deny", "RuleNumber": _LAST_RULE, **where}
        for egress in (False, True)
        for where in ({"CidrBlock": "0.0.0.0/0"}, {"Ipv6CidrBlock": "::/0"})
    ]
    return _acl_item(asked, acl.network_acl_id, acl.vpc_id, subnet_ids, [*map(_entry, acl.entries), *last])


def _default_acl(asked: Asked, vpc: Vpc, subnet_ids: tuple[str, ...]) -> Item:
    entries = [
        {"Egress": egress, "Protocol": "-1", "RuleAction": action, "RuleNumber": number, "CidrBlock": "0.0.0.0/0"}
        for egress in (False, True)
        for number, action in ((100, "allow"), (_LAST_RULE, "deny"))
    ]
    if vpc.ipv6_cidr_blocks:
        entries += [
            {"Egress": egress, "Protocol": "-1", "RuleAction": "allow", "RuleNumber": 101, "Ipv6CidrBlock": "::/0"}
            for egress in (False, True)
        ]
    acl_id = f"acl-{hexadecimal(vpc.vpc_id)}"
    return {**_acl_item(asked, acl_id, vpc.vpc_id, subnet_ids, entries), "IsDefault": True}


def _acl_item(asked: Asked, acl_id: str, vpc_id: str, subnet_ids: tuple[str, ...], entries: list[Item]) -> Item:
    return {
        "NetworkAclId": acl_id,
        "VpcId": vpc_id,
        "OwnerId": asked.account,
        "IsDefault": False,
        "Associations": [
            {"NetworkAclAssociationId": f"aclassoc-{hexadecimal(s)}", "NetworkAclId": acl_id, "SubnetId": s}
            for s in subnet_ids
        ],
        "Entries": entries,
    }


def _entry(entry: NetworkAclEntry) -> Item:
    item: Item = {
        "Egress": entry.egress,
        "Protocol": entry.protocol,
        "RuleAction": entry.rule_action,
        "RuleNumber": entry.rule_number,
    }
    if entry.cidr_block is not None:
        item["CidrBlock"] = str(entry.cidr_block)
    if entry.ipv6_cidr_block is not None:
        item["Ipv6CidrBlock"] = str(entry.ipv6_cidr_block)
    if entry.port_range is not None:
        item["PortRange"] = {"From": entry.port_range.from_port, "To": entry.port_range.to_port}
    return item


# Security groups


def describe_security_groups(asked: Asked) -> Item:
    """DescribeSecurityGroups, without the rules, which are asked for by themselves."""
    found = [
        {"GroupId": g.group_id, "GroupName": g.group_id, "VpcId": g.vpc_id, "OwnerId": asked.account, "Description": ""}
        for g in asked.topology.security_groups
        if asked.here(g.vpc_id)
    ]
    found = by_ids(asked, found, "GroupIds", "GroupId", "InvalidGroup.NotFound")
    return {"SecurityGroups": filtered(asked, found, {"group-id": lambda item: [item["GroupId"]]})}


def describe_security_group_rules(asked: Asked) -> Item:
    """DescribeSecurityGroupRules."""
    found = [
        rule for group in asked.topology.security_groups if asked.here(group.vpc_id) for rule in _rules(asked, group)
    ]
    return {"SecurityGroupRules": filtered(asked, found, {"group-id": lambda item: [item["GroupId"]]})}


def _rules(asked: Asked, group: SecurityGroup) -> Iterator[Item]:
    for egress, rules in ((False, group.ingress), (True, group.egress)):
        for index, rule in enumerate(rules):
            yield _rule(asked, group, rule, egress=egress, index=index)


def _rule(asked: Asked, group: SecurityGroup, rule: IpPermission, *, egress: bool, index: int) -> Item:
    every = rule.ip_protocol == "-1"
    item: Item = {
        "SecurityGroupRuleId": f"sgr-{hexadecimal(f'{group.group_id}/{egress}/{index}')}",
        "GroupId": group.group_id,
        "GroupOwnerId": asked.account,
        "IsEgress": egress,
        "IpProtocol": rule.ip_protocol,
        "FromPort": -1 if every else rule.from_port,
        "ToPort": -1 if every else rule.to_port,
    }
    if rule.description:
        item["Description"] = rule.description
    if rule.cidr_ipv4 is not None:
        item["CidrIpv4"] = str(rule.cidr_ipv4)
    if rule.cidr_ipv6 is not None:
        item["CidrIpv6"] = str(rule.cidr_ipv6)
    if rule.referenced_group_id is not None:
        item["ReferencedGroupInfo"] = _referenced(asked, group, rule.referenced_group_id)
    return item


def _referenced(asked: Asked, group: SecurityGroup, group_id: str) -> Item:
    other = next((g for g in asked.topology.security_groups if g.group_id == group_id), None)
    if other is None or other.vpc_id == group.vpc_id:
        return {"GroupId": group_id, "UserId": asked.account}
    info = {"GroupId": group_id, "UserId": asked.organization.place(other.vpc_id)[0], "VpcId": other.vpc_id}
    sides = {group.vpc_id, other.vpc_id}
    peering = next((p for p in asked.topology.vpc_peering_connections if set(p.sides) == sides), None)
    if peering is None:
        return info
    return {**info, "VpcPeeringConnectionId": peering.vpc_peering_connection_id, "PeeringStatus": peering.status.value}
