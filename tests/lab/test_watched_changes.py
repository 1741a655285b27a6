"""Changes of a running lab, watched as `brokerproof change` watches them: each is judged with and without its words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from brokerproof.change.declaration import NOTHING, Declaration, load_declaration
from brokerproof.change.judgement import Answer, Judgement, judge_change
from brokerproof.change.session import Watching, look
from brokerproof.lab.life.handle import Lab
from brokerproof.topology.edit import with_added, with_changed
from brokerproof.topology.models import (
    IpPermission,
    Route,
    RouteTable,
    SecurityGroup,
    Topology,
    TransitGatewayAttachment,
)
from brokerproof.topology.patterns import PATTERNS, PatternName

pytestmark = pytest.mark.lab

DECLARATIONS = Path(__file__).parents[2] / "deploy" / "declarations"
TOPOLOGY = PATTERNS["combination"].build()
SETTLE_S = 3.0


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


def watched(lab: Lab, client: str, change: Callable[[Topology], Topology]) -> Callable[[Declaration], Judgement]:
    """Make the change, and return what judges it by a declaration; the lab is as it was then."""
    after_it = change(TOPOLOGY)
    before = look(TOPOLOGY, [TOPOLOGY.client(client)], measure=False, lab=lab)
    try:
        with Watching(TOPOLOGY, [TOPOLOGY.client(client)], lab=lab, progress=print) as watching:
            began = time.time()
            lab.apply(after_it)
            ended = time.time()
            time.sleep(SETTLE_S)
            survivals, troubles = watching.reports()
        after = look(after_it, [after_it.client(client)], measure=False, lab=lab)
    finally:
        lab.apply(TOPOLOGY)

    def judged(declared: Declaration) -> Judgement:
        declared = declared.model_copy(update={"latency": None})
        return judge_change(
            before, after, survivals, declared, command_began=began, command_ended=ended, troubles=troubles
        )

    return judged


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
    judged = watched(lab, client, change)
    by_words = judged(load_declaration(DECLARATIONS / f"{declaration}.yaml"))
    assert by_words.whys == ()
    assert by_words.answer is Answer.ACCEPTED
    without = judged(NOTHING)
    if undeclared is not None:
        assert without.answer is undeclared
