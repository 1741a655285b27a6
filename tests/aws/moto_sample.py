"""What ``aws-samples/private-link-cross-account-access-for-msk`` makes, as facts: pattern 1, a load balancer a broker.

Read in its templates ``MSKClusterWithVPC.yml``, ``MSKVPC.yml`` and ``MSKBastionKafkaClientInstance.yml``, in the Java
program for the cluster's account (``NLB``, ``ServiceEndpoint``), and in the two scripts for the client's account, as of
February 2025: CIDRs, names, ports, rules and attributes are theirs. The addresses that MSK and load balancers get are
chosen here, since nobody chooses them. Its internet and NAT gateways are left out: no broker is reached by them.
"""

from __future__ import annotations

from typing import Any, Final

from brokerproof.aws.discovery.access import Access
from brokerproof.aws.discovery.discover import discover
from brokerproof.aws.facts import AccountFacts
from brokerproof.aws.intent.models import IntendedAccount, IntendedClient, Intent
from brokerproof.topology.models import Broker, Cluster, ClusterListener
from brokerproof.topology.models.pattern_name import PatternName
from tests.aws.moto_account import Clients
from tests.aws.moto_lacks import CLUSTER, MadeUp

CLUSTERS_ACCOUNT: Final = "111111111111"
CLIENTS_ACCOUNT: Final = "222222222222"
REGION: Final = "us-east-1"
NAME: Final = "MSKCluster-MSKCluster"
DOMAIN: Final = "mskclustermskcluster.a1b2c3.c2.kafka.us-east-1.amazonaws.com"
ZONE: Final = "kafka.us-east-1.amazonaws.com"
ARN: Final = f"arn:aws:kafka:{REGION}:{CLUSTERS_ACCOUNT}:cluster/{NAME}/{CLUSTER}"
PRIVATE: Final = ("10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24")
"""Subnets in the first three zones of the Region, in both accounts: the README has one choose the cluster's zones."""
BROKERS: Final = {1: "10.0.1.21", 2: "10.0.2.22", 3: "10.0.3.23"}
ADMITTED: Final = (2181, 9094, 9092)
"""Ports of the cluster's group, each for the group of clients in the cluster's own account, and for nobody else."""


class Sample:
    """Both accounts, made call by call."""

    def __init__(self) -> None:
        self._clients = Clients()
        self.ids: dict[str, str] = {}
        """What moto called things, by what they are."""
        self._in_clusters_account()
        self._in_clients_account()

    def read(self) -> AccountFacts:
        """Discover it."""
        accounts = (CLUSTERS_ACCOUNT, CLIENTS_ACCOUNT)
        intent = Intent(
            clusters=(ARN,),
            accounts=tuple(IntendedAccount(id=a, role_arn=f"arn:aws:iam::{a}:role/brokerproof") for a in accounts),
            clients=(
                IntendedClient(
                    name="kafka_client",
                    at=self.ids["client"],
                    account=CLIENTS_ACCOUNT,
                    pattern=PatternName.PRIVATELINK_MULTI_NLB,
                ),
            ),
        )
        cluster = Cluster(
            cluster_name=NAME,
            kafka_version="3.6.0",
            listeners=(ClusterListener(name="CLIENT", port=9092), ClusterListener(name="CLIENT_SECURE", port=9094)),
            brokers=tuple(
                Broker(
                    broker_id=broker,
                    endpoint=f"b-{broker}.{DOMAIN}",
                    client_vpc_ip_address=address,  # type: ignore[arg-type]
                    client_subnet=self.ids[f"cluster subnet {broker}"],
                    security_groups=(self.ids["cluster group"],),
                )
                for broker, address in BROKERS.items()
            ),
        )
        interfaces = {broker: self.ids[f"broker {broker}"] for broker in BROKERS}
        endpoints = tuple(self.ids[f"endpoint {broker}"] for broker in BROKERS)
        made_up = MadeUp(
            cluster,
            ARN,
            ids={one: one for one in self.ids.values()},
            interfaces=interfaces,
            endpoints=endpoints,
            client=self._clients.client,
        )
        return discover(intent, Access(intent, made_up.listen), at_once=1)

    def _vpc(self, ec2: Any, who: str) -> None:
        """The VPC of both templates."""
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsSupport={"Value": True})
        ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
        zones = [zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]]
        ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24", AvailabilityZone=zones[0])
        table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        for number, block in enumerate(PRIVATE):
            made = ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=zones[number])["Subnet"]["SubnetId"]
            ec2.associate_route_table(RouteTableId=table, SubnetId=made)
            self.ids[f"{who} subnet {number + 1}"] = made
        self.ids[f"{who} vpc"] = vpc
        hosts = ec2.create_security_group(GroupName=f"{who}-hosts", Description="Enable SSH access", VpcId=vpc)[
            "GroupId"
        ]
        ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.0.0.0/24"}]}
        ec2.authorize_security_group_ingress(GroupId=hosts, IpPermissions=[ssh])
        self.ids[f"{who} hosts"] = hosts

    def _in_clusters_account(self) -> None:
        ec2 = self._clients.client("ec2", CLUSTERS_ACCOUNT, REGION)
        self._vpc(ec2, "cluster")
        vpc = self.ids["cluster vpc"]
        group = ec2.create_security_group(GroupName="MSK", Description="MSK Security Group", VpcId=vpc)["GroupId"]
        hosts = [{"GroupId": self.ids["cluster hosts"]}]
        rules = [{"IpProtocol": "tcp", "FromPort": p, "ToPort": p, "UserIdGroupPairs": hosts} for p in ADMITTED]
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rules)
        self.ids["cluster group"] = group
        subnets = [self.ids[f"cluster subnet {number}"] for number in (1, 2, 3)]
        for broker, address in BROKERS.items():  # as MSK does
            made = ec2.create_network_interface(SubnetId=subnets[broker - 1], PrivateIpAddress=address, Groups=[group])
            self.ids[f"broker {broker}"] = made["NetworkInterface"]["NetworkInterfaceId"]
        for broker in BROKERS:
            self._balancer(ec2, broker, subnets)

    def _balancer(self, ec2: Any, broker: int, subnets: list[str]) -> None:
        """createNLBSet and createVpcEndpointServices."""
        elb = self._clients.client("elbv2", CLUSTERS_ACCOUNT, REGION)
        named = f"MSKBroker-{BROKERS[broker].replace('.', '-')}-{broker}"
        made = elb.create_load_balancer(Name=f"NLB-{named}", Type="network", Subnets=subnets, Scheme="internal")
        arn = made["LoadBalancers"][0]["LoadBalancerArn"]
        crossed = {"Key": "load_balancing.cross_zone.enabled", "Value": "true"}
        elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[crossed])
        group = elb.create_target_group(
            Name=f"TG-{named}",
            TargetType="ip",
            HealthCheckEnabled=True,
            Port=9094,
            Protocol="TCP",
            VpcId=self.ids["cluster vpc"],
        )["TargetGroups"][0]["TargetGroupArn"]
        forward = [{"Type": "forward", "TargetGroupArn": group}]
        elb.create_listener(LoadBalancerArn=arn, Port=9094, Protocol="TCP", DefaultActions=forward)
        elb.register_targets(TargetGroupArn=group, Targets=[{"Id": BROKERS[broker], "Port": 9094}])
        for number, subnet in enumerate(subnets, start=1):  # as AWS does, and moto does not
            ec2.create_network_interface(
                SubnetId=subnet,
                PrivateIpAddress=f"10.0.{number}.{100 + broker}",
                Description=f"ELB {arn.rpartition(':loadbalancer/')[2]}",
            )
        service = ec2.create_vpc_endpoint_service_configuration(
            AcceptanceRequired=False, ClientToken=f"token-{broker}", NetworkLoadBalancerArns=[arn]
        )["ServiceConfiguration"]
        ec2.modify_vpc_endpoint_service_permissions(
            ServiceId=service["ServiceId"], AddAllowedPrincipals=[f"arn:aws:iam::{CLIENTS_ACCOUNT}:root"]
        )
        self.ids[f"service {broker}"] = service["ServiceName"]

    def _in_clients_account(self) -> None:
        ec2 = self._clients.client("ec2", CLIENTS_ACCOUNT, REGION)
        self._vpc(ec2, "client")
        image = ec2.register_image(Name="a-host")["ImageId"]
        ran = ec2.run_instances(
            ImageId=image,
            MinCount=1,
            MaxCount=1,
            InstanceType="m5.large",
            SubnetId=self.ids["client subnet 1"],
            SecurityGroupIds=[self.ids["client hosts"]],
        )
        self.ids["client"] = ran["Instances"][0]["InstanceId"]
        route53 = self._clients.client("route53", CLIENTS_ACCOUNT, REGION)
        zone = route53.create_hosted_zone(
            Name=ZONE,
            VPC={"VPCRegion": REGION, "VPCId": self.ids["client vpc"]},
            CallerReference="10000",
            HostedZoneConfig={"Comment": "Hosted zone for Amazon MSK endpoints", "PrivateZone": True},
        )["HostedZone"]["Id"]
        self.ids["zone"] = zone.rpartition("/")[2]
        for broker in BROKERS:
            endpoint = ec2.create_vpc_endpoint(
                VpcEndpointType="Interface",
                VpcId=self.ids["client vpc"],
                ServiceName=self.ids[f"service {broker}"],
                SubnetIds=[self.ids[f"client subnet {number}"] for number in (1, 2, 3)],
                SecurityGroupIds=[self.ids["client hosts"]],
                PrivateDnsEnabled=False,
            )["VpcEndpoint"]
            self.ids[f"endpoint {broker}"] = endpoint["VpcEndpointId"]
            self.ids[f"endpoint name {broker}"] = endpoint["DnsEntries"][0]["DnsName"]
            alias = {
                "HostedZoneId": endpoint["DnsEntries"][0]["HostedZoneId"],
                "DNSName": endpoint["DnsEntries"][0]["DnsName"],
                "EvaluateTargetHealth": True,
            }
            record = {"Name": f"b-{broker}.{DOMAIN}", "Type": "A", "AliasTarget": alias}
            changes = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
            route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=changes)
