"""How many clients of a fleet may run at a time: from what a cluster's brokers take, not what an engine can. Pure.

Source: MSK developer guide, quotas: new IAM connections a broker and second, 100, and 4 on kafka.t3.small.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from brokerproof.probes.plan import AuthenticationScheme
from brokerproof.topology.models import Topology

IAM_CONNECTIONS_PER_S: Final = 100
SHARE: Final = 0.5
"""Of a broker's rate: the rest is the applications'."""
CONNECTIONS_PER_S: Final = 10.0
"""What one verification makes to a broker; in the lab it was 14 in 2.2 s (the kernel's ActiveOpens), so 6."""
WITHOUT_A_RATE: Final = 20
"""At a time, where MSK states no rate: every connection is a TLS handshake of the broker's all the same."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How many at a time, and what that rests on."""

    at_once: int
    because: str


def pace_of(topology: Topology, *, connections_per_s: int | None = None, at_once: int | None = None) -> Pace:
    """How many clients may run at a time.

    Args:
        topology: Whose clients.
        connections_per_s: What a broker takes of new connections, where somebody knows better than the quota.
        at_once: What somebody asks for outright.
    """
    if at_once is not None:
        return Pace(at_once, f"{at_once} at a time, as asked")
    logs_in = any(client.authentication is AuthenticationScheme.IAM for client in topology.clients)
    if connections_per_s is None and not logs_in:
        return Pace(
            WITHOUT_A_RATE, f"{WITHOUT_A_RATE} at a time: MSK states no rate of connections for these listeners"
        )
    rate = connections_per_s or IAM_CONNECTIONS_PER_S
    several = max(1, int(rate * SHARE / CONNECTIONS_PER_S))
    whose = "as stated" if connections_per_s else "MSK's quota for IAM; kafka.t3.small takes 4"
    return Pace(
        several,
        f"{several} at a time: a broker takes {rate} new connections a second ({whose}), half are left to others",
    )
