"""unbound configurations: what a VPC's resolver answers. Pure.

A private zone associated with the VPC answers alone for its names: a name it lacks is NXDOMAIN,
and nothing falls back to public DNS (Route 53 developer guide, private hosted zone considerations).
A VPC without the association sees the broker's public record, which is the address of its ENI.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address

from brokerproof.lab.errors import LabError
from brokerproof.topology.models import (
    Answers,
    HostedZone,
    NameServer,
    ResolverRule,
    ResourceRecordSet,
    Topology,
    Vpc,
)

Aliases = Mapping[str, tuple[IPv4Address | IPv6Address, ...]]
"""Every name an alias may point to, with its addresses."""

_SHORT_BYTES = 81
"""Room for the question of a broker's name, and for what the lab asks (:func:`identity`); not for an address."""
_ALIAS_TTL_S = 60
_PUBLIC_TTL_S = 60

_MSK_API = IPv4Address("203.0.113.80")
"""Of the MSK API, which the lab has in name alone: an address for documentation (RFC 5737)."""

_NOWHERE = "forward-zone:\n  name: {name}\n  forward-addr: 127.0.0.1@1\n"
"""Asked for there, a name is answered by SERVFAIL: unbound asks no server of its own host."""

_SERVER = """\
server:
  interface: {address}
  port: 53
  do-ip6: no
  do-daemonize: no
  username: ""
  chroot: ""
  pidfile: ""
  use-syslog: no
  logfile: ""
  verbosity: 0
  num-threads: 1
  so-reuseport: no
  access-control: 0.0.0.0/0 allow
  module-config: "iterator"
  rrset-roundrobin: yes
  hide-identity: no
"""


def configuration(topology: Topology, vpc: Vpc, address: str, aliases: Aliases) -> str:
    """The configuration for one VPC's resolver at ``address``.

    ``id.server`` (CH TXT, RFC 4892) answers :func:`identity` of this text, so that a reload can be
    seen to have taken effect.
    """
    rules = [r for r in topology.resolver_rules if vpc.vpc_id in r.vpc_ids]
    ruled = {r.domain_name.lower() for r in rules}
    private = [z for z in _associated(topology, vpc) if z.name.lower() not in ruled]
    failing = [name for zone in private for name in _loops(zone)]
    failing += [r.domain_name.lower() for r in rules if _target_of(topology, r) is None]
    every = [*(z.name.lower() for z in private), *ruled, *failing]
    public = tuple(_public_records(topology, aliases))
    lines = [*_zone(".", "a.root-servers.net.", _outside(public, "", every))]
    for zone in private:
        records = _outside(_private_records(zone, aliases), zone.name, every)
        lines += _zone(zone.name, "ns-1536.awsdns-00.co.uk.", records)
    for rule in rules:
        server = _target_of(topology, rule)
        if server is not None:
            below = (r for r in public if f".{_owner(r)}".endswith(f".{rule.domain_name.lower()}"))
            known = _answered(server.answers, _outside(below, rule.domain_name, every))
            lines += _zone(rule.domain_name, "ns.example.com.", known)
    lines += [f"local-zone: {_quoted(f'{name}.')} transparent" for name in failing]
    return _whole(address, lines, [_NOWHERE.format(name=_quoted(f"{name}.")) for name in failing])


def server_configuration(topology: Topology, server: NameServer, aliases: Aliases) -> str:
    """The configuration of a DNS server that is not AWS's, on a host of a VPC."""
    public = _public_records(topology, aliases)
    short = [f"max-udp-size: {_SHORT_BYTES}", "do-tcp: no"] if server.answers is Answers.CUT_SHORT else []
    lines = [*short, *_zone(".", "a.root-servers.net.", _answered(server.answers, public))]
    return _whole(str(server.address), lines, [])


def _owner(record: str) -> str:
    return record.split(". ", 1)[0].lower()


def _whole(address: str, lines: Sequence[str], clauses: Sequence[str]) -> str:
    body = _SERVER.format(address=address) + "".join(f"  {line}\n" for line in lines)
    return f'{body}  identity: "{identity(body + "".join(clauses))}"\n{"".join(clauses)}'


def _outside(records: Iterable[str], own: str, zones: Sequence[str]) -> Iterator[str]:
    """Those that no more specific zone than their own covers.

    unbound files a record under the most specific zone it has, and to a client that zone hides it as well.
    """
    narrower = tuple(f".{name}" for name in zones if len(name) > len(own))
    return (r for r in records if not f".{_owner(r)}".endswith(narrower))


def _target_of(topology: Topology, rule: ResolverRule) -> NameServer | None:
    """The server that a rule leads to; where nobody is at its targets, the answer is SERVFAIL.

    The lab does not have the resolver wait for that: how long the Route 53 Resolver waits is not documented.
    """
    return next((s for s in topology.lab.name_servers if s.address in rule.target_ips), None)


def _loops(zone: HostedZone) -> Iterator[str]:
    """Names whose CNAMEs lead back to themselves: a resolver gives up on them, with SERVFAIL."""
    cnames = {
        r.name.lower(): r.resource_records[0].rstrip(".").lower()
        for r in zone.record_sets
        if r.type == "CNAME" and r.resource_records
    }
    for start in cnames:
        name, seen = start, set[str]()
        while name in cnames and name not in seen:
            seen.add(name)
            name = cnames[name]
        if name in seen:
            yield start


def _answered(answers: Answers, public: Iterable[str]) -> Iterator[str]:
    """What a server makes of public records; those of its zones are the only names it is asked for."""
    match answers:
        case Answers.PUBLIC | Answers.CUT_SHORT:
            yield from public
        case Answers.UNKNOWN_NAMES:
            return
        case Answers.WITHOUT_PRIVATE_ADDRESSES:
            for name in dict.fromkeys(record.split(". ", 1)[0] for record in public):
                yield f"{name}. {_PUBLIC_TTL_S} IN TXT filtered"  # the name is there, its addresses are not


def _associated(topology: Topology, vpc: Vpc) -> tuple[HostedZone, ...]:
    """Private zones the VPC uses; none unless both DNS attributes are on (Route 53 developer guide)."""
    if not (vpc.enable_dns_support and vpc.enable_dns_hostnames):
        return ()
    return tuple(z for z in topology.hosted_zones if vpc.vpc_id in z.vpc_ids)


def identity(body: str) -> str:
    """A short digest of a configuration."""
    return hashlib.sha256(body.encode()).hexdigest()[:16]


def identity_of(text: str) -> str:
    """The identity a configuration made by :func:`configuration` announces."""
    return text.rsplit('identity: "', 1)[1].split('"', 1)[0]


def _zone(name: str, server: str, records: Iterable[str]) -> Iterator[str]:
    fqdn = name if name.endswith(".") else f"{name}."
    yield f"local-zone: {_quoted(fqdn)} static"
    soa = f"{fqdn} 60 IN SOA {server} awsdns-hostmaster.amazon.com. 1 7200 900 1209600 60"
    for record in (soa, *records):
        yield f"local-data: {_quoted(record)}"


def _quoted(text: str) -> str:
    """The text between quotes, which it cannot end: unbound has no way to escape them (unbound.conf(5)).

    Raises:
        LabError: it could. The model refuses such text; a topology that was made without it may have some.
    """
    if not text.isprintable() or '"' in text or "\\" in text:
        raise LabError(f"{text!a} cannot be in a resolver's configuration: quotes, backslashes, control characters")
    return f'"{text}"'


def _public_records(topology: Topology, aliases: Aliases) -> Iterator[str]:
    for region in sorted({vpc.region_name for vpc in topology.vpcs}):
        yield f"kafka.{region}.amazonaws.com. {_PUBLIC_TTL_S} IN A {_MSK_API}"
    for cluster in topology.clusters:
        for broker in cluster.brokers:
            yield f"{broker.endpoint}. {_PUBLIC_TTL_S} IN A {broker.client_vpc_ip_address}"
            if broker.ipv6_endpoint is not None and broker.ipv6_address is not None:
                yield f"{broker.ipv6_endpoint}. {_PUBLIC_TTL_S} IN AAAA {broker.ipv6_address}"
    for name, addresses in aliases.items():
        for address in addresses:
            yield f"{name}. {_PUBLIC_TTL_S} IN {_type(address)} {address}"


def _private_records(zone: HostedZone, aliases: Aliases) -> Iterator[str]:
    for record in zone.record_sets:
        yield from _record(record, aliases)


def _record(record: ResourceRecordSet, aliases: Aliases) -> Iterator[str]:
    if record.alias_target is not None:
        # An alias answers for one type only: the target's addresses, with the target's TTL.
        for address in aliases[record.alias_target.dns_name.lower()]:
            if record.type == _type(address):
                yield f"{record.name}. {_ALIAS_TTL_S} IN {record.type} {address}"
        return
    for value in record.resource_records:
        yield f"{record.name}. {record.ttl} IN {record.type} {value}"


def _type(address: IPv4Address | IPv6Address) -> str:
    """The type of the record that holds an address."""
    return "A" if isinstance(address, IPv4Address) else "AAAA"
