"""Pictures: everything is in them, every way is the expected one, and no id becomes markup."""

from __future__ import annotations

import re
from ipaddress import IPv4Network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokerproof.lab.faults import FAULTS
from brokerproof.topology.files import dumps, loads
from brokerproof.topology.managed import with_managed
from brokerproof.topology.models import (
    Client,
    ClientVantage,
    LabSettings,
    RegionLink,
    Topology,
    TransitGatewayRoute,
    TransitGatewayRouteTable,
    VantageKind,
)
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from brokerproof.topology.patterns.options import Overlap
from brokerproof.topology.picture import DARK, Ink, picture
from brokerproof.topology.picture.distance import rtt_words
from brokerproof.topology.picture.label import LISTED, ranges, text
from brokerproof.topology.picture.way import PlaceKind, way_of
from brokerproof.topology.unknown import known
from tests.examples import ALL, examples
from tests.topology.strategies import options, patterns

NODE = re.compile(r'^\t+("[^"]+"|\w+) \[label=<', re.MULTILINE)
EDGE = re.compile(r'^\t+("[^"]+"|\w+)(?::(\w+):e)? -> ("[^"]+"|\w+)', re.MULTILINE)
FRAME = re.compile(r'^\t+subgraph ("[^"]+") \{', re.MULTILINE)


def dot(topology: Topology) -> str:
    return picture(topology).dot


def kinds(topology: Topology, client: str) -> set[tuple[str, ...]]:
    """The sorts of places on each stretch of a client's way."""
    way = way_of(topology, topology.client(client), with_managed(topology))
    assert not way.trouble
    return {tuple(place.kind.value for place in stretch.places) for stretch in way.stretches}


@settings(max_examples=examples(20), deadline=None)
@given(pattern=patterns, chosen=options)
def test_everything_is_in_the_picture(pattern: str, chosen: PatternOptions) -> None:
    topology = PATTERNS[pattern].build(chosen)
    drawn = dot(topology)
    assert all(f"<B>{vpc.vpc_id}</B>" in drawn for vpc in topology.vpcs)
    assert all(str(block) in drawn for vpc in topology.vpcs for block in (*vpc.cidr_blocks, *vpc.ipv6_cidr_blocks))
    for client in topology.clients:
        assert f"{'observer' if client.pattern is None else 'client'} {client.name}" in drawn
    for resource in (
        *(p.vpc_peering_connection_id for p in topology.vpc_peering_connections),
        *(g.transit_gateway_id for g in topology.transit_gateways),
        *(z.hosted_zone_id for z in topology.hosted_zones),
    ):
        assert f">{resource}<" in drawn or f"private zone {resource}<" in drawn
    ids = [broker.broker_id for broker in topology.clusters[0].brokers]
    if len(ids) <= LISTED:
        assert all(f"broker {broker_id}<" in drawn for broker_id in ids)
    else:
        assert f"{len(ids)} brokers: 1-{len(ids)}<" in drawn


@settings(max_examples=examples(20), deadline=None)
@given(pattern=patterns, chosen=options)
def test_every_line_ends_at_a_box_that_is_there(pattern: str, chosen: PatternOptions) -> None:
    assert every_line_ends_at_a_box(dot(PATTERNS[pattern].build(chosen)))


def every_line_ends_at_a_box(drawn: str) -> int:
    """The number of lines."""
    labels = dict(re.findall(r'^\t+("[^"]+"|\w+) \[label=<(.*)>\]$', drawn, re.MULTILINE))
    assert len(labels) == len(NODE.findall(drawn)), "a box is drawn twice"
    frames = set(FRAME.findall(drawn))
    for tail, port, head in EDGE.findall(drawn):
        assert {tail, head} <= set(labels)
        assert not port or f'PORT="{port}"' in labels[tail]
    assert {f'"{frame}"' for frame in re.findall(r'lhead="([^"]+)"', drawn)} <= frames
    return len(EDGE.findall(drawn))


@settings(max_examples=examples(6), deadline=None)
@given(pattern=patterns, chosen=options)
def test_the_same_topology_gives_the_same_text(pattern: str, chosen: PatternOptions) -> None:
    topology = PATTERNS[pattern].build(chosen)
    assert dot(topology) == dot(loads(dumps(topology), source="again"))


@settings(max_examples=examples(20), deadline=None)
@given(pattern=patterns, chosen=options)
def test_every_client_has_a_way_to_every_broker(pattern: str, chosen: PatternOptions) -> None:
    topology = PATTERNS[pattern].build(chosen)
    whole = with_managed(topology)
    for client in topology.clients:
        way = way_of(topology, client, whole)
        assert not way.trouble
        if client.pattern is not None:
            reached = {s.places[-1].key for s in way.stretches if s.places[-1].kind is PlaceKind.BROKER}
            assert reached == {f"demo/{broker.broker_id}" for broker in topology.clusters[0].brokers}
            assert all(s.places[0] == (PlaceKind.CLIENT, client.name) for s in way.stretches)
        else:
            assert way.must_not
            assert Ink.MUST_NOT.value in picture(topology).dot


ENDPOINT = ("endpoint", "service", "balancer", "broker")


@pytest.mark.parametrize(
    ("pattern", "client", "expected"),
    [
        ("in_vpc", "cluster_vpc", ("client", "broker")),
        ("peering", "peered", ("client", "routes", "peering", "routes", "broker")),
        ("peering", "remote_by_peering", ("client", "routes", "peering", "routes", "broker")),
        ("transit_gateway", "by_gateway", ("client", "routes", "gateway", "routes", "broker")),
        ("transit_gateway", "remote_by_gateway_2", ("client", "routes", "gateway", "gateway", "routes", "broker")),
        ("privatelink_single_nlb", "cluster_vpc", ("client", "balancer", "broker")),
        ("privatelink_single_nlb", "account_b", ("client", *ENDPOINT)),
        ("privatelink_single_nlb", "overlapping", ("client", *ENDPOINT)),
        ("privatelink_single_nlb", "remote_by_peering", ("client", "routes", "peering", "routes", *ENDPOINT)),
        (
            "privatelink_single_nlb",
            "remote_by_gateway",
            ("client", "routes", "gateway", "gateway", "routes", *ENDPOINT),
        ),
        ("privatelink_multi_nlb", "cluster_vpc", ("client", "broker")),
        ("privatelink_multi_nlb", "account_b", ("client", *ENDPOINT)),
        ("privatelink_cross_region", "remote", ("client", *ENDPOINT)),
        ("multi_vpc", "account_b", ("client", *ENDPOINT)),
        ("combination", "two_paths", ("client", *ENDPOINT)),
    ],
)
def test_each_client_goes_its_patterns_way(pattern: str, client: str, expected: tuple[str, ...]) -> None:
    assert kinds(PATTERNS[pattern].build(), client) == {expected}


def test_of_two_paths_the_wrong_one_is_drawn_without_the_clients_colour() -> None:
    drawn = dot(PATTERNS["combination"].build())
    [line] = [line for line in drawn.splitlines() if '"routes/vpc-w" -> "peering/pcx-cluster-w"' in line]
    assert "arrowhead=none" in line
    assert "color" not in line


@pytest.mark.parametrize(
    ("pattern", "fault", "client", "says"),
    [
        ("peering", "peering-deleted", "peered", "pcx-cluster-b is deleted"),
        ("peering", "route-missing-client", "peered", "has no route to 10.0.0.10"),
        ("transit_gateway", "gateway-attachment-not-associated", "by_gateway", "is associated with no route table"),
        (
            "transit_gateway",
            "gateway-static-blackhole",
            "by_gateway",
            "tgw-rtb-east has no route to 10.0.16.10, or a blackhole",
        ),
        (
            "transit_gateway",
            "gateway-client-zone-missing",
            "by_gateway",
            "tgw-attach-b has no subnet in the zone of subnet-b-1",
        ),
    ],
)
def test_a_way_that_is_broken_says_where(pattern: str, fault: str, client: str, says: str) -> None:
    topology = FAULTS[fault].edit(PATTERNS[pattern].build())
    way = way_of(topology, topology.client(client), topology)
    assert says in way.trouble
    assert f"client {client}" in dot(topology)


@pytest.mark.slow
@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_what_is_broken_is_drawn_all_the_same(fault: str) -> None:
    patterns_of = FAULTS[fault].patterns
    for pattern in patterns_of if ALL else patterns_of[-1:]:
        topology = PATTERNS[pattern].build(FAULTS[fault].options)
        broken = dot(FAULTS[fault].edit(topology))
        assert every_line_ends_at_a_box(broken)
        assert all(f"client {c.name}<" in broken for c in topology.clients if c.pattern is not None)


def test_the_families_of_a_dual_stack_have_ways_of_their_own() -> None:
    whole = PATTERNS["peering"].build(PatternOptions(dual_stack=True))
    assert kinds(whole, "peered") == kinds(whole, "peered_ipv6")
    broken = FAULTS["ipv6-route-missing"].edit(whole)
    assert not way_of(broken, broken.client("peered"), broken).trouble
    assert "has no route to fd00:10::a" in way_of(broken, broken.client("peered_ipv6"), broken).trouble
    assert "fd00:10:0:2::a<" in re.sub("&#160;", "", dot(whole))


def test_a_listener_of_a_family_without_address_is_said_at_the_client() -> None:
    topology = edited(PATTERNS["peering"].build(PatternOptions(dual_stack=True)), "peered_ipv6", ipv6_address=None)
    assert "client peered_ipv6 has no ipv6_address" in picture(topology).description


def edited(topology: Topology, name: str, **update: object) -> Topology:
    clients = tuple(c.model_copy(update=update) if c.name == name else c for c in topology.clients)
    return topology.model_copy(update={"clients": clients})


def test_the_local_route_of_an_overlapping_vpc_wins() -> None:
    topology = edited(PATTERNS["privatelink_multi_nlb"].build(), "overlapping", pattern="peering")
    assert "whose local route keeps it there" in way_of(topology, topology.client("overlapping"), topology).trouble


def test_a_pattern_that_the_topology_cannot_carry_is_said_at_the_client() -> None:
    drawn = picture(edited(PATTERNS["in_vpc"].build(), "cluster_vpc", pattern="multi_vpc"))
    assert "has no VPC connection" in drawn.description
    assert Ink.MUST_NOT.value in drawn.dot
    assert "broker 3<" in drawn.dot


def test_gateways_that_send_a_packet_round_are_no_endless_way() -> None:
    topology = PATTERNS["transit_gateway"].build()
    back = tuple(
        TransitGatewayRouteTable(
            transit_gateway_route_table_id=f"tgw-rtb-{side}",
            transit_gateway_id=f"tgw-{side}",
            routes=(
                TransitGatewayRoute(
                    destination_cidr_block=IPv4Network("10.0.0.0/8"),
                    transit_gateway_attachment_id=f"tgw-attach-peer-{side}",
                ),
            ),
        )
        for side in ("east", "west")
    )
    nothing_learnt = tuple(a.model_copy(update={"propagations": ()}) for a in topology.transit_gateway_attachments)
    round_and_round = topology.model_copy(
        update={"transit_gateway_route_tables": back, "transit_gateway_attachments": nothing_learnt}
    )
    way = way_of(round_and_round, round_and_round.client("remote_by_gateway"), round_and_round)
    assert "goes round between transit gateways" in way.trouble


@pytest.mark.parametrize(
    ("pattern", "brokers", "says"),
    [
        ("privatelink_single_nlb", 49, "8443-8491 → brokers 1-49, one each"),
        ("privatelink_multi_nlb", 15, "15: nlb-b1 … nlb-b15"),
        ("peering", 30, "30 brokers: 1-30"),
    ],
)
def test_a_large_cluster_is_still_a_picture(pattern: str, brokers: int, says: str) -> None:
    large, small = (dot(PATTERNS[pattern].build(PatternOptions(brokers=number))) for number in (brokers, 3))
    assert says in large
    assert len(NODE.findall(large)) <= len(NODE.findall(small))
    assert len(EDGE.findall(large)) <= len(EDGE.findall(small))


HOSTILE = '"]}; <script>alert(1)</script> & \\N \x00\x1b\u202e]]>'


def test_hostile_words_are_escaped() -> None:
    topology = PATTERNS["peering"].build()
    vpcs = tuple(vpc.model_copy(update={"region_name": HOSTILE}) for vpc in topology.vpcs)
    drawn = dot(topology.model_copy(update={"vpcs": vpcs}))
    assert "<script" not in drawn
    assert "&lt;script&gt;" in drawn
    assert not {"\x00", "\x1b", "\u202e"} & set(drawn)


def test_ids_may_hold_what_dot_reads_as_ports_and_folders() -> None:
    plain = PATTERNS["peering"].build()
    odd = loads(dumps(plain).replace("vpc-b", "vpc:b/1@2").replace("pcx-cluster-b", "pcx:cluster/b"), source="odd")
    assert odd.vpcs[1].vpc_id == "vpc:b/1@2"
    assert every_line_ends_at_a_box(dot(odd)) == every_line_ends_at_a_box(dot(plain))


@pytest.mark.slow
@given(words=st.text(max_size=200))
def test_no_words_become_markup(words: str) -> None:
    shown = text(words)
    assert not {"<", ">", '"'} & set(shown)
    assert not [c for c in shown if not c.isprintable()]
    assert len(text(words, longest=1000)) >= len(words)


def test_how_clients_are_reached_is_no_part_of_a_picture() -> None:
    secret = ClientVantage(kind=VantageKind.EXEC, command=("ssh", "host-7531"), environment={"TOKEN": "hunter2"})
    made = picture(edited(PATTERNS["in_vpc"].build(), "cluster_vpc", vantage=secret, ca_file="/secret/ca.pem"))
    for said in (made.title, made.description, made.dot):
        assert not [word for word in ("hunter2", "TOKEN", "host-7531", "/secret") if word in said]


def test_colours_come_round_after_the_eighth_client() -> None:
    topology = PATTERNS["in_vpc"].build()
    [one] = topology.clients

    def client(number: int) -> Client:
        address = known(one.private_ip_address) + number
        return one.model_copy(update={"name": f"c{number}", "private_ip_address": address})

    drawn = dot(topology.model_copy(update={"clients": tuple(map(client, range(9)))}))
    assert all(f"client c{number}<" in drawn for number in range(9))


def test_every_colour_has_a_dark_one_and_none_is_used_twice() -> None:
    assert set(DARK) == set(Ink)
    assert len({*DARK.values(), *(ink.value for ink in Ink)}) == 2 * len(Ink)


@pytest.mark.parametrize(
    ("numbers", "said"), [((), ""), ((4,), "4"), ((1, 2, 3), "1-3"), ((5, 1, 2), "1-2, 5"), ((9, 9, 11), "9, 11")]
)
def test_ranges(numbers: tuple[int, ...], said: str) -> None:
    assert ranges(numbers) == said


@pytest.mark.parametrize(
    ("pattern", "client", "says"),
    [
        ("in_vpc", "cluster_vpc", ""),
        ("peering", "peered", "0.5 ms RTT"),
        ("peering", "remote_by_peering", "60 ms RTT"),
        ("transit_gateway", "by_gateway", "1 ms RTT"),
        ("transit_gateway", "remote_by_gateway", "61 ms RTT"),
        ("privatelink_single_nlb", "cluster_vpc", ""),
        ("privatelink_single_nlb", "account_b", "0.5 ms RTT"),
        ("privatelink_single_nlb", "remote_by_gateway", "61.5 ms RTT"),
        ("privatelink_cross_region", "remote", "60 ms RTT"),
    ],
)
def test_distance_lies_where_networks_are_joined(pattern: str, client: str, says: str) -> None:
    topology = PATTERNS[pattern].build()
    assert rtt_words(topology, way_of(topology, topology.client(client), topology)) == says


def test_between_regions_the_line_says_how_far_it_is() -> None:
    far = RegionLink(regions=("us-east-1", "us-west-2"), one_way_delay_ms=12.5)
    topology = PATTERNS["peering"].build().model_copy(update={"lab": LabSettings(links=(far,))})
    lines = [line for line in dot(topology).splitlines() if "25 ms RTT" in line and "->" in line]
    assert [line.split()[0] for line in lines] == ['"routes/vpc-c"']


def test_a_slow_or_lossy_link_is_said_inside_a_region_too() -> None:
    slow = RegionLink(
        regions=("us-east-1", "us-east-1"), one_way_delay_ms=0.25, rate_bits_per_s=100_000_000, loss=0.005
    )
    topology = PATTERNS["peering"].build().model_copy(update={"lab": LabSettings(links=(slow,))})
    assert "0.5 ms RTT, 100 Mbit/s, 0.500% lost" in dot(topology)


def test_of_a_real_client_no_distance_is_known() -> None:
    topology = PATTERNS["peering"].build()
    away = ClientVantage(kind=VantageKind.EXEC, command=("ssh", "c", "--"))
    assert "RTT" in picture(topology).description
    everywhere = topology.model_copy(
        update={"clients": tuple(c.model_copy(update={"vantage": away}) for c in topology.clients)}
    )
    assert "RTT" not in dot(everywhere)


@pytest.mark.parametrize("pattern", ["privatelink_single_nlb", "privatelink_multi_nlb"])
def test_a_remote_client_has_a_way_over_ipv6_also_where_the_endpoint_vpc_overlaps_the_clusters(pattern: str) -> None:
    topology = PATTERNS[pattern].build(PatternOptions(overlap=Overlap.ON, dual_stack=True))
    ways = {client.name: way_of(topology, client, topology) for client in topology.clients}
    assert {"remote_by_peering_ipv6", "remote_by_gateway_ipv6"} <= set(ways)
    assert not [way.trouble for way in ways.values() if way.trouble]
