"""Faults: each a change to the topology that a running lab is given, while the intended one stays the measure.

One entry a fault. A cause is really there: the resolver lacks the record, the certificate has
expired, the packets vanish.
"""

from __future__ import annotations

from typing import Final

from lab.faults import broker, dns, ipv6, load_balancer, route, security, tls
from lab.faults.fault import Fault

FAULTS: Final[dict[str, Fault]] = {
    fault.name: fault
    for fault in (
        *dns.FAULTS,
        *route.FAULTS,
        *security.FAULTS,
        *ipv6.FAULTS,
        *load_balancer.FAULTS,
        *tls.FAULTS,
        *broker.FAULTS,
    )
}
"""Fault by name."""

__all__ = ["FAULTS", "Fault"]
