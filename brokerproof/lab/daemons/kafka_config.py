"""server.properties of a lab broker: MSK's listener names and ports, small and quick to start. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from brokerproof.lab.daemons.iam_handler import AUTHORIZER, HANDLER
from brokerproof.lab.daemons.jvm import STATE_DIR
from brokerproof.probes.plan import AuthenticationScheme
from brokerproof.topology.expectation.advertised import advertised
from brokerproof.topology.models import Broker, ClientCertificate, Cluster, ClusterListener

UNBOUND = f"{STATE_DIR}/unbound/unbound"
"""The lab's own copy of the resolver."""

REPLICATION_PORT = 9093
CONTROLLER_PORT = 9097
HEARTBEAT_MS = 1500
"""Between a broker's heartbeats to its controller."""
_MOST_CONTROLLERS = 3
BROKERS_OWN = {"username": "brokers", "password": "of-the-lab"}
"""Who brokers are to one another where they enforce ACLs: until these are loaded only a super user may vote."""
_JAAS = (
    "org.apache.kafka.common.security.plain.PlainLoginModule required"
    f' username="{BROKERS_OWN["username"]}" password="{BROKERS_OWN["password"]}"'
    f' user_{BROKERS_OWN["username"]}="{BROKERS_OWN["password"]}";'
)
_AUTHORIZER = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",  # MSK's default (MSK developer guide, Apache Kafka ACLs)
    "super.users": f"User:{BROKERS_OWN['username']}",
    "sasl.enabled.mechanisms": "PLAIN",
    "sasl.mechanism.inter.broker.protocol": "PLAIN",
    "sasl.mechanism.controller.protocol": "PLAIN",
    "listener.name.replication.plain.sasl.jaas.config": _JAAS,
    "listener.name.controller.plain.sasl.jaas.config": _JAAS,
}


def certificate_path(cluster_name: str, listener: str) -> str:
    """Key and chain of a cluster's brokers at a listener, PEM with a PKCS#8 key (Kafka reads no other form)."""
    return f"{STATE_DIR}/tls/{cluster_name}-{listener.lower()}.pem"


def keystore_location(listener: str) -> str:
    """The property that names the keystore of a listener."""
    return f"listener.name.{listener.lower()}.ssl.keystore.location"


def data_dir(cluster_name: str, broker_id: int) -> str:
    """The broker's log.dirs."""
    return f"{STATE_DIR}/kafka/{cluster_name}-{broker_id}"


def is_controller(cluster: Cluster, broker: Broker) -> bool:
    """The first brokers are controllers too (KRaft combined mode), an odd number up to three."""
    ids = [b.broker_id for b in cluster.brokers]
    count = min(_MOST_CONTROLLERS, len(ids) - (len(ids) + 1) % 2)
    return broker.broker_id in ids[:count]


def server_properties(cluster: Cluster, broker: Broker, zone_id: str) -> tuple[tuple[str, str], ...]:
    """The broker's configuration, sorted by key; the topology's ``server_properties`` win."""
    address = broker.client_vpc_ip_address
    listeners = [entry for entry in cluster.listeners if entry.enabled]
    bound = [
        f"{entry.name}://{f'[{broker.ipv6_address}]' if entry.ipv6 else address}:{entry.port}" for entry in listeners
    ]
    told = []
    for entry in listeners:
        name, port = advertised(cluster, broker, entry.name)
        told.append(f"{entry.name}://{name}:{port}")
    replication = f"REPLICATION://{address}:{REPLICATION_PORT}"
    controller = is_controller(cluster, broker)
    internal = "SASL_PLAINTEXT" if cluster.kafka_acls else "PLAINTEXT"
    replicas = str(min(3, len(cluster.brokers)))
    properties = {
        "process.roles": "broker,controller" if controller else "broker",
        "node.id": str(broker.broker_id),
        "broker.rack": zone_id,
        "controller.quorum.voters": ",".join(
            f"{b.broker_id}@{b.client_vpc_ip_address}:{CONTROLLER_PORT}"
            for b in cluster.brokers
            if is_controller(cluster, b)
        ),
        "controller.listener.names": "CONTROLLER",
        "listeners": ",".join(
            [*bound, replication, *([f"CONTROLLER://{address}:{CONTROLLER_PORT}"] if controller else [])]
        ),
        "advertised.listeners": ",".join([*told, replication]),
        "listener.security.protocol.map": ",".join(
            [
                *(f"{entry.name}:{_protocol(entry)}" for entry in listeners),
                f"REPLICATION:{internal}",
                f"CONTROLLER:{internal}",
            ]
        ),
        "inter.broker.listener.name": "REPLICATION",
        **_keystores(cluster, listeners),
        **_logins(listeners),
        # A fault may be a certificate for other names (KIP-978).
        "ssl.allow.dn.changes": "true",
        "ssl.allow.san.changes": "true",
        "log.dirs": data_dir(cluster.cluster_name, broker.broker_id),
        # A broker that was killed may register again only when its session has ended (default 9 s).
        "broker.session.timeout.ms": "6000",
        "broker.heartbeat.interval.ms": str(HEARTBEAT_MS),
        # By default an idle controller writes a record every 500 ms, which every broker then fetches and applies
        # (KIP-835): a quarter of what a lab costs in which nothing happens.
        "metadata.max.idle.interval.ms": "0",
        "auto.create.topics.enable": "false",
        "default.replication.factor": replicas,
        "offsets.topic.replication.factor": replicas,
        "offsets.topic.num.partitions": "3",
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.num.partitions": "1",
        "group.initial.rebalance.delay.ms": "0",
        "num.network.threads": "2",
        "num.io.threads": "2",
        "num.recovery.threads.per.data.dir": "1",
        "log.segment.bytes": "67108864",
        "log.index.size.max.bytes": "1048576",
        "log.cleaner.dedupe.buffer.size": "4194304",
        **(_authorizer(listeners) if cluster.kafka_acls else {}),
        **cluster.server_properties,
    }
    return tuple(sorted(properties.items()))


_ESCAPED: Final = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\f": "\\f"}


def properties_text(properties: Iterable[tuple[str, str]]) -> str:
    """The properties as java.util.Properties reads them: a line each, whatever characters they have."""
    return "".join(f"{_escaped(key, key=True)}={_escaped(value)}\n" for key, value in properties)


def _escaped(text: str, *, key: bool = False) -> str:
    """ASCII, in which no character of the text ends the line or, of a key, the key."""
    ends = " =:#!" if key else ""
    written = ""
    for position, character in enumerate(text):
        if character in _ESCAPED:
            written += _ESCAPED[character]
        elif character in ends or (character == " " and position == 0):
            written += f"\\{character}"
        elif " " <= character <= "~":
            written += character
        else:
            units = character.encode("utf-16-be", "surrogatepass")
            written += "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
    return written


CLIENT_AUTHORITY: Final = f"{STATE_DIR}/tls/clients.pem"
"""Whose certificates listeners of mutual TLS take."""
IAM_STATE: Final = f"{STATE_DIR}/iam"
"""Whom the lab's IAM listeners know, and how they judge; read anew for each login."""
_OAUTH_MODULE: Final = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule"
_SCRAM_JAAS: Final = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


def _authorizer(listeners: Sequence[ClusterListener]) -> dict[str, str]:
    by_iam = any(listener.sasl is AuthenticationScheme.IAM for listener in listeners)
    return _AUTHORIZER | ({"authorizer.class.name": AUTHORIZER} if by_iam else {})


def _protocol(listener: ClusterListener) -> str:
    if listener.sasl is not None:
        return "SASL_SSL"
    return "SSL" if listener.tls else "PLAINTEXT"


def _logins(listeners: Sequence[ClusterListener]) -> dict[str, str]:
    """How clients log in at each listener."""
    properties: dict[str, str] = {}
    for listener in listeners:
        base = f"listener.name.{listener.name.lower()}"
        if listener.sasl is AuthenticationScheme.SCRAM_SHA_512:
            properties[f"{base}.sasl.enabled.mechanisms"] = listener.sasl.mechanism
            properties[f"{base}.scram-sha-512.sasl.jaas.config"] = _SCRAM_JAAS
        if listener.sasl is AuthenticationScheme.IAM:
            options = f'state="{IAM_STATE}" listener="{listener.name}"'
            properties[f"{base}.sasl.enabled.mechanisms"] = listener.sasl.mechanism
            properties[f"{base}.oauthbearer.sasl.jaas.config"] = f"{_OAUTH_MODULE} required {options};"
            properties[f"{base}.oauthbearer.sasl.server.callback.handler.class"] = HANDLER
            properties[f"{base}.oauthbearer.sasl.login.callback.handler.class"] = HANDLER
            properties[f"{base}.oauthbearer.connections.max.reauth.ms"] = "3600000"
        if listener.client_certificate is not ClientCertificate.NONE:
            properties[f"{base}.ssl.client.auth"] = listener.client_certificate.value
            properties[f"{base}.ssl.truststore.type"] = "PEM"
            properties[f"{base}.ssl.truststore.location"] = CLIENT_AUTHORITY
    return properties


def _keystores(cluster: Cluster, listeners: Sequence[ClusterListener]) -> dict[str, str]:
    properties: dict[str, str] = {}
    for listener in listeners:
        if listener.tls:
            properties[f"listener.name.{listener.name.lower()}.ssl.keystore.type"] = "PEM"
            properties[keystore_location(listener.name)] = certificate_path(cluster.cluster_name, listener.name)
    return properties
