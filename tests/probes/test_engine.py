"""A whole plan in this process, without a cluster: targets, roots, deadlines, exactly one outcome each."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brokerproof.probes import engine
from brokerproof.probes.outcome import ConnectFacts, IdentityFacts, Line, Reason, Refused, Role, Stage, Status, Target
from brokerproof.probes.outcome.registry import SPECS
from brokerproof.probes.plan import (
    VERIFY_STAGES,
    AdvertisedScope,
    Endpoint,
    ForbiddenConnect,
    LatencyPlan,
    Limits,
    PathLatencyPlan,
    Plan,
    ThroughputPlan,
    Tls,
    TopicPlan,
)
from tests.examples import examples
from tests.probes.authority import Authority
from tests.probes.conftest import Names
from tests.probes.fake_dns import SOA, answering, dns_server
from tests.probes.fake_kafka import Handler, alone, broker, healthy
from tests.probes.peers import LOOPBACK, Behaviour, closed_port, closing, endless, peer, resetting, run, silent
from tests.probes.running import PATIENT, TLS_TO_IDENTITY, TO_IDENTITY, Result, keys, plan, probe, waiting

NAME = "b-1.demo.kafka.us-east-1.amazonaws.com"
ANYBODYS = tuple(stage for stage in VERIFY_STAGES if not SPECS[stage].logged_in_only)
"""Without the one of clients that log in."""
IDENTITY_ON = (Stage.API, Stage.METADATA, Stage.IDENTITY)


async def cluster(stack: AsyncExitStack, count: int) -> list[int]:
    """Brokers 1..count on loopback, each advertising all of them; their ports."""
    ports: list[int] = []
    for own_id in range(1, count + 1):
        handlers = healthy(own_id, lambda: tuple((each, LOOPBACK, port) for each, port in enumerate(ports, start=1)))
        ports.append(await stack.enter_async_context(peer(broker(handlers))))
    return ports


def test_a_healthy_cluster_is_ok_at_every_stage() -> None:
    async def work() -> Result:
        async with AsyncExitStack() as stack:
            return await probe(plan(*await cluster(stack, 3)))

    result = run(work())
    assert result.all_ok()
    assert result.closing.complete
    assert result.closing.left_behind == ()
    # One name, so one resolution; three endpoints, each with the four stages after it.
    assert {stage: len(found) for stage, found in result.verdicts().items()} == {
        Stage.RESOLVE: 1,
        Stage.CONNECT: 3,
        Stage.API: 3,
        Stage.METADATA: 3,
        Stage.IDENTITY: 3,
    }
    assert result.one(Stage.RESOLVE).target == Target(role=Role.BROKER, name=LOOPBACK)
    assert {each.target.broker_id for each in result.of(Stage.IDENTITY, role=Role.BROKER)} == {1, 2, 3}


def test_what_is_advertised_but_not_planned_is_probed() -> None:
    async def work() -> tuple[Result, list[int]]:
        async with AsyncExitStack() as stack:
            ports = await cluster(stack, 3)
            return await probe(plan(ports[0], follow_advertised=AdvertisedScope.ANY)), ports

    result, ports = run(work())
    assert result.all_ok()
    advertised = {(each.target.port, each.target.broker_id) for each in result.of(Stage.IDENTITY, role=Role.ADVERTISED)}
    assert advertised == {(ports[1], 2), (ports[2], 3)}


def test_a_bootstrap_that_is_no_broker_is_a_target_of_its_own() -> None:
    async def work() -> tuple[Result, int]:
        async with AsyncExitStack() as stack:
            ports = await cluster(stack, 2)
            other = await stack.enter_async_context(
                peer(broker(healthy(2, lambda: ((1, LOOPBACK, ports[0]), (2, LOOPBACK, ports[1])))))
            )
            bootstrap = (Endpoint(name=LOOPBACK, port=other), Endpoint(name=LOOPBACK, port=ports[0]))
            return await probe(plan(*ports, bootstrap=bootstrap)), other

    result, other = run(work())
    assert result.all_ok()
    identity = result.one(Stage.IDENTITY, role=Role.BOOTSTRAP)
    assert (identity.target.port, identity.target.broker_id) == (other, None)
    assert isinstance(identity.facts, IdentityFacts)
    assert identity.facts.answered_by == 2


def test_a_bootstrap_where_another_broker_answers_does_not_stand_for_the_advertised_one() -> None:
    """One listener with all brokers behind it: reaching it is not reaching broker 1."""

    async def work() -> Result:
        ports: list[int] = []
        async with peer(broker(healthy(2, lambda: ((1, LOOPBACK, ports[0]),)))) as port:
            ports.append(port)
            return await probe(plan(port, brokers=()))

    result = run(work())
    assert result.one(Stage.IDENTITY, role=Role.BOOTSTRAP).status is Status.OK
    other = result.one(Stage.IDENTITY, role=Role.ADVERTISED)
    assert (other.status, other.reason, other.target.broker_id) == (Status.FAILED, Reason.OTHER_BROKER, 1)


def test_a_bootstrap_where_the_advertised_broker_answers_is_not_probed_twice() -> None:
    async def work() -> Result:
        ports: list[int] = []
        async with peer(broker(alone(1, lambda: ports[0]))) as port:
            ports.append(port)
            return await probe(plan(port, brokers=()))

    result = run(work())
    assert result.all_ok()
    assert {each.target.role for each in result.outcomes} == {Role.BOOTSTRAP}


@pytest.mark.parametrize(
    ("behaviour", "root", "reason"),
    [
        (silent, Stage.API, Reason.TIMED_OUT),
        (closing, Stage.API, Reason.CLOSED),
        (resetting, Stage.API, Reason.RESET),
        (endless(b"x" * 1000), Stage.API, Reason.NOT_KAFKA),
    ],
)
def test_everything_after_a_failure_waits_for_it(behaviour: Behaviour, root: Stage, reason: Reason) -> None:
    async def work() -> Result:
        async with peer(behaviour) as port:
            limits = waiting(request_ms=500) if behaviour is silent else PATIENT
            return await probe(plan(port, stages=ANYBODYS, limits=limits))

    result = run(work())
    assert result.one(root).reason is reason
    after = ANYBODYS[ANYBODYS.index(root) + 1 :]
    for stage in after:
        skipped = result.one(stage)
        assert (skipped.status, skipped.reason) == (Status.SKIPPED, Reason.WAITS_FOR)
        assert skipped.waited_for is not None
        assert (skipped.waited_for.stage, skipped.waited_for.target) == (root, result.one(root).target)


def test_one_dead_address_of_a_name_leaves_the_other_alone(os_names: Names) -> None:
    """As behind an NLB without cross-zone: of several addresses, one has a target."""
    os_names[NAME] = ("127.0.0.2", "127.0.0.3")

    async def work() -> Result:
        ports: list[int] = []
        handlers = healthy(1, lambda: ((1, NAME.upper(), ports[0]),))
        async with (
            dns_server(answering(f"{NAME}. 60 IN A 127.0.0.2|127.0.0.3")) as server,
            peer(broker(handlers), address="127.0.0.3") as port,
        ):
            ports.append(port)
            return await probe(plan(port, name=NAME, resolver=str(server)))

    result = run(work())
    assert result.one(Stage.CONNECT, address="127.0.0.2").reason is Reason.REFUSED
    assert result.one(Stage.IDENTITY, address="127.0.0.3").status is Status.OK
    assert {each.status for each in result.of(Stage.IDENTITY, address="127.0.0.2")} == {Status.SKIPPED}
    # The same name in capitals is the same name (RFC 4343): nothing more is probed.
    assert {each.target.role for each in result.outcomes} == {Role.BROKER}


def test_a_name_that_does_not_resolve_stops_there() -> None:
    async def work() -> Result:
        async with dns_server(answering(rcode=3, authority=(SOA,))) as server:  # type: ignore[arg-type]
            return await probe(plan(9094, name=NAME, resolver=str(server), stages=ANYBODYS))

    result = run(work())
    assert result.one(Stage.RESOLVE).reason is Reason.NXDOMAIN
    connect = result.one(Stage.CONNECT)
    assert connect.target == Target(role=Role.BROKER, name=NAME, port=9094, broker_id=1)
    assert {each.waited_for.stage for each in result.outcomes if each.waited_for} == {Stage.RESOLVE}


def test_an_os_answer_that_differs_does_not_stop_the_probing(os_names: Names) -> None:
    os_names[NAME] = ("127.0.0.9",)

    async def work() -> Result:
        ports: list[int] = []
        handlers = healthy(1, lambda: ((1, NAME, ports[0]),))
        async with (
            dns_server(answering(f"{NAME}. 60 IN A 127.0.0.2")) as server,
            peer(broker(handlers), address="127.0.0.2") as port,
        ):
            ports.append(port)
            return await probe(plan(port, name=NAME, resolver=str(server)))

    result = run(work())
    assert result.one(Stage.RESOLVE).reason is Reason.OS_ANSWER_DIFFERS
    assert result.one(Stage.IDENTITY).status is Status.OK


def through_tls(context: ssl.SSLContext, ca_file: Path, os_names: Names, **fields: Any) -> Result:
    os_names[NAME] = (LOOPBACK,)

    async def work() -> Result:
        ports: list[int] = []
        handlers = healthy(1, lambda: ((1, NAME, ports[0]),))
        async with (
            dns_server(answering(f"{NAME}. 60 IN A {LOOPBACK}")) as server,
            peer(broker(handlers), context=context) as port,
        ):
            ports.append(port)
            defaults = {"stages": TLS_TO_IDENTITY, "tls": Tls(ca_file=str(ca_file))}
            return await probe(plan(port, name=NAME, resolver=str(server), **defaults | fields))

    return run(work())


def test_all_stages_through_tls(authority: Authority, os_names: Names) -> None:
    result = through_tls(authority.server(NAME), authority.ca_file, os_names)
    assert result.all_ok()
    assert [each.stage for each in result.outcomes] == list(TLS_TO_IDENTITY)


def test_a_certificate_for_another_name_stops_before_kafka(authority: Authority, os_names: Names) -> None:
    result = through_tls(authority.server("other.example"), authority.ca_file, os_names)
    assert result.one(Stage.HANDSHAKE).reason is Reason.NAME_MISMATCH
    for stage in IDENTITY_ON:
        waits = result.one(stage).waited_for
        assert waits is not None
        assert waits.stage is Stage.HANDSHAKE


def test_a_client_certificate_that_is_required_is_told_after_the_handshake(
    authority: Authority, os_names: Names
) -> None:
    """TLS 1.3 sends the alert only after the client believes to be done."""
    context = authority.server(NAME, ask_client=True)
    context.verify_mode = ssl.CERT_REQUIRED
    result = through_tls(context, authority.ca_file, os_names)
    assert result.one(Stage.HANDSHAKE).status is Status.OK
    api = result.one(Stage.API)
    assert (api.status, api.reason) == (Status.FAILED, Reason.CLOSED)


def test_a_ca_file_that_is_missing_is_the_hosts_fault(authority: Authority, os_names: Names) -> None:
    missing = authority.ca_file.with_name("missing.pem")
    result = through_tls(authority.server(NAME), missing, os_names)
    handshake = result.one(Stage.HANDSHAKE)
    assert (handshake.status, handshake.reason) == (Status.ERROR, Reason.BAD_CA_FILE)
    assert str(missing) in handshake.detail
    assert {result.one(stage).status for stage in IDENTITY_ON} == {Status.SKIPPED}


def test_without_tls_there_is_no_handshake() -> None:
    result = run(probe(plan(closed_port(), stages=TLS_TO_IDENTITY)))
    assert not result.of(Stage.HANDSHAKE)
    assert result.one(Stage.CONNECT).reason is Reason.REFUSED


def test_forbidden_is_only_knocked_at() -> None:
    heard = bytearray()

    async def listening(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read())

    async def work() -> tuple[Result, int, int]:
        shut = closed_port()
        async with peer(listening) as port:
            forbidden = tuple(
                ForbiddenConnect(address=LOOPBACK, port=each, why=why)
                for each, why in ((port, "open"), (shut, "shut"), (shut, "again"))
            )
            planned = Plan(plan_id="p", client="c", bootstrap=(), forbidden=forbidden, limits=PATIENT)
            return await probe(planned), port, shut

    result, port, shut = run(work())
    assert result.one(Stage.CONNECT, port=port).status is Status.OK
    assert result.one(Stage.CONNECT, port=shut).reason is Reason.REFUSED
    assert {each.target.role for each in result.outcomes} == {Role.FORBIDDEN}
    assert isinstance(result.one(Stage.CONNECT, port=port).facts, ConnectFacts)
    assert heard == b""


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"resolver": "resolver.example"}, "resolver 'resolver.example' is not an IP address"),
        (
            {"forbidden": (ForbiddenConnect(address="b-1.example", port=1, why=""),)},
            "$.forbidden[0].address: 'b-1.example' is not an IP address",
        ),
        ({"topic": TopicPlan(records_per_leader=0)}, "$.topic.records_per_leader: 0 is not positive"),
        ({"latency": LatencyPlan(rate_per_s=0)}, "$.latency.rate_per_s: 0 is not positive"),
        ({"path_latency": PathLatencyPlan(max_ms=0)}, "$.path_latency.max_ms: 0 is not positive"),
    ],
)
def test_a_plan_that_cannot_be_used_is_refused(fields: dict[str, Any], words: str) -> None:
    lines: list[Line] = []
    last = run(engine.run(plan(9094, **fields), lines.append))
    assert lines == [last]
    assert isinstance(last, Refused)
    assert words in last.why


ENDLESS = Limits(
    resolve_ms=60000, connect_ms=60000, handshake_ms=60000, request_ms=60000, produce_ms=60000, plan_ms=2000
)


@pytest.mark.parametrize("stage", [Stage.RESOLVE, Stage.HANDSHAKE, Stage.API])
def test_the_plans_deadline_is_kept_when_a_peer_falls_silent(
    stage: Stage, authority: Authority, os_names: Names
) -> None:
    os_names[NAME] = (LOOPBACK,)

    async def work() -> Result:
        reply = answering() if stage is not Stage.RESOLVE else lambda _query, _tcp: []
        async with dns_server(reply) as server, peer(silent) as port:
            fields: dict[str, Any] = {"limits": ENDLESS, "stages": ANYBODYS, "resolver": str(server)}
            if stage is Stage.RESOLVE:
                return await probe(plan(port, name=NAME, **fields))
            if stage is Stage.HANDSHAKE:
                fields["tls"] = Tls(ca_file=str(authority.ca_file))
            return await probe(plan(port, **fields))

    result = run(work())
    assert not result.closing.complete
    unfinished = [each for each in result.outcomes if each.status is not Status.OK]
    assert {(each.status, each.reason) for each in unfinished} == {(Status.ERROR, Reason.DEADLINE_OF_PLAN)}
    planned = [each for each in ANYBODYS if each is not Stage.HANDSHAKE or stage is Stage.HANDSHAKE]
    assert [each.stage for each in unfinished] == planned[planned.index(stage) :]


def test_an_abort_ends_the_run_and_reports_the_rest() -> None:
    async def work() -> Result:
        abort = asyncio.Event()
        asyncio.get_running_loop().call_later(0.1, abort.set)
        async with peer(silent) as port:
            return await probe(plan(port), abort)

    result = run(work())
    assert result.wall_s < PATIENT.request_ms / 1000
    assert not result.closing.complete
    assert {each.detail for each in result.of(Stage.API)} == {"ended from outside"}


def test_one_thing_at_a_time_is_enough() -> None:
    async def work() -> Result:
        async with AsyncExitStack() as stack:
            ports = await cluster(stack, 3)
            limits = msgspec.structs.replace(PATIENT, concurrency=1)
            forbidden = (ForbiddenConnect(address=LOOPBACK, port=closed_port(), why=""),)
            planned = plan(ports[0], limits=limits, forbidden=forbidden, follow_advertised=AdvertisedScope.ANY)
            return await probe(planned)

    result = run(work())
    assert {each.status for each in result.of(Stage.IDENTITY)} == {Status.OK}
    assert len(result.of(Stage.IDENTITY)) == 3


@pytest.mark.parametrize(
    ("stages", "missing", "skipped"),
    [
        ((Stage.CONNECT, Stage.API), Stage.RESOLVE, [Stage.CONNECT, Stage.API]),
        ((Stage.RESOLVE, Stage.CONNECT, Stage.METADATA), Stage.API, [Stage.METADATA]),
        ((*TO_IDENTITY[:3], Stage.IDENTITY), Stage.METADATA, [Stage.IDENTITY]),
        ((*TO_IDENTITY, Stage.CONSUME, Stage.GROUP), Stage.PRODUCE, [Stage.CONSUME, Stage.GROUP]),
    ],
)
def test_a_stage_whose_needs_are_not_planned_says_so(
    stages: tuple[Stage, ...], missing: Stage, skipped: list[Stage]
) -> None:
    async def work() -> Result:
        ports: list[int] = []
        async with peer(broker(alone(1, lambda: ports[0]))) as port:
            ports.append(port)
            return await probe(plan(port, stages=stages))

    result = run(work())
    assert {each.stage for each in result.outcomes} == set(stages)
    for stage in skipped:
        outcome = result.one(stage)
        assert outcome.reason is Reason.NOT_PLANNED
        assert outcome.waited_for is not None
        assert outcome.waited_for.stage is missing


def test_records_wait_for_the_broker_that_came_furthest(os_names: Names) -> None:
    """An address that was never to work does not name the cause; the one that got in does."""
    os_names[NAME] = ("127.0.0.2", "127.0.0.3")

    async def work() -> Result:
        async with (
            dns_server(answering(f"{NAME}. 60 IN A 127.0.0.2|127.0.0.3")) as server,
            peer(closing, address="127.0.0.3") as port,
        ):
            planned = plan(
                port,
                name=NAME,
                resolver=str(server),
                stages=ANYBODYS,
                latency=LatencyPlan(),
                throughput=ThroughputPlan(),
            )
            return await probe(planned)

    result = run(work())
    for stage in (Stage.PRODUCE, Stage.CONSUME, Stage.GROUP, Stage.THROUGHPUT):
        waits = result.one(stage).waited_for
        assert waits is not None
        assert (waits.stage, waits.target.address) == (Stage.API, "127.0.0.3")
    assert {each.target.role for each in result.of(Stage.LATENCY)} == {Role.BROKER, Role.CLUSTER}


def test_a_measurement_without_its_plan_is_not_planned() -> None:
    result = run(probe(plan(closed_port(), stages=(*ANYBODYS, Stage.LATENCY, Stage.THROUGHPUT))))
    for stage in (Stage.LATENCY, Stage.THROUGHPUT):
        assert result.one(stage).reason is Reason.NOT_PLANNED


BEHAVIOURS: dict[str, Behaviour | None] = {
    "healthy": None,
    "silent": silent,
    "closing": closing,
    "resetting": resetting,
    "endless": endless(b"\x00" * 100),
}


@settings(max_examples=examples(12), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(sorted(BEHAVIOURS)), min_size=1, max_size=3),
    st.sets(st.sampled_from(ANYBODYS[:6])),
    st.integers(1, 8),
)
def test_every_planned_stage_of_every_target_has_exactly_one_outcome(
    behaviours: list[str], stages: set[Stage], concurrency: int
) -> None:
    async def work() -> Result:
        async with AsyncExitStack() as stack:
            ports: list[int] = []
            for index, behaviour in enumerate(behaviours, start=1):
                handlers: dict[type, Handler] = healthy(
                    index, lambda: tuple((each, LOOPBACK, port) for each, port in enumerate(ports, start=1))
                )
                ports.append(await stack.enter_async_context(peer(BEHAVIOURS[behaviour] or broker(handlers))))
            limits = waiting(request_ms=100, concurrency=concurrency)
            planned = plan(*ports, limits=limits, stages=tuple(stage for stage in ANYBODYS if stage in stages))
            return await probe(planned)

    result = run(work())
    brokers = {each.target for each in result.outcomes if each.stage is not Stage.RESOLVE}
    expected = {(stage, target) for stage in stages - {Stage.RESOLVE, Stage.HANDSHAKE} for target in brokers}
    if Stage.RESOLVE in stages:
        expected.add((Stage.RESOLVE, Target(role=Role.BROKER, name=LOOPBACK)))
    assert keys(result.outcomes) == expected
    assert len(brokers) == (len(behaviours) if stages - {Stage.RESOLVE, Stage.HANDSHAKE} else 0)
