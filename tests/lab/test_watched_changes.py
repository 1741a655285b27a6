"""Changes of a running lab, watched as `brokerproof change` watches them: each is judged with and without its words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from brokerproof.change.declaration import NOTHING, Declaration, load_declaration
from brokerproof.change.judgement import Answer, Judgement, judge_change
from brokerproof.change.paired import pairs
from brokerproof.change.session import Watching, look
from brokerproof.lab.life.handle import Lab
from brokerproof.probes.plan import Limits
from brokerproof.topology.edit import with_added, with_changed
from brokerproof.topology.models import (
    IpPermission,
    Route,
    RouteTable,
    SecurityGroup,
    Topology,
    TransitGatewayAttachment,
)
from brokerproof.topology.patterns import PATTERNS, PatternName, PatternOptions

pytestmark = pytest.mark.lab

DECLARATIONS = Path(__file__).parents[2] / "deploy" / "declarations"
TOPOLOGY = PATTERNS["combination"].build()
SETTLE_S = 3.0
TURNS = 14
PATIENCE = 6
LONGEST_PAUSE_MS = 120_000
MOST_FAILED = 10
PATIENT = Limits(
    resolve_ms=15_000,
    connect_ms=10_000,
    handshake_ms=20_000,
    request_ms=20_000,
    produce_ms=40_000,
    consume_ms=40_000,
    group_ms=60_000,
    plan_ms=200_000,
)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.start(TOPOLOGY) as built:
        yield built


def group_tightened(topology: Topology) -> Topology:
    """The brokers' group admits the subnets that have clients, and not their whole VPC."""
    wide = IPv4Network("10.6.0.0/16")

    def ingress(group: SecurityGroup) -> tuple[IpPermission, ...]:
        return tuple(
            rule.model_copy(update={"cidr_ipv4": IPv4Network("10.6.0.0/20")}) if rule.cidr_ipv4 == wide else rule
            for rule in group.ingress
        )

    return with_changed(topology, "security_groups", lambda group: group.group_id == "sg-brokers", ingress=ingress)


def peering_to_gateway(topology: Topology) -> Topology:
    """The routes between the client's VPC and the cluster's lead through the gateway."""

    def routes(table: RouteTable) -> tuple[Route, ...]:
        by_gateway = {"vpc_peering_connection_id": None, "transit_gateway_id": "tgw-east"}
        return tuple(
            route.model_copy(update=by_gateway) if route.vpc_peering_connection_id == "pcx-cluster-b" else route
            for route in table.routes
        )

    attachment = TransitGatewayAttachment(
        transit_gateway_attachment_id="tgw-attach-b",
        transit_gateway_id="tgw-east",
        vpc_id="vpc-b",
        association="tgw-rtb-east",
        propagations=("tgw-rtb-east",),
    )
    topology = with_added(topology, "transit_gateway_attachments", attachment)
    topology = with_changed(topology, "route_tables", lambda _: True, routes=routes)
    return with_changed(topology, "clients", lambda c: c.name == "peered", pattern=PatternName.TRANSIT_GATEWAY)


def watched(
    lab: Lab, client: str, steps: Sequence[Topology], *, between_s: float = 0.0
) -> Callable[[Declaration], Judgement]:
    """Make the change, and return what judges it by a declaration; the lab is as it was then."""
    before_it, after_it = lab.intended, steps[-1]
    before = look(before_it, [before_it.client(client)], measure=False, lab=lab, limits=PATIENT)
    try:
        with Watching(before_it, [before_it.client(client)], lab=lab, progress=print) as watching:
            began = time.time()
            for number, step in enumerate(steps):
                time.sleep(between_s if number else 0)
                lab.apply(step)
            ended = time.time()
            time.sleep(SETTLE_S)
            survivals, troubles = watching.reports()
        after = look(after_it, [after_it.client(client)], measure=False, lab=lab, limits=PATIENT)
    finally:
        lab.apply(before_it)
    assert [each.producer.library for each in survivals] == ["librdkafka", "Kafka's Java client"]

    def judged(declared: Declaration) -> Judgement:
        declared = declared.model_copy(update={"latency": None})
        return judge_change(
            before, after, survivals, declared, command_began=began, command_ended=ended, troubles=troubles
        )

    return judged


def declared_for(change: str) -> Declaration:
    """The example, patient enough for a busy machine: there the lab's brokers start slowly, and pause by themselves."""
    found = load_declaration(DECLARATIONS / f"{change}.yaml")
    may = found.interruption
    longer = {
        "outage_ms": may.outage_ms * PATIENCE,
        "pause_ms": max(may.pause_ms * PATIENCE, LONGEST_PAUSE_MS),
        "failed_connections": max(may.failed_connections * PATIENCE, MOST_FAILED),
    }
    return found.model_copy(update={"interruption": may.model_copy(update=longer)})


@pytest.mark.parametrize(
    ("client", "change", "declaration", "undeclared"),
    [
        ("by_gateway", group_tightened, "security-group-tightened", Answer.ACCEPTED),
        ("peered", peering_to_gateway, "peering-to-gateway", None),
    ],
    ids=lambda value: getattr(value, "__name__", None) or str(value),
)
def test_a_change_is_judged_by_what_was_declared(
    lab: Lab,
    client: str,
    change: Callable[[Topology], Topology],
    declaration: str,
    undeclared: Answer | None,
) -> None:
    """Where packets take another way, they may be lost while they do: undeclared that is the one or the other."""
    judged = watched(lab, client, [change(TOPOLOGY)])
    by_words = judged(declared_for(declaration))
    assert by_words.whys == ()
    assert by_words.answer is Answer.ACCEPTED
    without = judged(NOTHING)
    if undeclared is not None:
        assert without.answer is undeclared


def test_a_way_is_timed_in_turns_with_the_other_one(lab: Lab) -> None:
    """By the gateway a packet has twice the links, and a machine that is busy meets both ways alike."""
    connect, handshake = pairs(TOPOLOGY, {"by_gateway": "peered"}, lab=lab, rounds=TURNS)
    assert (connect.what, handshake.what) == ("connect", "handshake")
    for each in (connect, handshake):
        assert each.low is not None
        assert each.high is not None
        assert each.low < each.high
        assert each.rounds <= TURNS
    assert connect.high is not None
    assert connect.high > 1.0


# Behind a load balancer for each broker


@pytest.fixture(scope="module")
def behind_balancers() -> Iterator[Lab]:
    with Lab.start(BEHIND_BALANCERS) as built:
        yield built


BEHIND_BALANCERS = PATTERNS["privatelink_multi_nlb"].build(PatternOptions(brokers=2, zones=2))


def target_replaced(topology: Topology) -> Iterator[Topology]:
    yield with_changed(topology, "target_groups", lambda group: group.target_group_name == "tg-b1-b1", targets=())
    yield topology


@pytest.mark.timeout(900)
def test_a_target_that_is_replaced_is_rejected_unless_it_was_declared(behind_balancers: Lab) -> None:
    judged = watched(behind_balancers, "account_b", tuple(target_replaced(behind_balancers.intended)), between_s=3.0)
    by_words = judged(declared_for("nlb-target-replaced"))
    assert by_words.whys == ()
    assert by_words.answer is Answer.ACCEPTED
    without = judged(NOTHING)
    assert without.answer is Answer.REJECTED
    assert "connections to broker 1" in " ".join(why.title for why in without.whys)
