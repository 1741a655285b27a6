"""A cluster of MSK, as a topology has it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final, get_args

from brokerproof.aws.discovery.reader import Item
from brokerproof.aws.discovery.scope import ReadCluster
from brokerproof.topology.models import (
    AdvertisedListener,
    Broker,
    ClientCertificate,
    Cluster,
    ClusterListener,
    VpcAuthentication,
)

_ADVERTISED: Final = "custom.advertised.listeners"
_BOOTSTRAP: Final = (
    ("BootstrapBrokerString", "CLIENT"),
    ("BootstrapBrokerStringTls", "CLIENT_SECURE"),
    ("BootstrapBrokerStringSaslScram", "CLIENT_SASL_SCRAM"),
    ("BootstrapBrokerStringSaslIam", "CLIENT_IAM"),
    ("BootstrapBrokerStringIpv6", "CLIENT_IPV6"),
    ("BootstrapBrokerStringTlsIpv6", "CLIENT_SECURE_IPV6"),
    ("BootstrapBrokerStringSaslScramIpv6", "CLIENT_SASL_SCRAM_IPV6"),
    ("BootstrapBrokerStringSaslIamIpv6", "CLIENT_IAM_IPV6"),
    ("BootstrapBrokerStringVpcConnectivityTls", "CLIENT_SECURE_VPCE"),
    ("BootstrapBrokerStringVpcConnectivitySaslScram", "CLIENT_SASL_SCRAM_VPCE"),
    ("BootstrapBrokerStringVpcConnectivitySaslIam", "CLIENT_IAM_VPCE"),
)
UNPUBLISHED_PORT: Final = 9294
"""Stands for the port that brokers have behind multi-VPC connectivity: MSK does not say it, no client sees it."""
_IPV6: Final = re.compile(r"^bi6-", re.IGNORECASE)


def cluster_of(read: ReadCluster) -> Cluster:
    """The cluster."""
    properties = dict(_properties(read.configuration))
    advertised = properties.pop(_ADVERTISED, "")
    brokers = sorted((_broker(node, read, advertised) for node in read.nodes), key=lambda b: b.broker_id)
    connectivity: Item = read.provisioned.get("BrokerNodeGroupInfo", {}).get("ConnectivityInfo", {})
    return Cluster(
        cluster_name=read.info["ClusterName"],
        vpc_id=read.vpc_id,
        domain=brokers[0].endpoint.partition(".")[2],
        kafka_version=_version(read.provisioned.get("CurrentBrokerSoftwareInfo", {}).get("KafkaVersion", "")),
        listeners=tuple(_listeners(read)),
        brokers=tuple(brokers),
        network_type=connectivity.get("NetworkType", "IPV4"),
        vpc_connectivity=tuple(_schemes(connectivity)),
        cluster_policy_principals=tuple(sorted(set(_principals(read.policy)))),
        server_properties=properties,
    )


def _version(text: str) -> str:
    """MSK names some versions ``3.8.x`` or ``4.1.x.kraft``; the patch level is then not told."""
    numbers = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return f"{numbers[1]}.{numbers[2]}.{numbers[3] or 0}" if numbers else "0.0.0"


def _broker(node: Item, read: ReadCluster, advertised: str) -> Broker:
    broker_id = int(node["BrokerId"])
    eni = read.interfaces.get(node.get("AttachedENIId", ""), {})
    names = node["Endpoints"]
    four = next((name for name in names if not _IPV6.match(name)), None)
    if four is None:
        raise ValueError(f"broker {broker_id} has no endpoint of IPv4 among {', '.join(names) or 'none'}")
    six = next((a["Ipv6Address"] for a in eni.get("Ipv6Addresses", ())), None)
    given: Item = read.provisioned.get("BrokerNodeGroupInfo", {})
    groups = [g["GroupId"] for g in eni.get("Groups", ())] or given.get("SecurityGroups", ())
    return Broker(
        broker_id=broker_id,
        endpoint=four,
        client_vpc_ip_address=node["ClientVpcIpAddress"],
        ipv6_endpoint=next((name for name in names if _IPV6.match(name)), None),
        ipv6_address=six,
        client_subnet=node["ClientSubnet"],
        security_groups=tuple(sorted(groups)),
        advertised_listeners=tuple(_told(advertised, broker_id)),
    )


def _told(template: str, broker_id: int) -> Iterator[AdvertisedListener]:
    """What the property makes of one broker: ``CLIENT_IAM://b-{broker_id}.example.com:9000+{broker_id}``."""
    for entry in filter(None, (part.strip() for part in template.split(","))):
        listener, _, place = entry.replace("{broker_id}", str(broker_id)).partition("://")
        name, _, port = place.rpartition(":")
        yield AdvertisedListener(listener=listener, name=name, port=sum(int(n) for n in port.split("+")))


def _properties(configuration: Item) -> Iterator[tuple[str, str]]:
    raw = configuration.get("ServerProperties", b"")
    for line in raw.decode(errors="replace").splitlines():
        key, found, value = line.partition("=")
        if found and not line.lstrip().startswith("#"):
            yield key.strip(), value.strip()


def _listeners(read: ReadCluster) -> Iterator[ClusterListener]:
    authentication: Item = read.provisioned.get("ClientAuthentication", {})
    tls = authentication.get("Tls", {}).get("Enabled", False)
    open_too = authentication.get("Unauthenticated", {}).get("Enabled", False)
    wanted = ClientCertificate.NONE
    if tls:
        wanted = ClientCertificate.REQUESTED if open_too else ClientCertificate.REQUIRED
    known = get_args(ClusterListener.model_fields["name"].annotation)
    for key, name in _BOOTSTRAP:
        string = read.bootstrap.get(key)
        if not string or name not in known:
            continue
        port = int(string.split(",")[0].rpartition(":")[2])
        given: dict[str, Any] = {"name": name, "port": UNPUBLISHED_PORT if name.endswith("_VPCE") else port}
        if name in {"CLIENT_SECURE", "CLIENT_SECURE_IPV6", "CLIENT_SECURE_VPCE"}:
            given["client_certificate"] = wanted
        yield ClusterListener.model_validate(given)
    if not read.bootstrap:
        yield from _from_authentication(read)


def _from_authentication(read: ReadCluster) -> Iterator[ClusterListener]:
    """The listeners that follow from how clients may log in, where the bootstrap strings are not known."""
    authentication: Item = read.provisioned.get("ClientAuthentication", {})
    transit = read.provisioned.get("EncryptionInfo", {}).get("EncryptionInTransit", {}).get("ClientBroker", "TLS")
    sasl: Item = authentication.get("Sasl", {})
    if transit != "TLS":
        yield ClusterListener(name="CLIENT", port=9092)
    if transit != "PLAINTEXT" and not (sasl.get("Scram", {}).get("Enabled") or sasl.get("Iam", {}).get("Enabled")):
        yield ClusterListener(name="CLIENT_SECURE", port=9094)
    if sasl.get("Scram", {}).get("Enabled"):
        yield ClusterListener(name="CLIENT_SASL_SCRAM", port=9096)
    if sasl.get("Iam", {}).get("Enabled"):
        yield ClusterListener(name="CLIENT_IAM", port=9098)
    for scheme in _schemes(read.provisioned.get("BrokerNodeGroupInfo", {}).get("ConnectivityInfo", {})):
        yield ClusterListener.model_validate({"name": scheme.listener, "port": UNPUBLISHED_PORT})


def _schemes(connectivity: Item) -> Iterator[VpcAuthentication]:
    given: Item = connectivity.get("VpcConnectivity", {}).get("ClientAuthentication", {})
    if given.get("Tls", {}).get("Enabled"):
        yield VpcAuthentication.TLS
    if given.get("Sasl", {}).get("Scram", {}).get("Enabled"):
        yield VpcAuthentication.SASL_SCRAM
    if given.get("Sasl", {}).get("Iam", {}).get("Enabled"):
        yield VpcAuthentication.SASL_IAM


def _principals(policy: Item) -> Iterator[str]:
    """The accounts that the cluster policy lets create a VPC connection."""
    statements = json.loads(policy.get("Policy", "{}") or "{}").get("Statement", ())
    for statement in [statements] if isinstance(statements, dict) else statements:
        actions = _several(statement.get("Action", ()))
        if statement.get("Effect") != "Allow" or not any(_lets_connect(action) for action in actions):
            continue
        principal = statement.get("Principal", {})
        for arn in _several(principal if isinstance(principal, str) else principal.get("AWS", ())):
            found = re.search(r"\d{12}", arn)
            yield found[0] if found else arn


def _several(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _lets_connect(action: str) -> bool:
    return action in {"kafka:CreateVpcConnection", "kafka:*", "*", "kafka:Create*"}
