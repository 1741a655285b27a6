"""ELBv2 answers: Network Load Balancers, listeners, target groups, and the health of targets."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Final

from brokerproof.aws.answers.organization import ApiError, Asked, Item, hexadecimal
from brokerproof.topology.models import Broker, BrokerState, Listener, LoadBalancer, TargetGroup

_MOST_NAMED: Final = 20
"""Load balancers that DescribeTags and their like take at once."""


def _balancers(asked: Asked) -> list[LoadBalancer]:
    return [b for b in asked.topology.load_balancers if asked.here(b.vpc_id)]


def describe_load_balancers(asked: Asked) -> Item:
    """DescribeLoadBalancers, somebody's application load balancer among them."""
    found = [_balancer(asked, b, named=index % 2 == 0) for index, b in enumerate(_balancers(asked))]
    found += [_application(asked, vpc.vpc_id) for vpc in asked.vpcs]
    wanted = asked.params.get("LoadBalancerArns")
    if wanted:
        found = [item for item in found if item["LoadBalancerArn"] in wanted]
        if len(found) != len(set(wanted)):
            raise ApiError("LoadBalancerNotFound", "One or more load balancers not found")
    return {"LoadBalancers": found}


def _application(asked: Asked, vpc_id: str) -> Item:
    name = f"web-{vpc_id}"
    arn = f"arn:aws:elasticloadbalancing:{asked.region}:{asked.account}:loadbalancer/app/{name}/{hexadecimal(name, 16)}"
    return {
        "LoadBalancerArn": arn,
        "LoadBalancerName": name,
        "DNSName": f"{name}.{asked.region}.elb.amazonaws.com",
        "Type": "application",
        "Scheme": "internal",
        "VpcId": vpc_id,
        "State": {"Code": "active"},
        "IpAddressType": "ipv4",
        "AvailabilityZones": [],
        "SecurityGroups": [],
    }


def _balancer(asked: Asked, balancer: LoadBalancer, *, named: bool) -> Item:
    """``named``: whether it says its own addresses, which it does where somebody chose them."""
    zones = []
    for zone in balancer.availability_zones:
        address: Item = {"PrivateIPv4Address": str(zone.private_ipv4_address)}
        if zone.ipv6_address is not None:
            address["IPv6Address"] = str(zone.ipv6_address)
        zones.append(
            {
                "ZoneName": asked.organization.zone_name(asked.account, asked.topology.zone_of(zone.subnet_id)),
                "SubnetId": zone.subnet_id,
                "LoadBalancerAddresses": [address] if named else [],
            }
        )
    item: Item = {
        "LoadBalancerArn": asked.organization.balancer_arn(balancer),
        "LoadBalancerName": balancer.load_balancer_name,
        "DNSName": balancer.dns_name,
        "Type": "network",
        "Scheme": "internal",
        "VpcId": balancer.vpc_id,
        "State": {"Code": "active"},
        "IpAddressType": balancer.ip_address_type,
        "AvailabilityZones": zones,
        "SecurityGroups": list(balancer.security_groups),
    }
    if balancer.security_groups:
        enforced = balancer.enforce_security_group_inbound_rules_on_private_link_traffic
        item["EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic"] = enforced
    return item


def _named_balancer(asked: Asked) -> LoadBalancer:
    arn = asked.params["LoadBalancerArn"]
    for balancer in _balancers(asked):
        if asked.organization.balancer_arn(balancer) == arn:
            return balancer
    raise ApiError("LoadBalancerNotFound", f"Load balancer '{arn}' not found")


def describe_load_balancer_attributes(asked: Asked) -> Item:
    """DescribeLoadBalancerAttributes."""
    balancer = _named_balancer(asked)
    return {
        "Attributes": [
            {"Key": "deletion_protection.enabled", "Value": "false"},
            {"Key": "load_balancing.cross_zone.enabled", "Value": str(balancer.cross_zone_enabled).lower()},
            {"Key": "dns_record.client_routing_policy", "Value": "any_availability_zone"},
        ]
    }


def describe_listeners(asked: Asked) -> Item:
    """DescribeListeners of one load balancer."""
    balancer = _named_balancer(asked)
    groups = {g.target_group_name: asked.organization.group_arn(g) for g in asked.topology.target_groups}
    return {
        "Listeners": [
            {
                "ListenerArn": asked.organization.listener_arn(balancer, listener.port),
                "LoadBalancerArn": asked.organization.balancer_arn(balancer),
                "Port": listener.port,
                "Protocol": listener.protocol,
                **_certificates(asked, balancer, listener),
                "DefaultActions": [
                    {
                        "Type": "forward",
                        "TargetGroupArn": groups[listener.target_group_name],
                        "ForwardConfig": {
                            "TargetGroups": [{"TargetGroupArn": groups[listener.target_group_name], "Weight": 1}]
                        },
                    }
                ],
            }
            for listener in balancer.listeners
        ]
    }


def _certificates(asked: Asked, balancer: LoadBalancer, listener: Listener) -> Item:
    if listener.protocol != "TLS":
        return {}
    return {"Certificates": [{"CertificateArn": asked.organization.certificate_arn(balancer, listener.port)}]}


def _groups(asked: Asked) -> list[TargetGroup]:
    return [g for g in asked.topology.target_groups if asked.here(g.vpc_id)]


def describe_target_groups(asked: Asked) -> Item:
    """DescribeTargetGroups, of one load balancer or all."""
    found = [_group(asked, group) for group in _groups(asked)]
    if "LoadBalancerArn" in asked.params:
        _named_balancer(asked)
        found = [item for item in found if asked.params["LoadBalancerArn"] in item["LoadBalancerArns"]]
    if "TargetGroupArns" in asked.params:
        found = [item for item in found if item["TargetGroupArn"] in asked.params["TargetGroupArns"]]
    return {"TargetGroups": found}


def _group(asked: Asked, group: TargetGroup) -> Item:
    used_by = [
        asked.organization.balancer_arn(balancer)
        for balancer in _balancers(asked)
        if any(entry.target_group_name == group.target_group_name for entry in balancer.listeners)
    ]
    return {
        "TargetGroupArn": asked.organization.group_arn(group),
        "TargetGroupName": group.target_group_name,
        "VpcId": group.vpc_id,
        "Protocol": group.protocol,
        "Port": group.port,
        "TargetType": "ip",
        "IpAddressType": group.ip_address_type,
        "LoadBalancerArns": used_by,
        "HealthCheckEnabled": True,
        "HealthCheckProtocol": "TCP",
        "HealthCheckPort": "traffic-port",
    }


def _named_group(asked: Asked) -> TargetGroup:
    for group in _groups(asked):
        if asked.organization.group_arn(group) == asked.params["TargetGroupArn"]:
            return group
    raise ApiError("TargetGroupNotFound", "One or more target groups not found")


def describe_target_group_attributes(asked: Asked) -> Item:
    """DescribeTargetGroupAttributes."""
    group = _named_group(asked)
    return {
        "Attributes": [
            {"Key": "proxy_protocol_v2.enabled", "Value": str(group.proxy_protocol_v2_enabled).lower()},
            {"Key": "preserve_client_ip.enabled", "Value": "false"},
            {"Key": "load_balancing.cross_zone.enabled", "Value": "use_load_balancer_configuration"},
        ]
    }


def describe_target_health(asked: Asked) -> Item:
    """DescribeTargetHealth, which is also where targets are listed."""
    group = _named_group(asked)
    used = any(
        entry.target_group_name == group.target_group_name
        for b in asked.topology.load_balancers
        for entry in b.listeners
    )
    found = []
    for target in group.targets:
        port = target.port or group.port
        health: Item = {"State": "healthy"}
        if not used:
            health = {"State": "unused", "Reason": "Target.NotInUse", "Description": "Target group is not used"}
        elif not _answers(asked, group, target.id, port):
            health = {
                "State": "unhealthy",
                "Reason": "Target.FailedHealthChecks",
                "Description": "Health checks failed",
            }
        found.append({"Target": {"Id": str(target.id), "Port": port}, "TargetHealth": health})
    return {"TargetHealthDescriptions": found}


def _answers(asked: Asked, group: TargetGroup, address: IPv4Address | IPv6Address, port: int) -> bool:
    """Whether a broker that runs listens there and lets the nodes in, which is all that a health check sees."""
    for cluster in asked.topology.clusters:
        ports = {listener.port for listener in cluster.listeners} | {9093}
        for broker in cluster.brokers:
            if address in {broker.client_vpc_ip_address, broker.ipv6_address}:
                return broker.state is BrokerState.RUNNING and port in ports and _admits(asked, group, broker, port)
    return False


def _admits(asked: Asked, group: TargetGroup, broker: Broker, port: int) -> bool:
    topology = asked.topology
    users = [
        b for b in topology.load_balancers if any(e.target_group_name == group.target_group_name for e in b.listeners)
    ]
    rules = [r for g in topology.security_groups if g.group_id in broker.security_groups for r in g.ingress]
    six = group.ip_address_type == "ipv6"
    for balancer in users:
        lets_out = [r for g in topology.security_groups if g.group_id in balancer.security_groups for r in g.egress]
        if balancer.security_groups and not lets_out:
            return False
        for zone in balancer.availability_zones:
            node = zone.ipv6_address if six else zone.private_ipv4_address
            if not any(
                (rule.ip_protocol == "-1" or rule.from_port <= port <= rule.to_port)
                and any(node in block for block in (rule.cidr_ipv4, rule.cidr_ipv6) if block is not None and node)
                for rule in rules
            ):
                return False
    return True
