"""Faults of what the client may do: ACLs of the lab's brokers, which stand for IAM policies where clients log in so.

The authorizer that enforces them comes with the first ACL, which restarts every broker.
"""

from __future__ import annotations

from functools import partial
from typing import Final, Literal

from brokerproof.causes.codes import Code
from brokerproof.lab.faults.fault import EVERY, Fault, FaultLayer
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.probes.outcome.permissions import CLUSTER_NAME
from brokerproof.probes.plan import AuthenticationScheme
from brokerproof.topology.edit import with_each
from brokerproof.topology.models import KafkaAcl, Topology

OWN: Final = "brokerproof"
"""What the names of the probe's topics and groups begin with."""
_Type = Literal["TOPIC", "GROUP", "CLUSTER", "TRANSACTIONAL_ID"]


def _denied(operation: str, topology: Topology, of: _Type = "TOPIC") -> Topology:
    """Everything but this is allowed on the client's resources; a DENY wins over every ALLOW."""
    return with_each(topology, "clusters", kafka_acls=_all_but(operation, of))


def _all_but(operation: str, of: _Type) -> tuple[KafkaAcl, KafkaAcl]:
    every = KafkaAcl(resource_type=of, resource_name=OWN, pattern_type="PREFIXED")
    if of == "CLUSTER":
        every = KafkaAcl(resource_type=of, resource_name=CLUSTER_NAME)
    return every, every.model_copy(update={"operation": operation, "permission_type": "DENY"})


def _no_topics_made(topology: Topology) -> Topology:
    """Kafka makes a topic for who may create it, or any (Create on Cluster)."""
    acls = (*_all_but("CREATE", "TOPIC"), *_all_but("CREATE", "CLUSTER"))
    return with_each(topology, "clusters", kafka_acls=acls)


_fault = partial(Fault, layer=FaultLayer.AUTHORIZATION, patterns=EVERY, reasons=(Reason.NOT_AUTHORIZED,))

FAULTS: Final = (
    _fault(
        "topic-write-denied",
        "An ACL denies writing to the client's topics.",
        partial(_denied, "WRITE"),
        Code.AUTH_TOPIC_DENIED,
        stage=Stage.PRODUCE,
    ),
    _fault(
        "topic-read-denied",
        "An ACL denies reading the client's topics: a client library says so once for each partition, then nothing.",
        partial(_denied, "READ"),
        Code.AUTH_TOPIC_DENIED,
        stage=Stage.CONSUME,
        spreads=True,
        source="karafka/karafka#2109",
    ),
    _fault(
        "topic-create-denied",
        "ACLs deny creating topics.",
        _no_topics_made,
        Code.AUTH_TOPIC_DENIED,
        stage=Stage.PRODUCE,
    ),
    _fault(
        "topic-describe-denied",
        "An ACL denies describing the client's topics.",
        partial(_denied, "DESCRIBE"),
        Code.AUTH_TOPIC_DENIED,
        stage=Stage.PRODUCE,
    ),
    _fault(
        "group-denied",
        "An ACL denies joining the client's groups.",
        partial(_denied, "READ", of="GROUP"),
        Code.AUTH_GROUP_DENIED,
        stage=Stage.GROUP,
        brokers=(),
    ),
    _fault(
        "group-describe-denied",
        "An ACL denies describing the client's groups, and so to find their coordinator.",
        partial(_denied, "DESCRIBE", of="GROUP"),
        Code.AUTH_GROUP_DENIED,
        stage=Stage.GROUP,
        brokers=(),
    ),
    _fault(
        "cluster-describe-denied",
        "An ACL denies describing the cluster.",
        partial(_denied, "DESCRIBE", of="CLUSTER"),
        Code.AUTH_CLUSTER_DENIED,
        stage=Stage.AUTHORIZE,
        brokers=(),
    ),
    _fault(
        "settings-denied",
        "An ACL denies reading the brokers' settings, by which they say who they are.",
        partial(_denied, "DESCRIBE_CONFIGS", of="CLUSTER"),
        Code.AUTH_SETTINGS_DENIED,
        stage=Stage.IDENTITY,
    ),
    _fault(
        "transaction-denied",
        "An ACL denies the client its transactional id.",
        partial(_denied, "WRITE", of="TRANSACTIONAL_ID"),
        Code.AUTH_TRANSACTION_DENIED,
        stage=Stage.AUTHORIZE,
        brokers=(),
        authentication=AuthenticationScheme.IAM,
    ),
    _fault(
        "idempotent-write-denied",
        "No policy allows kafka-cluster:WriteDataIdempotently.",
        partial(_denied, "IDEMPOTENT_WRITE", of="CLUSTER"),
        Code.AUTH_IDEMPOTENT_DENIED,
        stage=Stage.AUTHORIZE,
        brokers=(),
        authentication=AuthenticationScheme.IAM,
    ),
)
