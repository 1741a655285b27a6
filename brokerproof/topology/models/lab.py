"""Settings that only the lab reads."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address
from typing import Annotated, Final, Literal

from pydantic import Field

from brokerproof.topology.models.base import DnsName, Id, Model, Port, RegionName

CROSS_REGION_DELAY_MS: Final = 30.0
"""One way between two Regions where nothing is said: about us-east-1 to us-west-2."""
IN_REGION_DELAY_MS: Final = 0.25
"""One way between two VPCs of a Region where nothing is said."""


class Unserved(StrEnum):
    """What an NLB node answers where it has no listener or no target.

    AWS does not document which, so both count as the expected failure; the lab can do either.
    """

    DROP = "drop"
    RESET = "reset"


class RegionLink(Model):
    """What a packet meets on its way between two VPCs, in either direction, by their Regions (which may be one)."""

    regions: tuple[RegionName, RegionName]
    one_way_delay_ms: float = Field(ge=0, le=10_000, allow_inf_nan=False)
    rate_bits_per_s: int | None = Field(default=None, gt=0)
    """None: as fast as this machine."""
    loss: float = Field(default=0.0, ge=0, lt=1, allow_inf_nan=False)
    """Share of the packets that is lost, of 1."""

    @property
    def rtt_ms(self) -> float:
        """There and back."""
        return 2 * self.one_way_delay_ms

    @property
    def is_plain(self) -> bool:
        """Whether it does nothing to a packet."""
        return not self.one_way_delay_ms and self.rate_bits_per_s is None and not self.loss


class Answers(StrEnum):
    """What a DNS server that is not AWS's makes of names it is asked for."""

    PUBLIC = "public"
    """It asks public DNS, and knows no private zone."""
    UNKNOWN_NAMES = "unknown_names"
    """It is no resolver for these names: NXDOMAIN."""
    WITHOUT_PRIVATE_ADDRESSES = "without_private_addresses"
    """It strips private addresses from answers, as protection against DNS rebinding does."""
    CUT_SHORT = "cut_short"
    """As :attr:`PUBLIC`; no answer fits its packets, and it does not listen on TCP."""


class NameServer(Model):
    """A DNS server that somebody runs: on a host of a VPC, or, without a subnet, behind resolver rules alone."""

    address: IPv4Address
    subnet_id: Id | None = None
    answers: Answers = Answers.PUBLIC


class Direction(StrEnum):
    """Seen from an ENI."""

    TO = "to"
    FROM = "from"


class Silence(StrEnum):
    """What the sender of a lost packet hears."""

    NOTHING = "nothing"
    RESET = "reset"
    """A device on the way ends the connection in the other side's name, as firewalls do."""


class LostPackets(Model):
    """Packets to or from an ENI that do not arrive."""

    kind: Literal["lost_packets"] = "lost_packets"
    vpc_id: Id
    private_ip_address: IPv4Address
    direction: Direction = Direction.TO
    larger_than_bytes: int | None = Field(default=None, ge=68, le=65535)
    """Only packets above this size, header included: a path with a smaller MTU whose ICMP is filtered."""
    syn_alone: bool = False
    """Only those that open a connection."""
    one_in: int = Field(default=1, ge=1, le=1000)
    """Every how-manieth of them, counted from the first."""
    answer: Silence = Silence.NOTHING


class ScarceQueries(Model):
    """What a VPC's resolver still takes of queries; the quota is 1,024 packets/s an ENI (VPC guide, DNS quotas)."""

    kind: Literal["scarce_queries"] = "scarce_queries"
    vpc_id: Id
    packets_per_s: int = Field(ge=0, le=1024)
    """0: none, it is silent."""


class FrozenBroker(Model):
    """A broker whose process stands still: its kernel accepts connections, and nothing is ever said."""

    kind: Literal["frozen_broker"] = "frozen_broker"
    cluster_name: Id
    broker_id: int


class CutOffBroker(Model):
    """A broker that reaches no other broker and no controller, and that clients still reach."""

    kind: Literal["cut_off_broker"] = "cut_off_broker"
    cluster_name: Id
    broker_id: int


class TakenPorts(Model):
    """A load balancer without a free port towards its targets: new connections are dropped, others go on."""

    kind: Literal["taken_ports"] = "taken_ports"
    load_balancer_name: Id


class Speaks(StrEnum):
    """What a stranger says."""

    HTTP = "http"
    """It is a web server, and answers anything else by 400."""
    TLS_OF_ITS_OWN = "tls_of_its_own"
    """It ends TLS with a certificate for the broker's names that clients trust, and carries what is inside onward."""


class Stranger(Model):
    """Something that listens on a broker's host beside the broker: where a target port or a device leads by mistake."""

    kind: Literal["stranger"] = "stranger"
    cluster_name: Id
    broker_id: int
    port: Port
    speaks: Speaks
    broker_port: Port = 9094
    """Where the broker listens to whom it carries what it takes."""


class HostsLine(Model):
    """A line of ``/etc/hosts`` on a client's host, which its operating system goes by before it asks a resolver."""

    kind: Literal["hosts_line"] = "hosts_line"
    client: Id
    name: DnsName
    address: IPv4Address


class TakenConnections(Model):
    """Connections that leave a client's host for these ports and end elsewhere, wherever they were sent.

    As a NAT rule or a sidecar there does it.
    """

    kind: Literal["taken_connections"] = "taken_connections"
    client: Id
    first_port: Port
    last_port: Port
    to_address: IPv4Address
    to_port: Port


Disturbance = Annotated[
    LostPackets | ScarceQueries | FrozenBroker | CutOffBroker | TakenPorts | Stranger | HostsLine | TakenConnections,
    Field(discriminator="kind"),
]
"""The world misbehaving where AWS has no setting for it."""


class LabSettings(Model):
    """Settings only the lab reads."""

    unserved: Unserved = Unserved.DROP
    links: tuple[RegionLink, ...] = ()
    """Distances other than the usual ones."""
    name_servers: tuple[NameServer, ...] = ()
    disturbances: tuple[Disturbance, ...] = ()

    def link(self, one: str, other: str) -> RegionLink:
        """What lies between a VPC of one Region and a VPC of the other; either order."""
        for link in self.links:
            if sorted(link.regions) == sorted((one, other)):
                return link
        usual = IN_REGION_DELAY_MS if one == other else CROSS_REGION_DELAY_MS
        # Unchecked: the Regions are a topology's own, and asked for once a link.
        return RegionLink.model_construct(regions=(one, other), one_way_delay_ms=usual)
