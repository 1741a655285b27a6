"""The baseline: a client in the cluster's own VPC, straight to the broker ENIs."""

from __future__ import annotations

from brokerproof.topology.expectation.sights import direct
from brokerproof.topology.files import checked
from brokerproof.topology.models import Topology
from brokerproof.topology.models.pattern_name import PatternName
from brokerproof.topology.patterns import client_names
from brokerproof.topology.patterns.dimensions import Dimension
from brokerproof.topology.patterns.dual_stack import with_ipv6
from brokerproof.topology.patterns.facts import POST, Row
from brokerproof.topology.patterns.options import CLUSTER_CIDR, PatternOptions, cluster_parts, lab_settings
from brokerproof.topology.patterns.spec import PatternSpec
from brokerproof.topology.unknown import known


def build(options: PatternOptions) -> Topology:
    """A client in the cluster VPC, admitted by the brokers' security group; with plaintext a second one, who uses it.

    Raises:
        TopologyError: the options ask for what AWS refuses.
    """
    parts = cluster_parts(options, admitted=(CLUSTER_CIDR,), client_pattern=PatternName.IN_VPC)
    clients = [parts.client]
    if options.plaintext:
        address = known(parts.client.private_ip_address) + 1
        plain = {"name": client_names.PLAINTEXT, "listener": "CLIENT", "ca_file": None, "private_ip_address": address}
        clients.append(parts.client.model_copy(update=plain))
    topology = Topology(
        name=PatternName.IN_VPC,
        vpcs=(parts.vpc,),
        subnets=parts.subnets,
        security_groups=parts.security_groups,
        clusters=(parts.cluster,),
        clients=tuple(clients),
        lab=lab_settings(options),
    )
    return checked(with_ipv6(topology) if options.dual_stack else topology)


SPEC = PatternSpec(
    name=PatternName.IN_VPC,
    title="the baseline: a client in the cluster's own VPC",
    suits="clients in the cluster's own VPC; the baseline",
    sees=direct,
    builder=build,
    is_in_cluster_vpc=True,
    facts={
        Row.BANDWIDTH: (("what the instances and a flow between them have", POST),),
        Row.BENEFITS: (("nothing lies between client and brokers", POST),),
    },
    dimensions=(Dimension.CROSS_ZONE_GB,),
)
