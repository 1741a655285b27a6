"""Builders and what they refuse; expectations and their laws."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from brokerproof.probes.outcome import Reason
from brokerproof.topology.expectation.advertised import advertised
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.expectation.view import AddressKind
from brokerproof.topology.files import TopologyError, dumps, loads
from brokerproof.topology.models import Topology
from brokerproof.topology.patterns import CLIENT_PATTERNS, PATTERNS, PatternName, PatternOptions
from brokerproof.topology.rules import problems
from tests.examples import examples
from tests.topology.strategies import options, patterns


@settings(max_examples=examples(60), deadline=None)
@given(pattern=patterns, chosen=options)
def test_every_broker_is_expected_once_with_a_living_address(pattern: str, chosen: PatternOptions) -> None:
    topology = PATTERNS[pattern].build(chosen)
    for client in topology.clients:
        view = expect(topology, client.name)
        if client.pattern in {None, PatternName.LOCAL_WITHOUT_ZONE}:
            assert not view.brokers
            continue
        assert [b.broker_id for b in view.brokers] == list(range(1, chosen.brokers + 1))
        for broker in view.brokers:
            alive = [a for a in broker.addresses if a.must_connect]
            dead = [a for a in broker.addresses if not a.must_connect]
            assert alive
            assert all(a.why_not and a.fails_with for a in dead)
            local = client.vpc_id == topology.clusters[0].vpc_id
            [kind] = {a.kind for a in broker.addresses}
            if view.pattern == PatternName.PRIVATELINK_MULTI_NLB and local:
                assert kind is AddressKind.BROKER_ENI
            elif view.pattern.startswith("privatelink"):
                assert len(broker.addresses) == chosen.zones
                assert len(alive) == (chosen.zones if chosen.cross_zone else 1)
                assert kind is (AddressKind.NLB_NODE if local else AddressKind.ENDPOINT_ENI)
                assert len(broker.sources) == (chosen.zones if chosen.cross_zone else 1)
                assert not {a.address for a in broker.addresses} & set(broker.sources) or local
            else:
                assert broker.sources
        required = {(a.address, b.port) for b in view.brokers for a in b.addresses if a.must_connect}
        assert not required & {(f.address, f.port) for f in view.forbidden}, "the same thing must and must not work"


def test_single_nlb_advertises_a_port_a_broker_and_bootstraps_on_one() -> None:
    topology = PATTERNS["privatelink_single_nlb"].build()
    view = expect(topology, "account_b")
    assert [b.port for b in view.brokers] == [8443, 8444, 8445]
    assert {b.port for b in view.bootstrap} == {9094}
    cluster = topology.clusters[0]
    assert [advertised(cluster, b, "CLIENT_SECURE")[1] for b in cluster.brokers] == [8443, 8444, 8445]


def test_multi_nlb_sends_each_broker_to_its_own_endpoint() -> None:
    view = expect(PATTERNS["privatelink_multi_nlb"].build(), "account_b")
    owners = [{a.owner for a in b.addresses} for b in view.brokers]
    assert owners == [{"vpce-b-b1"}, {"vpce-b-b2"}, {"vpce-b-b3"}]
    assert {b.port for b in view.brokers} == {9094}


def test_an_overlapping_client_is_not_asked_about_addresses_that_are_its_own() -> None:
    topology = PATTERNS["privatelink_single_nlb"].build()
    ours = {f.address for f in expect(topology, "account_b").forbidden}
    theirs = {f.address for f in expect(topology, "overlapping").forbidden}
    assert "10.0.0.10" in ours
    assert "10.0.0.10" not in theirs


def test_the_cluster_vpc_must_not_reach_any_client_behind_an_endpoint() -> None:
    for pattern, client in (("privatelink_multi_nlb", "cluster_vpc"), ("privatelink_single_nlb", "cluster_vpc")):
        view = expect(PATTERNS[pattern].build(), client)
        reverse = [f for f in view.forbidden if f.port == 7777]
        assert {f.address for f in reverse} == {"10.1.0.201", "10.0.0.201", "10.2.0.201", "10.3.0.201"}
        assert {f.fails_with for f in reverse} == {(Reason.TIMED_OUT,)}
        assert {f.why.split(":")[0] for f in reverse} == {"PrivateLink is one-way"}


def test_without_its_own_zone_a_client_of_the_cluster_vpc_has_bootstrap_and_nothing_else() -> None:
    topology = PATTERNS["privatelink_single_nlb"].build(PatternOptions(local_zone=False))
    view = expect(topology, "cluster_vpc")
    assert view.brokers == ()
    assert [(b.port, [a.address for a in b.addresses]) for b in view.bootstrap] == [
        (9094, ["10.0.0.10"]),
        (9094, ["10.0.16.10"]),
        (9094, ["10.0.32.10"]),
    ]
    assert [(f.address, f.port) for f in view.forbidden if f.port != 7777] == [
        ("10.0.0.10", 8443),
        ("10.0.16.10", 8444),
        ("10.0.32.10", 8445),
    ]


def test_a_remote_client_uses_the_endpoints_of_the_vpc_it_is_joined_to() -> None:
    topology = PATTERNS["privatelink_single_nlb"].build()
    at_home, *far = (expect(topology, name) for name in ("account_b", "remote_by_peering", "remote_by_gateway"))
    for view in far:
        assert [b.addresses for b in view.brokers] == [b.addresses for b in at_home.brokers]
        assert view.region_name == "us-west-2"
        assert ("10.0.0.10", 9094) in {(f.address, f.port) for f in view.forbidden}


def test_49_brokers_fit_one_nlb_and_50_do_not() -> None:
    PATTERNS["privatelink_single_nlb"].build(PatternOptions(brokers=49))
    with pytest.raises(TopologyError, match="the quota is 50 listeners per Network Load Balancer"):
        PATTERNS["privatelink_single_nlb"].build(PatternOptions(brokers=50))


def test_a_port_range_that_is_taken_is_refused() -> None:
    with pytest.raises(TopologyError, match=r"port 9094 is already taken .* choose another port range"):
        PATTERNS["privatelink_single_nlb"].build(PatternOptions(brokers=5, first_listener_port=9092))


def without_listener(topology: Topology, port: int) -> Topology:
    balancer = topology.load_balancers[0]
    kept = tuple(entry for entry in balancer.listeners if entry.port != port)
    return topology.model_copy(update={"load_balancers": (balancer.model_copy(update={"listeners": kept}),)})


def test_a_topology_that_cannot_carry_its_pattern_says_what_is_missing() -> None:
    broken = without_listener(PATTERNS["privatelink_single_nlb"].build(), 8444)
    with pytest.raises(TopologyError, match="no endpoint in vpc-b leads to broker 2 alone"):
        expect(broken, "account_b")


def test_an_unknown_client_is_answered_with_those_there_are() -> None:
    with pytest.raises(KeyError, match="it has: cluster_vpc, account_b, overlapping"):
        expect(PATTERNS["privatelink_single_nlb"].build(), "z")


@pytest.mark.parametrize("named", ["carrier_pigeon", "combination", "observer"])
def test_a_pattern_that_is_none_of_a_client_is_answered_with_those_there_are(named: str) -> None:
    text = dumps(PATTERNS["in_vpc"].build()).replace("pattern: in_vpc", f"pattern: {named}")
    with pytest.raises(TopologyError) as refused:
        loads(text, source="mine.yaml")
    assert set(PatternName) - set(CLIENT_PATTERNS) == {"combination", "observer"}
    expected = f"expected one of {', '.join(CLIENT_PATTERNS)}, or none for an observer; found {named!r}"
    assert str(refused.value).splitlines()[0].endswith(f"clients[0].pattern: {expected}")


def peering(**changes: object) -> Topology:
    topology = PATTERNS["peering"].build()
    return topology.model_copy(update=changes)


def test_overlapping_vpcs_are_not_peered() -> None:
    topology = PATTERNS["peering"].build()
    overlapping = tuple(
        v.model_copy(update={"cidr_blocks": topology.vpcs[0].cidr_blocks}) if v.vpc_id == "vpc-b" else v
        for v in topology.vpcs
    )
    found = [str(p) for p in problems(peering(vpcs=overlapping))]
    assert any("10.0.0.0/16 overlaps" in p and "status becomes failed" in p for p in found)


def test_two_vpcs_are_peered_once() -> None:
    first = PATTERNS["peering"].build().vpc_peering_connections[0]
    twice = first.model_copy(update={"vpc_peering_connection_id": "pcx-again"})
    found = [str(p) for p in problems(peering(vpc_peering_connections=(first, twice), route_tables=()))]
    assert found == [
        "vpc_peering_connections[1]: pcx-cluster-b already peers these VPCs (AWS: VpcPeeringConnectionAlreadyExists)"
    ]


def test_a_subnet_has_one_route_table_and_a_table_one_route_to_a_destination() -> None:
    tables = PATTERNS["peering"].build().route_tables
    again = tables[0].model_copy(
        update={"route_table_id": "rtb-again", "routes": (tables[0].routes[0], tables[0].routes[0])}
    )
    found = " ".join(str(p) for p in problems(peering(route_tables=(*tables, again))))
    assert "(AWS: Resource.AlreadyAssociated)" in found
    assert "(AWS: RouteAlreadyExists)" in found


def test_what_peering_must_not_let_through_is_said_with_its_reason() -> None:
    topology = PATTERNS["peering"].build()
    assert {f.why for f in expect(topology, "not_peered").forbidden} == {
        "peering is not transitive: vpc-d is not peered with the cluster VPC"
    }
    assert {f.why for f in expect(topology, "ungrouped").forbidden} == {
        "the brokers' security group does not admit host ungrouped"
    }
    assert "peering is not transitive: vpc-c is not peered with vpc-b" in {
        f.why for f in expect(topology, "remote_by_peering").forbidden
    }


def gateway(**changes: object) -> Topology:
    return PATTERNS["transit_gateway"].build().model_copy(update=changes)


def test_a_vpc_is_attached_to_a_gateway_once() -> None:
    attachments = PATTERNS["transit_gateway"].build().transit_gateway_attachments
    again = attachments[0].model_copy(update={"transit_gateway_attachment_id": "tgw-attach-again"})
    found = [str(p) for p in problems(gateway(transit_gateway_attachments=(*attachments, again)))]
    assert len(found) == 1
    assert found[0].endswith("is already attached to tgw-east (AWS: DuplicateTransitGatewayAttachment)")


def test_a_gateway_peering_propagates_nothing_and_tables_belong_to_one_gateway() -> None:
    attachments = list(PATTERNS["transit_gateway"].build().transit_gateway_attachments)
    peering = next(i for i, a in enumerate(attachments) if a.peer_attachment_id is not None)
    attachments[peering] = attachments[peering].model_copy(update={"propagations": ("tgw-rtb-west",)})
    found = " ".join(str(p) for p in problems(gateway(transit_gateway_attachments=tuple(attachments))))
    assert "a gateway peering propagates nothing; it needs static routes" in found
    assert "tgw-rtb-west is a table of tgw-west" in found


def test_a_route_to_a_gateway_needs_an_attachment_to_it() -> None:
    attachments = PATTERNS["transit_gateway"].build().transit_gateway_attachments
    rest = tuple(a for a in attachments if a.vpc_id != "vpc-b")
    found = [str(p) for p in problems(gateway(transit_gateway_attachments=rest))]
    assert found
    assert all("vpc-b is not attached to tgw-east" in p for p in found)


@pytest.mark.parametrize(
    ("vpc_id", "subnet_ids", "words"),
    [
        ("vpc-b", (), "name at least one subnet (AWS: MissingParameter)"),
        ("vpc-b", ("subnet-c-1",), "subnet-c-1 is not in vpc-b"),
        ("vpc-b", ("subnet-b-1", "subnet-b-1"), "as subnet-b-1 is (AWS: DuplicateSubnetsInSameZone)"),
        ("vpc-b", ("subnet-gone",), "no subnets entry has subnet_id 'subnet-gone'"),
        (None, ("subnet-b-1",), "a gateway peering has no subnets"),
    ],
)
def test_an_attachment_has_one_subnet_a_zone_of_its_vpc(
    vpc_id: str | None, subnet_ids: tuple[str, ...], words: str
) -> None:
    attachments = list(PATTERNS["transit_gateway"].build().transit_gateway_attachments)
    chosen = next(i for i, a in enumerate(attachments) if a.vpc_id == vpc_id)
    attachments[chosen] = attachments[chosen].model_copy(update={"subnet_ids": subnet_ids})
    [found] = [str(p) for p in problems(gateway(transit_gateway_attachments=tuple(attachments)))]
    assert words in found


def test_an_attachment_need_not_tell_its_subnets() -> None:
    attachments = PATTERNS["transit_gateway"].build().transit_gateway_attachments
    untold = tuple(a.model_copy(update={"subnet_ids": None}) for a in attachments)
    assert list(problems(gateway(transit_gateway_attachments=untold))) == []
