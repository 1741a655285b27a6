"""Requests of the lab to running brokers: metadata, another keystore, a first use.

Called inside a broker's namespace; the brokers' own listener is the way in.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from collections.abc import Collection, Container, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from brokerproof.lab.daemons.kafka_config import BROKERS_OWN, keystore_location
from brokerproof.lab.daemons.waiting import wait_until
from brokerproof.lab.errors import LabError
from brokerproof.lab.network.blueprint import BrokerProcess
from brokerproof.topology.models import KafkaAcl

KEYSTORE_S = 15
SCRAM_ITERATIONS = 4096
"""Kafka's least, and what MSK's own are."""
SPREAD_S = 0.3
"""After which every broker goes by what the controller wrote: they read it within milliseconds, and say nothing."""
WARM_HANDSHAKES = 20
WARM_S = 4.0
"""For all brokers together: longer than a quiet machine needs, and as long as one that is cut off may cost."""
_FIRST_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n", re.DOTALL)


def admin_of(brokers: Sequence[BrokerProcess]) -> AdminClient:
    """A client at the brokers' own listener; made in a broker's namespace, so its threads stay there."""
    return AdminClient(_way_in(brokers))


def _way_in(brokers: Sequence[BrokerProcess]) -> dict[str, str | int | float | bool]:
    settings: dict[str, str | int | float | bool] = {
        "bootstrap.servers": ",".join(bound(b, "REPLICATION") for b in brokers),
        "log_level": 0,
    }
    if any("super.users" in dict(b.properties) for b in brokers):
        proof = {f"sasl.{key}": value for key, value in BROKERS_OWN.items()}
        settings |= {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", **proof}
    return settings


def bound(broker: BrokerProcess, listener: str) -> str:
    """``address:port`` a listener of a broker is bound to."""
    listeners = dict(entry.split("://") for entry in dict(broker.properties)["listeners"].split(","))
    return listeners[listener]


def shake_hands(broker: BrokerProcess, limit_s: float = 20) -> bool:
    """Make a handshake; return whether it ended well. The first takes a new JVM far longer than any later one."""
    # That of TLS alone where there is one; the others of IPv4 have TLS too, but for the plaintext one.
    names = [each.split("://")[0] for each in dict(broker.properties)["listeners"].split(",")]
    listener = next(name for name in ("CLIENT_SECURE", *names) if name in names and name != "CLIENT")
    host, _, port = bound(broker, listener).partition(":")
    with suppress(OSError), socket.create_connection((host, int(port)), timeout=limit_s) as connection:
        _unverified().wrap_socket(connection).close()
        return True
    return False


def warm(brokers: Sequence[BrokerProcess]) -> None:
    """Make handshakes with all of them at once, until they take no longer than any later one, or time is up.

    After :data:`WARM_HANDSHAKES` a JVM has compiled what a handshake runs. A broker that answers none, as a fault
    may have it, is left alone.
    """
    ends_at = time.monotonic() + WARM_S

    def one(broker: BrokerProcess) -> None:
        for _ in range(WARM_HANDSHAKES):
            left_s = ends_at - time.monotonic()
            if left_s <= 0 or not shake_hands(broker, left_s):
                return

    threads = [threading.Thread(target=one, args=(broker,), name="warm", daemon=True) for broker in brokers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def make_offsets_topic(brokers: Sequence[BrokerProcess]) -> None:
    """Have the offsets topic made, as a cluster in use has it; it is no matter if that fails."""
    # Not by the admin client: librdkafka aborts where such a request's connection goes (its issue 4605).
    asking = Consumer(_way_in(brokers) | {"group.id": "warm-up"})
    with suppress(KafkaException):
        asking.committed([TopicPartition("warm-up", 0)], timeout=20)
    asking.close()


def is_listed(asked: BrokerProcess, broker_id: int) -> bool | None:
    """Whether a broker says that another is in the cluster: fenced ones are not in metadata. None: it does not answer.

    Brokers hear of it one by one.
    """
    try:
        return broker_id in admin_of([asked]).list_topics(timeout=2).brokers
    except KafkaException:
        return None


def all_in_sync(asked: BrokerProcess) -> bool:
    """Whether a broker says that every replica of every partition is in sync."""
    try:
        topics = admin_of([asked]).list_topics(timeout=2).topics.values()
    except KafkaException:
        return False
    partitions = [each for topic in topics for each in topic.partitions.values()]
    return all(set(each.isrs) == set(each.replicas) for each in partitions)


def ask_controller(broker: BrokerProcess) -> None:
    """Have this broker ask its controller to look at a change, which is not made: so it finds out which one that is.

    Raises:
        LabError: no controller answers.
    """
    entry = ConfigEntry("log.cleaner.threads", "1", incremental_operation=AlterConfigOpType.SET)
    asked = ConfigResource(ConfigResource.Type.BROKER, str(broker.broker_id), incremental_configs=[entry])
    admin = admin_of([broker])
    [future] = admin.incremental_alter_configs([asked], validate_only=True, request_timeout=20).values()
    try:
        future.result(timeout=25)
    except KafkaException as error:
        raise LabError(f"no controller answers broker {broker.key}: {error}") from None


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _presented(broker: BrokerProcess, listener: str) -> bytes:
    """The certificate a broker presents at a listener, in DER; empty where it does not answer."""
    host, _, port = bound(broker, listener).rpartition(":")
    with (
        suppress(OSError),
        socket.create_connection((host.strip("[]"), int(port)), timeout=5) as connection,
        _unverified().wrap_socket(connection) as wrapped,
    ):
        return wrapped.getpeercert(binary_form=True) or b""
    return b""


def _presented_in_a_row(broker: BrokerProcess, listener: str) -> set[bytes]:
    """The certificates of as many connections as go twice round the broker's network threads."""
    connections = 2 * int(dict(broker.properties)["num.network.threads"])
    return {_presented(broker, listener) for _ in range(connections)}


def set_keystore(brokers: Sequence[BrokerProcess], listener: str, path: str) -> None:
    """Have these brokers read another keystore, and see each present it: a broker answers before it has read it.

    Each of its network threads reads the keystore for itself, and connections go round them.
    """
    location = keystore_location(listener)
    admin = admin_of(brokers)
    for broker in brokers:
        entry = ConfigEntry(location, path, incremental_operation=AlterConfigOpType.SET)
        wanted = ConfigResource(ConfigResource.Type.BROKER, str(broker.broker_id), incremental_configs=[entry])
        [future] = admin.incremental_alter_configs([wanted], request_timeout=10).values()
        try:
            future.result(timeout=15)
        except KafkaException as error:
            raise LabError(f"broker {broker.key} does not take certificate {path}: {error}") from None
    leaf = ssl.PEM_cert_to_DER_cert(_FIRST_CERTIFICATE.findall(Path(path).read_text("ascii"))[0])
    # Another fault may be that no handshake gets as far as a certificate.
    settled = ({leaf}, {b""})
    for broker in brokers:
        _await_presented(broker, listener, path, settled)


def _await_presented(broker: BrokerProcess, listener: str, path: str, settled: Container[Collection[bytes]]) -> None:
    wait_until(
        lambda: _presented_in_a_row(broker, listener) in settled,
        within_s=KEYSTORE_S,
        otherwise=lambda: f"broker {broker.key} does not present certificate {path} after {KEYSTORE_S} s",
        every_s=0.01,
    )


def set_scram_users(brokers: Sequence[BrokerProcess], users: Mapping[str, str], gone: Collection[str]) -> None:
    """Have these users known to the cluster with these passwords, and those that are gone no more.

    Raises:
        LabError: the brokers refuse.
    """
    admin = admin_of(brokers)
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, SCRAM_ITERATIONS)
    changes = [
        *(UserScramCredentialUpsertion(name, info, password.encode()) for name, password in users.items()),
        *(UserScramCredentialDeletion(name, ScramMechanism.SCRAM_SHA_512) for name in gone),
    ]
    if not changes:
        return
    try:
        for future in admin.alter_user_scram_credentials(changes, request_timeout=10).values():
            future.result(timeout=15)
    except KafkaException as error:
        raise LabError(f"the brokers of {brokers[0].cluster_name} do not take SCRAM users: {error}") from None
    time.sleep(SPREAD_S)


_CLUSTER: Final = ResourceType.BROKER
"""As librdkafka calls it, whose number is that of Kafka's CLUSTER."""


def set_acls(brokers: Sequence[BrokerProcess], acls: Sequence[KafkaAcl]) -> None:
    """Replace all ACLs by these.

    Raises:
        LabError: the brokers refuse.
    """
    admin = admin_of(brokers)
    every = AclBindingFilter(
        ResourceType.ANY,
        None,  # type: ignore[arg-type] # its own documentation: None matches every one
        ResourcePatternType.ANY,
        None,  # type: ignore[arg-type]
        None,  # type: ignore[arg-type]
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    bindings = [
        AclBinding(
            _CLUSTER if acl.resource_type == "CLUSTER" else ResourceType[acl.resource_type],
            acl.resource_name,
            ResourcePatternType[acl.pattern_type],
            acl.principal,
            acl.host,
            AclOperation[acl.operation],
            AclPermissionType[acl.permission_type],
        )
        for acl in acls
    ]
    try:
        for future in admin.delete_acls([every], request_timeout=10).values():
            future.result(timeout=15)
        for future in admin.create_acls(bindings, request_timeout=10).values():
            future.result(timeout=15)
    except KafkaException as error:
        raise LabError(f"the brokers of {brokers[0].cluster_name} do not take the ACLs: {error}") from None
