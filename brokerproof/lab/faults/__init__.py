"""Faults: each a change to the topology that a running lab is given, while the intended one stays the measure.

One entry a fault, in the file of its layer; everything else that knows faults derives from :data:`FAULTS`. A cause is
really there: the resolver lacks the record, the certificate has expired, the packets vanish.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from brokerproof.lab.faults import (
    authentication,
    authorization,
    broker,
    dns,
    host,
    isolation,
    load_balancer,
    metadata,
    records,
    route,
    security,
    tcp,
    tls,
)
from brokerproof.lab.faults.fault import Fault, FaultLayer

BY_LAYER: Final[Mapping[FaultLayer, tuple[Fault, ...]]] = {
    FaultLayer.DNS: dns.FAULTS,
    FaultLayer.ROUTE: route.FAULTS,
    FaultLayer.SECURITY: security.FAULTS,
    FaultLayer.LOAD_BALANCER: load_balancer.FAULTS,
    FaultLayer.TCP: tcp.FAULTS,
    FaultLayer.ISOLATION: isolation.FAULTS,
    FaultLayer.TLS: tls.FAULTS,
    FaultLayer.RECORDS: records.FAULTS,
    FaultLayer.METADATA: metadata.FAULTS,
    FaultLayer.BROKER: broker.FAULTS,
    FaultLayer.HOST: host.FAULTS,
    FaultLayer.AUTHENTICATION: authentication.FAULTS,
    FaultLayer.AUTHORIZATION: authorization.FAULTS,
}
"""The faults of each layer. What a seed of the accuracy campaign draws depends on their order."""
FAULTS: Final[Mapping[str, Fault]] = {fault.name: fault for faults in BY_LAYER.values() for fault in faults}
"""Fault by name."""

__all__ = ["BY_LAYER", "FAULTS", "Fault"]
