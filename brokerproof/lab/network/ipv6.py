"""IPv6 of a lab beside its IPv4, as ``ip -batch`` lines; a topology without IPv6 has none of them. Pure.

Addresses are usable at once: the link-local ones are given, not made, and nothing waits for duplicate
address detection. Lines that begin with ``-6`` are for the command's IPv6 side (rules have no address to
tell the family by).
"""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import Final

ROUTER = "fe80::1"
"""Every ENI's next hop: its VPC's implicit router, at one link-local address on each link."""
_HOST = "fe80::2"
JOINED = (ROUTER, _HOST)
"""Both ends of a link between two routers."""
_PAIRS: Final = IPv6Address("fd00:a9fe::")
"""Links between an endpoint and an NLB: NAT leads to an address, and a link-local one is ambiguous without its link."""


def router_side(interface: str, address: IPv6Address) -> tuple[list[str], list[str]]:
    """The router's end of an ENI's link: lines for before it is up, and after."""
    return _interface(interface, ROUTER), [f"route add {address}/128 dev {interface}"]


def host_side(interface: str, address: IPv6Address) -> list[str]:
    """The ENI itself, for before it is up."""
    return [*_interface(interface, _HOST), f"addr add {address}/128 dev {interface} nodad"]


def default_route(interface: str, *, table: int | None = None) -> str:
    """Everything to the VPC's router."""
    return f"route add default via {ROUTER} dev {interface}{'' if table is None else f' table {table}'}"


def joined(interface: str, end: int) -> list[str]:
    """One end of a link between two routers, for before it is up."""
    return _interface(interface, JOINED[end])


def pair(index: int) -> tuple[IPv6Address, IPv6Address]:
    """Both addresses of the index-th link between an endpoint and an NLB, of a /126."""
    return _PAIRS + 4 * index + 1, _PAIRS + 4 * index + 2


def pair_address(interface: str, address: IPv6Address) -> str:
    """One end's address, for after the link is up."""
    return f"addr add {address}/126 dev {interface} nodad"


def rule(text: str) -> str:
    """A routing rule of IPv6."""
    return f"-6 rule add {text}"


def _interface(name: str, address: str) -> list[str]:
    return [f"link set {name} addrgenmode none", f"addr add {address}/64 dev {name} nodad"]
