"""unbound configurations: what a VPC's resolver answers. Pure.

A private zone associated with the VPC answers alone for its names: a name it lacks is NXDOMAIN,
and nothing falls back to public DNS (Route 53 developer guide, private hosted zone considerations).
A VPC without the association sees the broker's public record, which is the address of its ENI.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address

from topology.models import HostedZone, ResourceRecordSet, Topology, Vpc

Aliases = Mapping[str, tuple[IPv4Address | IPv6Address, ...]]
"""Every name an alias may point to, with its addresses."""

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


def configuration(topology: Topology, vpc: Vpc, address: str, aliases: Aliases) -> str:
    """The configuration for one VPC's resolver at ``address``.

    ``id.server`` (CH TXT, RFC 4892) answers :func:`identity` of this text, so that a reload can be
    seen to have taken effect.
    """
    private = _associated(topology, vpc)
    covered = tuple(f".{z.name.lower()}" for z in private)
    # unbound files a record under the most specific zone it has, so a public record inside an
    # associated private zone must not be given at all: that zone hides it.
    public = (r for r in _public_records(topology, aliases) if not f".{r.split('. ', 1)[0].lower()}".endswith(covered))
    lines = [*_zone(".", "a.root-servers.net.", public)]
    for zone in private:
        lines += _zone(zone.name, "ns-1536.awsdns-00.co.uk.", _private_records(zone, aliases))
    body = _SERVER.format(address=address) + "".join(f"  {line}\n" for line in lines)
    return f'{body}  identity: "{identity(body)}"\n'


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


def _zone(name: str, server: str, records: Iterator[str]) -> Iterator[str]:
    fqdn = name if name.endswith(".") else f"{name}."
    yield f'local-zone: "{fqdn}" static'
    yield f'local-data: "{fqdn} 60 IN SOA {server} awsdns-hostmaster.amazon.com. 1 7200 900 1209600 60"'
    for record in records:
        yield f'local-data: "{record}"'


def _public_records(topology: Topology, aliases: Aliases) -> Iterator[str]:
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
