"""nftables rulesets: security groups in a VPC's router, the NLB's layer-4 pass-through, the endpoint's. Pure.

An NLB TCP listener passes layer 4 through: refused, silent and reset come from the target itself.
So it is DNAT plus source NAT here, never a proxy, which would accept before its target does.
nft 1.0.6 wants every closing brace on its own line or after a semicolon.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from brokerproof.lab.daemons.kafka_config import REPLICATION_PORT
from brokerproof.lab.network import acl, disturbance
from brokerproof.topology.acl import connects
from brokerproof.topology.models import (
    BrokerState,
    IpPermission,
    Listener,
    LoadBalancer,
    SecurityGroup,
    TargetGroup,
    Topology,
    Unserved,
    Vpc,
)

# An unreachable host or a closed path is silent in a VPC. Path MTU messages are kept.
_SILENT_ROUTER = """\
  chain output {
    type filter hook output priority 0
    icmp type destination-unreachable icmp code != frag-needed drop
  }
"""
_SILENT_IPV6 = """\
  chain output_ipv6 {
    type filter hook output priority 0
    icmpv6 type destination-unreachable drop
  }
"""
_NEIGHBOURS = "    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept"

_FIRST_PROXY_PORT = 20000
_MOST_ENTRIES = 64

ProxiedListener = tuple[int, int, tuple[tuple[str, int], ...]]
"""Where the process listens, the mark that its connections leave by, and the targets."""

Members = dict[str, tuple[IPv4Address | IPv6Address, ...]]
"""Addresses of the ENIs in each security group."""


@dataclass(frozen=True, slots=True)
class Eni:
    """An ENI as its VPC's router sees it."""

    interface: str
    address: IPv4Address
    security_groups: tuple[str, ...]
    subnet_id: str
    ipv6_address: IPv6Address | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """Where connections come in to an NLB: an interface, its zone's mark, and the addresses they are sent to."""

    interface: str
    mark: int
    zone_id: str
    address: str
    ipv6_address: IPv6Address | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """An NLB node: where connections to targets leave, and from which address of their family."""

    interface: str
    mark: int
    address: str
    ipv6_address: IPv6Address | None = None


@dataclass(frozen=True, slots=True)
class Forward:
    """One endpoint ENI and the NLB node of its zone."""

    interface: str
    mark: int
    address: str
    inner_interface: str
    nlb_address: str
    ipv6_address: IPv6Address | None = None
    nlb_ipv6_address: IPv6Address | None = None


def vpc_router(enis: Sequence[Eni], members: Members, topology: Topology, vpc: Vpc, *, ipv6: bool = False) -> str:
    """Security groups, evaluated at the ENI: the sender's egress, then the receiver's ingress.

    Stateful: what belongs to a known connection passes. What no rule allows is dropped in silence.
    """
    groups = {g.group_id: g for g in topology.security_groups}
    leave = [f'    iifname "{e.interface}" jump from_{e.interface}' for e in enis if e.security_groups]
    arrive = [
        f'    oifname "{e.interface}" {f"goto to_{e.interface}" if e.security_groups else "accept"}' for e in enis
    ]
    chains: list[str] = []
    for eni in enis:
        if eni.security_groups:
            own = [groups[g] for g in eni.security_groups]
            chains += _chain(f"from_{eni.interface}", _matches(own, members, egress=True, ipv6=ipv6), allowed="return")
            chains += _chain(f"to_{eni.interface}", _matches(own, members, egress=False, ipv6=ipv6), allowed="accept")
    interfaces: dict[str, list[str]] = {}
    for eni in enis:
        interfaces.setdefault(eni.subnet_id, []).append(eni.interface)
    body = "\n".join(
        [
            *disturbance.lost_packets(topology, vpc, {e.address: e.interface for e in enis}),
            *acl.chains(topology, interfaces, ipv6=ipv6),
            "  chain forward {",
            "    type filter hook forward priority 0; policy drop",
            "    ct state established,related accept",
            *leave,
            *arrive,
            '    oifname { "pcx*", "tgw*" } accept',  # leaving the VPC: the other side's groups decide
            "  }",
            "  chain input {",
            "    type filter hook input priority 0; policy drop",
            *disturbance.queries(topology, vpc),
            "    ct state established,related accept",
            *([_NEIGHBOURS] if ipv6 else []),
            "    udp dport 53 accept",
            "    tcp dport 53 accept",
            '    iifname "lo" accept',
            "  }",
            *chains,
        ]
    )
    return _table(body + "\n" + _SILENT_ROUTER, ipv6=ipv6)


def load_balancer(
    topology: Topology, balancer: LoadBalancer, entries: Sequence[Entry], nodes: Sequence[Node], *, ipv6: bool = False
) -> str:
    """Listeners as DNAT, within a family. Without cross-zone a node only uses the targets of its own zone."""
    dnat = [rule for entry in entries for rule in _listener_rules(topology, balancer, entry, ipv6=ipv6)]
    # What no listener takes is marked too, so that a reset leaves by the node that was asked.
    dnat += [f'    iifname "{e.interface}" meta mark set {e.mark} ct mark set {e.mark}' for e in entries]
    snat = [f'    meta mark {n.mark} oifname "{n.interface}" snat {_to(n.address, ipv6=ipv6)}' for n in nodes]
    snat += [
        f'    meta mark {n.mark} oifname "{n.interface}" snat ip6 to {n.ipv6_address}' for n in nodes if n.ipv6_address
    ]
    unserved = "    meta l4proto tcp reject with tcp reset" if topology.lab.unserved is Unserved.RESET else ""
    full = disturbance.takes_no_connection(topology, balancer.load_balancer_name)
    nat = _marked_nat(dnat, snat, taken="new" if full else "", ipv6=ipv6)
    if any(topology.target_group(e.target_group_name).proxy_protocol_v2_enabled for e in balancer.listeners):
        nat = [*nat, "    ct status dnat accept"]
    body = "\n".join([*nat, "    ct state established,related accept", unserved, "  }"])
    return _table(body + "\n" + _SILENT_ROUTER, ipv6=ipv6)


def endpoint(
    forwards: Sequence[Forward], admitted: Sequence[str] = ("meta l4proto tcp",), *, ipv6: bool = False
) -> str:
    """Each endpoint ENI hands every TCP connection to the NLB node of its zone, which decides.

    ``admitted`` are matches of what the NLB's own groups let in by endpoints (:func:`by_private_link`).
    They look at the client's address, which the NLB's namespace does not see.
    """
    dnat = [
        f'    iifname "{f.interface}" ip daddr {f.address} {match}'
        f" meta mark set {f.mark} ct mark set {f.mark} dnat {_to(f.nlb_address, ipv6=ipv6)}"
        for f in forwards
        for match in admitted
        if not match.startswith("ip6 ")
    ]
    dnat += [
        f'    iifname "{f.interface}" ip6 daddr {f.ipv6_address} {match}'
        f" meta mark set {f.mark} ct mark set {f.mark} dnat ip6 to {f.nlb_ipv6_address}"
        for f in forwards
        if f.nlb_ipv6_address is not None
        for match in admitted
        if not match.startswith("ip ")
    ]
    snat = [f'    oifname "{f.inner_interface}" masquerade' for f in forwards]
    body = "\n".join([*_marked_nat(dnat, snat, ipv6=ipv6), "    ct state established,related accept", "  }"])
    return _table(body + "\n" + _SILENT_ROUTER, ipv6=ipv6)


def _to(address: str, *, ipv6: bool) -> str:
    """Where NAT leads over IPv4; a table of both families needs the family."""
    return f"{'ip ' if ipv6 else ''}to {address}"


def by_private_link(topology: Topology, balancer: LoadBalancer, members: Members, *, ipv6: bool = False) -> list[str]:
    """What the NLB's security groups let in by endpoints, as matches; everything where they are not asked.

    That is without groups, or where ``enforce_security_group_inbound_rules_on_private_link_traffic`` is off (ELB
    guide, security groups of Network Load Balancers).
    """
    enforced = balancer.enforce_security_group_inbound_rules_on_private_link_traffic == "on"
    if not balancer.security_groups or not enforced:
        return ["meta l4proto tcp"]
    groups = [g for g in topology.security_groups if g.group_id in balancer.security_groups]
    matches = _matches(groups, members, egress=False, ipv6=ipv6)
    return [m if " tcp " in m else f"{m} meta l4proto tcp" for m in matches if " udp " not in m and "icmp" not in m]


def transit_gateway(*, ipv6: bool = False) -> str:
    """A gateway forwards what its tables know, and is silent about the rest."""
    return _table(_SILENT_ROUTER, ipv6=ipv6)


def _table(body: str, *, ipv6: bool = False) -> str:
    """The whole ruleset of a namespace, replacing what was there in one transaction."""
    if ipv6:
        return f"flush ruleset\ntable inet brokerproof {{\n{body}{_SILENT_IPV6}}}\n"
    return f"flush ruleset\ntable ip brokerproof {{\n{body}}}\n"


def _marked_nat(dnat: list[str], snat: list[str], *, taken: str = "", ipv6: bool) -> list[str]:
    """NAT chains, the mark restored for answers, and an input chain left open for the caller to close.

    ``taken``: the states of connections that no port is left for.
    """
    return [
        "  chain restore {",
        "    type filter hook prerouting priority -150",
        "    meta mark set ct mark",
        "  }",
        "  chain prerouting {",
        "    type nat hook prerouting priority -100",
        *dnat,
        "  }",
        "  chain postrouting {",
        "    type nat hook postrouting priority 100",
        *snat,
        "  }",
        "  chain forward {",
        "    type filter hook forward priority 0; policy drop",
        *([f"    ct state {taken} drop"] if taken else []),
        "    ct status dnat accept",
        "  }",
        "  chain input {",
        "    type filter hook input priority 0; policy drop",
        *([_NEIGHBOURS] if ipv6 else []),
    ]


def _listener_rules(topology: Topology, balancer: LoadBalancer, entry: Entry, *, ipv6: bool) -> Iterator[str]:
    """A listener is met at the entry's address of its targets' family; between families nothing is translated here."""
    for position, listener in enumerate(balancer.listeners):
        group = topology.target_group(listener.target_group_name)
        six = group.ip_address_type == "ipv6"
        targets = _targets(topology, balancer, listener, entry.zone_id)
        if not targets or (six and entry.ipv6_address is None):
            continue
        if _has_proxy(group):
            to = f"redirect to :{_proxy_port(position, entry)}"
        elif len(targets) == 1:
            [(one, at)] = targets
            to = f"dnat ip6 to [{one}]:{at}" if six else f"dnat {_to(f'{one}:{at}', ipv6=ipv6)}"
        else:
            choice = ", ".join(f"{i} : {address} . {port}" for i, (address, port) in enumerate(targets))
            to = f"dnat {'ip6' if six else 'ip'} to numgen inc mod {len(targets)} map {{ {choice} }}"
        met = f"ip6 daddr {entry.ipv6_address}" if six else f"ip daddr {entry.address}"
        yield (
            f'    iifname "{entry.interface}" {met} tcp dport {listener.port}'
            f" meta mark set {entry.mark} ct mark set {entry.mark} {to}"
        )


def _targets(topology: Topology, balancer: LoadBalancer, listener: Listener, zone_id: str) -> list[tuple[str, int]]:
    """What a node of that zone sends connections to."""
    zone_of_target = {
        address: topology.zone_of(b.client_subnet)
        for c in topology.clusters
        for b in c.brokers
        for address in (b.client_vpc_ip_address, b.ipv6_address)
    }
    group = topology.target_group(listener.target_group_name)
    reachable = [
        (t.id, t.port or group.port)
        for t in group.targets
        if balancer.cross_zone_enabled or zone_of_target.get(t.id, zone_id) == zone_id
    ]
    healthy = [(a, port) for a, port in reachable if health(topology, balancer, a, port)]
    # With every target unhealthy the NLB fails open and uses them all.
    return [(str(address), port) for address, port in healthy or reachable]


def _has_proxy(group: TargetGroup) -> bool:
    """Whether a process stands before the targets; the lab has none for IPv6."""
    return group.proxy_protocol_v2_enabled and group.ip_address_type != "ipv6"


def proxied(topology: Topology, balancer: LoadBalancer, entries: Sequence[Entry]) -> Iterator[ProxiedListener]:
    """What a process must do for target groups with PROXY protocol, an entry a zone and listener."""
    for position, listener in enumerate(balancer.listeners):
        if _has_proxy(topology.target_group(listener.target_group_name)):
            for entry in {e.mark: e for e in entries}.values():
                targets = _targets(topology, balancer, listener, entry.zone_id)
                if targets:
                    yield _proxy_port(position, entry), entry.mark, tuple(targets)


def _proxy_port(position: int, entry: Entry) -> int:
    return _FIRST_PROXY_PORT + position * _MOST_ENTRIES + entry.mark


def health(topology: Topology, balancer: LoadBalancer, address: IPv4Address | IPv6Address, port: int) -> bool:
    """What the NLB's TCP health check finds: the broker runs, listens there, and admits the NLB's nodes.

    Admission is the security groups' and the network ACLs'.

    Evaluated, not probed, so that a change shows at once instead of after AWS's intervals (ELB guide,
    health checks for Network Load Balancer target groups).
    """
    six = isinstance(address, IPv6Address)
    sources = ((z.subnet_id, z.ipv6_address if six else z.private_ipv4_address) for z in balancer.availability_zones)
    nodes = [(subnet_id, node) for subnet_id, node in sources if node is not None]
    groups = {g.group_id: g for g in topology.security_groups}
    for cluster in topology.clusters:
        for broker in cluster.brokers:
            if address in (broker.client_vpc_ip_address, broker.ipv6_address):
                bound = {(REPLICATION_PORT, False), *((entry.port, entry.ipv6) for entry in cluster.listeners)}
                listens = (port, six) in bound
                rules = [r for g in broker.security_groups for r in groups[g].ingress]
                admitted = not broker.security_groups or all(any(admits(r, n, port) for r in rules) for _, n in nodes)
                target = (broker.client_subnet, address)
                passes = all(connects(topology, node, target, port) for node in nodes)
                return broker.state is BrokerState.RUNNING and listens and admitted and passes
    return False


def admits(rule: IpPermission, source: IPv4Address | IPv6Address, port: int) -> bool:
    """Whether a rule with a CIDR peer lets TCP to this port in from this source."""
    block = rule.cidr_ipv4 if isinstance(source, IPv4Address) else rule.cidr_ipv6
    if block is None or source not in block:
        return False
    return rule.ip_protocol == "-1" or (rule.ip_protocol == "tcp" and rule.from_port <= port <= rule.to_port)


def _chain(name: str, matches: list[str], *, allowed: str) -> list[str]:
    return [f"  chain {name} {{", *(f"    {m} {allowed}" for m in matches), "    drop", "  }"]


def _matches(groups: list[SecurityGroup], members: Members, *, egress: bool, ipv6: bool) -> list[str]:
    rules = [rule for group in groups for rule in (group.egress if egress else group.ingress)]
    side = "daddr" if egress else "saddr"
    peers = ((rule, peer) for rule in rules for peer in _peers(rule, members, side))
    return [_match(rule, peer) for rule, peer in peers if ipv6 or not peer.startswith("ip6")]


def _peers(rule: IpPermission, members: Members, side: str) -> Iterator[str]:
    """The far side of a rule, a match a family; none for a group without members, which allows nobody."""
    if rule.cidr_ipv4 is not None:
        yield f"ip {side} {rule.cidr_ipv4}"
    if rule.cidr_ipv6 is not None:
        yield f"ip6 {side} {rule.cidr_ipv6}"
    addresses = members.get(rule.referenced_group_id or "", ())
    for family, kind in (("ip", IPv4Address), ("ip6", IPv6Address)):
        own = [str(a) for a in addresses if isinstance(a, kind)]
        if own:
            yield f"{family} {side} {{ {', '.join(own)} }}"


def _match(rule: IpPermission, peer: str) -> str:
    match rule.ip_protocol:
        case "-1":
            return peer
        case "icmp":
            return f"{peer} ip protocol icmp"
        case "tcp" | "udp":
            return f"{peer} {rule.ip_protocol} dport {rule.from_port}-{rule.to_port}"
