"""What a fault is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from probes.outcome import Reason, Stage
from topology.models import Topology

PRIVATELINK: Final = ("privatelink_single_nlb", "privatelink_multi_nlb")
SINGLE: Final = PRIVATELINK[:1]
MULTI: Final = PRIVATELINK[1:]
PEERING: Final = ("peering",)
GATEWAY: Final = ("transit_gateway",)
EVERY: Final = ("in_vpc", *PEERING, *GATEWAY, *PRIVATELINK)


class Layer(StrEnum):
    """Where a fault sits."""

    DNS = "dns"
    ROUTE = "route"
    SECURITY = "security"
    LOAD_BALANCER = "load_balancer"
    TLS = "tls"
    BROKER = "broker"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: how it is made, and where it must show, and nowhere else.

    ``brokers`` are the broker ids that show it at ``stage`` with one of ``reasons``; a None among
    the reasons means that the probe was content and only the comparison with the view was not.
    """

    name: str
    title: str
    layer: Layer
    patterns: tuple[str, ...]
    edit: Callable[[Topology], Topology]
    stage: Stage
    reasons: tuple[Reason | None, ...]
    brokers: tuple[int, ...] = (1, 2, 3)
