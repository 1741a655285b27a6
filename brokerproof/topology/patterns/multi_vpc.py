"""MSK multi-VPC private connectivity: MSK runs load balancer, endpoint and names itself.

``account_b`` is in another account of the same Region, with a VPC connection and a CIDR of its own; ``overlapping``
the same with the cluster VPC's CIDR. The ordinary bootstrap string stays unreachable from both. ``cluster_vpc``
goes to the ordinary listener, which multi-VPC connectivity leaves as it is.
"""

from __future__ import annotations

from brokerproof.topology.expectation.sights import managed
from brokerproof.topology.files import checked
from brokerproof.topology.managed import FIRST_PORT
from brokerproof.topology.models import (
    Client,
    ClusterListener,
    EndpointInterface,
    IpPermission,
    Model,
    SecurityGroup,
    Subnet,
    Topology,
    Vpc,
    VpcAuthentication,
    VpcConnection,
)
from brokerproof.topology.models.pattern_name import PatternName
from brokerproof.topology.patterns import client_names
from brokerproof.topology.patterns.dimensions import Dimension
from brokerproof.topology.patterns.facts import MSK_GUIDE, Row
from brokerproof.topology.patterns.options import (
    CLUSTER_CIDR,
    CLUSTER_NAME,
    REGION,
    WITNESS_PORT,
    ClientVpc,
    PatternOptions,
    client_host,
    client_vpcs,
    cluster_parts,
    host,
    lab_settings,
    subnets,
)
from brokerproof.topology.patterns.spec import Balancing, PatternSpec

LAST_PORT = 14100
BIND_PORT = 9294
"""Where the lab's brokers listen for it. MSK does not publish its own; clients never see it."""
_ACCOUNTS = {client_names.ACCOUNT_B: "222222222222", client_names.OVERLAPPING: "333333333333"}


def build(options: PatternOptions) -> Topology:
    """Two client accounts, each with a VPC connection for one scheme.

    Raises:
        TopologyError: the options ask for what AWS refuses.
    """
    scheme = VpcAuthentication.TLS  # another way to log in changes it afterwards, as it does every listener
    parts = cluster_parts(options, admitted=(CLUSTER_CIDR,), client_pattern=PatternName.IN_VPC)
    cluster = parts.cluster.model_copy(
        update={
            "listeners": (
                *parts.cluster.listeners,
                ClusterListener.model_validate({"name": scheme.listener, "port": BIND_PORT}),
            ),
            "vpc_connectivity": (scheme,),
            "cluster_policy_principals": tuple(_ACCOUNTS.values()),
        }
    )
    [brokers] = parts.security_groups
    admitted = IpPermission(
        from_port=BIND_PORT, to_port=BIND_PORT, cidr_ipv4=CLUSTER_CIDR, description="MSK's own load balancer"
    )
    sides = [_side(vpc, scheme, options) for vpc in client_vpcs(options.overlap)]
    return checked(
        Topology(
            name=PatternName.MULTI_VPC,
            vpcs=(parts.vpc, *(side.vpc for side in sides)),
            subnets=(*parts.subnets, *(s for side in sides for s in side.subnets)),
            security_groups=(
                brokers.model_copy(update={"ingress": (*brokers.ingress, admitted)}),
                *(side.security_group for side in sides),
            ),
            clusters=(cluster,),
            vpc_connections=tuple(side.connection for side in sides),
            clients=(parts.client, *(side.client for side in sides)),
            lab=lab_settings(options),
        )
    )


class _Side(Model):
    vpc: Vpc
    subnets: tuple[Subnet, ...]
    security_group: SecurityGroup
    connection: VpcConnection
    client: Client


def _side(vpc: ClientVpc, scheme: VpcAuthentication, options: PatternOptions) -> _Side:
    key = "m" if vpc.client == client_names.ACCOUNT_B else vpc.key
    vpc_id, owner = f"vpc-{key}", _ACCOUNTS[vpc.client]
    nets = subnets(vpc_id, vpc.cidr, min(options.zones, options.brokers))
    group = SecurityGroup(
        group_id=f"sg-connection-{key}",
        vpc_id=vpc_id,
        ingress=(IpPermission(from_port=FIRST_PORT, to_port=LAST_PORT, cidr_ipv4=vpc.cidr),),
    )
    return _Side(
        vpc=Vpc(vpc_id=vpc_id, owner_id=owner, region_name=REGION, cidr_blocks=(vpc.cidr,)),
        subnets=nets,
        security_group=group,
        connection=VpcConnection(
            vpc_connection_arn=f"arn:aws:kafka:{REGION}:{owner}:vpc-connection/111111111111/{CLUSTER_NAME}/{key}",
            target_cluster_name=CLUSTER_NAME,
            authentication=scheme,
            vpc_id=vpc_id,
            client_subnets=tuple(s.subnet_id for s in nets),
            security_groups=(group.group_id,),
            network_interfaces=tuple(
                EndpointInterface(subnet_id=s.subnet_id, private_ip_address=host(s.cidr_block, 150)) for s in nets
            ),
        ),
        client=client_host(
            vpc.client, nets[0], pattern=PatternName.MULTI_VPC, witness_port=WITNESS_PORT, listener=scheme.listener
        ),
    )


SPEC = PatternSpec(
    name=PatternName.MULTI_VPC,
    title="MSK multi-VPC private connectivity",
    suits="accounts of the same Region; MSK runs the pieces",
    sees=managed,
    builder=build,
    balancing=Balancing.MANAGED,
    facts={
        Row.BANDWIDTH: (("that of the endpoints MSK makes, which are PrivateLink's", MSK_GUIDE),),
        Row.SCALE: (("clients of other accounts and VPCs of the cluster's own Region", MSK_GUIDE),),
        Row.BENEFITS: (
            ("MSK runs load balancers, endpoints and names", MSK_GUIDE),
            ("both VPCs may have the same addresses", MSK_GUIDE),
        ),
        Row.LIMITS: (
            ("Kafka 2.7.1 or newer, no plaintext, the same Region and the same zone ids", MSK_GUIDE),
            ("one connection serves one way of authenticating", MSK_GUIDE),
        ),
    },
    dimensions=(Dimension.CROSS_ZONE_GB, Dimension.VPC_CONNECTION_HOUR, Dimension.VPC_CONNECTION_GB),
)
