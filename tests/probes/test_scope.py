"""Where metadata may send the probe: nowhere but to what looks like the planned cluster, unless it is asked for."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from brokerproof.probes.outcome import MetadataFacts, Reason, Role, Stage, Status
from brokerproof.probes.outcome.registry import up_to
from brokerproof.probes.plan import VERIFY_STAGES, AdvertisedScope, Endpoint, Plan
from brokerproof.probes.scope import PlanScope
from tests.probes.fake_kafka import broker, healthy
from tests.probes.peers import LOOPBACK, peer, run
from tests.probes.running import Result, plan, probe

DOMAIN = "demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com"


def planned(*names: str, scope: AdvertisedScope = AdvertisedScope.PLAN_ONLY) -> Plan:
    ends = tuple(Endpoint(name=name, port=9094) for name in names)
    return Plan(plan_id="p", client="c", bootstrap=ends, follow_advertised=scope)


@pytest.mark.parametrize(
    ("names", "advertised", "inside"),
    [
        ((f"b-1.{DOMAIN}",), f"b-2.{DOMAIN}", True),
        ((f"b-1.{DOMAIN}",), f"B-2.{DOMAIN}.".upper(), True),
        ((f"b-1.{DOMAIN}",), f"b-2.tls.{DOMAIN}", True),
        ((f"b-1.{DOMAIN}",), "b-2.other.a1b2c3.c2.kafka.us-east-1.amazonaws.com", False),
        ((f"b-1.{DOMAIN}",), f"not{DOMAIN}", False),
        ((f"b-1.{DOMAIN}",), "169.254.169.254", False),
        ((f"b-1.{DOMAIN}",), "localhost", False),
        (("broker.example",), "other.example", False),
        (("broker.example",), "broker.example", True),
        (("10.0.0.5",), "10.0.0.5", True),
        (("10.0.0.5",), "1.0.0.5", False),
        (("10.0.0.5",), "x.0.0.5", False),
        (("localhost",), "other", False),
    ],
)
def test_a_name_is_followed_below_the_plans_domains(names: tuple[str, ...], advertised: str, inside: bool) -> None:
    assert PlanScope(planned(*names)).has_name(advertised) is inside
    assert PlanScope(planned(*names, scope=AdvertisedScope.ANY)).has_name(advertised)


def test_a_port_is_followed_where_it_is_one_of_the_plans() -> None:
    assert PlanScope(planned("b")).has_port(9094)
    assert not PlanScope(planned("b")).has_port(22)
    assert PlanScope(planned("b", scope=AdvertisedScope.ANY)).has_port(22)


@pytest.mark.parametrize("elsewhere", ["127.0.0.2", LOOPBACK], ids=["another address", "another port"])
@pytest.mark.parametrize("scope", [AdvertisedScope.PLAN_ONLY, AdvertisedScope.ANY])
def test_what_is_advertised_outside_the_plan_is_connected_to_only_if_asked(
    elsewhere: str, scope: AdvertisedScope
) -> None:
    met: list[bool] = []

    async def noting(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        met.append(True)

    async def work() -> tuple[Result, int]:
        async with AsyncExitStack() as stack:
            other = await stack.enter_async_context(peer(noting, address=elsewhere))
            ports: list[int] = []
            handlers = healthy(1, lambda: ((1, LOOPBACK, ports[0]), (2, elsewhere, other)))
            ports.append(await stack.enter_async_context(peer(broker(handlers))))
            return await probe(plan(ports[0], follow_advertised=scope)), other

    result, other = run(work())
    facts = result.one(Stage.METADATA, role=Role.BROKER).facts
    assert isinstance(facts, MetadataFacts)
    assert (elsewhere, other) in {(each.name, each.port) for each in facts.brokers}, "what is advertised is reported"
    root = Stage.RESOLVE if elsewhere != LOOPBACK else Stage.CONNECT
    if scope is AdvertisedScope.ANY:
        assert met
        assert not [each for each in result.outcomes if each.reason is Reason.OUTSIDE_PLAN]
        return
    assert met == []
    found = result.one(root, role=Role.ADVERTISED)
    assert (found.status, found.reason) == (Status.SKIPPED, Reason.OUTSIDE_PLAN)
    assert f"advertised at {elsewhere}:{other}, which is not in the plan's scope: {LOOPBACK} at ports" in found.detail
    later = result.one(Stage.IDENTITY, role=Role.ADVERTISED)
    assert (later.status, later.reason) == (Status.SKIPPED, Reason.WAITS_FOR)
    assert later.waited_for is not None
    assert later.waited_for.stage is root


def test_who_only_asks_which_brokers_there_are_follows_none() -> None:
    async def work() -> Result:
        ports: list[int] = []
        handlers = healthy(1, lambda: ((1, LOOPBACK, ports[0]), (2, LOOPBACK, ports[0])))
        async with peer(broker(handlers)) as port:
            ports.append(port)
            stages = up_to(Stage.METADATA)
            return await probe(plan(port, stages=stages, follow_advertised=AdvertisedScope.NONE))

    result = run(work())
    facts = result.one(Stage.METADATA, role=Role.BROKER).facts
    assert isinstance(facts, MetadataFacts)
    assert [each.broker_id for each in facts.brokers] == [1, 2]
    assert not [each for each in result.outcomes if each.target.role is Role.ADVERTISED]


def test_records_of_a_broker_that_is_left_alone_wait_for_that() -> None:
    async def work() -> Result:
        ports: list[int] = []
        handlers = healthy(1, lambda: ((2, "127.0.0.2", 1),))
        async with peer(broker(handlers)) as port:
            ports.append(port)
            return await probe(plan(port, stages=VERIFY_STAGES))

    result = run(work())
    produce = next(each for each in result.of(Stage.PRODUCE) if each.target.broker_id == 2)
    assert (produce.status, produce.reason) == (Status.SKIPPED, Reason.WAITS_FOR)
    assert produce.waited_for is not None
    assert (produce.waited_for.stage, produce.waited_for.target.name) == (Stage.RESOLVE, "127.0.0.2")
