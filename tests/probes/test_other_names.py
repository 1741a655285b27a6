"""Names that are not of the cluster: each is resolved once, and nothing else is done with it."""

from __future__ import annotations

import dns.rcode

from brokerproof.probes.outcome import Reason, ResolveFacts, Role, Stage, Status
from tests.probes.conftest import Names
from tests.probes.fake_dns import SOA, answering, dns_server
from tests.probes.fake_kafka import alone, broker
from tests.probes.peers import peer, run
from tests.probes.running import TO_IDENTITY, plan, probe

API = "kafka.us-east-1.amazonaws.com"


def test_a_name_that_resolves_is_connected_to_by_nobody(os_names: Names) -> None:
    os_names[API] = ("203.0.113.80",)

    async def work() -> None:
        ports: list[int] = []
        async with (
            dns_server(answering(f"{API}. 60 IN A 203.0.113.80")) as server,
            peer(broker(alone(1, lambda: ports[0]))) as port,
        ):
            ports.append(port)
            result = await probe(plan(port, resolver=str(server), other_names=(API, API)))
        assert result.all_ok(), result.verdicts()
        assert {each.stage for each in result.outcomes if each.target.name == API} == {Stage.RESOLVE}
        assert result.one(Stage.RESOLVE, role=Role.OTHER).target.name == API

    run(work())


def test_the_zone_that_hides_a_name_is_in_the_facts() -> None:
    async def work() -> None:
        reply = answering(rcode=dns.rcode.NXDOMAIN, authority=(SOA,))
        async with dns_server(reply) as server:
            result = await probe(plan(1, resolver=str(server), other_names=(f"b-1.else.{API}",)))
        hidden = result.one(Stage.RESOLVE, role=Role.OTHER)
        assert (hidden.status, hidden.reason) == (Status.FAILED, Reason.NXDOMAIN)
        assert isinstance(hidden.facts, ResolveFacts)
        assert hidden.facts.soa.rstrip(".") == API

    run(work())


def test_without_resolve_no_name_is_asked_for() -> None:
    result = run(probe(plan(1, stages=TO_IDENTITY[1:], other_names=(API,))))
    assert result.of(Stage.RESOLVE) == []
