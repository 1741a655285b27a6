"""What disturbs a lab, and AWS's own settings that break paths, as compiled text."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from brokerproof.lab.daemons.processes import Daemons
from brokerproof.lab.faults import FAULTS
from brokerproof.lab.network.blueprint import Blueprint, compile_topology
from brokerproof.topology.edit import with_changes, with_each
from brokerproof.topology.models import (
    Answers,
    CutOffBroker,
    Direction,
    FrozenBroker,
    HostedZone,
    HostsLine,
    IpPermission,
    LostPackets,
    NameServer,
    ResolverRule,
    ScarceQueries,
    SecurityGroup,
    Silence,
    TakenPorts,
    Topology,
    TransitGatewayAttachmentState,
)
from brokerproof.topology.patterns import PATTERNS
from brokerproof.topology.patterns.options import DOMAIN
from brokerproof.topology.rules import problems

CLIENT = IPv4Address("10.1.0.201")
DNS_DROPPED = 'iifname != "lo" meta l4proto { tcp, udp } th dport 53 drop'


def disturbed(topology: Topology, **settings: object) -> Topology:
    return topology.model_copy(update={"lab": topology.lab.model_copy(update=settings)})


def peering() -> Topology:
    return PATTERNS["peering"].build()


def single() -> Topology:
    return PATTERNS["privatelink_single_nlb"].build()


def ruleset(blueprint: Blueprint, namespace: str) -> str:
    return next(n.ruleset for n in blueprint.namespaces if n.name == namespace)


def resolver(topology: Topology, vpc_id: str) -> str:
    return next(r.configuration for r in compile_topology(topology).resolvers if r.namespace == f"r-{vpc_id}")


@pytest.mark.parametrize(
    ("asked", "rule"),
    [
        ({}, 'oifname "eni0" drop'),
        ({"direction": Direction.FROM}, 'iifname "eni0" drop'),
        ({"larger_than_bytes": 1300}, 'oifname "eni0" meta length > 1300 drop'),
        (
            {"answer": Silence.RESET, "larger_than_bytes": 300},
            'oifname "eni0" meta length > 300 meta l4proto tcp reject with tcp reset',
        ),
        (
            {"direction": Direction.FROM, "syn_alone": True, "one_in": 5},
            'iifname "eni0" tcp flags & (syn | ack) == syn numgen inc mod 5 == 0 drop',
        ),
    ],
)
def test_lost_packets_are_dropped_at_the_eni_they_are_lost_at(asked: dict[str, object], rule: str) -> None:
    lost = LostPackets.model_validate({"vpc_id": "vpc-b", "private_ip_address": CLIENT, **asked})
    whole, broken = compile_topology(peering()), compile_topology(disturbed(peering(), disturbances=(lost,)))
    assert f"    {rule}\n" in ruleset(broken, "r-vpc-b")
    assert "chain lost" not in ruleset(whole, "r-vpc-b")
    changed = [n.name for n, m in zip(broken.namespaces, whole.namespaces, strict=True) if n != m]
    assert changed == ["r-vpc-b"]


def test_packets_of_an_eni_that_is_not_there_are_not_lost() -> None:
    lost = LostPackets(vpc_id="vpc-b", private_ip_address=IPv4Address("10.1.0.99"))
    assert compile_topology(disturbed(peering(), disturbances=(lost,))) == compile_topology(peering())


def test_a_resolver_is_silent_when_told_so_and_without_dns_support() -> None:
    told = disturbed(peering(), disturbances=(ScarceQueries(vpc_id="vpc-b", packets_per_s=0),))
    support_off = with_changes(peering(), "vpcs", 1, enable_dns_support=False)
    hostnames_off = with_changes(peering(), "vpcs", 1, enable_dns_hostnames=False)
    assert DNS_DROPPED in ruleset(compile_topology(told), "r-vpc-b")
    assert DNS_DROPPED in ruleset(compile_topology(support_off), "r-vpc-b")
    assert DNS_DROPPED not in ruleset(compile_topology(hostnames_off), "r-vpc-b")


def test_scarce_queries_are_limited_before_any_are_let_in() -> None:
    scarce = disturbed(peering(), disturbances=(ScarceQueries(vpc_id="vpc-b", packets_per_s=2),))
    rules = ruleset(compile_topology(scarce), "r-vpc-b")
    assert rules.index("limit rate over 2/second burst 5 packets drop") < rules.index("udp dport 53 accept")


def test_a_load_balancer_without_ports_takes_no_new_connection() -> None:
    full = disturbed(single(), disturbances=(TakenPorts(load_balancer_name="nlb-all"),))
    rules = ruleset(compile_topology(full), "nlb-all")
    assert rules.index("ct state new drop") < rules.index("ct status dnat accept")
    assert "ct state new drop" not in ruleset(compile_topology(single()), "nlb-all")


def test_a_line_of_the_hosts_file_is_the_clients_own() -> None:
    broken = compile_topology(FAULTS["hosts-line"].edit(peering()))
    [host] = [n for n in broken.namespaces if n.hosts]
    assert host.name == "client-peered"
    assert host.hosts == (f"10.9.9.9 b-2.{DOMAIN}",)


def test_connections_are_taken_where_they_leave_the_clients_host() -> None:
    broken = compile_topology(FAULTS["connections-taken-on-the-host"].edit(peering()))
    rules = ruleset(broken, "client-peered")
    assert "type nat hook output priority -100\n    tcp dport 9094-9094 dnat to 10.0.0.10:9094\n" in rules
    assert ruleset(broken, "client-cluster_vpc") == ""


def test_answers_that_are_cut_short_have_no_way_by_tcp() -> None:
    [server] = [
        r
        for r in compile_topology(FAULTS["answers-cut-short"].edit(peering())).resolvers
        if "do-tcp: no" in r.configuration
    ]
    assert server.address == "10.1.0.53"
    assert "max-udp-size: 81" in server.configuration


def test_a_frozen_broker_is_not_another_broker() -> None:
    frozen = disturbed(single(), disturbances=(FrozenBroker(cluster_name="demo", broker_id=2),))
    whole, broken = compile_topology(single()).brokers, compile_topology(frozen).brokers
    assert [b.broker_id for b in broken if b.frozen] == [2]
    assert [b.properties for b in whole] == [b.properties for b in broken]


def test_a_broker_that_is_cut_off_reaches_no_other_and_is_reached_by_clients() -> None:
    cut = disturbed(single(), disturbances=(CutOffBroker(cluster_name="demo", broker_id=2),))
    whole, broken = compile_topology(single()), compile_topology(cut)
    rules = ruleset(broken, "r-vpc-cluster")
    chain = rules[rules.index("chain lost") :].partition("}\n  chain")[0]
    others = "{ 10.0.0.10, 10.0.32.10 }"
    assert f"ip daddr {others} drop" in chain
    assert f"ip saddr {others} drop" in chain
    assert chain.count(" drop") == 2
    assert [b.broker_id for b in broken.brokers if b.cut_off] == [2]
    assert [b.properties for b in whole.brokers] == [b.properties for b in broken.brokers]
    assert [n.name for n, m in zip(broken.namespaces, whole.namespaces, strict=True) if n != m] == ["r-vpc-cluster"]


def admitting(*rules: IpPermission, enforced: str = "on") -> Topology:
    group = SecurityGroup(group_id="sg-nlb", vpc_id="vpc-cluster", ingress=rules)
    topology = single().model_copy(update={"security_groups": (*single().security_groups, group)})
    name = "enforce_security_group_inbound_rules_on_private_link_traffic"
    return with_each(topology, "load_balancers", security_groups=("sg-nlb",), **{name: enforced})


def test_groups_of_a_load_balancer_see_the_clients_of_endpoints_unless_told_not_to() -> None:
    home = IpPermission(from_port=8443, to_port=8445, cidr_ipv4=IPv4Network("10.0.0.0/16"))
    enforced = ruleset(compile_topology(admitting(home)), "vpce-b-all")
    assert enforced.count("ip saddr 10.0.0.0/16 tcp dport 8443-8445 meta mark set") == 3
    assert "meta l4proto tcp meta mark set" not in enforced
    off = ruleset(compile_topology(admitting(home, enforced="off")), "vpce-b-all")
    assert off == ruleset(compile_topology(single()), "vpce-b-all")


def test_a_rule_of_every_protocol_admits_tcp() -> None:
    everything = IpPermission(ip_protocol="-1", cidr_ipv4=IPv4Network("10.1.0.0/16"))
    ping = IpPermission(ip_protocol="icmp", cidr_ipv4=IPv4Network("10.2.0.0/16"))
    rules = ruleset(compile_topology(admitting(everything, ping)), "vpce-b-all")
    assert "ip saddr 10.1.0.0/16 meta l4proto tcp meta mark set" in rules
    assert "10.2.0.0/16" not in rules


def test_the_most_specific_private_zone_hides_the_wider_one() -> None:
    wide = with_changes(single(), "hosted_zones", 1, name="kafka.us-east-1.amazonaws.com")
    narrow = HostedZone(hosted_zone_id="ZNARROW", name=DOMAIN, vpc_ids=("vpc-b",))
    both = wide.model_copy(update={"hosted_zones": (*wide.hosted_zones, narrow)})
    assert f'"b-1.{DOMAIN}. 60 IN A 10.1' in resolver(wide, "vpc-b")
    assert f'"b-1.{DOMAIN}. 60 IN A' not in resolver(both, "vpc-b")
    assert f'local-zone: "{DOMAIN}." static' in resolver(both, "vpc-b")


def ruled(answers: Answers | None, domain: str = DOMAIN) -> Topology:
    address = IPv4Address("192.168.0.53")
    rule = ResolverRule(resolver_rule_id="rslvr-rr-1", domain_name=domain, target_ips=(address,), vpc_ids=("vpc-b",))
    topology = single().model_copy(update={"resolver_rules": (rule,)})
    return (
        topology
        if answers is None
        else disturbed(topology, name_servers=(NameServer(address=address, answers=answers),))
    )


def test_a_resolver_rule_wins_over_the_private_zone_of_the_same_name() -> None:
    public = resolver(ruled(Answers.PUBLIC), "vpc-b")
    assert f'"b-1.{DOMAIN}. 60 IN A 10.0.0.10"' in public
    assert f"b-1.{DOMAIN}. 60 IN A 10.1" not in public
    assert f"b-1.{DOMAIN}" not in resolver(ruled(Answers.UNKNOWN_NAMES), "vpc-b")
    stripped = resolver(ruled(Answers.WITHOUT_PRIVATE_ADDRESSES), "vpc-b")
    assert f'"b-1.{DOMAIN}. 60 IN TXT filtered"' in stripped
    assert f"b-1.{DOMAIN}. 60 IN A" not in stripped
    assert resolver(ruled(Answers.PUBLIC), "vpc-o") == resolver(single(), "vpc-o")


def test_a_rule_to_nobody_is_forwarded_and_a_wider_rule_leaves_the_zone_alone() -> None:
    nowhere = resolver(ruled(None), "vpc-b")
    assert f'local-zone: "{DOMAIN}." transparent' in nowhere
    assert f'forward-zone:\n  name: "{DOMAIN}."' in nowhere
    wider = resolver(ruled(Answers.UNKNOWN_NAMES, "amazonaws.com"), "vpc-b")
    assert f'"b-1.{DOMAIN}. 60 IN A 10.1' in wider


def test_hosts_ask_the_servers_that_dhcp_names() -> None:
    own = NameServer(address=IPv4Address("10.1.0.53"), subnet_id="subnet-b-1")
    topology = disturbed(single(), name_servers=(own,))
    index = next(i for i, v in enumerate(topology.vpcs) if v.vpc_id == "vpc-b")
    blueprint = compile_topology(with_changes(topology, "vpcs", index, domain_name_servers=(own.address,)))
    asked = {n.name: n.resolver for n in blueprint.namespaces}
    assert asked["client-account_b"] == "10.1.0.53"
    assert asked["client-overlapping"] == "10.0.0.2"
    [server] = [r for r in blueprint.resolvers if r.namespace.startswith("dns-")]
    assert (server.vpc_id, server.address) == ("vpc-b", "10.1.0.53")
    assert f'"b-1.{DOMAIN}. 60 IN A 10.0.0.10"' in server.configuration


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"disturbances": (ScarceQueries(vpc_id="vpc-z", packets_per_s=0),)}, "no vpcs entry has vpc_id 'vpc-z'"),
        ({"disturbances": (LostPackets(vpc_id="vpc-z", private_ip_address=CLIENT),)}, "vpc_id 'vpc-z'"),
        ({"disturbances": (FrozenBroker(cluster_name="demo", broker_id=9),)}, "demo has no broker 9"),
        ({"disturbances": (CutOffBroker(cluster_name="demo", broker_id=9),)}, "demo has no broker 9"),
        ({"disturbances": (TakenPorts(load_balancer_name="nlb-z"),)}, "no load_balancers entry is called 'nlb-z'"),
        (
            {"disturbances": (HostsLine(client="nobody", name="b-1.x", address=CLIENT),)},
            "no clients entry is called 'nobody'",
        ),
        ({"name_servers": (NameServer(address=CLIENT, subnet_id="subnet-z"),)}, "subnet_id 'subnet-z'"),
    ],
)
def test_what_is_disturbed_must_be_there(settings: dict[str, object], words: str) -> None:
    [problem] = problems(disturbed(single(), **settings))
    assert words in problem.message
    assert problem.path[0] == "lab"


def test_disturbances_are_read_by_kind() -> None:
    asked = disturbed(peering(), disturbances=(FrozenBroker(cluster_name="demo", broker_id=2),))
    assert Topology.model_validate(asked.model_dump(mode="json")) == asked


def test_nothing_is_frozen_or_waited_for_where_nothing_runs() -> None:
    daemons = Daemons(java="java", jvm=())
    daemons.freeze(compile_topology(single()).brokers)
    daemons.thaw()
    assert daemons.broker_states() == {}


def test_an_attachment_that_is_not_available_passes_nothing() -> None:
    topology = PATTERNS["transit_gateway"].build()
    pending = TransitGatewayAttachmentState.PENDING_ACCEPTANCE
    index = next(i for i, a in enumerate(topology.transit_gateway_attachments) if a.vpc_id == "vpc-b")
    broken = compile_topology(with_changes(topology, "transit_gateway_attachments", index, state=pending))
    routing = {n.name: n.routing for n in broken.namespaces}
    assert "route add blackhole 10.0.0.0/8 table 1000" in routing["r-vpc-b"]
    assert not [line for line in routing["tgw-east"] if " 10.1.0.0/16 " in line]
    assert not [line for line in routing["tgw-east"] if f"iif att{index} " in line]
    whole = {n.name: n.routing for n in compile_topology(topology).namespaces}
    assert [line for line in whole["tgw-east"] if " 10.1.0.0/16 " in line]
    assert [line for line in whole["tgw-east"] if f"iif att{index} " in line]


@pytest.mark.parametrize(
    ("fault", "router", "address", "to"),
    [
        ("gateway-zone-missing", "r-vpc-cluster", "10.0.16.10", "10.0.0.0/8"),
        ("gateway-client-zone-missing", "r-vpc-b", "10.1.0.201", "10.0.0.0/8"),
    ],
)
@pytest.mark.parametrize("one_table", [False, True])
def test_a_gateway_takes_nothing_from_a_zone_without_an_attachment(
    fault: str, router: str, address: str, to: str, one_table: bool
) -> None:
    """Also where the subnets of several zones share a route table."""
    intended = PATTERNS["transit_gateway"].build()
    if one_table:
        shared = [t for t in intended.route_tables if f"r-{t.vpc_id}" == router]
        first = shared[0].model_copy(update={"subnet_ids": tuple(s for t in shared for s in t.subnet_ids)})
        rest = tuple(t for t in intended.route_tables if t not in shared)
        intended = intended.model_copy(update={"route_tables": (first, *rest)})
    whole, broken = (compile_topology(topology) for topology in (intended, FAULTS[fault].edit(intended)))
    assert led(whole, router, address, to).startswith("route add 10.0.0.0/8 via ")
    assert led(broken, router, address, to).startswith("route add blackhole 10.0.0.0/8 ")
    others = [f"10.0.{16 * zone}.10" for zone in (0, 2)] if router == "r-vpc-cluster" else []
    assert all(led(broken, router, other, to) == led(whole, router, other, to) for other in others)


def led(blueprint: Blueprint, router: str, address: str, to: str) -> str:
    """The route to a block in the table in which what an address sends is looked up."""
    [namespace] = [n for n in blueprint.namespaces if n.name == router]
    [interface] = [line.split()[-1] for line in namespace.ip_lines if line.startswith(f"route add {address}/32 ")]
    [table] = [line.split()[-1] for line in namespace.routing if f" iif {interface} " in line and "rule" in line]
    [route] = [r for r in namespace.routing if f" {to} " in r and r.endswith(f" table {table}")]
    return route


def test_names_that_lead_back_to_themselves_are_given_up_on() -> None:
    topology = FAULTS["cname-loop"].edit(single())
    looped = resolver(topology, "vpc-b")
    for name in (f"b-2.{DOMAIN}", f"old-b-2.{DOMAIN}"):
        assert f'local-zone: "{name}." transparent' in looped
        assert f'forward-zone:\n  name: "{name}."' in looped
        assert f'"{name}. 60 IN CNAME' not in looped  # unbound would answer with what it has
    index = next(i for i, z in enumerate(topology.hosted_zones) if "vpc-b" in z.vpc_ids)
    fewer = tuple(r for r in topology.hosted_zones[index].record_sets if not r.name.startswith("old-"))
    assert "forward-zone" not in resolver(with_changes(topology, "hosted_zones", index, record_sets=fewer), "vpc-b")
