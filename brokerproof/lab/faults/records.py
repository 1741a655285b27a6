"""Faults of records and groups: what brokers are set to refuse. Settings restart every broker."""

from __future__ import annotations

from functools import partial
from typing import Final

from brokerproof.causes.codes import Code
from brokerproof.lab.faults.fault import EVERY, Fault, FaultLayer
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.topology.edit import with_each, with_properties
from brokerproof.topology.models import KafkaAcl, Topology


def _denied(operation: str, topology: Topology) -> Topology:
    """Everything but this is allowed on the probe's topics; a DENY wins over every ALLOW."""
    every = KafkaAcl(resource_name="brokerproof", pattern_type="PREFIXED")
    denied = every.model_copy(update={"operation": operation, "permission_type": "DENY"})
    return with_each(topology, "clusters", kafka_acls=(every, denied))


_fault = partial(Fault, layer=FaultLayer.RECORDS, patterns=EVERY)

FAULTS: Final = (
    _fault(
        "topic-write-denied",
        "An ACL denies writing to the client's topics.",
        partial(_denied, "WRITE"),
        Code.AUTH_TOPIC_DENIED,
        stage=Stage.PRODUCE,
        reasons=(Reason.NOT_AUTHORIZED,),
    ),
    _fault(
        "topic-read-denied",
        "An ACL denies reading the client's topics: a client library says so once for each partition, then nothing.",
        partial(_denied, "READ"),
        Code.AUTH_TOPIC_DENIED,
        stage=Stage.CONSUME,
        reasons=(Reason.NOT_AUTHORIZED,),
        spreads=True,
        source="karafka/karafka#2109",
    ),
    _fault(
        "records-too-large",
        "Brokers take no batch above 1,000 bytes (message.max.bytes); no AWS resource does that.",
        partial(with_properties, properties={"message.max.bytes": "1000"}),
        Code.UNKNOWN,
        stage=Stage.PRODUCE,
        reasons=(Reason.KAFKA_ERROR,),
    ),
    _fault(
        "group-session-refused",
        "Brokers take no group member with the usual session timeout (group.min.session.timeout.ms).",
        partial(with_properties, properties={"group.min.session.timeout.ms": "1700000"}),
        Code.UNKNOWN,
        stage=Stage.GROUP,
        reasons=(Reason.KAFKA_ERROR, Reason.NOT_ASSIGNED, Reason.TIMED_OUT),
        brokers=(),
    ),
)
