"""What a builder can be asked for beside the defaults, each verified in a lab of its own."""

from __future__ import annotations

import os

import pytest

from brokerproof.diagnosis.check import Verdict
from brokerproof.lab.daemons import kafka_dist
from brokerproof.lab.life.handle import Lab
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.probes.plan import Limits
from brokerproof.running.planning import ClientRun, conclude, make_plan
from brokerproof.running.site import lab_vantage
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from brokerproof.topology.patterns.options import Overlap

pytestmark = pytest.mark.lab

LIMITS = Limits(connect_ms=800, handshake_ms=6000, produce_ms=12_000, plan_ms=40_000)


def run(lab: Lab, client: str, **chosen: object) -> ClientRun:
    view = expect(lab.topology, client)
    plan = make_plan(view, lab.topology.client(client), measure=False, limits=LIMITS, **chosen)  # type: ignore[arg-type]
    with lab_vantage(lab, client) as vantage:
        return conclude(view, plan, vantage.run(plan))


def all_green(result: ClientRun) -> bool:
    wrong = [(c.check_id, c.verdict, c.observed) for c in result.checks if c.verdict is not Verdict.PASSED]
    assert not wrong, wrong
    return bool(result.checks)


def test_a_plaintext_listener_where_the_topology_says_so() -> None:
    with Lab.start(PATTERNS["in_vpc"].build(PatternOptions(brokers=1, plaintext=True))) as lab:
        plain = run(lab, "plaintext")
        assert all_green(plain)
        assert not plain.select(Stage.HANDSHAKE)
        assert {b.port for b in plain.view.brokers} == {9092}
        assert all_green(run(lab, "cluster_vpc"))


def test_an_older_kafka_and_more_brokers_than_zones() -> None:
    """Kafka 3.9, five brokers in two zones, other ports, no cross-zone, silent nodes, zonal aliases left out."""
    options = PatternOptions(
        brokers=5, zones=2, kafka_version="3.9.1", first_listener_port=9001, cross_zone=False, overlap=Overlap.OFF
    )
    kafka_dist.fetch(options.kafka_version, print, environ=os.environ)
    with Lab.start(PATTERNS["privatelink_single_nlb"].build(options)) as lab:
        stages = (Stage.RESOLVE, Stage.CONNECT, Stage.HANDSHAKE, Stage.API, Stage.METADATA, Stage.IDENTITY)
        result = run(lab, "account_b", stages=stages)
        assert all_green(result)
        dead = [o for o in result.run.outcomes if o.stage is Stage.CONNECT and o.target.port == 9001 and o.reason]
        assert {o.reason for o in dead} == {Reason.TIMED_OUT}


def test_a_name_that_must_not_be_reached_from_its_neighbour_is_shown_when_it_is() -> None:
    """The one-way check can fail: run as if it were the observer, client b's own neighbour reaches the witness."""
    with Lab.start(
        PATTERNS["privatelink_multi_nlb"].build(PatternOptions(brokers=1, overlap=Overlap.OFF, remote=False))
    ) as lab:
        view = expect(lab.topology, "cluster_vpc")
        plan = make_plan(view, lab.topology.client("cluster_vpc"), measure=False, limits=LIMITS)
        with lab_vantage(lab, "cluster_vpc") as there, lab_vantage(lab, "account_b") as beside:
            assert all_green(conclude(view, plan, there.run(plan)))
            wrong = conclude(view, plan, beside.run(plan))
        [red] = [c for c in wrong.checks if c.verdict is Verdict.FAILED and c.isolation]
        assert red.isolation
        assert "accepted a connection" in red.observed
