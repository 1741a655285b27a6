"""MSK answers: the cluster, its nodes, bootstrap strings, configuration and VPC connections."""

from __future__ import annotations

import json
from typing import Final

from brokerproof.aws.answers.organization import ApiError, Asked, Item
from brokerproof.topology.models import Broker, ClientCertificate, Cluster, ClusterListener, NetworkType, VpcConnection
from brokerproof.topology.unknown import known


def describe_cluster_v2(asked: Asked) -> Item:
    """DescribeClusterV2."""
    cluster = _cluster(asked, "ClusterArn")
    names: set[str] = {listener.name for listener in _on(cluster)}
    schemes = set(cluster.vpc_connectivity)
    return {
        "ClusterInfo": {
            "ClusterArn": asked.organization.cluster_arn(cluster),
            "ClusterName": cluster.cluster_name,
            "ClusterType": "PROVISIONED",
            "State": "ACTIVE",
            "CurrentVersion": "K3AEGXETSR30VB",
            "Provisioned": {
                "NumberOfBrokerNodes": len(cluster.brokers),
                "BrokerNodeGroupInfo": {
                    "BrokerAZDistribution": "DEFAULT",
                    "InstanceType": "kafka.m7g.large",
                    "ClientSubnets": list(dict.fromkeys(b.client_subnet for b in cluster.brokers)),
                    "SecurityGroups": sorted({g for b in cluster.brokers for g in b.security_groups}),
                    "ZoneIds": list(dict.fromkeys(asked.topology.zone_of(b.client_subnet) for b in cluster.brokers)),
                    "ConnectivityInfo": {
                        "PublicAccess": {"Type": "DISABLED"},
                        "NetworkType": cluster.network_type.value,
                        "VpcConnectivity": {
                            "ClientAuthentication": {
                                "Sasl": {
                                    "Scram": {"Enabled": "SASL_SCRAM" in schemes},
                                    "Iam": {"Enabled": "SASL_IAM" in schemes},
                                },
                                "Tls": {"Enabled": "TLS" in schemes},
                            }
                        },
                    },
                },
                "ClientAuthentication": {
                    "Sasl": {
                        "Scram": {"Enabled": "CLIENT_SASL_SCRAM" in names},
                        "Iam": {"Enabled": "CLIENT_IAM" in names},
                    },
                    "Unauthenticated": {"Enabled": _takes_anybody(cluster)},
                    "Tls": _mutual(asked, cluster),
                },
                "EncryptionInfo": {
                    "EncryptionInTransit": {"ClientBroker": _in_transit(names), "InCluster": True},
                },
                "CurrentBrokerSoftwareInfo": {
                    "KafkaVersion": cluster.kafka_version,
                    "ConfigurationArn": asked.organization.configuration_arn(cluster),
                    "ConfigurationRevision": 1,
                },
            },
        }
    }


def _on(cluster: Cluster) -> list[ClusterListener]:
    """The listeners whose way of authenticating is on."""
    return [listener for listener in cluster.listeners if listener.enabled]


_NO_CERTIFICATE: Final = ClientCertificate.NONE


def _mutual(asked: Asked, cluster: Cluster) -> Item:
    if all(entry.client_certificate is _NO_CERTIFICATE for entry in _on(cluster)):
        return {"Enabled": False}
    return {"Enabled": True, "CertificateAuthorityArnList": [asked.organization.authority_arn(cluster)]}


def _takes_anybody(cluster: Cluster) -> bool:
    """Whether a client may come without logging in."""
    return any(
        entry.sasl is None and entry.client_certificate is not ClientCertificate.REQUIRED for entry in _on(cluster)
    )


def _in_transit(names: set[str]) -> str:
    if "CLIENT" not in names:
        return "TLS"
    return "TLS_PLAINTEXT" if names != {"CLIENT"} else "PLAINTEXT"


def _cluster(asked: Asked, parameter: str) -> Cluster:
    """The cluster that is asked for, by its owner, or by whom its policy lets."""
    cluster = asked.organization.cluster(asked.params[parameter])
    if (
        asked.account != asked.organization.place(cluster.vpc_id)[0]
        and asked.account not in cluster.cluster_policy_principals
    ):
        raise ApiError("AccessDeniedException", f"User is not authorized to access {asked.params[parameter]}", 403)
    return cluster


def list_nodes(asked: Asked) -> Item:
    """ListNodes: brokers in no order of ids, and controllers among them."""
    cluster = _cluster(asked, "ClusterArn")
    found: list[Item] = []
    for broker in reversed(cluster.brokers):
        endpoints = [broker.endpoint]
        if cluster.network_type is NetworkType.DUAL and broker.ipv6_endpoint is not None:
            endpoints.append(broker.ipv6_endpoint)
        found.append(
            {
                "NodeType": "BROKER",
                "NodeARN": f"{asked.organization.cluster_arn(cluster)}/{broker.broker_id}",
                "InstanceType": "m7g.large",
                "BrokerNodeInfo": {
                    "BrokerId": float(broker.broker_id),
                    "Endpoints": endpoints,
                    "ClientSubnet": broker.client_subnet,
                    "ClientVpcIpAddress": str(broker.client_vpc_ip_address),
                    "AttachedENIId": asked.organization.interface_id(
                        cluster.vpc_id, known(broker.client_vpc_ip_address)
                    ),
                },
            }
        )
    found.insert(
        1, {"NodeARN": f"{asked.organization.cluster_arn(cluster)}/c1", "ControllerNodeInfo": {"Endpoints": []}}
    )
    return {"NodeInfoList": found}


_BOOTSTRAP: Final = {
    "CLIENT": "BootstrapBrokerString",
    "CLIENT_SECURE": "BootstrapBrokerStringTls",
    "CLIENT_SASL_SCRAM": "BootstrapBrokerStringSaslScram",
    "CLIENT_IAM": "BootstrapBrokerStringSaslIam",
    "CLIENT_IPV6": "BootstrapBrokerStringIpv6",
    "CLIENT_SECURE_IPV6": "BootstrapBrokerStringTlsIpv6",
    "CLIENT_SASL_SCRAM_IPV6": "BootstrapBrokerStringSaslScramIpv6",
    "CLIENT_IAM_IPV6": "BootstrapBrokerStringSaslIamIpv6",
    "CLIENT_SECURE_VPCE": "BootstrapBrokerStringVpcConnectivityTls",
    "CLIENT_SASL_SCRAM_VPCE": "BootstrapBrokerStringVpcConnectivitySaslScram",
    "CLIENT_IAM_VPCE": "BootstrapBrokerStringVpcConnectivitySaslIam",
}
_FIRST_CONNECTION_PORT: Final = 14001


def get_bootstrap_brokers(asked: Asked) -> Item:
    """GetBootstrapBrokers: three brokers at most, which is why nobody may count them by it."""
    cluster = _cluster(asked, "ClusterArn")
    found: Item = {}
    for listener in _on(cluster):
        scheme = listener.vpc_authentication
        places = []
        for index, broker in enumerate(cluster.brokers[:3]):
            first, _, domain = broker.endpoint.partition(".")
            if scheme is not None:
                places.append(f"{first}.{scheme.label}.{domain}:{_FIRST_CONNECTION_PORT + index}")
            elif listener.ipv6:
                places.append(f"{broker.ipv6_endpoint}:{listener.port}")
            else:
                places.append(f"{broker.endpoint}:{listener.port}")
        found[_BOOTSTRAP[listener.name]] = ",".join(places)
    return found


def describe_configuration_revision(asked: Asked) -> Item:
    """DescribeConfigurationRevision."""
    for cluster in asked.topology.clusters:
        if asked.organization.configuration_arn(cluster) == asked.params["Arn"]:
            lines = [f"{key}={value}" for key, value in cluster.server_properties.items() if is_settable(key)]
            advertised = _advertised(cluster)
            if advertised:
                lines.append(f"custom.advertised.listeners={advertised}")
            text = "\n".join(["# made for the demo", *lines, ""])
            return {"Arn": asked.params["Arn"], "Revision": asked.params["Revision"], "ServerProperties": text.encode()}
    raise ApiError("NotFoundException", f"The configuration {asked.params['Arn']} does not exist.", 404)


def is_settable(key: str) -> bool:
    """Whether MSK takes a property in a configuration; listeners and their security it keeps to itself."""
    return not key.startswith(("ssl.", "listener.", "sasl.", "security."))


def _advertised(cluster: Cluster) -> str:
    """The property that brokers' advertised listeners follow; what single ones were set to, no call says.

    Of the brokers' rules the most frequent is the property's, and of several alike the first broker's.
    """
    found = []
    for listener in dict.fromkeys(told.listener for broker in cluster.brokers for told in broker.advertised_listeners):
        entries = [_entry(broker, listener) for broker in cluster.brokers]
        found.append(max(dict.fromkeys(entries), key=entries.count))
    return ",".join(entry for entry in found if entry)


def _entry(broker: Broker, listener: str) -> str:
    for told in broker.advertised_listeners:
        if told.listener == listener:
            name = told.name.replace(f"b-{broker.broker_id}.", "b-{broker_id}.", 1)
            return f"{listener}://{name}:{told.port - broker.broker_id}+{{broker_id}}"
    return ""


def get_cluster_policy(asked: Asked) -> Item:
    """GetClusterPolicy."""
    cluster = _cluster(asked, "ClusterArn")
    if not cluster.cluster_policy_principals:
        raise ApiError("NotFoundException", "The cluster policy does not exist.", 404)
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": [f"arn:aws:iam::{account}:root" for account in cluster.cluster_policy_principals]},
        "Action": ["kafka:CreateVpcConnection", "kafka:GetBootstrapBrokers", "kafka:DescribeCluster*"],
        "Resource": asked.organization.cluster_arn(cluster),
    }
    return {"CurrentVersion": "1", "Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})}


def list_vpc_connections(asked: Asked) -> Item:
    """ListVpcConnections: the client side's own."""
    here = (connection for connection in asked.topology.vpc_connections if asked.here(connection.vpc_id))
    return {"VpcConnections": [_vpc_connection(asked, connection) for connection in here]}


def _vpc_connection(asked: Asked, connection: VpcConnection) -> Item:
    return {
        "VpcConnectionArn": connection.vpc_connection_arn,
        "TargetClusterArn": asked.organization.cluster_arn(asked.topology.cluster(connection.target_cluster_name)),
        "Authentication": connection.authentication.value,
        "VpcId": connection.vpc_id,
        "State": connection.state.value,
    }


def describe_vpc_connection(asked: Asked) -> Item:
    """DescribeVpcConnection."""
    for connection in asked.topology.vpc_connections:
        if connection.vpc_connection_arn == asked.params["Arn"] and asked.here(connection.vpc_id):
            return {
                **_vpc_connection(asked, connection),
                "Subnets": list(connection.client_subnets),
                "SecurityGroups": list(connection.security_groups),
            }
    raise ApiError("NotFoundException", f"The VPC connection {asked.params['Arn']} does not exist.", 404)


def list_client_vpc_connections(asked: Asked) -> Item:
    """ListClientVpcConnections: the owner's view."""
    cluster = _cluster(asked, "ClusterArn")
    return {
        "ClientVpcConnections": [
            {
                "VpcConnectionArn": connection.vpc_connection_arn,
                "Authentication": connection.authentication.value,
                "State": connection.state.value,
                "Owner": asked.organization.place(connection.vpc_id)[0],
            }
            for connection in asked.topology.vpc_connections
            if connection.target_cluster_name == cluster.cluster_name
        ]
    }
