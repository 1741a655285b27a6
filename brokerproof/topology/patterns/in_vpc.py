"""The baseline: a client in the cluster's own VPC, straight to the broker ENIs."""

from __future__ import annotations

from brokerproof.topology.files import checked
from brokerproof.topology.models import Topology
from brokerproof.topology.patterns import client_names
from brokerproof.topology.patterns.dual_stack import with_ipv6
from brokerproof.topology.patterns.options import CLUSTER_CIDR, PatternOptions, cluster_parts, lab_settings

NAME = "in_vpc"


def build(options: PatternOptions | None = None) -> Topology:
    """A client in the cluster VPC, admitted by the brokers' security group; with plaintext a second one, who uses it.

    Raises:
        TopologyError: the options ask for what AWS refuses.
    """
    options = options or PatternOptions()
    parts = cluster_parts(options, admitted=(CLUSTER_CIDR,), client_pattern=NAME)
    clients = [parts.client]
    if options.plaintext:
        address = parts.client.private_ip_address + 1
        plain = {"name": client_names.PLAINTEXT, "listener": "CLIENT", "ca_file": None, "private_ip_address": address}
        clients.append(parts.client.model_copy(update=plain))
    topology = Topology(
        name=NAME,
        vpcs=(parts.vpc,),
        subnets=parts.subnets,
        security_groups=parts.security_groups,
        clusters=(parts.cluster,),
        clients=tuple(clients),
        lab=lab_settings(options),
    )
    return checked(with_ipv6(topology) if options.dual_stack else topology)
