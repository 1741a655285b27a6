"""Where Kafka clients start: they ask the operating system for names, which may lead elsewhere than the resolver."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from brokerproof.probes.endpoints import ProbedEndpoint, Verified
from brokerproof.probes.exchange import Candidate, Exchange
from brokerproof.probes.names import Names
from brokerproof.probes.outcome import MetadataFacts, Outcome, Reason, Role, Stage, Status, Target, WaitedFor
from brokerproof.probes.paths import Paths

ANYBODY = WaitedFor(stage=Stage.RESOLVE, target=Target(role=Role.CLUSTER))


def endpoint(broker_id: int) -> ProbedEndpoint:
    return ProbedEndpoint(Role.BROKER, f"b-{broker_id}.example", 9094, broker_id)


def verified(broker_id: int, **facts: Any) -> Verified:
    metadata = MetadataFacts(**{"cluster_id": "one", "brokers": (), "controller_id": 1, **facts})
    return Verified(endpoint(broker_id), "10.0.0.1", cast("Any", None), metadata, broker_id)


def candidate(each: Verified) -> Candidate:
    target = Target(role=Role.BROKER, name=each.endpoint.name)
    return Candidate(broker_id=each.answered_by, target=target, verified=each, root=ANYBODY)


def paths(**reasons: Reason | None) -> Paths:
    """Whose names were asked for, with these outcomes."""
    made = object.__new__(Paths)
    made._names = object.__new__(Names)
    made._names._resolutions = {f"{name.replace('_', '-')}.example": over(reason) for name, reason in reasons.items()}
    return made


def over(reason: Reason | None) -> asyncio.Task[Any]:
    future: asyncio.Future[Any] = asyncio.Future()
    status = Status.OK if reason is None else Status.FAILED
    target = Target(role=Role.BROKER, name="b.example")
    outcome = Outcome(stage=Stage.RESOLVE, target=target, status=status, reason=reason, started_ns=0, duration_ns=1)
    future.set_result((outcome, ("10.0.0.1",)))
    return cast("asyncio.Task[Any]", future)


@pytest.mark.parametrize(
    ("reasons", "starts"),
    [
        ({}, 2),
        ({"b_1": None, "b_2": None}, 2),
        ({"b_1": None, "b_2": Reason.SLOW}, 2),
        ({"b_1": None, "b_2": Reason.OS_ANSWER_DIFFERS}, 1),
        ({"b_1": None, "b_2": Reason.OS_RESOLUTION_FAILED}, 1),
        ({"b_1": Reason.OS_ANSWER_DIFFERS, "b_2": Reason.OS_ANSWER_DIFFERS}, 2),
    ],
    ids=["not asked", "both", "late", "another answer", "no answer", "none"],
)
def test_clients_start_at_a_name_that_leads_them_to_a_verified_broker(
    reasons: dict[str, Reason | None], starts: int
) -> None:
    """A line in /etc/hosts for one broker kept all records back, where the probe had verified that broker first."""

    async def chosen() -> ProbedEndpoint:
        exchange = Exchange(cast("Any", None), cast("Any", None), paths(**reasons), cast("Any", None))
        exchange.candidates = [candidate(verified(1)), candidate(verified(2))]
        return exchange._start(verified(2))

    assert asyncio.run(chosen()).broker_id == starts
