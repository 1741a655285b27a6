"""Entries of security groups and network ACLs."""

from __future__ import annotations

from typing import Final

from brokerproof.causes.catalogue.applies import (
    ENDPOINT,
    EVERY,
    MSK,
    NLB,
    PEERED,
    PEERING,
    PRIVATELINK,
    SHARED_ENDPOINT,
    THROUGH_LOAD_BALANCER,
    VPC,
)
from brokerproof.causes.catalogue.entry import Entry
from brokerproof.causes.codes import Code
from brokerproof.causes.pieces import Piece

_RULES = "ec2 DescribeSecurityGroupRules"
_ACLS = "ec2 DescribeNetworkAcls"

ENTRIES: Final = (
    Entry(
        code=Code.SECURITY_BROKER_GROUP,
        sits=Piece.BROKER,
        title="the brokers' security group does not admit where the connections come from",
        patterns=EVERY,
        evidence="connections time out; behind an NLB the group has to admit the NLB's addresses, not the clients'",
        confused_with=(
            (Code.SECURITY_NETWORK_ACL, _ACLS),
            (Code.ROUTE_MISSING_RETURN, "a client in the cluster VPC needs no route: it meets the group alone"),
        ),
        remedy="admit port {port} in the security group on the ENI of broker {brokers}: from {client} ({vpc}), or, "
        "behind an NLB, from the NLB's addresses",
        call=f"{_RULES}, AuthorizeSecurityGroupIngress; the groups on the ENIs themselves: DescribeNetworkInterfaces",
        sources=(MSK, "MaterializeInc/materialize issue 37016"),
        facts=("sg-broker-missing-client-cidr", "sg-broker-wrong-port", "sg-broker-missing-nlb-ips"),
    ),
    Entry(
        code=Code.SECURITY_GROUP_REFERENCE,
        sits=Piece.BROKER,
        title="the rule names a security group of the peer VPC that no longer counts, or is in another Region",
        patterns=PEERED,
        evidence="connections of one peered VPC time out",
        confused_with=((Code.SECURITY_BROKER_GROUP, "ec2 DescribeStaleSecurityGroups"),),
        remedy="admit the CIDR of {vpc} instead of its security group; a group of another Region cannot be referenced",
        call="ec2 DescribeStaleSecurityGroups",
        sources=(PEERING,),
        facts=("sg-peer-reference-stale", "sg-reference-cross-region"),
    ),
    Entry(
        code=Code.SECURITY_CLIENT_GROUP,
        sits=Piece.CLIENT,
        title="the client's own security group lets nothing out to the brokers' port",
        patterns=EVERY,
        evidence="every connection of one client times out, while others of its VPC connect",
        confused_with=((Code.SECURITY_NETWORK_ACL, _ACLS), (Code.ROUTE_MISSING_CLIENT, "ec2 DescribeRouteTables")),
        remedy="allow port {port} outwards in the security group of client {client}",
        call=_RULES,
        sources=(VPC,),
    ),
    Entry(
        code=Code.SECURITY_ENDPOINT_GROUP,
        sits=Piece.ENDPOINT,
        title="the endpoint's security group does not admit the client",
        patterns=THROUGH_LOAD_BALANCER,
        evidence="every port of every address of the endpoint is silent",
        confused_with=((Code.ENDPOINT_NOT_AVAILABLE, "ec2 DescribeVpcEndpoints: State"),),
        remedy="admit {client} ({vpc}) on port {port} in the security group of the endpoint, or of the VPC connection",
        call=f"{_RULES}, DescribeVpcEndpoints (Groups)",
        sources=(PRIVATELINK, MSK),
        facts=("sg-endpoint-ingress-missing",),
    ),
    Entry(
        code=Code.SECURITY_ENDPOINT_PORT_RANGE,
        sits=Piece.ENDPOINT,
        title="the endpoint's security group admits some of the brokers' ports and not others",
        patterns=SHARED_ENDPOINT,
        evidence="the silent ports are beyond the ones that connect, at every address of the endpoint",
        confused_with=((Code.NLB_LISTENER_MISSING, "a client that meets the NLB itself, or elbv2 DescribeListeners"),),
        remedy="admit port {port} in the security group of the endpoint (managed VPC connections: 14001-14100)",
        call=_RULES,
        sources=(MSK,),
        facts=("sg-endpoint-port-range-short",),
    ),
    Entry(
        code=Code.SECURITY_NLB_GROUP,
        sits=Piece.BALANCER,
        title="the NLB's security group does not admit the client, and is enforced on PrivateLink traffic",
        patterns=ENDPOINT,
        evidence="clients behind endpoints time out, clients in the cluster VPC may not",
        confused_with=((Code.SECURITY_ENDPOINT_GROUP, "elbv2 DescribeLoadBalancers"),),
        remedy="admit {client} on port {port} in the NLB's security group, or turn "
        "EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic off",
        call="elbv2 DescribeLoadBalancers (EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic)",
        sources=(NLB,),
        facts=("nlb-sg-enforced-privatelink",),
    ),
    Entry(
        code=Code.SECURITY_NLB_GROUP_EGRESS,
        sits=Piece.BALANCER,
        title="the NLB's security group lets nothing out to the brokers",
        patterns=ENDPOINT,
        evidence="every target is unhealthy, the NLB forwards to all of them, and every connection times out",
        confused_with=((Code.SECURITY_BROKER_GROUP, "the outbound rules of the NLB's group"),),
        remedy="allow the brokers' port outwards in the NLB's security group",
        call=f"{_RULES}, elbv2 DescribeTargetHealth",
        sources=(NLB,),
        facts=("nlb-sg-egress-blocks",),
    ),
    Entry(
        code=Code.SECURITY_NETWORK_ACL,
        sits=Piece.SUBNETS,
        title="a network ACL on the way denies the port, or the ephemeral ports that answers need",
        patterns=EVERY,
        evidence="connections between two subnets time out, in either direction of the packets",
        confused_with=((Code.SECURITY_BROKER_GROUP, "flow logs: an ACL's REJECT stands on one direction alone"),),
        remedy="allow port {port} one way and ports 1024-65535 the other way in the network ACLs of both subnets",
        call=_ACLS,
        sources=(VPC, "MaterializeInc/materialize issue 37016"),
        facts=("nacl-ephemeral-return-blocked",),
    ),
)
