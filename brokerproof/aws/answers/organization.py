"""The account behind a topology: who owns what, and the ids and ARNs that AWS would have made. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Final
from uuid import UUID

from brokerproof.topology.models import Client, Cluster, LoadBalancer, TargetGroup, Topology, Vpc, VpcConnection

Item = dict[str, Any]
"""One entry of an answer, as the API has it."""

_ZONES: Final = "abcdef"


class ApiError(Exception):
    """The call is refused, as AWS would: its code and its words."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


def _uuid(text: str) -> str:
    return str(UUID(hexadecimal(text, 32)))


def hexadecimal(text: str, digits: int = 17) -> str:
    """Digits that follow from a text, as AWS's ids end in."""
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


class Organization:
    """A topology, asked as accounts and Regions."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology

    @cached_property
    def accounts(self) -> tuple[str, ...]:
        """Every account that owns something."""
        found = {vpc.owner_id for vpc in self.topology.vpcs} | {g.owner_id for g in self.topology.transit_gateways}
        return tuple(sorted(found))

    def vpcs(self, account: str, region: str) -> tuple[Vpc, ...]:
        """The VPCs of an account and Region."""
        return tuple(v for v in self.topology.vpcs if (v.owner_id, v.region_name) == (account, region))

    def owns(self, account: str, region: str, vpc_id: str) -> bool:
        """Whether a VPC is of this account and Region."""
        vpc = self.topology.vpc(vpc_id)
        return (vpc.owner_id, vpc.region_name) == (account, region)

    def zone_name(self, account: str, zone_id: str) -> str:
        """The account's own name of a zone: accounts count them in different orders, which is why ids are compared."""
        prefix, _, number = zone_id.rpartition("-az")
        region = self._regions.get(prefix, "us-east-1")
        turned = int(hexadecimal(account, 4), 16) % len(_ZONES)
        return f"{region}{_ZONES[(int(number) - 1 + turned) % len(_ZONES)]}"

    @cached_property
    def _regions(self) -> dict[str, str]:
        zones = {s.availability_zone_id.rpartition("-az")[0]: s.vpc_id for s in self.topology.subnets}
        return {prefix: self.topology.vpc(vpc_id).region_name for prefix, vpc_id in zones.items()}

    def host(self, client: Client) -> Client:
        """The entry that stands for the client's host."""
        return self.topology.host_of(client)

    def instance_id(self, client: Client) -> str:
        """The instance of a client's host."""
        return f"i-{hexadecimal(f'{client.vpc_id}/{client.private_ip_address}')}"

    def private_dns_name(self, client: Client) -> str:
        """The name that EC2 gives a client's host, by its address."""
        region = self.place(client.vpc_id)[1]
        domain = "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"
        return f"ip-{str(client.private_ip_address).replace('.', '-')}.{domain}"

    def interface_id(self, vpc_id: str, address: IPv4Address) -> str:
        """The interface that has an address."""
        return f"eni-{hexadecimal(f'{vpc_id}/{address}')}"

    def place(self, vpc_id: str) -> tuple[str, str]:
        """Account and Region of a VPC."""
        vpc = self.topology.vpc(vpc_id)
        return vpc.owner_id, vpc.region_name

    def cluster_arn(self, cluster: Cluster) -> str:
        """The ARN of a cluster."""
        account, region = self.place(cluster.vpc_id)
        digits = hexadecimal(cluster.domain, 32)
        uuid = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
        return f"arn:aws:kafka:{region}:{account}:cluster/{cluster.cluster_name}/{uuid}-2"

    def cluster(self, arn: str) -> Cluster:
        """The cluster of an ARN.

        Raises:
            ApiError: there is none.
        """
        for cluster in self.topology.clusters:
            if self.cluster_arn(cluster) == arn:
                return cluster
        raise ApiError("NotFoundException", f"The cluster {arn} does not exist.", 404)

    def configuration_arn(self, cluster: Cluster) -> str:
        """The ARN of a cluster's configuration."""
        return self.cluster_arn(cluster).replace(":cluster/", ":configuration/")

    def balancer_arn(self, balancer: LoadBalancer) -> str:
        """The ARN of a load balancer."""
        name = balancer.load_balancer_name
        return f"{self._elb(balancer.vpc_id)}:loadbalancer/net/{name}/{hexadecimal(name, 16)}"

    def group_arn(self, group: TargetGroup) -> str:
        """The ARN of a target group."""
        name = group.target_group_name
        return f"{self._elb(group.vpc_id)}:targetgroup/{name}/{hexadecimal(name, 16)}"

    def certificate_arn(self, balancer: LoadBalancer, port: int) -> str:
        """The ARN of the certificate of a TLS listener."""
        account, region = self.place(balancer.vpc_id)
        return f"arn:aws:acm:{region}:{account}:certificate/{_uuid(f'{balancer.load_balancer_name} {port}')}"

    def authority_arn(self, cluster: Cluster) -> str:
        """The ARN of the authority that signs clients' certificates."""
        account, region = self.place(cluster.vpc_id)
        return f"arn:aws:acm-pca:{region}:{account}:certificate-authority/{_uuid(cluster.cluster_name)}"

    def listener_arn(self, balancer: LoadBalancer, port: int) -> str:
        """The ARN of a listener."""
        whole = self.balancer_arn(balancer).replace(":loadbalancer/", ":listener/")
        return f"{whole}/{hexadecimal(str(port), 16)}"

    def _elb(self, vpc_id: str) -> str:
        account, region = self.place(vpc_id)
        return f"arn:aws:elasticloadbalancing:{region}:{account}"

    def managed_endpoint_id(self, connection: VpcConnection) -> str:
        """The endpoint that MSK makes for a VPC connection."""
        return f"vpce-{hexadecimal(connection.vpc_connection_arn)}"

    def gateway_owner(self, gateway_id: str) -> tuple[str, str]:
        """Account and Region of a transit gateway."""
        gateway = next(g for g in self.topology.transit_gateways if g.transit_gateway_id == gateway_id)
        return gateway.owner_id, gateway.region_name


@dataclass(frozen=True, slots=True)
class Asked:
    """One call: as whom, where, and with which parameters."""

    organization: Organization
    account: str
    region: str
    params: Mapping[str, Any]

    @property
    def topology(self) -> Topology:
        """The topology that answers."""
        return self.organization.topology

    @property
    def vpcs(self) -> tuple[Vpc, ...]:
        """The VPCs of the account and Region that is asked."""
        return self.organization.vpcs(self.account, self.region)

    def here(self, vpc_id: str) -> bool:
        """Whether a VPC is of the account and Region that is asked."""
        return self.organization.owns(self.account, self.region, vpc_id)


def by_ids(asked: Asked, items: Iterable[Item], parameter: str, key: str, missing: str) -> list[Item]:
    """Only those that the parameter names, all of which there must be.

    Raises:
        ApiError: one is not there.
    """
    wanted: Sequence[str] | None = asked.params.get(parameter)
    found = list(items)
    if not wanted:
        return found
    known = {item[key] for item in found}
    for one in wanted:
        if one not in known:
            raise ApiError(missing, f"The ID '{one}' does not exist")
    return [item for item in found if item[key] in wanted]


def filtered(asked: Asked, items: Iterable[Item], by: Mapping[str, Callable[[Item], Iterable[str]]]) -> list[Item]:
    """Only those that all of the call's filters take; a ``*`` stands for anything.

    Raises:
        ApiError: a filter is not one of these.
    """
    found = list(items)
    for entry in asked.params.get("Filters") or ():
        name, values = entry["Name"], entry["Values"]
        if name not in by:
            raise ApiError("InvalidParameterValue", f"The filter '{name}' is invalid")
        found = [item for item in found if any(_like(v, value) for v in by[name](item) for value in values)]
    return found


def _like(value: str, wanted: str) -> bool:
    if wanted.endswith("*"):
        return value.startswith(wanted[:-1])
    return value == wanted


def block_of(network: IPv4Network, owner: str) -> Item:
    """A CIDR block as VPCs list theirs."""
    return {
        "AssociationId": f"vpc-cidr-assoc-{hexadecimal(f'{owner}/{network}')}",
        "CidrBlock": str(network),
        "CidrBlockState": {"State": "associated"},
    }
