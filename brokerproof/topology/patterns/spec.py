"""What a pattern is: one declaration, from which everything that depends on patterns follows.

A property says what others ask of a pattern, so that none of them lists names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from brokerproof.topology.expectation.sights import Sees, nothing
from brokerproof.topology.expectation.view import Way
from brokerproof.topology.files import TopologyError
from brokerproof.topology.models import Topology
from brokerproof.topology.models.pattern_name import PatternName
from brokerproof.topology.patterns.authentication import with_authentication
from brokerproof.topology.patterns.dimensions import Dimension
from brokerproof.topology.patterns.facts import Facts
from brokerproof.topology.patterns.options import PatternOptions


class Balancing(StrEnum):
    """Whose load balancer stands between clients of other VPCs and the brokers."""

    NONE = "none"
    OWN = "own"
    """The user's: an interface endpoint, an endpoint service and an NLB."""
    MANAGED = "managed"
    """MSK's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """The pytest marker that selects a pattern's scenarios; several patterns may share one."""

    name: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternSpec:
    """One pattern.

    A pattern without a ``builder`` is no topology of its own: its clients occur in those of others.
    """

    name: PatternName
    title: str
    """In one line, without a full stop."""
    suits: str = ""
    """Whom it is for, in one line; empty where it is no topology of its own."""
    sees: Sees = nothing
    """What its clients are led to."""
    builder: Callable[[PatternOptions], Topology] | None = None
    marker: Marker | None = None
    """Where it shares one with other patterns."""
    balancing: Balancing = Balancing.NONE
    has_endpoint_per_broker: bool = False
    """False where all brokers are behind the same endpoint."""
    has_port_per_broker: bool = False
    """Brokers advertise a port of their own instead of what MSK creates."""
    is_in_cluster_vpc: bool = False
    """Its clients are in the cluster's own VPC, and use nothing of another."""
    carried_by: frozenset[Way] = frozenset()
    """What may carry its clients' packets to another VPC: a peering, a transit gateway."""
    facts: Facts = field(default_factory=dict)
    """What documents say of it; empty where nothing is known, which is not to be filled in."""
    dimensions: tuple[Dimension, ...] = ()
    """What its clients' paths may be charged for; how much of it is counted in a topology."""

    @property
    def is_managed(self) -> bool:
        """Whether MSK runs the load balancer, the endpoints and the names."""
        return self.balancing is Balancing.MANAGED

    @property
    def is_one_way(self) -> bool:
        """Whether only the client can open connections: PrivateLink, the user's or MSK's."""
        return self.balancing is not Balancing.NONE

    @property
    def is_routed(self) -> bool:
        """Whether routes lead from the client's VPC to the broker ENIs themselves."""
        return bool(self.carried_by) and not self.is_one_way

    @property
    def selected_by(self) -> Marker:
        """The marker of its scenarios."""
        return self.marker or Marker(name=self.name, title=self.title)

    def build(self, options: PatternOptions | None = None) -> Topology:
        """Its topology.

        Raises:
            TopologyError: the options ask for what AWS refuses, or the pattern is none that can be built.
        """
        if self.builder is None:
            raise TopologyError(f"{self.name} is no topology of its own: {self.title}")
        return _built(self.builder, options or PatternOptions())


@lru_cache(maxsize=128)
def _built(builder: Callable[[PatternOptions], Topology], options: PatternOptions) -> Topology:
    """The same topology for the same options: it is frozen, and a campaign asks for it again and again."""
    return with_authentication(builder(options), options.authentication)
