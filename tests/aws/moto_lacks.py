"""What moto leaves out or gets wrong, made up for; nothing of :mod:`brokerproof.aws.answers` is used.

Of MSK moto has no brokers: what MSK says is written out here, and held against botocore's description.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from botocore.validate import ParamValidator
from moto.backends import get_backend

from brokerproof.aws.discovery.reader import Place
from brokerproof.topology.models import Cluster

Item = dict[str, Any]
CLUSTER: Final = "0123abcd-4567-89ab-cdef-0123456789ab-2"
_PORTS: Final = {"CLIENT": "BootstrapBrokerString", "CLIENT_SECURE": "BootstrapBrokerStringTls"}


class MadeUp:
    """What is answered in moto's place.

    Args of the constructor: the cluster by the topology's ids, its ARN, moto's ids by the topology's, the brokers'
    interfaces by broker, the endpoints by moto's ids, and a way to a client of boto3.
    """

    def __init__(
        self,
        cluster: Cluster,
        arn: str,
        *,
        ids: Mapping[str, str],
        interfaces: Mapping[int, str],
        endpoints: tuple[str, ...],
        client: Callable[[str, str, str], Any],
    ) -> None:
        self._cluster = cluster
        self._arn = arn
        self._ids = ids
        self._interfaces = interfaces
        self._endpoints = endpoints
        self._client = client

    def listen(self, place: Place, client: Any) -> None:
        """Answer in moto's place where it must be, whatever the client asks."""
        lacking: dict[str, Callable[[Item], Item]] = {
            "kafka.DescribeClusterV2": self._described,
            "kafka.ListNodes": self._nodes,
            "kafka.GetBootstrapBrokers": self._bootstrap,
            "kafka.DescribeConfigurationRevision": self._configuration,
            "kafka.GetClusterPolicy": lambda _: {},
            "kafka.ListVpcConnections": lambda _: {"VpcConnections": []},
            "route53profiles.ListProfileAssociations": lambda _: {"ProfileAssociations": []},
            "ec2.DescribeVpcEndpointConnections": self._connections,
            "ec2.GetTransitGatewayAttachmentPropagations": lambda asked: self._propagations(place, asked),
        }
        service = client.meta.service_model.service_name
        for name, answer in lacking.items():
            if name.startswith(f"{service}."):
                client.meta.events.register(f"before-parameter-build.{name}", _keep)
                client.meta.events.register(f"before-call.{name}", _Answering(answer))
        if service == "ec2":
            client.meta.events.register("before-parameter-build.ec2.SearchTransitGatewayRoutes", _keep)
            client.meta.events.register("after-call.ec2.SearchTransitGatewayRoutes", _Attachments(place))
            client.meta.events.register("before-parameter-build.ec2.DescribeTransitGatewayAttachments", _keep)
            client.meta.events.register("after-call.ec2.DescribeTransitGatewayAttachments", _Associations(place))

    # MSK, as it answers

    def _described(self, _: Item) -> Item:
        cluster = self._cluster
        return {
            "ClusterInfo": {
                "ClusterType": "PROVISIONED",
                "ClusterName": cluster.cluster_name,
                "ClusterArn": self._arn,
                "State": "ACTIVE",
                "Provisioned": {
                    "BrokerNodeGroupInfo": {
                        "ClientSubnets": [self._ids[b.client_subnet] for b in cluster.brokers],
                        "InstanceType": "kafka.m5.large",
                        "SecurityGroups": [self._ids[g] for g in cluster.brokers[0].security_groups],
                        "ConnectivityInfo": {"PublicAccess": {"Type": "DISABLED"}, "NetworkType": "IPV4"},
                    },
                    "ClientAuthentication": {"Unauthenticated": {"Enabled": True}},
                    "EncryptionInfo": {"EncryptionInTransit": {"ClientBroker": "TLS", "InCluster": True}},
                    "CurrentBrokerSoftwareInfo": {
                        "KafkaVersion": cluster.kafka_version,
                        "ConfigurationArn": f"arn:aws:kafka:us-east-1:111111111111:configuration/c/{CLUSTER}",
                        "ConfigurationRevision": 1,
                    },
                    "NumberOfBrokerNodes": len(cluster.brokers),
                },
            }
        }

    def _nodes(self, _: Item) -> Item:
        """In no order, and with a node that is no broker, as MSK lists them."""
        cluster = self._cluster
        brokers = [
            {
                "NodeType": "BROKER",
                "InstanceType": "kafka.m5.large",
                "BrokerNodeInfo": {
                    "AttachedENIId": self._interfaces[broker.broker_id],
                    "BrokerId": float(broker.broker_id),
                    "ClientSubnet": self._ids[broker.client_subnet],
                    "ClientVpcIpAddress": str(broker.client_vpc_ip_address),
                    "Endpoints": [broker.endpoint],
                },
            }
            for broker in cluster.brokers
        ]
        keeper = {"ZookeeperNodeInfo": {"ClientVpcIpAddress": "10.0.0.9", "Endpoints": ["z-1.x"], "ZookeeperId": 1.0}}
        return {"NodeInfoList": [keeper, *reversed(brokers)]}

    def _bootstrap(self, _: Item) -> Item:
        first = self._cluster.brokers[0].endpoint
        return {_PORTS[listener.name]: f"{first}:{listener.port}" for listener in self._cluster.listeners}

    def _configuration(self, _: Item) -> Item:
        """The property has one rule for all brokers."""
        told = self._cluster.brokers[0].advertised_listeners
        lines = [f"{key}={value}" for key, value in self._cluster.server_properties.items()]
        rules = [
            f"{one.listener}://{one.name.replace('b-1.', 'b-{broker_id}.', 1)}:{one.port - 1}+{{broker_id}}"
            for one in told
        ]
        if rules:
            lines.append(f"custom.advertised.listeners={','.join(rules)}")
        return {"ServerProperties": "\n".join(lines).encode()}

    # What moto lacks

    def _connections(self, _: Item) -> Item:
        """moto refuses no endpoint: each is as it says itself."""
        return {
            "VpcEndpointConnections": [
                {"VpcEndpointId": endpoint, "VpcEndpointState": "available"} for endpoint in self._endpoints
            ]
        }

    def _propagations(self, place: Place, asked: Item) -> Item:
        """moto has them by table alone."""
        ec2 = self._client("ec2", place.account_id, place.region_name)
        listed = ec2.describe_transit_gateway_route_tables()["TransitGatewayRouteTables"]
        return {
            "TransitGatewayAttachmentPropagations": [
                {"TransitGatewayRouteTableId": table, "State": "enabled"}
                for table in (one["TransitGatewayRouteTableId"] for one in listed)
                for one in ec2.get_transit_gateway_route_table_propagations(TransitGatewayRouteTableId=table)[
                    "TransitGatewayRouteTablePropagations"
                ]
                if one["TransitGatewayAttachmentId"] == asked["TransitGatewayAttachmentId"]
            ]
        }


_ASKED = "asked_of_moto"


def _keep(params: Item, context: Item, **_: Any) -> None:
    context[_ASKED] = dict(params)


class _Answering:
    """An answer in place of a request, held against botocore's description of the operation."""

    def __init__(self, answer: Callable[[Item], Item]) -> None:
        self._answer = answer

    def __call__(self, model: Any, context: Item, **_: Any) -> tuple[Any, Item]:
        found = self._answer(context.get(_ASKED, {}))
        if not found and model.name == "GetClusterPolicy":
            error = {"Code": "NotFoundException", "Message": "none"}
            return _Status(404), {"Error": error, "ResponseMetadata": {"HTTPStatusCode": 404}}
        report = ParamValidator().validate(found, model.output_shape)
        assert not report.has_errors(), report.generate_report()
        return _Status(200), {**found, "ResponseMetadata": {"HTTPStatusCode": 200}}


class _Attachments:
    """moto keeps where the routes of gateways lead, and does not say it."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def __call__(self, parsed: Item, context: Item, **_: Any) -> None:
        kept: Any = get_backend("ec2")[self._place.account_id][self._place.region_name]
        routes = kept.transit_gateways_route_tables[context[_ASKED]["TransitGatewayRouteTableId"]].routes
        for route in parsed["Routes"]:
            to = routes[route["DestinationCidrBlock"]].get("transitGatewayAttachments")
            if to is not None:
                route["TransitGatewayAttachments"] = [
                    {"TransitGatewayAttachmentId": to["transitGatewayAttachmentId"], "ResourceType": to["resourceType"]}
                ]


class _Associations:
    """moto says that every attachment has the gateway's first table, and lists a peering at its requester alone."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def __call__(self, parsed: Item, context: Item, **_: Any) -> None:
        kept: Any = get_backend("ec2")[self._place.account_id][self._place.region_name]
        given = {
            attachment: table
            for table in kept.transit_gateways_route_tables.values()
            if not table.default_association_route_table
            for attachment in table.route_table_associations
        }
        listed = parsed["TransitGatewayAttachments"]
        [asked] = context[_ASKED]["Filters"]
        if asked["Name"] == "transit-gateway-id":
            known = {item["TransitGatewayAttachmentId"] for item in listed}
            listed += [
                {
                    "TransitGatewayAttachmentId": key,
                    "TransitGatewayId": table.transit_gateway_id,
                    "ResourceType": "peering",
                    "ResourceId": "the requester",
                    "State": "available",
                }
                for key, table in given.items()
                if key not in known and table.transit_gateway_id in asked["Values"]
            ]
        for item in listed:
            item.pop("Association", None)
            if item["TransitGatewayAttachmentId"] in given:
                table = given[item["TransitGatewayAttachmentId"]]
                item["Association"] = {"TransitGatewayRouteTableId": table.id, "State": "associated"}


class _Status:
    def __init__(self, code: int) -> None:
        self.status_code = code
