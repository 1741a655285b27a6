"""What nobody has is asked for and knocked at, once each, and is no part of the path."""

from __future__ import annotations

from typing import Any

import dns.rcode

from brokerproof.probes.outcome import HostFacts, Reason, ResolveFacts, Role, Stage, Status
from brokerproof.probes.plan import ControlConnect
from tests.probes.fake_dns import answering, dns_server
from tests.probes.fake_kafka import alone, broker
from tests.probes.peers import closed_port, peer, run
from tests.probes.running import TO_IDENTITY, plan, probe

NOBODY = "x0123456789ab.demo.kafka.us-east-1.amazonaws.com"


def test_a_healthy_path_is_all_well_but_for_what_nobody_has() -> None:
    closed = closed_port()

    async def work() -> None:
        ports: list[int] = []
        async with (
            dns_server(answering(rcode=dns.rcode.NXDOMAIN)) as server,
            peer(broker(alone(1, lambda: ports[0]))) as port,
        ):
            ports.append(port)
            controls: dict[str, Any] = {
                "control_names": (NOBODY, NOBODY),
                "control_connects": (ControlConnect(address="127.0.0.77", port=closed),),
            }
            result = await probe(plan(port, resolver=str(server), **controls))
        assert all(each.status is Status.OK for each in result.outcomes if each.target.role is not Role.CONTROL)
        name = result.one(Stage.RESOLVE, role=Role.CONTROL)
        assert (name.target.name, name.status, name.reason) == (NOBODY, Status.FAILED, Reason.NXDOMAIN)
        address = result.one(Stage.CONNECT, role=Role.CONTROL)
        assert (address.target.address, address.target.port) == ("127.0.0.77", closed)
        assert (address.status, address.reason) == (Status.FAILED, Reason.REFUSED)

    run(work())


def test_what_answers_for_nobody_is_seen() -> None:
    async def work() -> None:
        ports: list[int] = []
        async with (
            dns_server(answering(f"{NOBODY}. 60 IN A 10.9.9.9")) as server,
            peer(broker(alone(1, lambda: ports[0])), address="0.0.0.0") as port,
        ):
            ports.append(port)
            controls: dict[str, Any] = {
                "control_names": (NOBODY,),
                "control_connects": (ControlConnect(address="127.0.0.77", port=port),),
            }
            result = await probe(plan(port, resolver=str(server), **controls))
        facts = result.one(Stage.RESOLVE, role=Role.CONTROL).facts
        assert isinstance(facts, ResolveFacts)
        assert (facts.a, facts.os_addresses) == (("10.9.9.9",), ())
        assert result.one(Stage.CONNECT, role=Role.CONTROL).status is Status.OK

    run(work())


def test_a_run_begins_with_what_its_host_is_set_to() -> None:
    async def work() -> None:
        ports: list[int] = []
        async with peer(broker(alone(1, lambda: ports[0]))) as port:
            ports.append(port)
            result = await probe(plan(port))
        assert isinstance(result.started.host_facts, HostFacts)
        assert result.started.host_facts.first_local_port

    run(work())


def test_without_the_stage_nothing_is_asked_of_nobody() -> None:
    controls: dict[str, Any] = {
        "control_names": (NOBODY,),
        "control_connects": (ControlConnect(address="127.0.0.77", port=1),),
    }
    result = run(probe(plan(1, stages=TO_IDENTITY[2:], **controls)))
    assert not [each for each in result.outcomes if each.target.role is Role.CONTROL]
