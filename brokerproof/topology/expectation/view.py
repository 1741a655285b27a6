"""What one client must see, derived from a topology by :func:`brokerproof.topology.expectation.expect.expect`.

Plain values, so that scenarios, diagnosis and reports share one idea of "right" and none of them
needs the topology itself.
"""

from __future__ import annotations

from enum import StrEnum

from brokerproof.probes.outcome import Reason
from brokerproof.probes.outcome.base import Value
from brokerproof.probes.plan import AuthenticationScheme
from brokerproof.topology.models.pattern_name import PatternName


class AddressKind(StrEnum):
    """What an address a broker name resolves to is."""

    BROKER_ENI = "broker_eni"
    ENDPOINT_ENI = "endpoint_eni"
    NLB_NODE = "nlb_node"
    UNKNOWN = "unknown"
    """Nobody says what it is: the name led there."""


class Way(StrEnum):
    """How the client's VPC is joined with the VPC of the addresses it connects to."""

    LOCAL = "local"
    """They are the same VPC."""
    PEERING = "peering"
    TRANSIT_GATEWAY = "transit_gateway"
    NONE = "none"
    """Nothing joins them: the client is meant to reach nothing."""


class AddressView(Value, frozen=True):
    """One address a broker name must resolve to, and whether it must connect."""

    address: str
    kind: AddressKind
    owner: str
    """The AWS resource the address belongs to: an ENI, a VPC endpoint, a load balancer."""
    zone_id: str
    must_connect: bool = True
    why_not: str = ""
    """Where it must not connect: why, in words."""
    fails_with: tuple[Reason, ...] = ()
    """Where it must not connect: the reasons that are the right ones."""


class BrokerView(Value, frozen=True):
    """One broker as this client must see it."""

    broker_id: int
    name: str
    port: int
    addresses: tuple[AddressView, ...]
    sources: tuple[str, ...] = ()
    """Where this broker must see the client from: the client's own address, or a load balancer's nodes."""
    eni_address: str = ""
    """The broker's own ENI: what its public record answers, also where that is unreachable."""
    zone_id: str = ""
    """The zone of the broker itself, whatever the zone of the address that leads to it."""
    found_as: AddressKind | None = None
    """Set where the addresses are not known: those that the name leads to are taken, and are of this kind."""


class BootstrapView(Value, frozen=True):
    """One bootstrap name and port. ``addresses`` as for a broker; any broker may answer."""

    name: str
    port: int
    addresses: tuple[AddressView, ...]
    broker_id: int | None = None
    """Set where only that broker may answer at this name and port."""
    found_as: AddressKind | None = None
    """As of a broker."""


class Barrier(StrEnum):
    """What keeps a client from an address and port."""

    SECURITY_GROUP = "security_group"
    FAMILY = "family"
    """The listener of the port is for the other address family."""
    ROUTE = "route"
    ONE_WAY = "one_way"
    """PrivateLink carries connections of the client alone."""
    LISTENER = "listener"
    """The load balancer has none for the port."""
    ADVERTISED_PORT = "advertised_port"
    """Brokers advertise the port, and only the load balancer has it."""


class ForbiddenView(Value, frozen=True):
    """An address and port that must not accept a connection from this client."""

    address: str
    port: int
    why: str
    fails_with: tuple[Reason, ...]
    barrier: Barrier | None = None


class NotJudged(Value, frozen=True):
    """What must not work, perhaps: nothing is said of it, because what decides it is not known or was not asked for."""

    what: str
    why: str
    statements: int
    """How many checks it would have been."""


class ClientView(Value, frozen=True):
    """Everything one client must see through the pattern it is meant to use."""

    client: str
    pattern: PatternName
    vpc_id: str
    region_name: str
    zone_id: str
    cluster_name: str
    tls: bool
    bootstrap: tuple[BootstrapView, ...]
    brokers: tuple[BrokerView, ...]
    forbidden: tuple[ForbiddenView, ...] = ()
    not_judged: tuple[NotJudged, ...] = ()
    isolation: bool = True
    """Whether what must not work is proved as well; where it is not, nothing is said of it."""
    subnet_id: str = ""
    entry_vpc_id: str = ""
    """The VPC of the addresses the client connects to: the cluster's, or that of the endpoints."""
    entry_region_name: str = ""
    cluster_account_id: str = ""
    """The account that the cluster's VPC is of; empty where it is not known."""
    way: Way = Way.NONE
    bind_port: int = 0
    """The port the client's listener is bound to on the brokers, whatever is advertised."""
    authentication: AuthenticationScheme = AuthenticationScheme.NONE
    """How the client logs in."""
    listener: str = ""
    """The brokers' name for that listener, as in their ``advertised.listeners``."""
    resolvers: tuple[str, ...] = ()
    """Where the VPC's own resolver answers: its base address plus two, and the link-local ones (VPC user guide).

    Empty where the VPC is unknown."""
    zone_names: tuple[str, ...] = ()
    """The private hosted zones of the client's VPC that cover its brokers' names."""
    other_names: tuple[str, ...] = ()
    """Names of MSK in the Region that no private zone of the client's VPC may hide: its API, other clusters."""
    free_addresses: tuple[str, ...] = ()
    """Addresses near the client that nothing in the topology has, none of them public: nothing must answer there."""

    @property
    def logs_in(self) -> bool:
        """Whether the client says who it is."""
        return self.authentication is not AuthenticationScheme.NONE

    @property
    def found_as(self) -> frozenset[AddressKind]:
        """What those addresses are that are not known; empty where all are."""
        found = (*(broker.found_as for broker in self.brokers), *(entry.found_as for entry in self.bootstrap))
        return frozenset(kind for kind in found if kind is not None)


class Sight(Value, frozen=True):
    """What a pattern leads a client to, and what it must not."""

    brokers: tuple[BrokerView, ...] = ()
    bootstrap: tuple[BootstrapView, ...] = ()
    forbidden: tuple[ForbiddenView, ...] = ()
    not_judged: tuple[NotJudged, ...] = ()
