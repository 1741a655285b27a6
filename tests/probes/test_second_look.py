"""The second look: what failed is observed once more, is marked, and takes nothing back."""

from __future__ import annotations

import socket

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerproof.probes.ledger import Ledger
from brokerproof.probes.observation import Observation, failed
from brokerproof.probes.outcome import Line, Outcome, Reason, Role, Stage, Status, Target
from brokerproof.probes.plan import VERIFY_STAGES, Endpoint, ForbiddenConnect, Limits
from brokerproof.probes.second_look import failures, second_plan
from brokerproof.probes.stages.connect import connect
from tests.probes.fake_kafka import alone, broker
from tests.probes.peers import LOOPBACK, closed_port, peer, run, silent
from tests.probes.running import Result, plan, probe, waiting


def test_nothing_is_looked_at_again_where_nothing_failed() -> None:
    async def work() -> Result:
        ports: list[int] = []
        async with peer(broker(alone(1, lambda: ports[0]))) as port:
            ports.append(port)
            return await probe(plan(port))

    result = run(work())
    assert result.all_ok()
    assert result.again == []


def test_what_lasts_fails_both_times_and_what_was_well_is_left_alone() -> None:
    async def work() -> Result:
        ports: list[int] = []
        async with peer(broker(alone(1, lambda: ports[0]))) as port:
            ports.append(port)
            return await probe(plan(port, closed_port()))

    result = run(work())
    again = [each for each in result.again if each.stage is Stage.CONNECT]
    assert {(each.target.broker_id, each.reason) for each in again} == {(2, Reason.REFUSED)}
    assert all(each.look == 2 for each in result.again)
    first = result.one(Stage.CONNECT, broker_id=2)
    assert (first.status, first.reason) == (Status.FAILED, Reason.REFUSED)
    assert all(each.started_ns >= first.started_ns + first.duration_ns for each in again)


def test_what_is_over_by_then_passes_and_the_first_look_stays_red(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: dict[int, int] = {}

    async def refused_once(address: str, port: int, *, limit_ms: int) -> tuple[Observation, socket.socket | None]:
        calls[port] = calls.get(port, 0) + 1
        if calls[port] == 1:
            return failed(Reason.REFUSED, "as a broker that starts"), None
        return await connect(address, port, limit_ms=limit_ms)

    async def work() -> Result:
        ports: list[int] = []
        async with peer(broker(alone(1, lambda: ports[0]))) as port:
            ports.append(port)
            monkeypatch.setattr("brokerproof.probes.path_stages.connect", refused_once)
            return await probe(plan(port))

    result = run(work())
    assert result.one(Stage.CONNECT, broker_id=1).reason is Reason.REFUSED
    seen = {each.stage: each.status for each in result.again if each.target.broker_id == 1}
    assert seen[Stage.CONNECT] is Status.OK
    assert seen[Stage.IDENTITY] is Status.OK


def test_no_time_for_a_second_look_is_said_and_leaves_the_run_complete() -> None:
    async def work() -> Result:
        async with peer(silent) as port:
            # Of a silent peer it is asked once more what it speaks, which takes 400 ms.
            limits = waiting(request_ms=1000, plan_ms=2600)
            return await probe(plan(port, limits=limits))

    result = run(work())
    assert result.closing.complete
    assert {each.reason for each in result.again if each.stage is Stage.API} <= {Reason.DEADLINE_OF_PLAN}
    assert result.again != []


def test_a_door_that_answered_is_tried_again_and_one_that_was_silent_is_not() -> None:
    async def work() -> Result:
        async with peer(silent) as port:
            doors = (ForbiddenConnect(address=LOOPBACK, port=port, why="w"),)
            return await probe(plan(closed_port(), forbidden=doors, stages=(Stage.CONNECT,)))

    result = run(work())
    assert [each.status for each in result.again if each.target.role is Role.FORBIDDEN] == [Status.OK]


def test_none_is_made_where_none_is_wanted() -> None:
    assert run(probe(plan(closed_port(), look_again=False))).again == []


def test_a_ledger_of_the_second_look_goes_on_with_the_first_ones_clock() -> None:
    lines: list[Line] = []
    first = Ledger(lines.append)
    second = first.again()
    target = Target(role=Role.BROKER, name="b", port=1, broker_id=1)
    for ledger in (first, second):
        ledger.settle(Stage.CONNECT, target, failed(Reason.REFUSED, ""))
    assert [line.look for line in lines if isinstance(line, Outcome)] == [1, 2]
    assert second.zero_ns == first.zero_ns


BROKERS = tuple(Endpoint(name=f"b-{i}", port=9094, broker_id=i) for i in (1, 2, 3))
PLAN = msgspec.structs.replace(plan(1, limits=Limits()), brokers=BROKERS, bootstrap=BROKERS, stages=VERIFY_STAGES)


def at(stage: Stage, broker_id: int, reason: Reason) -> Outcome:
    target = Target(role=Role.BROKER, name=f"b-{broker_id}", address="10.0.0.1", port=9094, broker_id=broker_id)
    return Outcome(stage=stage, target=target, status=Status.FAILED, reason=reason, started_ns=0, duration_ns=1)


def test_only_the_broker_that_failed_is_looked_at_and_no_records_are_sent() -> None:
    again = second_plan(PLAN, [at(Stage.HANDSHAKE, 2, Reason.ALERT)])
    assert again is not None
    assert [each.broker_id for each in again.brokers] == [2]
    assert Stage.PRODUCE not in again.stages
    assert Stage.PATH_SIZE not in again.stages
    assert again.connect_attempts == 1


def test_records_that_failed_go_through_every_broker_again() -> None:
    again = second_plan(PLAN, [at(Stage.PRODUCE, 2, Reason.TIMED_OUT)])
    assert again is not None
    assert [each.broker_id for each in again.brokers] == [1, 2, 3]
    assert Stage.GROUP in again.stages


@given(st.lists(st.tuples(st.sampled_from(VERIFY_STAGES), st.integers(1, 3)), max_size=4))
def test_the_second_plan_asks_for_nothing_that_the_first_did_not(reds: list[tuple[Stage, int]]) -> None:
    found = second_plan(PLAN, [at(stage, broker_id, Reason.TIMED_OUT) for stage, broker_id in reds])
    if found is None:
        assert reds == []
        return
    assert set(found.brokers) <= set(PLAN.brokers)
    assert set(found.bootstrap) <= set(PLAN.bootstrap)
    assert set(found.stages) <= set(PLAN.stages)


def test_measurements_are_not_looked_at_again() -> None:
    target = Target(role=Role.CLUSTER)
    slow = Outcome(
        stage=Stage.LATENCY, target=target, status=Status.FAILED, reason=Reason.TIMED_OUT, started_ns=0, duration_ns=1
    )
    assert failures([slow]) == ()
