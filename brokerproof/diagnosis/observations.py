"""What names and addresses look like, in words: observations, which judge nothing. Pure.

They are for who verifies a cluster of which nobody has written down what it is: what was found, and which pattern
that probably is, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from brokerproof.diagnosis.readings import CONNECTION_LABELS
from brokerproof.topology.expectation.view import AddressKind, BrokerView, ClientView
from brokerproof.wording import listed

_MSK_NAME: Final = re.compile(r"^b-\d+(?:-\d+)?\.(?:[a-z0-9-]+\.)+c\d+\.kafka\.[a-z0-9-]+\.amazonaws\.com", re.ASCII)
_PRIVATE: Final = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
_SHARED: Final = ip_network("100.64.0.0/10")
_LISTED: Final = 4


def observations(view: ClientView) -> tuple[str, ...]:
    """A line each; nothing where it is known what the addresses are, or none was found."""
    if AddressKind.UNKNOWN not in view.found_as:
        return ()
    found = {a.address for b in view.brokers for a in b.addresses} | {
        a.address for b in view.bootstrap for a in b.addresses
    }
    found.discard("")
    if not found:
        return ()
    return tuple(_lines(view, {ip_address(each) for each in found}))


def _lines(view: ClientView, found: set[IPv4Address | IPv6Address]) -> Iterator[str]:
    kinds = sorted({_kind(address) for address in found})
    shown = [str(address) for address in sorted(found, key=lambda a: (a.version, int(a)))]
    more = f" and {len(shown) - _LISTED} more" if len(shown) > _LISTED else ""
    yield f"addresses: {', '.join(shown[:_LISTED])}{more}; {listed(kinds)}"
    if not view.brokers:
        return
    counts = sorted({len(b.addresses) for b in view.brokers})
    names, ports = {b.name.lower() for b in view.brokers}, sorted({b.port for b in view.brokers})
    same = len({frozenset(a.address for a in b.addresses) for b in view.brokers}) == 1 and len(view.brokers) > 1
    each = f"{counts[0]} address{'' if counts == [1] else 'es'}" if len(counts) == 1 else f"{listed(counts)} addresses"
    told = f"{len(names)} name{'' if len(names) == 1 else 's'} of brokers, {each} each"
    told += ", all the same" if same else ""
    yield f"{told}; port{'' if len(ports) == 1 else 's'} {listed(ports[:_LISTED])}" + (
        " and more" if len(ports) > _LISTED else ""
    )
    yield f"probably {_pattern(view, found, same=same)}"


def _kind(address: IPv4Address | IPv6Address) -> str:
    if address.is_loopback:
        return "this host's own (loopback)"
    if isinstance(address, IPv4Address) and any(address in block for block in _PRIVATE):
        return "private (RFC 1918)"
    if address in _SHARED:
        return "shared address space (RFC 6598)"
    if address.is_link_local:
        return "link-local"
    return "public" if address.is_global else "not public"


def _pattern(view: ClientView, found: set[IPv4Address | IPv6Address], *, same: bool) -> str:
    """Which pattern it probably is, and why."""
    brokers = view.brokers
    several = any(len({a.address for a in b.addresses if ":" not in a.address}) > 1 for b in brokers)
    own_port = len({b.port for b in brokers}) == len(brokers) > 1
    if all(address.is_loopback for address in found):
        return "a cluster on this host, or a forwarded port: its names lead to loopback"
    if not all(_MSK_NAME.match(b.name.lower()) for b in brokers):
        where = "one address with a port for each broker" if same and own_port else "the names are not MSK's"
        return f"no pattern of Amazon MSK: {where}"
    if all(_label(b) in CONNECTION_LABELS for b in brokers):
        return "MSK multi-VPC connectivity (multi_vpc): the names have its label, and ports from 14001 on"
    if same and own_port:
        why = "all names lead to the same addresses, with a port for each broker"
        return f"PrivateLink or a load balancer with one NLB (privatelink_single_nlb): {why}"
    if several:
        return (
            "PrivateLink with an NLB for each broker (privatelink_multi_nlb): each name has several addresses of its "
            "own, and a broker has one interface"
        )
    return (
        "straight to the brokers' interfaces (in_vpc, peering or transit_gateway): each name has one address of its "
        "own, at the port that MSK gives it"
    )


def _label(broker: BrokerView) -> str:
    return ".".join(broker.name.lower().split(".")[1:2])
