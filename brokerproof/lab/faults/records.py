"""Faults of records and groups: what brokers are set to refuse. Settings restart every broker."""

from __future__ import annotations

from functools import partial
from typing import Final

from brokerproof.causes.codes import Code
from brokerproof.lab.faults.fault import EVERY, Fault, FaultLayer
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.topology.edit import with_properties

_fault = partial(Fault, layer=FaultLayer.RECORDS, patterns=EVERY)

FAULTS: Final = (
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
