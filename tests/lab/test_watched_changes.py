"""Changes of a running lab, watched as `brokerproof change` watches them: each is judged with and without its words."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from benchmarks.processes import below
from brokerproof.change.declaration import NOTHING, Declaration, load_declaration
from brokerproof.change.judgement import Answer, Judgement, judge_change, outages, pauses
from brokerproof.change.paired import pairs
from brokerproof.change.session import Watching, look
from brokerproof.lab.life.handle import Lab
from brokerproof.probes.plan import Limits
from brokerproof.running.survivors import SURVIVAL
from brokerproof.topology.edit import with_added, with_changed
from brokerproof.topology.models import (
    AliasTarget,
    HostedZone,
    IpPermission,
    ResourceRecordSet,
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
BETWEEN_S = 3.0
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
    lab: Lab, client: str, change: Callable[[Lab], None], *, with_java: bool = True
) -> Callable[[Declaration], Judgement]:
    """Make the change, and return what judges it by a declaration; the lab is as it was then."""
    before_it = lab.intended
    before = look(before_it, [before_it.client(client)], measure=False, lab=lab, limits=PATIENT)
    try:
        whole = before_it.client(client)
        with Watching(before_it, [whole], lab=lab, progress=print, with_java=with_java) as watching:
            began = time.time()
            change(lab)
            ended = time.time()
            time.sleep(SETTLE_S)
            survivals, troubles = watching.reports()
        after_it = lab.topology
        after = look(after_it, [after_it.client(client)], measure=False, lab=lab, limits=PATIENT)
    finally:
        lab.apply(before_it)
    libraries = ["librdkafka", *(["Kafka's Java client"] if with_java else [])]
    assert [each.producer.library for each in survivals] == libraries

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
    judged = watched(lab, client, lambda there: there.apply(change(TOPOLOGY)))
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


ENDPOINT, SPARE = "vpce-b-b1", "vpce-b-spare"


def with_spare(topology: Topology) -> Topology:
    """Another endpoint of broker 1's service beside the one that there is, at addresses of its own."""
    [first] = [each for each in topology.vpc_endpoints if each.vpc_endpoint_id == ENDPOINT]
    interfaces = tuple(
        each.model_copy(update={"private_ip_address": each.private_ip_address + 20})
        for each in first.network_interfaces
    )
    name = first.dns_name.replace(ENDPOINT, SPARE)
    changes = {"vpc_endpoint_id": SPARE, "dns_name": name, "network_interfaces": interfaces}
    return with_added(topology, "vpc_endpoints", first.model_copy(update=changes))


def at_the_spare(topology: Topology) -> Topology:
    """The record of broker 1 leads to the spare, which is the one that the names of its clients are to lead to."""
    *others, spare = topology.vpc_endpoints

    def led(zone: HostedZone) -> tuple[ResourceRecordSet, ...]:
        first, *rest = zone.record_sets
        return (first.model_copy(update={"alias_target": AliasTarget(dns_name=spare.dns_name)}), *rest)

    topology = topology.model_copy(update={"vpc_endpoints": (spare, *others)})
    return with_changed(topology, "hosted_zones", lambda zone: "vpc-b" in zone.vpc_ids, record_sets=led)


def record_moved(lab: Lab) -> None:
    """The record alone."""
    lab.apply(at_the_spare(lab.topology))


def endpoint_replaced(lab: Lab) -> None:
    """The record moves to the spare, and the endpoint that it led to goes."""
    # So the producer takes its connection for dead within seconds; the consumer, which sends nothing, after a minute.
    command = [*lab.command_prefix("account_b"), "sh", "-c", "echo 4 > /proc/sys/net/ipv4/tcp_retries2"]
    subprocess.run(command, check=True)
    record_moved(lab)
    time.sleep(BETWEEN_S)
    left = tuple(each for each in lab.topology.vpc_endpoints if each.vpc_endpoint_id != ENDPOINT)
    lab.apply(lab.topology.model_copy(update={"vpc_endpoints": left}))


def target_replaced(lab: Lab) -> None:
    """The target is taken out, and put back."""
    whole = lab.topology
    lab.apply(with_changed(whole, "target_groups", lambda group: group.target_group_name == "tg-b1-b1", targets=()))
    time.sleep(BETWEEN_S)
    lab.apply(whole)


def certificate_renewed(lab: Lab) -> None:
    """The brokers have another certificate of the same authority and names, and go on running."""
    now = lab.topology.clusters[0].server_certificate
    longer = now.model_copy(update={"valid_to_days": now.valid_to_days + 30})
    pids = lab.status()["broker_pids"]
    lab.apply(with_changed(lab.topology, "clusters", lambda _: True, server_certificate=longer))
    assert lab.status()["broker_pids"] == pids


def rolling_restart(lab: Lab) -> None:
    """The brokers are restarted one after another, each once all replicas are in sync."""
    for broker in lab.status()["brokers"]:
        lab.restart(broker)


BEHIND_BALANCERS = with_spare(PATTERNS["privatelink_multi_nlb"].build(PatternOptions(brokers=2, zones=2)))


@pytest.fixture(scope="module")
def behind_balancers() -> Iterator[Lab]:
    with Lab.start(BEHIND_BALANCERS) as built:
        yield built


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("change", "declaration", "undeclared"),
    [
        (rolling_restart, "rolling-restart", "connections that stood before were ended"),
        (target_replaced, "nlb-target-replaced", "connections to broker 1"),
        (endpoint_replaced, "endpoint-replaced", "addresses of broker-1 changed, which was not declared"),
    ],
    ids=lambda value: getattr(value, "__name__", None) or str(value),
)
def test_what_is_replaced_is_rejected_unless_it_was_declared(
    behind_balancers: Lab, change: Callable[[Lab], None], declaration: str, undeclared: str
) -> None:
    judged = watched(behind_balancers, "account_b", change, with_java=change is rolling_restart)
    by_words = judged(declared_for(declaration))
    assert by_words.whys == ()
    assert by_words.answer is Answer.ACCEPTED
    without = judged(NOTHING)
    assert without.answer is Answer.REJECTED
    assert undeclared in " ".join(why.title for why in without.whys)


def test_of_two_changes_at_once_each_needs_its_own_words(behind_balancers: Lab) -> None:
    """Neither touches a connection."""

    def both(lab: Lab) -> None:
        record_moved(lab)
        time.sleep(BETWEEN_S)
        certificate_renewed(lab)

    judged = watched(behind_balancers, "account_b", both, with_java=False)
    moved, renewed = declared_for("record-moved"), declared_for("certificate-renewed")
    whole = moved.model_copy(update={"may_differ": {**moved.may_differ, **renewed.may_differ}})
    assert judged(whole).whys == ()
    assert judged(whole).answer is Answer.ACCEPTED
    by_move = "addresses of broker-1 changed, which was not declared"
    by_renewal = [f"certificates of broker-{number} changed, which was not declared" for number in (1, 2)]
    assert [why.title for why in judged(moved).whys] == by_renewal
    assert by_move in [why.title for why in judged(renewed).whys]
    without = judged(NOTHING)
    assert without.answer is Answer.REJECTED
    assert {by_move, *by_renewal} <= {why.title for why in without.whys}


STOPPED_S = 5.0


def test_a_pause_in_which_the_survivors_themselves_stood_still_is_no_evidence(behind_balancers: Lab) -> None:
    stopped: list[float] = []

    def survivors_stopped(_lab: Lab) -> None:
        time.sleep(1)
        words = "\0".join(("-m", *SURVIVAL))
        pids = [pid for pid in below(os.getpid()) if words in Path(f"/proc/{pid}/cmdline").read_text()]
        stopped.append(time.time())
        os.kill(pids[-1], signal.SIGSTOP)
        time.sleep(STOPPED_S)
        # nsenter stops along with what it runs.
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        stopped.append(time.time())

    judgement = watched(behind_balancers, "account_b", survivors_stopped, with_java=False)(NOTHING)
    [report] = judgement.survivals
    over_it = {
        gap
        for leader in report.leaders
        for gap in leader.gaps
        if gap.began <= stopped[0] + 0.5 and gap.began + gap.lasted_ms / 1000 >= stopped[1] - 0.5
    }
    assert any("this host stood still for" in why.title for why in judgement.whys)
    assert over_it
    assert not over_it & {*outages(report, stopped[0]), *pauses(report, stopped[0])}
