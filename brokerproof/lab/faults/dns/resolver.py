"""Faults of the resolver that a client asks: its VPC's own, rules of it, or another server."""

from __future__ import annotations

from functools import partial
from ipaddress import IPv4Address
from typing import Final

from brokerproof.causes.codes import Code
from brokerproof.lab.faults.fault import (
    EVERY,
    GATEWAY,
    IN_VPC,
    MULTI_VPC,
    PEERING,
    PRIVATELINK,
    STRAIGHT,
    Fault,
    FaultLayer,
    afflicted,
)
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.topology.edit import with_added, with_changed, with_disturbances, with_name_servers
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.models import Answers, NameServer, ResolverRule, ScarceQueries, Topology, Vpc

_ON_PREMISES: Final = IPv4Address("192.168.0.53")


def _with_vpc(topology: Topology, **changes: object) -> Topology:
    """The afflicted client's VPC, changed."""
    vpc_id = afflicted(topology).vpc_id

    def chosen(vpc: Vpc) -> bool:
        return vpc.vpc_id == vpc_id

    return with_changed(topology, "vpcs", chosen, **changes)


def _no_hostnames(topology: Topology) -> Topology:
    return _with_vpc(topology, enable_dns_hostnames=False)


def _no_support(topology: Topology) -> Topology:
    return _with_vpc(topology, enable_dns_support=False)


def _scarce(packets_per_s: int, topology: Topology) -> Topology:
    vpc_id = afflicted(topology).vpc_id
    return with_disturbances(topology, ScarceQueries(vpc_id=vpc_id, packets_per_s=packets_per_s))


def _forwarded(answers: Answers | None, topology: Topology) -> Topology:
    """A rule for the client's names to a server on premises; None: nobody answers there.

    A zone that is more specific than a rule wins over it, so the rule is for what is right above the names.
    """
    client = afflicted(topology)
    name = expect(topology, client.name).brokers[0].name
    rule = ResolverRule(
        resolver_rule_id="rslvr-rr-fault",
        domain_name=name.partition(".")[2],
        target_ips=(_ON_PREMISES,),
        vpc_ids=(client.vpc_id,),
    )
    servers = () if answers is None else (NameServer(address=_ON_PREMISES, answers=answers),)
    return with_name_servers(with_added(topology, "resolver_rules", rule), *servers)


def _own_server(answers: Answers, topology: Topology) -> Topology:
    """A DNS server on a host of the client's subnet, given to hosts by DHCP; it does not ask the VPC's resolver."""
    client = afflicted(topology)
    address = IPv4Address(int(topology.subnet(client.subnet_id).cidr_block.network_address) + 53)
    server = NameServer(address=address, subnet_id=client.subnet_id, answers=answers)
    return with_name_servers(_with_vpc(topology, domain_name_servers=(address,)), server)


def _dead_first(topology: Topology) -> Topology:
    """DHCP gives hosts two nameservers: an address that nobody has, and the VPC's own resolver."""
    client = afflicted(topology)
    nobody = IPv4Address(int(topology.subnet(client.subnet_id).cidr_block.network_address) + 53)
    own = IPv4Address(int(topology.vpc(client.vpc_id).cidr_blocks[0].network_address) + 2)
    return _with_vpc(topology, domain_name_servers=(nobody, own))


_fault = partial(Fault, layer=FaultLayer.DNS, stage=Stage.RESOLVE)

FAULTS: Final = (
    _fault(
        "dns-hostnames-off",
        "The client VPC has enableDnsHostnames off, so it uses no private zone.",
        _no_hostnames,
        Code.DNS_VPC_ATTRIBUTES_OFF,
        patterns=(*PRIVATELINK, *MULTI_VPC),
        reasons=(None, Reason.NXDOMAIN),
        alike={
            PRIVATELINK: (Code.DNS_ZONE_NOT_ASSOCIATED, Code.DNS_RESOLVER_RULE),
            MULTI_VPC: (Code.DNS_NO_VPC_CONNECTION, Code.DNS_RESOLVER_RULE),
        },
    ),
    _fault(
        "dns-support-off",
        "The client VPC has enableDnsSupport off, so it has no resolver.",
        _no_support,
        Code.DNS_VPC_ATTRIBUTES_OFF,
        patterns=EVERY,
        reasons=(Reason.TIMED_OUT,),
        alike=(Code.DNS_RESOLVER_SILENT,),
    ),
    _fault(
        "resolver-silent",
        "The client VPC's resolver answers nothing.",
        partial(_scarce, 0),
        Code.DNS_RESOLVER_SILENT,
        patterns=EVERY,
        reasons=(Reason.TIMED_OUT,),
        alike=(Code.DNS_VPC_ATTRIBUTES_OFF,),
    ),
    _fault(
        "resolver-throttled",
        "The client VPC's resolver takes one query a second; the quota is used up by others.",
        partial(_scarce, 1),
        Code.DNS_QUERIES_THROTTLED,
        patterns=EVERY,
        reasons=(Reason.TIMED_OUT, Reason.OS_RESOLUTION_FAILED),
        by_chance=True,
        spreads=True,
        alike=(Code.DNS_RESOLVER_RULE, Code.DNS_RESOLVER_SILENT, Code.TCP_PACKET_LOSS),
    ),
    _fault(
        "resolver-rule-unanswered",
        "A resolver rule sends the cluster's names to servers that are not there.",
        partial(_forwarded, None),
        Code.DNS_RESOLVER_RULE,
        patterns=EVERY,
        reasons=(Reason.SERVFAIL,),
        alike=(Code.DNS_RESOLVER_FAILING,),
    ),
    _fault(
        "resolver-rule-public",
        "A resolver rule wins over the private zone and sends its names to a server that knows public DNS alone.",
        partial(_forwarded, Answers.PUBLIC),
        Code.DNS_RESOLVER_RULE,
        patterns=PRIVATELINK,
        reasons=(None,),
        alike=(Code.DNS_VPC_ATTRIBUTES_OFF, Code.DNS_ZONE_NOT_ASSOCIATED),
    ),
    _fault(
        "resolver-rule-unknown-names",
        "A resolver rule sends the cluster's names to a server that does not know them.",
        partial(_forwarded, Answers.UNKNOWN_NAMES),
        Code.DNS_RESOLVER_RULE,
        patterns=STRAIGHT,
        reasons=(Reason.NXDOMAIN,),
        alike=(Code.DNS_MORE_SPECIFIC_ZONE,),
    ),
    _fault(
        "private-answers-filtered",
        "Hosts use a DNS server of their own that strips private addresses from answers.",
        partial(_own_server, Answers.WITHOUT_PRIVATE_ADDRESSES),
        Code.DNS_PRIVATE_ANSWERS_FILTERED,
        patterns=(*PEERING, *GATEWAY),
        reasons=(Reason.NO_DATA,),
        alike=(Code.DNS_RESOLVER_BYPASSED,),
    ),
    _fault(
        "first-nameserver-dead",
        "The first of the two nameservers that DHCP gives hosts is an address that nobody has.",
        _dead_first,
        Code.DNS_NAMESERVER_DEAD,
        patterns=EVERY,
        reasons=(Reason.NAMESERVER_UNUSABLE,),
    ),
    _fault(
        "answers-cut-short",
        "Hosts use a DNS server of their own whose answers are truncated, and which has no TCP.",
        partial(_own_server, Answers.CUT_SHORT),
        Code.DNS_TCP_BLOCKED,
        patterns=EVERY,
        reasons=(Reason.TRUNCATED,),
    ),
    _fault(
        "dhcp-server-bypasses-resolver",
        "DHCP gives hosts a DNS server of their own that does not ask the VPC's resolver.",
        partial(_own_server, Answers.PUBLIC),
        Code.DNS_RESOLVER_BYPASSED,
        patterns=PRIVATELINK,
        reasons=(None,),
        alike=(Code.DNS_ZONE_NOT_ASSOCIATED,),
    ),
    _fault(
        "dhcp-server-unknown-names",
        "DHCP gives hosts a DNS server of their own that knows none of these names.",
        partial(_own_server, Answers.UNKNOWN_NAMES),
        Code.DNS_RESOLVER_BYPASSED,
        patterns=STRAIGHT,
        reasons=(Reason.NXDOMAIN,),
        alike={IN_VPC: (Code.DNS_PUBLIC_RECORD_MISSING,), (*PEERING, *GATEWAY): ()},
    ),
)
