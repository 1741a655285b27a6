"""A topology made by API calls against moto, which others wrote: the witness beside the answers of this project."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from ipaddress import IPv4Network
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.core.utils import method_names_from_class

from brokerproof.aws.discovery.access import Access
from brokerproof.aws.discovery.discover import discover
from brokerproof.aws.facts import AccountFacts
from brokerproof.aws.intent.models import IntendedAccount, IntendedClient, Intent
from brokerproof.topology.models import IpPermission, SecurityGroup, Topology
from tests.aws.moto_lacks import CLUSTER, MadeUp

Item = dict[str, Any]


_methods_of = cache(method_names_from_class)
"""Else looked up anew for every call, a tenth of what the tests with moto take."""


@contextmanager
def moto() -> Iterator[None]:
    """Every request of boto3 goes to moto, and none to AWS."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        # A thousand images of Amazon's in each account and Region, of which nothing here is.
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
            patch.delenv(name, raising=False)
        patch.setattr("moto.core.responses.method_names_from_class", _methods_of)
        with mock_aws():
            yield


def in_one_account(topology: Topology) -> Topology:
    """The same with one owner of all: moto shows gateways, and zones of a VPC, to the account that made them alone."""
    document = json.dumps(topology.model_dump(mode="json"))
    for owner in sorted({vpc.owner_id for vpc in topology.vpcs}):
        document = document.replace(f'"{owner}"', '"111111111111"')
    return Topology.model_validate(json.loads(document))


def as_moto_holds(topology: Topology) -> Topology:
    """The same, without what moto does not keep.

    Hosts without a group get one, as AWS gives them the VPC's own. moto drops the description of a rule that names a
    group, and knows no group of another account.
    """
    groups = {group.group_id: topology.vpc(group.vpc_id).owner_id for group in topology.security_groups}
    changed = []
    for group in topology.security_groups:
        sides = {
            side: tuple(
                rule.model_copy(update={"description": ""}) if rule.referenced_group_id is not None else rule
                for rule in getattr(group, side)
                if groups.get(str(rule.referenced_group_id), groups[group.group_id]) == groups[group.group_id]
            )
            for side in ("ingress", "egress")
        }
        changed.append(group.model_copy(update=sides))
    bare = sorted({client.vpc_id for client in topology.clients if not topology.host_of(client).security_groups})
    changed += [SecurityGroup(group_id=f"sg-hosts-{vpc_id}", vpc_id=vpc_id) for vpc_id in bare]
    clients = tuple(
        client
        if topology.host_of(client).security_groups
        else client.model_copy(update={"security_groups": (f"sg-hosts-{client.vpc_id}",)})
        for client in topology.clients
    )
    return topology.model_copy(update={"security_groups": tuple(changed), "clients": clients})


class Clients:
    """Clients of boto3 by service, account and Region."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str, str], Any] = {}

    def client(self, service: str, account: str, region: str) -> Any:
        key = (service, account, region)
        if key not in self._made:
            role = {"RoleArn": f"arn:aws:iam::{account}:role/maker", "RoleSessionName": "maker"}
            given = boto3.client("sts", region_name=region).assume_role(**role)["Credentials"]
            self._made[key] = boto3.client(
                service,
                region_name=region,
                aws_access_key_id=given["AccessKeyId"],
                aws_secret_access_key=given["SecretAccessKey"],
                aws_session_token=given["SessionToken"],
            )
        return self._made[key]


class Made:
    """The calls that make a topology, and what moto called each thing."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.ids: dict[str, str] = {}
        """By the topology's."""
        self.arns: dict[str, str] = {}
        self.endpoint_addresses: dict[str, dict[str, str]] = {}
        """Of each endpoint's interfaces, by moto's id of the endpoint and of the subnet."""
        self.hosts: dict[str, str] = {}
        self.interfaces: dict[int, str] = {}
        """Of brokers, by id."""
        self.client = Clients().client

    def at(self, vpc_id: str, service: str = "ec2") -> Any:
        vpc = self.topology.vpc(vpc_id)
        return self.client(service, vpc.owner_id, vpc.region_name)

    def make(self) -> Made:
        for step in (
            self._vpcs,
            self._subnets,
            self._groups,
            self._brokers,
            self._hosts,
            self._peerings,
            self._gateways,
            self._tables,
            self._acls,
            self._balancers,
            self._services,
            self._endpoints,
            self._zones,
        ):
            step()
        return self

    def _vpcs(self) -> None:
        for vpc in self.topology.vpcs:
            ec2 = self.at(vpc.vpc_id)
            first, *more = (str(block) for block in vpc.cidr_blocks)
            made = ec2.create_vpc(CidrBlock=first)["Vpc"]["VpcId"]
            self.ids[vpc.vpc_id] = made
            for block in more:
                ec2.associate_vpc_cidr_block(VpcId=made, CidrBlock=block)
            ec2.modify_vpc_attribute(VpcId=made, EnableDnsSupport={"Value": vpc.enable_dns_support})
            ec2.modify_vpc_attribute(VpcId=made, EnableDnsHostnames={"Value": vpc.enable_dns_hostnames})

    def _subnets(self) -> None:
        for subnet in self.topology.subnets:
            ec2 = self.at(subnet.vpc_id)
            made = ec2.create_subnet(
                VpcId=self.ids[subnet.vpc_id],
                CidrBlock=str(subnet.cidr_block),
                AvailabilityZoneId=subnet.availability_zone_id,
            )["Subnet"]
            assert made["AvailabilityZoneId"] == subnet.availability_zone_id
            self.ids[subnet.subnet_id] = made["SubnetId"]

    def _groups(self) -> None:
        for group in self.topology.security_groups:
            ec2 = self.at(group.vpc_id)
            words = {"GroupName": f"of-{group.group_id}", "Description": "made"}
            self.ids[group.group_id] = ec2.create_security_group(VpcId=self.ids[group.vpc_id], **words)["GroupId"]
        for group in self.topology.security_groups:
            self._rules(group)

    def _rules(self, group: SecurityGroup) -> None:
        ec2, made = self.at(group.vpc_id), self.ids[group.group_id]
        for rule in group.ingress:
            ec2.authorize_security_group_ingress(GroupId=made, IpPermissions=[self._rule(rule)])
        whole = IpPermission(ip_protocol="-1", cidr_ipv4=IPv4Network("0.0.0.0/0"))
        if whole not in group.egress:
            ec2.revoke_security_group_egress(GroupId=made, IpPermissions=[self._rule(whole)])
        for rule in group.egress:
            if rule != whole:
                ec2.authorize_security_group_egress(GroupId=made, IpPermissions=[self._rule(rule)])

    def _rule(self, rule: IpPermission) -> Item:
        told = {"Description": rule.description} if rule.description else {}
        made: Item = {"IpProtocol": rule.ip_protocol}
        if rule.ip_protocol != "-1":
            made |= {"FromPort": rule.from_port, "ToPort": rule.to_port}
        if rule.cidr_ipv4 is not None:
            made["IpRanges"] = [{"CidrIp": str(rule.cidr_ipv4), **told}]
        elif rule.referenced_group_id is not None:
            made["UserIdGroupPairs"] = [{"GroupId": self.ids[rule.referenced_group_id], **told}]
        return made

    def _interface(self, subnet_id: str, address: object, groups: tuple[str, ...], description: str = "") -> str:
        made = self.at(self.topology.subnet(subnet_id).vpc_id).create_network_interface(
            SubnetId=self.ids[subnet_id],
            PrivateIpAddress=str(address),
            Groups=[self.ids[group] for group in groups],
            Description=description,
        )
        return str(made["NetworkInterface"]["NetworkInterfaceId"])

    def _brokers(self) -> None:
        for broker in self.topology.clusters[0].brokers:
            made = self._interface(broker.client_subnet, broker.client_vpc_ip_address, broker.security_groups)
            self.interfaces[broker.broker_id] = made

    def _hosts(self) -> None:
        """The first client's host is an instance, the others' are interfaces; several clients may share a host."""
        at: dict[object, str] = {}
        for client in self.topology.clients:
            host = self.topology.host_of(client)
            key = (client.subnet_id, client.private_ip_address)
            if key not in at and not at:
                image = self.at(client.vpc_id).register_image(Name="a-host")["ImageId"]
                ran = self.at(client.vpc_id).run_instances(
                    ImageId=image,
                    MinCount=1,
                    MaxCount=1,
                    InstanceType="t3.micro",
                    SubnetId=self.ids[client.subnet_id],
                    PrivateIpAddress=str(client.private_ip_address),
                    SecurityGroupIds=[self.ids[group] for group in host.security_groups],
                )
                at[key] = ran["Instances"][0]["InstanceId"]
            elif key not in at:
                at[key] = self._interface(client.subnet_id, client.private_ip_address, host.security_groups)
            self.hosts[client.name] = at[key]

    def _peerings(self) -> None:
        for peering in self.topology.vpc_peering_connections:
            one, other = (self.topology.vpc(vpc_id) for vpc_id in peering.sides)
            made = self.at(one.vpc_id).create_vpc_peering_connection(
                VpcId=self.ids[one.vpc_id],
                PeerVpcId=self.ids[other.vpc_id],
                PeerOwnerId=other.owner_id,
                PeerRegion=other.region_name,
            )["VpcPeeringConnection"]["VpcPeeringConnectionId"]
            self.ids[peering.vpc_peering_connection_id] = made
            if peering.status == "active":
                self.at(other.vpc_id).accept_vpc_peering_connection(VpcPeeringConnectionId=made)
            elif peering.status == "rejected":
                self.at(other.vpc_id).reject_vpc_peering_connection(VpcPeeringConnectionId=made)

    def _gateways(self) -> None:
        gateways = {gateway.transit_gateway_id: gateway for gateway in self.topology.transit_gateways}
        at = {key: self.client("ec2", gateway.owner_id, gateway.region_name) for key, gateway in gateways.items()}
        none = {"DefaultRouteTableAssociation": "disable", "DefaultRouteTablePropagation": "disable"}
        for key, ec2 in at.items():
            made = ec2.create_transit_gateway(Description=key, Options=none)
            self.ids[key] = made["TransitGateway"]["TransitGatewayId"]
        for table in self.topology.transit_gateway_route_tables:
            made = at[table.transit_gateway_id].create_transit_gateway_route_table(
                TransitGatewayId=self.ids[table.transit_gateway_id]
            )
            key = table.transit_gateway_route_table_id
            self.ids[key] = made["TransitGatewayRouteTable"]["TransitGatewayRouteTableId"]
        self._attachments(at)
        for table in self.topology.transit_gateway_route_tables:
            for route in table.routes:
                to = route.transit_gateway_attachment_id
                at[table.transit_gateway_id].create_transit_gateway_route(
                    TransitGatewayRouteTableId=self.ids[table.transit_gateway_route_table_id],
                    DestinationCidrBlock=str(route.destination_cidr_block),
                    **({"Blackhole": True} if to is None else {"TransitGatewayAttachmentId": self._bare(to)}),
                )

    def _bare(self, attachment: str) -> str:
        return self.ids[attachment].partition("@")[0]

    def _attachments(self, at: Mapping[str, Any]) -> None:
        known = {a.transit_gateway_attachment_id: a for a in self.topology.transit_gateway_attachments}
        for key, attachment in known.items():
            gateway = attachment.transit_gateway_id
            if attachment.vpc_id is not None:
                made = at[gateway].create_transit_gateway_vpc_attachment(
                    TransitGatewayId=self.ids[gateway],
                    VpcId=self.ids[attachment.vpc_id],
                    SubnetIds=[self.ids[subnet] for subnet in attachment.subnet_ids or ()],
                )["TransitGatewayVpcAttachment"]
                self.ids[key] = made["TransitGatewayAttachmentId"]
            elif key not in self.ids and attachment.peer_attachment_id is not None:
                other = known[attachment.peer_attachment_id].transit_gateway_id
                far = next(g for g in self.topology.transit_gateways if g.transit_gateway_id == other)
                made = at[gateway].create_transit_gateway_peering_attachment(
                    TransitGatewayId=self.ids[gateway],
                    PeerTransitGatewayId=self.ids[other],
                    PeerAccountId=far.owner_id,
                    PeerRegion=far.region_name,
                )["TransitGatewayPeeringAttachment"]["TransitGatewayAttachmentId"]
                at[other].accept_transit_gateway_peering_attachment(TransitGatewayAttachmentId=made)
                # One id for both sides, of which discovery makes two.
                self.ids[key] = f"{made}@{self.ids[gateway]}"
                self.ids[attachment.peer_attachment_id] = f"{made}@{self.ids[other]}"
        for key, attachment in known.items():
            ec2 = at[attachment.transit_gateway_id]
            bare = self._bare(key)
            if attachment.association is not None:
                ec2.associate_transit_gateway_route_table(
                    TransitGatewayRouteTableId=self.ids[attachment.association], TransitGatewayAttachmentId=bare
                )
            for table in attachment.propagations:
                ec2.enable_transit_gateway_route_table_propagation(
                    TransitGatewayRouteTableId=self.ids[table], TransitGatewayAttachmentId=bare
                )

    def _tables(self) -> None:
        for table in self.topology.route_tables:
            ec2 = self.at(table.vpc_id)
            made = ec2.create_route_table(VpcId=self.ids[table.vpc_id])["RouteTable"]["RouteTableId"]
            self.ids[table.route_table_id] = made
            for subnet in table.subnet_ids:
                ec2.associate_route_table(RouteTableId=made, SubnetId=self.ids[subnet])
            for route in table.routes:
                over = {"TransitGatewayId": route.transit_gateway_id}
                if route.vpc_peering_connection_id is not None:
                    over = {"VpcPeeringConnectionId": route.vpc_peering_connection_id}
                ec2.create_route(
                    RouteTableId=made,
                    DestinationCidrBlock=str(route.destination_cidr_block),
                    **{name: self.ids[str(value)] for name, value in over.items()},
                )

    def _acls(self) -> None:
        for acl in self.topology.network_acls:
            ec2 = self.at(acl.vpc_id)
            made = ec2.create_network_acl(VpcId=self.ids[acl.vpc_id])["NetworkAcl"]["NetworkAclId"]
            self.ids[acl.network_acl_id] = made
            for entry in acl.entries:
                ports = entry.port_range
                ec2.create_network_acl_entry(
                    NetworkAclId=made,
                    RuleNumber=entry.rule_number,
                    Protocol=entry.protocol,
                    RuleAction=entry.rule_action,
                    Egress=entry.egress,
                    CidrBlock=str(entry.cidr_block),
                    **({} if ports is None else {"PortRange": {"From": ports.from_port, "To": ports.to_port}}),
                )
            for subnet in acl.subnet_ids:
                [used] = ec2.describe_network_acls(
                    Filters=[{"Name": "association.subnet-id", "Values": [self.ids[subnet]]}]
                )["NetworkAcls"]
                [old] = [a for a in used["Associations"] if a["SubnetId"] == self.ids[subnet]]
                ec2.replace_network_acl_association(AssociationId=old["NetworkAclAssociationId"], NetworkAclId=made)

    def _balancers(self) -> None:
        for group in self.topology.target_groups:
            elb = self.at(group.vpc_id, "elbv2")
            arn = elb.create_target_group(
                Name=group.target_group_name,
                Protocol=group.protocol,
                Port=group.port,
                VpcId=self.ids[group.vpc_id],
                TargetType="ip",
            )["TargetGroups"][0]["TargetGroupArn"]
            self.arns[group.target_group_name] = arn
            targets = [{"Id": str(t.id), **({} if t.port is None else {"Port": t.port})} for t in group.targets]
            if targets:
                elb.register_targets(TargetGroupArn=arn, Targets=targets)
            proxied = {"Key": "proxy_protocol_v2.enabled", "Value": str(group.proxy_protocol_v2_enabled).lower()}
            elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[proxied])
        for balancer in self.topology.load_balancers:
            elb = self.at(balancer.vpc_id, "elbv2")
            groups = [self.ids[group] for group in balancer.security_groups]
            made = elb.create_load_balancer(
                Name=balancer.load_balancer_name,
                Type="network",
                Scheme="internal",
                Subnets=[self.ids[zone.subnet_id] for zone in balancer.availability_zones],
                **({"SecurityGroups": groups} if groups else {}),
            )["LoadBalancers"][0]
            arn = made["LoadBalancerArn"]
            self.arns[balancer.load_balancer_name] = arn
            self.ids[balancer.dns_name] = made["DNSName"]
            for zone in balancer.availability_zones:  # moto makes no interfaces of load balancers
                told = f"ELB {arn.rpartition(':loadbalancer/')[2]}"
                self._interface(zone.subnet_id, zone.private_ipv4_address, balancer.security_groups, told)
            crossed = {
                "Key": "load_balancing.cross_zone.enabled",
                "Value": str(balancer.cross_zone_enabled).lower(),
            }
            elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[crossed])
            for listener in balancer.listeners:
                elb.create_listener(
                    LoadBalancerArn=arn,
                    Protocol=listener.protocol,
                    Port=listener.port,
                    DefaultActions=[{"Type": "forward", "TargetGroupArn": self.arns[listener.target_group_name]}],
                )

    def _services(self) -> None:
        vpcs = {balancer.load_balancer_name: balancer.vpc_id for balancer in self.topology.load_balancers}
        for service in self.topology.endpoint_services:
            ec2 = self.at(vpcs[service.network_load_balancer_name])
            regions = {"SupportedRegions": list(service.supported_regions)} if service.supported_regions else {}
            made = ec2.create_vpc_endpoint_service_configuration(
                AcceptanceRequired=service.acceptance_required,
                NetworkLoadBalancerArns=[self.arns[service.network_load_balancer_name]],
                **regions,
            )["ServiceConfiguration"]
            self.ids[service.service_name] = made["ServiceName"]
            owners = sorted({self.topology.vpc(e.vpc_id).owner_id for e in self.topology.vpc_endpoints})
            ec2.modify_vpc_endpoint_service_permissions(
                ServiceId=made["ServiceId"], AddAllowedPrincipals=[f"arn:aws:iam::{owner}:root" for owner in owners]
            )

    def _endpoints(self) -> None:
        for endpoint in self.topology.vpc_endpoints:
            ec2 = self.at(endpoint.vpc_id)
            made = ec2.create_vpc_endpoint(
                VpcEndpointType="Interface",
                VpcId=self.ids[endpoint.vpc_id],
                ServiceName=self.ids[endpoint.service_name],
                SubnetIds=[self.ids[eni.subnet_id] for eni in endpoint.network_interfaces],
                SecurityGroupIds=[self.ids[group] for group in endpoint.security_groups],
                PrivateDnsEnabled=False,
                **({"ServiceRegion": endpoint.service_region} if endpoint.service_region else {}),
            )["VpcEndpoint"]
            key = made["VpcEndpointId"]
            self.ids[endpoint.vpc_endpoint_id] = key
            self.ids[endpoint.dns_name] = made["DnsEntries"][0]["DnsName"]
            # moto chooses the interfaces' addresses, and not from the subnet.
            enis = ec2.describe_network_interfaces(NetworkInterfaceIds=made["NetworkInterfaceIds"])["NetworkInterfaces"]
            self.endpoint_addresses[key] = {eni["SubnetId"]: eni["PrivateIpAddress"] for eni in enis}

    def _zones(self) -> None:
        for number, zone in enumerate(self.topology.hosted_zones):
            vpcs = [self.topology.vpc(vpc_id) for vpc_id in zone.vpc_ids]
            route53 = self.client("route53", vpcs[0].owner_id, "us-east-1")
            named = [{"VPCRegion": vpc.region_name, "VPCId": self.ids[vpc.vpc_id]} for vpc in vpcs]
            made = route53.create_hosted_zone(
                Name=zone.name,
                VPC=named[0],
                CallerReference=str(number),
                HostedZoneConfig={"PrivateZone": True, "Comment": "made"},
            )["HostedZone"]["Id"]
            self.ids[zone.hosted_zone_id] = made.rpartition("/")[2]
            for vpc in named[1:]:
                route53.associate_vpc_with_hosted_zone(HostedZoneId=made, VPC=vpc)
            for record in zone.record_sets:
                values: Item = {
                    "TTL": record.ttl,
                    "ResourceRecords": [{"Value": value} for value in record.resource_records],
                }
                if record.alias_target is not None:
                    target = self.ids[record.alias_target.dns_name]
                    values = {
                        "AliasTarget": {
                            "HostedZoneId": "Z7HUB22UULQXV",
                            "DNSName": target,
                            "EvaluateTargetHealth": True,
                        }
                    }
                change = {"Action": "CREATE", "ResourceRecordSet": {"Name": record.name, "Type": record.type, **values}}
                route53.change_resource_record_sets(HostedZoneId=made, ChangeBatch={"Changes": [change]})

    @property
    def endpoints(self) -> tuple[str, ...]:
        """By moto's ids."""
        return tuple(self.ids[endpoint.vpc_endpoint_id] for endpoint in self.topology.vpc_endpoints)

    # What must be read back

    def expected(self) -> Topology:
        """The topology by moto's ids, with the addresses that moto chose for endpoints."""
        given = _renamed(self.topology.model_dump(mode="json"), self.ids)
        for endpoint in given["vpc_endpoints"]:
            addresses = self.endpoint_addresses[endpoint["vpc_endpoint_id"]]
            endpoint["service_region"] = None  # moto takes it, and does not say it
            for eni in endpoint["network_interfaces"]:
                eni["private_ip_address"] = addresses[eni["subnet_id"]]
        return Topology.model_validate(given)

    def intent(self) -> Intent:
        """What its engineer knows."""
        cluster = self.topology.clusters[0]
        home = self.topology.vpc(cluster.vpc_id)
        owners = sorted({vpc.owner_id for vpc in self.topology.vpcs})
        return Intent(
            name=self.topology.name,
            clusters=(f"arn:aws:kafka:{home.region_name}:{home.owner_id}:cluster/{cluster.cluster_name}/{CLUSTER}",),
            accounts=tuple(IntendedAccount(id=o, role_arn=f"arn:aws:iam::{o}:role/brokerproof") for o in owners),
            clients=tuple(
                IntendedClient(
                    name=client.name,
                    at=self.hosts[client.name],
                    account=self.topology.vpc(client.vpc_id).owner_id,
                    region=self.topology.vpc(client.vpc_id).region_name,
                    pattern=client.pattern,
                    endpoint_vpc=None if client.endpoint_vpc_id is None else self.ids[client.endpoint_vpc_id],
                    witness_port=client.witness_port,
                    ca_file=client.ca_file,
                    listener=client.listener,
                )
                for client in self.topology.clients
            ),
        )

    def read(self) -> AccountFacts:
        """Discover it, by the way that `brokerproof discover` has."""
        intent = self.intent()
        [arn] = intent.clusters
        made_up = MadeUp(
            self.topology.clusters[0],
            arn,
            ids=self.ids,
            interfaces=self.interfaces,
            endpoints=self.endpoints,
            client=self.client,
        )
        return discover(intent, Access(intent, made_up.listen), at_once=1)


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _renamed(part, names) for key, part in value.items()}
    if isinstance(value, list):
        return [_renamed(part, names) for part in value]
    return names.get(value, value) if isinstance(value, str) else value
