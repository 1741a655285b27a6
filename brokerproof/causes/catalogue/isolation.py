"""Entries of isolation: what a client reaches and must not."""

from __future__ import annotations

from typing import Final

from brokerproof.causes.catalogue.applies import (
    ENDPOINT,
    EVERY,
    MSK,
    PRIVATELINK,
    THROUGH_LOAD_BALANCER,
    VPC,
)
from brokerproof.causes.catalogue.entry import Entry
from brokerproof.causes.codes import Code
from brokerproof.causes.pieces import Piece

_PLANE = "whatever reads the control plane, not a client"

ENTRIES: Final = (
    Entry(
        code=Code.ISOLATION_PORTS_OPEN,
        sits=Piece.BROKER,
        title="ports that should be closed are open",
        patterns=EVERY,
        evidence="a connection that must not work is accepted, or refused by the host itself, so "
        "that packets got there",
        remedy="admit nothing but the brokers' client ports in the security groups that {client} meets",
        call="ec2 DescribeSecurityGroupRules",
        sources=(VPC, MSK),
        facts=("iso-peering-overexposed",),
    ),
    Entry(
        code=Code.ISOLATION_PLAINTEXT_OPEN,
        sits=Piece.CLUSTER,
        title="the plaintext port of the brokers answers",
        patterns=EVERY,
        evidence="port 9092 accepts a connection",
        remedy="set encryption in transit to TLS only, and close port 9092 in the brokers' security group",
        call="kafka DescribeClusterV2 (EncryptionInTransit.ClientBroker), UpdateSecurity",
        sources=(MSK,),
        facts=("iso-plaintext-open",),
    ),
    Entry(
        code=Code.ISOLATION_UNAPPROVED_CLIENT,
        sits=Piece.CLIENT,
        title="a client that must reach nothing gets through",
        patterns=EVERY,
        evidence="a connection from a VPC or host without approval is accepted, or refused by the host itself",
        remedy="take away the route, propagation or security group rule that lets {client} ({vpc}) through",
        call="ec2 SearchTransitGatewayRoutes, DescribeSecurityGroupRules",
        sources=("AWS Transit Gateway guide", VPC),
        facts=("iso-unapproved-vpc-reaches-cluster",),
    ),
    Entry(
        code=Code.ISOLATION_ENDPOINT_SERVICE_OPEN,
        sits=Piece.SERVICE,
        title="any account may connect to the endpoint service, without acceptance",
        patterns=ENDPOINT,
        evidence="none for a client",
        remedy="require acceptance, and name the accounts that may connect",
        call="ec2 DescribeVpcEndpointServicePermissions, DescribeVpcEndpointServiceConfigurations",
        sources=(PRIVATELINK,),
        facts=("iso-endpoint-service-open",),
        visible=False,
        seen_by=_PLANE,
    ),
    Entry(
        code=Code.ISOLATION_SECOND_PATH,
        sits=Piece.WAY,
        title="there is a second path into the cluster VPC beside the one that is meant",
        patterns=THROUGH_LOAD_BALANCER,
        evidence="a broker's ENI answers a client behind an endpoint, or the broker sees another source than the NLB",
        remedy="remove the peering, gateway route or record that leads {client} ({vpc}) around its endpoint",
        call="ec2 DescribeRouteTables, DescribeVpcPeeringConnections",
        sources=(PRIVATELINK,),
        facts=("iso-wrong-path-false-pass",),
    ),
    Entry(
        code=Code.ISOLATION_ALLOW_EVERYONE,
        sits=Piece.CLUSTER,
        title="any authenticated principal may read and write: no ACL, and allow.everyone.if.no.acl.found",
        patterns=EVERY,
        evidence="none on a healthy path",
        remedy="set allow.everyone.if.no.acl.found to false after granting what is needed",
        call="kafka DescribeConfigurationRevision",
        sources=(MSK,),
        facts=("iso-allow-everyone",),
        visible=False,
        seen_by="a client with another identity, or the configuration",
    ),
    Entry(
        code=Code.ISOLATION_TRACKED_CONNECTIONS,
        sits=Piece.BROKER,
        title="a connection that was open before a rule was revoked goes on",
        patterns=EVERY,
        evidence="none for a new connection, and a verification makes only new ones",
        remedy="end the open connections of revoked clients",
        sources=(VPC,),
        facts=("sg-change-leaves-tracked-flows",),
        visible=False,
        seen_by="flow logs",
    ),
)
