"""What a pattern builder can be asked for, and the parts every pattern shares: the cluster VPC, brokers, names."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations_with_replacement
from typing import Any

from pydantic import Field

from brokerproof.probes.plan import AuthenticationScheme
from brokerproof.topology.models import (
    CROSS_REGION_DELAY_MS,
    IN_REGION_DELAY_MS,
    AdvertisedListener,
    Broker,
    Client,
    Cluster,
    ClusterListener,
    IpPermission,
    LabSettings,
    Model,
    Port,
    RegionLink,
    SecurityGroup,
    Subnet,
    Unserved,
    Vpc,
)
from brokerproof.topology.models.pattern_name import PatternName
from brokerproof.topology.patterns import client_names


class Overlap(StrEnum):
    """Whether client VPCs have their own CIDR, the cluster VPC's, or one of each."""

    OFF = "off"
    ON = "on"
    BOTH = "both"


class PatternOptions(Model):
    """Parameters of a builder. Every pattern takes all of them; some have no effect in some patterns."""

    brokers: int = Field(default=3, ge=1, le=60, description="Brokers of the cluster.")
    zones: int = Field(default=3, ge=1, le=6, description="Availability zones; brokers are spread over them in turn.")
    cross_zone: bool = Field(default=True, description="Cross-zone load balancing of the NLBs (AWS's default: off).")
    overlap: Overlap = Field(
        default=Overlap.BOTH,
        description="Client VPCs: with a CIDR of their own (off), with the cluster's (on), or one of each (both).",
    )
    zonal_alias: bool = Field(
        default=False, description="Alias each broker to the endpoint's zonal name of the broker's zone."
    )
    first_listener_port: Port = Field(default=8443, description="Single NLB: the port of the first broker's listener.")
    bootstrap_port: Port = Field(
        default=9094, description="Single NLB: the port of the listener that has every broker as a target."
    )
    plaintext: bool = Field(default=False, description="Give the cluster a plaintext listener on 9092 too.")
    advertised_unchanged: bool = Field(
        default=False, description="Single NLB: leave advertised.listeners as MSK creates them (a fault to try)."
    )
    local_zone: bool = Field(
        default=True, description="Single NLB: a private zone that sends clients of the cluster VPC to the NLB."
    )
    remote: bool = Field(
        default=True, description="PrivateLink: clients of another Region too, by peering and by a gateway."
    )
    authentication: AuthenticationScheme = Field(
        default=AuthenticationScheme.NONE,
        description="How clients log in: the listener and ports of that scheme take the place of those of TLS alone.",
    )
    dual_stack: bool = Field(
        default=False,
        description="IPv6 beside IPv4, and a second client on IPv6 for each. No effect in multi_vpc, combination, "
        "cross-Region.",
    )
    kafka_version: str = Field(default="4.1.1", description="Kafka version of the brokers.")
    unserved: Unserved = Field(
        default=Unserved.DROP, description="What an NLB node does where it has no listener or target."
    )
    cross_region_rtt_ms: float = Field(
        default=2 * CROSS_REGION_DELAY_MS,
        ge=0,
        le=20_000,
        description="RTT between two Regions in the lab; 0 for none.",
    )
    in_region_rtt_ms: float = Field(
        default=2 * IN_REGION_DELAY_MS, ge=0, le=20_000, description="RTT between two VPCs of a Region in the lab."
    )


REGION = "us-east-1"
FAR_REGION = "us-west-2"
DOMAIN = f"demo.a1b2c3.c2.kafka.{REGION}.amazonaws.com"
ZONE_NAME = DOMAIN
"""A zone per cluster. The seed's wider ``kafka.<region>.amazonaws.com`` hides other clusters from the VPC."""
CLUSTER_VPC = "vpc-cluster"
CLUSTER_CIDR = IPv4Network("10.0.0.0/16")
CLIENT_CIDR = IPv4Network("10.1.0.0/16")
CLUSTER_NAME = "demo"
BROKER_GROUP = "sg-brokers"
CA_FILE = "/run/brokerproof/tls/ca.pem"
"""Where the lab puts the authority that signed the brokers' certificates, seen from every client."""
WITNESS_PORT = 7777


def zone_id(index: int, region_name: str = REGION) -> str:
    """The zone id of the index-th zone: ``us-east-1`` has ``use1-az1``, ``us-west-2`` has ``usw2-az1``."""
    continent, direction, number = region_name.split("-")
    return f"{continent}{direction[0]}{number}-az{index + 1}"


def subnet_cidr(vpc: IPv4Network, index: int) -> IPv4Network:
    """The index-th /20 of a VPC's block."""
    return list(vpc.subnets(new_prefix=20))[index]


def host(block: IPv4Network, offset: int) -> IPv4Address:
    """The address at an offset into a block."""
    return IPv4Address(int(block.network_address) + offset)


def subnets(vpc_id: str, vpc: IPv4Network, zones: int, *, region_name: str = REGION) -> tuple[Subnet, ...]:
    """One subnet a zone."""
    return tuple(
        Subnet(
            subnet_id=f"subnet-{vpc_id.removeprefix('vpc-')}-{i + 1}",
            vpc_id=vpc_id,
            cidr_block=subnet_cidr(vpc, i),
            availability_zone_id=zone_id(i, region_name),
        )
        for i in range(zones)
    )


def broker_name(broker_id: int) -> str:
    """``b-N.`` and the cluster's domain, as MSK names provisioned brokers."""
    return f"b-{broker_id}.{DOMAIN}"


def broker_address(options: PatternOptions, broker_id: int) -> IPv4Address:
    """The broker's ENI address: brokers go round the zones, as MSK places them."""
    index = broker_id - 1
    return host(subnet_cidr(CLUSTER_CIDR, index % options.zones), 10 + index // options.zones)


def client_host(name: str, subnet: Subnet, **more: Any) -> Client:
    """A client of the demo cluster in a subnet, with the lab's certificate authority."""
    return Client(
        name=name,
        vpc_id=subnet.vpc_id,
        subnet_id=subnet.subnet_id,
        private_ip_address=host(subnet.cidr_block, 201),
        cluster_name=CLUSTER_NAME,
        ca_file=CA_FILE,
        **more,
    )


class ClusterParts(Model):
    """The cluster VPC with its brokers, before a pattern connects it to anything."""

    vpc: Vpc
    subnets: tuple[Subnet, ...]
    security_groups: tuple[SecurityGroup, ...]
    cluster: Cluster
    client: Client


def cluster_parts(
    options: PatternOptions,
    *,
    admitted: tuple[IPv4Network, ...],
    client_pattern: PatternName | None,
    advertised_ports: dict[int, int] | None = None,
    admitted_groups: tuple[str, ...] = (),
) -> ClusterParts:
    """The cluster VPC: brokers, their security group, and a client in the same VPC.

    ``admitted`` are the sources the brokers' security group lets in on the client ports, ``admitted_groups``
    security groups whose members it lets in;
    ``advertised_ports`` maps broker ids to changed ports of the TLS listener.
    """
    listeners = [ClusterListener(name="CLIENT_SECURE", port=9094)]
    if options.plaintext:
        listeners.append(ClusterListener(name="CLIENT", port=9092))
    parts = subnets(CLUSTER_VPC, CLUSTER_CIDR, options.zones)
    brokers = tuple(
        Broker(
            broker_id=broker_id,
            endpoint=broker_name(broker_id),
            client_vpc_ip_address=broker_address(options, broker_id),
            client_subnet=parts[(broker_id - 1) % options.zones].subnet_id,
            security_groups=(BROKER_GROUP,),
            advertised_listeners=(
                ()
                if advertised_ports is None
                else (AdvertisedListener(name=broker_name(broker_id), port=advertised_ports[broker_id]),)
            ),
        )
        for broker_id in range(1, options.brokers + 1)
    )
    ingress = [
        IpPermission(ip_protocol="-1", referenced_group_id=BROKER_GROUP, description="brokers among themselves"),
        *(
            IpPermission(from_port=listener.port, to_port=listener.port, cidr_ipv4=source)
            for listener in listeners
            for source in admitted
        ),
        *(
            IpPermission(from_port=listener.port, to_port=listener.port, referenced_group_id=group)
            for listener in listeners
            for group in admitted_groups
        ),
    ]
    return ClusterParts(
        vpc=Vpc(vpc_id=CLUSTER_VPC, region_name=REGION, cidr_blocks=(CLUSTER_CIDR,)),
        subnets=parts,
        security_groups=(SecurityGroup(group_id=BROKER_GROUP, vpc_id=CLUSTER_VPC, ingress=tuple(ingress)),),
        cluster=Cluster(
            cluster_name=CLUSTER_NAME,
            vpc_id=CLUSTER_VPC,
            domain=DOMAIN,
            kafka_version=options.kafka_version,
            listeners=tuple(listeners),
            brokers=brokers,
        ),
        client=Client(
            name=client_names.CLUSTER_VPC,
            vpc_id=CLUSTER_VPC,
            subnet_id=parts[0].subnet_id,
            private_ip_address=host(parts[0].cidr_block, 200),
            cluster_name=CLUSTER_NAME,
            pattern=client_pattern,
            ca_file=CA_FILE,
        ),
    )


def lab_settings(options: PatternOptions, region_names: Iterable[str] = (REGION,)) -> LabSettings:
    """What only the lab reads: the distance between any two of these Regions, and inside each."""
    return LabSettings(
        unserved=options.unserved,
        links=tuple(
            RegionLink(
                regions=(one, other),
                one_way_delay_ms=(options.in_region_rtt_ms if one == other else options.cross_region_rtt_ms) / 2,
            )
            for one, other in combinations_with_replacement(sorted(set(region_names)), 2)
        ),
    )


class ClientVpc(Model):
    """A client VPC to be built: the letter in its ids, the name of the client in it."""

    key: str
    client: str
    cidr: IPv4Network
    region_name: str = REGION


def client_vpcs(overlap: Overlap) -> tuple[ClientVpc, ...]:
    """The client VPCs to build: one with its own CIDR, one with the cluster VPC's."""
    both = (
        ClientVpc(key="b", client=client_names.ACCOUNT_B, cidr=CLIENT_CIDR),
        ClientVpc(key="o", client=client_names.OVERLAPPING, cidr=CLUSTER_CIDR),
    )
    match overlap:
        case Overlap.OFF:
            return both[:1]
        case Overlap.ON:
            return both[1:]
        case Overlap.BOTH:
            return both
