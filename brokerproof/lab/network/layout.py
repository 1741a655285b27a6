"""Namespaces and the links between them, while a topology is being laid out. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from brokerproof.lab.network import ipv6, packet_filter
from brokerproof.topology.models import Broker, Client, RegionLink, Topology
from brokerproof.topology.unknown import known

ROUTER = "169.254.1.1"
"""Every ENI's next hop: its VPC's implicit router, at one link-local address on each link."""
_QUEUED_PACKETS = 2000
"""What the kernel may queue for the process that holds packets; at its usual 500, a moment of sleep loses some."""


@dataclass(frozen=True, slots=True)
class Link:
    """A pair of interfaces joining two namespaces."""

    namespace: str
    interface: str
    peer_namespace: str
    peer_interface: str
    distant: bool = False
    """Whether it has a shape; it may then be made of other interfaces."""
    shape: RegionLink | None = field(default=None, compare=False)
    """What it does to packets, which can change while it is in use."""


@dataclass(frozen=True, slots=True)
class Namespace:
    """One network namespace: addresses and routes as ``ip -batch`` lines, and its nftables ruleset."""

    name: str
    ip_lines: tuple[str, ...]
    ruleset: str
    forwards: bool = False
    ipv6: bool = False
    """Whether it needs IPv6 turned on."""
    resolver: str = ""
    """Nameservers that processes entering this namespace are given, separated by spaces."""
    hosts: tuple[str, ...] = ()
    """Lines of their ``/etc/hosts`` beside the host's own names."""
    routing: tuple[str, ...] = ()
    """Rules and routes of route tables, as ``ip -batch`` lines; they need every link and address."""


@dataclass(frozen=True, slots=True)
class NextHop:
    """The other end of a link between two routers, and the interface it is on."""

    address: str
    ipv6_address: str
    interface: str


@dataclass(slots=True)
class Host:
    """A namespace with one or more ENIs while it is being laid out."""

    name: str
    ip_lines: list[str] = field(default_factory=list)
    ruleset: str = ""
    forwards: bool = False
    ipv6: bool = False
    resolver: str = ""
    hosts: tuple[str, ...] = ()
    routing: list[str] = field(default_factory=list)

    def frozen(self) -> Namespace:
        """As it was laid out."""
        return Namespace(
            name=self.name,
            ip_lines=tuple(self.ip_lines),
            ruleset=self.ruleset,
            forwards=self.forwards,
            ipv6=self.ipv6,
            resolver=self.resolver,
            hosts=self.hosts,
            routing=tuple(self.routing),
        )


Place = tuple[str, str]
"""What numbers are given out for, such as the ENIs of a VPC, and who has one."""


class Numbers:
    """The numbers of interfaces and links: who had one in the layout before keeps it, others have the lowest free.

    So what is laid beside something does not rename it, and its connections go on.
    """

    def __init__(self, before: Mapping[Place, int]) -> None:
        self._before = before
        self._given: dict[Place, int] = {}
        self._taken: dict[str, set[int]] = {}
        for (kind, _), number in before.items():
            self._taken.setdefault(kind, set()).add(number)

    def number(self, kind: str, whose: str) -> int:
        """That of one thing; the same each time."""
        place = kind, whose
        if place not in self._given:
            taken = self._taken.setdefault(kind, set())
            free = next(number for number in range(len(taken) + 1) if number not in taken)
            self._given[place] = self._before.get(place, free)
            taken.add(self._given[place])
        return self._given[place]

    @property
    def given(self) -> tuple[tuple[Place, int], ...]:
        """All of this layout."""
        return tuple(self._given.items())


class Layout:
    """Collects hosts and links; one router namespace a VPC."""

    def __init__(self, topology: Topology, before: Mapping[Place, int]) -> None:
        self.topology = topology
        self.links: list[Link] = []
        self.hosts: dict[str, Host] = {}
        self.routers = {
            v.vpc_id: Host(router_name(v.vpc_id), forwards=True, ipv6=bool(v.ipv6_cidr_blocks)) for v in topology.vpcs
        }
        self.enis: dict[str, list[packet_filter.Eni]] = {v.vpc_id: [] for v in topology.vpcs}
        self.numbers = Numbers(before)
        self.next_hops: dict[tuple[str, str], NextHop] = {}
        """(VPC, peering connection or gateway) -> the other side of the link between them."""

    def host(self, name: str) -> Host:
        """The namespace of that name, made the first time."""
        return self.hosts.setdefault(name, Host(name))

    def attach(
        self,
        host: Host,
        interface: str,
        subnet_id: str,
        address: IPv4Address,
        groups: tuple[str, ...],
        *,
        ipv6_address: IPv6Address | None = None,
    ) -> None:
        """Give the host an ENI in a subnet: a link to the VPC's router and a host route there."""
        vpc_id = self.topology.subnet(subnet_id).vpc_id
        enis = self.enis[vpc_id]
        router_side = f"eni{self.numbers.number(vpc_id, f'{host.name} {interface}')}"
        router = self.routers[vpc_id]
        self.links.append(Link(router.name, router_side, host.name, interface))
        enis.append(packet_filter.Eni(router_side, address, groups, subnet_id, ipv6_address))
        before: list[str] = []
        after: list[str] = []
        if ipv6_address is not None:
            before, after = ipv6.router_side(router_side, ipv6_address)
            host.ip_lines += ipv6.host_side(interface, ipv6_address)
            host.ipv6 = True
        router.ip_lines += [
            *before,
            f"addr add {ROUTER}/32 dev {router_side}",
            f"link set {router_side} up",
            f"route add {address}/32 dev {router_side}",
            *after,
        ]
        host.ip_lines += [
            f"addr add {address}/32 dev {interface}",
            f"link set {interface} up",
        ]

    def settle(self, host: Host, placed: Broker | Client) -> None:
        """Give the host its one ENI, and everything by it."""
        match placed:
            case Broker():
                subnet_id, address = placed.client_subnet, placed.client_vpc_ip_address
            case Client():
                subnet_id, address = placed.subnet_id, placed.private_ip_address
        self.attach(host, "eth0", subnet_id, known(address), placed.security_groups, ipv6_address=placed.ipv6_address)
        host.ip_lines.append(f"route add default via {ROUTER} dev eth0 onlink")
        if placed.ipv6_address is not None:
            host.ip_lines.append(ipv6.default_route("eth0"))

    def settle_server(self, host: Host, subnet_id: str, address: IPv4Address) -> None:
        """Give a host that is neither broker nor client its one ENI, in no security group."""
        self.attach(host, "eth0", subnet_id, address, ())
        host.ip_lines.append(f"route add default via {ROUTER} dev eth0 onlink")

    def joint(self, host: Host, interface: str, peer: Host) -> int:
        """The number of the link between two hosts that is on this interface of the first."""
        return self.numbers.number("joints", f"{host.name} {interface} {peer.name}")

    def join(
        self, host: Host, interface: str, peer: Host, peer_interface: str, *, regions: tuple[str, str]
    ) -> tuple[str, str]:
        """Join two hosts, in these Regions, by a link-local pair outside every VPC; gives both addresses.

        Where both have IPv6, :data:`brokerproof.lab.network.ipv6.JOINED` are theirs.
        """
        base = int(IPv4Address("169.254.128.0")) + 4 * self.joint(host, interface, peer)
        ours, theirs = str(IPv4Address(base + 1)), str(IPv4Address(base + 2))
        shape = self.topology.lab.link(*regions)
        if shape.is_plain:
            self.links.append(Link(host.name, interface, peer.name, peer_interface))
        else:
            self.links.append(Link(host.name, interface, peer.name, peer_interface, distant=True, shape=shape))
        queue = "" if shape.is_plain else f" txqueuelen {_QUEUED_PACKETS}"
        for end, (side, name, address) in enumerate(((host, interface, ours), (peer, peer_interface, theirs))):
            if host.ipv6 and peer.ipv6:
                side.ip_lines += ipv6.joined(name, end)
            side.ip_lines += [f"addr add {address}/30 dev {name}", f"link set {name} up{queue}"]
        return ours, theirs


def namespace_name(resource_id: str) -> str:
    """The resource's id where a file may be called so; otherwise what is legible of it, and a digest."""
    if re.fullmatch(r"[A-Za-z0-9._-]{1,60}", resource_id):
        return resource_id
    legible = re.sub(r"[^A-Za-z0-9]+", "-", resource_id)[-40:].strip("-")
    return f"{legible}-{hashlib.sha256(resource_id.encode()).hexdigest()[:8]}"


def router_name(vpc_id: str) -> str:
    """The namespace of a VPC's router."""
    return namespace_name(f"r-{vpc_id}")
