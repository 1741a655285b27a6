"""unbound configurations: what a VPC's resolver answers. Pure.

A private zone associated with the VPC answers alone for its names: a name it lacks is NXDOMAIN,
and nothing falls back to public DNS (Route 53 developer guide, private hosted zone considerations).
A VPC without the association sees the broker's public record, which is the address of its ENI.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address

from topology.models import Answers, HostedZone, NameServer, ResolverRule, ResourceRecordSet, Topology, Vpc

_ALIAS_TTL_S = 60
_PUBLIC_TTL_S = 60

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


def configuration(topology: Topology, vpc: Vpc, address: str, aliases: Mapping[str, tuple[IPv4Address, ...]]) -> str:
    """The configuration for one VPC's resolver at ``address``.

    ``id.server`` (CH TXT, RFC 4892) answers :func:`identity` of this text, so that a reload can be
    seen to have taken effect.
    """
    rules = [r for r in topology.resolver_rules if vpc.vpc_id in r.vpc_ids]
    ruled = {r.domain_name.lower() for r in rules}
    private = [z for z in _associated(topology, vpc) if z.name.lower() not in ruled]
    names = [z.name.lower() for z in private]
    public = tuple(_public_records(topology, aliases))
    lines = [*_zone(".", "a.root-servers.net.", _outside(public, "", [*names, *ruled]))]
    for zone in private:
        records = _outside(_private_records(zone, aliases), zone.name, [*names, *ruled])
        lines += _zone(zone.name, "ns-1536.awsdns-00.co.uk.", records)
    clauses: list[str] = []
    for rule in rules:
        inside, beside = _forwarded(topology, rule, public, [*names, *ruled])
        lines += inside
        clauses += beside
    return _whole(address, lines, clauses)


def server_configuration(topology: Topology, server: NameServer, aliases: Mapping[str, tuple[IPv4Address, ...]]) -> str:
    """The configuration of a DNS server that is not AWS's, on a host of a VPC."""
    public = _public_records(topology, aliases)
    return _whole(str(server.address), [*_zone(".", "a.root-servers.net.", _answered(server.answers, public))], [])


def _whole(address: str, lines: Sequence[str], clauses: Sequence[str]) -> str:
    body = _SERVER.format(address=address) + "".join(f"  {line}\n" for line in lines)
    return f'{body}  identity: "{identity(body + "".join(clauses))}"\n{"".join(clauses)}'


def _outside(records: Iterable[str], own: str, zones: Sequence[str]) -> Iterator[str]:
    """Those that no more specific zone than their own covers.

    unbound files a record under the most specific zone it has, and to a client that zone hides it as well.
    """
    narrower = tuple(f".{name}" for name in zones if len(name) > len(own))
    return (r for r in records if not f".{r.split('. ', 1)[0].lower()}".endswith(narrower))


def _forwarded(
    topology: Topology, rule: ResolverRule, public: Iterable[str], zones: Sequence[str]
) -> tuple[list[str], list[str]]:
    """What a rule's targets answer below its domain: lines of the server, and clauses beside it.

    Where nobody is at the targets, that is SERVFAIL. The lab does not have the resolver wait for that: how long
    the Route 53 Resolver waits is not documented.
    """
    domain = rule.domain_name.lower()
    server = next((s for s in topology.lab.name_servers if s.address in rule.target_ips), None)
    if server is None:
        return (
            [f'local-zone: "{domain}." transparent'],
            [f'forward-zone:\n  name: "{domain}."\n  forward-addr: 127.0.0.1@1\n'],
        )
    below = (r for r in public if f".{r.split('. ', 1)[0].lower()}".endswith(f".{domain}"))
    return [*_zone(domain, "ns.example.com.", _answered(server.answers, _outside(below, domain, zones)))], []


def _answered(answers: Answers, public: Iterable[str]) -> Iterator[str]:
    """What a server makes of public records; those of its zones are the only names it is asked for."""
    match answers:
        case Answers.PUBLIC:
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
    yield f'local-zone: "{fqdn}" static'
    yield f'local-data: "{fqdn} 60 IN SOA {server} awsdns-hostmaster.amazon.com. 1 7200 900 1209600 60"'
    for record in records:
        yield f'local-data: "{record}"'


def _public_records(topology: Topology, aliases: Mapping[str, tuple[IPv4Address, ...]]) -> Iterator[str]:
    for cluster in topology.clusters:
        for broker in cluster.brokers:
            yield f"{broker.endpoint}. {_PUBLIC_TTL_S} IN A {broker.client_vpc_ip_address}"
            if broker.ipv6_endpoint is not None and broker.ipv6_address is not None:
                yield f"{broker.ipv6_endpoint}. {_PUBLIC_TTL_S} IN AAAA {broker.ipv6_address}"
    for name, addresses in aliases.items():
        for address in addresses:
            yield f"{name}. {_PUBLIC_TTL_S} IN A {address}"


def _private_records(zone: HostedZone, aliases: Mapping[str, tuple[IPv4Address, ...]]) -> Iterator[str]:
    for record in zone.record_sets:
        yield from _record(record, aliases)


def _record(record: ResourceRecordSet, aliases: Mapping[str, tuple[IPv4Address, ...]]) -> Iterator[str]:
    if record.alias_target is not None:
        # An alias answers for one type only: the target's addresses, with the target's TTL.
        if record.type == "A":
            for address in aliases[record.alias_target.dns_name.lower()]:
                yield f"{record.name}. {_ALIAS_TTL_S} IN A {address}"
        return
    for value in record.resource_records:
        yield f"{record.name}. {record.ttl} IN {record.type} {value}"
