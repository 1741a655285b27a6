"""What a fault is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from enum import StrEnum
from typing import Final

from brokerproof.causes.codes import Code
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.probes.plan import AuthenticationScheme
from brokerproof.topology.expectation.view import Way
from brokerproof.topology.models import Client, NetworkType, Topology
from brokerproof.topology.patterns import PatternName, PatternOptions, PatternSpec, client_names, patterns_where
from brokerproof.topology.patterns.spec import Balancing


def _own(spec: PatternSpec) -> bool:
    return spec.balancing is Balancing.OWN


EVERY: Final = patterns_where(lambda _: True)
IN_VPC: Final = patterns_where(lambda spec: spec.name is PatternName.IN_VPC)
"""One client, inside the cluster VPC."""
PEERING: Final = patterns_where(lambda spec: spec.is_routed and Way.PEERING in spec.carried_by)
GATEWAY: Final = patterns_where(lambda spec: spec.is_routed and Way.TRANSIT_GATEWAY in spec.carried_by)
STRAIGHT: Final = patterns_where(lambda spec: spec.name.is_of_clients and not spec.is_one_way)
"""Patterns that lead to the broker ENIs themselves."""
PRIVATELINK: Final = patterns_where(_own)
SINGLE: Final = patterns_where(lambda spec: _own(spec) and not spec.has_endpoint_per_broker)
MULTI: Final = patterns_where(lambda spec: spec.has_endpoint_per_broker)
REMOTE: Final = patterns_where(lambda spec: _own(spec) and bool(spec.carried_by))
"""Patterns with clients of another Region behind the endpoint VPC."""
ONE_NLB: Final = patterns_where(lambda spec: spec.name in SINGLE and spec.name in REMOTE)
CROSS_REGION: Final = patterns_where(lambda spec: spec.name in SINGLE and spec.name not in REMOTE)
"""One NLB as well, and all clients are behind its endpoints in another Region."""
MULTI_VPC: Final = patterns_where(lambda spec: spec.is_managed)
COMBINATION: Final = patterns_where(lambda spec: not spec.name.is_of_clients)
"""Several patterns on one cluster."""


class FaultLayer(StrEnum):
    """Where a fault sits."""

    DNS = "dns"
    HOST = "host"
    ROUTE = "route"
    SECURITY = "security"
    LOAD_BALANCER = "load_balancer"
    TCP = "tcp"
    TLS = "tls"
    METADATA = "metadata"
    RECORDS = "records"
    BROKER = "broker"
    AUTHENTICATION = "authentication"
    AUTHORIZATION = "authorization"
    ISOLATION = "isolation"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: how it is made, where it must show and nowhere else, and what a diagnosis should say of it.

    ``cause`` is what is really broken; :attr:`~brokerproof.causes.codes.Code.UNKNOWN` where the catalogue has no
    word for it. ``alike`` are the causes that would look the same to all clients of the pattern together, written
    down by who made the fault and not taken from the rules that are measured by it: the same everywhere, or by
    patterns. A finding is right when its codes have the cause and nothing that is not among these.
    ``brokers`` are the broker ids that show it at ``stage`` with one of ``reasons``; a None among
    the reasons means that the probe was content and only the comparison with the view was not.
    ``client`` is the client that shows it; None is the first one outside the cluster VPC.
    ``dual_stack``: it is of the IPv6 listener alone, in a topology that has one; that client's twin there shows it.
    ``authentication``: it is of clients that log in so, in a topology in which they do.
    ``by_chance``: it shows at some of the brokers and addresses, not always the same.
    ``isolation``: what shows it is a check that something must not connect; the brokers are then all well.
    ``source`` is the public report that the fault was made after: such a one is a field case, counted by itself.
    ``advice`` is the code of the advice that must be given instead of a finding: the path is right with it, and some
    clients fail. Then there is no ``cause``, and nothing is red.
    ``spreads``: what is well itself may be red too, later, for want of what is not.
    ``accepts_itself``: with it the lab's balancer accepts connections before its targets do, as no NLB does, so that
    what is silent behind it is not silent to a client: it is not drawn with what may be.
    """

    name: str
    title: str
    edit: Callable[[Topology], Topology]
    cause: Code | None
    _: KW_ONLY
    layer: FaultLayer
    patterns: tuple[str, ...]
    stage: Stage
    reasons: tuple[Reason | None, ...]
    brokers: tuple[int, ...] = (1, 2, 3)
    client: str | None = None
    dual_stack: bool = False
    authentication: AuthenticationScheme = AuthenticationScheme.NONE
    by_chance: bool = False
    isolation: bool = False
    spreads: bool = False
    accepts_itself: bool = False
    source: str = ""
    advice: str = ""
    alike: tuple[Code, ...] | Mapping[tuple[str, ...], tuple[Code, ...]] = field(default=(), hash=False)

    @property
    def options(self) -> PatternOptions:
        """How a pattern is built that can have it."""
        return PatternOptions(dual_stack=self.dual_stack, authentication=self.authentication)

    @property
    def needs(self) -> str:
        """The same as words of the command line; empty where any will do."""
        if self.authentication is not AuthenticationScheme.NONE:
            return f"--authentication {self.authentication}"
        return "--dual-stack" if self.dual_stack else ""

    def codes(self, pattern: str) -> frozenset[Code]:
        """The cause, and what clients of this pattern cannot tell from it."""
        own = frozenset({self.cause} if self.cause is not None else ())
        if isinstance(self.alike, Mapping):
            return own.union(*(codes for names, codes in self.alike.items() if pattern in names))
        return own | frozenset(self.alike)

    def why_not(self, topology: Topology) -> str:
        """Why this topology cannot have the fault; empty where it can."""
        if topology.name not in self.patterns:
            return f"fault {self.name} is not of pattern {topology.name}, but of: {', '.join(self.patterns)}"
        if self.dual_stack and all(c.network_type is NetworkType.IPV4 for c in topology.clusters):
            return f"fault {self.name} is of IPv6, which this cluster does not have; build it with --dual-stack"
        schemes = {AuthenticationScheme.NONE, *(client.authentication for client in topology.clients)}
        if self.authentication not in schemes:
            wanted = f"--authentication {self.authentication}"
            return f"fault {self.name} is of clients that log in otherwise; build it with {wanted}"
        return ""


def afflicted(topology: Topology, fault: Fault | None = None) -> Client:
    """The client that shows a fault; without one, the first that crosses a boundary to the cluster."""
    if fault is not None:
        return topology.client(shown_by(topology, fault))
    home = topology.clusters[0].vpc_id
    clients = [c for c in topology.clients if c.pattern is not None]
    return next((c for c in clients if c.vpc_id != home), clients[0])


def shown_by(topology: Topology, fault: Fault) -> str:
    """The name of the client that shows a fault, which the topology need not have where it is not dual-stack."""
    if fault.client is not None:
        return fault.client
    first = afflicted(topology).name
    return client_names.of_ipv6(first) if fault.dual_stack else first
