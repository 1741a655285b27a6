"""Faults: each a change to the topology that a running lab is given, while the intended one stays the measure.

One entry a fault. A cause is really there: the resolver lacks the record, the certificate has
expired, the packets vanish.
"""

from __future__ import annotations

from typing import Final

from brokerproof.lab.faults import (
    admission,
    advertised,
    broker,
    dns,
    ipv6,
    load_balancer,
    opening,
    path,
    resolver,
    route,
    security,
    setting,
    target,
    tls,
    transport,
    zone,
)
from brokerproof.lab.faults.fault import Fault

FAULTS: Final[dict[str, Fault]] = {
    fault.name: fault
    for fault in (
        *dns.FAULTS,
        *zone.FAULTS,
        *resolver.FAULTS,
        *route.FAULTS,
        *path.FAULTS,
        *security.FAULTS,
        *admission.FAULTS,
        *ipv6.FAULTS,
        *load_balancer.FAULTS,
        *target.FAULTS,
        *transport.FAULTS,
        *opening.FAULTS,
        *tls.FAULTS,
        *setting.FAULTS,
        *advertised.FAULTS,
        *broker.FAULTS,
    )
}
"""Fault by name."""

__all__ = ["FAULTS", "Fault"]
